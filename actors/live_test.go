package actors

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// witness observes a live runtime's events: never two at a time, times that do
// not go back, ledgers that add up, records that settle once.
type witness struct {
	inside  atomic.Int32
	last    time.Duration
	settled map[string]bool
	counts  map[trace.Kind]int
	wrong   []string
}

func newWitness() *witness {
	return &witness{settled: map[string]bool{}, counts: map[trace.Kind]int{}}
}

func (v *witness) observe(e *trace.Event) {
	if v.inside.Add(1) != 1 {
		v.wrong = append(v.wrong, "two events at a time")
	}
	defer v.inside.Add(-1)
	if e.Time < v.last {
		v.wrong = append(v.wrong, "time went back")
	}
	v.last = e.Time
	v.counts[e.Kind]++
	if g := e.Ledger; g != nil && g.Emitted != g.Appended+g.Failed+g.Unknown+g.Dropped+g.Lost+g.Pending() {
		v.wrong = append(v.wrong, "the ledger does not add up at "+describe(e))
	}
	if e.Kind == trace.RecordSettled {
		key := fmt.Sprint(e.Node, e.Incarnation, e.Seq)
		if v.settled[key] {
			v.wrong = append(v.wrong, "settled twice: "+describe(e))
		}
		v.settled[key] = true
	}
}

func liveNode(t *testing.T, rt Runtime, v *witness, o NodeOptions, m loop.Model) *Node {
	o.Observe, o.Wants = v.observe, trace.AllKinds&^trace.Kinds(trace.LoopInput)
	n, err := rt.Spawn(o, m)
	require.NoError(t, err)
	return n
}

// ticking is a model that logs at every tick.
func ticking(ticks *atomic.Int64) modelFunc {
	return modelFunc{tick: func(_ time.Duration, out *loop.Ready) {
		ticks.Add(1)
		out.Log(loop.LogLine{Message: "tick"})
	}}
}

// An appender that hangs for ever from the first record on, ignoring its
// context, in every node, by whatever means: ticks and lines go on, what waits
// is bounded, and the accounts are exact.
func TestLiveDeafAppendersDelayNothing(t *testing.T) {
	forever := make(chan struct{})
	for name, open := range map[string]appender.Opener{
		"asleep on the clock": appender.FaultyOpener(openNoOp, appender.NewControl(1, appender.Rule{Kind: appender.FaultAppendDeaf})),
		"beyond reach": func(context.Context, appender.Env) (appender.Appender, error) {
			return blocked{forever}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			rt := NewLive()
			v := newWitness()
			const nodes, lines = 3, 400
			var ticks atomic.Int64
			var all []*Node
			for id := range uint64(nodes) {
				all = append(all, liveNode(t, rt, v, NodeOptions{
					ID: id + 1, Name: fmt.Sprint("n", id+1), Loop: loop.Options{Tick: 5 * time.Millisecond},
					Host: Host{Open: open, Inbox: 16, Batch: 4, Deadline: 20 * time.Millisecond, Grace: 10 * time.Millisecond, Probe: 20 * time.Millisecond},
				}, ticking(&ticks)))
			}
			for range lines {
				for _, n := range all {
					n.Log(loop.LogLine{Message: "line"})
				}
				goruntime.Gosched()
			}
			before := ticks.Load()
			require.Eventually(t, func() bool { return ticks.Load() >= before+20*nodes }, 20*time.Second, time.Millisecond, "ticks go on")
			require.Eventually(t, func() bool {
				for _, n := range all {
					if s := n.Stats(); !s.CircuitOpen || s.AbandonedNow != DefaultAbandoned {
						return false
					}
				}
				return true
			}, 20*time.Second, time.Millisecond, "every slot is taken in the end, and the circuit open")
			for _, n := range all {
				s := n.Stats()
				require.LessOrEqual(t, s.Ledger.Queued, uint64(16))
				require.Zero(t, s.Ledger.Appended)
				require.NoError(t, n.Audit())
				snap, err := n.Capture(context.Background())
				require.NoError(t, err)
				require.Equal(t, uint64(lines), snap.Stats.Lines+s.LinesDropped, "every line was folded in")
			}
			if name == "beyond reach" {
				ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
				defer cancel()
				err := rt.Close(ctx)
				require.ErrorIs(t, err, ErrStuck)
				require.ErrorContains(t, err, "worker of node n2, incarnation 1")
				close(forever)
			} else {
				require.NoError(t, rt.Close(context.Background()))
			}
			for _, n := range all {
				requireSettled(t, n)
			}
			rt.(*runtime).obs.Lock()
			require.Empty(t, v.wrong)
			rt.(*runtime).obs.Unlock()
			goleak.VerifyNone(t, goleak.IgnoreCurrent())
		})
	}
}

