package gen

import (
	"slices"
	"strconv"
	"time"

	"pgregory.net/rapid"

	"meshsim/sim"
)

// latency draws a distribution whose mean is about that given, or none.
func latency(mean time.Duration) *rapid.Generator[sim.Dist] {
	return oneOf(sim.Dist{}, sim.Constant(mean), sim.Uniform(mean/2, 2*mean), sim.Exponential(mean),
		sim.Normal(mean, mean/4), sim.Pareto(mean/2, 2.5))
}

func host() *rapid.Generator[sim.Host] {
	return rapid.Custom(func(t *rapid.T) sim.Host {
		return sim.Host{
			Inbox:      oneOf(1024, 1, 4, 32).Draw(t, "inbox"),
			Batch:      oneOf(128, 1, 3, 16).Draw(t, "batch"),
			Attempts:   rapid.IntRange(1, 4).Draw(t, "attempts"),
			Abandoned:  rapid.IntRange(2, 4).Draw(t, "abandoned"),
			Deadline:   oneOf(time.Second, 100*time.Millisecond).Draw(t, "deadline"),
			Grace:      oneOf(250*time.Millisecond, 20*time.Millisecond).Draw(t, "grace"),
			Backoff:    oneOf(50*time.Millisecond, 5*time.Millisecond).Draw(t, "backoff"),
			MaxBackoff: oneOf(5*time.Second, 50*time.Millisecond).Draw(t, "largest backoff"),
			Probe:      oneOf(time.Second, 100*time.Millisecond).Draw(t, "probe"),
		}
	})
}

func network() *rapid.Generator[sim.Network] {
	return rapid.Custom(func(t *rapid.T) sim.Network {
		n := sim.Network{
			Latency:   oneOf(sim.Constant(time.Millisecond), sim.Uniform(time.Millisecond, 5*time.Millisecond), sim.Exponential(10*time.Millisecond)).Draw(t, "latency"),
			Jitter:    latency(time.Millisecond).Draw(t, "jitter"),
			Loss:      oneOf(0, 0.01, 0.2).Draw(t, "loss"),
			Duplicate: oneOf(0, 0.01, 0.2).Draw(t, "duplicate"),
			Reorder:   oneOf(0, 0.01, 0.2).Draw(t, "reorder"),
		}
		n.InFlight = oneOf("deliver", "drop").Draw(t, "in flight at a cut")
		return n
	})
}

func load(end time.Duration) *rapid.Generator[sim.Load] {
	return rapid.Custom(func(t *rapid.T) sim.Load {
		l := sim.Load{
			Kind:  oneOf(sim.LoadConstant, sim.LoadPoisson, sim.LoadBurst, sim.LoadRamp).Draw(t, "kind"),
			From:  steps(0, end/2).Draw(t, "from"),
			Bytes: oneOf(48, 1, 1000).Draw(t, "bytes"),
		}
		l.Until = l.From + steps(10*time.Millisecond, end-l.From).Draw(t, "lasts")
		switch l.Kind {
		case sim.LoadBurst:
			l.Size = oneOf(1, 10, 200).Draw(t, "size")
			l.Every = oneOf(time.Second, 300*time.Millisecond).Draw(t, "every")
		case sim.LoadRamp:
			l.Rate = oneOf[float64](1, 10, 100).Draw(t, "rate")
			l.To = oneOf[float64](1, 10, 100).Draw(t, "to")
		default:
			l.Rate = oneOf[float64](1, 10, 100).Draw(t, "rate")
		}
		return l
	})
}

// What kinds of faults take, beside those that take nothing but nodes and a
// time to last.
var (
	momentary = []string{"jump", "disk-flip"}
	delaying  = []string{"latency", "append-latency"}
	recorded  = []string{"append-error", "append-latency", "append-hang", "append-deaf", "append-panic", "applied-then-error"}
	likely    = append([]string{"loss", "duplicate", "reorder", "latency", "open-error", "open-hang", "open-deaf", "open-panic",
		"disk-error", "disk-short", "disk-sync-error"}, recorded...)
)

