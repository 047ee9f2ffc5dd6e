package actors

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/kernel"
	"meshsim/sim/trace"
)

// world is one node, or a few, on a kernel, with what tests look at.
type world struct {
	tb      require.TestingT
	k       *kernel.Kernel
	rt      Runtime
	nodes   []*Node
	control *appender.Control
	sink    *sink
	events  []trace.Event // with their ledgers copied
	ledgers []trace.Ledger
	check   func(*trace.Event)
}

// sink is what the innermost appender stored, whatever was answered.
type sink struct {
	stored map[uint64]int // by sequence number
	epochs map[uint64]int // openings by epoch
	closed map[uint64]int
	tell   func(rec *appender.Record, epoch uint64)
}

func (s *sink) open(_ context.Context, env appender.Env) (appender.Appender, error) {
	s.epochs[env.Epoch]++
	return &sinkAppender{s, env.Epoch}, nil
}

type sinkAppender struct {
	s     *sink
	epoch uint64
}

func (a *sinkAppender) Append(_ context.Context, rec appender.Record) error {
	a.s.stored[rec.Seq]++
	if a.s.tell != nil {
		a.s.tell(&rec, a.epoch)
	}
	return nil
}

func (a *sinkAppender) AppendBatch(ctx context.Context, recs []appender.Record) (int, error) {
	for i := range recs {
		_ = a.Append(ctx, recs[i])
	}
	return len(recs), nil
}

func (a *sinkAppender) Close() error { a.s.closed[a.epoch]++; return nil }

func isolate(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	<-done
}

// newWorld makes a world without nodes.
func newWorld(tb require.TestingT, seed uint64) *world {
	w := &world{
		tb:      tb,
		k:       kernel.New(kernel.Options{Seed: seed, Isolate: isolate}),
		control: appender.NewControl(seed),
		sink:    &sink{stored: map[uint64]int{}, epochs: map[uint64]int{}, closed: map[uint64]int{}},
	}
	w.rt = NewSimulated(w.k)
	return w
}

func (w *world) close() {
	require.NoError(w.tb, w.rt.Close(context.Background()))
	require.NoError(w.tb, w.k.Unwind())
}

// spawn starts a node whose appender is faulty by the world's control.
func (w *world) spawn(o NodeOptions, m loop.Model) *Node {
	if o.ID == 0 {
		o.ID = uint64(len(w.nodes) + 1)
	}
	if o.Name == "" {
		o.Name = fmt.Sprintf("n%d", o.ID)
	}
	if o.Host.Open == nil {
		o.Host.Open = appender.FaultyOpener(w.sink.open, w.control)
	}
	if o.Wants == 0 {
		o.Wants = trace.AllKinds &^ trace.Kinds(trace.LoopInput)
	}
	o.Observe = w.observe
	n, err := w.rt.Spawn(o, m)
	require.NoError(w.tb, err)
	w.nodes = append(w.nodes, n)
	return n
}

func (w *world) observe(e *trace.Event) {
	c := *e
	if e.Ledger != nil {
		w.ledgers = append(w.ledgers, *e.Ledger)
		c.Ledger = &w.ledgers[len(w.ledgers)-1]
	}
	w.events = append(w.events, c)
	if w.check != nil {
		w.check(&c)
	}
}

func (w *world) run(d time.Duration) {
	require.NoError(w.tb, w.k.Run(w.k.Now()+d))
}

func (w *world) at(t time.Duration, f func()) { w.k.At(t, 0, f) }

// lines hands the first node n lines.
func (w *world) lines(n int) {
	for i := range n {
		w.nodes[0].Log(loop.LogLine{Message: fmt.Sprintf("line %d", i)})
	}
}

func (w *world) count(k trace.Kind) (n int) {
	for i := range w.events {
		if w.events[i].Kind == k {
			n++
		}
	}
	return n
}

func (w *world) all(k trace.Kind) (es []trace.Event) {
	for i := range w.events {
		if w.events[i].Kind == k {
			es = append(es, w.events[i])
		}
	}
	return es
}

// modelFunc is a model made of functions, idle unless it has a tick.
type modelFunc struct {
	step func(in loop.Input, out *loop.Ready) error
	tick func(now time.Duration, out *loop.Ready)
}

func (m modelFunc) Step(in loop.Input, out *loop.Ready) error {
	if m.step == nil {
		return nil
	}
	return m.step(in, out)
}

func (m modelFunc) Tick(now time.Duration, out *loop.Ready) {
	if m.tick != nil {
		m.tick(now, out)
	}
}

func (m modelFunc) Next(now time.Duration) (time.Duration, bool) { return now, m.tick != nil }

// describe is an event in one line.
func describe(e *trace.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %v", e.Time, kindName(e.Kind))
	add := func(name string, v any, show bool) {
		if show {
			fmt.Fprintf(&b, " %s=%v", name, v)
		}
	}
	switch e.Kind {
	case trace.RecordSettled:
		add("outcome", appender.Outcome(e.Outcome), true)
	case trace.AttemptEnded, trace.WorkerFailed:
		add("result", resultNames[e.Result], true)
	}
	add("epoch", e.Epoch, e.Epoch != 0)
	add("attempt", e.Attempt, e.Attempt != 0)
	add("seq", e.Seq, e.Seq != 0)
	add("count", e.Count, e.Count != 0)
	add("cap", e.Cap, e.Cap != 0 || e.Kind == trace.AttemptEnded)
	add("actor", roleName(e.Actor), e.Actor != 0)
	add("delay", e.Delay, e.Delay != 0)
	add("deadline", e.Deadline, e.Deadline != 0)
	add("lag", e.Lag, e.Lag != 0)
	add("name", e.Name, e.Name != "")
	add("err", e.Err, e.Err != nil)
	return b.String()
}

func roleName(r uint32) string { return roleNames[r] }

var resultNames = [...]string{"ok", "error", "unknown", "deadline", "panic", "hang", "open-failed"}

func kindName(k trace.Kind) string {
	names := map[trace.Kind]string{
		trace.NodeStarted: "NodeStarted", trace.NodeCrashed: "NodeCrashed", trace.NodeStopped: "NodeStopped",
		trace.TickArmed: "TickArmed", trace.TickDone: "TickDone", trace.LineIn: "LineIn", trace.LineLogged: "LineLogged",
		trace.LineDropped: "LineDropped", trace.InputLost: "InputLost", trace.ActionEmitted: "ActionEmitted", trace.ActionDone: "ActionDone",
		trace.RecordEmitted: "RecordEmitted", trace.RecordSettled: "RecordSettled",
		trace.AttemptStarted: "AttemptStarted", trace.AttemptEnded: "AttemptEnded", trace.SinkStored: "SinkStored",
		trace.WorkerStarted: "WorkerStarted", trace.WorkerOpened: "WorkerOpened", trace.WorkerFailed: "WorkerFailed",
		trace.WorkerRestarted: "WorkerRestarted", trace.WorkerAbandoned: "WorkerAbandoned", trace.WorkerReturned: "WorkerReturned",
		trace.StaleAnswer: "StaleAnswer", trace.CircuitOpened: "CircuitOpened", trace.CircuitProbed: "CircuitProbed", trace.CircuitClosed: "CircuitClosed",
		trace.ActorFailed: "ActorFailed", trace.ActorRestarted: "ActorRestarted", trace.ActorStopped: "ActorStopped", trace.Escalated: "Escalated",
		trace.QueueDepth: "QueueDepth", trace.Mark: "Mark",
	}
	return names[k]
}
