package sim_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/props"
	"meshsim/sim"
	"meshsim/sim/trace"
)

// ticker is the smallest model: it wants every tick and logs one line at each.
type ticker struct {
	ticks int
	logs  bool
}

func newTicker(uint64, any) loop.Model { return &ticker{} }

func newLogger(uint64, any) loop.Model { return &ticker{logs: true} }

func (m *ticker) Step(loop.Input, *loop.Ready) error { return nil }
func (m *ticker) Tick(_ time.Duration, out *loop.Ready) {
	m.ticks++
	if m.logs {
		out.Log(loop.LogLine{Message: "tick"})
	}
}
func (m *ticker) Durable() any { return m.ticks }

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// run runs cfg and requires that the run itself went well.
func run(t *testing.T, cfg sim.Config, seed uint64, checkers ...func() trace.Checker) *sim.Result {
	t.Helper()
	r, err := sim.Run(context.Background(), cfg, seed, checkers...)
	require.NoError(t, err)
	return r
}

// held also requires the verdict.
func held(t *testing.T, cfg sim.Config, seed uint64) *sim.Result {
	t.Helper()
	r := run(t, cfg, seed, props.All()...)
	require.Equal(t, sim.Held, r.Verdict, "%v %+v", r.Why, r.Invariants)
	return r
}

// events collects the events of some kinds.
type events []trace.Event

func (es *events) watch(cfg *sim.Config, kinds ...trace.Kind) {
	cfg.ObserveKinds = trace.Kinds(kinds...)
	cfg.Observe = func(e *trace.Event) {
		c := *e
		c.Ledger, c.Limits, c.Data = nil, nil, nil
		*es = append(*es, c)
	}
}

func (es events) of(node uint32, k trace.Kind) (out events) {
	for _, e := range es {
		if e.Kind == k && (node == 0 || e.Node == node) {
			out = append(out, e)
		}
	}
	return out
}

func quiet(nodes int, d time.Duration) sim.Config {
	return sim.Config{Nodes: nodes, Duration: d, Model: newLogger}
}

func TestARestartedNodeBeginsAtSeqOneUnderAHigherIncarnation(t *testing.T) {
	cfg := quiet(2, 10*time.Second)
	cfg.Faults = []sim.Fault{{At: ms(2600), For: ms(1000), Kind: "crash", Nodes: []string{"n1"}},
		{At: ms(7000), Kind: "crash", Nodes: []string{"n1"}}} // until the heal
	var durable []any
	cfg.Model = func(node uint64, d any) loop.Model {
		if node == 1 {
			durable = append(durable, d)
		}
		return newLogger(node, d)
	}
	var es events
	es.watch(&cfg, trace.NodeStarted, trace.NodeCrashed, trace.RecordEmitted)
	r := held(t, cfg, 1)
	started := es.of(1, trace.NodeStarted)
	require.Len(t, started, 3)
	for i, at := range []time.Duration{0, ms(3600), ms(10000)} {
		require.EqualValues(t, i+1, started[i].Incarnation)
		require.Equal(t, at, started[i].Time)
	}
	require.Len(t, es.of(1, trace.NodeCrashed), 2)
	require.EqualValues(t, 2, r.Faults["crash"])
	next := map[uint32]uint64{}
	for _, e := range es.of(1, trace.RecordEmitted) {
		next[e.Incarnation]++
		require.Equal(t, next[e.Incarnation], e.Seq)
	}
	require.GreaterOrEqual(t, len(next), 2)
	// What a model calls durable is what its successor is given.
	fresh := slices.Compact(slices.Clone(durable))
	require.Contains(t, fresh, any(5))
	require.Equal(t, any(nil), durable[0])
	require.Len(t, es.of(2, trace.NodeStarted), 1)
}

