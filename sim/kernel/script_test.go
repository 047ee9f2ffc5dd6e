package kernel_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"meshsim/sim/kernel"
)

// stage carries out the scripts in testdata/scripts. Times are in ns. Commands:
//
//	kernel [strategy=random] [seed=N] [hold=T] [budget=N]    begins anew
//	actor NAME node=N     the input says what its handler does
//	do                    carries out the input, outside any step
//	run until=T           shows the steps taken
//
// and what handlers, timers, arrivals and faults can do, one per line:
//
//	send NAME | sleep T | park | unpark NAME | free NAME | pause N | resume N
//	at T [id=LABEL] ACTION       a timer of the actor at work, T from now
//	arrive T [id=LABEL] NAME     an arrival that sends to NAME
//	strike T [id=LABEL] ACTION   a fault
//	cancel LABEL
type stage struct {
	t       *testing.T
	k       *kernel.Kernel
	actors  map[string]uint32
	names   map[uint32]string
	nodes   map[string]uint32
	waiting map[string]int // messages
	labels  map[string]uint64
	out     strings.Builder
}

func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := &stage{t: t, k: newKernel(t, kernel.Options{})}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.out.Reset()
			s.command(d)
			return s.out.String()
		})
	})
}

func (s *stage) command(d *datadriven.TestData) {
	lines := strings.Split(d.Input, "\n")
	switch d.Cmd {
	case "kernel":
		s.reset(d)
	case "actor":
		name, node := d.CmdArgs[0].Key, uint32(0)
		d.ScanArgs(s.t, "node", &node)
		var id uint32
		id = s.k.NewActor(node, func() {
			if s.waiting[name]--; s.waiting[name] > 0 {
				s.k.Enable(id, s.k.Child())
			}
			s.doAll(name, lines)
		})
		s.actors[name], s.names[id], s.nodes[name] = id, name, node
	case "do":
		s.doAll("", lines)
	case "run":
		var until int64
		d.ScanArgs(s.t, "until", &until)
		if err := s.k.Run(time.Duration(until)); err != nil {
			fmt.Fprintln(&s.out, err)
		}
		fmt.Fprintf(&s.out, "now %d\n", s.k.Now())
	default:
		d.Fatalf(s.t, "unknown command %s", d.Cmd)
	}
}

func (s *stage) reset(d *datadriven.TestData) {
	o := kernel.Options{Isolate: isolate, Trace: func(t kernel.Taken) {
		who := s.names[t.Actor]
		if who == "" {
			who = "-"
		}
		fmt.Fprintf(&s.out, "#%d at %d: %v of %s at node %d\n", t.Number, t.Time, t.Kind, who, t.Node)
	}}
	var strategy string
	var hold int64
	d.MaybeScanArgs(s.t, "seed", &o.Seed)
	d.MaybeScanArgs(s.t, "budget", &o.InstantBudget)
	d.MaybeScanArgs(s.t, "hold", &hold)
	if d.MaybeScanArgs(s.t, "strategy", &strategy); strategy == "random" {
		o.Strategy = kernel.NewRandomWalk(time.Duration(hold))
	}
	s.k.Reset(o)
	s.actors, s.names, s.nodes = map[string]uint32{}, map[uint32]string{}, map[string]uint32{}
	s.waiting, s.labels = map[string]int{}, map[string]uint64{}
}

func (s *stage) doAll(self string, lines []string) {
	for _, line := range lines {
		if words := strings.Fields(line); len(words) > 0 {
			s.do(self, words)
		}
	}
}

func (s *stage) send(name string) {
	if s.waiting[name]++; s.waiting[name] == 1 {
		s.k.Enable(s.actors[name], s.k.Child())
	}
}

func (s *stage) number(word string) int64 {
	n, err := strconv.ParseInt(word, 10, 64)
	require.NoError(s.t, err)
	return n
}

func (s *stage) do(self string, w []string) {
	me := s.actors[self]
	switch w[0] {
	case "send":
		s.send(w[1])
	case "sleep":
		sleep(s.k, me, time.Duration(s.number(w[1])))
		fmt.Fprintf(&s.out, "   %s awakes at %d\n", self, s.k.Now())
	case "park":
		s.k.Park(me)
		fmt.Fprintf(&s.out, "   %s goes on at %d\n", self, s.k.Now())
	case "unpark":
		s.k.Unpark(s.actors[w[1]])
	case "free":
		s.k.FreeActor(s.actors[w[1]])
	case "pause":
		s.k.PauseNode(uint32(s.number(w[1])))
	case "resume":
		s.k.ResumeNode(uint32(s.number(w[1])))
	case "cancel":
		fmt.Fprintf(&s.out, "   cancel %s: %v\n", w[1], s.k.Cancel(s.labels[w[1]]))
	case "at", "arrive", "strike":
		s.schedule(self, w)
	default:
		s.t.Fatalf("unknown action %s", w[0])
	}
}

func (s *stage) schedule(self string, w []string) {
	at := s.k.Now() + time.Duration(s.number(w[1]))
	action, label := w[2:], ""
	if l, ok := strings.CutPrefix(action[0], "id="); ok {
		action, label = action[1:], l
	}
	var id uint64
	switch w[0] {
	case "at":
		id = s.k.At(at, s.actors[self], func() { s.do(self, action) })
	case "arrive":
		to := action[0]
		id = s.k.Schedule(at, kernel.Arrival, s.nodes[to], s.actors[to], fireFunc(func(uint64) { s.send(to) }), 0)
	default:
		id = s.k.Schedule(at, kernel.Fault, 0, 0, fireFunc(func(uint64) { s.do("", action) }), 0)
	}
	s.labels[label] = id
}
