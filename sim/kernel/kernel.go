package kernel

import (
	"errors"
	"math"
	"sync/atomic"
	"time"
)

var (
	// ErrLivelock says that one instant of virtual time took more steps than
	// [Options.InstantBudget]. The error returned is a *[LivelockError].
	ErrLivelock = errors.New("kernel: livelock")
	// ErrStopped is what [Kernel.Run] returns after Stop(nil).
	ErrStopped = errors.New("kernel: stopped")
	// ErrDead is what [Kernel.Run] returns once a step has panicked or exited
	// its goroutine, or the kernel was unwound: only Unwind and Reset make
	// sense then.
	ErrDead = errors.New("kernel: dead")
)

const (
	maxTime              = time.Duration(math.MaxInt64)
	defaultInstantBudget = 1_000_000
)

// Options shape one run of a [Kernel]. The zero value of each field means its
// default.
type Options struct {
	// Seed is the run's; it seeds the strategy. Streams take it themselves.
	Seed uint64
	// Strategy chooses among enabled steps. Default: a [DefaultOrder] of the
	// kernel's own. One strategy serves one kernel at a time.
	Strategy Strategy
	// InstantBudget bounds the steps of one instant of virtual time. Default
	// 1,000,000.
	InstantBudget uint64
	// Advance is called before time moves, with the time it moves to. It is
	// not a step: it must change nothing in the kernel, and it panics where it
	// schedules an event. Stop is allowed, and takes effect before the next step.
	Advance func(from, to time.Duration)
	// Service is the virtual time that handling a message costs: the actor
	// takes no other message before it is over. It is asked when a handler
	// has returned. nil means 0, as does a negative answer.
	Service func(node, actor uint32) time.Duration
	// Isolate runs f on a goroutine of its own and waits until that goroutine
	// has ended, by return or by runtime.Goexit. The kernel starts no
	// goroutine, and needs one to unwind a parked handler, so Park panics
	// without it.
	Isolate func(f func())
	// Trace sees every step as it begins. It must not call the kernel.
	Trace func(Taken)
}

// Kernel is a deterministic scheduler of steps in virtual time. [New] makes one.
// Apart from Stop and Running, one goroutine at a time may call it.
type Kernel struct {
	now      time.Duration
	until    time.Duration // of the Run in course
	strategy Strategy
	enabled  int    // steps that the strategy chooses among
	orders   uint64 // steps that became enabled or deferred so far
	steps    uint64
	instant  uint64 // steps taken at now
	budget   uint64
	digest   uint64
	cause    uint64
	children uint64 // of cause so far
	running  uint32 // whose handler runs
	paused   uint32 // how many nodes are

	dead      bool
	inRun     bool
	halted    bool // the loop has nothing more to do in this Run
	advancing bool

	actors    []actor // by slot; 0 is nobody
	freeActor uint32
	events    []event // by slot; 0 is none
	freeEvent uint32
	live      int      // events in use
	stale     int      // entries in queue whose events are cancelled
	timers    []uint32 // the due timers, for pauses and freed actors
	nodes     []node
	queue     queue

	current *coroutine   // runs the loop, or a handler inside it
	handoff *coroutine   // takes over next
	idlers  []*coroutine // nothing keeps them
	parked  []*coroutine // handlers keep them

	err     error
	holdMax time.Duration
	advance func(from, to time.Duration)
	service func(node, actor uint32) time.Duration
	isolate func(f func())
	trace   func(Taken)
	last    []Taken // the last steps before a livelock
	roots   uint64  // children of no step, while a step runs

	fifo    DefaultOrder
	stopped atomic.Pointer[error]
	watch   watch
	mutant  mutant
}

// mutant breaks a kernel on purpose; only tests set one.
type mutant uint8

const (
	_                mutant = iota
	mutantLostCause         // a resumption is caused by nothing
	mutantDeafPause         // a pause does not hold back timers
	mutantDeafCancel        // an enabled event is not withdrawn
	mutantLateOrder         // what a pause deferred comes back in reverse
	mutantLongHold          // a held event is held again
	mutantUndead            // a freed actor's timers fire
	mutantDirtyReset        // Reset does not reset the count of children
)

