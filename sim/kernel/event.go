package kernel

import (
	"math"
	"time"
)

// place says where a step that could be taken waits.
type place uint8

const (
	nowhere  place = iota
	queued         // in the event queue, not due yet
	enabled        // known to the strategy
	deferred       // due, but its node is paused
)

// event is something due at a time: an arrival, a timer, a fault, or the end
// of an actor's service.
//
// It fills one cache line: with many pending, touching it is most of its cost.
type event struct {
	fire  Firer
	arg   uint64
	cause uint64
	when  uint64 // earliest time while queued; order once enabled or deferred
	node  uint32
	actor uint32
	gen   uint32 // of the slot's use, from 1
	link  uint32 // next free slot; or a due timer's place in Kernel.timers
	kind  StepKind
	place place
	held  bool // has been asked about
}

// Firer is what an event calls when its step is taken. A value that several
// events share, told apart by arg, costs no allocation per event.
type Firer interface{ Fire(arg uint64) }

// timerFunc makes a plain function a Firer without allocating.
type timerFunc func()

// Fire implements [Firer].
func (f timerFunc) Fire(uint64) { f() }

// At calls f at time t, or now if t has passed, as a Timer step of the actor
// (0: of none). The timer's id is never 0; it is 0 if the actor is freed.
func (k *Kernel) At(t time.Duration, actor uint32, f func()) (timer uint64) {
	if k.dead {
		return 0
	}
	node := uint32(0)
	if actor != 0 {
		a := k.lookup(actor)
		if a == nil {
			return 0
		}
		node = a.node
	}
	return k.schedule(t, Timer, node, actor, k.Child(), timerFunc(f), 0)
}

// Schedule calls h.Fire(arg) at time t, or now if t has passed, as a step of
// the kind given: Arrival, Timer or Fault; Timer is for actor 0 or one alive.
// Its causal id is a new Child. The event's id is never 0. Steady use does not
// allocate.
func (k *Kernel) Schedule(t time.Duration, kind StepKind, node, actor uint32, h Firer, arg uint64) (id uint64) {
	return k.ScheduleCaused(t, kind, node, actor, k.Child(), h, arg)
}

// ScheduleCaused is Schedule with a causal id that was assigned before, say
// when a message was sent.
func (k *Kernel) ScheduleCaused(t time.Duration, kind StepKind, node, actor uint32, cause uint64, h Firer, arg uint64) (id uint64) {
	if k.dead {
		return 0
	}
	if kind != Arrival && kind != Timer && kind != Fault {
		panic("kernel: Schedule of a " + kind.String())
	}
	return k.schedule(t, kind, node, actor, cause, h, arg)
}

// schedule makes an event, and enables it if it is due already.
func (k *Kernel) schedule(t time.Duration, kind StepKind, node, actor uint32, cause uint64, h Firer, arg uint64) uint64 {
	if k.advancing {
		panic("kernel: Advance schedules an event")
	}
	if t < k.now {
		t = k.now
	}
	i := k.freeEvent
	if i != 0 {
		k.freeEvent = k.events[i].link
	} else {
		i = k.growEvents()
	}
	ev := &k.events[i]
	ev.fire, ev.arg, ev.cause, ev.when = h, arg, cause, uint64(t)
	ev.node, ev.actor, ev.kind, ev.held = node, actor, kind, false
	k.live++
	id := uint64(ev.gen)<<32 | uint64(i)
	if t == k.now {
		k.due(i)
	} else {
		k.enqueue(i, ev, t)
	}
	return id
}

// growEvents makes one more event slot. Slot 0 is never used.
func (k *Kernel) growEvents() uint32 {
	if len(k.events) == 0 {
		k.events = append(k.events, event{})
	}
	if len(k.events) >= math.MaxInt32 {
		panic("kernel: more than 2^31 events pending")
	}
	k.events = append(k.events, event{gen: 1})
	return uint32(len(k.events) - 1)
}

// enqueue lets an event wait until t.
func (k *Kernel) enqueue(i uint32, ev *event, t time.Duration) {
	ev.place = queued
	k.queue.push(entry{time: uint64(t), ref: i, gen: ev.gen})
}

// due takes an event that has left the queue, or never entered it: the
// strategy may hold it, a paused node defers it, otherwise it is enabled.
func (k *Kernel) due(i uint32) {
	ev := &k.events[i]
	if ev.kind == release {
		id := ev.actor
		k.forget(i, ev)
		k.serve(id)
		return
	}
	if k.holdMax > 0 && !ev.held && (ev.kind == Arrival || ev.kind == Timer && !k.isPaused(ev.node)) {
		ev.held = k.mutant != mutantLongHold
		if h := k.hold(ev); h > 0 {
			k.enqueue(i, ev, k.now+min(h, math.MaxInt64-k.now))
			return
		}
	}
	k.enableEvent(i, ev)
}

