package props

import (
	"fmt"
	"time"

	"meshsim/sim/trace"
)

// WedgeBound is how long a due tick or a log line may wait for its loop, in
// node time, before the slack that the runtime adds. In a simulation without
// holding and service time both are handled in the instant that they are due.
const WedgeBound = 100 * time.Millisecond

// NeverWedged holds when, whatever any appender does, every due tick and every
// log line is handled within bound (0 means [WedgeBound]) of node time, and
// when a loop that handled a tick says within the same bound when the next one
// is due. Absent events are found by the clock, not by later events.
//
// Excluded are the time that a node is paused, the time between a panic of the
// loop's actor and its restart (invariant supervised bounds it), and nodes that
// crashed or stopped. A line that was dropped counts as handled.
//
// A tick or line costs O(1) amortised; a node has one wake-up in a heap, so
// that a wake-up is O(log nodes) and idle nodes cost nothing.
func NeverWedged(bound time.Duration) func() trace.Checker {
	if bound <= 0 {
		bound = WedgeBound
	}
	return func() trace.Checker {
		return &neverWedged{bound: bound, judge: always("never-wedged",
			trace.NodeStarted, trace.NodeCrashed, trace.NodeStopped,
			trace.NodePaused, trace.NodeResumed,
			trace.TickArmed, trace.TickDone,
			trace.LineIn, trace.LineLogged, trace.LineDropped,
			trace.ActorFailed, trace.ActorRestarted)}
	}
}

type neverWedged struct {
	judge
	bound time.Duration
	lives lives[progress]
	owed  alarms[*life[progress]]
}

// SetSlack adds what the runtime's own delays amount to.
func (c *neverWedged) SetSlack(d time.Duration) { c.bound += d }

type tickState uint8

const (
	tickUnarmed tickState = iota // the loop owes a TickArmed since tickDue
	tickArmed                    // a tick is due at tickDue
	tickIdle                     // the model wants none
)

// progress is what one loop owes.
type progress struct {
	time    nodeTime
	tick    tickState
	tickDue time.Duration
	lines   arrivals
	wake    alarm[*life[progress]]
}

// arrivals are the log lines that wait, with the node time of their arrival.
type arrivals struct {
	at   []time.Duration // at[off] is that of line base+1; handled ones are -1
	off  int
	base uint64
}

const handled = time.Duration(-1)

func (a *arrivals) arrive(seq uint64, at time.Duration) {
	next := a.base + uint64(len(a.at)-a.off) + 1
	if len(a.at) == a.off {
		a.base = seq - 1
	} else if seq != next {
		return // numbered wrongly: not this invariant's business
	}
	a.at = append(a.at, at)
}

// take removes a line.
func (a *arrivals) take(seq uint64) {
	if seq <= a.base || seq > a.base+uint64(len(a.at)-a.off) {
		return
	}
	a.at[a.off+int(seq-a.base)-1] = handled
	for a.off < len(a.at) && a.at[a.off] == handled {
		a.off++
		a.base++
	}
	if a.off == len(a.at) {
		a.at, a.off = a.at[:0], 0
	} else if a.off > 64 && a.off > len(a.at)/2 {
		a.at, a.off = a.at[:copy(a.at, a.at[a.off:])], 0
	}
}

// oldest is the arrival of the line that waits longest.
func (a *arrivals) oldest() (seq uint64, at time.Duration, ok bool) {
	if a.off == len(a.at) {
		return 0, 0, false
	}
	return a.base + 1, a.at[a.off], true
}

