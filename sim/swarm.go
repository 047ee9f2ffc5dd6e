package sim

import (
	"hash/fnv"
	"math"
	"time"
)

// The sizes that a swarm draws: small, so that thousands of seeds run in
// little time. Small meshes with small queues find what big ones do, sooner.
const (
	swarmNodesMin, swarmNodesMax       = 2, 9
	swarmDurationMin, swarmDurationMax = 3 * time.Second, 12 * time.Second
)

// openSwarm sets what the seed is still to draw to the largest that it may
// draw, so that what is set can be checked before.
func (c *Config) openSwarm() {
	c.Swarm = false
	orElse(&c.Nodes, swarmNodesMax)
	if c.namesDisk() {
		orElse(&c.Appender.Kind, appenderFilelog)
	}
	orElse(&c.Duration, max(swarmDurationMax, c.latest()+swarmTail))
}

// swarmTail is how long a drawn duration goes on after the last time that the
// configuration names.
const swarmTail = 500 * time.Millisecond

// latest is the last time that the configuration names.
func (c *Config) latest() time.Duration {
	var t time.Duration
	for _, l := range c.Load {
		t = max(t, l.From, l.Until)
	}
	for _, f := range c.Faults {
		t = max(t, f.At)
	}
	return min(t, DurationMax/2)
}

// Draw lets the seed draw every field that is at its zero, if c is a swarm:
// sizes, timing, network, load, and which faults strike, each kind on or off.
// What comes back is an ordinary configuration that no longer is a swarm, and
// valid if c is: what was set is kept. A configuration that is no swarm comes
// back as it is.
//
// The idea is swarm testing (Groce et al., "Swarm Testing", ISSTA 2012):
// leaving features out at random finds more than always using all of them,
// because features mask one another. As in TigerBeetle's VOPR, it covers every
// parameter, not only the faults. Each field has a random stream of its own,
// named by its path, so that fields may come and go without moving the others.
func (c Config) Draw(seed uint64) Config {
	if !c.Swarm {
		return c
	}
	d := c.clone()
	d.Swarm = false
	r := dice(mix(seed, rootSwarm))
	d.drawSize(r.of("size"))
	d.drawNode(r.of("node"))
	d.drawHost(r.of("host"))
	d.drawNetwork(r.of("network"))
	if len(d.Load) == 0 {
		d.drawLoad(r.of("load"))
	}
	// Either list, once set, says which faults there are to be.
	if len(d.Faults) == 0 && len(d.Chaos) == 0 {
		d.drawChaos(r.of("chaos"))
		d.drawFaults(r.of("faults"))
	}
	if d.Schedule == (Schedule{}) && r.chance("schedule", 0.6) {
		d.Schedule = Schedule{Kind: "random", Hold: pick(r, "hold", 0, 0, 200*time.Microsecond, 2*time.Millisecond, 20*time.Millisecond)}
	}
	if d.Heal.Hangs == "" && r.chance("heal.hangs", 0.25) {
		d.Heal.Hangs = "keep"
	}
	return d
}

func (c *Config) drawSize(r dice) {
	if c.Duration == 0 {
		c.Duration = max(r.span("duration", swarmDurationMin, swarmDurationMax), c.latest()+swarmTail)
	}
	if c.Nodes != 0 {
		return
	}
	c.Nodes = r.between("nodes", swarmNodesMin, swarmNodesMax)
	if c.namesNodes() {
		// What names nodes was checked against the largest mesh; it may need
		// that many.
		fixed := c.clone()
		if _, err := fixed.Resolve(); err != nil {
			c.Nodes = swarmNodesMax
		}
	}
}

// namesNodes reports whether any entry limits itself to some nodes.
func (c *Config) namesNodes() bool {
	for _, l := range c.Load {
		if len(l.Nodes) > 0 {
			return true
		}
	}
	for _, x := range c.Chaos {
		if len(x.Nodes) > 0 {
			return true
		}
	}
	return len(c.Faults) > 0
}

func (c *Config) drawNode(r dice) {
	orElse(&c.Loop.Tick, r.span("tick", 50*time.Millisecond, time.Second))
	orElse(&c.Loop.Ring, r.logBetween("ring", 4, 2048))
	orElse(&c.Loop.Inbox, r.logBetween("loop inbox", 8, 4096))
	orElse(&c.Mesh.Heartbeat, r.span("heartbeat", 50*time.Millisecond, time.Second))
	if c.Nodes > 2 && r.chance("some peers", 0.3) {
		orElse(&c.Mesh.Peers, r.between("peers", 1, c.Nodes-1))
	}
	orElse(&c.Mesh.Daemons, r.between("daemons", 1, 4))
	if r.chance("daemons crash", 0.6) {
		orElse(&c.Mesh.Crash, r.span("crash", 500*time.Millisecond, 5*time.Second))
	}
	c.drawAppender(r)
	if r.chance("latency", 0.7) {
		orElse(&c.Appender.Latency, r.dist("appender.latency", 10*time.Microsecond, 20*time.Millisecond))
	}
	if r.chance("service", 0.5) {
		// No long tail: a loop that is too busy to keep up is no finding.
		orElse(&c.Service, Uniform(0, r.span("service.max", time.Microsecond, 50*time.Microsecond)))
	}
}

