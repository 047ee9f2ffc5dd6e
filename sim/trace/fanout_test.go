package trace_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/sim/trace"
)

// probe is a checker that logs what is done to it, and obeys a script.
type probe struct {
	name      string
	kinds     trace.KindSet
	period    time.Duration // of its deadlines; 0: none
	owed      time.Duration
	failSeq   uint64 // fails at the event with this Seq
	failAfter int    // fails at this wake-up
	failEnd   bool
	slack     time.Duration
	checked   uint64
	log       []string
}

func (p *probe) note(f string, a ...any) { p.log = append(p.log, fmt.Sprintf(f, a...)) }

func (p *probe) Name() string                 { return p.name }
func (p *probe) Kinds() trace.KindSet         { return p.kinds }
func (p *probe) Quantifier() trace.Quantifier { return trace.Eventually }
func (p *probe) Checked() uint64              { return p.checked }
func (p *probe) SetSlack(d time.Duration)     { p.slack = d }

func (p *probe) Observe(e *trace.Event) error {
	p.checked++
	p.note("event %d", e.Seq)
	if p.period > 0 {
		p.owed = e.Time + p.period + p.slack
	}
	if p.failSeq != 0 && e.Seq == p.failSeq {
		return errors.New("bad event")
	}
	return nil
}

func (p *probe) Next() (time.Duration, bool) { return p.owed, p.owed > 0 }

func (p *probe) Expire(now time.Duration) error {
	p.note("expire %d", now)
	p.owed += p.period
	if p.failAfter--; p.failAfter == 0 {
		return errors.New("too late")
	}
	return nil
}

func (p *probe) Finish(now time.Duration) error {
	p.note("finish %d", now)
	if p.failEnd {
		return errors.New("still owed")
	}
	return nil
}

func TestFanoutShowsEachCheckerWhatItWants(t *testing.T) {
	a := &probe{name: "a", kinds: trace.Kinds(trace.LineIn)}
	b := &probe{name: "b", kinds: trace.Kinds(trace.LineIn, trace.LineLogged)}
	f := trace.NewFanout(a, b)
	require.Equal(t, trace.Kinds(trace.LineIn, trace.LineLogged), f.Kinds())
	for i, k := range []trace.Kind{trace.LineIn, trace.LineLogged, trace.Mark, trace.LineIn} {
		f.Observe(&trace.Event{Kind: k, Seq: uint64(i)})
	}
	f.Finish(9)
	f.Finish(9)
	f.Observe(&trace.Event{Kind: trace.LineIn})
	require.Equal(t, []string{"event 0", "event 3", "finish 9"}, a.log)
	require.Equal(t, []string{"event 0", "event 1", "event 3", "finish 9"}, b.log)
	require.Equal(t, []trace.Judgement{
		{Name: "a", Quantifier: trace.Eventually, Checked: 2, Counts: true},
		{Name: "b", Quantifier: trace.Eventually, Checked: 3, Counts: true},
	}, f.Judgements())
}

// plain wants everything, counts nothing.
type plain struct{ seen int }

func (*plain) Name() string                 { return "plain" }
func (p *plain) Observe(*trace.Event) error { p.seen++; return nil }
func (*plain) Next() (time.Duration, bool)  { return 0, false }
func (*plain) Expire(time.Duration) error   { return nil }
func (*plain) Finish(time.Duration) error   { return nil }

func TestACheckerWithoutOptionsSeesEverythingAlways(t *testing.T) {
	p := &plain{}
	f := trace.NewFanout(p)
	f.SetSlack(time.Second)
	require.Equal(t, trace.AllKinds, f.Kinds())
	for k := trace.Kind(1); int(k) < trace.NumKinds; k++ {
		f.Observe(&trace.Event{Kind: k})
	}
	require.Equal(t, trace.NumKinds-1, p.seen)
	require.False(t, f.Due(1<<62))
	require.Equal(t, []trace.Judgement{{Name: "plain", Quantifier: trace.Always}}, f.Judgements())
}

