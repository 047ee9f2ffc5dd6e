package meshos

import (
	"slices"
	"strconv"
	"time"

	"meshsim/appender"
	"meshsim/loop"
)

// The kinds of actions. The target of the last is a peer, of the others a
// daemon. One action of a kind per target is in flight at a time, and of
// KindStartDaemon and KindStopDaemon together one per daemon.
const (
	KindStartDaemon  = "start-daemon"  // no arguments
	KindStopDaemon   = "stop-daemon"   // arguments StopDaemon
	KindApplyBackoff = "apply-backoff" // arguments ApplyBackoff
	KindMarkAvoid    = "mark-avoid"    // arguments MarkAvoid
)

// StopDaemon is how a daemon is to be stopped.
type StopDaemon struct {
	Reason   string
	Deadline time.Duration // monotonic
}

// ApplyBackoff says until when a daemon must not start.
type ApplyBackoff struct{ Until time.Duration }

// MarkAvoid says why a peer is avoided, and for how long.
type MarkAvoid struct {
	Reason string
	TTL    time.Duration
}

// flight is an action whose outcome has not come yet.
type flight struct {
	id     uint64
	kind   string
	target uint64
}

// launch emits an action and remembers it until its outcome comes.
func (m *Model) launch(kind string, target uint64, args any, out *loop.Ready) uint64 {
	id := out.Do(kind, target, args)
	m.flights = append(m.flights, flight{id: id, kind: kind, target: target})
	return id
}

// land folds the outcome of an action in. Flights are in the order of their
// ids, because launch appends.
func (m *Model) land(in loop.Input, out *loop.Ready) error {
	i, ok := slices.BinarySearchFunc(m.flights, in.Action, func(f flight, id uint64) int {
		switch {
		case f.id < id:
			return -1
		case f.id > id:
			return 1
		}
		return 0
	})
	if !ok {
		return ErrAction
	}
	f := m.flights[i]
	m.flights = slices.Delete(m.flights, i, i+1)
	if in.Err != nil {
		line := loop.LogLine{Level: appender.Warn, Message: f.kind + " " + strconv.FormatUint(f.target, 10) + " failed: " + in.Err.Error()}
		if f.kind != KindMarkAvoid {
			line.Daemon = f.target
		}
		out.Log(line)
	}
	if f.kind == KindMarkAvoid {
		m.marked(f.target, in.Now)
		return nil
	}
	m.landedDaemon(f, in.Now, in.Err == nil, out)
	return nil
}