func TestAPausedNodeDoesNothingAndCatchesUp(t *testing.T) {
	cfg := quiet(2, 10*time.Second)
	cfg.Faults = []sim.Fault{
		{At: ms(2100), For: ms(3000), Kind: "pause", Nodes: []string{"n1"}},
		{At: ms(3000), For: ms(4000), Kind: "pause", Nodes: []string{"n1"}}, // overlaps: resumes at 7 s
	}
	cfg.Load = []sim.Load{{Kind: "constant", Rate: 10}}
	var es events
	es.watch(&cfg, trace.TickDone, trace.LineLogged, trace.LineIn, trace.NodePaused, trace.NodeResumed)
	held(t, cfg, 1)
	require.Len(t, es.of(1, trace.NodePaused), 1)
	require.Len(t, es.of(1, trace.NodeResumed), 1)
	require.Equal(t, ms(7000), es.of(1, trace.NodeResumed)[0].Time)
	in := func(e trace.Event) bool { return e.Time >= ms(2100) && e.Time < ms(7000) }
	require.False(t, slices.ContainsFunc(es.of(1, trace.TickDone), in))
	require.False(t, slices.ContainsFunc(es.of(1, trace.LineLogged), in))
	require.True(t, slices.ContainsFunc(es.of(1, trace.LineIn), in), "lines still reach a paused node's mailbox")
	require.True(t, slices.ContainsFunc(es.of(2, trace.TickDone), in), "the other node goes on")
	require.Len(t, es.of(1, trace.LineLogged), len(es.of(1, trace.LineIn)), "nothing is lost")
}

// stamps is an appender that notes both clocks at every record.
type stamps struct {
	clock appender.Clock
	seen  *[]stamp
}

type stamp struct {
	mono time.Duration
	wall time.Time
	rec  uint64
}

func (s stamps) Append(_ context.Context, r appender.Record) error {
	*s.seen = append(*s.seen, stamp{s.clock.Now(), s.clock.Wall(), r.TimeMs})
	return nil
}

func TestSkewAndJumpMoveTheWallClockAlone(t *testing.T) {
	cfg := quiet(1, 10*time.Second)
	cfg.Faults = []sim.Fault{
		{At: ms(2100), For: ms(2000), Kind: "skew", Factor: 2, Nodes: []string{"n1"}},
		{At: ms(6100), Kind: "jump", By: -time.Hour, Nodes: []string{"n1"}},
	}
	var seen []stamp
	cfg.Open = func(_ context.Context, env appender.Env) (appender.Appender, error) {
		return stamps{env.Clock, &seen}, nil
	}
	r := held(t, cfg, 1)
	require.EqualValues(t, 1, r.Faults["skew"])
	require.EqualValues(t, 1, r.Faults["jump"])
	require.Len(t, seen, 20)
	epoch := seen[0].wall.Add(-seen[0].mono)
	for i, s := range seen {
		require.Equal(t, time.Duration(i+1)*500*time.Millisecond, s.mono, "Now never jumps")
		gained := time.Duration(0)
		switch {
		case s.mono > ms(6100):
			gained = 2*time.Second - time.Hour
		case s.mono > ms(4100):
			gained = 2 * time.Second
		case s.mono > ms(2100):
			gained = s.mono - ms(2100)
		}
		require.Equal(t, epoch.Add(s.mono+gained), s.wall)
		require.EqualValues(t, s.wall.UnixMilli(), s.rec, "records carry the wall clock")
	}
}

func TestCrashesNest(t *testing.T) {
	cfg := quiet(1, 10*time.Second)
	cfg.Faults = []sim.Fault{
		{At: ms(1000), For: ms(1000), Kind: "crash", Nodes: []string{"n1"}},
		{At: ms(1500), For: ms(2500), Kind: "crash", Nodes: []string{"n1"}},
		{At: ms(5000), For: ms(500), Kind: "crash", Nodes: []string{"n1"}},
	}
	var es events
	es.watch(&cfg, trace.NodeStarted, trace.NodeCrashed)
	r := run(t, cfg, 1, props.All()...)
	require.Len(t, es.of(1, trace.NodeCrashed), 2)
	require.Equal(t, ms(4000), es.of(1, trace.NodeStarted)[1].Time, "up when the last of both has ended")
	// The second crash found the node down: its promise was not kept.
	require.Equal(t, sim.Inconclusive, r.Verdict)
	require.Len(t, r.Why, 1)
	require.Contains(t, r.Why[0], "faults[1] (crash at 1.5s) never struck")
}

// idleChecker counts what it judges, and finds count of it.
type idleChecker struct{ count uint64 }

func (c *idleChecker) Name() string                { return "idle" }
func (c *idleChecker) Observe(*trace.Event) error  { return nil }
func (c *idleChecker) Next() (time.Duration, bool) { return 0, false }
func (c *idleChecker) Expire(time.Duration) error  { return nil }
func (c *idleChecker) Finish(time.Duration) error  { return nil }
func (c *idleChecker) Checked() uint64             { return c.count }

