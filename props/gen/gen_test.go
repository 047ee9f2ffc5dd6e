package gen_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/props/gen"
	"meshsim/sim"
)

func TestEveryScenarioDrawnIsValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := gen.Config().Draw(t, "scenario")
		_, err := c.Resolve()
		require.NoError(t, err)
	})
}

func TestEveryKindIsDrawn(t *testing.T) {
	faults, chances, loads := map[string]bool{}, map[string]bool{}, map[string]bool{}
	keep, random := false, false
	config := gen.Config()
	for seed := range 2000 {
		c := config.Example(seed)
		for _, f := range c.Faults {
			faults[f.Kind] = true
		}
		for _, x := range c.Chaos {
			chances[x.Kind] = true
		}
		for _, l := range c.Load {
			loads[l.Kind] = true
		}
		keep = keep || c.Heal.Hangs == "keep"
		random = random || c.Schedule.Kind == "random" && c.Schedule.Hold > 0
	}
	for _, k := range sim.FaultKinds() {
		require.True(t, faults[k], "no scripted %s", k)
		require.True(t, chances[k], "no %s by chance", k)
	}
	require.Len(t, loads, 4)
	require.True(t, keep)
	require.True(t, random)
}

// recorder takes the place of the testing.T that rapid reports to.
type recorder struct {
	*testing.T
	failed bool
}

// TestAFailureShrinksToWhatFails lets a property fail on any scenario with a
// certain fault, and finds nothing else in the scenario that rapid is left with.
func TestAFailureShrinksToWhatFails(t *testing.T) {
	var last sim.Config
	failing := func(rt *rapid.T) {
		c := gen.Config().Draw(rt, "scenario")
		if slices.ContainsFunc(c.Faults, func(f sim.Fault) bool { return f.Kind == "append-deaf" }) {
			last = c
			rt.Fatalf("found")
		}
	}
	require.True(t, fails(t, failing))
	require.Equal(t, 1, last.Nodes)
	require.Empty(t, last.Load)
	require.Empty(t, last.Chaos)
	require.Len(t, last.Faults, 1)
	require.Equal(t, sim.Fault{Kind: "append-deaf", Nodes: []string{"n1"}, Prob: 1}, last.Faults[0])
	require.Equal(t, sim.Schedule{}, last.Schedule)
}

func ExampleConfig() {
	c := gen.ConfigOf(gen.Options{NodesMax: 2, FaultsMax: -1}).Example(1)
	_, err := c.Resolve()
	fmt.Println(c.Nodes <= 2, len(c.Faults), err)
	// Output: true 0 <nil>
}
