package props_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/actors"
	"meshsim/appender"
	"meshsim/loop"
	"meshsim/props"
	"meshsim/sim/kernel"
	"meshsim/sim/trace"
)

// quiet is a model that answers nothing.
type quiet struct{}

func (quiet) Step(loop.Input, *loop.Ready) error { return nil }
func (quiet) Tick(time.Duration, *loop.Ready)    {}

// alone is one node on a kernel, judged by every invariant.
type alone struct {
	k      *kernel.Kernel
	rt     actors.Runtime
	node   *actors.Node
	fan    *trace.Fanout
	logged []uint64 // lines, by their number
	lost   []uint64
}

// store tells the invariants what it stores.
type store struct {
	a     *alone
	epoch uint64
}

func (s store) Append(_ context.Context, rec appender.Record) error {
	s.a.fan.Observe(&trace.Event{Kind: trace.SinkStored, Node: 1, Incarnation: 1, Seq: rec.Seq, Epoch: s.epoch,
		Time: s.a.k.Now(), Step: s.a.k.Steps()})
	return nil
}

func newAlone(t require.TestingT, inbox int) *alone {
	a := &alone{}
	var checkers []trace.Checker
	for _, mk := range props.All() {
		checkers = append(checkers, mk())
	}
	a.fan = trace.NewFanout(checkers...)
	a.k = kernel.New(kernel.Options{Advance: a.fan.Advance})
	a.rt = actors.NewSimulated(a.k)
	o := actors.NodeOptions{
		ID: 1, Name: "n1", Incarnation: 1, Inbox: inbox, Wants: trace.AllKinds,
		Loop: loop.Options{Node: "n1", ID: 1, Incarnation: 1},
	}
	o.Host.Open = func(_ context.Context, env appender.Env) (appender.Appender, error) { return store{a, env.Epoch}, nil }
	o.Shadow = func() *loop.Loop { return loop.New(quiet{}, o.Loop) }
	o.Observe = func(e *trace.Event) {
		e.Time, e.Step = a.k.Now(), a.k.Steps()
		switch e.Kind {
		case trace.LineLogged:
			a.logged = append(a.logged, e.Seq)
		case trace.LineDropped:
			a.lost = append(a.lost, e.Seq)
		}
		a.fan.Observe(e)
	}
	node, err := a.rt.Spawn(o, quiet{})
	require.NoError(t, err)
	a.node = node
	return a
}

// TestAFullLoopInboxKeepsTheNewest is a property of the mailbox, through what
// the package exports: of n lines that arrive at a loop which is not running, in
// an inbox of c, the last min(n, c) are folded, in order, and the others are
// dropped, oldest first, without the sender ever waiting. Peers' messages share
// the inbox, and what is dropped of both together is the oldest.
func TestAFullLoopInboxKeepsTheNewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 20).Draw(t, "inbox")
		a := newAlone(t, capacity)
		require.NoError(t, a.k.Run(0)) // the node is up
		var line uint64
		for range rapid.IntRange(1, 4).Draw(t, "bursts") {
			var waiting []uint64 // lines by number, 0 for a peer's message
			for _, isLine := range rapid.SliceOfN(rapid.Bool(), 1, 60).Draw(t, "burst") {
				if isLine {
					line++
					a.node.Log(loop.LogLine{Message: fmt.Sprint(line)})
					waiting = append(waiting, line)
				} else {
					a.node.Deliver(2, ping{1})
					waiting = append(waiting, 0)
				}
			}
			kept := max(0, len(waiting)-capacity)
			a.logged = nil
			require.NoError(t, a.k.Run(a.k.Now()+10*time.Millisecond))
			require.Equal(t, lines(waiting[kept:]), a.logged)
			require.Equal(t, lines(waiting[:kept]), a.lost)
			a.lost = nil
		}
		require.NoError(t, a.node.Audit())
		a.fan.Finish(a.k.Now())
		for _, j := range a.fan.Judgements() {
			require.False(t, j.Violated, "%s: %v", j.Name, j.Err)
		}
		require.NoError(t, a.rt.Close(context.Background()))
		require.NoError(t, a.k.Unwind())
	})
}

// lines drops the peers' messages.
func lines(of []uint64) (ls []uint64) {
	for _, n := range of {
		if n != 0 {
			ls = append(ls, n)
		}
	}
	return ls
}