func TestVerdicts(t *testing.T) {
	t.Run("checkers with nothing to judge", func(t *testing.T) {
		idle := func(n uint64) func() trace.Checker {
			return func() trace.Checker { return &idleChecker{n} }
		}
		r := run(t, quiet(1, time.Second), 1, idle(0), idle(0))
		require.Equal(t, sim.Inconclusive, r.Verdict)
		require.Equal(t, []string{"no invariant had anything to judge"}, r.Why)
		require.Equal(t, sim.Held, run(t, quiet(1, time.Second), 1, idle(0), idle(1)).Verdict)
		require.Equal(t, sim.Held, run(t, quiet(1, time.Second), 1).Verdict, "nobody asked")
	})
	t.Run("a fault that never strikes", func(t *testing.T) {
		cfg := quiet(2, time.Second)
		cfg.Faults = []sim.Fault{{At: ms(100), For: ms(100), Kind: "append-error", Nodes: []string{"n1"}}}
		r := run(t, cfg, 1) // no record is appended in its time
		require.Equal(t, sim.Inconclusive, r.Verdict)
		require.Contains(t, r.Why[0], "never struck")
		require.Zero(t, r.Faults["append-error"])
	})
	t.Run("a mark that never occurs", func(t *testing.T) {
		cfg := quiet(2, time.Second)
		cfg.Sometimes = []string{"circuit-opened"}
		r := run(t, cfg, 1)
		require.Equal(t, sim.Inconclusive, r.Verdict)
		require.Contains(t, r.Why[0], "circuit-opened")
	})
	t.Run("a promised mark that occurs", func(t *testing.T) {
		cfg := quiet(2, 5*time.Second)
		cfg.Faults = []sim.Fault{{At: ms(100), For: ms(100), Kind: "crash", Nodes: []string{"n1"}}}
		cfg.Sometimes = []string{"node-crashed", "node-restarted"}
		r := held(t, cfg, 1)
		i := slices.IndexFunc(r.Sometimes, func(m sim.Mark) bool { return m.Name == "node-crashed" })
		require.EqualValues(t, 1, r.Sometimes[i].Count)
	})
	t.Run("a violated invariant outranks what was not shown", func(t *testing.T) {
		cfg := quiet(2, 5*time.Second)
		cfg.Sometimes = []string{"circuit-opened"}
		r := run(t, cfg, 1, func() trace.Checker { return &third{} })
		require.Equal(t, sim.Violated, r.Verdict)
		require.NotEmpty(t, r.Why)
		require.Len(t, r.Invariants, 1)
		require.NotNil(t, r.Invariants[0].ViolatedAt)
		require.Equal(t, "three is too many", r.Invariants[0].Violation)
	})
	t.Run("a probability that another fault left no occasion", func(t *testing.T) {
		// Every opening panics, so none was left to fail with an error.
		cfg := quiet(2, 20*time.Second)
		cfg.Host.Backoff, cfg.Host.MaxBackoff = ms(10), ms(20)
		cfg.Host.Probe = ms(20)
		cfg.Faults = []sim.Fault{
			{Kind: "open-panic", Nodes: []string{"n1"}},
			{Kind: "open-error", Nodes: []string{"n1"}, Prob: 0.9},
		}
		r := held(t, cfg, 1)
		require.Greater(t, r.Faults["open-panic"], uint64(100))
		require.Zero(t, r.Faults["open-error"])
	})
	t.Run("a probability too small to miss", func(t *testing.T) {
		cfg := sim.Config{Nodes: 2, Duration: time.Second}
		cfg.Network.Loss = 1e-9
		held(t, cfg, 1)
	})
}

// third refuses the third record.
type third struct{ n int }

func (c *third) Name() string { return "third" }
func (c *third) Observe(e *trace.Event) error {
	if e.Kind == trace.RecordEmitted {
		if c.n++; c.n == 3 {
			return errors.New("three is too many")
		}
	}
	return nil
}
func (c *third) Next() (time.Duration, bool) { return 0, false }
func (c *third) Expire(time.Duration) error  { return nil }
func (c *third) Finish(time.Duration) error  { return nil }

