package loop

import (
	"time"

	"meshsim/appender"
)

// The defaults of [Options].
const (
	DefaultTick      = 500 * time.Millisecond
	DefaultRing      = 2048
	DefaultEmissions = 256
)

// Options shape a loop. The zero value of each field means its default.
type Options struct {
	Node        string // stamped on records
	ID          uint64 // the node's number
	Incarnation uint32 // stamped on records; default 1
	// Start is the runtime's monotonic time at which the loop starts: its
	// first tick is due one interval later.
	Start time.Duration
	Tick  time.Duration // default [DefaultTick]; negative panics
	Ring  int           // log ring capacity, default [DefaultRing]; below 1 counts as 1
	// Emissions is the capacity of the ring of recently emitted actions,
	// default [DefaultEmissions]; below 1 counts as 1.
	Emissions int
}

func (o Options) withDefaults() Options {
	if o.Tick < 0 {
		panic("loop: negative tick interval")
	}
	if o.Incarnation == 0 {
		o.Incarnation = 1
	}
	if o.Tick == 0 {
		o.Tick = DefaultTick
	}
	if o.Ring == 0 {
		o.Ring = DefaultRing
	}
	if o.Emissions == 0 {
		o.Emissions = DefaultEmissions
	}
	return o
}

// Stats counts what a loop did; all of it only grows.
type Stats struct {
	Steps   uint64 // inputs folded in, refused ones included
	Refused uint64 // inputs that the model or the loop refused
	Lines   uint64 // lines logged from outside the model
	Ticks   uint64

	Records, Actions, Messages uint64 // emitted

	RingDropped, EmissionsDropped uint64 // evicted from the log ring, from the emission ring

	Settled        [appender.NumOutcomes]uint64
	SettledEvicted uint64 // settled after its entry had left the ring
}
