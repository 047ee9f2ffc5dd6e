package props

import (
	"fmt"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// captureEvery is the number of a loop's ticks between two captures that are
// judged: a capture copies the loop's rings.
const captureEvery = 16

// captured reports whether a loop is looked at in its k-th tick: at the first,
// second, fourth and eighth, so that short runs are judged, too, and then at
// every sixteenth.
func captured(k uint64) bool { return k%captureEvery == 0 || k&(k-1) == 0 && k < captureEvery }

// Snapshot holds when a captured snapshot is one contiguous moment: its log and
// its emitted actions are runs of consecutive numbers that end with the newest,
// its counters account for what is in the rings and what left them, an entry is
// shown as known to be in the durable chain only if its record was really
// acknowledged, and published snapshots never go back and never lie ahead of
// the loop.
//
// It looks at shadowed nodes, at some of their ticks.
func Snapshot() trace.Checker {
	return &snapshot{judge: always("snapshot", trace.RecordSettled, trace.LoopInput)}
}

type snapshot struct {
	judge
	lives lives[moments]
}

type moments struct {
	acked     seqs   // records that settled as appended
	settled   uint64 // records that settled
	ticks     uint64
	published loop.Stats // of the last published snapshot seen
	tick      uint64     // its tick
}

func (c *snapshot) Observe(e *trace.Event) error {
	l := c.lives.of(e)
	m := &l.v
	if e.Kind == trace.RecordSettled {
		m.settled++
		if appender.Outcome(e.Outcome) == appender.Appended && e.Stream == 0 {
			m.acked.add(e.Seq)
		}
		return nil
	}
	f, ok := e.Data.(*loop.Folded)
	if !ok || f.Call != loop.CallTick {
		return nil
	}
	if m.ticks++; !captured(m.ticks) {
		return nil
	}
	c.checked++
	now := f.Loop.Capture()
	err := m.contiguous(now)
	if err == nil {
		err = m.publication(f.Loop.Snapshot(), now)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l, err)
	}
	return nil
}

// contiguous judges one snapshot by itself and by what was acknowledged.
func (m *moments) contiguous(s *loop.Snapshot) error {
	st := &s.Stats
	if got, want := uint64(len(s.Log)), st.Records-st.RingDropped; got != want {
		return fmt.Errorf("the log shows %d records where %d were logged and %d dropped", got, st.Records, st.RingDropped)
	}
	seq := st.RingDropped
	for i := range s.Log {
		seq++
		en := &s.Log[i]
		if en.Record.Seq != seq {
			return fmt.Errorf("the log is torn: record %d where %d belongs", en.Record.Seq, seq)
		}
		if !en.ChainPending && !m.acked.has(seq) {
			return fmt.Errorf("record %d is shown as in the durable chain, but was never acknowledged", seq)
		}
	}
	if got, want := uint64(len(s.Emissions)), st.Actions-st.EmissionsDropped; got != want {
		return fmt.Errorf("%d actions are shown where %d were emitted and %d dropped", got, st.Actions, st.EmissionsDropped)
	}
	id := st.EmissionsDropped
	for i := range s.Emissions {
		if id++; s.Emissions[i].Action.ID != id {
			return fmt.Errorf("the emitted actions are torn: action %d where %d belongs", s.Emissions[i].Action.ID, id)
		}
	}
	if s.Tick != st.Ticks {
		return fmt.Errorf("it is of tick %d but counts %d ticks", s.Tick, st.Ticks)
	}
	var settled uint64
	for _, n := range st.Settled {
		settled += n
	}
	if settled > m.settled {
		return fmt.Errorf("it counts %d settlements of %d", settled, m.settled)
	}
	return nil
}

// publication judges the published snapshot against the one before it and
// against the loop's present.
func (m *moments) publication(p, now *loop.Snapshot) error {
	if p == nil {
		return nil
	}
	if err := m.contiguous(p); err != nil {
		return fmt.Errorf("the published snapshot: %w", err)
	}
	if p.Tick < m.tick || p.Stats.Records < m.published.Records || p.Stats.Steps < m.published.Steps {
		return fmt.Errorf("the published snapshot went back from tick %d to tick %d", m.tick, p.Tick)
	}
	if p.Tick > now.Tick || p.Stats.Records > now.Stats.Records || p.Stats.Steps > now.Stats.Steps {
		return fmt.Errorf("the snapshot of tick %d is ahead of the loop, which is at tick %d", p.Tick, now.Tick)
	}
	m.tick, m.published = p.Tick, p.Stats
	return nil
}
