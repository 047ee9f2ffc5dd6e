package props

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/loop"
)

// moment is a snapshot of a loop that logged 7 records into a ring of 5, and
// emitted 3 actions into a ring of 2.
func moment(change func(*loop.Snapshot)) *loop.Snapshot {
	s := &loop.Snapshot{Tick: 4}
	s.Stats = loop.Stats{Ticks: 4, Steps: 9, Records: 7, RingDropped: 2, Actions: 3, EmissionsDropped: 1}
	for seq := uint64(3); seq <= 7; seq++ {
		s.Log = append(s.Log, loop.Entry{Record: appender.Record{Seq: seq}, ChainPending: true})
	}
	for id := uint64(2); id <= 3; id++ {
		s.Emissions = append(s.Emissions, loop.Emission{Action: loop.Action{ID: id}})
	}
	if change != nil {
		change(s)
	}
	return s
}

func TestSnapshotTripsOnATornMoment(t *testing.T) {
	require.NoError(t, (&moments{}).contiguous(moment(nil)))
	for says, tear := range map[string]func(*loop.Snapshot){
		"the log shows 4 records where 7 were logged and 2 dropped": func(s *loop.Snapshot) { s.Log = s.Log[1:] },
		"the log is torn: record 4 where 3 belongs":                 func(s *loop.Snapshot) { s.Log[0] = s.Log[1] },
		"the log is torn: record 9 where 7 belongs":                 func(s *loop.Snapshot) { s.Log[4].Record.Seq = 9 },
		"the log shows 5 records where 8 were logged and 2 dropped": func(s *loop.Snapshot) { s.Stats.Records++ },
		"record 5 is shown as in the durable chain":                 func(s *loop.Snapshot) { s.Log[2].ChainPending = false },
		"2 actions are shown where 4 were emitted and 1 dropped":    func(s *loop.Snapshot) { s.Stats.Actions++ },
		"the emitted actions are torn: action 1 where 2 belongs":    func(s *loop.Snapshot) { s.Emissions[0].Action.ID = 1 },
		"it is of tick 5 but counts 4 ticks":                        func(s *loop.Snapshot) { s.Tick++ },
		"it counts 1 settlements of 0":                              func(s *loop.Snapshot) { s.Stats.Settled[appender.Lost] = 1 },
	} {
		require.ErrorContains(t, (&moments{}).contiguous(moment(tear)), says)
	}
}

func TestSnapshotTripsOnAPublicationOutOfItsTime(t *testing.T) {
	later := func(s *loop.Snapshot) { s.Tick, s.Stats.Ticks = 5, 5 }
	m := &moments{}
	require.NoError(t, m.publication(nil, moment(nil)))
	require.NoError(t, m.publication(moment(nil), moment(later)))
	require.NoError(t, m.publication(moment(later), moment(later)))
	require.ErrorContains(t, m.publication(moment(nil), moment(later)), "went back from tick 5 to tick 4")
	require.ErrorContains(t, (&moments{}).publication(moment(later), moment(nil)), "the snapshot of tick 5 is ahead of the loop, which is at tick 4")
	require.ErrorContains(t, (&moments{}).publication(moment(func(s *loop.Snapshot) { s.Log = nil }), moment(nil)), "the published snapshot: the log shows 0")
}

func TestFIFODropTripsOnARingThatIsNotTheLastOfWhatWasLogged(t *testing.T) {
	require.NoError(t, ringLaw(moment(nil), 5))
	require.NoError(t, ringLaw(&loop.Snapshot{}, 5))
	for says, change := range map[string]func(*loop.Snapshot){
		"a ring of 5 holds 4 of 7 records":             func(s *loop.Snapshot) { s.Log = s.Log[1:] },
		"a ring of 5 counts 3 of 7 records as dropped": func(s *loop.Snapshot) { s.Stats.RingDropped = 3 },
		"a ring of 5 holds record 1 where 3 belongs":   func(s *loop.Snapshot) { s.Log[0].Record.Seq = 1 },
	} {
		require.ErrorContains(t, ringLaw(moment(change), 5), says)
	}
}

// TestSeqsAreASet compares the runs with a map.
func TestSeqsAreASet(t *testing.T) {
	var s seqs
	in := map[uint64]bool{}
	for i := range uint64(2000) {
		n := i * 7919 % 500 // every number, out of order
		if i%3 == 0 {
			s.add(n)
			in[n] = true
		}
	}
	for n := range uint64(510) {
		require.Equal(t, in[n], s.has(n), "%d", n)
	}
	for i := 1; i < len(s.spans); i++ {
		require.Greater(t, s.spans[i].first, s.spans[i-1].last+1, "runs are disjoint and do not touch")
	}
	for n := range uint64(500) {
		s.add(n)
	}
	require.Len(t, s.spans, 1)
}

// TestAlarmsRingInOrder compares the heap with what was set: every alarm rings
// once, at its time, in the order of the times, and not when it was unset.
func TestAlarmsRingInOrder(t *testing.T) {
	var s alarms[int]
	as := make([]alarm[int], 100)
	for i := range as {
		s.by(1000, &as[i], i)
		s.by(2000, &as[i], i) // later: changes nothing
	}
	for i := range as {
		if i%5 != 0 {
			s.by(time.Duration(i*37%100+1), &as[i], i)
		}
	}
	for i := 0; i < len(as); i += 10 {
		s.unset(&as[i])
		s.unset(&as[i])
	}
	rung := map[int]bool{}
	last := time.Duration(0)
	for {
		at, ok := s.next()
		if !ok {
			break
		}
		require.GreaterOrEqual(t, at, last)
		last = at
		_, early := s.ring(at - 1)
		require.False(t, early)
		who, ok := s.ring(at)
		require.True(t, ok)
		require.False(t, rung[who])
		rung[who] = true
	}
	require.Len(t, rung, 90)
	for i := range as {
		require.Equal(t, i%10 != 0, rung[i])
	}
}
