package actors

import (
	"context"
	"math"
	"slices"
	"time"
)

// forever is a deadline that never comes.
const forever = time.Duration(math.MaxInt64)

// simContext is a context that ends on a simulation's clock. One goroutine at a
// time uses it. It costs no timer before somebody waits for its end: as long as
// nothing does, its Err compares times.
//
// It has the AfterFunc method that package context looks for, so that a
// context.WithCancel above it hangs on it without a goroutine.
type simContext struct {
	rt       *runtime
	parent   context.Context
	deadline time.Duration
	err      error
	done     chan struct{}
	armed    bool
	timer    uint64
	release  func() // of the parent
	after    []*func()
}

type simContextKey struct{}

// Deadline implements [context.Context]; it is a time of the runtime's wall
// clock, unskewed.
func (c *simContext) Deadline() (time.Time, bool) {
	if c.deadline == forever {
		return c.parent.Deadline()
	}
	t := c.rt.base.Add(c.deadline)
	if p, ok := c.parent.Deadline(); ok && p.Before(t) {
		return p, true
	}
	return t, true
}

// Done implements [context.Context]. Do not wait on it in a simulation:
// everything would wait.
func (c *simContext) Done() <-chan struct{} {
	ch := c.channel()
	if c.Err() == nil {
		c.arm()
	}
	return ch
}

func (c *simContext) channel() chan struct{} {
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// Err implements [context.Context].
func (c *simContext) Err() error {
	if c.err == nil {
		switch {
		case c.rt.drv.Now() >= c.deadline:
			c.end(context.DeadlineExceeded)
		case c.parent.Err() != nil:
			c.end(c.parent.Err())
		}
	}
	return c.err
}

// Value implements [context.Context].
func (c *simContext) Value(key any) any {
	if key == (simContextKey{}) {
		return c
	}
	return c.parent.Value(key)
}

// AfterFunc makes f be called when c ends, by whoever ends it; now, if it has.
func (c *simContext) AfterFunc(f func()) (stop func() bool) {
	if c.Err() != nil {
		f()
		return func() bool { return false }
	}
	c.arm()
	own := &f
	c.after = append(c.after, own)
	return func() bool {
		i := slices.Index(c.after, own)
		if i >= 0 {
			c.after = slices.Delete(c.after, i, i+1)
		}
		return i >= 0
	}
}

// arm makes c end by itself.
func (c *simContext) arm() {
	if c.armed || c.err != nil {
		return
	}
	c.armed = true
	if c.deadline != forever {
		c.timer = c.rt.drv.At(c.deadline, actorID(c.rt.running), c.expire)
	}
	c.release = c.rt.atEnd(c.parent, c.orphan)
}

func (c *simContext) expire() { c.end(context.DeadlineExceeded) }
func (c *simContext) orphan() { c.end(c.parent.Err()) }
func (c *simContext) cancel() { c.end(context.Canceled) }

// end ends c, once.
func (c *simContext) end(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
	if c.timer != 0 {
		c.rt.drv.Cancel(c.timer)
	}
	if c.release != nil {
		c.release()
	}
	after := c.after
	c.after = nil
	for _, f := range after {
		(*f)()
	}
}

// atEnd has f called when ctx ends. Where ctx is a simContext, perhaps with
// values above it, whoever ends it calls f; any other is looked at after every
// step, because package context tells of an end only by a goroutine.
func (rt *runtime) atEnd(ctx context.Context, f func()) (release func()) {
	own, ok := ctx.(*simContext)
	if !ok {
		done := ctx.Done()
		if done == nil {
			return func() {}
		}
		if own, ok = ctx.Value(simContextKey{}).(*simContext); ok {
			ok = done == (<-chan struct{})(own.channel())
		}
	}
	if ok {
		stop := own.AfterFunc(f)
		return func() { stop() }
	}
	w := &watchedContext{ctx: ctx, f: f}
	rt.watched = append(rt.watched, w)
	return func() {
		if i := slices.Index(rt.watched, w); i >= 0 {
			rt.watched = slices.Delete(rt.watched, i, i+1)
		}
	}
}

// watchedContext is one of package context's that somebody waits for.
type watchedContext struct {
	ctx context.Context
	f   func()
}

// pollWatched calls the functions of the watched contexts that have ended, in
// the order in which they were asked for.
func (rt *runtime) pollWatched() {
	for i := 0; i < len(rt.watched); {
		if w := rt.watched[i]; w.ctx.Err() != nil {
			rt.watched = slices.Delete(rt.watched, i, i+1)
			w.f()
			continue
		}
		i++
	}
}
