package meshos

import (
	"errors"
	"time"
)

// What the model refuses an input with. The text of the error that is returned
// says more; find these with [errors.Is].
var (
	ErrInput  = errors.New("meshos: not an input of this model")
	ErrPeer   = errors.New("meshos: unknown peer")
	ErrDaemon = errors.New("meshos: unknown daemon")
	ErrAction = errors.New("meshos: outcome of no action in flight")
)

// Heartbeat is the one message between peers. Its origin sends it, stamped with
// its own monotonic time; a peer sends it back as it came; and the origin takes
// the difference to its own time for the round trip. So clocks of different
// nodes are never compared, and nothing is allocated for the way back.
type Heartbeat struct {
	Origin uint64
	SentAt time.Duration
}

// Started is the signal that a daemon runs.
type Started struct{ Daemon uint64 }

// ExitedCleanly is the signal that a daemon ended without a failure.
type ExitedCleanly struct{ Daemon uint64 }

// Crashed is the signal that a daemon failed.
type Crashed struct {
	Daemon uint64
	Reason string
}

// Intend changes what is wanted of a daemon, and makes it known if it is not.
type Intend struct {
	Daemon uint64
	Intent Intent
}

// ForceRestart forgets a daemon's crashes and opens its gate, so that it may
// start at the next tick.
type ForceRestart struct{ Daemon uint64 }
