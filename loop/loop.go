package loop

import (
	"time"

	"meshsim/appender"
)

// Input is one thing that happened to a node's model.
type Input struct {
	// Now is the runtime's monotonic time.
	Now time.Duration
	// WallMs is the node's wall clock in milliseconds since the Unix epoch.
	WallMs uint64
	// From is the peer that sent Msg; 0 when it came from this node.
	From uint64
	// Action, when not 0, makes this input the outcome of that action: Msg
	// is its result, Err its failure.
	Action uint64
	Msg    any
	Err    error
}

// LogLine is what a program on the node asks the loop to log.
type LogLine struct {
	Level   appender.Level
	Daemon  uint64 // 0 means none
	Message string
}

// Action is an effect that the model wants carried out. Each is answered
// exactly once, by an [Input] with its ID.
type Action struct {
	// ID is stamped by the loop, from 1, without gaps.
	ID uint64
	// Kind and Target name the action for traces and for the duplicate-work
	// invariant: one action of a kind per target at a time.
	Kind   string
	Target uint64
	// Args is the executor's business.
	Args any
}

// Message is what the model sends to a peer. Msg must be treated as immutable
// by both ends: no copy is made.
type Message struct {
	To  uint64
	Msg any
}

// Model is what an integration brings: how an input folds into state, and what
// to do at a tick. One goroutine at a time calls it. It must not block, read a
// clock, start a goroutine, or draw global randomness; everything it wants done
// it writes to out. It must not keep out.
//
// An error from Step means that the input was refused and left the state as it
// was; it is counted and logged, never fatal.
type Model interface {
	Step(in Input, out *Ready) error
	Tick(now time.Duration, out *Ready)
}

// Idler is an optional interface of models that need not tick at every
// interval: ok is false when nothing is due until the next input; otherwise
// the next tick is the first regular one at or after t.
type Idler interface {
	Next(now time.Duration) (t time.Duration, ok bool)
}

// Digester is an optional interface of models whose state is to be folded into
// the run's digest, and compared by the non-interference invariant.
type Digester interface {
	Digest(h uint64) uint64
}

// Viewer is an optional interface of models that show their state in
// snapshots. What View returns must not change afterwards.
type Viewer interface {
	View() any
}
