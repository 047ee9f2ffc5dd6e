package props_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/props"
	"meshsim/sim/trace"
)

// counting is a model whose every output depends on its state.
type counting struct {
	n    uint64
	leak *bool // a broken one: it looks at what it must not know
}

type ping struct{ N uint64 }

var errOdd = errors.New("odd")

func (m *counting) Step(in loop.Input, out *loop.Ready) error {
	if in.Msg == "refuse" {
		return errOdd
	}
	m.n++
	if m.leak != nil && *m.leak {
		m.n++
	}
	out.Send(2, ping{m.n})
	out.Do("act", m.n, &ping{m.n})
	out.Log(loop.LogLine{Message: fmt.Sprint(m.n)})
	return nil
}

func (m *counting) Tick(_ time.Duration, out *loop.Ready) { out.Send(3, []uint64{m.n}) }
func (m *counting) Digest(h uint64) uint64                { return loop.Fold(h, m.n) }

// shadowed is a real loop whose inputs go to a tape.
type shadowed struct {
	*tape
	loop *loop.Loop
	err  error
	see  []trace.Checker
}

func newShadowed(leak *bool, see ...func() trace.Checker) *shadowed {
	o := loop.Options{Node: "n1", ID: 1, Incarnation: 1, Ring: 8, Emissions: 4}
	s := &shadowed{tape: newTape(), loop: loop.New(&counting{leak: leak}, o)}
	for _, c := range see {
		s.see = append(s.see, c())
	}
	lim := s.limits
	s.show(trace.Event{Kind: trace.NodeStarted, Limits: &lim,
		Data: func() *loop.Loop { return loop.New(&counting{}, o) }})
	return s
}

// show hands an event to the checkers at once: what a Folded holds is valid
// only while it is shown.
func (s *shadowed) show(e trace.Event) {
	s.step++
	e.Node, e.Incarnation, e.Time, e.Step = 1, 1, s.now, s.step
	for _, c := range s.see {
		if err := c.Observe(&e); err != nil && s.err == nil {
			s.err = err
		}
	}
}

func (s *shadowed) fold(f loop.Folded, forge func(*loop.Folded)) {
	s.now += time.Millisecond
	f.In.Now = s.now
	switch f.Call {
	case loop.CallStep:
		f.Err = s.loop.Step(f.In)
	case loop.CallLog:
		s.loop.Log(f.In.Now, f.In.WallMs, f.Line)
	case loop.CallTick:
		s.loop.Tick(f.In.Now, f.In.WallMs)
	}
	f.Ready, f.Loop = s.loop.Ready(), s.loop
	if forge != nil {
		forge(&f)
	}
	s.show(trace.Event{Kind: trace.LoopInput, Data: &f})
	s.loop.Advance()
}

func (s *shadowed) some(rounds int) *shadowed {
	for i := range rounds {
		s.fold(loop.Folded{Call: loop.CallStep, In: loop.Input{From: 2, Msg: ping{7}}}, nil)
		s.fold(loop.Folded{Call: loop.CallStep, In: loop.Input{From: 2, Msg: "refuse"}}, nil)
		s.fold(loop.Folded{Call: loop.CallLog, Line: loop.LogLine{Message: "a line"}}, nil)
		s.fold(loop.Folded{Call: loop.CallTick}, nil)
		if i%2 == 0 {
			s.settleAs(1, appender.Failed) // whatever an appender does
		}
	}
	return s
}

func TestNonInterferenceHoldsWhateverIsSettled(t *testing.T) {
	s := newShadowed(nil, props.NonInterference).some(100)
	require.NoError(t, s.err)
	require.EqualValues(t, 400, s.see[0].(trace.Counter).Checked())
}

func TestNonInterferenceTripsOnAnyDifference(t *testing.T) {
	step := loop.Folded{Call: loop.CallStep, In: loop.Input{From: 2, Msg: ping{7}}}
	for says, forge := range map[string]func(*loop.Folded){
		"the loop emits record":                       func(f *loop.Folded) { f.Ready.Records[0].Message = "forged" },
		"the loop wants action":                       func(f *loop.Folded) { f.Ready.Actions[0].Args = &ping{99} },
		"the loop sends":                              func(f *loop.Folded) { f.Ready.Messages[0].Msg = ping{99} },
		"0 messages where its shadow wants":           func(f *loop.Folded) { f.Ready.Messages = nil },
		"the loop answered odd where its":             func(f *loop.Folded) { f.Err = errOdd },
		"the loop's state digests to":                 func(f *loop.Folded) { f.Loop.Log(f.In.Now, 0, loop.LogLine{}); f.Ready.Records = f.Ready.Records[:1] },
		"the loop sends {To:2 Msg:{N:11}} where its ": func(f *loop.Folded) { f.Ready.Messages[0].To = 2; f.Ready.Messages[0].Msg = struct{ N int }{11} },
	} {
		s := newShadowed(nil, props.NonInterference).some(10)
		s.fold(step, forge)
		require.ErrorContains(t, s.err, says)
	}
}

