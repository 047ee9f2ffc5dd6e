package actors

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// books keeps accounts of records from the events alone.
type books struct {
	w        *world
	settled  map[uint64]appender.Outcome
	emitted  uint64
	inFlight bool
}

func (b *books) observe(e *trace.Event) {
	tb := b.w.tb
	if g := e.Ledger; g != nil {
		sum := g.Appended + g.Failed + g.Unknown + g.Dropped + g.Lost + g.Pending()
		require.Equal(tb, g.Emitted, sum, "%s", describe(e))
	}
	switch e.Kind {
	case trace.RecordEmitted:
		b.emitted++
		require.Equal(tb, b.emitted, e.Seq)
	case trace.RecordSettled:
		was, again := b.settled[e.Seq]
		require.False(tb, again, "record %d settled as %v, then as %v", e.Seq, was, appender.Outcome(e.Outcome))
		require.LessOrEqual(tb, e.Seq, b.emitted)
		b.settled[e.Seq] = appender.Outcome(e.Outcome)
		if appender.Outcome(e.Outcome) == appender.Appended {
			require.Positive(tb, b.w.sink.stored[e.Seq], "record %d was acknowledged, but never stored", e.Seq)
		}
	case trace.AttemptStarted:
		require.False(tb, b.inFlight, "an attempt during another")
		b.inFlight = true
		for s := e.Seq; s < e.Seq+e.Count; s++ {
			_, gone := b.settled[s]
			require.False(tb, gone, "record %d attempted after it was settled", s)
		}
	case trace.AttemptEnded:
		b.inFlight = false
	}
}

// judge compares the accounts with what the sink stored in all, and with what
// the loop was told.
func (b *books) judge(n *Node) {
	tb := b.w.tb
	for s, o := range b.settled {
		switch o {
		case appender.Failed, appender.Dropped, appender.Lost:
			require.Zero(tb, b.w.sink.stored[s], "record %d is %v, but was stored", s, o)
		}
	}
	snap, err := n.Capture(context.Background())
	require.NoError(tb, err)
	for _, e := range snap.Log {
		o, ok := b.settled[e.Record.Seq]
		require.Equal(tb, !ok || o != appender.Appended, e.ChainPending, "record %d is %v", e.Record.Seq, o)
	}
	s := n.Stats()
	require.Equal(tb, b.emitted, s.Ledger.Emitted)
	require.Equal(tb, uint64(len(b.settled)), s.Ledger.Emitted-s.Ledger.Pending())
}

var appendFaults = []string{
	appender.FaultAppendError, appender.FaultAppendLatency, appender.FaultAppendHang, appender.FaultAppendDeaf,
	appender.FaultAppendPanic, appender.FaultAppliedThenError,
	appender.FaultOpenError, appender.FaultOpenHang, appender.FaultOpenDeaf, appender.FaultOpenPanic,
}

func drawHost(t *rapid.T) Host {
	ms := func(name string, from, to int) time.Duration {
		return time.Duration(rapid.IntRange(from, to).Draw(t, name)) * time.Millisecond
	}
	return Host{
		Inbox: rapid.IntRange(1, 40).Draw(t, "inbox"), Batch: rapid.IntRange(1, 10).Draw(t, "batch"),
		Attempts: rapid.IntRange(1, 4).Draw(t, "attempts"), Abandoned: rapid.IntRange(2, 4).Draw(t, "abandoned"),
		Deadline: ms("deadline", 10, 200), Grace: ms("grace", 1, 50), Backoff: ms("backoff", 1, 50),
		MaxBackoff: ms("max backoff", 50, 400), Probe: ms("probe", 20, 500),
	}
}

