package appender

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestManualClockFiresInTheOrderOfTimes(t *testing.T) {
	type firing struct {
		at time.Duration
		id int
	}
	rapid.Check(t, func(t *rapid.T) {
		var c ManualClock
		var due, fired []firing // due: what is still to come, in any order
		id, stops := 0, map[int]func() bool{}
		t.Repeat(map[string]func(*rapid.T){
			"after": func(t *rapid.T) {
				d := time.Duration(rapid.IntRange(-1, 10).Draw(t, "d"))
				id++
				f := firing{c.Now() + max(d, 0), id}
				due = append(due, f)
				stops[f.id] = c.AfterFunc(d, func() {
					require.Equal(t, f.at, c.Now())
					fired = append(fired, f)
				})
			},
			"stop": func(t *rapid.T) {
				if id == 0 {
					return
				}
				k := rapid.IntRange(1, id).Draw(t, "id")
				i := slices.IndexFunc(due, func(f firing) bool { return f.id == k })
				require.Equal(t, i >= 0, stops[k]())
				if i >= 0 {
					due = slices.Delete(due, i, i+1)
				}
			},
			"advance": func(t *rapid.T) {
				target := c.Now() + time.Duration(rapid.IntRange(0, 8).Draw(t, "d"))
				fired = nil
				c.Advance(target - c.Now())
				require.Equal(t, target, c.Now())
				slices.SortStableFunc(due, func(a, b firing) int { return int(a.at - b.at) })
				n := 0
				for n < len(due) && due[n].at <= target {
					n++
				}
				require.True(t, slices.Equal(due[:n], fired), "due %v, fired %v", due[:n], fired)
				due = due[n:]
			},
			"": func(t *rapid.T) { require.Equal(t, len(due), c.Timers()) },
		})
	})
}

func TestManualClockFunctionsMayStartMore(t *testing.T) {
	var c ManualClock
	var at []time.Duration
	var again func()
	again = func() {
		at = append(at, c.Now())
		c.AfterFunc(2*time.Second, again)
	}
	c.AfterFunc(time.Second, again)
	c.Advance(6 * time.Second)
	require.Equal(t, []time.Duration{time.Second, 3 * time.Second, 5 * time.Second}, at)
}

func TestWallJumpsAndNowDoesNot(t *testing.T) {
	var c ManualClock
	c.Advance(time.Minute)
	c.Jump(-time.Hour)
	require.Equal(t, time.Minute, c.Now())
	require.Equal(t, int64(60-3600), c.Wall().Unix())
	c.Advance(-time.Hour)
	require.Equal(t, time.Minute, c.Now())
}

func TestSleepEndsAtItsTimeOrWithItsContext(t *testing.T) {
	var c ManualClock
	ctx, cancel := context.WithCancel(context.Background())
	require.NoError(t, c.Sleep(ctx, 0))
	sleep := func(d time.Duration) <-chan error {
		done := make(chan error, 1)
		go func() { done <- c.Sleep(ctx, d) }()
		return done
	}
	short, long, forever := sleep(time.Second), sleep(time.Minute), sleep(-1)
	c.AwaitSleepers(3)
	c.Advance(time.Second - 1)
	require.Empty(t, short)
	c.Advance(1)
	require.NoError(t, <-short)
	c.Advance(time.Second)
	require.Empty(t, long)
	require.Empty(t, forever)
	cancel()
	require.ErrorIs(t, <-long, context.Canceled)
	require.ErrorIs(t, <-forever, context.Canceled)
	require.Zero(t, c.Timers())
	require.ErrorIs(t, c.Sleep(ctx, time.Hour), context.Canceled)
}

func TestATimeoutEndsItsContextOnTheClock(t *testing.T) {
	var c ManualClock
	type key struct{}
	parent := context.WithValue(context.Background(), key{}, "v")
	ctx, cancel := c.WithTimeout(parent, time.Second)
	defer cancel()
	deadline, ok := ctx.Deadline()
	require.True(t, ok)
	require.Equal(t, c.Wall().Add(time.Second), deadline)
	require.Equal(t, "v", ctx.Value(key{}))
	c.Advance(time.Second - 1)
	require.NoError(t, ctx.Err())
	c.Advance(1)
	require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
	<-ctx.Done()
	cancel()
	require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded, "the first end counts")

	at, cancel := c.WithTimeout(parent, 0)
	defer cancel()
	require.ErrorIs(t, at.Err(), context.DeadlineExceeded)

	early, cancel := c.WithTimeout(parent, time.Hour)
	cancel()
	require.ErrorIs(t, early.Err(), context.Canceled)
	require.Zero(t, c.Timers(), "a cancelled timeout leaves no timer")
}

func TestContextsEndWithTheirParents(t *testing.T) {
	var c ManualClock
	outer, cancelOuter := c.WithTimeout(context.Background(), time.Second)
	defer cancelOuter()
	inner, cancelInner := c.WithTimeout(outer, time.Minute)
	defer cancelInner()
	d, _ := inner.Deadline()
	require.Equal(t, c.Wall().Add(time.Second), d)

	// A child made by the context package costs no goroutine and sees why its
	// parent ended.
	before := runtime.NumGoroutine()
	children := make([]context.Context, 50)
	for i := range children {
		child, cancel := context.WithCancel(inner)
		defer cancel()
		children[i] = child
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before)

	ran := false
	stop := context.AfterFunc(inner, func() {})
	require.True(t, stop())
	inner.(*manualContext).AfterFunc(func() { ran = true })
	c.Advance(time.Second)
	require.True(t, ran)
	for _, ctx := range append(children, inner) {
		require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
	}
	require.Zero(t, c.Timers())
	require.False(t, inner.(*manualContext).AfterFunc(func() { ran = false })())
	require.False(t, ran, "after the end it runs at once")

	std, cancelStd := context.WithCancel(context.Background())
	under, cancel := c.WithTimeout(std, time.Minute)
	defer cancel()
	cancelStd()
	require.ErrorIs(t, under.Err(), context.Canceled)
	<-under.Done()
	late, cancel := c.WithTimeout(std, time.Minute)
	defer cancel()
	require.ErrorIs(t, late.Err(), context.Canceled)
	// Where the parent is the context package's, so is the goroutine that
	// carries its end over, and the timers go when that has run.
	for c.Timers() > 0 {
		runtime.Gosched()
	}
}

func TestManualClockIsSafeForConcurrentUse(t *testing.T) {
	var c ManualClock
	const sleepers = 20
	done := make(chan error, 2*sleepers)
	for i := range sleepers {
		go func() { done <- c.Sleep(context.Background(), time.Duration(i+1)*time.Millisecond) }()
		go func() {
			ctx, cancel := c.WithTimeout(context.Background(), time.Duration(i+1)*time.Millisecond)
			defer cancel()
			if err := c.Sleep(ctx, -1); !errors.Is(err, context.DeadlineExceeded) {
				done <- err
				return
			}
			done <- nil
		}()
	}
	c.AwaitSleepers(2 * sleepers)
	for range sleepers {
		c.Advance(time.Millisecond)
	}
	for range 2 * sleepers {
		require.NoError(t, <-done)
	}
	require.Zero(t, c.Timers())
}
