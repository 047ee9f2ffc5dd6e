package loop_test

import (
	"fmt"
	"reflect"
	"time"

	"meshsim/appender"
	"meshsim/loop"
)

// naive is what a loop should be, without a thought for cost: everything that
// ever happened, in slices that only grow, from which each answer is computed
// anew.
type naive struct {
	opt     loop.Options
	idler   bool
	onTick  wish
	records []appender.Record
	landed  map[uint64]bool // records that were acknowledged
	emitted []loop.Emission
	wanted  struct {
		actions  []loop.Action
		messages []loop.Message
		records  []appender.Record
	}
	messages                      uint64
	steps, refused, logged, ticks uint64
	settled                       [appender.NumOutcomes]uint64
	settledEvicted                uint64
	inputs                        uint64
	now                           time.Duration
	wallMs                        uint64
	next                          time.Duration // what the model said last
	asked                         time.Duration // when it said so
	base                          time.Duration // the last tick, or the start
	overdue                       time.Duration // the deadline that was reached and not handled; -1 is none
	demanded, everPublished       bool
	published                     *loop.Snapshot
}

func newNaive(s script) *naive {
	n := &naive{opt: s.opt, idler: s.idler, onTick: s.onTick, landed: map[uint64]bool{}, overdue: -1}
	if n.opt.Incarnation == 0 {
		n.opt.Incarnation = 1
	}
	if n.opt.Tick == 0 {
		n.opt.Tick = 500 * time.Millisecond
	}
	n.now, n.base, n.asked = n.opt.Start, n.opt.Start, n.opt.Start
	n.published = &loop.Snapshot{Node: n.opt.Node, Incarnation: n.opt.Incarnation}
	return n
}

// nextTick walks the regular ticks one by one.
func (n *naive) nextTick() (time.Duration, bool) {
	if n.overdue >= 0 {
		return n.overdue, true
	}
	t := n.base + n.opt.Tick
	if n.idler {
		if n.next < 0 {
			return 0, false
		}
		for t < max(n.next, n.asked) {
			t += n.opt.Tick
		}
	}
	return t, true
}

// pass lets time pass, over a deadline perhaps: that stays due.
func (n *naive) pass(now time.Duration, wallMs uint64) {
	n.now, n.wallMs = max(n.now, now), wallMs
}

func (n *naive) stick() {
	if t, ok := n.nextTick(); ok && t <= n.now {
		n.overdue = t
	}
}

func (n *naive) log(l loop.LogLine) {
	r := appender.Record{Seq: uint64(len(n.records) + 1), TimeMs: n.wallMs, Daemon: l.Daemon, Node: n.opt.Node,
		Message: l.Message, Incarnation: n.opt.Incarnation, Level: l.Level}
	n.records = append(n.records, r)
	n.wanted.records = append(n.wanted.records, r)
}

func (n *naive) wish(w wish) {
	for _, a := range w.actions {
		a.ID = uint64(len(n.emitted) + 1)
		n.emitted = append(n.emitted, loop.Emission{Action: a, At: n.now})
		n.wanted.actions = append(n.wanted.actions, a)
	}
	n.wanted.messages = append(n.wanted.messages, w.messages...)
	n.messages += uint64(len(w.messages))
	for _, l := range w.lines {
		n.log(l)
	}
}

// step returns whether the input was taken.
func (n *naive) step(in loop.Input) bool {
	n.pass(in.Now, in.WallMs)
	n.stick() // a deadline that has come by now, whatever the input changes
	n.steps++
	n.asked = n.now
	w := in.Msg.(wish)
	refuse := w.refuse
	if in.Action != 0 {
		switch id := int(in.Action); {
		case id > len(n.emitted):
			refuse = fmt.Sprintf("%v: %d of %d emitted", loop.ErrAction, id, len(n.emitted))
		case id > len(n.emitted)-n.opt.Emissions && n.emitted[id-1].Done:
			refuse = fmt.Sprintf("%v: %d was answered before", loop.ErrAction, id)
		default:
			n.emitted[id-1].Done = true
		}
	}
	if refuse != "" {
		n.refused++
		n.log(loop.LogLine{Level: appender.Warn, Message: "input refused: " + refuse})
		return false
	}
	n.inputs++
	n.next = w.next
	n.wish(w)
	return true
}

func (n *naive) tick(now time.Duration, wallMs uint64) {
	n.pass(now, wallMs)
	n.ticks++
	n.wish(n.onTick)
	n.base, n.overdue = n.now, -1
	if n.demanded || !n.everPublished {
		n.published = n.capture()
		n.demanded, n.everPublished = false, true
	}
}

