package meshos

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"meshsim/appender"
	"meshsim/loop"
)

// State is what is known of a daemon. As upstream, there is nothing in between:
// a daemon is stopped until it is known to run.
type State uint8

// The states.
const (
	Stopped State = iota
	Running
)

// String returns stopped or running.
func (s State) String() string {
	if s == Running {
		return "running"
	}
	return "stopped"
}

type daemon struct {
	id      uint64
	intent  Intent
	state   State
	tracker tracker
	since   time.Duration // of its last start, exit or crash
	// changed is when something was last folded in that reconciling may have
	// to answer.
	changed time.Duration
	// applied is the gate that the last KindApplyBackoff was emitted for.
	applied    time.Duration
	hasApplied bool
	applying   bool // that action is in flight
	// moving means that a start or a stop is in flight; told, that the daemon
	// has given a signal since that was emitted, so that the outcome, which
	// may be older than the signal, no longer tells its state.
	moving bool
	told   bool
}

// find returns the daemon, or nil. Daemons are sorted by id.
func (m *Model) find(id uint64) *daemon {
	if i, ok := m.searchDaemon(id); ok {
		return &m.daemons[i]
	}
	return nil
}

func (m *Model) searchDaemon(id uint64) (int, bool) {
	return slices.BinarySearchFunc(m.daemons, id, func(d daemon, id uint64) int { return cmp.Compare(d.id, id) })
}

// intend folds a wish in.
func (m *Model) intend(now time.Duration, id uint64, want Intent) {
	i, ok := m.searchDaemon(id)
	if !ok {
		m.daemons = slices.Insert(m.daemons, i, daemon{id: id, tracker: tracker{next: m.opt.Backoff.Initial}})
	}
	d := &m.daemons[i]
	d.intent, d.changed = want, now
}

// signal folds a daemon's own signal in.
func (m *Model) signal(in loop.Input, out *loop.Ready) error {
	switch s := in.Msg.(type) {
	case Started:
		d := m.find(s.Daemon)
		if d == nil {
			return fmt.Errorf("%w: %d", ErrDaemon, s.Daemon)
		}
		d.told = true
		m.started(d, in.Now, out)
	case ExitedCleanly:
		d := m.find(s.Daemon)
		if d == nil {
			return fmt.Errorf("%w: %d", ErrDaemon, s.Daemon)
		}
		d.told = true
		m.exited(d, in.Now, out)
	case Crashed:
		d := m.find(s.Daemon)
		if d == nil {
			return fmt.Errorf("%w: %d", ErrDaemon, s.Daemon)
		}
		d.told = true
		m.crashed(d, in.Now, s.Reason, out)
	case ForceRestart:
		d := m.find(s.Daemon)
		if d == nil {
			return fmt.Errorf("%w: %d", ErrDaemon, s.Daemon)
		}
		d.tracker.forceRelease(&m.opt.Backoff)
		d.hasApplied, d.changed = false, in.Now
	case Intend:
		m.intend(in.Now, s.Daemon, s.Intent)
	}
	m.planDaemons()
	return nil
}

func (m *Model) started(d *daemon, now time.Duration, out *loop.Ready) {
	d.tracker.ran(now, &m.opt.Backoff)
	if d.state != Running {
		out.Log(loop.LogLine{Daemon: d.id, Message: "daemon started"})
	}
	d.state, d.since, d.changed = Running, now, now
}

func (m *Model) exited(d *daemon, now time.Duration, out *loop.Ready) {
	d.tracker.exited(now, &m.opt.Backoff)
	d.state, d.since, d.changed = Stopped, now, now
	out.Log(loop.LogLine{Daemon: d.id, Message: "daemon exited"})
}

func (m *Model) crashed(d *daemon, now time.Duration, reason string, out *loop.Ready) {
	d.tracker.crash(now, &m.opt.Backoff)
	d.state, d.since, d.changed = Stopped, now, now
	out.Log(loop.LogLine{Level: appender.Warn, Daemon: d.id, Message: "daemon crashed: " + reason + "; " +
		d.tracker.gate.String() + " for " + strconv.FormatInt((d.tracker.until-now).Milliseconds(), 10) + " ms"})
}

// landedDaemon folds the outcome of a daemon's action in. That a start or stop
// was carried out stands for the daemon's signal, unless one came meanwhile.
func (m *Model) landedDaemon(f flight, now time.Duration, ok bool, out *loop.Ready) {
	d := m.find(f.target)
	if d == nil {
		return
	}
	d.changed = now
	switch f.kind {
	case KindApplyBackoff:
		d.applying = false
	case KindStartDaemon:
		d.moving = false
		if ok && !d.told {
			m.started(d, now, out)
		}
	case KindStopDaemon:
		d.moving = false
		if ok && !d.told {
			m.exited(d, now, out)
		}
	}
	m.planDaemons()
}

// release opens the gates whose time has come.
func (m *Model) release(now time.Duration) {
	for i := range m.daemons {
		m.daemons[i].tracker.release(now)
	}
}

// reconcileDaemons emits what brings each daemon closer to its intent, in the
// order of their ids, and nothing for a daemon whose last action of that kind
// is still in flight. (Upstream has no such memory and repeats itself at every
// tick.)
func (m *Model) reconcileDaemons(now time.Duration, out *loop.Ready) {
	for i := range m.daemons {
		d := &m.daemons[i]
		switch {
		case d.moving || (d.intent == Run) == (d.state == Running):
		case d.intent == Stop:
			d.moving, d.told = true, false
			m.launch(KindStopDaemon, d.id, StopDaemon{Reason: "desired-state intent: Stop", Deadline: now + m.opt.StopGrace}, out)
		case d.tracker.admissible(now):
			d.moving, d.told = true, false
			m.launch(KindStartDaemon, d.id, nil, out)
		case !d.applying && !d.gateApplied():
			d.applied, d.hasApplied, d.applying = d.tracker.until, true, true
			m.launch(KindApplyBackoff, d.id, ApplyBackoff{Until: d.tracker.until}, out)
		}
	}
	m.planDaemons()
}

func (d *daemon) gateApplied() bool { return d.hasApplied && d.applied == d.tracker.until }

// planDaemons finds when reconciling has something to do for a daemon.
func (m *Model) planDaemons() {
	m.daemonsDue = never
	for i := range m.daemons {
		m.daemonsDue = min(m.daemonsDue, m.daemons[i].due())
	}
}

// due is since when, or from when on, a tick has something to do.
func (d *daemon) due() time.Duration {
	switch {
	case d.moving || (d.intent == Run) == (d.state == Running):
		return never
	case d.intent == Stop || d.tracker.gate == Open:
		return d.changed
	case !d.applying && !d.gateApplied():
		return d.changed
	}
	return d.tracker.until
}
