package actors

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// maxCaptures bounds the captures of a live node that wait for its loop.
const maxCaptures = 16

// Node is one incarnation of a node: a supervisor, and under it the actors of
// the loop, of the appender host with its workers, and of the executor.
//
// Live, any goroutine may call its methods. In a simulation only the
// simulation's own may, outside the node's handlers.
type Node struct {
	rt     *runtime
	wants  trace.KindSet
	state  atomic.Int32
	silent bool // no more events; under the runtime's obs
	// unsettled says that the ledger holds settlements for the loop.
	unsettled atomic.Bool
	send      func(to uint64, msg any)
	wallOf    func(mono time.Duration) time.Time
	wall      uint64 // of mono 0, in ms, where the node has no clock of its own

	loop       loopActor
	host       host
	executor   executorActor
	supervisor supervisor

	o   NodeOptions
	sys *actor.ActorSystem
	// ctx is what calls into user code get. Live it ends with the node; in a
	// simulation the calls of a node that is gone are never resumed.
	ctx  context.Context
	kill context.CancelFunc

	lines         uint64
	done          chan struct{}
	linesDropped  atomic.Uint64
	inputsDropped atomic.Uint64
	restarts      atomic.Uint64
	captures      atomic.Int32
}

// The states of a node.
const (
	stateUp int32 = iota
	stateStopping
	stateEnded
)

func newNode(rt *runtime, o NodeOptions, m loop.Model) *Node {
	n := &Node{rt: rt, o: o, wants: o.Wants, send: o.Send, wallOf: o.Wall, done: make(chan struct{})}
	n.ctx = context.Background()
	if rt.drv == nil {
		n.ctx, n.kill = context.WithCancel(context.Background())
	}
	n.wall = uint64(rt.base.UnixMilli())
	n.supervisor.init(n)
	n.loop.init(n, m)
	n.host.init(n)
	n.executor.init(n)
	return n
}

// start spawns the supervisor, which spawns the others in its first step.
func (n *Node) start() error {
	n.sys = newSystem(n.o.Name)
	if n.wants.Has(trace.NodeStarted) {
		e := n.begin(trace.NodeStarted)
		e.Limits = n.o.limits()
		if n.o.Shadow != nil {
			e.Data = n.o.Shadow
		}
		n.end(e)
	}
	p := props(n.supervisor.mb, &n.supervisor, &n.supervisor.strategy).Configure(actor.WithGuardian(&guard{n}))
	_, err := n.sys.Root.SpawnNamed(p, "node")
	return err
}

// clock is the node's clock for code that m's actor runs.
func (n *Node) clock(m *mailbox) appender.Clock {
	if n.rt.drv != nil {
		return simClock{rt: n.rt, wall: n.o.Wall}
	}
	return liveClock{rt: n.rt, wall: n.o.Wall, m: m}
}

// wallMs is the node's civil time at a monotonic one.
func (n *Node) wallMs(mono time.Duration) uint64 {
	if n.wallOf != nil {
		return uint64(n.wallOf(mono).UnixMilli())
	}
	return n.wall + uint64(mono/time.Millisecond)
}

// roleOf is the role of one of the supervisor's children.
func (n *Node) roleOf(child *actor.PID) uint32 {
	for _, c := range n.supervisor.children {
		if c.pid != nil && c.pid.Id == child.Id {
			return c.mb.role
		}
	}
	return 0
}

// Log hands a line to the node's loop. It never blocks: if the loop's inbox is
// full, the oldest message in it is dropped, and counted. A node that is ending
// takes no more.
func (n *Node) Log(l loop.LogLine) {
	if n.state.Load() != stateUp {
		return
	}
	m := n.loop.mb
	m.lock()
	defer m.unlock()
	n.lines++
	e := entry{kind: kindLine, code: l.Level, from: l.Daemon, seq: n.lines, at: n.rt.now(), text: l.Message}
	n.lineEvent(trace.LineIn, &e)
	if !m.push(droppable, &e) {
		lost := e       // apart, so that e itself stays on the stack
		m.onDrop(&lost) // its actor was given up
	}
}

// Deliver hands a peer's message to the node's loop, like Log: from 0 is the
// node itself. Both ends must treat msg as immutable.
func (n *Node) Deliver(from uint64, msg any) {
	if n.state.Load() != stateUp {
		return
	}
	e := entry{kind: kindPeer, from: from, msg: msg}
	if !n.loop.mb.post(droppable, &e) {
		n.loop.dropped(&e)
	}
}

