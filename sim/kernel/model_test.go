package kernel_test

import (
	"runtime"
	"slices"
	"time"

	"meshsim/sim/kernel"
)

// model is a second implementation of the kernel's contract, as plain as can
// be: it scans lists where the kernel keeps wheels and stamps, and runs every
// handler on a goroutine of its own.
type model struct {
	now, until time.Duration
	strategy   kernel.Strategy
	service    func(node, actor uint32) time.Duration
	trace      func(kernel.Taken)
	actors     []*modelActor
	events     []*modelEvent
	queued     []*modelEvent // unsorted
	deferred   []*modelStep
	paused     map[uint32]bool
	enabled    map[uint32]*modelStep
	refs       uint32
	orders     uint64
	numbers    uint64 // of scheduling
	steps      uint64
	cause      uint64
	children   uint64
	running    *modelHandler
	kill       chan struct{}
}

type modelActor struct {
	id, node       uint32
	step           func()
	pending, freed bool
	cause          uint64
	busy           bool // its handler runs, is parked, or is in service
	parked         *modelHandler
	ready          *modelStep // enabled or deferred
}

type modelEvent struct {
	id, number  uint64
	time        time.Duration // due
	earliest    time.Duration
	kind        kernel.StepKind // 0: the end of a service time
	node, actor uint32
	cause       uint64
	fire        func()
	held, gone  bool
	ready       *modelStep
}

// modelStep is a step that is enabled or deferred.
type modelStep struct {
	kernel.Step
	a *modelActor
	e *modelEvent
}

// modelHandler is a handler on its goroutine.
type modelHandler struct {
	a      *modelActor
	back   chan struct{} // it has parked or ended
	resume chan struct{}
	ended  bool
}

func newModel(strategy kernel.Strategy, seed uint64, service func(node, actor uint32) time.Duration, trace func(kernel.Taken)) *model {
	strategy.Reset(seed)
	return &model{
		strategy: strategy, service: service, trace: trace, paused: map[uint32]bool{},
		enabled: map[uint32]*modelStep{}, kill: make(chan struct{}),
	}
}

func (m *model) Now() time.Duration { return m.now }

func (m *model) Child() uint64 {
	m.children++
	return kernel.Combine(m.cause, m.children-1)
}

func (m *model) actor(id uint32) *modelActor {
	if id == 0 || m.actors[id-1].freed {
		return nil
	}
	return m.actors[id-1]
}

func (m *model) NewActor(node uint32, step func()) uint32 {
	a := &modelActor{id: uint32(len(m.actors) + 1), node: node, step: step}
	m.actors = append(m.actors, a)
	return a.id
}

func (m *model) FreeActor(id uint32) {
	a := m.actor(id)
	if a == nil {
		return
	}
	a.freed = true
	m.withdraw(a.ready)
	for _, e := range m.events {
		if e.actor == id && e.kind == kernel.Timer && !e.gone {
			e.gone = true
			m.withdraw(e.ready)
		}
	}
}

// withdraw takes a step back.
func (m *model) withdraw(s *modelStep) {
	if s == nil {
		return
	}
	if m.enabled[s.Ref] == s {
		delete(m.enabled, s.Ref)
		m.strategy.Remove(s.Ref)
	}
	m.deferred = slices.DeleteFunc(m.deferred, func(d *modelStep) bool { return d == s })
}

// admit enables a step, or defers it.
func (m *model) admit(s *modelStep) {
	m.orders++
	m.refs++
	s.Order, s.Ref = m.orders, m.refs
	if s.Kind != kernel.Arrival && s.Kind != kernel.Fault && m.paused[s.Node] {
		m.deferred = append(m.deferred, s)
		return
	}
	m.enabled[s.Ref] = s
	m.strategy.Add(s.Step)
}

func (m *model) admitActor(a *modelActor, kind kernel.StepKind, cause uint64) {
	a.ready = &modelStep{kernel.Step{Kind: kind, Node: a.node, Actor: a.id, Cause: cause, Time: m.now}, a, nil}
	m.admit(a.ready)
}

func (m *model) Enable(id uint32, cause uint64) {
	if a := m.actor(id); a != nil {
		a.pending, a.cause = true, cause
		if !a.busy {
			m.admitActor(a, kernel.Handle, cause)
		}
	}
}

func (m *model) Disable(id uint32) {
	if a := m.actor(id); a != nil && a.pending {
		a.pending = false
		if !a.busy {
			m.withdraw(a.ready)
		}
	}
}

func (m *model) At(t time.Duration, actor uint32, f func()) uint64 {
	node := uint32(0)
	if actor != 0 {
		a := m.actor(actor)
		if a == nil {
			return 0
		}
		node = a.node
	}
	return m.schedule(t, kernel.Timer, node, actor, m.Child(), f)
}

func (m *model) Schedule(t time.Duration, kind kernel.StepKind, node, actor uint32, h kernel.Firer, arg uint64) uint64 {
	return m.schedule(t, kind, node, actor, m.Child(), func() { h.Fire(arg) })
}