func TestNonInterferenceTripsOnAModelThatKnowsItsAppender(t *testing.T) {
	leak := false
	s := newShadowed(&leak, props.NonInterference).some(10)
	require.NoError(t, s.err)
	leak = true
	s.some(1)
	require.ErrorContains(t, s.err, "the loop")
}

// bomb is a model that panics.
type bomb struct{ counting }

func (*bomb) Tick(time.Duration, *loop.Ready) { panic("boom") }

func TestNonInterferenceTripsOnAShadowThatPanicsAlone(t *testing.T) {
	s := newShadowed(nil, props.NonInterference)
	s.show(trace.Event{Kind: trace.NodeStarted, Data: func() *loop.Loop { return loop.New(&bomb{}, loop.Options{}) }})
	s.fold(loop.Folded{Call: loop.CallTick}, nil)
	require.ErrorContains(t, s.err, "the shadow loop panicked where the loop did not: boom")
}

func TestAPanicOfTheModelEndsItsShadow(t *testing.T) {
	s := newShadowed(nil, props.NonInterference).some(1)
	before := s.see[0].(trace.Counter).Checked()
	s.show(trace.Event{Kind: trace.ActorFailed, Actor: trace.RoleLoop})
	s.some(1)
	require.NoError(t, s.err)
	require.Equal(t, before, s.see[0].(trace.Counter).Checked())
}

// settleAs tells the host's side of a settlement, then the loop.
func (s *shadowed) settleAs(seq uint64, o appender.Outcome) {
	s.show(trace.Event{Kind: trace.RecordSettled, Seq: seq, Outcome: uint8(o)})
	s.loop.Settle(seq, o)
}

func TestSnapshotsOfARealLoopHold(t *testing.T) {
	s := newShadowed(nil, props.Snapshot, props.FIFODrop)
	for i := range uint64(100) {
		s.some(1)
		s.settleAs(3*i+1, appender.Appended)
	}
	require.NoError(t, s.err)
	require.NotZero(t, s.see[0].(trace.Counter).Checked())
	require.NotZero(t, s.see[1].(trace.Counter).Checked())
}

func TestSnapshotTripsOnAClaimNobodyMade(t *testing.T) {
	s := newShadowed(nil, props.Snapshot).some(14)
	last := s.loop.Stats().Records
	s.show(trace.Event{Kind: trace.RecordSettled, Seq: last, Outcome: uint8(appender.Failed)})
	s.loop.Settle(last, appender.Appended)
	s.some(2)
	require.ErrorContains(t, s.err, "is shown as in the durable chain, but was never acknowledged")
}

func TestSnapshotTripsOnASettlementThatDidNotHappen(t *testing.T) {
	s := newShadowed(nil, props.Snapshot).some(14)
	s.loop.Settle(1, appender.Failed)
	s.some(2)
	require.ErrorContains(t, s.err, "it counts 9 settlements of 8")
}

func TestSnapshotTripsOnAPublicationThatGoesBack(t *testing.T) {
	s := newShadowed(nil, props.Snapshot).some(32 + 15) // seen: those of ticks 1 and 17
	require.NoError(t, s.err)
	s.fold(loop.Folded{Call: loop.CallTick}, func(f *loop.Folded) { f.Loop = newShadowed(nil).some(2).loop })
	require.ErrorContains(t, s.err, "went back from tick 17 to tick 1")
}

func TestFIFODropTripsOnARingOfTheWrongSize(t *testing.T) {
	s := newShadowed(nil, props.FIFODrop)
	lim := s.limits
	lim.Ring = 9
	s.show(trace.Event{Kind: trace.NodeStarted, Limits: &lim})
	s.some(16)
	require.ErrorContains(t, s.err, "a ring of 9 holds 8 of")
}

func BenchmarkNonInterference(b *testing.B) {
	s := newShadowed(nil, props.NonInterference)
	plain := newShadowed(nil)
	step := loop.Folded{Call: loop.CallStep, In: loop.Input{From: 2, Msg: ping{7}}}
	b.Run("line/shadowed", func(b *testing.B) {
		for b.Loop() {
			s.fold(loop.Folded{Call: loop.CallLog, Line: loop.LogLine{Message: "a line"}}, nil)
		}
	})
	b.Run("line/alone", func(b *testing.B) {
		for b.Loop() {
			plain.fold(loop.Folded{Call: loop.CallLog, Line: loop.LogLine{Message: "a line"}}, nil)
		}
	})
	b.Run("step/shadowed", func(b *testing.B) {
		for b.Loop() {
			s.fold(step, nil)
		}
	})
	b.Run("step/alone", func(b *testing.B) {
		for b.Loop() {
			plain.fold(step, nil)
		}
	})
	require.NoError(b, s.err)
}
