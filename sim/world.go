package sim

import (
	"fmt"
	"math"
	"sort"
	"sync"
	"time"

	"meshsim/actors"
	"meshsim/sim/kernel"
	"meshsim/sim/trace"
)

// stage is what a world stands on: the kernel and its virtual time in
// simulation, real timers and one director goroutine live. The world's code is
// the same on both.
type stage interface {
	arrivals
	// at calls f at t, as a step of the world. Steps of the world never run
	// beside each other.
	at(t time.Duration, f func())
	// offer fires f at t as a step of the world in which something from
	// outside reaches a node.
	offer(t time.Duration, node uint32, f kernel.Firer)
	pause(node uint32)
	resume(node uint32)
	// cannot says why a kind of fault cannot be had here; empty if it can.
	cannot(kind string) string
}

// world is one run: its nodes, links, faults and load, and what judges it.
type world struct {
	cfg    Config // resolved
	seed   uint64
	matrix *Matrix
	stage  stage
	rt     actors.Runtime
	net    network
	nodes  []node
	foe    nemesis
	court  *court
	load   *Workload

	spoilMu   sync.Mutex // guards spoils and what they count: live, calls are struck beside the director
	keepHangs bool
	prolonged int           // sources that the safety phase waits for
	endless   time.Duration // the latest line of such a source so far
	epoch     time.Time     // civil time at the beginning
	skipped   []string
	failure   error // what went wrong with the run itself, first
	ev        trace.Event
	unheard   uint64 // log lines for nodes that were down
}

// epochWall is the civil time at which every simulation begins.
var epochWall = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)

func (w *world) now() time.Duration { return w.stage.now() }

