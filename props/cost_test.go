package props_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/props"
	"meshsim/sim/trace"
)

// busy is a mesh of right nodes, each of which handles ticks, lines and records
// for ever; it shows its events to checkers as it goes.
type busy struct {
	see    []trace.Checker
	now    time.Duration
	seq    uint64
	nodes  uint32
	shown  uint64
	ev     trace.Event
	ledger trace.Ledger
}

func newBusy(nodes int, see ...func() trace.Checker) *busy {
	b := &busy{nodes: uint32(nodes)}
	for _, c := range see {
		b.see = append(b.see, c())
	}
	for n := range b.nodes {
		b.show(trace.Event{Kind: trace.NodeStarted, Node: n + 1})
		b.show(trace.Event{Kind: trace.WorkerStarted, Node: n + 1, Epoch: 1})
		b.show(trace.Event{Kind: trace.ReplayStarted, Node: n + 1, Epoch: 1, Attempt: 1, Cap: 16})
		b.show(trace.Event{Kind: trace.ReplayEnded, Node: n + 1, Epoch: 1, Attempt: 1})
		b.show(trace.Event{Kind: trace.TickArmed, Node: n + 1, Count: 1, Deadline: b.now + 1e6*time.Hour})
	}
	return b
}

func (b *busy) show(e trace.Event) {
	b.ev = e // one that is reused, as a run's is: the checkers keep none
	b.ev.Incarnation, b.ev.Time = 1, b.now
	b.shown++
	for _, c := range b.see {
		if !c.(trace.Interested).Kinds().Has(e.Kind) {
			continue
		}
		if err := c.Observe(&b.ev); err != nil {
			panic(fmt.Sprintf("%s: %v", c.Name(), err))
		}
		for at, ok := c.Next(); ok && at <= b.now; at, ok = c.Next() {
			if err := c.Expire(b.now); err != nil {
				panic(fmt.Sprintf("%s: %v", c.Name(), err))
			}
		}
	}
}

// round lets every node handle one line and append its record.
func (b *busy) round() {
	b.seq++
	b.now += 20 * time.Millisecond
	l := b.ledger
	for n := uint32(1); n <= b.nodes; n++ {
		b.ledger = l
		e := trace.Event{Node: n, Seq: b.seq, Count: 1, Cap: 1, Epoch: 1, Attempt: 1, Ledger: &b.ledger}
		of := func(k trace.Kind) trace.Event { e.Kind = k; return e }
		b.show(of(trace.LineIn))
		b.show(of(trace.LineLogged))
		b.ledger.Emitted++
		b.ledger.Queued++
		b.show(of(trace.RecordEmitted))
		b.ledger.Queued--
		b.ledger.InHand++
		b.show(of(trace.AttemptStarted))
		b.show(of(trace.SinkTried))
		b.show(trace.Event{Kind: trace.SinkStored, Node: n, Seq: b.seq, Epoch: 1, Count: b.seq})
		b.show(trace.Event{Kind: trace.SinkSynced, Node: n, Epoch: 1, Count: b.seq})
		b.ledger.InHand--
		b.ledger.Appended++
		e.Outcome = uint8(appender.Appended)
		b.show(of(trace.RecordSettled))
		b.show(of(trace.AttemptEnded))
	}
}

// TestTheCostOfAnEventDoesNotGrowWithTheMesh counts what can be counted the
// same on every machine: in the steady state no checker allocates, however many
// nodes there are, and a node has at most one wake-up per checker.
func TestTheCostOfAnEventDoesNotGrowWithTheMesh(t *testing.T) {
	for _, nodes := range []int{10, 1000} {
		b := newBusy(nodes, props.All()...)
		for range 70 {
			b.round()
		}
		before, start := b.shown, b.now
		const rounds = 5
		allocs := testing.AllocsPerRun(rounds, b.round)
		perEvent := allocs / (float64(b.shown-before) / float64(rounds+1))
		require.Less(t, perEvent, 0.01, "%d nodes: allocations per event", nodes)
		wakes := 0
		for _, c := range b.see {
			for {
				at, ok := c.Next()
				if !ok || at > start+time.Minute {
					break
				}
				require.NoError(t, c.Expire(at))
				wakes++
			}
		}
		require.LessOrEqual(t, wakes, nodes*len(b.see))
	}
}

func BenchmarkCheckers(b *testing.B) {
	for _, nodes := range []int{10, 1000} {
		for _, mk := range props.All() {
			c := mk()
			b.Run(fmt.Sprintf("nodes=%d/%s", nodes, c.Name()), func(b *testing.B) { benchEvents(b, newBusy(nodes, mk)) })
		}
		b.Run(fmt.Sprintf("nodes=%d/all", nodes), func(b *testing.B) { benchEvents(b, newBusy(nodes, props.All()...)) })
		b.Run(fmt.Sprintf("nodes=%d/none", nodes), func(b *testing.B) { benchEvents(b, newBusy(nodes)) })
	}
}

// benchEvents reports the time per event, whether or not the checkers want it.
func benchEvents(b *testing.B, m *busy) {
	b.ReportAllocs()
	begin := m.shown
	for m.shown-begin < uint64(b.N) {
		m.round()
	}
}