func (n *naive) settle(seq uint64, o appender.Outcome) {
	n.settled[o]++
	if seq+uint64(n.opt.Ring) <= uint64(len(n.records)) {
		n.settledEvicted++
	}
	if o == appender.Appended {
		n.landed[seq] = true
	}
}

func last[T any](s []T, n int) []T { return s[max(0, len(s)-n):] }

func (n *naive) capture() *loop.Snapshot {
	s := &loop.Snapshot{Node: n.opt.Node, Incarnation: n.opt.Incarnation, Tick: n.ticks, Now: n.now,
		View: [2]uint64{n.inputs, n.ticks},
		Stats: loop.Stats{
			Steps: n.steps, Refused: n.refused, Lines: n.logged, Ticks: n.ticks,
			Records: uint64(len(n.records)), Actions: uint64(len(n.emitted)), Messages: n.messages,
			RingDropped:      uint64(max(0, len(n.records)-n.opt.Ring)),
			EmissionsDropped: uint64(max(0, len(n.emitted)-n.opt.Emissions)),
			Settled:          n.settled, SettledEvicted: n.settledEvicted,
		}}
	for _, r := range last(n.records, n.opt.Ring) {
		s.Log = append(s.Log, loop.Entry{Record: r, ChainPending: !n.landed[r.Seq]})
	}
	s.Emissions = append(s.Emissions, last(n.emitted, n.opt.Emissions)...)
	return s
}

// play makes the calls of a script on a loop and on a naive one, and returns
// the first thing in which they differ.
func play(s script, broken loop.Defect) error {
	model := &scripted{onTick: s.onTick}
	var m loop.Model = model
	if s.idler {
		i := &idling{scripted{onTick: s.onTick}}
		model, m = &i.scripted, i
	}
	l, n := loop.New(m, s.opt), newNaive(s)
	l.Break(broken)
	for i, o := range s.ops {
		if err := call(l, n, o); err != nil {
			return fmt.Errorf("call %d, %s: %w", i, o.call, err)
		}
		if err := agree(l, n); err != nil {
			return fmt.Errorf("after call %d, %s: %w", i, o.call, err)
		}
	}
	for i := 1; i < len(model.seen); i++ {
		if model.seen[i] < model.seen[i-1] {
			return fmt.Errorf("the model saw time go back from %v to %v", model.seen[i-1], model.seen[i])
		}
	}
	for i, id := range model.ids {
		if id != uint64(i+1) {
			return fmt.Errorf("Do returned %d for action %d", id, i+1)
		}
	}
	return nil
}

func call(l *loop.Loop, n *naive, o op) error {
	o.in.Now += n.now
	switch o.call {
	case "step":
		took := n.step(o.in)
		if err := l.Step(o.in); (err == nil) != took {
			return fmt.Errorf("Step returned %v", err)
		}
	case "log":
		n.pass(o.in.Now, o.in.WallMs)
		n.logged++
		n.log(o.line)
		l.Log(o.in.Now, o.in.WallMs, o.line)
	case "tick":
		due, ok := n.nextTick()
		if !ok {
			return nil // a runtime ticks only when the loop asks for it
		}
		now := max(due, n.now) + o.late
		n.tick(now, o.in.WallMs)
		l.Tick(now, o.in.WallMs)
	case "settle":
		if seq := uint64(len(n.records)) - o.back; seq > 0 && seq <= uint64(len(n.records)) {
			n.settle(seq, o.outcome)
			l.Settle(seq, o.outcome)
		}
	case "advance":
		n.wanted.actions, n.wanted.messages, n.wanted.records = nil, nil, nil
		l.Advance()
	case "snapshot":
		if got := l.Snapshot(); !reflect.DeepEqual(got, n.published) {
			return fmt.Errorf("published is\n%+v\nwhere it should be\n%+v", got, n.published)
		}
		n.demanded = true
	}
	return nil
}

func agree(l *loop.Loop, n *naive) error {
	if got, want := l.Capture(), n.capture(); !reflect.DeepEqual(got, want) {
		return fmt.Errorf("the state is\n%+v\nwhere it should be\n%+v", got, want)
	}
	gt, gok := l.NextTick()
	if wt, wok := n.nextTick(); gt != wt || gok != wok {
		return fmt.Errorf("the next tick is at %v, %v where it should be at %v, %v", gt, gok, wt, wok)
	}
	r := l.Ready()
	if !same(r.Actions, n.wanted.actions) || !same(r.Messages, n.wanted.messages) || !same(r.Records, n.wanted.records) {
		return fmt.Errorf("ready is\n%+v\nwhere it should be\n%+v", *r, n.wanted)
	}
	return nil
}

func same[T any](a, b []T) bool { return len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b)) }
