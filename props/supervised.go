package props

import (
	"fmt"
	"time"

	"meshsim/sim/trace"
)

// RestartBound is how much longer than its backoff a restart may take, in node
// time, before the slack that the runtime adds.
const RestartBound = 100 * time.Millisecond

// Supervised holds when restarts follow the policy of the node's limits:
//
//   - the n-th failure in a row (of a worker) or in the window (of any other
//     actor) is followed by a restart after a backoff between half of and the
//     whole of min(base * 2^(n-1), cap): by what the restart says, and by the
//     clock;
//   - n is what the checker counts itself: a worker's count begins again only
//     after an attempt that was answered, so that there is no storm;
//   - an actor is stopped only when it failed more often in the window than
//     the policy allows, and then it is never restarted;
//   - whoever failed is restarted or stopped, within the cap and bound (0
//     means [RestartBound]);
//   - a record whose attempt was answered, but not with success, is tried again
//     only after a backoff by the number of its attempts so far;
//   - nothing escalates past its supervisor.
//
// A backoff may pass while its node is paused, but lateness is counted in node
// time. Excluded are nodes that crashed or stopped.
func Supervised(bound time.Duration) func() trace.Checker {
	if bound <= 0 {
		bound = RestartBound
	}
	return func() trace.Checker {
		return &supervised{bound: bound, judge: always("supervised",
			trace.NodeStarted, trace.NodeCrashed, trace.NodeStopped,
			trace.NodePaused, trace.NodeResumed, trace.AttemptStarted, trace.AttemptEnded,
			trace.WorkerFailed, trace.WorkerRestarted,
			trace.ActorFailed, trace.ActorRestarted, trace.ActorStopped, trace.Escalated)}
	}
}

type supervised struct {
	judge
	bound time.Duration
	lives lives[care]
	owed  alarms[*life[care]]
}

// SetSlack adds what the runtime's own delays amount to.
func (c *supervised) SetSlack(d time.Duration) { c.bound += d }

// care is the supervision of one incarnation of a node.
type care struct {
	limits *trace.Limits
	time   nodeTime
	worker patient
	actors [trace.RoleExecutor + 1]patient
	last   answer
	wake   alarm[*life[care]]
}

// answer is the last attempt, if it was answered and without success: of the
// record seq.
type answer struct {
	epoch, seq uint64
	at         time.Duration
}

// patient is an actor under supervision.
type patient struct {
	failures []time.Duration // of an actor: times within the window
	inRow    uint32          // of a worker: since an attempt was answered
	count    uint32          // what counted at the last failure
	down     bool
	failed   time.Duration // when it did last
	since    time.Duration // the same in node time
	owed     time.Duration // node time by which it must be up, or stopped
	stopped  bool
}

// envelope is the range in which the n-th backoff in a row may lie: the jitter
// takes off up to a half.
func envelope(n uint32, base, limit time.Duration) (least, most time.Duration) {
	d := min(base, limit)
	for i := uint32(1); i < n && d < limit; i++ {
		d = min(2*d, limit)
	}
	return d / 2, d
}

func (c *supervised) Observe(e *trace.Event) error {
	l := c.lives.of(e)
	if l.ended {
		return nil
	}
	if err := c.observe(l, e); err != nil {
		return fmt.Errorf("%s: %w", l, err)
	}
	return nil
}

func (c *supervised) observe(l *life[care], e *trace.Event) error {
	s := &l.v
	switch e.Kind {
	case trace.NodeStarted:
		s.limits = limits(e)
		return nil
	case trace.NodeCrashed, trace.NodeStopped:
		l.ended = true
		c.owed.unset(&s.wake)
		return nil
	case trace.NodePaused:
		s.time.freeze(e.Time)
		return nil
	case trace.NodeResumed:
		if _, ok := s.time.thaw(e.Time); ok {
			c.watch(l)
		}
		return nil
	case trace.AttemptEnded:
		s.ended(e)
		return nil
	case trace.AttemptStarted:
		return c.retry(s, e)
	}
	c.checked++
	lim := orDefault(s.limits)
	now := s.time.at(e.Time)
	switch e.Kind {
	case trace.WorkerFailed:
		s.worker.inRow++
		s.worker.fail(s.worker.inRow, e.Time, now, now+lim.MaxBackoff)
		c.watch(l)
	case trace.WorkerRestarted:
		return c.restart(&s.worker, "worker", e, now, lim.Backoff, lim.MaxBackoff)
	case trace.Escalated:
		return fmt.Errorf("a failure of the %s left its supervisor: %v", roleName(e.Actor), e.Err)
	default:
		if int(e.Actor) >= len(s.actors) {
			return fmt.Errorf("%v of an actor of unknown role %d", e.Kind, e.Actor)
		}
		return c.actor(l, e, now, lim)
	}
	return nil
}

// ended notes an attempt's end.
func (s *care) ended(e *trace.Event) {
	if e.Result == trace.ResultOK || e.Result == trace.ResultError || e.Cap > 0 {
		s.worker.inRow = 0
	}
	s.last = answer{}
	switch e.Result {
	case trace.ResultError, trace.ResultUnknown, trace.ResultDeadline:
		s.last = answer{e.Epoch, e.Seq + e.Cap, e.Time}
	}
}