func TestAnAppendFaultStrikesAsScripted(t *testing.T) {
	for _, kind := range []string{"append-error", "append-latency", "append-hang", "append-deaf", "append-panic", "applied-then-error"} {
		t.Run(kind, func(t *testing.T) {
			cfg := quiet(2, 20*time.Second)
			f := sim.Fault{At: ms(100), Kind: kind, Nodes: []string{"n1"}, Record: 5}
			if kind == "append-latency" {
				f.By = 300 * time.Millisecond
			}
			cfg.Faults = []sim.Fault{f}
			var es events
			es.watch(&cfg, trace.AttemptEnded, trace.SinkStored)
			r := held(t, cfg, 1)
			require.EqualValues(t, 1, r.Faults[kind])
			require.Zero(t, r.Records.Pending)
			require.Equal(t, r.Records.Emitted, r.Records.Appended+r.Records.Failed+r.Records.Unknown)
			want := map[string]trace.Result{"append-error": trace.ResultError, "append-hang": trace.ResultDeadline,
				"append-deaf": trace.ResultHang, "append-panic": trace.ResultPanic, "applied-then-error": trace.ResultUnknown,
				"append-latency": trace.ResultOK}[kind]
			require.True(t, slices.ContainsFunc(es.of(1, trace.AttemptEnded), func(e trace.Event) bool {
				return e.Result == want && e.Seq <= 5 && 5 < e.Seq+e.Count
			}))
		})
	}
}

// TestAnAppendThatIsLateMayBeStored: some calls take longer than their deadline. What
// it stored before that is unknown to the host, what it did not is not there.
func TestAnAppendThatIsLateMayBeStored(t *testing.T) {
	cfg := quiet(1, 20*time.Second)
	cfg.Host = sim.Host{Deadline: ms(200), Grace: ms(100)}
	cfg.Appender = sim.Appender{Latency: sim.Uniform(ms(10), ms(300))}
	var es events
	es.watch(&cfg, trace.AttemptStarted, trace.AttemptEnded, trace.SinkStored)
	held(t, cfg, 1)
	late, failed := 0, 0
	stored := map[uint64]bool{} // by the attempt that has begun
	for _, e := range es {
		switch {
		case e.Kind == trace.AttemptStarted:
			clear(stored)
		case e.Kind == trace.SinkStored:
			stored[e.Seq] = true
		case e.Result == trace.ResultOK:
			require.True(t, stored[e.Seq])
		case stored[e.Seq]:
			require.Equal(t, trace.ResultDeadline, e.Result)
			late++
		default:
			failed++
		}
	}
	require.NotZero(t, late)
	require.NotZero(t, failed)
}

func TestOpenFaultsStrike(t *testing.T) {
	for _, kind := range []string{"open-error", "open-hang", "open-deaf", "open-panic"} {
		t.Run(kind, func(t *testing.T) {
			cfg := quiet(2, 20*time.Second)
			cfg.Faults = []sim.Fault{
				{At: 0, For: ms(8000), Kind: kind, Nodes: []string{"n1"}},
				{At: ms(1), For: ms(1), Kind: "crash", Nodes: []string{"n1"}}, // opens again
			}
			r := held(t, cfg, 1)
			require.NotZero(t, r.Faults[kind])
			require.Zero(t, r.Records.Pending)
		})
	}
}

// Hangs that are kept hang for ever, and the mesh still settles every record.
func TestKeptHangsStayAndReleasedOnesReturn(t *testing.T) {
	for _, keep := range []bool{false, true} {
		cfg := quiet(2, 20*time.Second)
		cfg.Faults = []sim.Fault{{At: ms(2100), Kind: "append-deaf", Nodes: []string{"n1"}}}
		if keep {
			cfg.Heal.Hangs = "keep"
		}
		var es events
		es.watch(&cfg, trace.WorkerReturned, trace.CircuitOpened, trace.CircuitClosed, trace.HealStarted, trace.LivenessEnded)
		r := held(t, cfg, 1)
		require.Equal(t, keep, len(es.of(1, trace.WorkerReturned)) == 0)
		require.NotEmpty(t, es.of(1, trace.CircuitOpened))
		require.Equal(t, keep, len(es.of(1, trace.CircuitClosed)) == 0)
		require.EqualValues(t, map[bool]uint64{true: 1}[keep], es.of(0, trace.HealStarted)[0].Count)
		require.Zero(t, r.Records.Pending)
		if keep {
			require.Equal(t, 50*time.Second, r.Virtual, "the mesh is watched to the end of the bound")
		} else {
			require.Less(t, r.Virtual, 30*time.Second)
		}
	}
}