// drawAppender draws the built-in appender; the user's own is what it is.
func (c *Config) drawAppender(r dice) {
	a := &c.Appender
	switch {
	case a.Kind != "":
	case c.namesDisk() || c.Open == nil && r.chance("filelog", 0.35):
		a.Kind = appenderFilelog
	case c.Open == nil && a.Capacity == 0 && r.chance("noop", 0.15):
		a.Kind = appenderNoOp
	}
	if c.Open != nil {
		return
	}
	if a.Kind != appenderNoOp {
		orElse(&a.Capacity, r.logBetween("capacity", 1, 16384))
	}
	if a.Kind == appenderFilelog {
		c.drawDisk(r.of("disk"))
	}
}

func (c *Config) drawHost(r dice) {
	h := &c.Host
	orElse(&h.Inbox, r.logBetween("inbox", 4, 1024))
	orElse(&h.Batch, r.logBetween("batch", 1, 128))
	orElse(&h.Attempts, r.between("attempts", 1, 5))
	orElse(&h.Abandoned, r.between("abandoned", 2, 5))
	orElse(&h.Deadline, r.span("deadline", 50*time.Millisecond, time.Second))
	orElse(&h.Grace, r.span("grace", 10*time.Millisecond, 250*time.Millisecond))
	backoff := r.span("backoff", 5*time.Millisecond, 100*time.Millisecond)
	if h.MaxBackoff > 0 {
		backoff = min(backoff, h.MaxBackoff)
	}
	orElse(&h.Backoff, backoff)
	orElse(&h.MaxBackoff, min(intervalMax, h.Backoff*time.Duration(r.between("max_backoff", 1, 20))))
	orElse(&h.Probe, r.span("probe", 50*time.Millisecond, time.Second))
}

func (c *Config) drawNetwork(r dice) {
	n := &c.Network
	if n.Matrix == "" && n.Latency.IsZero() && r.chance("matrix", 0.25) {
		n.Matrix = builtinMatrices[0].name
	}
	if n.Matrix == "" {
		orElse(&n.Latency, r.dist("latency", 200*time.Microsecond, 30*time.Millisecond))
	}
	if r.chance("jitter", 0.5) {
		orElse(&n.Jitter, r.dist("jitter", 100*time.Microsecond, 10*time.Millisecond))
	}
	for _, p := range []struct {
		name  string
		field *float64
	}{{"loss", &n.Loss}, {"duplicate", &n.Duplicate}, {"reorder", &n.Reorder}} {
		if r.chance(p.name, 0.4) {
			orElse(p.field, r.float(p.name+".p", 0.001, 0.2))
		}
	}
	if n.InFlight == "" && r.chance("in_flight", 0.5) {
		n.InFlight = inFlightDrop
	}
}

func (c *Config) drawLoad(r dice) {
	for i := range r.between("entries", 1, 2) {
		e := r.of([]string{"first", "second"}[i])
		l := Load{Kind: pick(e, "kind", LoadConstant, LoadPoisson, LoadBurst, LoadRamp)}
		switch l.Kind {
		case LoadBurst:
			l.Size = e.logBetween("size", 5, 300)
			l.Every = e.span("every", 400*time.Millisecond, 2*time.Second)
		case LoadRamp:
			l.Rate, l.To = e.float("rate", 1, 100), e.float("to", 1, 100)
		default:
			l.Rate = e.float("rate", 2, 100)
		}
		l.Bytes = e.logBetween("bytes", 1, 256)
		c.Load = append(c.Load, l)
	}
}

// dice are a key for the draws of one part of a configuration. Every draw is
// named, and depends on nothing but the key and its name.
type dice uint64

func (r dice) of(name string) dice {
	h := fnv.New64a()
	h.Write([]byte(name))
	return dice(mix(uint64(r), h.Sum64()))
}

func (r dice) unit(name string) float64 { return unit(uint64(r.of(name)), 0, 0) }

func (r dice) chance(name string, p float64) bool { return r.unit(name) < p }

// between is uniform in [lo, hi].
func (r dice) between(name string, lo, hi int) int {
	return lo + below(max(1, hi-lo+1), uint64(r.of(name)), 0, 0)
}

// float is between lo and hi, both above 0, each order of magnitude as likely
// as the next. It has two digits, so that a person can read the scenario.
func (r dice) float(name string, lo, hi float64) float64 {
	v := float64(lo * exp(float64(r.unit(name)*ln(hi/lo))))
	digit := 1.0
	for digit*10 > v {
		digit /= 10
	}
	for digit*100 <= v {
		digit *= 10
	}
	return min(max(math.Round(v/digit)*digit, lo), hi)
}

func (r dice) logBetween(name string, lo, hi int) int {
	return int(r.float(name, float64(lo), float64(hi)))
}

func (r dice) span(name string, lo, hi time.Duration) time.Duration {
	return time.Duration(r.float(name, float64(lo), float64(hi)))
}

func pick[T any](r dice, name string, from ...T) T {
	return from[r.between(name, 0, len(from)-1)]
}

// dist is a distribution of any kind whose mean is about from lo to hi.
func (r dice) dist(name string, lo, hi time.Duration) Dist {
	r = r.of(name)
	mean := r.span("mean", lo, hi)
	switch pick(r, "kind", DistConstant, DistUniform, DistExp, DistNormal, DistPareto) {
	case DistUniform:
		return Uniform(mean/2, mean/2+mean)
	case DistExp:
		return Exponential(mean)
	case DistNormal:
		return Normal(mean, mean/4)
	case DistPareto:
		return Pareto(mean/2, 2.5)
	}
	return Constant(mean)
}
