package meshos

import "time"

// View is what the model shows in a snapshot; each list is sorted by ID.
type View struct {
	Peers   []PeerView
	Daemons []DaemonView
}

// PeerView is what the node knows of a peer.
type PeerView struct {
	ID     uint64
	Health Health
	// RTT is the latest round trip, if there was one: Measured.
	RTT      time.Duration
	Measured bool
	// Heard is when the peer last gave a sign of life; the node's first tick
	// if it never did.
	Heard time.Duration
	// Avoided is whether the peer is on the avoid list, until AvoidUntil.
	Avoided     bool
	AvoidUntil  time.Duration
	AvoidReason string
}

// DaemonView is what the node knows of a daemon.
type DaemonView struct {
	ID     uint64
	Intent Intent
	State  State
	Since  time.Duration // its last start, exit or crash; 0 if there was none
	// Gate says whether the daemon may start; one that is not open opens at
	// GateUntil.
	Gate      Gate
	GateUntil time.Duration
	// Moving is whether a start or a stop is in flight.
	Moving bool
}

// View returns a *[View] that never changes.
func (m *Model) View() any {
	v := &View{Peers: make([]PeerView, len(m.peers)), Daemons: make([]DaemonView, len(m.daemons))}
	for i := range m.peers {
		p := &m.peers[i]
		v.Peers[i] = PeerView{ID: p.id, Health: p.health, RTT: p.rtt, Measured: p.measured, Heard: p.heard}
		if p.avoided {
			v.Peers[i].Avoided, v.Peers[i].AvoidUntil, v.Peers[i].AvoidReason = true, p.avoidUntil, p.avoidReason()
		}
	}
	for i := range m.daemons {
		d := &m.daemons[i]
		v.Daemons[i] = DaemonView{ID: d.id, Intent: d.intent, State: d.state, Since: d.since, Gate: d.tracker.gate, Moving: d.moving}
		if d.tracker.gate != Open {
			v.Daemons[i].GateUntil = d.tracker.until
		}
	}
	return v
}
