package sim

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"meshsim/actors"
	"meshsim/appender"
	"meshsim/sim/kernel"
	"meshsim/sim/trace"
)

// LiveOptions shape a live run. The zero value of each field means its
// default.
type LiveOptions struct {
	// For is how long the safety phase lasts, on the real clock: the
	// timetable and the chances are scaled to it, rates of load are not.
	// Default: the scenario's own duration.
	For time.Duration
	// Slack is what the machine may add to every bound on time: a goroutine
	// that the scheduler or the garbage collector keeps waiting is no defect
	// of the mesh. Default [LiveSlack].
	Slack time.Duration
}

// LiveSlack is the default of LiveOptions.Slack: a loaded two-core machine
// under the race detector keeps goroutines waiting for some hundred
// milliseconds.
const LiveSlack = 2 * time.Second

// liveCloseLimit is how long a live mesh may take to end.
const liveCloseLimit = 10 * time.Second

// Live runs a scenario on real clocks and goroutines: the same actors, the
// same links and appender faults injected by the same code at the same seams,
// the same checkers with their bounds on time loosened by the slack stated.
// Faults that cannot be had live are listed in Result.Skipped, with the
// reason. The result's digest is empty: a live run is not reproducible.
//
// When ctx ends, the result tells what is known so far. Live returns when
// everything that it started has ended, appenders of the user's own that
// ignore their context excepted.
func Live(ctx context.Context, cfg Config, seed uint64, o LiveOptions, checkers ...func() trace.Checker) (*Result, error) {
	r, err := cfg.settled(seed)
	if err != nil {
		return nil, err
	}
	if o.For < 0 || o.Slack < 0 {
		return nil, &FieldError{Path: "for", Found: o.For.String(), Expected: "a duration above 0s"}
	}
	if o.For == 0 {
		o.For = r.Duration
	}
	if o.Slack == 0 {
		o.Slack = LiveSlack
	}
	l := newLive(r.scaledTo(o.For))
	return l.run(ctx, seed, o, checkers)
}

// scaledTo is c with its timetable and chances stretched or squeezed so that
// the safety phase lasts d. What depends on the machine stays as it is: rates
// of load, latencies, deadlines, backoffs.
func (c Config) scaledTo(d time.Duration) Config {
	c = c.clone()
	by := float64(d) / float64(c.Duration)
	scale := func(t *time.Duration) { *t = time.Duration(float64(*t) * by) }
	for i := range c.Load {
		l := &c.Load[i]
		scale(&l.From)
		scale(&l.Until)
		if l.Kind == LoadReplay && (l.Until == 0 || l.Until > d) {
			l.Until = d // live, a log does not prolong the run
		}
	}
	for i := range c.Faults {
		scale(&c.Faults[i].At)
		scale(&c.Faults[i].For)
	}
	for i := range c.Chaos {
		scale(&c.Chaos[i].Every)
		c.Chaos[i].Every = max(c.Chaos[i].Every, time.Millisecond)
		scale(&c.Chaos[i].For.A)
		scale(&c.Chaos[i].For.B)
	}
	if c.Heal.Hangs == hangsKeep {
		// Calls that hang for ever keep the liveness phase up to its bound:
		// let that scale, too, but leave what recovers the time it needs.
		h := &c.Host
		least := h.MaxBackoff + h.Probe + h.Deadline + h.Grace
		c.Recovery = min(c.Recovery, max(time.Duration(float64(c.Recovery)*by), least))
	}
	c.Duration = d
	return c
}

// live is a world on the real clock. One goroutine, the director, takes all
// steps of the world in order of their time; the links' timers and the actors
// run beside it.
type live struct {
	world
	court_  court
	netMu   sync.Mutex
	clock   appender.Clock
	steps   stepHeap
	pushed  uint64
	ids     atomic.Uint64
	began   time.Time
	settled bool
}

func newLive(cfg Config) *live {
	l := &live{began: time.Now()}
	l.cfg = cfg
	l.stage, l.epoch = l, l.began
	l.court_.mu = new(sync.Mutex)
	l.net.mu = &l.netMu
	return l
}

