package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// loopActor is the actor around a node's loop. It folds in one message at a
// time, does what the loop wants done, and never waits: not for the appender,
// not for the executor, not for the network. Its loop outlives its restarts; an
// input that makes the model panic is consumed by that.
type loopActor struct {
	n    *Node
	mb   *mailbox
	loop *loop.Loop

	tick     alarm
	ticks    bool          // the model wants a tick
	due      time.Duration // the tick that was armed
	told     bool          // since the last tick, when the next one is due
	finished bool
	refused  run // actions whose refusal is still to be folded in
	inFlight int // actions whose outcome is still to come, refusals apart

	folded loop.Folded
}

func (l *loopActor) init(n *Node, m loop.Model) {
	l.n = n
	l.loop = loop.New(m, n.o.Loop)
	// The protocol bounds the control lane: an answer per action in flight and
	// a run of refusals between any two, a word of settlements, a capture, an
	// order to finish, a panic to raise.
	l.mb = n.rt.newMailbox(n, trace.RoleLoop, 2, 2*maxActions+maxCaptures+4, n.o.Inbox)
	l.mb.name[control], l.mb.name[droppable] = "loop-control", "loop-inbox"
	l.mb.onTake, l.mb.onDrop = l.taken, l.dropped
	l.tick = newAlarm(l.mb, kindTick)
}

// started follows a restart, too: what a call that panicked left in Ready is
// done first, so that no record and no action is missing.
func (l *loopActor) started(actor.Context) {
	l.told = false
	l.foldRefused()
	l.drain()
}

func (l *loopActor) restarting() {}
func (l *loopActor) stopping()   { l.tick.stop() }
func (l *loopActor) stopped()    {}

// taken sees a droppable message leave the mailbox for the handler, in one
// instant with its leaving, so that no later one is dropped before it is told.
func (l *loopActor) taken(e *entry) {
	if e.kind == kindLine {
		l.n.lineEvent(trace.LineLogged, e)
	}
}

// dropped sees one leave it for nowhere.
func (l *loopActor) dropped(e *entry) {
	n := l.n
	if e.kind == kindLine {
		n.linesDropped.Add(1)
		n.lineEvent(trace.LineDropped, e)
		return
	}
	n.inputsDropped.Add(1)
	if n.wants.Has(trace.InputLost) {
		v := n.begin(trace.InputLost)
		v.Peer = uint32(e.from)
		n.end(v)
	}
}

func (l *loopActor) handle(e *entry) {
	if e.kind == kindPeer && !l.finished { // what a busy mesh is made of
		l.step(loop.Input{From: e.from, Msg: e.msg})
		l.drain()
		return
	}
	switch e.kind {
	case kindCapture:
		e.msg.(chan *loop.Snapshot) <- l.loop.Capture()
	case kindSettled:
		h := &l.n.host
		h.lock()
		h.told = false
		h.unlock()
	case kindFinish:
		l.finish(e.at)
	}
	if !l.finished {
		l.fold(e)
	}
	l.drain()
}

func (l *loopActor) fold(e *entry) {
	switch e.kind {
	case kindLine:
		l.log(e)
	case kindInput:
		l.step(loop.Input{Msg: e.msg})
	case kindTick:
		l.ticked(e)
	case kindOutcome:
		l.inFlight--
		l.n.actionEvent(trace.ActionDone, e.seq, e.text, e.from, e.err)
		l.step(loop.Input{Action: e.seq, Msg: e.msg, Err: e.err})
	case kindRefused:
		l.refused = run{first: e.seq, count: e.from}
		l.foldRefused()
	}
}

// foldRefused folds the outcomes of actions that the executor had no room for.
// If one makes the model panic, the rest follows after the restart.
func (l *loopActor) foldRefused() {
	for r := &l.refused; r.count > 0; {
		id := r.first
		r.first++
		r.count--
		l.n.actionEvent(trace.ActionDone, id, "", 0, ErrBusy)
		l.step(loop.Input{Action: id, Err: ErrBusy})
	}
}

// step folds an input into the model.
func (l *loopActor) step(in loop.Input) {
	in.Now = l.n.rt.now()
	in.WallMs = l.n.wallMs(in.Now)
	err := l.loop.Step(in)
	if l.n.wants.Has(trace.LoopInput) {
		l.show(loop.Folded{Call: loop.CallStep, In: in, Err: err})
	}
}

