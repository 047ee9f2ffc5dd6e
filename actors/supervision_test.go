package actors

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// fragile counts what it gets and panics at inputs that say so.
func fragile(seen *[]any) modelFunc {
	return modelFunc{
		step: func(in loop.Input, out *loop.Ready) error {
			*seen = append(*seen, in.Msg)
			out.Log(loop.LogLine{Message: fmt.Sprint(in.Msg)})
			if s, ok := in.Msg.(string); ok && s == "poison" {
				panic("poisoned")
			}
			return nil
		},
		tick: func(time.Duration, *loop.Ready) {},
	}
}

// An input that makes the model panic is consumed by that, exactly once; the
// loop's state stays, with the records that the panic left behind; what waited
// behind the input follows after the restart, and so do ticks.
func TestAPoisonousInputIsConsumedAndTheLoopGoesOn(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	var seen []any
	n := w.spawn(NodeOptions{}, fragile(&seen))
	for _, m := range []any{1, "poison", 2} {
		n.Deliver(7, m)
	}
	n.Log(loop.LogLine{Message: "line"})
	w.run(time.Second)
	require.Equal(t, []any{1, "poison", 2}, seen)
	s, err := n.Capture(context.Background())
	require.NoError(t, err)
	var log []string
	for _, e := range s.Log {
		log = append(log, e.Record.Message)
	}
	require.Equal(t, []string{"1", "poison", "2", "line"}, log)
	require.Equal(t, uint64(4), n.Stats().Ledger.Appended)
	require.Equal(t, uint64(1), n.Stats().ActorRestarts)
	require.Equal(t, 1, w.count(trace.ActorFailed))
	var panicked *appender.PanicError
	require.ErrorAs(t, w.all(trace.ActorFailed)[0].Err, &panicked)
	require.Equal(t, "poisoned", panicked.Value)
	ticks := w.count(trace.TickDone)
	w.run(time.Second)
	require.Equal(t, ticks+2, w.count(trace.TickDone))
}

// Restarts follow the policy, whenever the failures come: a backoff within its
// bounds by the failures in the window, and an end when there are too many.
func TestRestartsFollowThePolicy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, 1)
		defer func() { w.close() }()
		ms := time.Millisecond
		p := Restarts{
			Max: rapid.IntRange(1, 5).Draw(t, "max"), Window: time.Duration(rapid.IntRange(100, 2000).Draw(t, "window")) * ms,
			Backoff: time.Duration(rapid.IntRange(1, 50).Draw(t, "backoff")) * ms, MaxBackoff: time.Duration(rapid.IntRange(50, 200).Draw(t, "cap")) * ms,
		}
		var seen []any
		n := w.spawn(NodeOptions{Seed: rapid.Uint64().Draw(t, "seed"), Restarts: p}, fragile(&seen))
		gaps := rapid.SliceOfN(rapid.IntRange(0, 800), 1, 12).Draw(t, "gaps")
		for _, g := range gaps {
			w.run(time.Duration(g) * ms)
			n.Input("poison")
		}
		w.run(time.Minute)
		var failures []time.Duration
		stopped, down := false, false
		for i := range w.events {
			e := &w.events[i]
			switch e.Kind {
			case trace.ActorFailed:
				require.False(t, stopped || down)
				failures, down = append(failures, e.Time), true
			case trace.ActorRestarted, trace.ActorStopped:
				last := failures[len(failures)-1]
				recent := 0
				for _, f := range failures {
					if f > last-p.Window {
						recent++
					}
				}
				require.Equal(t, uint32(recent), e.Attempt)
				down = false
				if e.Kind == trace.ActorStopped {
					stopped = true
					require.Greater(t, recent, p.Max)
					continue
				}
				require.LessOrEqual(t, recent, p.Max)
				whole := min(p.Backoff<<(recent-1), p.MaxBackoff)
				require.GreaterOrEqual(t, e.Delay, whole/2)
				require.LessOrEqual(t, e.Delay, whole)
				require.Equal(t, last+e.Delay, e.Time)
			}
		}
		require.False(t, down)
		require.Equal(t, uint64(w.count(trace.ActorRestarted)), n.Stats().ActorRestarts)
	})
}

// A loop that its supervisor gives up is visible; what is handed to it is
// counted as dropped; the rest of the node goes on, and can be stopped.
func TestALoopThatIsGivenUpLeavesTheNodeInOrder(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	var seen []any
	n := w.spawn(NodeOptions{Restarts: Restarts{Max: 2}}, fragile(&seen))
	for range 3 {
		n.Input("poison")
	}
	n.Input("left")
	w.lines(2)
	w.run(time.Minute)
	require.Equal(t, 1, w.count(trace.ActorStopped))
	require.Equal(t, 2, w.count(trace.LineDropped), "what waited")
	w.lines(3)
	n.Deliver(2, "x")
	s := n.Stats()
	require.Equal(t, uint64(5), s.LinesDropped)
	require.Equal(t, uint64(2), s.InputsDropped)
	require.Equal(t, s.Ledger.Emitted, s.Ledger.Appended)
	n.Stop(time.Second)
	w.run(2 * time.Second)
	require.Equal(t, 1, w.count(trace.NodeStopped))
	requireSettled(t, n)
}