func (l *live) run(ctx context.Context, seed uint64, o LiveOptions, checkers []func() trace.Checker) (res *Result, err error) {
	l.rt = actors.NewLive()
	l.clock = l.rt.Clock()
	l.court = &l.court_
	l.court.open(&l.cfg, l.clock.Now, nil, checkers)
	defer func() { err = errors.Join(err, l.close()) }()
	l.court.slack(o.Slack)
	if err := l.build(l.cfg, seed); err != nil {
		return nil, err
	}
	interrupted, err := l.phases(ctx)
	if err != nil {
		return nil, err
	}
	l.tell(trace.Event{Kind: trace.LivenessEnded})
	l.court.finish()
	// What the counters say is read when nothing changes them any more.
	if err := l.close(); err != nil {
		return nil, err
	}
	res = l.result(interrupted)
	res.Wall = time.Since(l.began)
	res.Virtual = l.clock.Now()
	return res, nil
}

// phases runs the safety phase, the heal and the liveness phase.
func (l *live) phases(ctx context.Context) (interrupted bool, err error) {
	end := l.cfg.Duration
	if l.direct(ctx, phaseSafety, end) {
		return true, nil
	}
	deadline := max(l.now(), end) + l.cfg.Recovery
	l.heal(deadline)
	for {
		if l.direct(ctx, phaseLiveness, min(l.now()+livenessPoll, deadline)) {
			return true, nil
		}
		if l.recovered() || l.now() >= deadline {
			return false, l.fault()
		}
	}
}

// directorPoll is how often the director wakes at least: the checkers are to
// learn that time passes.
const directorPoll = 50 * time.Millisecond

// direct takes the world's steps that are due until end; true when ctx ended.
func (l *live) direct(ctx context.Context, phase string, end time.Duration) bool {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := l.now()
		for len(l.steps) > 0 && l.steps[0].at <= now {
			heap.Pop(&l.steps).(worldStep).f.Fire(0)
		}
		l.court.tick()
		l.court.rethrow()
		if l.cfg.Progress != nil {
			l.cfg.Progress(Progress{Phase: phase, Now: now, End: end, Delivered: l.net.count(), Faults: l.foe.struck})
		}
		if now >= end {
			return false
		}
		next := min(end, now+directorPoll)
		if len(l.steps) > 0 {
			next = min(next, l.steps[0].at)
		}
		timer.Reset(max(next-l.now(), 0))
		select {
		case <-ctx.Done():
			return true
		case <-timer.C:
		}
	}
}

// close ends the mesh: calls that hang are let go first, or they would keep
// their goroutines.
func (l *live) close() error {
	if l.settled {
		return nil
	}
	l.settled = true
	for i := range l.nodes {
		l.nodes[i].control.ClearAll()
		l.nodes[i].control.Release()
	}
	l.net.close()
	ctx, cancel := context.WithTimeout(context.Background(), liveCloseLimit)
	defer cancel()
	err := l.rt.Close(ctx)
	l.evictAll()
	if l.load != nil {
		err = errors.Join(err, l.load.Close())
	}
	if err != nil {
		return fmt.Errorf("sim: ending the live mesh: %w", err)
	}
	return nil
}

// The live runtime as a world's stage.

func (l *live) now() time.Duration { return l.clock.Now() }
func (l *live) child() uint64      { return l.ids.Add(1) }

func (l *live) arrive(t time.Duration, _ uint32, _ uint64, f kernel.Firer) {
	time.AfterFunc(max(t-l.now(), 0), func() { f.Fire(0) })
}

func (l *live) at(t time.Duration, f func()) { l.offer(t, 0, firerFunc(f)) }

func (l *live) offer(t time.Duration, _ uint32, f kernel.Firer) {
	l.pushed++
	heap.Push(&l.steps, worldStep{at: t, num: l.pushed, f: f})
}

func (l *live) pause(uint32)  {}
func (l *live) resume(uint32) {}

// cannot lists the faults that the real world does not grant.
func (l *live) cannot(kind string) string {
	switch kind {
	case kindPause:
		return "goroutines cannot be paused from outside"
	case kindSlow:
		return "the machine's speed cannot be chosen per node"
	case kindSkew, kindJump:
		return "the machine's clock is shared and not ours to set"
	}
	return ""
}

// worldStep is a step of the world that is to come.
type worldStep struct {
	at  time.Duration
	num uint64
	f   kernel.Firer
}

// stepHeap orders steps by time, then by scheduling.
type stepHeap []worldStep

func (h stepHeap) Len() int { return len(h) }
func (h stepHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].num < h[j].num
}
func (h stepHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *stepHeap) Push(x any) { *h = append(*h, x.(worldStep)) }

// Pop implements heap.Interface.
func (h *stepHeap) Pop() any {
	s := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return s
}