// New makes a kernel at time 0 with nothing to do.
func New(o Options) *Kernel {
	k := &Kernel{}
	k.Reset(o)
	return k
}

// Reset makes the kernel equal to a new one, keeping its memory. It unwinds
// what the last run left parked. It must not be called inside Run.
func (k *Kernel) Reset(o Options) {
	if k.inRun {
		panic("kernel: Reset inside Run")
	}
	if k.dead || len(k.parked) > 0 {
		_ = k.Unwind() // a run that is thrown away has nobody to tell
	}
	k.forgetAll()
	k.strategy = o.Strategy
	if k.strategy == nil {
		k.strategy = &k.fifo
	}
	k.strategy.Reset(o.Seed)
	k.holdMax = max(k.strategy.HoldMax(), 0)
	k.budget = o.InstantBudget
	if k.budget == 0 {
		k.budget = defaultInstantBudget
	}
	k.advance, k.service, k.isolate, k.trace = o.Advance, o.Service, o.Isolate, o.Trace
}

// forgetAll brings everything that a run changes back to what it was at first.
func (k *Kernel) forgetAll() {
	clear(k.actors) // so that nothing of the last run is kept alive
	clear(k.events)
	k.actors, k.events, k.timers = k.actors[:0], k.events[:0], k.timers[:0]
	k.freeActor, k.freeEvent, k.live, k.stale = 0, 0, 0, 0
	for i := range k.nodes {
		k.nodes[i] = node{deferred: k.nodes[i].deferred[:0]}
	}
	k.queue.reset()
	k.now, k.until, k.enabled, k.orders = 0, 0, 0, 0
	k.steps, k.instant, k.digest, k.last = 0, 0, 0, nil
	k.cause, k.roots, k.running, k.paused = 0, 0, 0, 0
	if k.mutant != mutantDirtyReset {
		k.children = 0
	}
	k.dead, k.halted, k.err = false, false, nil
	k.current, k.handoff = nil, nil
	k.stopped.Store(nil)
	k.watch.reset()
}

// Run takes steps until nothing is left at or before until, and returns nil
// with Now() == until; or until Stop was called, and returns its error; or
// until an instant has exhausted its budget, and returns a *[LivelockError]. It
// may be called again with a later time; an earlier one does nothing. A panic
// that escapes a step leaves Run with the kernel dead; so does a
// runtime.Goexit (t.FailNow), which ends the goroutine that called Run after
// its deferred calls. Unwind works after either.
func (k *Kernel) Run(until time.Duration) error {
	if k.inRun {
		panic("kernel: Run inside Run")
	}
	if k.dead {
		return ErrDead
	}
	k.inRun, k.halted, k.err = true, false, nil
	k.until = max(until, k.now)
	k.roots = k.children
	ended := false
	defer func() {
		k.dead = !ended
		k.inRun, k.running = false, 0
		k.cause, k.children = 0, k.roots
		k.watch.rest(k.steps)
	}()
	for !k.halted {
		c := k.handoff
		if k.handoff = nil; c == nil {
			c = k.idleCoroutine()
		}
		k.current = c
		c.next()
	}
	ended = true
	return k.err
}

// loop takes steps, inside coroutine c, until there are none; or until a
// handler on another coroutine resumes, which then takes the loop over.
func (k *Kernel) loop(c *coroutine) {
	for {
		ref, ok := k.choose()
		switch slot := ref >> 1; {
		case !ok:
			k.halted = true
		case ref&1 != 0:
			k.fire(slot)
			continue
		case k.actors[slot].state != waking:
			k.handle(slot)
			continue
		default:
			k.handoff = k.resume(slot)
		}
		k.idlers = append(k.idlers, c)
		if !c.yield(struct{}{}) {
			return
		}
	}
}