type blocked struct{ forever chan struct{} }

func (b blocked) Append(context.Context, appender.Record) error {
	<-b.forever
	return nil
}

// Whatever its appender does, a live host accounts for every record, with many
// goroutines handing it lines; and a stop ends everything that it started.
func TestALiveHostAccountsForEveryRecord(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	rt := NewLive()
	v := newWitness()
	control := appender.NewControl(3,
		appender.Rule{Kind: appender.FaultAppendError, Fault: appender.Fault{Prob: 0.05}},
		appender.Rule{Kind: appender.FaultAppendPanic, Fault: appender.Fault{Prob: 0.01}},
		appender.Rule{Kind: appender.FaultAppendHang, Fault: appender.Fault{Prob: 0.005}},
		appender.Rule{Kind: appender.FaultAppendDeaf, Fault: appender.Fault{Prob: 0.005}},
		appender.Rule{Kind: appender.FaultAppliedThenError, Fault: appender.Fault{Prob: 0.02}},
		appender.Rule{Kind: appender.FaultOpenError, Fault: appender.Fault{Prob: 0.2}})
	var mu sync.Mutex
	stored := map[uint64]bool{}
	open := appender.FaultyOpener(func(context.Context, appender.Env) (appender.Appender, error) {
		return storing{&mu, stored}, nil
	}, control)
	n := liveNode(t, rt, v, NodeOptions{ID: 1, Name: "n1", Inbox: 100_000, Loop: loop.Options{Tick: time.Millisecond},
		Host: Host{Open: open, Inbox: 64, Batch: 8, Deadline: 5 * time.Millisecond, Grace: 2 * time.Millisecond,
			Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond, Probe: 5 * time.Millisecond}}, modelFunc{tick: func(time.Duration, *loop.Ready) {}})
	const senders, each = 4, 300
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for i := range each {
				n.Log(loop.LogLine{Message: "line"})
				if i%10 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	control.ClearAll()
	control.Release()
	require.Eventually(t, func() bool {
		s := n.Stats()
		return s.Ledger.Emitted == senders*each && s.Ledger.Pending() == 0 && !s.CircuitOpen
	}, 30*time.Second, time.Millisecond)
	require.NoError(t, n.Audit())
	n.Log(loop.LogLine{Message: "last"})
	n.Stop(5 * time.Second)
	<-n.Done()
	s := n.Stats()
	require.Zero(t, s.Ledger.Lost, "a stop in time loses nothing")
	require.Equal(t, uint64(senders*each+1), s.Ledger.Emitted)
	mu.Lock()
	require.GreaterOrEqual(t, uint64(len(stored)), s.Ledger.Appended)
	require.LessOrEqual(t, uint64(len(stored)), s.Ledger.Appended+s.Ledger.Unknown)
	mu.Unlock()
	require.NoError(t, rt.Close(context.Background()))
	require.Empty(t, v.wrong)
	require.Equal(t, 1, v.counts[trace.NodeStopped])
}

type storing struct {
	mu     *sync.Mutex
	stored map[uint64]bool
}

func (s storing) Append(_ context.Context, rec appender.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored[rec.Seq] = true
	return nil
}

// A crash in the middle of everything settles what was pending, at once, and is
// the last that is heard of the node.
func TestALiveCrashIsTheLastThatIsHeard(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for round := range 20 {
		rt := NewLive()
		v := newWitness()
		n := liveNode(t, rt, v, NodeOptions{ID: 1, Host: Host{Open: appender.FaultyOpener(openNoOp,
			appender.NewControl(uint64(round), appender.Rule{Kind: appender.FaultAppendLatency, Fault: appender.Fault{Latency: time.Millisecond}}))}}, modelFunc{})
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					n.Log(loop.LogLine{})
					n.Deliver(2, "x")
				}
			}
		})
		time.Sleep(time.Duration(round) * 200 * time.Microsecond)
		n.Crash()
		requireSettled(t, n)
		rt.(*runtime).obs.Lock()
		heard := v.counts[trace.RecordEmitted]
		rt.(*runtime).obs.Unlock()
		time.Sleep(time.Millisecond)
		close(stop)
		wg.Wait()
		require.NoError(t, rt.Close(context.Background()))
		require.Equal(t, heard, v.counts[trace.RecordEmitted])
		require.Equal(t, 1, v.counts[trace.NodeCrashed])
		require.Empty(t, v.wrong)
	}
}

