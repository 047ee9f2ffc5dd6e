package appender

import (
	"errors"
	"fmt"
)

// Sentinels to be found with [errors.Is] through any stack of wrappers.
var (
	// ErrClosed: the appender was closed before the call; nothing was stored.
	ErrClosed = errors.New("appender: closed")
	// ErrFull: the appender is bounded and refuses instead of dropping;
	// nothing was stored.
	ErrFull = errors.New("appender: full")
	// ErrUnknownOutcome: the record may or may not be stored. Any error
	// without it in its chain means that the record is not stored.
	ErrUnknownOutcome = errors.New("appender: outcome unknown")
	// ErrOpen: a [Breaker] is open; the appender inside was not called.
	ErrOpen = errors.New("appender: circuit open")
	// ErrInjected: a [Control] made the call fail.
	ErrInjected = errors.New("appender: injected fault")
)

// AppendError says which sink failed to store which record. Err is the cause,
// reached by [errors.Is] and [errors.As].
type AppendError struct {
	Sink string // what failed: "buffering", "faulty", ...
	Node string // the record's
	Seq  uint64 // the record's
	Err  error
}

func (e *AppendError) Error() string {
	return fmt.Sprintf("%s: append %s#%d: %v", e.Sink, e.Node, e.Seq, e.Err)
}

// Unwrap returns the cause.
func (e *AppendError) Unwrap() error { return e.Err }

// PanicError is a panic of an appender as an error. Its text leaves the stack
// out, because stacks hold addresses, which differ from run to run.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // as of [runtime/debug.Stack]; may be nil
}

func (e *PanicError) Error() string { return fmt.Sprintf("appender: panic: %v", e.Value) }

// Unwrap returns the value if it is an error, else nil.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// partialError is the error of a record that is stored in a part of where it
// belongs, and will be stored in the rest, and there alone, when it is appended
// again: its outcome is unknown, but trying again settles it.
type partialError struct{ err error }

func (e *partialError) Error() string {
	return fmt.Sprintf("%v: stored by some: %v", ErrUnknownOutcome, e.err)
}

func (e *partialError) Unwrap() []error { return []error{ErrUnknownOutcome, e.err} }

// unsettled reports whether err holds an outcome that trying again cannot
// settle, but only double.
func unsettled(err error) bool {
	if err == ErrUnknownOutcome {
		return true
	}
	if p, ok := err.(*partialError); ok {
		return unsettled(p.err)
	}
	if is, ok := err.(interface{ Is(error) bool }); ok && is.Is(ErrUnknownOutcome) {
		return true
	}
	switch x := err.(type) {
	case interface{ Unwrap() error }:
		return x.Unwrap() != nil && unsettled(x.Unwrap())
	case interface{ Unwrap() []error }:
		for _, e := range x.Unwrap() {
			if e != nil && unsettled(e) {
				return true
			}
		}
	}
	return false
}