// choose picks the next step; there is none at the end of Run.
func (k *Kernel) choose() (ref uint32, ok bool) {
	some := k.enabled > 0 || !k.isStopped() && k.pass()
	if k.isStopped() || !some { // Advance may have called Stop
		return 0, false
	}
	if k.instant >= k.budget {
		k.err = &LivelockError{Time: k.now, Steps: k.instant, Last: k.last}
		return 0, false
	}
	k.instant++
	k.enabled--
	return k.strategy.Pick(), true
}

// isStopped reports whether Stop was called, and makes its error Run's.
func (k *Kernel) isStopped() bool {
	stop := k.stopped.Load()
	if stop != nil {
		k.err = *stop
	}
	return stop != nil
}

// pass lets time pass until a step is enabled, and reports whether one is.
func (k *Kernel) pass() bool {
	for k.enabled == 0 {
		e, ok := k.next(k.until)
		if !ok {
			k.moveTo(k.until)
			return false
		}
		k.moveTo(time.Duration(e.time))
		for ok {
			k.queue.pop()
			k.due(e.ref)
			e, ok = k.next(k.now)
		}
	}
	return true
}

// moveTo moves time forward.
func (k *Kernel) moveTo(t time.Duration) {
	if t == k.now {
		return
	}
	if k.advance != nil {
		k.watch.rest(k.steps)
		k.advancing = true
		k.advance(k.now, t)
		k.advancing = false
	}
	k.now, k.instant = t, 0
	if k.last != nil {
		k.last = nil
	}
}

// begin begins a step: what it causes is accounted to it from here on.
func (k *Kernel) begin(kind StepKind, node, actor uint32, cause uint64) {
	k.steps++
	k.cause, k.children = cause, 0
	k.watch.set(k.steps, kind, actor)
	h := fold(k.digest, k.steps<<8|uint64(kind))
	h = fold(h, uint64(k.now))
	h = fold(h, uint64(node)<<32|uint64(actor))
	k.digest = fold(h, cause)
	if k.trace != nil || k.instant+livelockTail > k.budget {
		k.observe(kind, node, actor)
	}
}

// livelockTail is how many steps a livelock's error names.
const livelockTail = 8

// observe shows a step to the trace, and keeps it if a livelock may be near.
func (k *Kernel) observe(kind StepKind, node, actor uint32) {
	t := Taken{Number: k.steps, Time: k.now, Kind: kind, Node: node, Actor: actor, Cause: k.cause, Digest: k.digest}
	if k.instant+livelockTail > k.budget {
		k.last = append(k.last, t)
	}
	if k.trace != nil {
		k.trace(t)
	}
}

// Stop makes Run return err (ErrStopped if nil) before its next step. The
// first call's error counts. Any goroutine may call it; only Reset takes it back.
func (k *Kernel) Stop(err error) {
	if err == nil {
		err = ErrStopped
	}
	k.stopped.CompareAndSwap(nil, &err)
}

// Running tells what the kernel is doing, to a watchdog on another goroutine.
// It is exact, and costs the kernel one atomic store per step.
func (k *Kernel) Running() Running { return k.watch.get() }

// Now is the virtual time since the run began.
func (k *Kernel) Now() time.Duration { return k.now }

// Steps is the number of steps taken.
func (k *Kernel) Steps() uint64 { return k.steps }

// Pending is the number of events that wait: not due, held, enabled or
// deferred by a pause.
func (k *Kernel) Pending() int { return k.live }

// Digest is the 64-bit digest of the run so far: of every step's number, time,
// node, actor, kind and causal id, and of what was folded in besides.
func (k *Kernel) Digest() uint64 { return k.digest }

// Fold mixes v into the digest.
func (k *Kernel) Fold(v uint64) {
	if !k.dead {
		k.digest = fold(k.digest, v)
	}
}

// Cause is the causal id of the step being taken, 0 outside any.
func (k *Kernel) Cause() uint64 { return k.cause }

// Child is the causal id of the next thing that the step being taken causes:
// Combine(Cause(), how many it caused before). Outside any step, things are
// children of 0, counted over the whole run.
func (k *Kernel) Child() uint64 {
	id := Combine(k.cause, k.children)
	k.children++
	return id
}
