package sim

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// genPartial draws a valid swarm in which some fields are set: each top-level
// field, or field of a top-level struct, is either left at zero or taken from
// a drawn configuration.
func genPartial(t *rapid.T) Config {
	from := reflect.ValueOf(Config{Swarm: true}.Draw(rapid.Uint64().Draw(t, "donor")))
	c := Config{Swarm: true}
	var copySome func(dst, src reflect.Value, path string)
	copySome = func(dst, src reflect.Value, path string) {
		for i := range dst.NumField() {
			f := dst.Type().Field(i)
			if !f.IsExported() || f.Tag.Get("yaml") == "-" || f.Name == "Swarm" {
				continue
			}
			if f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[Dist]() {
				copySome(dst.Field(i), src.Field(i), path+f.Name+".")
			} else if rapid.IntRange(0, 3).Draw(t, path+f.Name) == 0 {
				dst.Field(i).Set(src.Field(i))
			}
		}
	}
	copySome(reflect.ValueOf(&c).Elem(), from, "")
	if c.Duration == 0 && rapid.Bool().Draw(t, "one node") {
		c.Nodes = 1
	}
	return c
}

func TestSwarmDrawsOnlyValidConfigurationsAndKeepsWhatIsSet(t *testing.T) {
	fits := rapid.Custom(genPartial).Filter(func(c Config) bool {
		_, err := c.Resolve()
		return err == nil
	})
	rapid.Check(t, func(t *rapid.T) {
		c := fits.Draw(t, "what is set")
		before := fmt.Sprintf("%+v", c)
		d := c.Draw(rapid.Uint64().Draw(t, "seed"))
		require.Equal(t, before, fmt.Sprintf("%+v", c), "Draw does not change what it is called on")
		require.False(t, d.Swarm)
		_, err := d.Resolve()
		require.NoError(t, err)

		var kept func(set, drawn reflect.Value, path string)
		kept = func(set, drawn reflect.Value, path string) {
			for i := range set.NumField() {
				f := set.Type().Field(i)
				switch {
				case f.Tag.Get("yaml") == "-" || f.Name == "Swarm" || f.Name == "_":
				case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[Dist]():
					kept(set.Field(i), drawn.Field(i), path+f.Name+".")
				case !set.Field(i).IsZero():
					require.Equal(t, set.Field(i).Interface(), drawn.Field(i).Interface(), path+f.Name)
				}
			}
		}
		kept(reflect.ValueOf(c), reflect.ValueOf(d), "")
	})
}

func TestSwarmIsAFunctionOfTheSeed(t *testing.T) {
	c := Config{Swarm: true}
	seen := make(map[string]bool)
	for seed := range uint64(200) {
		d := c.Draw(seed)
		require.Equal(t, d, c.Draw(seed))
		require.Equal(t, d, d.Draw(seed+1), "what was drawn is no swarm any more")
		seen[fmt.Sprintf("%+v", d)] = true
	}
	require.Len(t, seen, 200, "no two seeds draw the same")
}