func TestFanoutWakesInOrderOfDeadlines(t *testing.T) {
	a := &probe{name: "a", kinds: trace.AllKinds, period: 3}
	b := &probe{name: "b", kinds: trace.AllKinds, period: 5}
	var order []string
	f := trace.NewFanout(&teller{a, &order}, &teller{b, &order})
	f.SetSlack(1)
	f.Observe(&trace.Event{Kind: trace.Mark})
	require.False(t, f.Due(3))
	require.True(t, f.Due(4))
	f.Advance(0, 3)
	require.Empty(t, order)
	f.Advance(3, 20)
	require.Equal(t, []string{"a 4", "b 6", "a 7", "a 10", "b 11", "a 13", "a 16", "b 16", "a 19"}, order)
}

// teller tells of wake-ups.
type teller struct {
	*probe
	order *[]string
}

func (w *teller) Expire(now time.Duration) error {
	*w.order = append(*w.order, fmt.Sprintf("%s %d", w.name, now))
	return w.probe.Expire(now)
}

func TestFanoutKeepsTheFirstViolation(t *testing.T) {
	event := &probe{name: "event", kinds: trace.AllKinds, failSeq: 2}
	late := &probe{name: "late", kinds: trace.AllKinds, period: 10, failAfter: 1}
	end := &probe{name: "end", kinds: trace.AllKinds, failEnd: true}
	fine := &probe{name: "fine", kinds: trace.AllKinds}
	f := trace.NewFanout(event, late, end, fine)
	for i := range uint64(4) {
		f.Observe(&trace.Event{Kind: trace.Mark, Seq: i, Step: 100 + i, Time: time.Duration(i)})
	}
	f.Advance(3, 30)
	f.Finish(30)
	js := f.Judgements()
	require.Equal(t, []string{"event 0", "event 1", "event 2"}, event.log, "nothing after its violation")
	require.Len(t, fine.log, 5)
	for i := range js {
		require.True(t, js[i].Counts)
		js[i].Checked, js[i].Counts, js[i].Quantifier = 0, false, ""
	}
	require.Equal(t, []trace.Judgement{
		{Name: "event", Violated: true, Step: 102, Time: 2, Err: errors.New("bad event")},
		{Name: "late", Violated: true, Step: 103, Time: 13, Err: errors.New("too late")},
		{Name: "end", Violated: true, Step: 103, Time: 30, Err: errors.New("still owed")},
		{Name: "fine"},
	}, js)
}

// stuck is owed for ever.
type stuck struct{ plain }

func (*stuck) Next() (time.Duration, bool) { return 5, true }

func TestACheckerThatStaysOwedIsABug(t *testing.T) {
	f := trace.NewFanout(&stuck{})
	require.PanicsWithValue(t, "trace: checker plain woken at 5ns is owed a wake-up at 5ns", func() { f.Advance(0, 9) })
}

// judge drives probes as plainly as can be.
func judge(ps []*probe, events []trace.Event, end time.Duration) []bool {
	out := make([]bool, len(ps))
	advance := func(to time.Duration) {
		for {
			first := -1
			for i, p := range ps {
				if at, ok := p.Next(); ok && !out[i] && at <= to && (first < 0 || at < ps[first].owed) {
					first = i
				}
			}
			if first < 0 {
				return
			}
			out[first] = ps[first].Expire(ps[first].owed) != nil
		}
	}
	for i := range events {
		e := &events[i]
		advance(e.Time)
		for j, p := range ps {
			if !out[j] && p.kinds.Has(e.Kind) {
				out[j] = p.Observe(e) != nil
			}
		}
	}
	advance(end)
	for j, p := range ps {
		out[j] = out[j] || p.Finish(end) != nil
	}
	return out
}

func TestFanoutAgreesWithAPlainOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		specs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) probe {
			return probe{
				kinds:     trace.KindSet(rapid.Uint64Range(0, 15).Draw(t, "kinds")) << 1,
				period:    time.Duration(rapid.IntRange(0, 9).Draw(t, "period")),
				failSeq:   uint64(rapid.IntRange(0, 20).Draw(t, "failSeq")),
				failAfter: rapid.IntRange(0, 9).Draw(t, "failAfter"),
				failEnd:   rapid.Bool().Draw(t, "failEnd"),
			}
		}), 0, 6).Draw(t, "probes")
		var events []trace.Event
		now := time.Duration(0)
		for i := range rapid.IntRange(0, 20).Draw(t, "events") {
			now += time.Duration(rapid.IntRange(0, 5).Draw(t, "gap"))
			events = append(events, trace.Event{Kind: trace.Kind(rapid.IntRange(1, 4).Draw(t, "kind")), Seq: uint64(i + 1), Time: now})
		}
		end := now + time.Duration(rapid.IntRange(0, 30).Draw(t, "rest"))

		var as, bs []*probe
		var checkers []trace.Checker
		for i := range specs {
			a, b := specs[i], specs[i]
			as, bs = append(as, &a), append(bs, &b)
			checkers = append(checkers, &a)
		}
		f := trace.NewFanout(checkers...)
		last := time.Duration(0)
		for i := range events {
			f.Advance(last, events[i].Time)
			last = events[i].Time
			f.Observe(&events[i])
		}
		f.Advance(last, end)
		f.Finish(end)
		out := judge(bs, events, end)
		for i, j := range f.Judgements() {
			require.Equal(t, bs[i].log, as[i].log)
			require.Equal(t, out[i], j.Violated)
			require.Equal(t, out[i], j.Err != nil)
		}
	})
}

func TestFanoutObserveDoesNotAllocate(t *testing.T) {
	f := trace.NewFanout(slices.Repeat([]trace.Checker{&plain{}}, 13)...)
	e := trace.Event{Kind: trace.LineIn}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		f.Observe(&e)
		f.Advance(0, 1)
	}))
}

func BenchmarkFanout(b *testing.B) {
	wanted, e := &probe{kinds: trace.Kinds(trace.LineLogged)}, trace.Event{Kind: trace.LineIn}
	f := trace.NewFanout(wanted)
	b.Run("unwanted", func(b *testing.B) {
		for b.Loop() {
			f.Observe(&e)
		}
	})
	g := trace.NewFanout(slices.Repeat([]trace.Checker{&plain{}}, 13)...)
	b.Run("13 checkers", func(b *testing.B) {
		for b.Loop() {
			g.Observe(&e)
		}
	})
}

// panicky is a checker with a bug in one of its methods.
type panicky struct {
	probe
	in string
}

func (p *panicky) Observe(e *trace.Event) error {
	if p.in == "observe" {
		panic("a bug")
	}
	return p.probe.Observe(e)
}

func (p *panicky) Expire(now time.Duration) error {
	if p.in == "expire" {
		var none *probe
		none.checked++
	}
	return p.probe.Expire(now)
}

func (p *panicky) Finish(time.Duration) error {
	if p.in == "finish" {
		panic(errors.New("a bug"))
	}
	return nil
}

// Regression: the events of an actor's step are observed inside it, so its
// supervisor took a checker's panic for the actor's, and the run was held.
func TestAPanickingCheckerIsViolated(t *testing.T) {
	for _, in := range []string{"observe", "expire", "finish"} {
		c := &panicky{probe: probe{name: "buggy", kinds: trace.AllKinds, period: 5}, in: in}
		other := &probe{name: "sound", kinds: trace.AllKinds}
		f := trace.NewFanout(c, other)
		f.Observe(&trace.Event{Kind: trace.TickDone, Step: 7, Time: 10})
		f.Advance(10, 20)
		f.Finish(20)
		js := f.Judgements()
		require.True(t, js[0].Violated, in)
		require.ErrorIs(t, js[0].Err, trace.ErrCheckerPanic)
		require.Contains(t, js[0].Err.Error(), "fanout_test.go:", in)
		require.EqualValues(t, 7, js[0].Step)
		require.False(t, js[1].Violated, in)
	}
}
