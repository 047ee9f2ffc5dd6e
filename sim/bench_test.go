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

// The command is built with sim/cmd/meshsim/default.pgo, a profile of these
// benchmarks and of a sweep, which makes runs about a fifth faster. To see that
// here, and to make the profile anew:
//
//	go test ./sim -run '^$' -bench . -pgo $PWD/sim/cmd/meshsim/default.pgo
//	go test ./sim -run '^$' -bench 'Heartbeats30/a|Fanout9/nodes=1000|Small' -cpuprofile sim/cmd/meshsim/default.pgo

// heartbeatMesh is the mesh of the benchmarks: every node sends ten
// heartbeats a second to each of peers others (0: all), and each is answered.
func heartbeatMesh(nodes, peers int, d time.Duration) sim.Config {
	return sim.Config{
		Name: "heartbeats", Nodes: nodes, Duration: d, Recovery: time.Second,
		Loop: sim.Loop{Tick: 100 * time.Millisecond},
		Mesh: sim.Mesh{Heartbeat: 100 * time.Millisecond, Peers: peers, Daemons: sim.None},
	}
}

// cost is what a benchmark took.
type cost struct {
	runs, delivered uint64
	wall, cpu       time.Duration
}

// simulate runs cfg b.N times.
func simulate(b *testing.B, cfg sim.Config, checkers ...func() trace.Checker) (c cost) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	cpu := cpuTime()
	for i := range b.N {
		r, err := sim.Run(context.Background(), cfg, uint64(i), checkers...)
		if err != nil {
			b.Fatal(err)
		}
		if r.Verdict != sim.Held {
			b.Fatalf("seed %d: %s %v %+v", i, r.Verdict, r.Why, r.Invariants)
		}
		c.delivered += r.Delivered
	}
	c.runs, c.wall, c.cpu = uint64(b.N), b.Elapsed(), cpuTime()-cpu
	return c
}

// perMessage reports what a delivered message costs. On a machine that is busy
// with other things, the processor time is the honest figure.
func (c cost) perMessage(b *testing.B) {
	n := float64(c.delivered)
	b.ReportMetric(n/c.wall.Seconds(), "msgs/s")
	b.ReportMetric(float64(c.wall)/n, "ns/msg")
	b.ReportMetric(float64(c.cpu)/n, "cpu-ns/msg")
}

// 30 nodes, digest on: with the always-checkers and no shadow, with every
// checker and every shadow, and with none.
func BenchmarkHeartbeats30(b *testing.B) {
	cfg := heartbeatMesh(30, 0, 10*time.Second)
	shadowed := cfg
	shadowed.Shadows = 1
	b.Run("always", func(b *testing.B) { simulate(b, cfg, always()...).perMessage(b) })
	b.Run("all+shadows", func(b *testing.B) { simulate(b, shadowed, props.All()...).perMessage(b) })
	b.Run("unjudged", func(b *testing.B) { simulate(b, cfg).perMessage(b) })
	baselines(b, 30, 29, 10*time.Second)
}

// baselines do the same work without meshsim.
func baselines(b *testing.B, nodes, peers int, d time.Duration) {
	measure := func(b *testing.B, f func() uint64) {
		b.ReportAllocs()
		b.ResetTimer()
		cpu := cpuTime()
		var c cost
		for range b.N {
			c.delivered += f()
		}
		c.wall, c.cpu = b.Elapsed(), cpuTime()-cpu
		c.perMessage(b)
	}
	interval := 100 * time.Millisecond
	b.Run("baseline=heap", func(b *testing.B) {
		measure(b, func() uint64 { return runHeapMesh(nodes, peers, interval, d) })
	})
	b.Run("baseline=synctest", func(b *testing.B) {
		measure(b, func() (n uint64) {
			inTest(b, func(t *testing.T) { n = runSynctestMesh(t, nodes, peers, interval, d) })
			return n
		})
	})
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
	b.Run("nodes=10", func(b *testing.B) { simulate(b, heartbeatMesh(10, 9, 60*time.Second)).perMessage(b) })
	b.Run("nodes=100", func(b *testing.B) { simulate(b, heartbeatMesh(100, 9, 20*time.Second)).perMessage(b) })
	b.Run("nodes=1000", func(b *testing.B) { simulate(b, heartbeatMesh(1000, 9, 20*time.Second)).perMessage(b) })
	b.Run("nodes=10", func(b *testing.B) { baselines(b, 10, 9, 60*time.Second) })
	b.Run("nodes=1000", func(b *testing.B) { baselines(b, 1000, 9, 2*time.Second) })
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
	c := simulate(b, cfg, always()...)
	b.ReportMetric(float64(c.delivered)/float64(c.runs), "msgs/scenario")
	b.ReportMetric(float64(c.runs)/c.wall.Seconds(), "scenarios/s")
	b.ReportMetric(float64(c.runs)/c.cpu.Seconds(), "scenarios/cpu-s")
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
