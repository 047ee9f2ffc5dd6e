package actors

import "errors"

var (
	// ErrClosed: the runtime is closed. A Sleep on its clock returns it, so
	// that a call which hangs by sleeping ends with the runtime.
	ErrClosed = errors.New("actors: runtime closed")
	// ErrEnded: the node has crashed or stopped.
	ErrEnded = errors.New("actors: node ended")
	// ErrBusy is the outcome of an action that a node's executor had no room
	// for: 1,024 others are on their way already.
	ErrBusy = errors.New("actors: too many actions in flight")
	// ErrExited: a handler ended its goroutine.
	ErrExited = errors.New("actors: a handler exited its goroutine")
	// ErrHung is what ended an attempt whose call came back neither by its
	// deadline nor in the grace after it.
	ErrHung = errors.New("actors: call hung")
	// ErrNilAppender: an Opener returned neither an appender nor an error.
	ErrNilAppender = errors.New("actors: opener returned nil")
	// ErrStuck: calls into user code did not come back when the runtime was
	// closed. Their goroutines are beyond anybody's reach.
	ErrStuck = errors.New("actors: calls that do not return")
)
