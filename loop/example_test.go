package loop_test

import (
	"fmt"
	"time"

	"meshsim/appender"
	"meshsim/loop"
)

// Register is a register that nodes replicate by last writer wins: a model of
// another kind than MeshOS, with no daemons, no heartbeats, no health.
type Register struct {
	self  uint64
	peers []uint64
	value Write
	dirty bool // a tick has something to spread
}

// Write is a value with its timestamp: greater At wins, then greater By.
type Write struct {
	Value string
	At    uint64
	By    uint64
}

func (w Write) after(v Write) bool { return w.At > v.At || w.At == v.At && w.By > v.By }

// Set is what a client asks for.
type Set struct{ Value string }

func (r *Register) Step(in loop.Input, out *loop.Ready) error {
	switch m := in.Msg.(type) {
	case Set:
		r.value, r.dirty = Write{Value: m.Value, At: r.value.At + 1, By: r.self}, true
	case Write:
		if m.after(r.value) {
			r.value, r.dirty = m, true
			out.Log(loop.LogLine{Message: fmt.Sprintf("%s, from n%d", m.Value, in.From)})
		}
	default:
		return fmt.Errorf("register: unknown message %T", in.Msg)
	}
	return nil
}

func (r *Register) Tick(_ time.Duration, out *loop.Ready) {
	for _, p := range r.peers {
		out.Send(p, r.value)
	}
	r.dirty = false
}

// Next makes Register an Idler: it costs nothing while there is no news.
func (r *Register) Next(now time.Duration) (time.Duration, bool) { return now, r.dirty }

// A model of one's own: a replicated register. The two loops are driven by hand
// here; the packages actors and sim do it for real, live and simulated.
func Example_ownModel() {
	nodes := map[uint64]*loop.Loop{
		1: loop.New(&Register{self: 1, peers: []uint64{2}}, loop.Options{Node: "n1", ID: 1}),
		2: loop.New(&Register{self: 2, peers: []uint64{1}}, loop.Options{Node: "n2", ID: 2}),
	}
	_ = nodes[1].Step(loop.Input{Msg: Set{"blue"}})
	_ = nodes[2].Step(loop.Input{Msg: Set{"red"}})
	for now := time.Duration(0); now < 3*time.Second; now += 100 * time.Millisecond {
		for _, id := range []uint64{1, 2} {
			l := nodes[id]
			if t, ok := l.NextTick(); ok && t <= now {
				l.Tick(now, 0)
			}
			for _, m := range l.Ready().Messages {
				_ = nodes[m.To].Step(loop.Input{Now: now, From: id, Msg: m.Msg})
			}
			for _, r := range l.Ready().Records {
				fmt.Println(r)
				l.Settle(r.Seq, appender.Appended)
			}
			l.Advance()
		}
	}
	_, ticking := nodes[1].NextTick()
	fmt.Println("ticking:", ticking)
	// Output:
	// n1@1#1 t=0 info "red, from n2"
	// ticking: false
}

func ExampleLoop() {
	l := loop.New(&Register{self: 1, peers: []uint64{2}}, loop.Options{Node: "n1"})

	l.Log(0, 1000, loop.LogLine{Message: "hello"})
	_ = l.Step(loop.Input{Now: 10 * time.Millisecond, WallMs: 1010, Msg: Set{"blue"}})
	at, _ := l.NextTick()
	l.Tick(at, 1500)

	for _, m := range l.Ready().Messages {
		fmt.Printf("to n%d: %+v\n", m.To, m.Msg)
	}
	for _, r := range l.Ready().Records {
		fmt.Println("append", r)
	}
	l.Advance()
	l.Settle(1, appender.Appended)

	fmt.Printf("%+v\n", l.Capture().Log[0])
	// Output:
	// to n2: {Value:blue At:1 By:1}
	// append n1@1#1 t=1000 info "hello"
	// {Record:n1@1#1 t=1000 info "hello" ChainPending:false}
}
