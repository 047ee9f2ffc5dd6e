package gen

import (
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"meshsim/sim"
)

// Options narrow what is drawn. The zero value of each field means its default.
type Options struct {
	NodesMax    int           // default 4
	DurationMax time.Duration // of the safety phase, default 4 s
	Faults      []string      // kinds to draw from, default all of [sim.FaultKinds]
	FaultsMax   int           // scripted ones, and as many by chance; default 3; negative: none
	LoadMax     int           // sources, default 2
	// Hangs lets a scenario keep hanging calls hanging after the heal.
	// Default false: the heal releases them.
	Hangs bool
}

func (o Options) withDefaults() Options {
	if o.NodesMax == 0 {
		o.NodesMax = 4
	}
	if o.DurationMax == 0 {
		o.DurationMax = 4 * time.Second
	}
	if o.Faults == nil {
		o.Faults = sim.FaultKinds()
	}
	if o.FaultsMax == 0 {
		o.FaultsMax = 3
	}
	if o.LoadMax == 0 {
		o.LoadMax = 2
	}
	return o
}

// Config draws scenarios of every kind: [ConfigOf] with default options and
// hangs that may stay.
func Config() *rapid.Generator[sim.Config] { return ConfigOf(Options{Hangs: true}) }

// ConfigOf draws valid, unresolved scenarios of small meshes with load, scripted
// faults, faults by chance, and a schedule.
func ConfigOf(o Options) *rapid.Generator[sim.Config] {
	o = o.withDefaults()
	return rapid.Custom(func(t *rapid.T) sim.Config {
		c := sim.Config{
			Name:     "drawn",
			Nodes:    rapid.IntRange(1, o.NodesMax).Draw(t, "nodes"),
			Duration: steps(500*time.Millisecond, o.DurationMax).Draw(t, "duration"),
			Loop: sim.Loop{
				Tick: oneOf(500*time.Millisecond, 100*time.Millisecond, time.Second).Draw(t, "tick"),
				Ring: oneOf(2048, 1, 7, 64).Draw(t, "ring"),
			},
			Mesh: sim.Mesh{
				Heartbeat: oneOf(500*time.Millisecond, 100*time.Millisecond, sim.None).Draw(t, "heartbeat"),
				Daemons:   oneOf(sim.None, 1, 2).Draw(t, "daemons"),
				Crash:     oneOf(0, time.Second).Draw(t, "daemon crashes"),
			},
			Appender: sim.Appender{
				Kind:     oneOf("", "", "filelog").Draw(t, "appender"),
				Capacity: oneOf(16384, 1, 10).Draw(t, "capacity"),
				Latency:  latency(time.Millisecond).Draw(t, "append latency"),
			},
			Host:    host().Draw(t, "host"),
			Network: network().Draw(t, "network"),
			Service: oneOf(sim.Dist{}, sim.Uniform(0, 20*time.Microsecond)).Draw(t, "service"),
			Schedule: oneOf(sim.Schedule{}, sim.Schedule{Kind: "random"},
				sim.Schedule{Kind: "random", Hold: time.Millisecond},
				sim.Schedule{Kind: "random", Hold: 20 * time.Millisecond}).Draw(t, "schedule"),
			Shadows: 1,
		}
		c.Load = list(t, "load", o.LoadMax, load(c.Duration))
		kinds := o.Faults
		if c.Appender.Kind == "filelog" {
			c.Appender.Sync = oneOf("always", "never", "every 5", "interval 100ms").Draw(t, "sync")
			c.Appender.SegmentBytes = oneOf(64<<10, 4<<10).Draw(t, "segment")
			c.Disk.Sync = oneOf(sim.Dist{}, sim.Constant(time.Millisecond), sim.Exponential(2*time.Millisecond)).Draw(t, "disk sync")
			c.Disk.Sector = oneOf(512, 64, 4096).Draw(t, "sector")
		} else {
			kinds = slices.DeleteFunc(slices.Clone(kinds), onDisk)
		}
		if len(kinds) > 0 {
			c.Faults = list(t, "faults", o.FaultsMax, fault(kinds, c.Nodes, c.Duration))
			c.Chaos = list(t, "chaos", o.FaultsMax, chaos(kinds, c.Nodes, c.Duration))
		}
		if o.Hangs {
			c.Heal.Hangs = oneOf("", "keep").Draw(t, "hangs after the heal")
		}
		return c
	})
}

// onDisk reports whether a kind of fault strikes a filelog's disk.
func onDisk(kind string) bool { return strings.HasPrefix(kind, "disk-") }

// Seed draws the seed of a run; it shrinks to 0.
func Seed() *rapid.Generator[uint64] { return rapid.Uint64() }

// oneOf draws one of vs; it shrinks to the first.
func oneOf[T any](vs ...T) *rapid.Generator[T] {
	return rapid.Map(rapid.IntRange(0, len(vs)-1), func(i int) T { return vs[i] })
}

// steps draws a multiple of 10 ms from lo to hi; it shrinks to lo.
func steps(lo, hi time.Duration) *rapid.Generator[time.Duration] {
	const step = 10 * time.Millisecond
	return rapid.Map(rapid.IntRange(0, int(max(hi-lo, 0)/step)), func(n int) time.Duration {
		return lo + time.Duration(n)*step
	})
}

// list draws up to limit entries. rapid removes those that do not matter, and
// moves the rest to the front.
func list[T any](t *rapid.T, label string, limit int, entry *rapid.Generator[T]) []T {
	if limit <= 0 {
		return nil
	}
	return rapid.SliceOfN(entry, 0, limit).Draw(t, label)
}