// build makes the world of a resolved configuration, with every node up and
// everything scheduled that is known in advance.
func (w *world) build(cfg Config, seed uint64) error {
	w.cfg, w.seed = cfg, seed
	w.keepHangs = cfg.Heal.Hangs == hangsKeep
	w.skipped, w.unheard, w.prolonged, w.endless, w.failure = nil, 0, 0, 0, nil
	m, err := w.cfg.matrix()
	if err != nil {
		return err
	}
	w.matrix = m
	w.buildNet()
	w.buildNodes()
	w.foe = nemesis{w: w, active: w.foe.active[:0]}
	if err := w.foe.plan(); err != nil {
		return err
	}
	if err := w.feed(); err != nil {
		return err
	}
	for i := range w.nodes {
		if err := w.nodes[i].start(); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) buildNet() {
	n := &w.net
	n.time = w.stage
	n.wants = w.court.wants
	n.emit = w.court.observe
	n.deliver = w.deliver
	n.delay = nil
	if m := w.matrix; m != nil {
		n.delay = func(from, to uint32) time.Duration { return m.NodeRTT(int(from), int(to)) / 2 }
	}
	n.reset(w.cfg.Nodes, w.seed, w.cfg.Network)
}

// buildNodes makes the nodes, and draws which carry a shadow loop: those with
// the smallest draws, so that a larger share only adds nodes.
func (w *world) buildNodes() {
	if cap(w.nodes) < w.cfg.Nodes {
		w.nodes = make([]node, w.cfg.Nodes)
	}
	w.nodes = w.nodes[:w.cfg.Nodes]
	for i := range w.nodes {
		w.nodes[i].reset(w, uint32(i+1))
	}
	share := int(math.Ceil(w.cfg.Shadows * float64(w.cfg.Nodes)))
	share = min(max(share, 1), w.cfg.Nodes)
	order := make([]int, w.cfg.Nodes)
	for i := range order {
		order[i] = i
	}
	key := mix(w.seed, rootShadows)
	sort.Slice(order, func(i, j int) bool {
		a, b := mix(key, uint64(order[i])), mix(key, uint64(order[j]))
		return a < b || a == b && order[i] < order[j]
	})
	for _, i := range order[:share] {
		w.nodes[i].shadowed = true
	}
}

// targets resolves whom a fault strikes.
func (w *world) targets(f *Fault) (nodes []uint32, groups [][]uint32, err error) {
	if f.Kind == kindPartition && len(f.Groups) > 0 {
		for _, g := range f.Groups {
			ns, err := w.named(g)
			if err != nil {
				return nil, nil, err
			}
			groups = append(groups, ns)
		}
		return nil, groups, nil
	}
	refs := f.Nodes
	if len(refs) == 0 {
		refs = []string{allNodes}
	}
	nodes, err = w.named(refs)
	if f.Kind == kindPartition {
		groups = [][]uint32{nodes}
	}
	return nodes, groups, err
}

func (w *world) named(refs []string) ([]uint32, error) {
	ns, err := NodesOf(refs, w.cfg.Nodes, w.matrix)
	if err != nil {
		return nil, err
	}
	out := make([]uint32, len(ns))
	for i, n := range ns {
		out[i] = uint32(n)
	}
	return out, nil
}

// feed opens the load and schedules the first line of every source.
func (w *world) feed() error {
	load, err := NewWorkload(&w.cfg, w.seed)
	if err != nil {
		return err
	}
	w.load = load
	for _, s := range load.Sources {
		f := &feeder{w: w, source: s}
		if s.Prolongs() {
			w.prolonged++
		}
		f.schedule()
	}
	return nil
}

// feeder brings the lines of one source to their nodes.
type feeder struct {
	w      *world
	source Source
	next   Line
	at     time.Duration
}

// schedule takes the source's next line, or ends.
func (f *feeder) schedule() {
	l, ok := f.source.Next()
	if !ok {
		if f.source.Prolongs() {
			f.w.prolonged--
		}
		return
	}
	f.next = l
	f.at = l.At
	if f.source.Prolongs() {
		f.w.endless = max(f.w.endless, f.at)
	}
	f.w.stage.offer(f.at, uint32(l.Node), f)
}

// Fire is a step: the line reaches its node. The load ends with the safety
// phase.
func (f *feeder) Fire(uint64) {
	if f.w.foe.over {
		return
	}
	n := &f.w.nodes[f.next.Node-1]
	if a := n.actor.Load(); a != nil {
		a.Log(f.next.Log)
	} else {
		f.w.unheard++
	}
	f.schedule()
}

// deliver hands a message to its node. In a live run, several goroutines call
// it at once.
func (w *world) deliver(from, to uint32, msg any) bool {
	a := w.nodes[to-1].actor.Load()
	if a == nil {
		return false
	}
	a.Deliver(uint64(from), msg)
	return true
}

// tell reports an event of the world itself.
func (w *world) tell(e trace.Event) {
	if w.court.wants.Has(e.Kind) {
		w.ev = e
		w.court.observe(&w.ev)
	}
}

// fail records that the run itself went wrong: a node that could not be
// started again.
func (w *world) fail(err error) {
	if w.failure == nil {
		w.failure = err
	}
}

// fault is what fail recorded.
func (w *world) fault() error { return w.failure }

func (w *world) skip(p *promise, reason string) {
	w.skipped = append(w.skipped, fmt.Sprintf("%s: %s", p.label, reason))
	p.skipped = true
}

// heal ends the safety phase: every fault ends, every node comes back, and the
// mesh has until the deadline to recover.
func (w *world) heal(deadline time.Duration) {
	w.foe.heal()
	keep := uint64(0)
	if w.keepHangs {
		keep = 1
	}
	w.tell(trace.Event{Kind: trace.HealStarted, Count: keep, Deadline: deadline})
}

// recovered reports whether nothing is pending anywhere and every circuit is
// closed. Where hangs are kept it never is: the mesh is watched to the end.
func (w *world) recovered() bool {
	if w.keepHangs {
		return false
	}
	for i := range w.nodes {
		if !w.nodes[i].quiet() {
			return false
		}
	}
	return true
}
