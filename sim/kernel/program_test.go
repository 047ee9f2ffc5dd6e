package kernel_test

import (
	"fmt"
	"time"

	"meshsim/sim/kernel"
)

// scheduler is what a program is run on: the kernel, or the model beside it.
type scheduler interface {
	Now() time.Duration
	NewActor(node uint32, step func()) uint32
	FreeActor(id uint32)
	Enable(id uint32, cause uint64)
	Disable(id uint32)
	Child() uint64
	At(t time.Duration, actor uint32, f func()) uint64
	Schedule(t time.Duration, kind kernel.StepKind, node, actor uint32, h kernel.Firer, arg uint64) uint64
	Cancel(id uint64) bool
	PauseNode(n uint32)
	ResumeNode(n uint32)
	Park(id uint32)
	Unpark(id uint32)
	Run(until time.Duration) error
	Unwind() error
}

// op is one thing that a program does. Every step carries out the ops that
// come next, up to one that is last; so a program's effect depends on the order
// of steps alone.
type op struct {
	what  string
	who   int // an actor, an event or a node, by its number modulo how many there are
	delay time.Duration
	last  bool
}

var opNames = []string{
	"send", "send", "send", "disable", "at", "at", "at", "arrive", "arrive", "strike", "cancel", "cancel",
	"pause", "resume", "spawn", "free", "nap", "nap", "park", "unpark", "run",
}

// drawOps draws a program from a source of numbers below n.
func drawOps(draw func(n int) int) []op {
	ops := make([]op, 1+draw(80))
	for i := range ops {
		ops[i] = op{
			what: opNames[draw(len(opNames))],
			who:  draw(6),
			// Few different delays, so that ties are common.
			delay: time.Duration(draw(4)) * []time.Duration{1, 1, 3, 1000}[draw(4)],
			last:  draw(3) == 0,
		}
	}
	return ops
}

// streamOps draws a program from a stream.
func streamOps(s *kernel.Stream) []op {
	return drawOps(func(n int) int { return int(s.Next().Below(uint64(n))) })
}

const programNodes = 3

// program carries out ops on a scheduler and logs what happens.
type program struct {
	s       scheduler
	ops     []op
	actors  []uint32
	nodes   []uint32 // of actors
	pending map[uint32]bool
	parked  map[uint32]bool
	freed   map[uint32]bool
	events  []uint64
	index   map[uint32]int // of actors
	log     []string
}

func newProgram(ops []op) *program {
	return &program{
		ops: ops, pending: map[uint32]bool{}, parked: map[uint32]bool{}, freed: map[uint32]bool{}, index: map[uint32]int{},
	}
}

// trace logs a step; actors go by their index, as ids are the kernel's own.
func (p *program) trace(t kernel.Taken) {
	who := -1
	if t.Actor != 0 {
		who = p.index[t.Actor]
	}
	if t.Kind == kernel.Handle {
		p.pending[t.Actor] = false
	}
	p.log = append(p.log, fmt.Sprintf("#%d %d %v actor %d node %d cause %x", t.Number, t.Time, t.Kind, who, t.Node, t.Cause))
}

// service makes every other actor cost time.
func (p *program) service(_, actor uint32) time.Duration {
	return time.Duration(p.index[actor]%2) * 2
}

// run carries the program out and returns its log.
func (p *program) run(s scheduler) []string {
	p.s = s
	for n := range programNodes {
		p.spawn(uint32(n + 1))
	}
	for len(p.ops) > 0 {
		p.step(0)
		p.drive(1)
	}
	p.drive(1 << 20)
	return p.log
}

func (p *program) drive(d time.Duration) {
	err := p.s.Run(p.s.Now() + d)
	p.log = append(p.log, fmt.Sprintf("now %d %v", p.s.Now(), err))
}

func (p *program) spawn(node uint32) {
	var id uint32
	id = p.s.NewActor(node, func() { p.step(id) })
	p.index[id] = len(p.actors)
	p.actors = append(p.actors, id)
	p.nodes = append(p.nodes, node)
}

func (p *program) send(id uint32) {
	if !p.pending[id] && !p.freed[id] {
		p.pending[id] = true
		p.s.Enable(id, p.s.Child())
	}
}

// Fire is an arrival's or a fault's step.
func (p *program) Fire(arg uint64) {
	p.send(p.actors[int(arg)%len(p.actors)])
	p.step(0)
}

func (p *program) unpark(id uint32) {
	if p.parked[id] {
		p.s.Unpark(id)
	}
}

// step carries out one step's share; self is whose handler it is, or 0.
func (p *program) step(self uint32) {
	for len(p.ops) > 0 {
		o := p.ops[0]
		p.ops = p.ops[1:]
		p.do(self, o)
		if o.last {
			return
		}
	}
}

func (p *program) do(self uint32, o op) {
	i := o.who % len(p.actors)
	id, node, at := p.actors[i], p.nodes[i], p.s.Now()+o.delay
	switch o.what {
	case "send":
		p.send(id)
	case "disable":
		p.s.Disable(id)
		p.pending[id] = false
	case "at":
		p.events = append(p.events, p.s.At(at, id, func() { p.send(id); p.step(0) }))
	case "arrive":
		p.events = append(p.events, p.s.Schedule(at, kernel.Arrival, node, id, p, uint64(i)))
	case "strike":
		p.events = append(p.events, p.s.Schedule(at, kernel.Fault, node, 0, p, uint64(i)))
	case "cancel":
		if n := len(p.events); n > 0 {
			p.log = append(p.log, fmt.Sprint("cancel ", p.s.Cancel(p.events[n-1-o.who%n])))
		}
	case "pause":
		p.s.PauseNode(uint32(o.who%programNodes + 1))
	case "resume":
		p.s.ResumeNode(uint32(o.who%programNodes + 1))
	case "spawn":
		p.spawn(uint32(o.who%programNodes + 1))
	case "free":
		p.s.FreeActor(id)
		p.freed[id] = true
	case "nap", "park":
		if self != 0 {
			if o.what == "nap" {
				p.s.At(at, self, func() { p.unpark(self) })
			}
			p.parked[self] = true
			p.s.Park(self)
			p.parked[self] = false
		}
	case "unpark":
		p.unpark(id)
	}
}
