package meshos

import (
	"fmt"
	"math"
	"time"

	"meshsim/loop"
)

// never is the due time of what is not due.
const never = time.Duration(math.MaxInt64)

// Model is a node's MeshOS: a [loop.Model] that is also a [loop.Idler], a
// [loop.Digester] and a [loop.Viewer]. Make it with [New]. Like every model it
// is for one goroutine at a time.
type Model struct {
	opt     Options
	peers   []peer // sorted by id
	index   index
	daemons []daemon // sorted by id
	flights []flight // sorted by action id
	ticked  bool     // the first tick was

	// When the parts of a tick have something to do, at the earliest.
	beatDue    time.Duration
	healthDue  time.Duration
	avoidDue   time.Duration
	daemonsDue time.Duration

	dirty []int32 // the peers whose hash is out of date
	sum   uint64  // of the peers' hashes
}

var (
	_ loop.Model    = (*Model)(nil)
	_ loop.Idler    = (*Model)(nil)
	_ loop.Digester = (*Model)(nil)
	_ loop.Viewer   = (*Model)(nil)
)

// New returns the model of a node that knows nothing yet but its options.
func New(o Options) *Model {
	m := &Model{opt: o.withDefaults(), beatDue: never, healthDue: never, avoidDue: never}
	m.peers = make([]peer, len(m.opt.Peers))
	for i, id := range m.opt.Peers {
		m.peers[i].id = id
		m.touch(i, &m.peers[i])
	}
	m.index = newIndex(m.peers)
	for _, d := range o.Daemons {
		m.intend(0, d.ID, d.Intent)
	}
	m.planDaemons()
	return m
}

// Step folds a heartbeat, a daemon's signal, a change of intent or the outcome
// of an action in. Nothing is reconciled before the next tick. A heartbeat
// costs O(1) and allocates nothing.
func (m *Model) Step(in loop.Input, out *loop.Ready) error {
	if in.Action != 0 {
		return m.land(in, out)
	}
	switch msg := in.Msg.(type) {
	case Heartbeat:
		return m.heartbeat(&in, msg, out)
	case Started, ExitedCleanly, Crashed, Intend, ForceRestart:
		return m.signal(in, out)
	}
	return fmt.Errorf("%w: %T", ErrInput, in.Msg)
}

// Tick opens the gates whose time has come, judges the peers, reconciles the daemons and then the avoid list, and
// sends heartbeats, each if it is due.
func (m *Model) Tick(now time.Duration, out *loop.Ready) {
	if !m.ticked {
		m.begin(now)
	}
	m.release(now)
	m.judgeSilence(now, out)
	if m.daemonsDue <= now {
		m.reconcileDaemons(now, out)
	}
	m.reconcileLocality(now, out)
	m.beat(now, out)
}

// begin lets silence count from the first tick on, and heartbeats begin.
func (m *Model) begin(now time.Duration) {
	m.ticked = true
	if !m.beats() {
		return
	}
	m.beatDue = now
	for i := range m.peers {
		p := &m.peers[i]
		if p.health == Unknown {
			p.heard = now
			m.touch(i, p)
		}
		m.healthDue = min(m.healthDue, p.heard+m.opt.DegradedAfter)
	}
}

// Next says when a tick has something to do: a heartbeat to send, a silence to
// judge, an avoid entry to drop, a daemon to start or stop.
func (m *Model) Next(now time.Duration) (t time.Duration, ok bool) {
	if !m.ticked && m.beats() {
		return now, true
	}
	t = min(m.beatDue, m.healthDue, m.avoidDue, m.daemonsDue)
	return t, t != never
}
