package props_test

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/props"
	"meshsim/props/gen"
	"meshsim/sim"
)

// holds runs a scenario under every invariant.
func holds(t *rapid.T, c sim.Config, seed uint64) *sim.Result {
	res, err := sim.Run(context.Background(), c, seed, props.All()...)
	require.NoError(t, err)
	var wrong []string
	for _, inv := range res.Invariants {
		if inv.ViolatedAt != nil {
			wrong = append(wrong, fmt.Sprintf("%s at step %d: %s", inv.Name, *inv.ViolatedAt, inv.Violation))
		}
	}
	require.Empty(t, wrong, "seed %d of %+v:\n%s", seed, c, strings.Join(wrong, "\n"))
	r := res.Records
	require.Equal(t, r.Emitted, r.Appended+r.Failed+r.Unknown+r.Dropped+r.Lost+r.Pending)
	return res
}

// few lowers the number of scenarios that rapid draws, unless it was given one:
// a scenario takes a thousand times as long as what rapid's default is made for.
func few(t *testing.T, n int) {
	f := flag.Lookup("rapid.checks")
	if was := f.Value.String(); was == f.DefValue {
		require.NoError(t, f.Value.Set(strconv.Itoa(n)))
		t.Cleanup(func() { _ = f.Value.Set(was) })
	}
}

// TestAnyMeshHoldsEverything: whatever the scenario and the seed.
func TestAnyMeshHoldsEverything(t *testing.T) {
	few(t, 30)
	rapid.Check(t, func(t *rapid.T) {
		holds(t, gen.Config().Draw(t, "scenario"), gen.Seed().Draw(t, "seed"))
	})
}

// TestAnyAppenderLeavesItsHostWhole is a property test of one host: one node
// whose appender does everything that an appender can do wrong.
func TestAnyAppenderLeavesItsHostWhole(t *testing.T) {
	var kinds []string
	for _, k := range sim.FaultKinds() {
		if strings.HasPrefix(k, "append") || strings.HasPrefix(k, "open") || strings.HasPrefix(k, "disk") || k == "applied-then-error" || k == "crash" {
			kinds = append(kinds, k)
		}
	}
	config := gen.ConfigOf(gen.Options{NodesMax: 1, Faults: kinds, FaultsMax: 5, Hangs: true})
	few(t, 50)
	rapid.Check(t, func(t *rapid.T) {
		holds(t, config.Draw(t, "scenario"), gen.Seed().Draw(t, "seed"))
	})
}

// TestSwarmsHoldEverything: a few seeds of the scenarios that the seed draws
// itself; sweeps run thousands.
func TestSwarmsHoldEverything(t *testing.T) {
	few(t, 10)
	rapid.Check(t, func(t *rapid.T) {
		holds(t, sim.Config{Swarm: true, Shadows: 1}, gen.Seed().Draw(t, "seed"))
	})
}

// TestEveryInvariantHasSomethingToJudge: in a mesh with load and faults no
// checker is idle.
func TestEveryInvariantHasSomethingToJudge(t *testing.T) {
	c := sim.Config{
		Nodes: 3, Duration: 10 * time.Second, Shadows: 1,
		Host: sim.Host{Inbox: 8, Abandoned: 2},
		Load: []sim.Load{{Kind: sim.LoadConstant, Rate: 50}},
		Open: chains(""),
		Faults: []sim.Fault{
			{At: time.Second, For: 3 * time.Second, Kind: "append-deaf", Nodes: []string{"n1"}},
			{At: time.Second, For: 3 * time.Second, Kind: "append-panic", Nodes: []string{"n2"}},
			{At: 2 * time.Second, For: time.Second, Kind: "crash", Nodes: []string{"n3"}},
		},
	}
	res, err := sim.Run(context.Background(), c, 1, append(props.All(), props.Marks()...)...)
	require.NoError(t, err)
	require.Equal(t, sim.Held, res.Verdict, "%v %+v", res.Why, res.Invariants)
	names := map[string]bool{}
	for _, inv := range res.Invariants {
		names[inv.Name] = true
		if inv.Quantifier != "sometimes" {
			require.NotZero(t, inv.Checked, "%s had nothing to judge", inv.Name)
		}
	}
	for _, name := range append(props.Names(), sim.Marks()...) {
		require.True(t, names[name], "no judgement of %s", name)
	}
}

func Example() {
	c := sim.Config{Nodes: 2, Duration: 2 * time.Second, Load: []sim.Load{{Kind: sim.LoadConstant, Rate: 10}}}
	res, err := sim.Run(context.Background(), c, 1, props.All()...)
	if err != nil {
		panic(err)
	}
	fmt.Println(res.Verdict)
	for _, inv := range res.Invariants {
		if inv.Name == "order" || inv.Name == "recovery" {
			fmt.Println(inv.Name, inv.Quantifier, inv.Checked > 0)
		}
	}
	// Output:
	// held
	// order always true
	// recovery eventually true
}