// hold asks the strategy how long to keep an event back.
func (k *Kernel) hold(ev *event) time.Duration {
	h := k.strategy.Hold(Step{Kind: ev.kind, Node: ev.node, Actor: ev.actor, Cause: ev.cause, Time: time.Duration(ev.when)})
	if h < 0 || h > k.holdMax {
		panic("kernel: strategy holds for " + h.String() + ", its bound is " + k.holdMax.String())
	}
	return h
}

// enableEvent hands a due event to the strategy, or defers it.
func (k *Kernel) enableEvent(i uint32, ev *event) {
	earliest := time.Duration(ev.when)
	k.orders++
	ev.when = k.orders
	if ev.kind == Timer {
		if k.isPaused(ev.node) && k.mutant != mutantDeafPause {
			ev.place = deferred
			k.deferStep(ev.node, i<<1|1, ev.when)
			return
		}
		ev.link = uint32(len(k.timers))
		k.timers = append(k.timers, i)
	}
	ev.place = enabled
	k.enabled++
	k.strategy.Add(Step{Ref: i<<1 | 1, Kind: ev.kind, Node: ev.node, Actor: ev.actor, Cause: ev.cause, Time: earliest, Order: ev.when})
}

// unlist takes a due timer off the list of due timers.
func (k *Kernel) unlist(ev *event) {
	last := len(k.timers) - 1
	moved := k.timers[last]
	k.timers[ev.link] = moved
	k.events[moved].link = ev.link
	k.timers = k.timers[:last]
}

// withdraw takes an enabled event back from the strategy.
func (k *Kernel) withdraw(i uint32, ev *event) {
	k.strategy.Remove(i<<1 | 1)
	k.enabled--
	if ev.kind == Timer {
		k.unlist(ev)
	}
}

// forget frees an event's slot. A slot whose generations are used up is
// never used again, so that no two events ever share an id.
func (k *Kernel) forget(i uint32, ev *event) {
	ev.fire = nil
	ev.place = nowhere
	k.live--
	ev.gen++
	if ev.gen != 0 {
		ev.link, k.freeEvent = k.freeEvent, i
	}
}

// fire takes an event's step.
func (k *Kernel) fire(i uint32) {
	ev := &k.events[i]
	if ev.kind == Timer {
		k.unlist(ev)
	}
	h, arg := ev.fire, ev.arg
	k.begin(ev.kind, ev.node, ev.actor, ev.cause)
	k.forget(i, ev)
	h.Fire(arg)
}

// Cancel forgets a timer or event that has not been taken yet, enabled or
// not, and reports whether there was one. An id that was never given out, or
// whose step was taken or whose actor was freed, is none.
func (k *Kernel) Cancel(id uint64) bool {
	i := uint32(id)
	if k.dead || i == 0 || uint64(i) >= uint64(len(k.events)) {
		return false
	}
	ev := &k.events[i]
	if ev.gen != uint32(id>>32) || ev.place == nowhere {
		return false
	}
	switch ev.place {
	case enabled:
		if k.mutant == mutantDeafCancel {
			return true
		}
		k.withdraw(i, ev)
	case queued:
		k.stale++ // its entry stays in the queue until met or swept
	}
	orphan := k.isOrphan(ev)
	k.forget(i, ev)
	if k.stale > k.queue.n/2+staleMin {
		k.sweep()
	}
	return !orphan
}

// isOrphan reports whether an event can never fire, as its actor was freed.
func (k *Kernel) isOrphan(ev *event) bool {
	return (ev.kind == Timer && ev.actor != 0 || ev.kind == release) && k.lookup(ev.actor) == nil
}

// staleMin spares small queues the sweeping.
const staleMin = 64

// sweep drops the entries of cancelled events, once they are the majority,
// so that memory follows the events that are pending.
func (k *Kernel) sweep() {
	k.queue.sweep(func(e entry) bool { return k.events[e.ref].gen == e.gen })
	k.stale = 0
}

// next is the next event that is due at or before limit. It drops the
// entries of cancelled events and the events of freed actors on its way, so
// that time never moves for them.
func (k *Kernel) next(limit time.Duration) (entry, bool) {
	for {
		e, ok := k.queue.peek(uint64(limit))
		if !ok {
			return entry{}, false
		}
		ev := &k.events[e.ref]
		switch {
		case ev.gen != e.gen:
			k.stale--
		case k.isOrphan(ev) && k.mutant != mutantUndead:
			k.forget(e.ref, ev)
		default:
			return e, true
		}
		k.queue.pop()
	}
}