// A handler that ends its goroutine, as t.FailNow does, counts as a failure of
// its actor, and another goroutine takes over.
func TestALiveHandlerMayExitItsGoroutine(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	rt := NewLive()
	v := newWitness()
	var calls atomic.Int64
	n := liveNode(t, rt, v, NodeOptions{ID: 1, Host: Host{Backoff: time.Millisecond, Open: func(context.Context, appender.Env) (appender.Appender, error) {
		return exiting{&calls}, nil
	}}}, modelFunc{})
	n.Log(loop.LogLine{})
	n.Log(loop.LogLine{})
	require.Eventually(t, func() bool { s := n.Stats(); return s.Ledger.Appended == 2 }, 10*time.Second, time.Millisecond)
	require.NoError(t, rt.Close(context.Background()))
	require.Equal(t, 1, v.counts[trace.WorkerFailed])
	require.Empty(t, v.wrong)
}

type exiting struct{ calls *atomic.Int64 }

func (e exiting) Append(context.Context, appender.Record) error {
	if e.calls.Add(1) == 1 {
		goruntime.Goexit()
	}
	return nil
}

// Live nodes send to each other, capture, and supervise like simulated ones.
func TestLiveNodesExchangeMessages(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	rt := NewLive()
	v := newWitness()
	var nodes [3]*Node
	var heard [3]atomic.Int64
	start := make(chan struct{})
	for i := range nodes {
		send := func(to uint64, msg any) {
			<-start
			nodes[to-1].Deliver(uint64(i+1), msg)
		}
		nodes[i] = liveNode(t, rt, v, NodeOptions{ID: uint64(i + 1), Send: send, Restarts: Restarts{Backoff: time.Millisecond, Max: 1000}}, modelFunc{
			step: func(in loop.Input, out *loop.Ready) error {
				hops := in.Msg.(int)
				if heard[i].Add(1); hops == 50 {
					panic("halfway")
				}
				if hops > 0 {
					out.Send(uint64((i+1)%3+1), hops-1)
				}
				return nil
			}})
	}
	close(start)
	nodes[0].Input(49)
	nodes[1].Input(50)
	nodes[2].Input(30)
	require.Eventually(t, func() bool {
		return heard[0].Load()+heard[1].Load()+heard[2].Load() == 50+1+31
	}, 10*time.Second, time.Millisecond)
	s, err := nodes[2].Capture(context.Background())
	require.NoError(t, err)
	require.Equal(t, uint64(heard[2].Load()), s.Stats.Steps)
	require.NoError(t, rt.Close(context.Background()))
	_, err = nodes[2].Capture(context.Background())
	require.True(t, errors.Is(err, ErrEnded))
	require.Equal(t, 1, v.counts[trace.ActorFailed])
	require.Empty(t, v.wrong)
}
