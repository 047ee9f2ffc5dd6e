package sim_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/props"
	"meshsim/sim"
	"meshsim/sim/trace"
)

// heartbeatMesh is the mesh of the benchmarks: every node sends ten
// heartbeats a second to each of peers others (0: all), and each is answered.
func heartbeatMesh(nodes, peers int, d time.Duration) sim.Config {
	return sim.Config{
		Name: "heartbeats", Nodes: nodes, Duration: d, Recovery: time.Second,
		Loop: sim.Loop{Tick: 100 * time.Millisecond},
		Mesh: sim.Mesh{Heartbeat: 100 * time.Millisecond, Peers: peers, Daemons: sim.None},
	}
}

// simulate runs cfg b.N times and returns what was delivered in all.
func simulate(b *testing.B, cfg sim.Config, checkers ...func() trace.Checker) (delivered uint64) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		r, err := sim.Run(context.Background(), cfg, uint64(i), checkers...)
		if err != nil {
			b.Fatal(err)
		}
		if r.Verdict != sim.Held {
			b.Fatalf("seed %d: %s %v %v", i, r.Verdict, r.Why, r.Invariants)
		}
		delivered += r.Delivered
	}
	return delivered
}

// perMessage reports the cost of a delivered message.
func perMessage(b *testing.B, delivered uint64) {
	s := b.Elapsed().Seconds()
	b.ReportMetric(float64(delivered)/s, "msgs/s")
	b.ReportMetric(s*1e9/float64(delivered), "ns/msg")
}

// 30 nodes, digest on: with the always-checkers and no shadow, with every
// checker and every shadow, and with none.
func BenchmarkHeartbeats30(b *testing.B) {
	cfg := heartbeatMesh(30, 0, 10*time.Second)
	shadowed := cfg
	shadowed.Shadows = 1
	b.Run("always", func(b *testing.B) { perMessage(b, simulate(b, cfg, always()...)) })
	b.Run("all+shadows", func(b *testing.B) { perMessage(b, simulate(b, shadowed, props.All()...)) })
	b.Run("unjudged", func(b *testing.B) { perMessage(b, simulate(b, cfg)) })
}

// always are the checkers of the always quantifier that need no shadow.
func always() []func() trace.Checker {
	var out []func() trace.Checker
	for _, f := range props.All() {
		c := f()
		if q, ok := c.(trace.Quantified); ok && q.Quantifier() != trace.Always {
			continue
		}
		if i, ok := c.(trace.Interested); ok && i.Kinds().Has(trace.LoopInput) {
			continue
		}
		out = append(out, f)
	}
	return out
}

// The cost of a message must not grow with the mesh: nine peers each.
func BenchmarkFanout9(b *testing.B) {
	b.Run("nodes=10", func(b *testing.B) { perMessage(b, simulate(b, heartbeatMesh(10, 9, 60*time.Second))) })
	b.Run("nodes=100", func(b *testing.B) { perMessage(b, simulate(b, heartbeatMesh(100, 9, 6*time.Second))) })
	b.Run("nodes=1000", func(b *testing.B) { perMessage(b, simulate(b, heartbeatMesh(1000, 9, 2*time.Second))) })
}

// idleMesh is nodes with nothing due.
func idleMesh(nodes int, d time.Duration) sim.Config {
	return sim.Config{
		Name: "idle", Nodes: nodes, Duration: d, Recovery: time.Second,
		Mesh: sim.Mesh{Heartbeat: sim.None, Daemons: sim.None},
	}
}

// 24 virtual hours of a thousand nodes with nothing due, and of one node that
// ticks every 500 ms.
func BenchmarkDay(b *testing.B) {
	b.Run("idle-1000", func(b *testing.B) { simulate(b, idleMesh(1000, 24*time.Hour)) })
	b.Run("ticking-1", func(b *testing.B) {
		cfg := idleMesh(1, 24*time.Hour)
		cfg.Model = newTicker
		simulate(b, cfg)
	})
}

// Small scenarios: three nodes, about a thousand messages.
func BenchmarkSmallScenarios(b *testing.B) {
	cfg := heartbeatMesh(3, 0, 8300*time.Millisecond)
	n := simulate(b, cfg, always()...)
	b.ReportMetric(float64(n)/float64(b.N), "msgs/scenario")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "scenarios/s")
}

// What a node costs in memory when nothing happens to it.
func BenchmarkIdleNodeMemory(b *testing.B) {
	for range b.N {
		b.ReportMetric(idleNodeBytes(b), "B/node")
	}
}

func idleNodeBytes(tb testing.TB) float64 {
	const nodes = 2000
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	var before, during float64
	cfg := idleMesh(nodes, time.Second)
	cfg.Observe = func(e *trace.Event) {
		if e.Kind == trace.HealStarted {
			during = heap()
		}
	}
	cfg.ObserveKinds = trace.Kinds(trace.HealStarted)
	runtime.GC()
	before = heap()
	_, err := sim.Run(context.Background(), cfg, 1)
	require.NoError(tb, err)
	return (during - before) / nodes
}

// An idle node costs at most 16 KiB.
func TestIdleNodeMemory(t *testing.T) {
	if per := idleNodeBytes(t); per > 16<<10 {
		t.Errorf("an idle node costs %.0f bytes, more than 16 KiB", per)
	}
}
