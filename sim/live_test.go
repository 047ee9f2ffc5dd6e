package sim_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"meshsim/props"
	"meshsim/sim"
	"meshsim/sim/trace"
)

// stormy has every fault that a live run can have, and some that it cannot.
func stormy() sim.Config {
	return sim.Config{
		Nodes: 3, Duration: 10 * time.Second, Recovery: 20 * time.Second,
		Loop: sim.Loop{Tick: 20 * time.Millisecond}, Mesh: sim.Mesh{Heartbeat: 20 * time.Millisecond, Crash: time.Second},
		Host: sim.Host{Deadline: 100 * time.Millisecond, Grace: 20 * time.Millisecond, Probe: 100 * time.Millisecond,
			Backoff: 10 * time.Millisecond, MaxBackoff: 100 * time.Millisecond},
		Load:    []sim.Load{{Kind: "constant", Rate: 200}},
		Network: sim.Network{Loss: 0.02, Duplicate: 0.02, Reorder: 0.02},
		Faults: []sim.Fault{
			{At: 1 * time.Second, For: 2 * time.Second, Kind: "append-deaf", Nodes: []string{"n1"}},
			{At: 1 * time.Second, For: time.Second, Kind: "append-panic", Nodes: []string{"n2"}, Prob: 0.3},
			{At: 2 * time.Second, For: time.Second, Kind: "partition", Groups: [][]string{{"n1"}, {"n2", "n3"}}},
			{At: 4 * time.Second, For: 2 * time.Second, Kind: "crash", Nodes: []string{"n2"}},
			{At: 5 * time.Second, For: 2 * time.Second, Kind: "clog", Nodes: []string{"n3"}},
			{At: 6 * time.Second, For: time.Second, Kind: "append-hang", Nodes: []string{"n3"}},
			{At: 6 * time.Second, For: time.Second, Kind: "pause", Nodes: []string{"n1"}},
			{At: 7 * time.Second, Kind: "jump", By: time.Hour, Nodes: []string{"n1"}},
		},
		Sometimes: []string{"worker-abandoned", "node-restarted", "message-cut"},
	}
}

func TestALiveRunIsJudgedLikeASimulatedOne(t *testing.T) {
	r, err := sim.Live(context.Background(), stormy(), 1, sim.LiveOptions{For: 2 * time.Second}, props.All()...)
	require.NoError(t, err)
	require.Equal(t, sim.Held, r.Verdict, "%v %+v", r.Why, r.Invariants)
	require.Empty(t, r.Digest)
	require.Len(t, r.Skipped, 2)
	require.Contains(t, r.Skipped[0], "pause")
	require.Contains(t, r.Skipped[1], "jump")
	require.NotContains(t, r.Faults, "pause")
	require.NotZero(t, r.Delivered)
	require.NotZero(t, r.Records.Appended)
	require.Zero(t, r.Records.Pending)
	for _, k := range []string{"append-deaf", "append-panic", "partition", "crash", "clog", "append-hang", "loss"} {
		require.NotZero(t, r.Faults[k], k)
	}
	// In simulation, the same scenario strikes with everything.
	s, err := sim.Run(context.Background(), stormy(), 1, props.All()...)
	require.NoError(t, err)
	require.Equal(t, sim.Held, s.Verdict, "%v %+v", s.Why, s.Invariants)
	require.Empty(t, s.Skipped)
}

func TestLiveLeavesNoGoroutineBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	for _, hangs := range []string{"release", "keep"} {
		cfg := stormy()
		cfg.Heal.Hangs = hangs
		cfg.Recovery = 500 * time.Millisecond
		cfg.Sometimes = nil
		_, err := sim.Live(context.Background(), cfg, 2, sim.LiveOptions{For: time.Second})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		r, err := sim.Live(ctx, cfg, 3, sim.LiveOptions{For: time.Minute}, props.All()...)
		cancel()
		require.NoError(t, err)
		require.Equal(t, sim.Inconclusive, r.Verdict)
		require.Contains(t, r.Why[0], "interrupted")
	}
	goleak.VerifyNone(t, before)
}

// What checkers see live is one sequence whose time never goes back.
func TestLiveEventsAreSerialisedAndTimeNeverGoesBack(t *testing.T) {
	cfg := stormy()
	var last time.Duration
	var n int
	cfg.Observe = func(e *trace.Event) { // under -race: a second caller at once would be a race
		if e.Time < last {
			t.Errorf("%v after %v", e.Time, last)
		}
		last = e.Time
		n++
	}
	_, err := sim.Live(context.Background(), cfg, 4, sim.LiveOptions{For: 500 * time.Millisecond})
	require.NoError(t, err)
	require.Greater(t, n, 100)
}

// Regression: a scenario whose hangs are kept took its whole recovery bound of
// 30 s after a live run of any length.
func TestLiveScalesTheBoundThatKeptHangsUseUp(t *testing.T) {
	for hangs, want := range map[string]time.Duration{"keep": 850 * time.Millisecond, "release": 30 * time.Second} {
		cfg := stormy()
		cfg.Faults, cfg.Chaos, cfg.Sometimes = nil, nil, nil
		cfg.Heal.Hangs, cfg.Recovery, cfg.Duration = hangs, 30*time.Second, 10*time.Minute
		cfg.Host = sim.Host{
			Backoff: time.Millisecond, MaxBackoff: 500 * time.Millisecond, Probe: 100 * time.Millisecond,
			Deadline: 200 * time.Millisecond, Grace: 50 * time.Millisecond,
		}
		var bound time.Duration
		cfg.Observe = func(e *trace.Event) {
			if e.Kind == trace.HealStarted {
				bound = e.Deadline - e.Time // less what heal took to be told
			}
		}
		_, err := sim.Live(context.Background(), cfg, 5, sim.LiveOptions{For: 300 * time.Millisecond})
		require.NoError(t, err)
		require.Equal(t, want, bound.Round(10*time.Millisecond), hangs)
	}
}
