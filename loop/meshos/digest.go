package meshos

import "meshsim/loop"

// Digest folds the model's whole state into h. It costs as much as there are
// daemons, actions in flight, and peers that something was heard of or judged
// since the last call.
func (m *Model) Digest(h uint64) uint64 {
	for _, i := range m.dirty {
		p := &m.peers[i]
		m.sum -= p.hash
		p.hash = p.digest()
		m.sum += p.hash
		p.dirty = false
	}
	m.dirty = m.dirty[:0]
	h = loop.Fold(h, m.sum)
	for i := range m.daemons {
		h = m.daemons[i].digest(h)
	}
	for i := range m.flights {
		h = loop.Fold(h, m.flights[i].id)
	}
	h = loop.Fold(h, bit(m.ticked, 0))
	h = loop.Fold(h, uint64(m.beatDue))
	h = loop.Fold(h, uint64(m.healthDue))
	h = loop.Fold(h, uint64(m.avoidDue))
	return loop.Fold(h, uint64(m.daemonsDue))
}

// digest is a peer's part, which the id keeps apart from the other peers'.
func (p *peer) digest() uint64 {
	h := loop.Fold(0, p.id)
	h = loop.Fold(h, uint64(p.heard))
	h = loop.Fold(h, uint64(p.rtt))
	h = loop.Fold(h, uint64(p.avoidUntil))
	h = loop.Fold(h, uint64(p.avoidRTT))
	return loop.Fold(h, uint64(p.health)|bit(p.measured, 8)|bit(p.avoided, 9)|bit(p.marking, 10))
}

func (d *daemon) digest(h uint64) uint64 {
	h = loop.Fold(h, d.id)
	h = loop.Fold(h, uint64(d.intent)|uint64(d.state)<<8|uint64(d.tracker.gate)<<16|bit(d.hasApplied, 24)|
		bit(d.applying, 25)|bit(d.moving, 26)|bit(d.told, 27)|bit(d.tracker.started, 28)|uint64(len(d.tracker.crashes))<<32)
	h = loop.Fold(h, uint64(d.since))
	h = loop.Fold(h, uint64(d.changed))
	h = loop.Fold(h, uint64(d.applied))
	h = loop.Fold(h, uint64(d.tracker.until))
	h = loop.Fold(h, uint64(d.tracker.next))
	h = loop.Fold(h, uint64(d.tracker.start))
	for _, t := range d.tracker.crashes {
		h = loop.Fold(h, uint64(t))
	}
	return h
}

func bit(b bool, at uint) uint64 {
	if b {
		return 1 << at
	}
	return 0
}
