package scenario

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/sim"
)

// A field set is the field that a file sets.
func TestSetAgreesWithFile(t *testing.T) {
	for assignment, file := range map[string]string{
		"nodes=7":                           "nodes: 7",
		"about=any: text # at all":          `about: "any: text # at all"`,
		"host.deadline=200ms":               "host: {deadline: 200ms}",
		"network.latency=uniform 1ms 5ms":   "network: {latency: uniform 1ms 5ms}",
		"network.loss=0.5":                  "network: {loss: 0.5}",
		"swarm=true":                        "swarm: true",
		"mesh.daemons=none":                 "mesh: {daemons: none}",
		"sometimes=[message-cut]":           "sometimes: [message-cut]",
		"sometimes=message-cut":             "sometimes: [message-cut]",
		"sometimes.0=message-cut":           "sometimes: [message-cut]",
		"host={inbox: 3, batch: 2}":         "host: {inbox: 3, batch: 2}",
		"load=[{kind: constant, rate: 3}]":  "load: [{kind: constant, rate: 3}]",
		"load.0={kind: constant, rate: 3}":  "load: [{kind: constant, rate: 3}]",
		"faults=[{kind: loss, prob: 0.25}]": "faults: [{kind: loss, prob: 0.25}]",
	} {
		want, err := Parse("mesh.yaml", []byte(file))
		require.NoError(t, err)
		var got sim.Config
		require.NoError(t, Set(&got, assignment))
		require.Equal(t, want, got, assignment)
	}
}

func TestSetReachesEveryKey(t *testing.T) {
	for _, key := range Keys() {
		var c sim.Config
		key = strings.ReplaceAll(key, ".N.", ".0.")
		ok := false
		for _, value := range []string{"3", "3s", "true", "x", "[[n1]]"} {
			ok = ok || Set(&c, key+"="+value) == nil
		}
		require.True(t, ok, key)
		require.NotEqual(t, sim.Config{}, c, key)
	}
}

// Whatever fails leaves no trace, and whatever succeeds leaves copies of the
// configuration alone.
func TestFailedSetChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := sim.Config{Swarm: true}.Draw(rapid.Uint64().Draw(t, "seed"))
		copied := c
		before := fmt.Sprintf("%+v", c)
		key := rapid.SampledFrom(Keys()).Draw(t, "key")
		key = strings.ReplaceAll(key, ".N.", fmt.Sprintf(".%d.", rapid.IntRange(-1, 3).Draw(t, "index")))
		value := rapid.SampledFrom([]string{"", "3", "-3", "3s", "x", "true", "[n1]", "{a: b}", "[{kind: loss, at: x}]", "exp 3s"}).Draw(t, "value")
		err := Set(&c, key+"="+value)
		require.Equal(t, before, fmt.Sprintf("%+v", copied))
		if err != nil {
			require.Equal(t, before, fmt.Sprintf("%+v", c))
			requireOneLine(t, err)
		}
	})
}

func FuzzSet(f *testing.F) {
	for _, s := range []string{"nodes=3", "load.0.rate=4", "host={inbox: 3}", "faults.0.groups=[[n1],[n2]]", "=", "a.b.c", "load.9999999999.x=", "faults.0.groups.0.0=n1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, assignment string) {
		c := sim.Config{Load: []sim.Load{{Kind: "constant", Rate: 1}}}
		before := fmt.Sprintf("%+v", c)
		if err := Set(&c, assignment); err != nil {
			requireOneLine(t, err)
			require.Equal(t, before, fmt.Sprintf("%+v", c))
		}
	})
}

func ExampleSet() {
	c := sim.Config{Nodes: 3, Faults: []sim.Fault{{Kind: "crash", At: time.Second, Nodes: []string{"n1"}}}}
	fmt.Println(Set(&c, "faults.0.at=2s"), c.Faults[0].At)
	fmt.Println(Set(&c, "nodes=many"), c.Nodes)
	// Output:
	// <nil> 2s
	// nodes=many: found "many", expected a whole number 3
}
