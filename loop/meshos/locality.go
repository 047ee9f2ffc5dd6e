package meshos

import (
	"strconv"
	"time"

	"meshsim/appender"
	"meshsim/loop"
)

// wantAvoid says that a peer may have to be avoided, from now on.
func (m *Model) wantAvoid(now time.Duration) { m.avoidDue = min(m.avoidDue, now) }

// marked folds in that a KindMarkAvoid was answered. Whether it succeeded does
// not matter: the entry is this node's own, and the peer is marked again when
// it has run out.
func (m *Model) marked(id uint64, now time.Duration) {
	i := m.index.find(m.peers, id)
	if i < 0 {
		return
	}
	p := &m.peers[i]
	p.marking = false
	m.touch(i, p)
	if !p.avoided && p.slow(m.opt.DegradedRTT) {
		m.wantAvoid(now)
	}
}

func (p *peer) slow(limit time.Duration) bool { return p.measured && p.rtt > limit }

// reconcileLocality drops the avoid entries that have run out, and marks the
// peers whose round trip is above the limit and that are not avoided yet, in
// the order of their ids. As upstream, a round trip is never forgotten, so a
// peer that fell silent after a slow one is marked again when its entry has run
// out.
func (m *Model) reconcileLocality(now time.Duration, out *loop.Ready) {
	if now < m.avoidDue {
		return
	}
	m.avoidDue = never
	for i := range m.peers {
		p := &m.peers[i]
		if p.avoided && p.avoidUntil <= now {
			p.avoided = false
			m.touch(i, p)
		}
		if !p.avoided && !p.marking && p.slow(m.opt.DegradedRTT) {
			p.avoided, p.marking = true, true
			p.avoidUntil, p.avoidRTT = now+m.opt.AvoidTTL, p.rtt
			m.touch(i, p)
			m.launch(KindMarkAvoid, p.id, MarkAvoid{Reason: p.avoidReason(), TTL: m.opt.AvoidTTL}, out)
			out.Log(loop.LogLine{Level: appender.Warn, Message: "peer " + strconv.FormatUint(p.id, 10) + " avoided: " + p.avoidReason()})
		}
		if p.avoided {
			m.avoidDue = min(m.avoidDue, p.avoidUntil)
		}
	}
}

func (p *peer) avoidReason() string {
	return "rtt-degradation: " + strconv.FormatInt(p.avoidRTT.Milliseconds(), 10) + " ms"
}
