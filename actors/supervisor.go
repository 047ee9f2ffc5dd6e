package actors

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"meshsim/sim/trace"
)

// supervisor is the root of a node's actors. It spawns them, supervises them by
// its strategy, and leads the end of the node in order.
type supervisor struct {
	n        *Node
	mb       *mailbox
	ctx      actor.Context
	strategy strategy
	children []child
	late     alarm
	by       time.Duration // when a stop must be over
	handed   bool          // the host was told to finish
	ending   bool
}

// child is an actor under the supervisor.
type child struct {
	name     string
	mb       *mailbox
	b        behaviour
	children actor.SupervisorStrategy
	pid      *actor.PID
}

func (s *supervisor) init(n *Node) {
	s.n = n
	s.strategy.n = n
	s.mb = n.rt.newMailbox(n, trace.RoleNode, 2, 3, 1)
	s.late = newAlarm(s.mb, kindStopDue)
}

func (s *supervisor) started(c actor.Context) {
	n := s.n
	if s.children != nil {
		return // it never is restarted: its guardian ends the node
	}
	s.ctx = c
	s.children = []child{
		{"host", n.host.mb, &n.host, &workerStrategy{&n.host}, nil},
		{"executor", n.executor.mb, &n.executor, nil, nil},
		{"loop", n.loop.mb, &n.loop, nil, nil},
	}
	for i := range s.children {
		ch := &s.children[i]
		pid, err := c.SpawnNamed(props(ch.mb, ch.b, ch.children), ch.name)
		if err != nil {
			panic(fmt.Errorf("actors: spawning the %s: %w", ch.name, err))
		}
		ch.pid = pid
	}
}

func (s *supervisor) restarting() {}

// stopping comes before protoactor waits for the children. An executor that
// does not come back is not waited for.
func (s *supervisor) stopping() {
	for i := range s.children {
		if c := &s.children[i]; c.mb.isBusy() {
			s.mb.PostSystemMessage(&actor.Terminated{Who: c.pid})
		}
	}
}

func (s *supervisor) stopped() { s.n.stopped() }

func (s *supervisor) handle(e *entry) {
	switch e.kind {
	case kindStop:
		s.by = e.at
		s.late.set(e.at)
		if !s.n.loop.mb.post(control, &entry{kind: kindFinish, at: e.at}) {
			s.hand()
		}
	case kindStopDue:
		if s.late.rang(e) {
			s.hand()
		}
	case kindHostDone:
		s.end()
	}
}

// hand tells the host to finish, where the loop is not there to do it in time.
func (s *supervisor) hand() {
	if s.handed {
		return
	}
	s.handed = true
	if !s.n.host.mb.post(control, &entry{kind: kindFinish, at: s.by}) {
		s.end()
	}
}

// end stops the node's actors, itself last.
func (s *supervisor) end() {
	if !s.ending {
		s.ending = true
		s.ctx.Stop(s.ctx.Self())
	}
}

// isBusy reports whether a handler runs or is parked.
func (m *mailbox) isBusy() bool {
	m.lock()
	defer m.unlock()
	return m.busy
}

// mailboxes are those of all actors of the node, abandoned workers included.
func (n *Node) mailboxes() []*mailbox {
	ms := []*mailbox{n.supervisor.mb, n.loop.mb, n.host.mb, n.executor.mb}
	h := &n.host
	h.lock()
	defer h.unlock()
	for _, w := range h.alive {
		ms = append(ms, w.mb)
	}
	return ms
}
