package gen_test

import (
	"flag"
	"fmt"
	"runtime"
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

// reporter is what rapid reports a failure to that is wanted.
type reporter struct {
	*testing.T
	failed bool
}

func (r *reporter) Logf(string, ...any)   {}
func (r *reporter) Log(...any)            {}
func (r *reporter) Errorf(string, ...any) { r.failed = true }
func (r *reporter) Error(...any)          { r.failed = true }
func (r *reporter) Fail()                 { r.failed = true }
func (r *reporter) Failed() bool          { return r.failed }
func (r *reporter) Fatalf(string, ...any) { r.FailNow() }
func (r *reporter) Fatal(...any)          { r.FailNow() }
func (r *reporter) FailNow() {
	r.failed = true
	runtime.Goexit()
}

// quietly keeps rapid from writing a file about a failure that is wanted, and
// lets it look for one long enough to find it whatever its seed is.
func quietly(t *testing.T) {
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.checks": "5000"} {
		f := flag.Lookup(name)
		require.NotNil(t, f)
		was := f.Value.String()
		require.NoError(t, f.Value.Set(value))
		t.Cleanup(func() { _ = f.Value.Set(was) })
	}
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
	quietly(t)
	r := &reporter{T: t}
	done := make(chan struct{})
	go func() { // rapid ends the goroutine of a test that failed
		defer close(done)
		rapid.Check(r, failing)
	}()
	<-done
	require.True(t, r.failed)
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
