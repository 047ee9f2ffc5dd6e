package actors

import (
	"context"
	"errors"
	goruntime "runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/loop"
)

// asExecutor runs f in an executor's handler, as code of a node.
type asExecutor func(ctx context.Context, env appender.Env, a loop.Action) (any, error)

func (f asExecutor) Do(ctx context.Context, env appender.Env, a loop.Action) (any, error) {
	return f(ctx, env, a)
}

// inNode spawns a node and runs f once in a handler of it.
func (w *world) inNode(f func(ctx context.Context, clock appender.Clock)) *Node {
	n := w.spawn(NodeOptions{Exec: asExecutor(func(ctx context.Context, env appender.Env, _ loop.Action) (any, error) {
		f(ctx, env.Clock)
		return nil, nil
	})}, modelFunc{step: func(in loop.Input, out *loop.Ready) error {
		if in.Action == 0 {
			out.Do("go", 0, nil)
		}
		return nil
	}})
	n.Input("go")
	return n
}

func TestSleepTakesVirtualTime(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	var woke time.Duration
	w.inNode(func(ctx context.Context, c appender.Clock) {
		require.NoError(t, c.Sleep(ctx, 3*time.Hour))
		woke = c.Now()
	})
	w.run(4 * time.Hour)
	require.Equal(t, 3*time.Hour, woke)
}

// Sleep ends with its context, of whatever make the documentation allows, in
// the instant of its end, and no goroutine is started for it.
func TestSleepEndsWithItsContext(t *testing.T) {
	type key struct{}
	const end = time.Second
	cases := map[string]struct {
		make func(c appender.Clock) (context.Context, func()) // the context, and what to call at end
		want error
	}{
		"a timeout": {func(c appender.Clock) (context.Context, func()) {
			ctx, _ := c.WithTimeout(context.Background(), end)
			return ctx, nil
		}, context.DeadlineExceeded},
		"a timeout with a value above": {func(c appender.Clock) (context.Context, func()) {
			ctx, _ := c.WithTimeout(context.Background(), end)
			return context.WithValue(ctx, key{}, 1), nil
		}, context.DeadlineExceeded},
		"a timeout under a timeout": {func(c appender.Clock) (context.Context, func()) {
			ctx, _ := c.WithTimeout(context.Background(), end)
			ctx, _ = c.WithTimeout(context.WithValue(ctx, key{}, 1), time.Hour)
			return ctx, nil
		}, context.DeadlineExceeded},
		"a cancelled timeout": {func(c appender.Clock) (context.Context, func()) {
			return c.WithTimeout(context.Background(), time.Hour)
		}, context.Canceled},
		"a cancelled parent": {func(c appender.Clock) (context.Context, func()) {
			ctx, cancel := c.WithTimeout(context.Background(), time.Hour)
			ctx, _ = c.WithTimeout(ctx, 2*time.Hour)
			return ctx, cancel
		}, context.Canceled},
		"WithCancel above a timeout, cancelled": {func(c appender.Clock) (context.Context, func()) {
			ctx, _ := c.WithTimeout(context.Background(), time.Hour)
			return context.WithCancel(ctx)
		}, context.Canceled},
		"WithCancel above a timeout that ends": {func(c appender.Clock) (context.Context, func()) {
			ctx, _ := c.WithTimeout(context.Background(), end)
			ctx, cancel := context.WithCancel(ctx)
			t.Cleanup(cancel)
			return ctx, nil
		}, context.DeadlineExceeded},
		"WithCancel above WithCancel above a timeout": {func(c appender.Clock) (context.Context, func()) {
			ctx, _ := c.WithTimeout(context.Background(), time.Hour)
			ctx, cancel := context.WithCancel(ctx)
			t.Cleanup(cancel)
			return context.WithCancel(ctx)
		}, context.Canceled},
		"a timeout above WithCancel": {func(c appender.Clock) (context.Context, func()) {
			ctx, cancel := context.WithCancel(context.Background())
			ctx, _ = c.WithTimeout(ctx, time.Hour)
			return ctx, cancel
		}, context.Canceled},
		"plain WithCancel": {func(appender.Clock) (context.Context, func()) {
			return context.WithCancel(context.Background())
		}, context.Canceled},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			defer func() { w.close() }()
			var woke time.Duration
			var err error
			cancel := func() {}
			before := goruntime.NumGoroutine()
			during := 0
			w.inNode(func(_ context.Context, clock appender.Clock) {
				ctx, f := c.make(clock)
				if f != nil {
					cancel = f
				}
				during = goruntime.NumGoroutine()
				err = clock.Sleep(ctx, 30*time.Minute)
				woke = clock.Now()
			})
			// Another actor cancels, in a handler of its own.
			other := w.spawn(NodeOptions{}, modelFunc{step: func(loop.Input, *loop.Ready) error { cancel(); return nil }})
			w.at(end, func() { other.Input("cancel") })
			w.run(time.Hour)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, end, woke)
			require.LessOrEqual(t, during, before+2, "only coroutines of the kernel")
		})
	}
}

