package scenario_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/props"
	"meshsim/sim"
	"meshsim/sim/scenario"
)

// A built-in scenario is the first thing that a newcomer sees: it shows what it
// promises, and holds. (The sweep in .ci/run takes more seeds, and
// thousand-nodes at its full size.)
func TestBuiltinsHold(t *testing.T) {
	for _, name := range scenario.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := scenario.Builtin(name)
			require.NoError(t, err)
			if c.Nodes > 100 {
				require.NoError(t, scenario.Set(&c, "nodes=100"))
				require.NoError(t, scenario.Set(&c, "chaos.0.every=20s"))
			}
			for seed := uint64(1); seed <= 2; seed++ {
				r, err := sim.Run(context.Background(), c, seed, props.All()...)
				require.NoError(t, err)
				require.Equal(t, sim.Held, r.Verdict, "seed %d: %v\n%+v", seed, r.Why, r.Invariants)
				for _, m := range c.Sometimes {
					require.Contains(t, occurred(r), m)
				}
			}
		})
	}
}

func occurred(r *sim.Result) []string {
	var names []string
	for _, m := range r.Sometimes {
		if m.Count > 0 {
			names = append(names, m.Name)
		}
	}
	return names
}

// What no swarm ever shows, no sweep ever tests. The rarest mark is shown by one
// seed in twenty; a change that moves the draws may need a few seeds more.
func TestSwarmShowsEveryMarkAndEveryFault(t *testing.T) {
	c, err := scenario.Builtin("swarm")
	require.NoError(t, err)
	seen, struck := make(map[string]int), make(map[string]int)
	for seed := range uint64(60) {
		r, err := sim.Run(context.Background(), c, seed)
		require.NoError(t, err)
		require.NotEqual(t, sim.Violated, r.Verdict)
		for _, name := range occurred(r) {
			seen[name]++
		}
		for kind, n := range r.Faults {
			if n > 0 {
				struck[kind]++
			}
		}
	}
	for _, name := range sim.Marks() {
		require.GreaterOrEqual(t, seen[name], 1, "seeds that showed %s", name)
	}
	for _, kind := range sim.FaultKinds() {
		require.GreaterOrEqual(t, struck[kind], 1, "seeds that struck with %s", kind)
	}
}

func ExampleBuiltin() {
	c, err := scenario.Builtin("calm")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := sim.Run(context.Background(), c, 1, props.All()...)
	fmt.Println(r.Scenario, "with", r.Nodes, "nodes:", r.Verdict, err)
	// Output:
	// calm with 3 nodes: held <nil>
}
