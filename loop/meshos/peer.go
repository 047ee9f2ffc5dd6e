package meshos

import (
	"fmt"
	"strconv"
	"time"

	"meshsim/appender"
	"meshsim/loop"
)

// Health is what a node thinks of a peer, from how long it has been silent.
type Health uint8

// The healths, each worse than the one before.
const (
	Unknown Health = iota // not heard from yet
	Healthy
	Degraded
	Unreachable
)

// String returns unknown, healthy, degraded or unreachable.
func (h Health) String() string {
	switch h {
	case Unknown:
		return "unknown"
	case Healthy:
		return "healthy"
	case Degraded:
		return "degraded"
	case Unreachable:
		return "unreachable"
	}
	return "health?"
}

// peer is what is known of one peer. It fits a cache line.
type peer struct {
	id         uint64
	heard      time.Duration // last time; the first tick if never
	rtt        time.Duration // of the latest heartbeat that came back
	avoidUntil time.Duration // while avoided
	avoidRTT   time.Duration // why
	hash       uint64        // its part of the digest, when clean
	health     Health
	measured   bool // rtt is one
	avoided    bool
	marking    bool // KindMarkAvoid is in flight
	dirty      bool // hash is out of date
}

// touch says that a peer's state changed.
func (m *Model) touch(i int, p *peer) {
	if !p.dirty {
		p.dirty = true
		m.dirty = append(m.dirty, int32(i))
	}
}

// heartbeat folds a peer's heartbeat, or an own one that came back.
func (m *Model) heartbeat(in *loop.Input, h Heartbeat, out *loop.Ready) error {
	i := m.index.find(m.peers, in.From)
	switch h.Origin {
	case in.From:
		if in.From == 0 || in.From == m.opt.Self {
			return fmt.Errorf("%w: heartbeat from %d", ErrPeer, in.From)
		}
		out.Send(in.From, in.Msg)
		if i < 0 {
			return nil // it watches this node, which does not watch it
		}
	case m.opt.Self:
		if i < 0 {
			return fmt.Errorf("%w: heartbeat answered by %d", ErrPeer, in.From)
		}
		if rtt := in.Now - h.SentAt; rtt >= 0 {
			p := &m.peers[i]
			p.rtt, p.measured = rtt, true
			m.touch(i, p)
			if p.slow(m.opt.DegradedRTT) && !p.avoided && !p.marking {
				m.wantAvoid(in.Now)
			}
		}
	default:
		return fmt.Errorf("%w: heartbeat of %d from %d", ErrInput, h.Origin, in.From)
	}
	if m.beats() {
		m.hear(i, in.Now, out)
	}
	return nil
}

// beats reports whether this node sends heartbeats and judges its peers.
func (m *Model) beats() bool { return m.opt.Heartbeat > 0 && len(m.peers) > 0 }

// hear folds in that a peer gave a sign of life.
func (m *Model) hear(i int, now time.Duration, out *loop.Ready) {
	p := &m.peers[i]
	p.heard = now
	m.touch(i, p)
	m.healthDue = min(m.healthDue, now+m.opt.DegradedAfter)
	if p.health != Healthy {
		m.judge(p, Healthy, out)
	}
}

// judge changes a peer's health and logs it.
func (m *Model) judge(p *peer, h Health, out *loop.Ready) {
	level := appender.Warn
	if h == Healthy {
		level = appender.Info
	}
	out.Log(loop.LogLine{Level: level, Message: "peer " + strconv.FormatUint(p.id, 10) + ": " + p.health.String() + " -> " + h.String()})
	p.health = h
}

// judgeSilence judges every peer by its silence. healthDue is never later than
// the earliest deadline, which hearing only moves away, so that this need not
// look at the peers at every tick, and no index of deadlines is kept.
func (m *Model) judgeSilence(now time.Duration, out *loop.Ready) {
	if now < m.healthDue {
		return
	}
	m.healthDue = never
	for i := range m.peers {
		p := &m.peers[i]
		switch silence := now - p.heard; {
		case silence >= m.opt.UnreachableAfter:
			if p.health != Unreachable {
				m.judge(p, Unreachable, out)
				m.touch(i, p)
			}
		case silence >= m.opt.DegradedAfter:
			if p.health != Degraded {
				m.judge(p, Degraded, out)
				m.touch(i, p)
			}
			m.healthDue = min(m.healthDue, p.heard+m.opt.UnreachableAfter)
		default:
			m.healthDue = min(m.healthDue, p.heard+m.opt.DegradedAfter)
		}
	}
}

// beat sends a heartbeat to every peer when it is time. They share one message.
func (m *Model) beat(now time.Duration, out *loop.Ready) {
	if now < m.beatDue {
		return
	}
	m.beatDue = now + m.opt.Heartbeat
	var msg any = Heartbeat{Origin: m.opt.Self, SentAt: now}
	for i := range m.peers {
		out.Send(m.peers[i].id, msg)
	}
}
