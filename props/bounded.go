package props

import (
	"fmt"

	"meshsim/sim/trace"
)

// Bounded holds when nothing exceeds its cap: no reported queue; the host's
// inbox, its batch in hand and its retry set, by its ledger and by a count of
// the checker's own; the attempts on a record; the abandoned workers alive; the
// log lines that wait for a loop.
func Bounded() trace.Checker {
	return &bounded{judge: always("bounded",
		trace.NodeStarted, trace.QueueDepth,
		trace.RecordEmitted, trace.RecordSettled, trace.AttemptStarted, trace.AttemptEnded,
		trace.WorkerAbandoned, trace.WorkerReturned,
		trace.LineIn, trace.LineLogged, trace.LineDropped)}
}

type bounded struct {
	judge
	lives lives[sizes]
}

// sizes are what one incarnation of a node holds.
type sizes struct {
	limits    *trace.Limits
	pending   uint64
	lines     uint64 // that wait for the loop
	abandoned uint64 // workers alive
}

func (c *bounded) Observe(e *trace.Event) error {
	l := c.lives.of(e)
	if err := c.observe(&l.v, e); err != nil {
		return fmt.Errorf("%s: %w", l, err)
	}
	return nil
}

func (c *bounded) observe(s *sizes, e *trace.Event) error {
	if e.Kind == trace.NodeStarted {
		s.limits = limits(e)
		return nil
	}
	c.checked++
	lim := orDefault(s.limits)
	switch e.Kind {
	case trace.QueueDepth:
		return within("queue "+e.Name, e.Count, int(e.Cap))
	case trace.RecordEmitted:
		s.pending++
	case trace.RecordSettled:
		s.pending -= min(s.pending, 1)
	case trace.AttemptStarted:
		if err := within("batch", e.Count, lim.Batch); err != nil {
			return err
		}
		if err := within("number of attempts", uint64(e.Attempt), lim.Attempts); err != nil {
			return err
		}
	case trace.WorkerAbandoned:
		s.abandoned++
		return c.workers(s, e, lim)
	case trace.WorkerReturned:
		s.abandoned -= min(s.abandoned, 1)
		return c.workers(s, e, lim)
	case trace.LineIn:
		s.lines++
	case trace.LineLogged, trace.LineDropped:
		s.lines -= min(s.lines, 1)
	}
	if s.lines > uint64(lim.LoopInbox)+2 {
		// Beside what the inbox holds, one may be in the loop's hands and one
		// about to be dropped.
		return within("loop inbox", s.lines, lim.LoopInbox)
	}
	if e.Ledger == nil {
		return nil
	}
	return holds(s, e.Ledger, lim)
}

// holds compares a ledger, and a count of the checker's own, with the caps.
func holds(s *sizes, g *trace.Ledger, lim *trace.Limits) error {
	if err := within("inbox", g.Queued, lim.Inbox); err != nil {
		return err
	}
	if err := within("batch in hand", g.InHand, lim.Batch); err != nil {
		return err
	}
	if err := within("retry set", g.Retrying, lim.Batch); err != nil {
		return err
	}
	// A batch is in hand or waits for its retry, never both.
	return within("host", s.pending, lim.Inbox+lim.Batch)
}

func (c *bounded) workers(s *sizes, e *trace.Event, lim *trace.Limits) error {
	if s.abandoned != e.Count {
		return fmt.Errorf("%d abandoned workers are reported alive where %d are", e.Count, s.abandoned)
	}
	return within("set of abandoned workers", s.abandoned, lim.Abandoned)
}

func within(what string, n uint64, limit int) error {
	if n > uint64(limit) {
		return fmt.Errorf("the %s holds %d, more than %d", what, n, limit)
	}
	return nil
}
