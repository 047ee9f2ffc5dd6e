package kernel

import (
	"fmt"
	"strings"
	"time"
)

// LivelockError names the steps that kept an instant from ending.
type LivelockError struct {
	Time  time.Duration
	Steps uint64  // taken in this instant
	Last  []Taken // the last ones, oldest first
}

// Error names the actors of the last steps.
func (e *LivelockError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %d steps at %v without time advancing; the last:", ErrLivelock, e.Steps, e.Time)
	for _, t := range e.Last {
		fmt.Fprintf(&b, " #%d %v of actor %d at node %d;", t.Number, t.Kind, t.Actor, t.Node)
	}
	return strings.TrimSuffix(b.String(), ";")
}

// Unwrap makes errors.Is(err, ErrLivelock) true.
func (e *LivelockError) Unwrap() error { return ErrLivelock }
