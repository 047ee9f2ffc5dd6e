package sim

import (
	"fmt"
	"slices"
	"time"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// nemesis strikes the world: by the timetable of Config.Faults, and by the
// chances of Config.Chaos. Everything that it will do is a function of the
// configuration and the seed; nothing that the mesh does shifts it.
type nemesis struct {
	w        *world
	promises []*promise
	active   []*strike // in force, in the order of their beginning
	struck   uint64    // applications so far
	over     bool      // healed: nothing strikes any more
}

// plan schedules the timetable and the first strike of every chance.
func (m *nemesis) plan() error {
	cfg := &m.w.cfg
	for i := range cfg.Faults {
		if err := m.script(i); err != nil {
			return err
		}
	}
	for i := range cfg.Chaos {
		if err := m.chaos(i); err != nil {
			return err
		}
	}
	return nil
}

// script schedules entry i of the timetable.
func (m *nemesis) script(i int) error {
	f := m.w.cfg.Faults[i]
	p := m.promise(fmt.Sprintf("faults[%d] (%s at %v)", i, f.Kind, f.At), f.Kind)
	p.scripted = f.Prob == 0 || f.Prob >= 1
	if reason := m.w.cannot(f.Kind); reason != "" {
		m.w.skip(p, reason)
		return nil
	}
	nodes, groups, err := m.w.targets(&f)
	if err != nil {
		return fmt.Errorf("faults[%d]: %w", i, err)
	}
	s := newStrike(f, p, nodes, len(m.w.nodes), mix(mix(m.w.seed, rootFaults), uint64(i)))
	s.groups = groups
	m.w.stage.at(f.At, func() { m.begin(s, f.For) })
	return nil
}

// chaos schedules the first strike of entry i of the chances at each of its
// targets.
func (m *nemesis) chaos(i int) error {
	c := m.w.cfg.Chaos[i]
	p := m.promise(fmt.Sprintf("chaos[%d] (%s every %v)", i, c.Kind, c.Every), c.Kind)
	if reason := m.w.cannot(c.Kind); reason != "" {
		m.w.skip(p, reason)
		return nil
	}
	nodes, _, err := m.w.targets(&Fault{Kind: c.Kind, Nodes: c.Nodes})
	if err != nil {
		return fmt.Errorf("chaos[%d]: %w", i, err)
	}
	key := mix(mix(m.w.seed, rootChaos), uint64(i))
	whole := c.Kind == kindPartition || c.Kind == kindClog
	if strikes := float64(m.w.cfg.Duration) / float64(c.Every); whole {
		p.expected = strikes
	} else if classOf(c.Kind) == classNode || c.Kind == kindDiskFlip {
		p.expected = strikes * float64(len(nodes))
	}
	if whole {
		m.next(&odds{m: m, c: c, p: p, nodes: nodes, key: key})
		return nil
	}
	for _, n := range nodes {
		m.next(&odds{m: m, c: c, p: p, nodes: []uint32{n}, key: mix(key, uint64(n))})
	}
	return nil
}

// cannot says why a kind of fault cannot be had in this run; empty if it can.
func (w *world) cannot(kind string) string {
	if classOf(kind) == classDisk && !w.cfg.simulatesDisks() {
		return "the appender is the user's own, and so is the disk that it is on"
	}
	return w.stage.cannot(kind)
}

// odds is one entry of the chaos at one target.
type odds struct {
	m     *nemesis
	c     Chaos
	p     *promise
	nodes []uint32
	key   uint64
	num   uint64 // strikes so far
}

// The purposes of a chance's draws, keyed by the strike's number.
const (
	purposeGap = iota + 1
	purposeFor
	purposeShape
	purposeSide
	purposeVictim
)

// next schedules the next strike: the gaps are exponential, a Poisson process.
func (m *nemesis) next(x *odds) {
	gap := draw(Exponential(x.c.Every), x.key, purposeGap, x.num)
	m.w.stage.at(m.w.now()+gap, func() {
		if m.over {
			return
		}
		x.strike()
		x.num++
		m.next(x)
	})
}

func (x *odds) strike() {
	f := Fault{Kind: x.c.Kind, Factor: x.c.Factor, By: x.c.By, Prob: x.c.Prob}
	nodes := x.nodes
	if f.Kind == kindClog {
		v := below(len(nodes), x.key, purposeVictim, x.num)
		nodes = nodes[v : v+1]
	}
	s := newStrike(f, x.p, nodes, len(x.m.w.nodes), mix(x.key, x.num))
	if f.Kind == kindPartition {
		s.fault.Shape, s.groups = x.sides()
	}
	x.m.begin(s, draw(x.c.For, x.key, purposeFor, x.num))
}

// sides draws a partition: its shape, and a side for every node. Both sides
// have at least one node.
func (x *odds) sides() (shape string, groups [][]uint32) {
	shape = [...]string{shapeSymmetric, shapeOneWay, shapePartial}[below(3, x.key, purposeShape, x.num)]
	groups = make([][]uint32, 2)
	if shape == shapePartial {
		groups = append(groups, nil)
	}
	key := mix(x.key, x.num)
	for i, n := range x.nodes {
		g := below(len(groups), key, purposeSide, uint64(i))
		groups[g] = append(groups[g], n)
	}
	for i := range groups[:2] {
		if len(groups[i]) > 0 {
			continue
		}
		// The biggest other side gives its last node.
		big := 0
		for j := range groups {
			if len(groups[j]) > len(groups[big]) {
				big = j
			}
		}
		last := len(groups[big]) - 1
		groups[i] = append(groups[i], groups[big][last])
		groups[big] = groups[big][:last]
	}
	return shape, groups
}

func (m *nemesis) promise(label, kind string) *promise {
	p := &promise{label: label, kind: kind}
	m.promises = append(m.promises, p)
	return p
}

// begin applies a strike, to end after d; 0: at the heal.
func (m *nemesis) begin(s *strike, d time.Duration) {
	if m.over {
		return
	}
	m.struck++
	s.active = true
	m.active = append(m.active, s)
	switch s.class {
	case classNode:
		for _, id := range s.nodes {
			if m.w.nodes[id-1].begin(s) {
				m.tell(trace.FaultStruck, s, id)
			}
		}
	case classLink:
		m.w.net.begin(s)
		if s.fault.Kind == kindClog {
			s.promise.fired++
		}
		m.tellAll(trace.FaultStruck, s)
	case classMesh:
		m.w.net.begin(s)
		s.promise.fired++
		m.tell(trace.FaultStruck, s, 0)
	case classAppend, classOpen:
		for _, id := range s.nodes {
			m.w.nodes[id-1].spoil(s)
		}
		m.tellAll(trace.FaultStruck, s)
	case classDisk:
		for _, id := range s.nodes {
			if m.w.nodes[id-1].rot(s) {
				m.tell(trace.FaultStruck, s, id)
			}
		}
	}
	if d > 0 {
		m.w.stage.at(m.w.now()+d, func() { m.end(s) })
	}
}

// end heals a strike, unless it was healed before.
func (m *nemesis) end(s *strike) {
	if !s.active {
		return
	}
	s.active = false
	m.active = without(m.active, s)
	switch s.class {
	case classNode:
		for _, id := range s.nodes {
			if err := m.w.nodes[id-1].end(s); err != nil {
				m.w.fail(err)
			}
		}
	case classLink, classMesh:
		m.w.net.end(s)
	case classAppend, classOpen:
		for i, id := range s.nodes {
			m.w.nodes[id-1].mend(s, i, m.w.keepHangs)
		}
	case classDisk:
		if s.fault.Kind == kindDiskFlip {
			return // it stays
		}
		for i, id := range s.nodes {
			s.undos[i]()
			m.w.nodes[id-1].settle(s)
		}
	}
	if s.class == classMesh {
		m.tell(trace.FaultHealed, s, 0)
		return
	}
	m.tellAll(trace.FaultHealed, s)
}

// heal ends every fault, the oldest first, and lets none begin. Where hangs
// are to be kept, the faults that make calls hang for ever stay in force.
func (m *nemesis) heal() {
	m.over = true
	for _, s := range slices.Clone(m.active) {
		if m.w.keepHangs && deaf(s.fault.Kind) {
			continue
		}
		m.end(s)
	}
}

// deaf reports whether a kind of fault makes calls hang that ignore their
// context: only those can hang for ever, the others end at their deadline.
func deaf(kind string) bool { return kind == kindAppendDeaf || kind == kindOpenDeaf }

// hangs reports whether a kind of fault makes calls hang.
func hangs(kind string) bool {
	switch kind {
	case kindAppendHang, kindAppendDeaf, kindOpenHang, kindOpenDeaf:
		return true
	}
	return false
}

func (m *nemesis) tellAll(k trace.Kind, s *strike) {
	for _, id := range s.nodes {
		m.tell(k, s, id)
	}
}

func (m *nemesis) tell(k trace.Kind, s *strike, node uint32) {
	m.w.tell(trace.Event{Kind: k, Node: node, Name: s.fault.Kind})
}

// spoil lets an appender fault act on a node's appender.
func (n *node) spoil(s *strike) {
	f := appender.Fault{Prob: s.fault.Prob, Latency: s.fault.By}
	if hangs(s.fault.Kind) {
		n.hangs++
		f.Latency = 0 // until it heals
	}
	if s.fault.Record > 0 {
		f.From, f.Times = s.fault.Record, 1
	}
	n.w.spoilMu.Lock()
	n.spoils = append(n.spoils, spoilt{strike: s, exposed: n.exposed(s.fault.Kind)})
	n.w.spoilMu.Unlock()
	s.removes = append(s.removes, n.control.Add(appender.Rule{Kind: s.fault.Kind, Fault: f}))
}

// mend takes the i-th node's part of an appender fault back. Calls that hang
// go on when the last fault that makes calls hang has ended, unless hangs are
// to be kept.
func (n *node) mend(s *strike, i int, keep bool) {
	s.removes[i]()
	n.settle(s)
	if !hangs(s.fault.Kind) {
		return
	}
	if n.hangs--; n.hangs == 0 && !keep {
		n.control.Release()
	}
}

// rot lets a fault act on a node's disk; false if there was nothing to strike.
func (n *node) rot(s *strike) bool {
	n.w.spoilMu.Lock()
	defer n.w.spoilMu.Unlock()
	kind := s.fault.Kind
	x := spoilt{strike: s, exposed: n.exposed(kind)}
	x.struck, _ = n.disk.struck(kind)
	undo, struck := n.disk.strike(&s.fault)
	s.undos = append(s.undos, undo)
	switch {
	case kind != kindDiskFlip:
		n.spoils = append(n.spoils, x)
	case struck:
		s.promise.fired++
	}
	return struck
}

// settle closes the account of a fault of the appender or its disk that ends at
// the node.
func (n *node) settle(s *strike) {
	n.w.spoilMu.Lock()
	defer n.w.spoilMu.Unlock()
	for j := range n.spoils {
		if n.spoils[j].strike == s {
			n.expect(&n.spoils[j])
			n.spoils = slices.Delete(n.spoils, j, j+1)
			return
		}
	}
}

// expect closes the account of a fault of the appender or its disk: how many
// strikes were to be expected of the occasions that it had, and, of one of the
// disk, how many there were.
func (n *node) expect(x *spoilt) {
	if x.strike.class == classDisk {
		struck, _ := n.disk.struck(x.strike.fault.Kind)
		x.strike.promise.fired += struck - x.struck
	}
	// Live, an opening may have been counted before what struck it was.
	occasions := max(0, int64(n.exposed(x.strike.fault.Kind)-x.exposed))
	x.strike.promise.expected += x.strike.fault.Prob * float64(occasions)
}

// spoilt is a fault of the appender or its disk in force at a node.
type spoilt struct {
	strike  *strike
	exposed uint64 // the node's exposure when it began
	struck  uint64 // and what its kind had struck, of the disk's
}
