package sim

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// trait says which fields a kind of fault takes.
type trait struct {
	class                    class
	factor, by, prob, record bool
	lasts                    bool // has an end: For applies
}

// traits are the kinds of faults. See [Fault.Kind].
var traits = map[string]trait{
	kindCrash:         {class: classNode, lasts: true},
	kindPause:         {class: classNode, lasts: true},
	kindSlow:          {class: classNode, lasts: true, factor: true},
	kindSkew:          {class: classNode, lasts: true, factor: true},
	kindJump:          {class: classNode, by: true},
	kindClog:          {class: classLink, lasts: true},
	kindLoss:          {class: classLink, lasts: true, prob: true},
	kindDuplicate:     {class: classLink, lasts: true, prob: true},
	kindReorder:       {class: classLink, lasts: true, prob: true},
	kindLatency:       {class: classLink, lasts: true, prob: true, by: true},
	kindPartition:     {class: classMesh, lasts: true},
	kindAppendError:   {class: classAppend, lasts: true, prob: true, record: true},
	kindAppendLatency: {class: classAppend, lasts: true, prob: true, record: true, by: true},
	kindAppendHang:    {class: classAppend, lasts: true, prob: true, record: true},
	kindAppendDeaf:    {class: classAppend, lasts: true, prob: true, record: true},
	kindAppendPanic:   {class: classAppend, lasts: true, prob: true, record: true},
	kindAppliedError:  {class: classAppend, lasts: true, prob: true, record: true},
	kindOpenError:     {class: classOpen, lasts: true, prob: true},
	kindOpenHang:      {class: classOpen, lasts: true, prob: true},
	kindOpenDeaf:      {class: classOpen, lasts: true, prob: true},
	kindOpenPanic:     {class: classOpen, lasts: true, prob: true},
	kindDiskFull:      {class: classDisk, lasts: true},
	kindDiskError:     {class: classDisk, lasts: true, prob: true},
	kindDiskShort:     {class: classDisk, lasts: true, prob: true},
	kindDiskSyncError: {class: classDisk, lasts: true, prob: true},
	kindDiskSlow:      {class: classDisk, lasts: true, factor: true},
	kindDiskFlip:      {class: classDisk},
}

// faultKinds are in the order in which the documentation of Fault.Kind has them.
var faultKinds = []string{
	kindCrash, kindPause, kindSlow, kindSkew, kindJump, kindClog, kindPartition, kindLoss, kindDuplicate,
	kindReorder, kindLatency, kindAppendError, kindAppendLatency, kindAppendHang, kindAppendDeaf, kindAppendPanic,
	kindOpenError, kindOpenHang, kindOpenDeaf, kindOpenPanic, kindAppliedError,
	kindDiskFull, kindDiskError, kindDiskShort, kindDiskSyncError, kindDiskSlow, kindDiskFlip,
}

// FaultKinds are the kinds that a [Fault] and a [Chaos] know.
func FaultKinds() []string { return slices.Clone(faultKinds) }

// checks finds the first wrong field of a configuration whose defaults are
// filled in.
type checks struct {
	c   *Config
	m   *Matrix
	err error
}

// that records the first claim that does not hold.
func (k *checks) that(ok bool, path, found, expected string) {
	if k.err == nil && !ok {
		k.err = &FieldError{Path: path, Found: found, Expected: expected}
	}
}

// take records the first error of others.
func (k *checks) take(path string, err error) {
	if k.err == nil && err != nil {
		k.err = within(path, err)
	}
}

func (k *checks) count(path string, v, lo, hi int) {
	if v < lo || v > hi {
		k.that(false, path, strconv.Itoa(v), fmt.Sprintf("a number from %d to %d", lo, hi))
	}
}

func (k *checks) span(path string, v, lo, hi time.Duration) {
	if v < lo || v > hi {
		k.that(false, path, v.String(), fmt.Sprintf("a duration from %v to %v", lo, hi))
	}
}

func (k *checks) share(path string, v float64, what string) {
	if !(v >= 0 && v <= 1) {
		k.that(false, path, number(v), "a "+what+" from 0 to 1")
	}
}

func (k *checks) word(path, v string, allowed ...string) {
	if !slices.Contains(allowed, v) {
		k.that(false, path, strconv.Quote(clip(v)), oneOf(v, allowed))
	}
}

