package sim

import (
	"errors"
	"fmt"
	"math/bits"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"meshsim/sim/kernel"
	"meshsim/sim/trace"
)

// court is where every event of a run goes: it is stamped, shown to the
// observer of the configuration, counted for the marks, and judged. In a
// simulation one goroutine calls it and mu is nil; live, mu serialises, and the
// times stamped never go back.
//
// Nothing that a court does reaches back into the run: checkers, marks and
// observers change no digest (TestCheckersChangeNoDigest).
type court struct {
	mu     *sync.Mutex
	now    func() time.Duration
	k      *kernel.Kernel // nil live
	count  uint64         // of events, live
	fan    *trace.Fanout
	wants  trace.KindSet
	marks  []uint64                // counts, by rule
	byKind [trace.NumKinds][]uint8 // rules that look at a kind
	tap    func(*trace.Event)
	tapped trace.KindSet
	last   time.Duration
	before uint32 // the incarnation before every node's first
	closed bool
	// panicked is what the observer panicked with, and where.
	panicked string
}

// open begins a run's judgement.
func (c *court) open(cfg *Config, now func() time.Duration, k *kernel.Kernel, checkers []func() trace.Checker) {
	c.now, c.k, c.last, c.count, c.closed, c.panicked = now, k, 0, 0, false, ""
	c.before = cfg.Incarnation - 1
	made := make([]trace.Checker, len(checkers))
	for i, f := range checkers {
		made[i] = f()
	}
	c.fan = trace.NewFanout(made...)
	c.wants = c.fan.Kinds() | markKinds
	c.tap, c.tapped = cfg.Observe, 0
	if c.tap != nil {
		c.tapped = cfg.ObserveKinds
		if c.tapped == 0 {
			c.tapped = trace.AllKinds
		}
		c.wants |= c.tapped
	}
	c.marks = cleared(c.marks, len(markRules))
	if c.byKind[trace.NodeCrashed] == nil {
		c.index()
	}
}

// markKinds are the kinds that some mark looks at.
var markKinds = func() (all trace.KindSet) {
	for i := range markRules {
		all |= markRules[i].Kinds
	}
	return all
}()

// index lists for each kind the marks that look at it, so that an event costs
// only those.
func (c *court) index() {
	for i := range markRules {
		for s := uint64(markRules[i].Kinds); s != 0; s &= s - 1 {
			k := bits.TrailingZeros64(s)
			c.byKind[k] = append(c.byKind[k], uint8(i))
		}
	}
}

func (c *court) lock() {
	if c.mu != nil {
		c.mu.Lock()
	}
}

func (c *court) unlock() {
	if c.mu != nil {
		c.mu.Unlock()
	}
}

// observe takes one event.
func (c *court) observe(e *trace.Event) {
	if c.mu != nil {
		c.observeLive(e)
	} else if !c.closed {
		e.Time, e.Step = c.k.Now(), c.k.Steps()
		c.show(e)
	}
}

// observeLive stamps an event of a live run: there are no steps, every event
// is one. Deadlines are judged as time is noticed to pass.
func (c *court) observeLive(e *trace.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return // the dismantling of a run is no part of it
	}
	c.count++
	e.Time, e.Step = c.now(), c.count
	c.fan.Advance(c.last, e.Time)
	c.last = e.Time
	c.show(e)
}

func (c *court) show(e *trace.Event) {
	if e.Kind == trace.NodeStarted {
		e.Attempt = e.Incarnation - c.before
	}
	for _, i := range c.byKind[e.Kind] {
		if markRules[i].Match(e) {
			c.marks[i]++
		}
	}
	if c.tapped.Has(e.Kind) {
		c.present(e)
	}
	c.fan.Observe(e)
}

// present shows an event to the observer. A panic of its is kept for the end of
// the run, which it brings about: an actor's supervisor would otherwise take it
// for the actor's own, and go on.
func (c *court) present(e *trace.Event) {
	defer func() {
		if v := recover(); v != nil {
			c.panicked = fmt.Sprintf("%v\n\n%s", v, debug.Stack())
			c.tapped = 0
			if c.k != nil {
				c.k.Stop(errObserver)
			}
		}
	}()
	c.tap(e)
}

// errObserver stops a run whose observer has panicked.
var errObserver = errors.New("sim: the observer panicked")

// rethrow panics with what the observer panicked with, if it did.
func (c *court) rethrow() {
	c.lock()
	v := c.panicked
	c.unlock()
	if v != "" {
		panic(v)
	}
}

// advance lets the checkers judge what is owed before time moves on.
func (c *court) advance(from, to time.Duration) { c.fan.Advance(from, to) }

// tick lets the checkers of a live run know that time has passed.
func (c *court) tick() {
	c.lock()
	defer c.unlock()
	if now := c.now(); now > c.last && !c.closed {
		c.fan.Advance(c.last, now)
		c.last = now
	}
}

// slack tells the checkers with bounds on time what the runtime may add.
func (c *court) slack(d time.Duration) { c.fan.SetSlack(d) }

// invariants are the judgements.
func (c *court) invariants() []Invariant {
	is := []Invariant{}
	for _, j := range c.fan.Judgements() {
		i := Invariant{Name: j.Name, Quantifier: string(j.Quantifier), Checked: j.Checked}
		if j.Violated {
			i.ViolatedAt, i.Violation = &j.Step, j.Err.Error()
		}
		is = append(is, i)
	}
	return is
}

// vacuous reports whether there were checkers, and none had anything to judge.
// One that does not count is taken to have had.
func (c *court) vacuous() bool {
	js := c.fan.Judgements()
	return len(js) > 0 && !slices.ContainsFunc(js, func(j trace.Judgement) bool {
		return j.Quantifier != trace.Sometimes && (!j.Counts || j.Checked > 0 || j.Violated)
	})
}

// finish ends the judgement.
func (c *court) finish() {
	c.lock()
	defer c.unlock()
	if !c.closed {
		c.closed = true
		c.fan.Finish(c.now())
	}
}