func TestCancellingStopsBetweenStepsAndTellsWhatIsKnown(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cfg := quiet(2, time.Hour)
	cfg.ObserveKinds = trace.Kinds(trace.RecordEmitted)
	cfg.Observe = func(e *trace.Event) {
		if e.Time >= time.Minute {
			cancel()
		}
	}
	r, err := sim.Run(ctx, cfg, 1, props.All()...)
	require.NoError(t, err)
	require.Equal(t, sim.Inconclusive, r.Verdict)
	require.Contains(t, r.Why[0], "interrupted")
	require.NotZero(t, r.Records.Emitted)
	require.Less(t, r.Virtual, time.Hour)
}

func TestProgressIsToldAndChangesNothing(t *testing.T) {
	cfg := quiet(3, 10*time.Second)
	plain := held(t, cfg, 7)
	var told []sim.Progress
	cfg.Progress = func(p sim.Progress) { told = append(told, p) }
	watched := held(t, cfg, 7)
	require.Equal(t, plain.Digest, watched.Digest)
	require.Greater(t, len(told), 50)
	require.True(t, slices.IsSortedFunc(told, func(a, b sim.Progress) int { return int(a.Steps) - int(b.Steps) }))
	require.Equal(t, "liveness", told[len(told)-1].Phase)
}

// Checkers, observers and shadows judge; they never take part.
func TestCheckersChangeNoDigest(t *testing.T) {
	for seed := range uint64(60) {
		cfg := small
		want := run(t, cfg, seed)
		require.Equal(t, want.Digest, run(t, cfg, seed, props.All()...).Digest, "seed %d", seed)
		cfg.Observe = func(*trace.Event) {}
		require.Equal(t, want.Digest, run(t, cfg, seed).Digest, "seed %d", seed)
		cfg.Shadows = 1
		require.Equal(t, want.Digest, run(t, cfg, seed, props.All()...).Digest, "seed %d", seed)
	}
}

// Two runs of one seed that are not the same are told apart, at the step.
func TestDoubleCheckNamesTheFirstStepThatDiffers(t *testing.T) {
	cfg := quiet(2, 10*time.Second)
	_, err := sim.DoubleCheck(context.Background(), cfg, 1, props.All()...)
	require.NoError(t, err)

	var made atomic.Int64 // state that leaks from run to run
	cfg.Model = func(node uint64, _ any) loop.Model {
		return &leaky{node: node, second: made.Add(1) > 2}
	}
	_, err = sim.DoubleCheck(context.Background(), cfg, 1)
	var d *sim.DivergedError
	require.ErrorAs(t, err, &d)
	require.ErrorIs(t, err, sim.ErrDiverged)
	require.NotZero(t, d.Step)
	require.GreaterOrEqual(t, max(d.First.Time, d.Second.Time), 3*time.Second)
	require.Less(t, min(d.First.Time, d.Second.Time), 4*time.Second)
	require.Contains(t, err.Error(), "step")
}

// leaky sends a message from its sixth tick on, but not in the first run.
type leaky struct {
	node   uint64
	ticks  int
	second bool
}

func (m *leaky) Step(loop.Input, *loop.Ready) error { return nil }
func (m *leaky) Tick(_ time.Duration, out *loop.Ready) {
	if m.ticks++; m.ticks >= 6 && m.second && m.node == 1 {
		out.Send(2, "hello")
	}
}

// A log that is replayed prolongs the safety phase until it ends.
func TestAReplayedLogProlongsTheRunUntilItEnds(t *testing.T) {
	cfg := sim.Config{Nodes: 3, Duration: time.Second}
	cfg.Load = []sim.Load{{Kind: "replay", File: "testdata/long.log"}}
	var es events
	es.watch(&cfg, trace.LineIn, trace.HealStarted)
	held(t, cfg, 1)
	require.Len(t, es.of(0, trace.LineIn), 6)
	require.Greater(t, es.of(0, trace.HealStarted)[0].Time, es.of(0, trace.LineIn)[5].Time)
}
