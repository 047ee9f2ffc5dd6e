package actors

import (
	"context"
	"time"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// Driver schedules the simulated runtime. sim/kernel's Kernel satisfies it.
// All calls come from one goroutine at a time.
type Driver interface {
	Now() time.Duration
	// NewActor registers an actor of a node. step makes it take its next
	// message; the kernel calls it once per Enable.
	NewActor(node uint32, step func()) (id uint32)
	// FreeActor forgets an actor; its timers never fire, its parked handler
	// stays parked until the end of the run.
	FreeActor(id uint32)
	// Enable says that the actor has a next message, whose causal id is cause.
	Enable(id uint32, cause uint64)
	// Disable takes an Enable back.
	Disable(id uint32)
	// Cause is the causal id of the step being taken; Child is the id of the
	// next thing that the step causes.
	Cause() uint64
	Child() uint64
	// At calls f at t, as a timer step of the actor.
	At(t time.Duration, actor uint32, f func()) (timer uint64)
	Cancel(timer uint64) bool
	// Park blocks the running handler of the actor, in virtual time, until
	// Unpark makes its resumption an enabled step.
	Park(id uint32)
	Unpark(id uint32)
}

// Executor carries out a loop's actions, one at a time per node, on an actor
// of its own. It may block through the clock in ctx-aware ways like an appender.
type Executor interface {
	Do(ctx context.Context, env appender.Env, a loop.Action) (any, error)
}

// Host shapes the appender host. The zero value of each field means its default.
type Host struct {
	Open  appender.Opener // default: NoOp
	Inbox int             // records queued, default 1,024
	Batch int             // records in hand, default 128
	// Attempts is how often a record may be the one that an attempt comes to a
	// stop at, whatever the outcome, and how many openings in a row may fail
	// before the circuit opens. Default 3.
	Attempts int
	// Abandoned is how many workers may hang at a time, the probe's slot
	// included. Default 4, at least 2.
	Abandoned  int
	Deadline   time.Duration // per append call and per opening, default 1 s
	Grace      time.Duration // after the deadline, default 250 ms
	Backoff    time.Duration // of retries and restarts: doubles, jittered by up to a half; default 50 ms
	MaxBackoff time.Duration // default 5 s
	// Probe is an open circuit's least interval between probes: with every
	// probe that fails it doubles, up to MaxBackoff, and jitter adds up to a
	// quarter. Default 1 s.
	Probe time.Duration
}

// Restarts is the supervision policy of the actors of a node.
type Restarts struct {
	Max        int           // restarts within Window before the actor is stopped; default 10
	Window     time.Duration // default 1 min
	Backoff    time.Duration // default 50 ms
	MaxBackoff time.Duration // default 5 s
}

// NodeOptions describe one incarnation of a node.
type NodeOptions struct {
	ID          uint64 // from 1
	Name        string
	Incarnation uint32 // from 1
	Seed        uint64
	Loop        loop.Options
	Host        Host
	Restarts    Restarts
	Exec        Executor
	// Inbox bounds the droppable messages (log lines, peers' messages) that
	// wait for the loop. Default 4,096.
	Inbox int
	// Send hands a message to the network. It must not block.
	Send func(to uint64, msg any)
	// Wall maps the monotonic clock to the node's civil time; nil means no skew.
	Wall func(mono time.Duration) time.Time
	// Observe sees the events of kinds Wants, serialised per runtime. It must
	// not call methods of a Node or of the runtime, Clock().Now apart.
	Observe func(*trace.Event)
	Wants   trace.KindSet
	// Shadow, if set, makes a loop equal to this one at its start: it is what
	// NodeStarted carries as its Data.
	Shadow func() *loop.Loop
}

// Runtime hosts nodes: simulated or live, behind one API.
type Runtime interface {
	// Spawn starts a node's actors.
	Spawn(NodeOptions, loop.Model) (*Node, error)
	// Clock is the runtime's clock, unskewed.
	Clock() appender.Clock
	// Close ends every node, and every goroutine the runtime owns. Simulated,
	// it takes everything down at once and tells nobody; do it before the
	// driver is unwound, so that code which is unwound finds its clock closed.
	// Live, it stops every node in order, with half of the time that ctx
	// leaves (at most 2 s), then ends every sleep on the clock, and waits for
	// its goroutines until ctx ends (without a deadline, 10 s); an error that
	// is [ErrStuck] names the calls that did not come back.
	Close(context.Context) error
}

// HostStats counts what a node's appender host did.
type HostStats struct {
	Ledger                           trace.Ledger
	Errors, Deadlines, Panics, Hangs uint64 // the four outcomes of an attempt that did not succeed
	Retries, Stale                   uint64
	OpenFailures                     uint64 // openings that failed: error, deadline, panic or hang
	Epoch                            uint64
	AbandonedNow                     int
	CircuitOpen                      bool
	CircuitOpenings                  uint64
	LinesDropped, InputsDropped      uint64 // from the loop's inbox
	WorkerRestarts, ActorRestarts    uint64
}
