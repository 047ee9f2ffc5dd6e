package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// executorActor carries out a node's actions, one at a time, beside its loop.
// Every action that it is given is answered exactly once, unless its node ends:
// by its outcome, by the panic that it caused, or by the end of the executor.
type executorActor struct {
	n       *Node
	mb      *mailbox
	current uint64 // the action under way; 0: none
	kind    string
	target  uint64
	env     appender.Env
}

func (x *executorActor) init(n *Node) {
	x.n = n
	x.mb = n.rt.newMailbox(n, trace.RoleExecutor, 1, maxActions+1, 1)
	x.mb.name[control] = "actions"
	x.mb.onClose = func(e *entry) {
		if e.kind == kindAction {
			x.answer(e.seq, e.text, e.from, nil, ErrEnded)
		}
	}
	x.env = appender.Env{
		Node: n.o.Name, Incarnation: n.o.Incarnation,
		Seed: mix(n.o.Seed, seedActors), Clock: n.clock(x.mb),
	}
}

func (x *executorActor) started(actor.Context) {}
func (x *executorActor) restarting()           {}
func (x *executorActor) stopping()             {}
func (x *executorActor) stopped()              {}

func (x *executorActor) handle(e *entry) {
	if e.kind != kindAction {
		return
	}
	x.current, x.kind, x.target = e.seq, e.text, e.from
	var res any
	var err error
	if x.n.o.Exec != nil {
		res, err = x.n.o.Exec.Do(x.n.ctx, x.env, loop.Action{ID: e.seq, Kind: e.text, Target: e.from, Args: e.msg})
	}
	x.current = 0
	x.answer(e.seq, x.kind, x.target, res, err)
}

func (x *executorActor) answer(id uint64, kind string, target uint64, res any, err error) {
	x.n.loop.mb.post(control, &entry{kind: kindOutcome, seq: id, text: kind, from: target, msg: res, err: err})
}

// failed answers the action that made the executor panic. The supervisor calls
// it; the executor is suspended.
func (x *executorActor) failed(err error) {
	if id := x.current; id != 0 {
		x.current = 0
		x.answer(id, x.kind, x.target, nil, err)
	}
}

// execute hands an action to the executor, or answers it where there is no room
// or no executor.
func (l *loopActor) execute(a *loop.Action) {
	if l.inFlight >= maxActions {
		l.refuse(a.ID)
		return
	}
	l.inFlight++
	e := entry{kind: kindAction, seq: a.ID, text: a.Kind, from: a.Target, msg: a.Args}
	if !l.n.executor.mb.post(control, &e) {
		l.mb.post(control, &entry{kind: kindOutcome, seq: a.ID, text: a.Kind, from: a.Target, err: ErrEnded})
	}
}

// refuse answers an action with ErrBusy. Refusals in a row are one message, so
// that however many there are, they are bounded by the actions between them.
func (l *loopActor) refuse(id uint64) {
	l.mb.lock()
	defer l.mb.unlock()
	c := &l.mb.lanes[control]
	if n := c.Len(); n > 0 {
		if last := c.Ptr(n - 1); last.kind == kindRefused && last.seq+last.from == id {
			last.from++
			return
		}
	}
	l.mb.push(control, &entry{kind: kindRefused, seq: id, from: 1})
}

// actionEvent tells of an action: Count is its target.
func (n *Node) actionEvent(k trace.Kind, id uint64, kind string, target uint64, err error) {
	if n.wants.Has(k) {
		e := n.begin(k)
		e.Seq, e.Name, e.Count, e.Err = id, kind, target, err
		n.end(e)
	}
}