func (m *model) schedule(t time.Duration, kind kernel.StepKind, node, actor uint32, cause uint64, f func()) uint64 {
	t = max(t, m.now)
	e := &modelEvent{id: uint64(len(m.events) + 1), time: t, earliest: t, kind: kind, node: node, actor: actor, cause: cause, fire: f}
	m.events = append(m.events, e)
	m.queue(e, t)
	return e.id
}

func (m *model) queue(e *modelEvent, t time.Duration) {
	if t == m.now {
		m.due(e)
		return
	}
	m.numbers++
	e.time, e.number = t, m.numbers
	m.queued = append(m.queued, e)
}

func (m *model) due(e *modelEvent) {
	if e.kind == 0 {
		if a := m.actor(e.actor); a != nil {
			m.settle(a)
		}
		return
	}
	s := kernel.Step{Kind: e.kind, Node: e.node, Actor: e.actor, Cause: e.cause, Time: e.earliest}
	if !e.held && (e.kind == kernel.Arrival || e.kind == kernel.Timer && !m.paused[e.node]) {
		e.held = true
		if h := m.strategy.Hold(s); h > 0 {
			m.queue(e, m.now+h)
			return
		}
	}
	e.ready = &modelStep{s, nil, e}
	m.admit(e.ready)
}

func (m *model) Cancel(id uint64) bool {
	if id == 0 || m.events[id-1].gone {
		return false
	}
	e := m.events[id-1]
	e.gone = true
	m.withdraw(e.ready)
	return true
}

func (m *model) PauseNode(n uint32) {
	if m.paused[n] {
		return
	}
	m.paused[n] = true
	var due []*modelStep
	for _, s := range m.enabled {
		if s.Node == n && s.Kind != kernel.Arrival && s.Kind != kernel.Fault {
			due = append(due, s)
		}
	}
	slices.SortFunc(due, func(a, b *modelStep) int { return int(a.Order) - int(b.Order) })
	for _, s := range due {
		m.withdraw(s)
	}
	m.deferred = append(m.deferred, due...)
}

func (m *model) ResumeNode(n uint32) {
	if !m.paused[n] {
		return
	}
	delete(m.paused, n)
	for _, s := range slices.Clone(m.deferred) {
		if s.Node == n {
			m.withdraw(s)
			s.Time = m.now
			m.admit(s)
		}
	}
}

func (m *model) Park(id uint32) {
	h := m.running
	if a := m.actor(id); a != nil {
		a.parked, a.ready = h, nil
	}
	h.back <- struct{}{}
	select {
	case <-h.resume:
	case <-m.kill:
		runtime.Goexit()
	}
}

func (m *model) Unpark(id uint32) {
	if a := m.actor(id); a != nil && a.ready == nil {
		m.admitActor(a, kernel.Resume, m.Child())
	}
}

func (m *model) settle(a *modelActor) {
	a.busy = false
	if a.pending {
		m.admitActor(a, kernel.Handle, a.cause)
	}
}

// Run is the contract, read aloud.
func (m *model) Run(until time.Duration) error {
	m.until = max(m.now, until)
	roots := m.children
	for len(m.enabled) > 0 || m.pass() {
		s := m.enabled[m.strategy.Pick()]
		delete(m.enabled, s.Ref)
		m.steps++
		m.cause, m.children = s.Cause, 0
		m.trace(kernel.Taken{Number: m.steps, Time: m.now, Kind: s.Kind, Node: s.Node, Actor: s.Actor, Cause: s.Cause})
		switch s.Kind {
		case kernel.Handle:
			h := &modelHandler{a: s.a, back: make(chan struct{}), resume: make(chan struct{})}
			s.a.busy, s.a.pending = true, false
			m.running = h
			go func() {
				s.a.step()
				h.ended = true
				h.back <- struct{}{}
			}()
			m.await(h)
		case kernel.Resume:
			h := s.a.parked
			s.a.parked = nil
			m.running = h
			h.resume <- struct{}{}
			m.await(h)
		default:
			s.e.gone = true
			s.e.fire()
		}
	}
	m.cause, m.children = 0, roots
	return nil
}

// await lets a handler run until it parks or ends.
func (m *model) await(h *modelHandler) {
	<-h.back
	m.running = nil
	if !h.ended || h.a.freed {
		return
	}
	h.a.ready = nil
	if d := m.service(h.a.node, h.a.id); d > 0 {
		m.schedule(m.now+d, 0, h.a.node, h.a.id, 0, nil)
		return
	}
	m.settle(h.a)
}

func (m *model) pass() bool {
	for len(m.enabled) == 0 {
		m.queued = slices.DeleteFunc(m.queued, func(e *modelEvent) bool { return e.gone || e.kind == 0 && m.actor(e.actor) == nil })
		slices.SortFunc(m.queued, func(a, b *modelEvent) int {
			if a.time != b.time {
				return int(a.time - b.time)
			}
			return int(a.number) - int(b.number)
		})
		if len(m.queued) == 0 || m.queued[0].time > m.until {
			m.now = m.until
			return false
		}
		m.now = m.queued[0].time
		for len(m.queued) > 0 && m.queued[0].time == m.now {
			e := m.queued[0]
			m.queued = m.queued[1:]
			m.due(e)
		}
	}
	return true
}

func (m *model) Unwind() error {
	close(m.kill)
	return nil
}