// doer is a model that asks for an action per input, and notes the outcomes.
type doer struct {
	n        int
	outcomes map[uint64]error
	twice    bool
}

func (d *doer) Step(in loop.Input, out *loop.Ready) error {
	if in.Action != 0 {
		_, again := d.outcomes[in.Action]
		d.twice = d.twice || again
		d.outcomes[in.Action] = in.Err
		return nil
	}
	for range in.Msg.(int) {
		d.n++
		out.Do("work", uint64(d.n), d.n)
	}
	return nil
}
func (d *doer) Tick(time.Duration, *loop.Ready)               {}
func (d *doer) Next(time.Duration) (t time.Duration, ok bool) { return 0, false }

// Every action is answered exactly once: by its outcome, by the panic that it
// caused, because there was no room, or because the executor was given up.
func TestEveryActionIsAnsweredExactlyOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, 1)
		defer func() { w.close() }()
		d := &doer{outcomes: map[uint64]error{}}
		poison := rapid.IntRange(1, 50).Draw(t, "poison")
		refused := errors.New("refused")
		n := w.spawn(NodeOptions{Restarts: Restarts{Max: rapid.IntRange(1, 20).Draw(t, "max")}, Wants: trace.Kinds(trace.ActionEmitted, trace.ActionDone, trace.ActorStopped),
			Exec: asExecutor(func(ctx context.Context, env appender.Env, a loop.Action) (any, error) {
				i := a.Args.(int)
				switch {
				case i%poison == 0:
					panic(i)
				case i%7 == 0:
					return nil, refused
				case i%11 == 0:
					return i, env.Clock.Sleep(ctx, time.Second)
				}
				return i, nil
			})}, d)
		for range rapid.IntRange(1, 5).Draw(t, "bursts") {
			n.Input(rapid.SampledFrom([]int{1, 3, 50, maxActions - 1, maxActions + 1, 3 * maxActions}).Draw(t, "burst"))
			w.run(time.Duration(rapid.IntRange(0, 1000).Draw(t, "ms")) * time.Millisecond)
		}
		w.run(time.Hour)
		require.Len(t, d.outcomes, d.n)
		require.False(t, d.twice)
		require.Zero(t, n.loop.inFlight)
		require.Equal(t, d.n, w.count(trace.ActionEmitted))
		require.Equal(t, d.n, w.count(trace.ActionDone))
		givenUp := w.count(trace.ActorStopped) > 0
		for id, err := range d.outcomes {
			var p *appender.PanicError
			switch {
			case errors.Is(err, ErrBusy) || givenUp && errors.Is(err, ErrEnded):
			case id%uint64(poison) == 0:
				require.ErrorAs(t, err, &p)
			case id%7 == 0:
				require.ErrorIs(t, err, refused)
			default:
				require.NoError(t, err)
			}
		}
	})
}

// An executor that does not come back holds up neither the loop nor a stop.
func TestAHungExecutorHoldsUpNothing(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	d := &doer{outcomes: map[uint64]error{}}
	n := w.spawn(NodeOptions{Exec: asExecutor(func(_ context.Context, env appender.Env, _ loop.Action) (any, error) {
		return nil, env.Clock.Sleep(context.Background(), -1)
	})}, d)
	n.Input(3)
	w.lines(4)
	w.run(time.Minute)
	require.Equal(t, uint64(4), n.Stats().Ledger.Appended)
	n.Stop(time.Second)
	w.run(time.Minute)
	requireSettled(t, n)
}

// A panic of the host itself, a bug, costs its worker and nothing else, even
// while the worker hangs.
func TestAPanicOfTheHostIsSurvived(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	w.control.Add(appender.Rule{Kind: appender.FaultAppendDeaf, Fault: appender.Fault{Times: 1}})
	n := w.spawn(NodeOptions{}, modelFunc{})
	w.lines(3)
	w.run(time.Millisecond)
	w.at(w.k.Now(), func() { n.host.mb.raise(errors.New("a bug")) })
	w.run(10 * time.Second)
	require.Equal(t, 1, w.count(trace.ActorRestarted))
	require.Equal(t, uint64(3), n.Stats().Ledger.Appended)
	require.NoError(t, n.Audit())
	n.Stop(time.Second)
	w.run(time.Minute)
	requireSettled(t, n)
}

