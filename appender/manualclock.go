package appender

import (
	"context"
	"slices"
	"sync"
	"time"
)

// ManualClock is a virtual [Clock] for tests of appenders: its time stands
// still until Advance moves it. It starts no goroutine; sleepers block the
// goroutine that called Sleep. The zero ManualClock is ready, at Now 0 and the
// Unix epoch. It is safe for concurrent use.
//
// A test that advances while another goroutine is about to sleep would be a
// race of the two: wait for the sleeper first, with AwaitSleepers. A sleeper
// that Advance woke runs on its own and may see a Now beyond its deadline, as
// on any clock.
type ManualClock struct {
	mu       sync.Mutex
	now      time.Duration
	skew     time.Duration  // Wall less (the Unix epoch + now)
	timers   []*manualTimer // by (at, id)
	lastID   uint64
	sleepers int
	slept    sync.Cond // sleepers grew; its L is set by whoever waits
}

type manualTimer struct {
	at time.Duration
	id uint64
	f  func()
}

var _ Clock = (*ManualClock)(nil)

// Now is the time advanced so far.
func (c *ManualClock) Now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Wall is the Unix epoch plus Now plus every jump, in UTC.
func (c *ManualClock) Wall() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Unix(0, 0).UTC().Add(c.now + c.skew)
}

// Jump moves Wall alone, by d, either way.
func (c *ManualClock) Jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew += d
}

// Advance moves Now by d (nothing below 0) and, on the way, calls every
// function that comes due, each at its time and in the order of their times; at
// one time, in the order in which they were asked for. They run on the caller's
// goroutine and may use the clock, but not Advance it.
func (c *ManualClock) Advance(d time.Duration) {
	c.mu.Lock()
	target := c.now + max(d, 0)
	for len(c.timers) > 0 && c.timers[0].at <= target {
		t := c.timers[0]
		c.timers = slices.Delete(c.timers, 0, 1)
		c.now = max(c.now, t.at)
		c.mu.Unlock()
		t.f()
		c.mu.Lock()
	}
	c.now = max(c.now, target)
	c.mu.Unlock()
}

// Timers is the number of functions, sleepers and timeouts that are still due.
func (c *ManualClock) Timers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// AwaitSleepers blocks, for real, until n calls of Sleep are asleep at once.
func (c *ManualClock) AwaitSleepers(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept.L = &c.mu
	for c.sleepers < n {
		c.slept.Wait()
	}
}

// Sleep blocks the caller until Advance has moved the clock by d, or until ctx
// ends: see [Clock].
func (c *ManualClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d == 0 {
		return err
	}
	awake := make(chan struct{})
	var t *manualTimer
	c.mu.Lock()
	if d > 0 {
		t = c.start(d, func() { c.wake(); close(awake) })
	}
	c.sleepers++
	c.slept.Broadcast()
	c.mu.Unlock()
	select {
	case <-awake:
		return nil
	case <-ctx.Done():
	}
	if t != nil && !c.stop(t) {
		// Advance got there first and counts it as awake.
		<-awake
		return nil
	}
	c.wake()
	return ctx.Err()
}

func (c *ManualClock) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sleepers--
}

// AfterFunc makes the Advance that passes d call f; with d at or below 0, the
// next one.
func (c *ManualClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.start(max(d, 0), f)
	return func() bool { return c.stop(t) }
}

// start adds a timer; the caller holds mu.
func (c *ManualClock) start(d time.Duration, f func()) *manualTimer {
	c.lastID++
	t := &manualTimer{at: c.now + d, id: c.lastID, f: f}
	// The newest comes behind all others of its time.
	i, _ := slices.BinarySearchFunc(c.timers, t.at, func(other *manualTimer, at time.Duration) int {
		if other.at <= at {
			return -1
		}
		return 1
	})
	c.timers = slices.Insert(c.timers, i, t)
	return t
}

// stop takes a timer back and reports whether it was still due.
func (c *ManualClock) stop(t *manualTimer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.timers, t)
	if i < 0 {
		return false
	}
	c.timers = slices.Delete(c.timers, i, i+1)
	return true
}

// WithTimeout is [context.WithTimeout] on this clock. The context's Deadline is
// on the clock's Wall.
func (c *ManualClock) WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	deadline := c.Wall().Add(d)
	if earlier, ok := parent.Deadline(); ok && earlier.Before(deadline) {
		deadline = earlier
	}
	ctx := &manualContext{parent: parent, deadline: deadline, done: make(chan struct{})}
	ctx.atEnd(afterFunc(parent, func() { ctx.end(parent.Err()) }))
	if d <= 0 {
		ctx.end(context.DeadlineExceeded)
	} else {
		ctx.atEnd(c.AfterFunc(d, func() { ctx.end(context.DeadlineExceeded) }))
	}
	return ctx, func() { ctx.end(context.Canceled) }
}

// afterFunc is [context.AfterFunc], except that it has f called by whoever ends
// ctx where ctx knows how.
func afterFunc(ctx context.Context, f func()) (stop func() bool) {
	if ctx.Done() == nil {
		return func() bool { return true }
	}
	if a, ok := ctx.(interface{ AfterFunc(func()) func() bool }); ok {
		return a.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}