func TestWithoutCancelIsDeaf(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	var woke time.Duration
	w.inNode(func(_ context.Context, c appender.Clock) {
		ctx, cancel := c.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.NoError(t, c.Sleep(context.WithoutCancel(ctx), time.Minute))
		woke = c.Now()
		require.ErrorIs(t, c.Sleep(ctx, time.Minute), context.DeadlineExceeded, "an ended context ends a sleep at once")
	})
	w.run(time.Hour)
	require.Equal(t, time.Minute, woke)
}

func TestAContextEndsOnItsClock(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	w.inNode(func(bg context.Context, c appender.Clock) {
		ctx, cancel := c.WithTimeout(bg, time.Second)
		defer cancel()
		child, cancelChild := c.WithTimeout(ctx, time.Minute)
		defer cancelChild()
		require.NoError(t, ctx.Err())
		at, ok := ctx.Deadline()
		require.True(t, ok)
		require.Equal(t, c.Wall().Add(time.Second), at)
		earlier, _ := child.Deadline()
		require.Equal(t, at, earlier)
		select {
		case <-ctx.Done():
			t.Error("done before its time")
		default:
		}
		fired := 0
		stop := context.AfterFunc(child, func() { fired++ })
		defer stop()
		require.NoError(t, c.Sleep(bg, time.Second))
		<-ctx.Done()
		<-child.Done()
		require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
		require.ErrorIs(t, child.Err(), context.DeadlineExceeded)
		gone, cancelGone := c.WithTimeout(bg, 0)
		defer cancelGone()
		require.ErrorIs(t, gone.Err(), context.DeadlineExceeded)
	})
	w.run(time.Hour)
}

func TestAfterFuncFiresOnceUnlessStopped(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	var at []time.Duration
	w.inNode(func(ctx context.Context, c appender.Clock) {
		c.AfterFunc(time.Second, func() { at = append(at, c.Now()) })
		stop := c.AfterFunc(2*time.Second, func() { at = append(at, c.Now()) })
		require.True(t, stop())
		require.False(t, stop())
		c.AfterFunc(-1, func() { at = append(at, c.Now()) })
	})
	w.run(time.Minute)
	require.Equal(t, []time.Duration{0, time.Second}, at)
}

// A panic in a function that user code left with the clock is its actor's.
func TestAPanicInAnAfterFuncIsItsActorsFailure(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	open := func(_ context.Context, env appender.Env) (appender.Appender, error) {
		if env.Epoch == 1 {
			env.Clock.AfterFunc(time.Second, func() { panic("later") })
		}
		return appender.NoOp{}, nil
	}
	n := w.spawn(NodeOptions{Host: Host{Open: open}}, modelFunc{})
	w.run(time.Minute)
	s := n.Stats()
	require.Equal(t, uint64(1), s.WorkerRestarts)
	require.Equal(t, uint64(2), s.Epoch)
	w.lines(2)
	w.run(time.Second)
	require.Equal(t, uint64(2), n.Stats().Ledger.Appended)
}

func TestSleepOutsideOfAHandlerPanics(t *testing.T) {
	w := newWorld(t, 1)
	c := w.rt.Clock()
	require.PanicsWithValue(t, "actors: Sleep outside of a handler: only code that an actor runs can wait on its clock",
		func() { _ = c.Sleep(context.Background(), 1) })
	w.close()
	require.ErrorIs(t, c.Sleep(context.Background(), 1), ErrClosed)
}

// A node's wall clock is its own; the loop stamps records by it.
func TestWallIsTheNodesOwn(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	skewed := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	var saw time.Time
	n := w.spawn(NodeOptions{
		Wall: func(mono time.Duration) time.Time { return skewed.Add(2 * mono) },
		Host: Host{Open: func(_ context.Context, env appender.Env) (appender.Appender, error) {
			saw = env.Clock.Wall()
			return appender.NoOp{}, nil
		}}}, modelFunc{})
	w.run(time.Second)
	w.lines(1)
	w.run(time.Second)
	require.Equal(t, skewed, saw)
	s, err := n.Capture(context.Background())
	require.NoError(t, err)
	require.Equal(t, uint64(skewed.Add(2*time.Second).UnixMilli()), s.Log[0].Record.TimeMs)
	plain := w.spawn(NodeOptions{}, modelFunc{})
	plain.Log(loop.LogLine{})
	w.run(0)
	s, _ = plain.Capture(context.Background())
	require.Equal(t, uint64(w.rt.Clock().Wall().UnixMilli()), s.Log[0].Record.TimeMs)
}

func TestTheLiveClockSleepsAndEndsWithTheRuntime(t *testing.T) {
	rt := NewLive()
	c := rt.Clock()
	require.NoError(t, c.Sleep(context.Background(), time.Millisecond))
	require.GreaterOrEqual(t, c.Now(), time.Millisecond)
	ctx, cancel := c.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Sleep(ctx, time.Hour), context.DeadlineExceeded)
	fired := make(chan struct{})
	c.AfterFunc(0, func() { close(fired) })
	<-fired
	ended := make(chan error)
	go func() { ended <- c.Sleep(context.Background(), -1) }()
	require.NoError(t, rt.Close(context.Background()))
	require.ErrorIs(t, <-ended, ErrClosed)
	_, err := rt.Spawn(NodeOptions{ID: 1}, modelFunc{})
	require.True(t, errors.Is(err, ErrClosed))
}
