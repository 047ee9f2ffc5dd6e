package appendertest_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/props"
	"meshsim/sim"
)

// mesh puts wrappers into nodes, each around a buffer that takes 1 ms a call and
// follows a script of faults, while the host around them has faults of its own.
func mesh(wrap func(appender.Appender, appender.Env) appender.Appender) sim.Config {
	everyone := []string{"all"}
	return sim.Config{
		Nodes: 3, Duration: 12 * time.Second,
		Load: []sim.Load{{Kind: "poisson", Rate: 40}},
		Faults: []sim.Fault{
			{Kind: "append-error", At: time.Second, For: time.Second, Nodes: everyone, Prob: 0.1},
			{Kind: "append-deaf", At: 3 * time.Second, For: 2 * time.Second, Nodes: []string{"n1"}},
			{Kind: "append-panic", At: 6 * time.Second, For: time.Second, Nodes: []string{"n2"}, Prob: 0.1},
			{Kind: "crash", At: 8 * time.Second, For: time.Second, Nodes: []string{"n3"}},
		},
		Open: func(_ context.Context, env appender.Env) (appender.Appender, error) {
			inside := appender.NewFaulty(appender.NewBuffering(100_000), env, appender.NewControl(env.Seed,
				appender.Rule{Kind: appender.FaultAppendLatency, Fault: appender.Fault{Latency: time.Millisecond}},
				appender.Rule{Kind: appender.FaultAppendError, Fault: appender.Fault{Prob: 0.05}},
				appender.Rule{Kind: appender.FaultAppliedThenError, Fault: appender.Fault{Prob: 0.01}},
				appender.Rule{Kind: appender.FaultAppendHang, Fault: appender.Fault{Prob: 0.002, Latency: 2 * time.Second}},
			))
			return wrap(inside, env), nil
		},
	}
}

// TestEveryWrapperHoldsInTheSimulator: under every invariant, in every wrapper,
// and the same to the last step when it is run again.
func TestEveryWrapperHoldsInTheSimulator(t *testing.T) {
	t.Parallel()
	run := 0
	for _, subject := range memory() {
		if subject.Wrap == nil {
			continue
		}
		run++
		t.Run(subject.Name, func(t *testing.T) {
			for seed := uint64(1); seed <= 4; seed++ {
				r, err := sim.DoubleCheck(t.Context(), mesh(subject.Wrap), seed, props.All()...)
				require.NoError(t, err)
				require.Equal(t, sim.Held, r.Verdict, "seed %d: %v", seed, r.Invariants)
				require.NotZero(t, r.Records.Appended)
			}
		})
	}
	require.Greater(t, run, 7, "the wrappers")
}

// TestALockHeldOverASleepStopsTheSimulator: what one opening holds while it sleeps,
// the next one waits for, and that is named.
func TestALockHeldOverASleepStopsTheSimulator(t *testing.T) {
	t.Parallel() // the watchdog takes its time
	var mu sync.Mutex
	_, err := sim.Run(t.Context(), mesh(func(inner appender.Appender, env appender.Env) appender.Appender {
		b := newBent(inner, env)
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			mu.Lock() // of a connection that all share
			defer mu.Unlock()
			return b.pass(ctx, recs)
		}
		return b
	}), 1, props.All()...)
	require.ErrorIs(t, err, sim.ErrWatchdog)
	var dog *sim.WatchdogError
	require.ErrorAs(t, err, &dog)
	require.Contains(t, dog.Actor, "worker")
	require.Contains(t, dog.Stack, "simulated_test.go", "where it waits")
}

// TestTheMachinesClockStopsTheSimulator: a wait that virtual time does not move.
func TestTheMachinesClockStopsTheSimulator(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	_, err := sim.Run(t.Context(), mesh(func(inner appender.Appender, env appender.Env) appender.Appender {
		b := newBent(inner, env)
		b.retrying(3, func(context.Context, int) {
			select {
			case <-time.After(time.Hour):
			case <-end:
			}
		})
		return b
	}), 1, props.All()...)
	var dog *sim.WatchdogError
	require.ErrorAs(t, err, &dog)
	require.Contains(t, dog.Stack, "simulated_test.go", "where it waits")
}

// TestTheMachinesTimeOfDayMakesRunsDiffer: reading the machine's clock is found
// without any wait: a run is no longer a function of its seed.
func TestTheMachinesTimeOfDayMakesRunsDiffer(t *testing.T) {
	t.Parallel()
	_, err := sim.DoubleCheck(t.Context(), mesh(func(inner appender.Appender, env appender.Env) appender.Appender {
		b := newBent(inner, env)
		b.retrying(3, func(ctx context.Context, _ int) {
			_ = env.Clock.Sleep(ctx, time.Duration(time.Now().UnixNano()%1000)*time.Microsecond)
		})
		return b
	}), 1)
	require.ErrorIs(t, err, sim.ErrDiverged)
}