// Input hands the model an input of this node's own, like Deliver from 0.
func (n *Node) Input(msg any) {
	if n.state.Load() != stateUp {
		return
	}
	e := entry{kind: kindInput, msg: msg}
	if !n.loop.mb.post(droppable, &e) {
		n.loop.dropped(&e)
	}
}

// Stats counts what the node's host did. It is one consistent moment of the
// ledger, and stays readable after the node's end.
func (n *Node) Stats() HostStats {
	h := &n.host
	h.lock()
	defer h.unlock()
	s := h.stats
	s.Ledger = h.Ledger
	s.LinesDropped, s.InputsDropped = n.linesDropped.Load(), n.inputsDropped.Load()
	s.ActorRestarts = n.restarts.Load()
	return s
}

// Snapshot is the loop's latest published one: see [loop.Loop.Snapshot].
func (n *Node) Snapshot() *loop.Snapshot { return n.loop.loop.Snapshot() }

// Capture is the loop as it is now. Live, it waits for the loop's turn, until
// ctx ends; the node's end is [ErrEnded], and [ErrBusy] says that too many
// others wait.
func (n *Node) Capture(ctx context.Context) (*loop.Snapshot, error) {
	if n.rt.drv != nil {
		return n.loop.loop.Capture(), nil
	}
	defer n.captures.Add(-1)
	if n.captures.Add(1) > maxCaptures {
		return nil, ErrBusy
	}
	answer := make(chan *loop.Snapshot, 1)
	if !n.loop.mb.post(control, &entry{kind: kindCapture, msg: answer}) {
		return nil, ErrEnded
	}
	select {
	case s := <-answer:
		return s, nil
	case <-n.done:
		return nil, ErrEnded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// LoopDigest folds the loop's state into h: see [loop.Loop.Digest]. Live, only
// after the node's end.
func (n *Node) LoopDigest(h uint64) uint64 { return n.loop.loop.Digest(h) }

// Done is closed when the node has ended.
func (n *Node) Done() <-chan struct{} { return n.done }

// Audit recomputes what is pending from where the records are, and compares it
// with the ledger, which counts it where it changes.
func (n *Node) Audit() error { return n.host.audit() }

// Stop begins the node's end in order and returns: the loop folds in what it
// has been handed, the host appends, flushes and closes, then every actor
// stops. What is pending after timeout is settled as it is: queued records as
// lost, those in hand as unknown. Done tells when it is over.
func (n *Node) Stop(timeout time.Duration) {
	if n.state.CompareAndSwap(stateUp, stateStopping) {
		n.supervisor.mb.post(control, &entry{kind: kindStop, at: n.rt.now() + max(timeout, 0)})
	}
}

// Crash ends the node at once: queued records are lost, those in hand unknown,
// actors and timers are gone. A call into user code that is under way has its
// context cancelled, live; in a simulation it is never heard of again.
func (n *Node) Crash() {
	if n.state.Swap(stateEnded) == stateEnded {
		return
	}
	h := &n.host
	h.lock()
	h.giveUp(appender.Lost)
	h.gate = gateGone
	if n.wants.Has(trace.NodeCrashed) {
		n.end(n.begin(trace.NodeCrashed))
	}
	h.unlock()
	n.tearDown()
}

// stopped is the end in order.
func (n *Node) stopped() {
	if n.state.Swap(stateEnded) == stateEnded {
		return
	}
	h := &n.host
	h.lock()
	if h.gate != gateGone {
		h.giveUp(appender.Lost) // the host was not there to do it
		h.gate = gateGone
	}
	if n.wants.Has(trace.NodeStopped) {
		n.end(n.begin(trace.NodeStopped))
	}
	h.unlock()
	n.tearDown()
}

// vanish ends a node with its runtime: in a simulation nobody is told.
func (n *Node) vanish() {
	if n.rt.drv != nil {
		n.hush()
	}
	if n.state.Swap(stateEnded) != stateEnded {
		h := &n.host
		h.lock()
		if n.rt.drv == nil {
			h.giveUp(appender.Lost)
		}
		h.gate = gateGone
		h.unlock()
		n.tearDown()
	}
}

// tearDown takes the actors away.
func (n *Node) tearDown() {
	n.hush()
	for _, m := range n.mailboxes() {
		m.close()
	}
	if n.kill != nil {
		n.kill()
	}
	close(n.done)
	n.rt.forget(n)
}
