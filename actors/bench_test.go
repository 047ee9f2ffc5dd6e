package actors

import (
	"context"
	goruntime "runtime"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"meshsim/loop"
	"meshsim/sim/kernel"
)

// counter is an actor for both mailboxes of BenchmarkMailbox.
type counter struct {
	scribe
	n    int
	done chan struct{}
}

func (c *counter) started(actor.Context) {}
func (c *counter) handle(*entry)         { c.n++ }

func (c *counter) Receive(ctx actor.Context) {
	if _, ok := ctx.Message().(*entry); ok {
		if c.n++; c.n == cap(c.done) {
			close(c.done)
		}
	}
}

// BenchmarkMailbox is the cost of one message from sender to handler: in this
// package's mailbox, stepped by a kernel and live, and, as the baseline, in
// protoactor's default runtime.
func BenchmarkMailbox(b *testing.B) {
	b.Run("simulated", func(b *testing.B) {
		b.ReportAllocs()
		k := kernel.New(kernel.Options{})
		c := &counter{}
		mb, _, _ := lone(b, k, c, &restartAtOnce{}, 4, 64)
		e := entry{kind: kindPeer}
		for range b.N {
			mb.post(droppable, &e)
			if mb.lanes[droppable].Len() == 64 {
				_ = k.Run(k.Now() + 1)
			}
		}
		_ = k.Run(k.Now() + 1)
		require.Equal(b, b.N, c.n)
	})
	b.Run("live", func(b *testing.B) {
		b.ReportAllocs()
		c := &counter{}
		mb, _, _ := lone(b, nil, c, &restartAtOnce{}, 4, 1<<12)
		idle := func() bool {
			mb.mu.Lock()
			defer mb.mu.Unlock()
			return !mb.enabled
		}
		e := entry{kind: kindPeer}
		b.ResetTimer()
		for i := range b.N {
			mb.post(droppable, &e)
			for i%(1<<11) == 0 && !idle() { // nothing is to be dropped
				goruntime.Gosched()
			}
		}
		for !idle() {
			goruntime.Gosched()
		}
		require.Equal(b, b.N, c.n)
	})
	b.Run("baseline=protoactor", func(b *testing.B) {
		b.ReportAllocs()
		sys := newSystem("bench")
		c := &counter{done: make(chan struct{}, b.N)}
		pid := sys.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return c }))
		b.ResetTimer()
		for range b.N {
			sys.Root.Send(pid, &entry{kind: kindPeer})
		}
		<-c.done
	})
}

// BenchmarkDeliver is a peer's message from Deliver to the end of the loop's
// step, with nobody watching.
func BenchmarkDeliver(b *testing.B) {
	b.ReportAllocs()
	k := kernel.New(kernel.Options{})
	rt := NewSimulated(k)
	steps := 0
	n, err := rt.Spawn(NodeOptions{ID: 1}, modelFunc{step: func(loop.Input, *loop.Ready) error { steps++; return nil }})
	require.NoError(b, err)
	_ = k.Run(k.Now() + 1)
	var msg any = "beat"
	b.ResetTimer()
	for i := range b.N {
		n.Deliver(2, msg)
		if i%16 == 0 {
			_ = k.Run(k.Now() + 1)
		}
	}
	_ = k.Run(k.Now() + 1)
	require.Equal(b, b.N, steps)
}

// BenchmarkLine is a log line from Log to the settlement of its record.
func BenchmarkLine(b *testing.B) {
	b.ReportAllocs()
	k := kernel.New(kernel.Options{})
	rt := NewSimulated(k)
	n, err := rt.Spawn(NodeOptions{ID: 1}, modelFunc{})
	require.NoError(b, err)
	_ = k.Run(k.Now() + 1)
	b.ResetTimer()
	for i := range b.N {
		n.Log(loop.LogLine{Message: "line"})
		if i%16 == 0 {
			_ = k.Run(k.Now() + 1)
		}
	}
	_ = k.Run(k.Now() + 1)
	s := n.Stats()
	require.Equal(b, uint64(b.N), s.Ledger.Appended)
}

// BenchmarkSpawn is a node from its spawning to its appender's opening and to
// the runtime's end, in runs of three nodes.
func BenchmarkSpawn(b *testing.B) {
	b.ReportAllocs()
	k := kernel.New(kernel.Options{})
	for range b.N {
		k.Reset(kernel.Options{Isolate: isolate})
		rt := NewSimulated(k)
		for id := range uint64(3) {
			if _, err := rt.Spawn(NodeOptions{ID: id + 1, Name: "n"}, modelFunc{}); err != nil {
				b.Fatal(err)
			}
		}
		_ = k.Run(k.Now() + 1)
		_ = rt.Close(context.Background())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/3, "ns/node")
}

// BenchmarkSystem is an actor system alone: slim, and, as the baseline, made by
// protoactor, with the one shard per bucket that this package sets.
func BenchmarkSystem(b *testing.B) {
	b.Run("slim", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			newSystem("n")
		}
	})
	b.Run("baseline=protoactor", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			actor.NewActorSystemWithConfig(stock.Config)
		}
	})
}
