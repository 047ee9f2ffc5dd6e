package actors

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// hostKinds are the events that the scripts show.
var hostKinds = trace.Kinds(
	trace.NodeCrashed, trace.NodeStopped, trace.RecordSettled,
	trace.AttemptStarted, trace.AttemptEnded,
	trace.WorkerStarted, trace.WorkerOpened, trace.WorkerFailed, trace.WorkerRestarted,
	trace.WorkerAbandoned, trace.WorkerReturned, trace.StaleAnswer,
	trace.CircuitOpened, trace.CircuitProbed, trace.CircuitClosed,
	trace.ActorFailed, trace.ActorStopped, trace.Escalated)

// TestHostProtocol follows the host's protocol through a script per outcome,
// in testdata/host. Rewrite with -rewrite after looking at the difference.
//
//	node [inbox=n] [batch=n] [attempts=n] [abandoned=n]   a node with a deadline of 100 ms, 50 ms of grace,
//	                                                      a backoff of 10 ms to 40 ms and a probe every 200 ms
//	fault kind=k [from=n] [times=n] [for=d] / heal kind=k / release
//	lines n=k      the node's loop is handed k lines
//	run for=d      time passes; prints the events, runs of settlements merged, and at last the ledger
//	stop in=d / crash
func TestHostProtocol(t *testing.T) {
	datadriven.Walk(t, "testdata/host", func(t *testing.T, path string) {
		w := newWorld(t, 1)
		defer func() { w.close() }()
		w.sink.tell = func(rec *appender.Record, epoch uint64) {
			w.events = append(w.events, trace.Event{Kind: trace.SinkStored, Time: w.k.Now(), Seq: rec.Seq, Epoch: epoch})
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return script(t, w, d)
		})
	})
}

func script(t *testing.T, w *world, d *datadriven.TestData) string {
	arg := func(name string, to any) {
		if d.HasArg(name) {
			d.ScanArgs(t, name, to)
		}
	}
	span := func(name string) time.Duration {
		s := "0s"
		arg(name, &s)
		v, err := time.ParseDuration(s)
		require.NoError(t, err)
		return v
	}
	switch d.Cmd {
	case "node":
		h := Host{Deadline: 100 * time.Millisecond, Grace: 50 * time.Millisecond, Backoff: 10 * time.Millisecond,
			MaxBackoff: 40 * time.Millisecond, Probe: 200 * time.Millisecond}
		arg("inbox", &h.Inbox)
		arg("batch", &h.Batch)
		arg("attempts", &h.Attempts)
		arg("abandoned", &h.Abandoned)
		w.spawn(NodeOptions{Host: h, Seed: 1, Wants: hostKinds}, modelFunc{})
	case "fault":
		var kind string
		var f appender.Fault
		arg("kind", &kind)
		arg("from", &f.From)
		arg("times", &f.Times)
		f.Latency = span("for")
		w.control.Add(appender.Rule{Kind: kind, Fault: f})
	case "heal":
		var kind string
		arg("kind", &kind)
		w.control.Clear(kind)
	case "release":
		w.at(w.k.Now(), w.control.Release)
	case "lines":
		var n int
		arg("n", &n)
		w.lines(n)
	case "stop":
		w.nodes[0].Stop(span("in"))
	case "crash":
		w.at(w.k.Now(), w.nodes[0].Crash)
	case "run":
		w.events = w.events[:0]
		w.run(span("for"))
		return w.transcript()
	default:
		d.Fatalf(t, "no command %q", d.Cmd)
	}
	return ""
}

// transcript is what happened, settlements and stores of neighbours merged.
func (w *world) transcript() string {
	var b strings.Builder
	for i := 0; i < len(w.events); i++ {
		e := w.events[i]
		last := e.Seq
		if e.Kind == trace.RecordSettled || e.Kind == trace.SinkStored {
			for i+1 < len(w.events) {
				f := w.events[i+1]
				if f.Kind != e.Kind || f.Seq != last+1 || f.Outcome != e.Outcome || f.Epoch != e.Epoch || f.Time != e.Time || f.Attempt != e.Attempt {
					break
				}
				last = f.Seq
				i++
			}
		}
		b.WriteString(describe(&e))
		if last != e.Seq {
			fmt.Fprintf(&b, "..%d", last)
		}
		b.WriteByte('\n')
	}
	s := w.nodes[0].Stats()
	g := &s.Ledger
	fmt.Fprintf(&b, "emitted %d = appended %d + failed %d + unknown %d + dropped %d + lost %d + queued %d + in hand %d + retrying %d\n",
		g.Emitted, g.Appended, g.Failed, g.Unknown, g.Dropped, g.Lost, g.Queued, g.InHand, g.Retrying)
	require.NoError(w.tb, w.nodes[0].Audit())
	return b.String()
}
