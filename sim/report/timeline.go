package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"meshsim/sim/trace"
)

// Story is the kinds of events that a timeline tells: faults, and what the
// mesh did about them. The other kinds are everyday life.
var Story = trace.Kinds(
	trace.NodeStarted,
	trace.WorkerFailed, trace.WorkerRestarted, trace.WorkerAbandoned, trace.WorkerReturned,
	trace.StaleAnswer, trace.CircuitOpened, trace.CircuitClosed,
	trace.ActorFailed, trace.ActorRestarted, trace.ActorStopped, trace.Escalated,
	trace.FaultStruck, trace.FaultHealed, trace.HealStarted, trace.LivenessEnded,
)

// maxMoments bounds a timeline's memory: about 1 MiB.
const maxMoments = 4096

// shownNodes is how many nodes a line names before it counts the others.
const shownNodes = 6

// Timeline collects a run's story as it happens. The zero value is not ready:
// see [NewTimeline]. One goroutine at a time uses it.
type Timeline struct {
	window  time.Duration // between two events of one moment, at most
	moments []moment
	latest  map[string]int // class: index of its youngest moment
	left    uint64         // events for which there was no room
}

// windowsMax is how many windows a moment may last: what goes on for the whole
// run is told from time to time.
const windowsMax = 10

// moment is one kind of thing that kept happening.
type moment struct {
	first, last time.Duration
	text        string   // of the first event
	class       string   // what the text says of all of them
	nodes       []uint32 // sorted, distinct
	count       uint64
}

// NewTimeline makes a timeline of a run that lasts about length: what happens
// again within a fortieth of it (at least a millisecond), and again, becomes
// one line, for up to a quarter of it.
func NewTimeline(length time.Duration) *Timeline {
	return &Timeline{window: max(length/40, time.Millisecond), latest: make(map[string]int)}
}

// Observe takes an event in; those outside [Story] are passed over, and so is
// every node's first start.
func (t *Timeline) Observe(e *trace.Event) {
	if !told(e) {
		return
	}
	class := classOf(e)
	if m := t.ongoing(class, e.Time); m != nil {
		m.last = e.Time
		m.count++
		m.add(e.Node)
		return
	}
	if len(t.moments) == maxMoments {
		t.left++
		return
	}
	m := moment{first: e.Time, last: e.Time, text: Sentence(e), class: class, count: 1}
	m.add(e.Node)
	t.latest[class] = len(t.moments)
	t.moments = append(t.moments, m)
}

// ongoing is the moment of this class that what happens now belongs to; nil if
// it makes a new one.
func (t *Timeline) ongoing(class string, now time.Duration) *moment {
	i, ok := t.latest[class]
	if !ok {
		return nil
	}
	m := &t.moments[i]
	if now-m.last > t.window || now-m.first > windowsMax*t.window {
		return nil
	}
	return m
}

func (m *moment) add(node uint32) {
	if node == 0 {
		return
	}
	if i, found := slices.BinarySearch(m.nodes, node); !found {
		m.nodes = slices.Insert(m.nodes, i, node)
	}
}

func told(e *trace.Event) bool {
	return Story.Has(e.Kind) && (e.Kind != trace.NodeStarted || e.Incarnation > 1)
}

// classOf is what events must share to be told in one line: the kind, and for
// faults and actors which one.
func classOf(e *trace.Event) string {
	switch e.Kind {
	case trace.FaultStruck:
		return "fault " + e.Name + " strikes"
	case trace.FaultHealed:
		return "fault " + e.Name + " heals"
	case trace.NodeStarted:
		return "node restarts"
	case trace.WorkerFailed:
		return "worker panics"
	case trace.WorkerRestarted:
		return "worker restarted after backoff"
	case trace.WorkerAbandoned:
		return "worker hangs and is abandoned"
	case trace.WorkerReturned:
		return "abandoned worker returns"
	case trace.StaleAnswer:
		return "late answer of an abandoned epoch is ignored"
	case trace.ActorFailed:
		return role(e.Actor) + " actor panics"
	case trace.ActorRestarted:
		return role(e.Actor) + " actor restarted after backoff"
	case trace.ActorStopped:
		return role(e.Actor) + " actor is given up"
	case trace.Escalated:
		return role(e.Actor) + " actor's failure escalates"
	}
	return Sentence(e)
}

// Write prints the story in at most lines lines (0: all of it): time, nodes,
// and what happened. Where it does not fit, the middle is left out and counted.
func (t *Timeline) Write(w io.Writer, lines int) error {
	head, tail := len(t.moments), 0
	if lines > 0 && len(t.moments) > lines {
		head = max(lines*2/3, 1)
		tail = max(lines-1-head, 0)
	}
	for i := range head {
		if _, err := fmt.Fprintln(w, t.moments[i].line()); err != nil {
			return err
		}
	}
	if cut := t.moments[head : len(t.moments)-tail]; len(cut) > 0 {
		if _, err := fmt.Fprintf(w, "%11s  ... %d more events until %s\n", "", total(cut), Clock(cut[len(cut)-1].last)); err != nil {
			return err
		}
	}
	for i := len(t.moments) - tail; i < len(t.moments); i++ {
		if _, err := fmt.Fprintln(w, t.moments[i].line()); err != nil {
			return err
		}
	}
	if t.left > 0 {
		_, err := fmt.Fprintf(w, "%11s  ... and %d later events that there was no room for\n", "", t.left)
		return err
	}
	return nil
}

// Empty reports whether there is nothing to tell.
func (t *Timeline) Empty() bool { return len(t.moments) == 0 }

func total(ms []moment) (n uint64) {
	for i := range ms {
		n += ms[i].count
	}
	return n
}

func (m *moment) line() string {
	text := m.text
	if m.count > 1 {
		text = m.class
		if m.count > uint64(len(m.nodes)) {
			text += fmt.Sprintf(", %d times", m.count)
		}
		if until := Clock(m.last); until != Clock(m.first) {
			text += " until " + until
		}
	}
	return fmt.Sprintf("%11s  %-12s %s", Clock(m.first), nodeList(m.nodes), text)
}

// nodeList names nodes, runs of neighbours as n3-n7, and counts what is left
// over: "n1 n3-n7 n9 +12".
func nodeList(nodes []uint32) string {
	if len(nodes) == 0 {
		return "mesh"
	}
	var b strings.Builder
	named := 0
	for i, parts := 0, 0; i < len(nodes) && parts < shownNodes; parts++ {
		j := i
		for j+1 < len(nodes) && nodes[j+1] == nodes[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(Node(nodes[i]))
		switch {
		case j == i+1:
			b.WriteString(" " + Node(nodes[j]))
		case j > i+1:
			b.WriteString("-" + Node(nodes[j]))
		}
		named += j - i + 1
		i = j + 1
	}
	if more := len(nodes) - named; more > 0 {
		fmt.Fprintf(&b, " +%d", more)
	}
	return b.String()
}