func (l *loopActor) log(e *entry) {
	now := l.n.rt.now()
	line := loop.LogLine{Level: e.code, Daemon: e.from, Message: e.text}
	wall := l.n.wallMs(now)
	l.loop.Log(now, wall, line)
	if l.n.wants.Has(trace.LoopInput) {
		l.show(loop.Folded{Call: loop.CallLog, In: loop.Input{Now: now, WallMs: wall}, Line: line})
	}
}

// ticked handles a tick that is due. One that the model has thought better of
// meanwhile is left out.
func (l *loopActor) ticked(e *entry) {
	if !l.tick.rang(e) {
		return
	}
	now := l.n.rt.now()
	due, ok := l.loop.NextTick()
	if !ok || due > now {
		l.told = false
		return
	}
	if broken == mutantTickWaitsForHost && l.n.host.InHand > 0 {
		l.tick.set(now + 10*time.Millisecond)
		return
	}
	l.told = false
	wall := l.n.wallMs(now)
	l.loop.Tick(now, wall)
	if l.n.wants.Has(trace.TickDone) {
		v := l.n.begin(trace.TickDone)
		v.Lag = now - due
		l.n.end(v)
	}
	if l.n.wants.Has(trace.LoopInput) {
		l.show(loop.Folded{Call: loop.CallTick, In: loop.Input{Now: now, WallMs: wall}})
	}
}

// show tells what was folded in and what the loop wants done, before it is done.
func (l *loopActor) show(f loop.Folded) {
	l.folded = f
	l.folded.Ready, l.folded.Loop = l.loop.Ready(), l.loop
	e := l.n.begin(trace.LoopInput)
	e.Data = &l.folded
	l.n.end(e)
	l.folded = loop.Folded{}
}

// drain does what the loop wants done.
func (l *loopActor) drain() {
	n := l.n
	if l.settle() && broken == mutantSettleReachesModel {
		l.interfere()
	}
	r := l.loop.Ready()
	if len(r.Records) > 0 {
		if n.host.emit(r.Records) {
			n.host.mb.post(control, &entry{kind: kindRecords})
		}
		if broken == mutantLoopWaits {
			l.waitForHost()
		}
		l.settle() // what it evicted
	}
	for i := range r.Messages {
		if m := &r.Messages[i]; n.send != nil {
			n.send(m.To, m.Msg)
		}
	}
	for i := range r.Actions {
		a := &r.Actions[i]
		n.actionEvent(trace.ActionEmitted, a.ID, a.Kind, a.Target, nil)
		l.execute(a)
	}
	l.loop.Advance()
	l.arm()
}

// settle tells the loop what became of its records, and reports whether any of
// them was not appended. It reaches the loop's log ring alone, never its model, so when
// it is told makes no difference to anything that the loop does.
func (l *loopActor) settle() (bad bool) {
	if !l.n.unsettled.Load() {
		return false
	}
	h := &l.n.host
	h.lock()
	defer h.unlock()
	l.n.unsettled.Store(false)
	for {
		s, ok := h.settled.Pop()
		if !ok {
			return bad
		}
		bad = bad || s.outcome != appender.Appended
		for i := range s.count {
			if broken == mutantSettlementsLie {
				s.outcome = appender.Appended
			}
			l.loop.Settle(s.first+i, s.outcome)
		}
	}
}

// arm sees to it that the next tick comes, and says when it is due: after every
// tick, and when that changes.
func (l *loopActor) arm() {
	if l.finished {
		return
	}
	due, ok := l.loop.NextTick()
	if ok == l.ticks && due == l.due && l.told {
		return
	}
	if moved := ok != l.ticks || due != l.due; moved || !l.tick.armed {
		l.ticks, l.due = ok, due
		l.tick.stop()
		if ok {
			l.tick.set(due)
		}
	}
	l.told = true
	if l.n.wants.Has(trace.TickArmed) {
		e := l.n.begin(trace.TickArmed)
		e.Deadline = due
		if ok {
			e.Count = 1
		}
		l.n.end(e)
	}
}

// finish ends the loop's work in order: everything that was handed to it before
// has been folded in. The host is next.
func (l *loopActor) finish(by time.Duration) {
	if !l.finished {
		l.finished = true
		l.tick.stop()
		l.n.host.mb.post(control, &entry{kind: kindFinish, at: by})
	}
}