func (c *neverWedged) Observe(e *trace.Event) error {
	l := c.lives.of(e)
	if l.ended {
		return nil
	}
	p := &l.v
	switch e.Kind {
	case trace.NodeStarted:
		p.tick, p.tickDue = tickUnarmed, e.Time
		c.watch(l)
	case trace.NodeCrashed, trace.NodeStopped:
		l.ended = true
		c.owed.unset(&p.wake)
		l.v = progress{}
	case trace.NodePaused:
		p.time.freeze(e.Time)
	case trace.NodeResumed:
		c.thaw(l, e.Time)
	case trace.ActorFailed:
		if e.Actor == trace.RoleLoop {
			p.time.freeze(e.Time)
		}
	case trace.ActorRestarted:
		if e.Actor == trace.RoleLoop {
			c.thaw(l, e.Time)
		}
	case trace.TickArmed:
		c.arm(l, e)
	case trace.TickDone:
		c.checked++
		p.tick, p.tickDue = tickUnarmed, e.Time
		c.watch(l)
	case trace.LineIn:
		p.lines.arrive(e.Seq, p.time.at(e.Time))
		c.watch(l)
	case trace.LineDropped:
		p.lines.take(e.Seq)
	case trace.LineLogged:
		c.checked++
		p.lines.take(e.Seq)
	}
	return nil
}

// arm notes when a tick is due. Its lateness counts from then, or from now if
// the loop was idle, or down, when it would have been due; but arming a tick
// again does not excuse that it is late already.
func (c *neverWedged) arm(l *life[progress], e *trace.Event) {
	p := &l.v
	switch {
	case e.Count == 0:
		p.tick = tickIdle
		return
	case p.tick == tickArmed && p.tickDue <= e.Time:
		return
	}
	p.tick, p.tickDue = tickArmed, max(e.Deadline, e.Time)
	c.watch(l)
}

func (c *neverWedged) thaw(l *life[progress], now time.Duration) {
	p := &l.v
	since, ok := p.time.thaw(now)
	if !ok {
		return
	}
	// Lines are kept in node time. A tick is due at a time of the mesh: of
	// its lateness, what fell into the frozen time does not count.
	if p.tickDue < now {
		p.tickDue += now - max(since, p.tickDue)
	}
	c.watch(l)
}

// earliest is when the first thing that the loop owes is overdue.
func (c *neverWedged) earliest(p *progress) (at time.Duration, ok bool) {
	if p.tick != tickIdle {
		at, ok = p.tickDue+c.bound, true
	}
	if _, t, any := p.lines.oldest(); any {
		if t = p.time.when(t) + c.bound; !ok || t < at {
			at, ok = t, true
		}
	}
	return at + 1, ok // owed until the bound is past, not just reached
}

// watch makes sure that a wake-up comes no later than what is owed first.
func (c *neverWedged) watch(l *life[progress]) {
	p := &l.v
	if p.time.frozen > 0 {
		return // thaw watches again
	}
	if at, ok := c.earliest(p); ok {
		c.owed.by(at, &p.wake, l)
	}
}

func (c *neverWedged) Next() (time.Duration, bool) { return c.owed.next() }

func (c *neverWedged) Expire(now time.Duration) error {
	for {
		l, ok := c.owed.ring(now)
		if !ok {
			return nil
		}
		if err := c.overdue(l, now); err != nil {
			return err
		}
		c.watch(l)
	}
}

// overdue judges what a loop owes at now.
func (c *neverWedged) overdue(l *life[progress], now time.Duration) error {
	p := &l.v
	if p.time.frozen > 0 {
		return nil
	}
	if at, ok := c.earliest(p); !ok || at > now {
		return nil
	}
	c.checked++
	if seq, at, ok := p.lines.oldest(); ok && p.time.at(now)-at > c.bound {
		return fmt.Errorf("%s: line %d has waited %v for its loop, longer than %v", l, seq, p.time.at(now)-at, c.bound)
	}
	if p.tick == tickArmed {
		return fmt.Errorf("%s: a tick due at %v is not handled at %v, later than %v", l, p.tickDue, now, c.bound)
	}
	return fmt.Errorf("%s: the loop has not said since %v when its next tick is due", l, p.tickDue)
}

// Finish judges what was already overdue.
func (c *neverWedged) Finish(now time.Duration) error { return c.Expire(now) }