// A swarm that never draws something never tests it.
func TestSwarmDrawsEverythingOften(t *testing.T) {
	const seeds = 500
	often := make(map[string]int)
	for seed := range uint64(seeds) {
		c := Config{Swarm: true}.Draw(seed)
		require.LessOrEqual(t, c.Duration, swarmDurationMax)
		marks := map[string]bool{
			fmt.Sprintf("nodes %d", c.Nodes):              true,
			"schedule " + c.Schedule.Kind:                 true,
			"hold":                                        c.Schedule.Hold > 0,
			"heal " + c.Heal.Hangs:                        true,
			"appender " + c.Appender.Kind:                 true,
			"appender latency " + c.Appender.Latency.Kind: true,
			"latency " + c.Network.Latency.Kind:           true,
			"matrix " + c.Network.Matrix:                  true,
			"loss":                                        c.Network.Loss > 0,
			"duplicate":                                   c.Network.Duplicate > 0,
			"reorder":                                     c.Network.Reorder > 0,
			"in flight " + c.Network.InFlight:             true,
			"service":                                     !c.Service.IsZero(),
			"daemons crash":                               c.Mesh.Crash > 0,
			"some peers":                                  c.Mesh.Peers > 0,
			"no chaos":                                    len(c.Chaos) == 0,
			"much chaos":                                  len(c.Chaos) > 8,
			"small inbox":                                 c.Host.Inbox < 16,
			"large inbox":                                 c.Host.Inbox > 256,
		}
		for _, l := range c.Load {
			marks["load "+l.Kind] = true
		}
		for _, x := range c.Chaos {
			marks["chaos "+x.Kind] = true
		}
		for _, f := range c.Faults {
			marks["fault "+f.Kind] = true
		}
		for m, on := range marks {
			if on {
				often[m]++
			}
		}
	}
	for _, want := range FaultKinds() {
		require.Greater(t, often["chaos "+want], seeds/20, want)
	}
	for _, want := range []string{kindCrash, kindPause, kindSlow, kindSkew, kindJump, kindClog, kindPartition} {
		require.Greater(t, often["fault "+want], seeds/40, want)
	}
	for n := swarmNodesMin; n <= swarmNodesMax; n++ {
		require.Greater(t, often[fmt.Sprintf("nodes %d", n)], seeds/20)
	}
	for _, want := range []string{
		"schedule ", "schedule random", "hold", "heal ", "heal keep", "appender ", "appender noop", "matrix ", "matrix ibm-cloud",
		"appender latency ", "appender latency exp", "latency constant", "latency uniform", "latency exp", "latency normal",
		"latency pareto", "loss", "duplicate", "reorder", "in flight ", "in flight drop", "service", "daemons crash", "some peers",
		"no chaos", "much chaos", "small inbox", "large inbox", "load constant", "load poisson", "load burst", "load ramp",
	} {
		require.Greater(t, often[want], seeds/50, want)
	}
}

// A field's draw does not depend on whether another one is set: else setting
// one field would hide the bug that another one shows.
func TestSettingOneFieldLeavesTheOthersDrawsAlone(t *testing.T) {
	for seed := range uint64(50) {
		free, set := Config{Swarm: true}, Config{Swarm: true}
		set.Loop.Tick = 123 * time.Millisecond
		set.Host.Inbox = 7
		a, b := free.Draw(seed), set.Draw(seed)
		a.Loop.Tick, a.Host.Inbox = set.Loop.Tick, set.Host.Inbox
		require.Equal(t, a, b)
	}
}

func TestSwarmMakesRoomForWhatIsSet(t *testing.T) {
	c := Config{Swarm: true, Faults: []Fault{
		{Kind: kindCrash, At: 20 * time.Second, Nodes: []string{"n9"}},
		{Kind: kindPartition, At: time.Second, Groups: [][]string{{"n1", "n2"}}},
	}}
	for seed := range uint64(50) {
		d := c.Draw(seed)
		require.Equal(t, swarmNodesMax, d.Nodes)
		require.Greater(t, d.Duration, 20*time.Second)
		_, err := d.Resolve()
		require.NoError(t, err)
	}
	c.Faults[0].Nodes[0] = "n10"
	_, err := c.Resolve()
	require.ErrorContains(t, err, `found unknown node "n10", expected a node from n1 to n9`)
}

func TestEveryMarkMatchesOnlyTheKindsItNames(t *testing.T) {
	require.True(t, len(Marks()) > 20)
	for i, name := range Marks() {
		if i > 0 {
			require.Less(t, Marks()[i-1], name, "in the order of the alphabet")
		}
		require.Equal(t, strings.ToLower(name), name)
		r, ok := FindMark(name)
		require.True(t, ok)
		requireMatches(t, r)
	}
	_, ok := FindMark("no-such-mark")
	require.False(t, ok)
}