// A host accounts for every record, exactly once and truly, whatever its
// appender does; and recovers when the appender does.
func TestHostAccountsForEveryRecordWhateverItsAppenderDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, rapid.Uint64().Draw(t, "seed"))
		defer func() { w.close() }()
		b := &books{w: w, settled: map[uint64]appender.Outcome{}}
		w.check = b.observe
		n := w.spawn(NodeOptions{Host: drawHost(t), Seed: 1}, modelFunc{})
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1:
				w.lines(rapid.IntRange(1, 30).Draw(t, "lines"))
			case 2, 3:
				w.control.Add(appender.Rule{
					Kind: rapid.SampledFrom(appendFaults).Draw(t, "fault"),
					Fault: appender.Fault{
						Prob: rapid.SampledFrom([]float64{1, 0.3}).Draw(t, "prob"), Times: uint64(rapid.IntRange(0, 4).Draw(t, "times")),
						Latency: time.Duration(rapid.IntRange(0, 300).Draw(t, "latency")) * time.Millisecond,
					}})
			case 4:
				w.at(w.k.Now(), w.control.Release)
			case 5:
				w.control.ClearAll()
			}
			w.run(time.Duration(rapid.IntRange(0, 600).Draw(t, "ms")) * time.Millisecond)
			require.NoError(t, n.Audit())
		}
		switch rapid.IntRange(0, 3).Draw(t, "end") {
		case 0:
			w.at(w.k.Now(), n.Crash)
			w.run(0)
			requireSettled(t, n)
		case 1:
			n.Stop(time.Duration(rapid.IntRange(0, 500).Draw(t, "stop")) * time.Millisecond)
			w.run(time.Second)
			require.Equal(t, 1, w.count(trace.NodeStopped), "a stop ends by its deadline")
			requireSettled(t, n)
		default:
			w.control.ClearAll()
			w.at(w.k.Now(), w.control.Release)
			w.lines(3)
			w.run(20 * time.Second)
			s := n.Stats()
			require.Zero(t, s.Ledger.Pending(), "pending after everything was healed")
			require.False(t, s.CircuitOpen, "the circuit stays open after everything was healed")
			require.Zero(t, s.AbandonedNow)
			before := s.Ledger.Appended
			w.lines(1)
			w.run(time.Second)
			require.Equal(t, before+1, n.Stats().Ledger.Appended, "the host does not go on")
		}
		b.judge(n)
		require.NoError(t, n.Audit())
		for epoch, times := range w.sink.closed {
			require.Equal(t, 1, times, "the appender of epoch %d was closed %d times", epoch, times)
		}
		for epoch, times := range w.sink.epochs {
			require.Equal(t, 1, times, "%d openings under epoch %d", times, epoch)
		}
	})
}

func requireSettled(t require.TestingT, n *Node) {
	s := n.Stats()
	require.Zero(t, s.Ledger.Pending())
	select {
	case <-n.Done():
	default:
		require.Fail(t, "the node has not ended")
	}
}

// Whatever the appender does, ticks and lines are handled in the instant that
// they are due: the loop never waits for it.
func TestAnAppenderNeverDelaysItsLoop(t *testing.T) {
	for _, fault := range appendFaults {
		t.Run(fault, func(t *testing.T) {
			w := newWorld(t, 1)
			defer func() { w.close() }()
			w.control.Add(appender.Rule{Kind: fault, Fault: appender.Fault{Latency: time.Minute}})
			w.check = func(e *trace.Event) {
				if e.Kind == trace.TickDone || e.Kind == trace.LineLogged {
					require.Zero(t, e.Lag, "%s", describe(e))
				}
			}
			ticks := 0
			n := w.spawn(NodeOptions{Host: Host{Inbox: 8}}, modelFunc{tick: func(time.Duration, *loop.Ready) { ticks++ }})
			for range 100 {
				w.lines(10)
				w.run(100 * time.Millisecond)
			}
			require.Equal(t, 20, ticks)
			require.Equal(t, uint64(1000), n.Stats().Ledger.Emitted)
			require.Equal(t, 1000, w.count(trace.LineLogged))
			require.NoError(t, n.Audit())
		})
	}
}

// However many workers hang, the set of abandoned ones stays within its cap.
func TestAbandonedWorkersAreBounded(t *testing.T) {
	for limit := 2; limit < 6; limit++ {
		w := newWorld(t, uint64(limit))
		w.control.Add(appender.Rule{Kind: appender.FaultAppendDeaf})
		n := w.spawn(NodeOptions{Host: Host{Abandoned: limit}}, modelFunc{})
		for range 300 {
			w.lines(3)
			w.run(200 * time.Millisecond)
			require.LessOrEqual(t, n.Stats().AbandonedNow, limit)
		}
		s := n.Stats()
		require.Equal(t, limit, s.AbandonedNow, "the probe's slot is used, too")
		require.True(t, s.CircuitOpen)
		require.Zero(t, s.Ledger.Pending(), "an open circuit settles at once")
		require.Equal(t, limit, w.k.Parked())
		w.close()
	}
}

