package loop

import (
	"sync/atomic"
	"time"

	"meshsim/appender"
)

// Entry is one line of the log ring.
type Entry struct {
	Record appender.Record
	// ChainPending means: not known to be in the durable chain. It is true
	// from the push until the appender's acknowledgement arrives, stays true
	// for a record that failed, was dropped, was lost or has an unknown
	// outcome, and turns false if a retry of such a record lands later.
	ChainPending bool
}

// Emission is one action as the loop emitted it.
type Emission struct {
	Action Action
	At     time.Duration // when it was emitted
	Done   bool          // its outcome was folded in
}

// Snapshot is one contiguous moment of a loop: the snapshot of tick k covers
// everything that was folded in before tick k and in it. It never changes and
// may be read by any goroutine. Log and Emissions are the rings, oldest first.
type Snapshot struct {
	Node        string
	Incarnation uint32
	Tick        uint64        // ticks handled
	Now         time.Duration // of the last call folded in
	Log         []Entry
	Emissions   []Emission
	Stats       Stats
	View        any // what the model shows, if it is a [Viewer]
}

// publication is the one thing that a loop shares with other goroutines.
type publication struct {
	latest atomic.Pointer[Snapshot]
	// wanted is set by readers and cleared by the publishing tick. A loop
	// that nobody reads thus never copies its rings, and a reader is at most
	// one tick behind from its second read on.
	wanted atomic.Bool
}

// Snapshot returns the latest published snapshot and asks for the next one:
// the first tick publishes, and every tick before which Snapshot was called
// since the last publication. Before the first tick there is an empty one,
// never nil. Any goroutine may call it at any time; it neither waits nor
// allocates.
func (l *Loop) Snapshot() *Snapshot {
	// Loading first keeps many readers from fighting over the cache line.
	if !l.published.wanted.Load() {
		l.published.wanted.Store(true)
	}
	return l.published.latest.Load()
}

// publish stores a snapshot if one is wanted. The demand is cleared before the
// capture, so that a read during it counts for the next tick.
func (l *Loop) publish() {
	if l.published.wanted.Load() {
		l.published.wanted.Store(false)
		l.published.latest.Store(l.Capture())
	}
}

// Capture copies the loop's state as it is now, whoever wants it. Only the
// loop's owner may call it. It costs a copy of both rings and a view of the
// model.
func (l *Loop) Capture() *Snapshot {
	s := &Snapshot{
		Node:        l.opt.Node,
		Incarnation: l.opt.Incarnation,
		Tick:        l.stats.Ticks,
		Now:         l.now,
		Stats:       l.Stats(),
	}
	if n := l.log.Len(); n > 0 {
		s.Log = l.log.AppendTo(make([]Entry, 0, n))
	}
	if n := l.emissions.Len(); n > 0 {
		s.Emissions = l.emissions.AppendTo(make([]Emission, 0, n))
	}
	if l.viewer != nil {
		s.View = l.viewer.View()
	}
	return s
}
