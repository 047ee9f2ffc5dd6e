package actors

import (
	"fmt"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// lane is one of a mailbox's queues of messages to its actor.
type lane uint8

const (
	// droppable: a full lane drops its oldest message.
	droppable lane = iota
	// control: what its protocol bounds; a full lane is a bug and panics.
	control
	// urgent: alarms and ticks, bounded as control is. They overtake
	// everything but the system.
	urgent

	numLanes
)

// mailbox is an [actor.Mailbox] that delivers one message per step, bounded,
// never blocking a sender:
//
//	(1) System messages come first, in their order; while the mailbox is
//	    suspended, nothing else comes.
//	(2) Urgent messages come next; the other lanes are one first-in, first-out
//	    queue by their stamps.
//	(3) Only the droppable lane ever loses a message: its oldest, when it is
//	    full.
//	(4) While a handler runs, or is parked, nothing is delivered: system
//	    messages wait, too.
//
// In a simulation the driver calls step, and no lock is taken. Live, run drains
// the mailbox on a goroutine that ends when it is empty.
//
// What a message needs stands in front, so that it takes few cache lines: in a
// large mesh they are what a message costs.
type mailbox struct {
	rt        *runtime
	inv       actor.MessageInvoker
	mask      uint8 // of the lanes that are not empty, by 1<<lane
	suspended bool
	busy      bool // a handler runs or is parked
	enabled   bool // the driver will call step; live: a goroutine runs
	closed    bool
	raising   bool // a kindRaise waits
	inHandler bool
	id        uint32 // the driver's, in a simulation
	stamp     uint64
	headCause uint64 // with which it was enabled
	highest   [numLanes]int32
	lanes     [numLanes]appender.Ring[entry]
	cur       entry // in the handler's hands
	facade    facade

	// onTake and onDrop see the droppable lane's messages leave it, under the
	// lock; onClose sees the control messages that a closing mailbox drops.
	onTake, onDrop, onClose func(*entry)

	sys     []any // sys[sysHead:] wait
	sysHead int
	curSys  any
	mu      sync.Mutex // live
	n       *Node
	role    uint32
	name    [numLanes]string // of queues that report their depth
}

var _ actor.Mailbox = (*mailbox)(nil)

// newMailbox makes a mailbox; it delivers nothing before protoactor has
// registered its actor.
func (rt *runtime) newMailbox(n *Node, role uint32, urgents, controls, droppables int) *mailbox {
	m := &mailbox{rt: rt, n: n, role: role}
	m.lanes[urgent] = *appender.NewRing[entry](urgents)
	m.lanes[control] = *appender.NewRing[entry](controls)
	m.lanes[droppable] = *appender.NewRing[entry](droppables)
	if rt.drv != nil {
		m.id = rt.drv.NewActor(uint32(n.o.ID), m.step)
	}
	return m
}

func (m *mailbox) lock() {
	if m.rt.drv == nil {
		m.mu.Lock()
	}
}

func (m *mailbox) unlock() {
	if m.rt.drv == nil {
		m.mu.Unlock()
	}
}

// post puts a copy of e in a lane, and reports whether the mailbox took it: a
// closed one does not.
func (m *mailbox) post(l lane, e *entry) bool {
	m.lock()
	ok := m.push(l, e)
	m.unlock()
	return ok
}

// push is post for whoever holds the lock.
func (m *mailbox) push(l lane, e *entry) bool {
	if m.closed {
		return false
	}
	r := &m.lanes[l]
	m.stamp++
	e.stamp = m.stamp
	if m.rt.drv != nil {
		e.cause = m.rt.drv.Child()
	}
	if r.Len() == r.Cap() {
		if l != droppable {
			panic(fmt.Sprintf("actors: mailbox of role %d: more than %d messages in lane %d: a protocol broke its bound", m.role, r.Cap(), l))
		}
		if m.onDrop != nil {
			m.onDrop(r.Ptr(0))
		}
	}
	r.Push(*e)
	m.mask |= 1 << l
	if n := r.Len(); n > int(m.highest[l]) {
		m.highest[l] = int32(n)
		if m.name[l] != "" {
			m.n.depth(m.name[l], n, r.Cap())
		}
	}
	m.schedule()
	return true
}

// raise makes the actor's next message a panic with failure. While one waits,
// another is not added: there is no more to tell.
func (m *mailbox) raise(failure error) {
	m.lock()
	defer m.unlock()
	if !m.raising {
		m.raising = m.push(control, &entry{kind: kindRaise, err: failure})
	}
}

// PostUserMessage implements [actor.Mailbox]. No part of this package sends
// user messages through protoactor; what else arrives here has no place in a
// bounded queue, and is not taken.
func (m *mailbox) PostUserMessage(any) {}

// PostSystemMessage implements [actor.Mailbox].
func (m *mailbox) PostSystemMessage(msg any) {
	m.lock()
	defer m.unlock()
	if m.closed {
		return
	}
	m.sys = append(m.sys, msg)
	m.schedule()
}

// RegisterHandlers implements [actor.Mailbox]. The dispatcher is not used: the
// runtime schedules by itself.
func (m *mailbox) RegisterHandlers(inv actor.MessageInvoker, _ actor.Dispatcher) {
	m.lock()
	defer m.unlock()
	m.inv = inv
	m.schedule()
}

// Start implements [actor.Mailbox].
func (m *mailbox) Start() {}

// UserMessageCount implements [actor.Mailbox].
func (m *mailbox) UserMessageCount() int {
	m.lock()
	defer m.unlock()
	n := 0
	for l := range m.lanes {
		n += m.lanes[l].Len()
	}
	return n
}

// next is the lane whose message comes next, if any does.
func (m *mailbox) next() (l lane, ok bool) {
	const d, c = 1 << droppable, 1 << control
	switch {
	case m.mask == 0 || m.suspended:
		return 0, false
	case m.mask == d:
		return droppable, true
	case m.mask&(1<<urgent) != 0:
		return urgent, true
	case m.mask == d|c && m.lanes[droppable].Ptr(0).stamp < m.lanes[control].Ptr(0).stamp:
		return droppable, true
	default:
		return control, true
	}
}

// pop takes a lane's oldest message in hand.
func (m *mailbox) pop(l lane) {
	r := &m.lanes[l]
	m.cur = *r.Ptr(0)
	if r.Discard(1); r.Len() == 0 {
		m.mask &^= 1 << l
	}
}

// schedule sees to it that the next message is delivered, if there is one.
func (m *mailbox) schedule() {
	if m.inv == nil || m.busy {
		return
	}
	if m.rt.drv == nil {
		if !m.enabled && m.waiting() {
			m.enabled = true
			m.rt.goes(m.run, m)
		}
		return
	}
	cause, any := uint64(0), m.sysHead < len(m.sys)
	if !any {
		var l lane
		if l, any = m.next(); any {
			cause = m.lanes[l].Ptr(0).cause
		}
	}
	switch {
	case m.enabled && any && cause == m.headCause:
		return
	case m.enabled:
		// Another message has come to the head, or none is left.
		m.rt.drv.Disable(m.id)
	}
	m.enabled, m.headCause = any, cause
	if any {
		m.rt.drv.Enable(m.id, cause)
	}
}

// waiting reports whether there is a message to deliver.
func (m *mailbox) waiting() bool {
	if m.closed {
		return false
	}
	if m.sysHead < len(m.sys) {
		return true
	}
	_, ok := m.next()
	return ok
}

// close makes the mailbox take and deliver nothing more, at once; what waits
// is dropped. A handler that runs goes on to its end.
func (m *mailbox) close() {
	m.lock()
	if m.closed {
		m.unlock()
		return
	}
	m.closed = true
	for d := &m.lanes[droppable]; m.onDrop != nil && d.Len() > 0; {
		e, _ := d.Pop()
		m.onDrop(&e)
	}
	var left []entry
	if m.onClose != nil {
		left = m.lanes[control].AppendTo(nil)
	}
	for l := range m.lanes {
		m.lanes[l].Clear()
	}
	m.mask = 0
	clear(m.sys)
	m.sys, m.sysHead = nil, 0
	if m.rt.drv != nil && m.rt.running != m {
		m.rt.drv.FreeActor(m.id) // else the step does it, once its handler is over
	}
	m.unlock()
	for i := range left {
		m.onClose(&left[i])
	}
}

// String names the actor by its node and role.
func (m *mailbox) String() string {
	return fmt.Sprintf("%s of node %s, incarnation %d", roleNames[m.role], m.n.o.Name, m.n.o.Incarnation)
}

var roleNames = [...]string{
	trace.RoleNode: "supervisor", trace.RoleLoop: "loop", trace.RoleHost: "appender host",
	trace.RoleWorker: "worker", trace.RoleExecutor: "executor",
}

// raisedNow says that the actor has got its kindRaise.
func (m *mailbox) raisedNow() {
	m.lock()
	defer m.unlock()
	m.raising = false
}
