package sim

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// blocker is an appender that waits other than through its Clock.
type blocker struct{ release <-chan struct{} }

func (b blocker) Append(context.Context, appender.Record) error {
	<-b.release
	return nil
}

func TestTheWatchdogNamesAnAppenderThatReallyBlocks(t *testing.T) {
	was := watchdogLimit
	watchdogLimit = 200 * time.Millisecond
	defer func() { watchdogLimit = was }()
	release := make(chan struct{})
	defer close(release)
	cfg := Config{Nodes: 2, Duration: 10 * time.Second, Load: []Load{{Kind: LoadConstant, Rate: 10}}}
	cfg.Open = func(context.Context, appender.Env) (appender.Appender, error) { return blocker{release}, nil }
	r, err := Run(context.Background(), cfg, 1)
	require.Nil(t, r)
	require.ErrorIs(t, err, ErrWatchdog)
	var w *WatchdogError
	require.ErrorAs(t, err, &w)
	require.Equal(t, "handle", w.Kind)
	require.Contains(t, w.Actor, "worker")
	require.Contains(t, w.Actor, "n")
	require.NotZero(t, w.Step)
	require.Contains(t, w.Stack, "sim.blocker.Append")
	require.Contains(t, err.Error(), w.Actor)
	require.NotContains(t, err.Error(), "\n")
}

// t.FailNow inside a run ends the run, not the test binary: the run says so.
func TestAStepThatExitsItsGoroutineEndsTheRun(t *testing.T) {
	cfg := Config{Nodes: 2, Duration: 10 * time.Second}
	cfg.ObserveKinds = trace.Kinds(trace.TickDone)
	cfg.Observe = func(*trace.Event) { runtime.Goexit() }
	r, err := Run(context.Background(), cfg, 1)
	require.Nil(t, r)
	require.ErrorIs(t, err, errGoexit)
}

// A panic in an observer is a bug: it reaches the caller, with the place where
// it began, also where it began inside an actor, whose supervisor would have
// taken it for the actor's own.
func TestAPanicInAnObserverReachesTheCaller(t *testing.T) {
	for _, kind := range []trace.Kind{trace.HealStarted, trace.TickDone} {
		for _, live := range []bool{false, true} {
			cfg := Config{Nodes: 2, Duration: time.Second}
			cfg.ObserveKinds = trace.Kinds(kind)
			cfg.Observe = func(*trace.Event) { panic("the observer's") }
			func() {
				defer func() {
					v := recover()
					require.Contains(t, v, "the observer's")
					require.Contains(t, v, "hang_test.go")
				}()
				if live {
					_, _ = Live(context.Background(), cfg, 1, LiveOptions{})
				} else {
					_, _ = Run(context.Background(), cfg, 1)
				}
				t.Error("no panic")
			}()
		}
	}
}
