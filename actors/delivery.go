package actors

import (
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"

	"meshsim/appender"
)

// step delivers one message, for the driver.
func (m *mailbox) step() {
	m.enabled = false
	if m.closed {
		return
	}
	rt := m.rt
	if m.take() {
		m.busy, rt.running = true, m
		m.invoke()
		m.busy, rt.running = false, nil
	}
	if m.closed {
		rt.drv.FreeActor(m.id)
	} else {
		m.schedule()
	}
	if len(rt.watched) > 0 {
		rt.pollWatched()
	}
}

// run delivers messages until there are none, live.
func (m *mailbox) run() {
	m.mu.Lock()
	for m.waiting() {
		if !m.take() {
			continue
		}
		m.busy = true
		m.mu.Unlock()
		m.invoke()
		m.mu.Lock()
		m.busy = false
	}
	m.enabled = false
	m.mu.Unlock()
}

// take takes the next message in hand, under the lock. It is false when there
// was none, or one that concerned the mailbox alone.
func (m *mailbox) take() bool {
	if m.sysHead < len(m.sys) {
		m.curSys = m.popSystem()
		switch m.curSys.(type) {
		case *actor.SuspendMailbox:
			m.suspended, m.curSys = true, nil
		case *actor.ResumeMailbox:
			m.suspended, m.curSys = false, nil
		}
		return m.curSys != nil
	}
	l, ok := m.next()
	if !ok {
		return false
	}
	m.pop(l)
	if l == droppable && m.onTake != nil {
		m.onTake(&m.cur)
	}
	return true
}

// invoke hands the message in hand to the actor. A panic of its handler becomes
// a failure that its supervisor hears of.
func (m *mailbox) invoke() {
	defer m.rescue()
	m.inHandler = true
	if m.curSys != nil {
		m.inv.InvokeSystemMessage(m.curSys)
		m.curSys = nil
	} else {
		m.inv.InvokeUserMessage(&m.cur)
		m.cur.msg, m.cur.err = nil, nil
	}
	m.inHandler = false
}

func (m *mailbox) popSystem() any {
	msg := m.sys[m.sysHead]
	m.sys[m.sysHead] = nil
	if m.sysHead++; m.sysHead == len(m.sys) {
		m.sys, m.sysHead = m.sys[:0], 0
	}
	return msg
}

// rescue is deferred around a handler.
func (m *mailbox) rescue() {
	if !m.inHandler {
		return
	}
	v := recover()
	if v == nil {
		m.exited()
		return
	}
	m.inHandler = false
	failure := &appender.PanicError{Value: v}
	if m.rt.drv == nil {
		failure.Stack = debug.Stack()
	}
	m.fail(failure)
}

// exited is called when the handler ended its goroutine (runtime.Goexit, as by
// t.FailNow). In a simulation that ends the run: it may be its unwinding. Live
// it counts as a failure, and another goroutine takes the mailbox over.
func (m *mailbox) exited() {
	if m.rt.drv != nil {
		return
	}
	m.inHandler = false
	m.fail(ErrExited)
	m.mu.Lock()
	m.busy = false
	m.mu.Unlock()
	m.rt.goes(m.run, m)
}

// fail tells the supervisor.
func (m *mailbox) fail(failure error) {
	var msg any = &m.cur
	if m.curSys != nil {
		msg = m.curSys
	}
	m.curSys, m.cur.msg, m.cur.err = nil, nil, nil
	m.inv.EscalateFailure(failure, msg)
}
