package props_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/props"
	"meshsim/sim"
)

// TestFilelogsHoldEverything: swarms whose nodes append to a filelog each, on
// disks that lose power, fill up, fail and rot.
func TestFilelogsHoldEverything(t *testing.T) {
	const seeds = 300
	struck, replayed, checked := map[string]int{}, 0, uint64(0)
	for seed := range uint64(seeds) {
		c := sim.Config{Swarm: true, Appender: sim.Appender{Kind: "filelog"}}
		res, err := sim.Run(context.Background(), c, seed, props.All()...)
		require.NoError(t, err)
		if v := res.FirstViolation(); v != nil {
			t.Errorf("seed %d: %s at step %d: %s", seed, v.Name, *v.ViolatedAt, v.Violation)
		}
		for kind, n := range res.Faults {
			if n > 0 {
				struck[kind]++
			}
		}
		for _, m := range res.Sometimes {
			if m.Name == "log-replayed" {
				replayed += int(m.Count)
			}
		}
		for _, i := range res.Invariants {
			if i.Name == "durable-prefix" {
				checked += i.Checked
			}
		}
	}
	for _, kind := range sim.FaultKinds() {
		require.Positive(t, struck[kind], kind)
	}
	require.Greater(t, replayed, seeds)
	t.Logf("%d replays of logs that held records, %d judgements", replayed, checked)
}
