package kernel

import (
	"cmp"
	"slices"
)

// node is what the kernel knows of a node.
type node struct {
	paused   bool
	deferred []deferral
}

// deferral is a step that came due while its node was paused. It is void once
// the actor or event carries another order, or is deferred no longer.
type deferral struct {
	ref   uint32
	order uint64
}

// isPaused reports whether a node is paused.
func (k *Kernel) isPaused(n uint32) bool {
	return k.paused != 0 && n < uint32(len(k.nodes)) && k.nodes[n].paused
}

// deferStep keeps a step for the node's resumption.
func (k *Kernel) deferStep(n, ref uint32, order uint64) {
	p := &k.nodes[n]
	if len(p.deferred) == cap(p.deferred) { // drop the void ones before growing
		p.deferred = slices.DeleteFunc(p.deferred, func(d deferral) bool { return !k.isDeferred(d) })
	}
	p.deferred = append(p.deferred, deferral{ref, order})
}

// isDeferred reports whether a deferral is not void.
func (k *Kernel) isDeferred(d deferral) bool {
	if d.ref&1 == 0 {
		a := &k.actors[d.ref>>1]
		return a.place == deferred && a.order == d.order
	}
	ev := &k.events[d.ref>>1]
	return ev.place == deferred && ev.when == d.order
}

// PauseNode keeps the node's Handle, Timer and Resume steps from being
// enabled; those that are cease to be. Arrivals and faults go on. Nodes are
// numbered densely from 1; node 0, of those that belong to none, cannot be
// paused. Pausing a paused node changes nothing. The cost is that of a pass
// over all actors and all due timers.
func (k *Kernel) PauseNode(n uint32) {
	if n == 0 {
		panic("kernel: PauseNode(0)")
	}
	if k.dead || k.isPaused(n) {
		return
	}
	for uint32(len(k.nodes)) <= n {
		k.nodes = append(k.nodes, node{})
	}
	p := &k.nodes[n]
	p.paused = true
	k.paused++
	for s := range k.actors {
		if a := &k.actors[s]; a.node == n && a.place == enabled {
			k.withdrawActor(a)
			a.place = deferred
			p.deferred = append(p.deferred, deferral{uint32(s) << 1, a.order})
		}
	}
	for j := len(k.timers); j > 0; j-- {
		i := k.timers[j-1]
		if ev := &k.events[i]; ev.node == n {
			k.withdraw(i, ev)
			ev.place = deferred
			p.deferred = append(p.deferred, deferral{i<<1 | 1, ev.when})
		}
	}
	slices.SortFunc(p.deferred, func(a, b deferral) int { return cmp.Compare(a.order, b.order) })
}

// ResumeNode ends a pause: what came due meanwhile is due now, in the order in
// which it came due. Resuming a node that is not paused changes nothing.
func (k *Kernel) ResumeNode(n uint32) {
	if k.dead || !k.isPaused(n) {
		return
	}
	p := &k.nodes[n]
	p.paused = false
	k.paused--
	if k.mutant == mutantLateOrder {
		slices.Reverse(p.deferred)
	}
	for _, d := range p.deferred {
		if !k.isDeferred(d) {
			continue
		}
		i := d.ref >> 1
		if d.ref&1 != 0 {
			k.resumeTimer(i)
			continue
		}
		if a := &k.actors[i]; a.state == waking {
			k.enableActor(a, Resume, a.wake)
		} else {
			k.enableActor(a, Handle, a.cause)
		}
	}
	p.deferred = p.deferred[:0]
}

// resumeTimer enables a deferred timer, unless its actor is gone.
func (k *Kernel) resumeTimer(i uint32) {
	ev := &k.events[i]
	if k.isOrphan(ev) {
		k.forget(i, ev)
		return
	}
	ev.when = uint64(k.now)
	k.enableEvent(i, ev)
}
