package report

import (
	"fmt"
	"io"
	"regexp"
	"strconv"

	"meshsim/sim/trace"
)

// everyday kinds would crowd out of a tail what led to a violation.
var everyday = trace.Kinds(trace.LoopInput, trace.TickArmed, trace.TickDone, trace.LineIn,
	trace.LineLogged, trace.QueueDepth, trace.MessageSent, trace.MessageDelivered,
	trace.SinkTried, trace.SinkSynced, trace.SinkReplayed)

// Telling is the kinds of events that a [Tail] keeps.
var Telling = trace.AllKinds &^ everyday

// Tail keeps, for every node and for the mesh as a whole, the last telling
// events up to a step: what led to a violation. One goroutine at a time uses
// it. It needs size times the nodes' number of short strings.
type Tail struct {
	size  int
	until uint64
	node  uint32 // of the last event that had one
	lines map[uint32]*ring
	all   ring
}

type ring struct {
	lines []string
	next  int
}

func (r *ring) push(s string, size int) {
	if len(r.lines) < size {
		r.lines = append(r.lines, s)
		return
	}
	r.lines[r.next] = s
	r.next = (r.next + 1) % size
}

func (r *ring) inOrder() []string {
	return append(append([]string(nil), r.lines[r.next:]...), r.lines[:r.next]...)
}

// NewTail makes a tail of size events, at least 1, that ends with step until.
func NewTail(size int, until uint64) *Tail {
	return &Tail{size: max(size, 1), until: until, lines: make(map[uint32]*ring)}
}

// Observe takes an event in.
func (t *Tail) Observe(e *trace.Event) {
	if e.Step > t.until {
		return
	}
	if e.Node != 0 {
		t.node = e.Node
	}
	if !Telling.Has(e.Kind) {
		return
	}
	s := Line(e)
	t.all.push(s, t.size)
	if e.Node == 0 {
		return
	}
	r := t.lines[e.Node]
	if r == nil {
		r = new(ring)
		t.lines[e.Node] = r
	}
	r.push(s, t.size)
}

// Of is the tail of one node, oldest first; of the whole mesh for node 0.
func (t *Tail) Of(node uint32) []string {
	if node == 0 {
		return t.all.inOrder()
	}
	if r := t.lines[node]; r != nil {
		return r.inOrder()
	}
	return nil
}

var nodeName = regexp.MustCompile(`\bn([1-9][0-9]{0,8})\b`)

// Concerned is the node that a violation is about: the first that its words
// name, or else the one that the last event seen belongs to; 0 if there is
// neither, or if nothing telling happened to it.
func (t *Tail) Concerned(violation string) uint32 {
	node := t.node
	if m := nodeName.FindStringSubmatch(violation); m != nil {
		if n, err := strconv.ParseUint(m[1], 10, 32); err == nil {
			node = uint32(n)
		}
	}
	if t.lines[node] == nil {
		return 0
	}
	return node
}

// Write prints the tail of the node that the violation is about, a line each
// behind two spaces, under a line that says whose it is.
func (t *Tail) Write(w io.Writer, violation string) error {
	node := t.Concerned(violation)
	lines := t.Of(node)
	whose := "the mesh"
	if node != 0 {
		whose = Node(node)
	}
	if _, err := fmt.Fprintf(w, "the last %d events of %s:\n", len(lines), whose); err != nil {
		return err
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(w, "  %s\n", line); err != nil {
			return err
		}
	}
	return nil
}
