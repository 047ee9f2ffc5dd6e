package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/sim"
	"meshsim/sim/trace"
)

// A fault of the timetable that is over strikes nobody any more; but where
// hangs are kept, the calls that it has struck hang on.
func TestAKeptHangOutlastsTheFaultThatMadeIt(t *testing.T) {
	for _, keep := range []bool{false, true} {
		cfg := quiet(1, 20*time.Second)
		cfg.Host = sim.Host{Deadline: ms(400), Grace: ms(100)}
		cfg.Faults = []sim.Fault{{At: ms(2100), For: ms(1000), Kind: "append-deaf", Nodes: []string{"n1"}}}
		if keep {
			cfg.Heal.Hangs = "keep"
		}
		var es events
		es.watch(&cfg, trace.WorkerAbandoned, trace.WorkerReturned, trace.FaultHealed)
		r := held(t, cfg, 1)
		require.NotEmpty(t, es.of(1, trace.WorkerAbandoned))
		require.Equal(t, ms(3100), es.of(1, trace.FaultHealed)[0].Time)
		require.Equal(t, keep, len(es.of(1, trace.WorkerReturned)) == 0)
		require.Greater(t, r.Records.Appended, uint64(25), "later calls are not struck")
	}
}

// An open circuit whose probes fail waits longer from one to the next: twice
// the time, up to the cap, and at most a quarter of it more by jitter.
func TestProbesOfAnOpenCircuitBackOff(t *testing.T) {
	const deadline, probe, limit = 400 * time.Millisecond, time.Second, 8 * time.Second
	cfg := quiet(1, 90*time.Second)
	cfg.Loop.Tick = ms(50) // a record is always there to be tried
	cfg.Host = sim.Host{Deadline: deadline, Grace: ms(100), Probe: probe, MaxBackoff: limit, Abandoned: 2}
	cfg.Heal.Hangs = "keep"
	cfg.Faults = []sim.Fault{
		// One call hangs, which opens the circuit of a host that may abandon two;
		// from then on appends end at their deadline, and with them each probe.
		{At: ms(1000), Kind: "append-deaf", Nodes: []string{"n1"}, Record: 25},
		{At: ms(1400), Kind: "append-latency", Nodes: []string{"n1"}, By: 2 * deadline},
	}
	var es events
	es.watch(&cfg, trace.CircuitOpened, trace.CircuitProbed)
	held(t, cfg, 1)
	wait := probe
	opened := es.of(1, trace.CircuitOpened)
	probed := es.of(1, trace.CircuitProbed)
	capped := 0
	for i := 0; i < len(probed) && probed[i].Time < 80*time.Second; i++ {
		gap := probed[i].Time - opened[i].Time
		require.GreaterOrEqual(t, gap, wait, "probe %d", i)
		require.LessOrEqual(t, gap, wait+wait/4, "probe %d", i)
		if wait = min(2*wait, limit); wait == limit {
			capped++
		}
	}
	require.Greater(t, capped, 3)
}
