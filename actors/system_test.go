package actors

import (
	"context"
	"fmt"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/kernel"
	"meshsim/sim/trace"
)

// shape is what can be seen of a system's past.
func shape(sys *actor.ActorSystem) string {
	r := sys.ProcessRegistry
	var names []string
	for _, bucket := range r.LocalPIDs.LocalPIDs {
		names = append(names, bucket.Keys()...)
	}
	slices.Sort(names)
	return fmt.Sprintf("id %q address %q sequence %d names %v listeners %d handlers %d next %s",
		sys.ID, r.Address, r.SequenceID, names, sys.EventStream.Length(), len(r.RemoteHandlers), r.NextID())
}

// A slim system is like a stock one, but for the size of its registry and the
// listener that logs; and what happens in one is not seen in another.
func TestASlimSystemIsLikeAStockOne(t *testing.T) {
	before := actor.NewActorSystemWithConfig(stock.Config)
	before.ID, before.ProcessRegistry.Address = "n1", "n1"
	sys := newSystem("n1")
	fresh := shape(sys)
	// Listeners: the stock system has those of dead letters and supervision.
	require.Equal(t, strings.Replace(shape(before), "listeners 3", "listeners 1", 1), fresh)
	require.Same(t, sys, sys.ProcessRegistry.ActorSystem)
	require.Same(t, sys, sys.Root.ActorSystem())
	d := &handDriver{}
	s := &scribe{panic: map[string]int{"message 1": 1}}
	rt := NewSimulated(d).(*runtime)
	n := &Node{rt: rt, o: NodeOptions{ID: 1}}
	for i := range 3 {
		mb := rt.newMailbox(n, trace.RoleLoop, 1, 4, 1)
		_, err := sys.Root.SpawnNamed(props(mb, s, nil).Configure(actor.WithGuardian(&restartAtOnce{})), fmt.Sprint("a", i))
		require.NoError(t, err)
		mb.post(control, &entry{kind: kindPeer, seq: 1})
		for range 10 {
			d.step(uint32(i + 1))
		}
	}
	sys.EventStream.Subscribe(func(any) {})
	require.NotEqual(t, fresh, shape(sys))
	require.Equal(t, strings.Replace(fresh, "n1", "n2", 2), shape(newSystem("n2")))
	require.Equal(t, 0, goroutinesLeftBy(t, func() { newSystem("n3") }))
}

// goroutinesLeftBy is how many goroutines f leaves behind.
func goroutinesLeftBy(t *testing.T, f func()) int {
	t.Helper()
	before := goruntime.NumGoroutine()
	f()
	return goruntime.NumGoroutine() - before
}

// One that watches an actor that is gone is told so, as with a stock system.
func TestAWatchOfAnActorThatIsGoneIsAnswered(t *testing.T) {
	d := &handDriver{}
	heard := &terminations{}
	_, sys, pid := lone(t, d, &scribe{}, &restartAtOnce{}, 4, 1)
	rt := NewSimulated(d).(*runtime)
	mb := rt.newMailbox(&Node{rt: rt, o: NodeOptions{ID: 2}}, trace.RoleLoop, 1, 4, 1)
	watcher, err := sys.Root.SpawnNamed(actor.PropsFromProducer(func() actor.Actor { return heard },
		actor.WithMailbox(func() actor.Mailbox { return mb })), "watcher")
	require.NoError(t, err)
	for range 5 {
		d.step(1)
	}
	sys.Root.Stop(pid)
	for range 5 {
		d.step(1)
	}
	gone := sys.NewLocalPID("lone")
	sys.DeadLetter.SendSystemMessage(gone, &actor.Watch{Watcher: watcher})
	for range 5 {
		d.step(2)
	}
	require.Equal(t, []string{"lone"}, heard.who)
}

type terminations struct{ who []string }

func (h *terminations) Receive(c actor.Context) {
	if m, ok := c.Message().(*actor.Terminated); ok {
		h.who = append(h.who, m.Who.Id)
	}
}

// After a run, nothing of it is reachable, whatever it left parked.
func TestNothingOfAnOldRunIsReachable(t *testing.T) {
	var nodes []weak.Pointer[Node]
	func() {
		w := newWorld(t, 1)
		w.control.Add(appender.Rule{Kind: appender.FaultAppendDeaf})
		for range 3 {
			nodes = append(nodes, weak.Make(w.spawn(NodeOptions{}, modelFunc{})))
		}
		w.lines(10)
		w.run(10 * time.Second)
		w.at(w.k.Now(), w.nodes[1].Crash)
		w.run(0)
		w.close()
	}()
	for range 10 {
		goruntime.GC()
	}
	for i := range nodes {
		require.Nil(t, nodes[i].Value(), "node %d is reachable", i)
	}
}

// A run is the same, step for step, whatever ran before it in the process.
func TestARunDoesNotDependOnTheRunsBeforeIt(t *testing.T) {
	run := func(seed uint64) uint64 {
		k := kernel.New(kernel.Options{Seed: seed, Isolate: isolate, Strategy: kernel.NewRandomWalk(time.Millisecond)})
		rt := NewSimulated(k)
		control := appender.NewControl(seed,
			appender.Rule{Kind: appender.FaultAppendPanic, Fault: appender.Fault{Prob: 0.1}},
			appender.Rule{Kind: appender.FaultAppendDeaf, Fault: appender.Fault{Prob: 0.02}})
		open := appender.FaultyOpener(openNoOp, control)
		var nodes []*Node
		for id := range uint64(3) {
			n, err := rt.Spawn(NodeOptions{ID: id + 1, Name: fmt.Sprint("n", id), Seed: seed + id, Host: Host{Open: open}}, modelFunc{tick: func(_ time.Duration, out *loop.Ready) {
				out.Log(loop.LogLine{Message: "tick"})
			}})
			require.NoError(t, err)
			nodes = append(nodes, n)
		}
		require.NoError(t, k.Run(30*time.Second))
		h := k.Digest()
		for _, n := range nodes {
			h = n.LoopDigest(h)
			h = mix(h, n.Stats().Ledger.Appended)
		}
		require.NoError(t, rt.Close(context.Background()))
		require.NoError(t, k.Unwind())
		return h
	}
	first := map[uint64]uint64{}
	for round := range 3 {
		for s := range uint64(5) {
			seed := (s*7 + uint64(round)*3) % 5
			h := run(seed)
			if was, ok := first[seed]; ok {
				require.Equal(t, was, h, "seed %d", seed)
			}
			first[seed] = h
		}
	}
	different := map[uint64]bool{}
	for _, h := range first {
		different[h] = true
	}
	require.Len(t, different, 5)
}
