package actors

import (
	"time"
)

// timer is a timer of either runtime.
type timer struct {
	id   uint64
	real *time.Timer
}

// after calls f at time t, in the name of m's actor.
func (rt *runtime) after(t time.Duration, m *mailbox, f func()) timer {
	if rt.drv != nil {
		return timer{id: rt.drv.At(t, m.id, f)}
	}
	return timer{real: time.AfterFunc(max(t-rt.now(), 0), f)}
}

func (rt *runtime) cancel(t timer) {
	if t.real != nil {
		t.real.Stop()
	}
	if t.id != 0 {
		rt.drv.Cancel(t.id)
	}
}

// alarm is a timer of an actor that posts an urgent message. Only the actor
// itself sets and stops it. Two of its messages may wait at a time: one that
// came too late to be stopped, and the current one.
type alarm struct {
	mb    *mailbox
	kind  kind
	gen   uint64 // of the latest setting
	armed bool   // its message is still to come
	due   time.Duration
	timer timer
	ring  func() // rings, in a simulation
}

func newAlarm(mb *mailbox, k kind) alarm { return alarm{mb: mb, kind: k} }

// set makes the alarm ring at t, and at no other time.
func (a *alarm) set(t time.Duration) {
	a.stop()
	a.gen++
	a.armed, a.due = true, t
	mb, k, gen := a.mb, a.kind, a.gen
	if mb.rt.drv == nil {
		a.timer = mb.rt.after(t, mb, func() { mb.post(urgent, &entry{kind: k, seq: gen, at: t}) })
		return
	}
	// A driver's timer that was cancelled does not fire, so the one that does
	// is the latest, and one function does for all of them.
	if a.ring == nil {
		a.ring = a.rings
	}
	a.timer = mb.rt.after(t, mb, a.ring)
}

func (a *alarm) rings() { a.mb.post(urgent, &entry{kind: a.kind, seq: a.gen, at: a.due}) }

func (a *alarm) stop() {
	if a.armed {
		a.armed = false
		a.mb.rt.cancel(a.timer)
	}
}

// rang reports whether e is the alarm that was set last.
func (a *alarm) rang(e *entry) bool {
	if !a.armed || e.seq != a.gen {
		return false
	}
	a.armed = false
	return true
}
