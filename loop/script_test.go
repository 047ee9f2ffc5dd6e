package loop_test

import (
	"errors"
	"time"

	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/loop"
)

// wish is what the scripted model is told to want, in an input's Msg: a step's
// whole behaviour is in the script, so that the naive model knows it, too.
type wish struct {
	lines    []loop.LogLine
	messages []loop.Message
	actions  []loop.Action // without their IDs
	refuse   string        // then nothing else is done
	next     time.Duration // from now on, Next says this; negative: nothing is due
}

func (w *wish) to(out *loop.Ready) (ids []uint64) {
	for _, a := range w.actions {
		ids = append(ids, out.Do(a.Kind, a.Target, a.Args))
	}
	for _, m := range w.messages {
		out.Send(m.To, m.Msg)
	}
	for _, l := range w.lines {
		out.Log(l)
	}
	return ids
}

// scripted does what it is told. Its state is the number of its inputs and
// ticks, and when it wants the next tick.
type scripted struct {
	inputs, ticks uint64
	next          time.Duration
	onTick        wish
	ids           []uint64
	seen          []time.Duration // the times it was given
}

func (m *scripted) Step(in loop.Input, out *loop.Ready) error {
	m.seen = append(m.seen, in.Now)
	w, _ := in.Msg.(wish)
	if w.refuse != "" {
		return errors.New(w.refuse)
	}
	m.inputs++
	m.next = w.next
	m.ids = append(m.ids, w.to(out)...)
	return nil
}

func (m *scripted) Tick(now time.Duration, out *loop.Ready) {
	m.seen = append(m.seen, now)
	m.ticks++
	m.ids = append(m.ids, m.onTick.to(out)...)
}

func (m *scripted) Digest(h uint64) uint64 { return loop.Fold(loop.Fold(h, m.inputs), m.ticks) }
func (m *scripted) View() any              { return [2]uint64{m.inputs, m.ticks} }

// idling is a scripted model that also says when it needs a tick.
type idling struct{ scripted }

func (m *idling) Next(time.Duration) (time.Duration, bool) { return max(m.next, 0), m.next >= 0 }

// op is one call on a loop.
type op struct {
	call    string // step, log, tick, settle, advance, snapshot
	in      loop.Input
	line    loop.LogLine
	late    time.Duration // of tick: how long after it was due
	back    uint64        // of settle: how many records before the newest
	outcome appender.Outcome
}

// script is a sequence of calls, and the loop that they are made on.
type script struct {
	opt    loop.Options
	idler  bool
	onTick wish
	ops    []op
}

var lines = rapid.Custom(func(t *rapid.T) loop.LogLine {
	return loop.LogLine{
		Level:   appender.Level(rapid.IntRange(0, 4).Draw(t, "level")),
		Daemon:  rapid.Uint64Range(0, 3).Draw(t, "daemon"),
		Message: rapid.StringN(0, 12, -1).Draw(t, "message"),
	}
})

var wishes = rapid.Custom(func(t *rapid.T) wish {
	return wish{
		lines: rapid.SliceOfN(lines, 0, 3).Draw(t, "lines"),
		messages: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) loop.Message {
			return loop.Message{To: rapid.Uint64Range(1, 3).Draw(t, "to"), Msg: rapid.Int().Draw(t, "msg")}
		}), 0, 2).Draw(t, "messages"),
		actions: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) loop.Action {
			return loop.Action{Kind: rapid.SampledFrom([]string{"start", "stop"}).Draw(t, "kind"), Target: rapid.Uint64Range(0, 3).Draw(t, "target")}
		}), 0, 3).Draw(t, "actions"),
		refuse: rapid.SampledFrom([]string{"", "", "", "no"}).Draw(t, "refuse"),
		next:   time.Duration(rapid.Int64Range(-1, 5000).Draw(t, "next")) * time.Millisecond,
	}
})

var ops = rapid.Custom(func(t *rapid.T) op {
	o := op{call: rapid.SampledFrom([]string{"step", "step", "log", "log", "tick", "settle", "settle", "advance", "snapshot"}).Draw(t, "call")}
	switch o.call {
	case "step":
		o.in = loop.Input{Msg: wishes.Draw(t, "wish"), From: rapid.Uint64Range(0, 3).Draw(t, "from")}
		if rapid.IntRange(0, 2).Draw(t, "outcome?") == 0 {
			o.in.Action = rapid.Uint64Range(1, 12).Draw(t, "action")
		}
	case "log":
		o.line = lines.Draw(t, "line")
	case "settle":
		o.back = rapid.Uint64Range(0, 9).Draw(t, "back")
		o.outcome = appender.Outcome(rapid.IntRange(1, appender.NumOutcomes-1).Draw(t, "outcome"))
	case "tick":
		o.late = time.Duration(rapid.Int64Range(0, 2000).Draw(t, "late")) * time.Millisecond
	}
	// Of the other calls: how much later than the call before, sometimes back.
	o.in.Now = time.Duration(rapid.Int64Range(-50, 400).Draw(t, "dt")) * time.Millisecond
	o.in.WallMs = rapid.Uint64Range(0, 1<<41).Draw(t, "wall")
	return o
})

var scripts = rapid.Custom(func(t *rapid.T) script {
	return script{
		opt: loop.Options{
			Node: "n1", ID: 1,
			Incarnation: rapid.Uint32Range(0, 3).Draw(t, "incarnation"),
			Start:       time.Duration(rapid.Int64Range(0, 3000).Draw(t, "start")) * time.Millisecond,
			Tick:        time.Duration(rapid.SampledFrom([]int{0, 7, 100, 500}).Draw(t, "tick")) * time.Millisecond,
			Ring:        rapid.IntRange(1, 8).Draw(t, "ring"),
			Emissions:   rapid.IntRange(1, 6).Draw(t, "emissions"),
		},
		idler:  rapid.Bool().Draw(t, "idler"),
		onTick: wish{lines: rapid.SliceOfN(lines, 0, 2).Draw(t, "tick lines")},
		ops:    rapid.SliceOfN(ops, 1, 60).Draw(t, "ops"),
	}
})
