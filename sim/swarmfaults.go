package sim

import (
	"time"
)

// drawChaos draws which kinds of faults strike by chance, and how hard. How
// many of them there are is drawn first, so that some seeds show a single
// fault well and others mix many.
func (c *Config) drawChaos(r dice) {
	share := pick(r, "share", 0.08, 0.2, 0.4)
	for _, kind := range FaultKinds() {
		k, on := r.of(kind), share
		if traits[kind].class == classDisk {
			on = max(share, 0.3) // few seeds have disks
			if !c.simulatesDisks() {
				continue
			}
		}
		if !k.chance("on", on) || kind == kindPartition && c.Nodes < 2 {
			continue
		}
		c.Chaos = append(c.Chaos, c.drawChance(k, kind))
		if kind == kindSlow {
			// What costs nothing cannot be slow.
			orElse(&c.Service, Uniform(0, 20*time.Microsecond))
		}
	}
	c.drawOpenings(r)
}

// drawOpenings lets appenders be opened again while openings fail: without
// panics, hangs or crashes no opening would ever come.
func (c *Config) drawOpenings(r dice) {
	failing, opening := false, false
	for _, x := range c.Chaos {
		failing = failing || traits[x.Kind].class == classOpen
		switch x.Kind {
		case kindCrash, kindAppendPanic, kindAppendHang, kindAppendDeaf:
			opening = true
		}
	}
	if !failing || opening {
		return
	}
	kind := pick(r, "opening", kindCrash, kindAppendPanic, kindAppendDeaf)
	c.Chaos = append(c.Chaos, c.drawChance(r.of("openings"), kind))
}

// drawChance draws one kind: so that it strikes from about once to about ten
// times in the run.
func (c *Config) drawChance(r dice, kind string) Chaos {
	t := traits[kind]
	x := Chaos{Kind: kind}
	times := r.float("times", 1, 10)
	if t.class == classOpen {
		times = r.float("times", 5, 20) // openings are rare
	}
	targets := c.Nodes
	if t.class == classMesh || kind == kindClog {
		targets = 1
	}
	x.Every = milli(min(max(time.Duration(float64(c.Duration)*float64(targets)/times), 50*time.Millisecond), time.Hour))
	if t.lasts {
		x.For = c.drawFor(r, kind)
	}
	switch kind {
	case kindSlow:
		x.Factor = r.float("factor", 2, 10)
	case kindDiskSlow:
		x.Factor = r.float("factor", 10, 1000) // from harmless to past the deadline
	case kindSkew:
		x.Factor = r.float("factor", 0.5, 2)
	case kindJump:
		x.By = r.span("by", 100*time.Millisecond, time.Hour)
		if r.chance("back", 0.5) {
			x.By = -x.By
		}
	case kindLatency:
		x.By = r.span("by", time.Millisecond, 300*time.Millisecond)
	case kindAppendLatency:
		// From harmless to past the deadline.
		x.By = milli(max(time.Millisecond, time.Duration(float64(c.Host.Deadline)*r.float("by", 0.01, 2))))
	}
	if t.prob {
		x.Prob = r.float("prob", 0.05, 1)
	}
	if t.class == classOpen {
		x.Prob = r.float("prob", 0.3, 1)
	}
	return x
}

// drawFor draws how long a strike lasts. A hang only shows when it outlasts
// the deadline and the grace.
func (c *Config) drawFor(r dice, kind string) Dist {
	lo, hi := 50*time.Millisecond, 2*time.Second
	if traits[kind].class == classOpen {
		lo, hi = time.Second, 4*time.Second // openings are rare
	}
	if hangs(kind) {
		lo = min(max(c.Host.Deadline+c.Host.Grace, lo), hi)
		hi = max(2*lo, hi)
	}
	mean := milli(r.span("for", lo, hi))
	if r.chance("for.even", 0.5) {
		return Uniform(mean/2, mean/2+mean)
	}
	return Constant(mean)
}

// drawFaults draws a short timetable of faults that are certain to strike: of
// kinds that do not strike by chance as well, because a node that is down
// cannot crash again.
func (c *Config) drawFaults(r dice) {
	busy := make(map[string]bool)
	for _, x := range c.Chaos {
		busy[x.Kind] = true
	}
	for _, kind := range []string{kindCrash, kindPause, kindSlow, kindSkew, kindJump, kindClog, kindPartition} {
		k := r.of(kind)
		if busy[kind] || kind == kindPause && busy[kindCrash] || kind == kindCrash && busy[kindPause] ||
			kind == kindPartition && c.Nodes < 2 || !k.chance("on", 0.15) {
			continue
		}
		x := c.drawChance(k, kind)
		f := Fault{Kind: kind, Factor: x.Factor, By: x.By, Prob: x.Prob}
		f.At = milli(time.Duration(float64(c.Duration) * k.float("at", 0.05, 0.8)))
		if f.At >= c.Duration {
			continue
		}
		if traits[kind].lasts {
			f.For = milli(k.span("for", 100*time.Millisecond, 3*time.Second))
		}
		victim := k.between("victim", 1, c.Nodes)
		if kind == kindPartition {
			f.Shape = pick(k, "shape", shapeSymmetric, shapeOneWay)
			f.Groups = [][]string{{NodeName(victim)}}
		} else {
			f.Nodes = []string{NodeName(victim)}
		}
		if kind == kindSlow {
			orElse(&c.Service, Uniform(0, 20*time.Microsecond))
		}
		c.Faults = append(c.Faults, f)
	}
}

// milli rounds to a millisecond, for people who read the scenario.
func milli(d time.Duration) time.Duration { return max(d.Round(time.Millisecond), time.Millisecond) }