// A batch that an abandoned call was given is never touched again.
func TestTheBatchOfAnAbandonedCallStaysAsItWas(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	late := map[uint64]bool{}
	w.sink.tell = func(rec *appender.Record, epoch uint64) {
		if epoch == 1 {
			late[rec.Seq] = true
		}
	}
	w.control.Add(appender.Rule{Kind: appender.FaultAppendDeaf, Fault: appender.Fault{Times: 1}})
	w.spawn(NodeOptions{}, modelFunc{})
	w.lines(5)
	w.run(10 * time.Second)
	w.lines(20)
	w.run(time.Second)
	w.at(w.k.Now(), w.control.Release)
	w.run(time.Second)
	for s := range late {
		require.LessOrEqual(t, s, uint64(5))
	}
	require.NotEmpty(t, late)
	require.Equal(t, 1, w.sink.closed[1], "its appender is closed once the call is back")
}

// A worker's epochs each have a seed of their own, and the same in every run.
func TestEpochsHaveSeedsOfTheirOwn(t *testing.T) {
	run := func() map[uint64]uint64 {
		w := newWorld(t, 1)
		defer func() { w.close() }()
		byEpoch := map[uint64]uint64{}
		w.control.Add(appender.Rule{Kind: appender.FaultAppendPanic})
		w.spawn(NodeOptions{Seed: 7, Host: Host{Open: appender.FaultyOpener(
			func(ctx context.Context, env appender.Env) (appender.Appender, error) {
				byEpoch[env.Epoch] = env.Seed
				return w.sink.open(ctx, env)
			}, w.control)}}, modelFunc{})
		w.lines(3)
		w.run(time.Second)
		return byEpoch
	}
	first := run()
	require.Greater(t, len(first), 2)
	require.Equal(t, first, run())
	different := map[uint64]bool{}
	for _, s := range first {
		different[s] = true
	}
	require.Len(t, different, len(first))
}

// An appender without a batch method gets one record per call, each with a
// deadline of its own.
func TestARecordIsACallWithoutABatchMethod(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	open := func(_ context.Context, env appender.Env) (appender.Appender, error) {
		return slowAppender{env.Clock}, nil
	}
	n := w.spawn(NodeOptions{Host: Host{Open: open, Deadline: 100 * time.Millisecond}}, modelFunc{})
	w.lines(50)
	w.run(5 * time.Second)
	s := n.Stats()
	require.Equal(t, uint64(50), s.Ledger.Appended)
	require.Zero(t, s.Deadlines)
}

type slowAppender struct{ clock appender.Clock }

func (a slowAppender) Append(ctx context.Context, _ appender.Record) error {
	return a.clock.Sleep(ctx, 60*time.Millisecond)
}

// An answer that breaks the contract of a batch is read so that nothing is
// acknowledged that may not be stored.
func TestAnswersAgainstTheContractAcknowledgeNothingMore(t *testing.T) {
	for _, c := range []struct {
		n        int
		err      error
		appended uint64
	}{
		{-5, nil, 0}, {0, nil, 0}, {99, fmt.Errorf("too much"), 3}, {99, nil, 3},
	} {
		w := newWorld(t, 1)
		open := func(context.Context, appender.Env) (appender.Appender, error) { return liar{c.n, c.err}, nil }
		n := w.spawn(NodeOptions{Host: Host{Open: open, Attempts: 1}}, modelFunc{})
		w.run(time.Millisecond)
		w.lines(3)
		w.run(time.Minute)
		s := n.Stats()
		require.Equal(t, c.appended, s.Ledger.Appended, "%+v", c)
		require.Equal(t, 3-c.appended, s.Ledger.Failed, "%+v", c)
		w.close()
	}
}

type liar struct {
	n   int
	err error
}

func (l liar) Append(context.Context, appender.Record) error { return l.err }
func (l liar) AppendBatch(context.Context, []appender.Record) (int, error) {
	return l.n, l.err
}

// A node without options has working defaults, and an opener that returns
// nothing is a failure to open.
func TestAnOpenerOfNothingFailsToOpen(t *testing.T) {
	w := newWorld(t, 1)
	defer func() { w.close() }()
	n := w.spawn(NodeOptions{Host: Host{Open: func(context.Context, appender.Env) (appender.Appender, error) { return nil, nil }}}, modelFunc{})
	w.lines(1)
	w.run(time.Second)
	s := n.Stats()
	require.True(t, s.CircuitOpen)
	require.Equal(t, uint64(1), s.Ledger.Failed)
	failed := w.all(trace.WorkerFailed)
	require.ErrorIs(t, failed[0].Err, ErrNilAppender)
}
