package props

import (
	"fmt"
	"time"

	"meshsim/sim/trace"
)

// SettleBound is how long a record may stay pending at a host whose circuit is
// open, before the slack that the runtime adds: it is settled at once.
const SettleBound = 100 * time.Millisecond

// Recovery holds when, after the last fault is healed and within the bound that
// the run states (the deadline of its heal, or the end of its liveness phase),
// every node is up, has had nothing pending at least once, and has its circuit
// closed. Where calls that hang are kept hanging, the circuit of a node with an
// abandoned worker may stay open; with as many abandoned as are allowed it
// must. In every phase records at an open circuit settle at once (within
// [SettleBound] of node time), except while a probe is on its way.
//
// Excluded are nodes that were stopped in order, and runs that were cut short
// before the bound.
func Recovery() trace.Checker {
	j := always("recovery",
		trace.NodeStarted, trace.NodeCrashed, trace.NodeStopped,
		trace.NodePaused, trace.NodeResumed,
		trace.RecordEmitted, trace.RecordSettled,
		trace.WorkerAbandoned, trace.WorkerReturned,
		trace.CircuitOpened, trace.CircuitProbed, trace.CircuitClosed,
		trace.HealStarted, trace.LivenessEnded)
	j.quant = trace.Eventually
	return &recovery{judge: j, bound: SettleBound}
}

type recovery struct {
	judge
	bound time.Duration
	slack time.Duration
	lives lives[health]
	owed  alarms[*life[health]]

	healed   bool
	kept     bool // calls that hang stay hanging
	deadline time.Duration
	judged   bool
}

// health is how one incarnation does.
type health struct {
	time      nodeTime
	stopped   bool
	pending   uint64
	drained   bool // pending was 0 since the heal
	open      bool // the circuit, half-open included
	probing   bool
	abandoned uint64
	limit     uint64        // of abandoned workers; 0 until one is
	waiting   bool          // records wait at an open circuit
	since     time.Duration // node time since which they do
	wake      alarm[*life[health]]
}

// SetSlack adds what the runtime's own delays amount to.
func (c *recovery) SetSlack(d time.Duration) { c.bound += d; c.slack = d }

func (c *recovery) Observe(e *trace.Event) error {
	switch e.Kind {
	case trace.HealStarted:
		c.heal(e)
		return nil
	case trace.LivenessEnded:
		return c.verdict(e.Time)
	}
	l := c.lives.of(e)
	if l.ended {
		return nil
	}
	h := &l.v
	switch e.Kind {
	case trace.NodeStarted:
		h.drained = true
	case trace.NodeCrashed, trace.NodeStopped:
		l.ended = true
		c.owed.unset(&h.wake)
		h.stopped = e.Kind == trace.NodeStopped
		return nil
	case trace.NodePaused:
		h.time.freeze(e.Time)
	case trace.NodeResumed:
		h.time.thaw(e.Time)
	case trace.RecordEmitted:
		h.pending++
	case trace.RecordSettled:
		h.pending -= min(h.pending, 1)
		h.drained = h.drained || h.pending == 0
	case trace.WorkerAbandoned:
		h.abandoned, h.limit = e.Count, e.Cap
	case trace.WorkerReturned:
		h.abandoned = e.Count
	case trace.CircuitOpened:
		h.open, h.probing = true, false
	case trace.CircuitProbed:
		h.probing = true
	case trace.CircuitClosed:
		h.open, h.probing = false, false
	}
	c.settling(l, e.Time)
	return nil
}

// heal begins the wait for recovery.
func (c *recovery) heal(e *trace.Event) {
	c.healed, c.kept = true, e.Count != 0
	c.deadline = e.Deadline
	for _, l := range c.lives.newest {
		if l != nil {
			l.v.drained = l.v.pending == 0
		}
	}
}

// settling watches that records at an open circuit settle at once.
func (c *recovery) settling(l *life[health], now time.Duration) {
	h := &l.v
	if !h.open || h.probing || h.pending == 0 {
		if h.waiting {
			c.checked++
			h.waiting = false
		}
		return
	}
	if !h.waiting {
		h.waiting, h.since = true, h.time.at(now)
	}
	c.watch(l)
}

func (c *recovery) watch(l *life[health]) {
	h := &l.v
	if h.time.frozen > 0 || !h.waiting {
		return
	}
	c.owed.by(h.time.when(h.since)+c.bound+1, &h.wake, l)
}

// Next is the earlier of the next overdue settlement and the heal's deadline.
func (c *recovery) Next() (time.Duration, bool) {
	at, ok := c.owed.next()
	if c.healed && !c.judged && c.deadline > 0 {
		if d := c.deadline + c.slack; !ok || d < at {
			at, ok = d, true
		}
	}
	return at, ok
}

func (c *recovery) Expire(now time.Duration) error {
	for {
		l, ok := c.owed.ring(now)
		if !ok {
			break
		}
		h := &l.v
		if !h.waiting || h.time.frozen > 0 {
			continue
		}
		if waited := h.time.at(now) - h.since; waited > c.bound {
			c.checked++
			return fmt.Errorf("%s: %d records have waited %v at an open circuit, longer than %v", l, h.pending, waited, c.bound)
		}
		c.watch(l)
	}
	if c.healed && c.deadline > 0 && now >= c.deadline+c.slack {
		return c.verdict(now)
	}
	return nil
}

// Finish judges a run that reached the bound; one that was cut short before it
// shows nothing about recovery.
func (c *recovery) Finish(now time.Duration) error {
	return c.Expire(now)
}

// verdict looks at every node once, at the bound.
func (c *recovery) verdict(now time.Duration) error {
	if c.judged || !c.healed {
		return nil
	}
	c.judged = true
	for _, l := range c.lives.newest {
		if l == nil || l.v.stopped {
			continue
		}
		c.checked++
		if why := c.ill(l); why != "" {
			return fmt.Errorf("%s: %s at %v, after everything was healed", l, why, now)
		}
	}
	return nil
}

// ill says what is wrong with a node that should have recovered.
func (c *recovery) ill(l *life[health]) string {
	h := &l.v
	switch {
	case l.ended:
		return "the node is down"
	case !h.drained:
		return fmt.Sprintf("%d records are pending and never were 0", h.pending)
	case c.kept && h.limit > 0 && h.abandoned >= h.limit:
		if !h.open {
			return fmt.Sprintf("the circuit is closed with %d workers hanging, all that may", h.abandoned)
		}
	case h.open && !(c.kept && h.abandoned > 0):
		return "the circuit is open"
	}
	return ""
}
