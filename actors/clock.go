package actors

import (
	"context"
	"time"

	"meshsim/appender"
)

// simClock is a simulation's clock: of one node, or the runtime's own, where
// wall is nil.
type simClock struct {
	rt   *runtime
	wall func(mono time.Duration) time.Time
}

var _ appender.Clock = simClock{}

// Now implements [appender.Clock].
func (c simClock) Now() time.Duration { return c.rt.drv.Now() }

// Wall implements [appender.Clock].
func (c simClock) Wall() time.Time { return wallAt(c.rt, c.wall, c.rt.drv.Now()) }

func wallAt(rt *runtime, wall func(time.Duration) time.Time, mono time.Duration) time.Time {
	if wall != nil {
		return wall(mono)
	}
	return rt.base.Add(mono)
}

// sleeper is a parked handler, or one about to park.
type sleeper struct {
	m    *mailbox
	done bool // woken
	end  bool // by the end of its context
}

func (s *sleeper) wake() {
	if !s.done {
		s.done = true
		s.m.rt.drv.Unpark(s.m.id)
	}
}

func (s *sleeper) cancelled() {
	s.end = s.end || !s.done
	s.wake()
}

// Sleep implements [appender.Clock]: it parks the running handler. Called
// anywhere else it panics.
//
// It wakes at the end of any context whose end is an event of the simulation:
// those that this clock's WithTimeout made, what context.WithValue, WithCancel
// and WithoutCancel put above or below them, and plain context.WithCancel ones,
// by whoever's step they are cancelled. The end of a context that lives on the
// real clock (context.WithTimeout) is not such an event. Between a context of
// this clock and context.WithCancel there must be no context.WithValue: package
// context would watch over the pair with a goroutine.
func (c simClock) Sleep(ctx context.Context, d time.Duration) error {
	rt := c.rt
	m := rt.running
	if m == nil {
		if rt.closed {
			return ErrClosed
		}
		panic("actors: Sleep outside of a handler: only code that an actor runs can wait on its clock")
	}
	if err := ctx.Err(); err != nil || d == 0 {
		return err
	}
	s := &sleeper{m: m}
	var timer uint64
	if d > 0 {
		timer = rt.drv.At(rt.drv.Now()+d, m.id, s.wake)
	}
	release := rt.atEnd(ctx, s.cancelled)
	rt.running = nil
	rt.drv.Park(m.id)
	rt.running = m
	if timer != 0 {
		rt.drv.Cancel(timer)
	}
	release()
	if s.end {
		return ctx.Err()
	}
	return nil
}

// AfterFunc implements [appender.Clock]. f runs as a step of the actor whose
// handler asked for it; a panic in it becomes a failure of that actor.
func (c simClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	rt := c.rt
	m := rt.running
	id := rt.drv.At(rt.drv.Now()+max(d, 0), actorID(m), func() { guarded(m, f) })
	return func() bool { return rt.drv.Cancel(id) }
}

func actorID(m *mailbox) uint32 {
	if m == nil {
		return 0
	}
	return m.id
}

// guarded runs a function that user code left with the clock. If it panics, the
// actor that it belongs to raises the panic in its next handler.
func guarded(m *mailbox, f func()) {
	if m != nil {
		defer func() {
			if v := recover(); v != nil {
				m.raise(&appender.PanicError{Value: v})
			}
		}()
	}
	f()
}

// WithTimeout implements [appender.Clock].
func (c simClock) WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx := &simContext{rt: c.rt, parent: parent, deadline: c.rt.drv.Now() + d}
	if d > 0 && ctx.deadline < 0 {
		ctx.deadline = forever
	}
	return ctx, ctx.cancel
}

// liveClock is the real clock.
type liveClock struct {
	rt   *runtime
	wall func(mono time.Duration) time.Time
	m    *mailbox // of the actor that AfterFunc's functions belong to; nil: of none
}

var _ appender.Clock = liveClock{}

// Now implements [appender.Clock].
func (c liveClock) Now() time.Duration { return time.Since(c.rt.base) }

// Wall implements [appender.Clock].
func (c liveClock) Wall() time.Time { return wallAt(c.rt, c.wall, c.Now()) }

// Sleep implements [appender.Clock]. It returns [ErrClosed] once the runtime is
// closed.
func (c liveClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d == 0 {
		return err
	}
	var awake <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		awake = t.C
	}
	select {
	case <-awake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.rt.end:
		return ErrClosed
	}
}

// AfterFunc implements [appender.Clock]. Once the runtime is closed, f is not
// called any more. A panic in f becomes a failure of the actor
// that this clock was made for.
func (c liveClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return time.AfterFunc(max(d, 0), func() {
		select {
		case <-c.rt.end:
		default:
			guarded(c.m, f)
		}
	}).Stop
}

// WithTimeout implements [appender.Clock].
func (c liveClock) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}
