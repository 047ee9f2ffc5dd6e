package loop

import (
	"time"

	"meshsim/appender"
)

// Options shape a loop. The zero value of each field means its default.
type Options struct {
	Node        string        // stamped on records
	ID          uint64        // the node's number
	Incarnation uint32        // stamped on records; default 1
	Tick        time.Duration // default 500 ms
	Ring        int           // log ring capacity, default 2,048
	Emissions   int           // ring of recently emitted actions, default 256
}

// Stats counts what a loop did; all of it only grows.
type Stats struct {
	Steps, Refused, Lines, Ticks  uint64
	Records, Actions, Messages    uint64
	RingDropped, EmissionsDropped uint64 // evicted from the log ring, from the emission ring
	Settled                       [appender.NumOutcomes]uint64
	SettledEvicted                uint64 // settled after its entry had left the ring
}

// Entry is one line of the log ring.
type Entry struct {
	Record appender.Record
	// ChainPending means: not known to be in the durable chain.
	ChainPending bool
}

// Emission is one action as the loop emitted it.
type Emission struct {
	Action Action
	At     time.Duration
	Done   bool
}

// Snapshot is one contiguous moment of a loop.
type Snapshot struct {
	Node        string
	Incarnation uint32
	Tick        uint64 // ticks handled
	Now         time.Duration
	Log         []Entry
	Emissions   []Emission
	Stats       Stats
	View        any
}

// Loop ...
type Loop struct{}

// New ...
func New(m Model, o Options) *Loop { panic("stub") }

// Step folds in; its outputs are in Ready until Advance.
func (l *Loop) Step(in Input) error { panic("stub") }

// Log emits one record for a line from outside the model.
func (l *Loop) Log(now time.Duration, wallMs uint64, line LogLine) { panic("stub") }

// Tick reconciles.
func (l *Loop) Tick(now time.Duration, wallMs uint64) { panic("stub") }

// NextTick says when Tick is due next; ok is false while the model idles.
func (l *Loop) NextTick() (t time.Duration, ok bool) { panic("stub") }

// Settle tells what became of record seq.
func (l *Loop) Settle(seq uint64, o appender.Outcome) { panic("stub") }

// Ready is what the last steps want done.
func (l *Loop) Ready() *Ready { panic("stub") }

// Advance says that Ready was taken care of.
func (l *Loop) Advance() { panic("stub") }

// Digest folds the loop's state (and its model's, if a Digester), all but ChainPending.
func (l *Loop) Digest(h uint64) uint64 { panic("stub") }

// Capture copies the loop's state now; only its owner may call it.
func (l *Loop) Capture() *Snapshot { panic("stub") }

// Snapshot is the latest published one; any goroutine may call it.
func (l *Loop) Snapshot() *Snapshot { panic("stub") }

// Stats ...
func (l *Loop) Stats() Stats { panic("stub") }

func (l *Loop) do(kind string, target uint64, args any) uint64 { panic("stub") }
func (l *Loop) log(line LogLine)                               { panic("stub") }