// A panic of the supervisor, a bug, ends its node and not the process.
func TestAPanicOfTheSupervisorEndsItsNode(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	n := w.spawn(NodeOptions{}, modelFunc{})
	other := w.spawn(NodeOptions{}, modelFunc{})
	w.lines(3)
	w.run(time.Millisecond)
	w.at(w.k.Now(), func() { n.supervisor.mb.raise(errors.New("a bug")) })
	w.run(time.Second)
	require.Equal(t, 1, w.count(trace.Escalated))
	require.Equal(t, 1, w.count(trace.NodeCrashed))
	requireSettled(t, n)
	other.Log(loop.LogLine{})
	w.run(time.Second)
	require.Equal(t, uint64(1), other.Stats().Ledger.Appended)
}

// Stopping and crashing take no second call, in whatever order.
func TestAnEndComesOnce(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	n := w.spawn(NodeOptions{}, modelFunc{})
	w.lines(3)
	w.at(time.Second, func() { n.Stop(time.Second); n.Stop(time.Hour); n.Crash(); n.Crash(); n.Stop(0) })
	w.run(time.Minute)
	requireSettled(t, n)
	require.Equal(t, 1, w.count(trace.NodeCrashed))
	require.Zero(t, w.count(trace.NodeStopped))
	w.lines(1)
	require.Equal(t, uint64(3), n.Stats().Ledger.Emitted, "an ended node takes nothing")
	require.Equal(t, trace.NodeCrashed, w.events[len(w.events)-1].Kind, "nothing is heard of it after its end")
}

// A restarted node is another one: it begins anew, and what the crashed one had
// under way is not heard of again.
func TestACrashedNodeComesBackAnew(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	w.control.Add(appender.Rule{Kind: appender.FaultAppendDeaf, Fault: appender.Fault{Times: 1}})
	n := w.spawn(NodeOptions{ID: 1, Incarnation: 1}, modelFunc{})
	w.lines(3)
	w.run(time.Millisecond)
	w.at(w.k.Now(), n.Crash)
	w.run(0)
	again := w.spawn(NodeOptions{ID: 1, Incarnation: 2}, modelFunc{})
	again.Log(loop.LogLine{Message: "back"})
	w.at(time.Second, w.control.Release)
	w.run(time.Minute)
	require.Equal(t, uint64(1), again.Stats().Ledger.Appended)
	require.Zero(t, w.count(trace.StaleAnswer))
	require.Equal(t, 1, w.k.Parked(), "its call stays parked")
}

// A host that is given up settles every record at once, and its node can still
// be stopped.
func TestAHostThatIsGivenUpSettlesAtOnce(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	n := w.spawn(NodeOptions{Restarts: Restarts{Max: 1}}, modelFunc{})
	w.lines(2)
	w.run(time.Second)
	w.control.Add(appender.Rule{Kind: appender.FaultAppendHang})
	w.lines(5)
	w.run(time.Millisecond)
	for range 2 {
		w.at(w.k.Now(), func() { n.host.mb.raise(errors.New("a bug")) })
		w.run(200 * time.Millisecond)
	}
	require.Equal(t, 1, w.count(trace.ActorStopped))
	w.lines(3)
	w.run(time.Second)
	s := n.Stats()
	require.Zero(t, s.Ledger.Pending())
	require.True(t, s.CircuitOpen)
	require.Equal(t, uint64(10), s.Ledger.Emitted)
	require.NoError(t, n.Audit())
	n.Stop(time.Second)
	w.run(2 * time.Second)
	requireSettled(t, n)
}

// A host that panics at any time recovers like one that did not.
func TestAHostRecoversFromAPanicAtAnyTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, rapid.Uint64().Draw(t, "seed"))
		defer func() { w.close() }()
		n := w.spawn(NodeOptions{Host: drawHost(t), Restarts: Restarts{Max: 100}}, modelFunc{})
		b := &books{w: w, settled: map[uint64]appender.Outcome{}}
		w.control.Add(appender.Rule{Kind: rapid.SampledFrom(appendFaults).Draw(t, "fault"), Fault: appender.Fault{Prob: 0.5, Latency: 50 * time.Millisecond}})
		w.check = b.observe
		for range rapid.IntRange(1, 8).Draw(t, "panics") {
			w.lines(rapid.IntRange(0, 10).Draw(t, "lines"))
			w.run(time.Duration(rapid.IntRange(0, 400).Draw(t, "ms")) * time.Millisecond)
			w.at(w.k.Now(), func() { n.host.mb.raise(errors.New("a bug")) })
		}
		w.control.ClearAll()
		w.at(w.k.Now(), w.control.Release)
		w.run(30 * time.Second)
		before := n.Stats()
		require.Zero(t, before.Ledger.Pending())
		require.False(t, before.CircuitOpen)
		w.lines(1)
		w.run(time.Second)
		require.Equal(t, before.Ledger.Appended+1, n.Stats().Ledger.Appended)
		b.judge(n)
		require.NoError(t, n.Audit())
	})
}