func (k *checks) dist(path string, d Dist) {
	if expected := d.fault(); expected != "" {
		k.that(false, path, strconv.Quote(d.String()), expected)
	}
}

// unused says that a field which is set does not belong to its entry's kind.
func (k *checks) unused(set bool, path, field, kind string) {
	if set {
		k.that(false, path+field, strconv.Quote(field[1:]), "no such field: "+kind+" does not take it")
	}
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// The smallest and largest intervals that a node's timers may have.
const (
	intervalMin = time.Millisecond
	intervalMax = time.Hour
)

// all checks every field in the order of the struct.
func (k *checks) all() {
	c := k.c
	k.count("nodes", c.Nodes, 1, NodesMax)
	k.span("duration", c.Duration, time.Millisecond, DurationMax)
	k.span("recovery", c.Recovery, time.Millisecond, DurationMax)
	k.span("loop.tick", c.Loop.Tick, intervalMin, intervalMax)
	k.count("loop.ring", c.Loop.Ring, 1, QueueMax)
	k.count("loop.inbox", c.Loop.Inbox, 1, QueueMax)
	k.mesh(c.Mesh)
	k.appender(c.Appender)
	k.disk(c.Disk)
	k.host(c.Host)
	k.network(c.Network)
	k.dist("service", c.Service)
	if k.err != nil {
		return // what follows refers to the mesh
	}
	for i := range c.Load {
		k.load(fmt.Sprintf("load[%d]", i), &c.Load[i])
	}
	for i := range c.Faults {
		k.fault(fmt.Sprintf("faults[%d]", i), &c.Faults[i])
	}
	for i := range c.Chaos {
		k.chaos(fmt.Sprintf("chaos[%d]", i), &c.Chaos[i])
	}
	k.word("schedule.kind", c.Schedule.Kind, "default", "random")
	k.span("schedule.hold", c.Schedule.Hold, 0, time.Minute)
	if c.Schedule.Hold != 0 && c.Schedule.Kind != "random" {
		k.that(false, "schedule.hold", c.Schedule.Hold.String(), "no hold: only a random schedule keeps steps back")
	}
	k.word("heal.hangs", c.Heal.Hangs, "release", "keep")
	k.sometimes(c.Sometimes)
	k.share("shadows", c.Shadows, "share of the nodes")
}

func (k *checks) mesh(m Mesh) {
	if m.Heartbeat != None && (m.Heartbeat < intervalMin || m.Heartbeat > intervalMax) {
		k.that(false, "mesh.heartbeat", m.Heartbeat.String(), fmt.Sprintf("a duration from %v to %v, or none", intervalMin, intervalMax))
	}
	k.count("mesh.peers", m.Peers, 0, NodesMax)
	k.that(m.Daemons == None || m.Daemons >= 1 && m.Daemons <= 10_000, "mesh.daemons",
		strconv.Itoa(m.Daemons), "a number from 1 to 10000, or none")
	if m.Crash != 0 {
		k.span("mesh.crash", m.Crash, 10*time.Millisecond, DurationMax)
	}
}

func (k *checks) host(h Host) {
	k.count("host.inbox", h.Inbox, 1, QueueMax)
	k.count("host.batch", h.Batch, 1, 1<<16)
	k.count("host.attempts", h.Attempts, 1, 1000)
	k.count("host.abandoned", h.Abandoned, 2, 1000)
	k.span("host.deadline", h.Deadline, intervalMin, intervalMax)
	k.span("host.grace", h.Grace, intervalMin, intervalMax)
	k.span("host.backoff", h.Backoff, intervalMin, intervalMax)
	k.span("host.max_backoff", h.MaxBackoff, intervalMin, intervalMax)
	if h.MaxBackoff < h.Backoff {
		k.that(false, "host.max_backoff", h.MaxBackoff.String(), "at least host.backoff, "+h.Backoff.String())
	}
	k.span("host.probe", h.Probe, intervalMin, intervalMax)
}

func (k *checks) network(n Network) {
	k.dist("network.latency", n.Latency)
	k.dist("network.jitter", n.Jitter)
	k.share("network.loss", n.Loss, "probability")
	k.share("network.duplicate", n.Duplicate, "probability")
	k.share("network.reorder", n.Reorder, "probability")
	if len(n.Regions) > 0 && n.Matrix == "" {
		k.that(false, "network.regions", count(len(n.Regions), "region"), "network.matrix beside them")
	}
	if k.err == nil {
		k.m, k.err = k.c.matrix()
	}
	k.word("network.in_flight", n.InFlight, "deliver", inFlightDrop)
}

// nodes checks that refs name somebody.
func (k *checks) nodes(path string, refs []string) []int {
	if k.err != nil {
		return nil
	}
	ids, err := NodesOf(refs, k.c.Nodes, k.m)
	k.take(path, err)
	k.that(len(ids) > 0, path, "no nodes", `node names such as "n1", region names, or "all"`)
	return ids
}

// prolonged reports whether a replay may last longer than the safety phase.
func (c *Config) prolonged() bool {
	return slices.ContainsFunc(c.Load, func(l Load) bool { return l.Kind == LoadReplay && l.Until == 0 })
}

// start checks a time of the timetable.
func (k *checks) start(path string, at time.Duration) {
	if k.c.prolonged() {
		k.span(path, at, 0, DurationMax)
		return
	}
	if at < 0 || at >= k.c.Duration {
		k.that(false, path, at.String(), fmt.Sprintf("a time before the end, %v", k.c.Duration))
	}
}

func (k *checks) load(path string, l *Load) {
	k.word(path+".kind", l.Kind, LoadConstant, LoadPoisson, LoadBurst, LoadRamp, LoadReplay)
	k.nodes(path+".nodes", l.Nodes)
	rated := l.Kind == LoadConstant || l.Kind == LoadPoisson
	burst, ramp, replay := l.Kind == LoadBurst, l.Kind == LoadRamp, l.Kind == LoadReplay
	rate := func(name string, v float64, lo float64) {
		if !(v >= lo && v <= RateMax) {
			k.that(false, path+name, number(v), fmt.Sprintf("lines per second, from %v to %v", lo, int(RateMax)))
		}
	}
	switch {
	case rated:
		rate(".rate", l.Rate, 0.001)
	case ramp:
		rate(".rate", l.Rate, 0)
		rate(".to", l.To, 0)
		k.that(l.Rate > 0 || l.To > 0, path+".to", "a ramp from 0 to 0", "a rate above 0 at one end")
	case burst:
		k.count(path+".size", l.Size, 1, RateMax)
		k.span(path+".every", l.Every, intervalMin, DurationMax)
	case replay:
		k.that(l.File != "", path+".file", "nothing", "the log file to replay")
		k.that(l.Speed > 0 && l.Speed <= 1e9, path+".speed", number(l.Speed), "a factor above 0, at most 1e9")
		k.span(path+".max_gap", l.MaxGap, time.Nanosecond, DurationMax)
	}
	k.unused(l.Rate != 0 && !rated && !ramp, path, ".rate", l.Kind)
	k.unused(l.To != 0 && !ramp, path, ".to", l.Kind)
	k.unused(l.Size != 0 && !burst, path, ".size", l.Kind)
	k.unused(l.Every != 0 && !burst, path, ".every", l.Kind)
	k.unused(l.File != "" && !replay, path, ".file", l.Kind)
	k.unused(l.Speed != 0 && !replay, path, ".speed", l.Kind)
	k.unused(l.MaxGap != 0 && !replay, path, ".max_gap", l.Kind)
	k.unused(l.Bytes != 0 && replay, path, ".bytes", l.Kind)
	if !replay {
		k.count(path+".bytes", l.Bytes, 1, BytesMax)
	}
	k.start(path+".from", l.From)
	k.until(path+".until", l)
	if replay && k.err == nil {
		k.err = readableLog(path+".file", l.File)
	}
}

func (k *checks) until(path string, l *Load) {
	switch {
	case l.Kind == LoadReplay && l.Until == 0:
	case l.Until <= l.From:
		k.that(false, path, l.Until.String(), fmt.Sprintf("a time after from, %v", l.From))
	case l.Until > k.c.Duration && !k.c.prolonged():
		k.that(false, path, l.Until.String(), fmt.Sprintf("a time until the end, %v", k.c.Duration))
	}
}

func (k *checks) fault(path string, f *Fault) {
	k.start(path+".at", f.At)
	k.word(path+".kind", f.Kind, faultKinds...)
	if k.err != nil {
		return
	}
	t := traits[f.Kind]
	k.onDisk(path, f.Kind)
	k.span(path+".for", f.For, 0, DurationMax)
	k.unused(f.For != 0 && !t.lasts, path, ".for", f.Kind)
	if t.class == classMesh {
		k.partition(path, f)
		k.unused(len(f.Nodes) > 0, path, ".nodes", f.Kind)
	} else {
		k.nodes(path+".nodes", f.Nodes)
		k.unused(len(f.Groups) > 0, path, ".groups", f.Kind)
		k.unused(f.Shape != "", path, ".shape", f.Kind)
	}
	k.strength(path, f.Kind, f.Factor, f.By, f.Prob)
	k.unused(f.Record != 0 && !t.record, path, ".record", f.Kind)
	if f.Record > math.MaxInt64 {
		k.that(false, path+".record", strconv.FormatUint(f.Record, 10), "a record's number")
	}
}

// strength checks the fields that say how hard a fault strikes.
func (k *checks) strength(path, kind string, factor float64, by time.Duration, prob float64) {
	t := traits[kind]
	switch {
	case !t.factor:
		k.unused(factor != 0, path, ".factor", kind)
	case slows(kind) && !(factor >= 1 && factor <= 1e6):
		k.that(false, path+".factor", number(factor), "how many times slower, from 1 to 1e6")
	case !slows(kind) && !(factor >= 0.1 && factor <= 10):
		k.that(false, path+".factor", number(factor), "a clock's speed, from 0.1 to 10 (1.01 is 1 % fast)")
	}
	switch {
	case !t.by:
		k.unused(by != 0, path, ".by", kind)
	case kind == kindJump && (by == 0 || by < -DurationMax || by > DurationMax):
		k.that(false, path+".by", by.String(), fmt.Sprintf("how far the wall clock jumps, up to %v either way", DurationMax))
	case kind != kindJump && (by <= 0 || by > DistMax):
		k.that(false, path+".by", by.String(), fmt.Sprintf("the latency added, above 0s, at most %v", DistMax))
	}
	if !t.prob {
		k.unused(prob != 0, path, ".prob", kind)
		return
	}
	if !(prob > 0 && prob <= 1) {
		k.that(false, path+".prob", number(prob), "a probability above 0, at most 1")
	}
}

func (k *checks) partition(path string, f *Fault) {
	lo, hi := 1, k.c.Nodes
	if f.Shape == shapePartial {
		lo, hi = 2, 3
	}
	k.word(path+".shape", f.Shape, shapeSymmetric, shapeOneWay, shapePartial)
	what := fmt.Sprintf("from %d to %d groups of nodes", lo, hi)
	k.that(len(f.Groups) >= lo && len(f.Groups) <= hi, path+".groups", count(len(f.Groups), "group"), what)
	in := make(map[int]int)
	for g, refs := range f.Groups {
		p := fmt.Sprintf("%s.groups[%d]", path, g)
		for _, id := range k.nodes(p, refs) {
			if other, twice := in[id]; twice {
				k.that(false, p, fmt.Sprintf("%s, which is in groups[%d]", NodeName(id), other), "each node in one group")
			}
			in[id] = g
		}
	}
	k.that(len(f.Groups) != 1 || len(in) < k.c.Nodes, path+".groups", "one group of every node",
		"somebody to cut it off from")
}

func (k *checks) chaos(path string, c *Chaos) {
	k.word(path+".kind", c.Kind, faultKinds...)
	if k.err != nil {
		return
	}
	t := traits[c.Kind]
	k.onDisk(path, c.Kind)
	k.span(path+".every", c.Every, intervalMin, DistMax)
	k.dist(path+".for", c.For)
	k.unused(!c.For.IsZero() && !t.lasts, path, ".for", c.Kind)
	ids := k.nodes(path+".nodes", c.Nodes)
	if t.class == classMesh && len(ids) < 2 {
		k.that(false, path+".nodes", count(len(ids), "node"), "at least 2 nodes to part")
	}
	k.strength(path, c.Kind, c.Factor, c.By, c.Prob)
}

func (k *checks) sometimes(names []string) {
	var known []string
	if len(names) > 0 {
		known = Marks()
	}
	for i, name := range names {
		path := fmt.Sprintf("sometimes[%d]", i)
		k.word(path, name, known...)
		k.that(!slices.Contains(names[:i], name), path, strconv.Quote(name)+" a second time", "each mark once")
	}
}