// strength draws how hard a fault of the kind strikes.
func strength(t *rapid.T, kind string) (factor float64, by time.Duration, prob float64) {
	switch {
	case kind == "slow":
		factor = oneOf[float64](2, 10).Draw(t, "factor")
	case kind == "disk-slow":
		factor = oneOf[float64](10, 1000).Draw(t, "factor")
	case kind == "skew":
		factor = oneOf(1.01, 0.5, 2).Draw(t, "factor")
	case kind == "jump":
		by = oneOf(time.Second, -time.Hour, 24*time.Hour).Draw(t, "by")
	case slices.Contains(delaying, kind):
		by = oneOf(10*time.Millisecond, 300*time.Millisecond, 2*time.Second).Draw(t, "by")
	}
	if slices.Contains(likely, kind) {
		prob = oneOf(1, 0.5, 0.05).Draw(t, "probability")
	}
	return factor, by, prob
}

// kindOf draws one of the kinds. A mesh of one node cannot be parted: there a
// partition is a pause, so that a scenario stays what it is when it shrinks.
func kindOf(kinds []string, nodes int) *rapid.Generator[string] {
	return rapid.Map(rapid.SampledFrom(kinds), func(kind string) string {
		if kind == "partition" && nodes < 2 {
			return "pause"
		}
		return kind
	})
}

func fault(kinds []string, nodes int, end time.Duration) *rapid.Generator[sim.Fault] {
	return rapid.Custom(func(t *rapid.T) sim.Fault {
		f := sim.Fault{
			Kind: kindOf(kinds, nodes).Draw(t, "kind"),
			At:   steps(0, end-20*time.Millisecond).Draw(t, "at"),
		}
		if !slices.Contains(momentary, f.Kind) {
			f.For = steps(0, end).Draw(t, "for") // 0: until the heal
		}
		if f.Kind == "partition" {
			f.Groups, f.Shape = sides(t, nodes)
			return f
		}
		f.Nodes = some(t, nodes)
		f.Factor, f.By, f.Prob = strength(t, f.Kind)
		if slices.Contains(recorded, f.Kind) {
			f.Record = oneOf[uint64](0, 1, 2, 7).Draw(t, "record")
		}
		return f
	})
}

func chaos(kinds []string, nodes int, end time.Duration) *rapid.Generator[sim.Chaos] {
	return rapid.Custom(func(t *rapid.T) sim.Chaos {
		c := sim.Chaos{
			Kind:  kindOf(kinds, nodes).Draw(t, "kind"),
			Every: steps(100*time.Millisecond, end).Draw(t, "every"),
		}
		if !slices.Contains(momentary, c.Kind) {
			c.For = oneOf(sim.Constant(100*time.Millisecond), sim.Exponential(500*time.Millisecond)).Draw(t, "for")
		}
		c.Factor, c.By, c.Prob = strength(t, c.Kind)
		return c
	})
}

// some draws the nodes that a fault strikes: one, or all.
func some(t *rapid.T, nodes int) []string {
	if n := rapid.IntRange(1, nodes+1).Draw(t, "node (the last: all)"); n <= nodes {
		return []string{nodeName(n)}
	}
	return []string{"all"}
}

// sides draws a partition's groups: the first i nodes against the rest.
func sides(t *rapid.T, nodes int) (groups [][]string, shape string) {
	cut := rapid.IntRange(1, nodes-1).Draw(t, "nodes on the first side")
	groups = make([][]string, 2)
	for n := 1; n <= nodes; n++ {
		side := 0
		if n > cut {
			side = 1
		}
		groups[side] = append(groups[side], nodeName(n))
	}
	return groups, oneOf("symmetric", "one-way", "partial").Draw(t, "shape")
}

func nodeName(n int) string { return "n" + strconv.Itoa(n) }