// retry judges the wait before an attempt that follows another one.
func (c *supervised) retry(s *care, e *trace.Event) error {
	if e.Attempt < 2 || s.last.epoch != e.Epoch || s.last.seq != e.Seq {
		return nil
	}
	c.checked++
	lim := orDefault(s.limits)
	least, _ := envelope(e.Attempt-1, lim.Backoff, lim.MaxBackoff)
	if waited := e.Time - s.last.at; waited < least {
		return fmt.Errorf("record %d was tried for the %d. time %v after the attempt before, sooner than %v",
			e.Seq, e.Attempt, waited, least)
	}
	return nil
}

// actor judges the supervision of an actor that is not a worker.
func (c *supervised) actor(l *life[care], e *trace.Event, now time.Duration, lim *trace.Limits) error {
	p := &l.v.actors[e.Actor]
	switch e.Kind {
	case trace.ActorFailed:
		p.forget(e.Time - lim.RestartWindow)
		p.failures = append(p.failures, e.Time)
		p.fail(uint32(len(p.failures)), e.Time, now, now+lim.RestartMaxBackoff)
		c.watch(l)
	case trace.ActorRestarted:
		if int(p.count) > lim.Restarts {
			return fmt.Errorf("the %s was restarted after %d failures in %v, more than the %d allowed",
				roleName(e.Actor), p.count, lim.RestartWindow, lim.Restarts)
		}
		return c.restart(p, roleName(e.Actor), e, now, lim.RestartBackoff, lim.RestartMaxBackoff)
	case trace.ActorStopped:
		if int(p.count) <= lim.Restarts {
			return fmt.Errorf("the %s was stopped after %d failures in %v, of which %d are allowed",
				roleName(e.Actor), p.count, lim.RestartWindow, lim.Restarts)
		}
		p.down, p.stopped = false, true
	}
	return nil
}

// fail notes a failure and by when it must be answered.
func (p *patient) fail(count uint32, at, now, owed time.Duration) {
	p.count, p.down, p.failed, p.since, p.owed = count, true, at, now, owed
}

// forget drops the failures at or before the window's beginning. A window's
// memory is bounded by the policy's maximum.
func (p *patient) forget(begin time.Duration) {
	i := 0
	for i < len(p.failures) && p.failures[i] <= begin {
		i++
	}
	p.failures = p.failures[i:]
}

// restart judges one restart by what it says and by the clock.
func (c *supervised) restart(p *patient, who string, e *trace.Event, now, base, limit time.Duration) error {
	switch {
	case p.stopped:
		return fmt.Errorf("the %s was restarted after it had been stopped for good", who)
	case !p.down:
		return fmt.Errorf("the %s was restarted though it had not failed", who)
	}
	p.down = false
	if e.Attempt != p.count {
		return fmt.Errorf("the %s was restarted as after failure %d, but it was failure %d", who, e.Attempt, p.count)
	}
	least, most := envelope(p.count, base, limit)
	if e.Delay < least || e.Delay > most {
		return fmt.Errorf("the %s was restarted after failure %d with a backoff of %v, outside %v to %v",
			who, p.count, e.Delay, least, most)
	}
	if waited := e.Time - p.failed; waited < e.Delay {
		return fmt.Errorf("the %s was restarted %v after its failure, though its backoff was %v", who, waited, e.Delay)
	}
	if waited := now - p.since; waited > e.Delay+c.bound {
		return fmt.Errorf("the %s was restarted as late as %v after its failure, though its backoff was %v", who, waited, e.Delay)
	}
	return nil
}

// watch makes sure that a wake-up comes no later than the first restart owed.
func (c *supervised) watch(l *life[care]) {
	s := &l.v
	if s.time.frozen > 0 {
		return
	}
	if _, due, ok := s.first(); ok {
		c.owed.by(s.time.when(due)+c.bound+1, &s.wake, l)
	}
}

// first returns which actor's restart is owed first.
func (s *care) first() (who string, due time.Duration, ok bool) {
	if s.worker.down {
		who, due, ok = "worker", s.worker.owed, true
	}
	for role := range s.actors {
		if p := &s.actors[role]; p.down && (!ok || p.owed < due) {
			who, due, ok = roleName(uint32(role)), p.owed, true
		}
	}
	return who, due, ok
}

func (c *supervised) Next() (time.Duration, bool) { return c.owed.next() }

func (c *supervised) Expire(now time.Duration) error {
	for {
		l, ok := c.owed.ring(now)
		if !ok {
			return nil
		}
		s := &l.v
		if who, due, down := s.first(); down && s.time.frozen == 0 && s.time.at(now) > due+c.bound {
			c.checked++
			return fmt.Errorf("%s: the %s failed and was neither restarted nor stopped by %v", l, who, now)
		}
		c.watch(l)
	}
}

// Finish judges what was already overdue.
func (c *supervised) Finish(now time.Duration) error { return c.Expire(now) }
