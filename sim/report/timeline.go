package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// Story is the kinds of events that a timeline tells: faults, and what the
// mesh did about them. The other kinds are everyday life, and so are some
// events of these: a node's first start, what goes well.
var Story = trace.Kinds(
	trace.NodeStarted,
	trace.WorkerFailed, trace.WorkerRestarted, trace.WorkerAbandoned, trace.WorkerReturned,
	trace.StaleAnswer, trace.CircuitOpened, trace.CircuitClosed,
	trace.RecordSettled, trace.AttemptEnded, trace.LineDropped, trace.InputLost,
	trace.SinkDamaged, trace.ReplayEnded,
	trace.ActorFailed, trace.ActorRestarted, trace.ActorStopped, trace.Escalated,
	trace.FaultStruck, trace.FaultHealed, trace.HealStarted, trace.LivenessEnded,
)

// maxMoments bounds a timeline's memory: about 1 MiB.
const maxMoments = 4096

// nodesWidth is how much of a line may name nodes before the others are
// counted.
const nodesWidth = 22

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

// Observe takes an event in; everyday life is passed over.
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

// told reports whether an event belongs to the story.
func told(e *trace.Event) bool {
	switch e.Kind {
	case trace.NodeStarted:
		return e.Attempt > 1
	case trace.FaultHealed:
		return e.Name != "crash" // the restart tells it
	case trace.RecordSettled:
		return appender.Outcome(e.Outcome) == appender.Dropped
	case trace.ReplayEnded: // of an empty log there is nothing to tell
		return e.Count > 0 || e.Err != nil
	case trace.AttemptEnded: // panics and hangs are told of the worker
		return e.Result != trace.ResultOK && e.Result != trace.ResultPanic && e.Result != trace.ResultHang
	}
	return Story.Has(e.Kind)
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
	case trace.RecordSettled:
		return "appender inbox full, its oldest record is dropped"
	case trace.SinkDamaged:
		return "log reports " + e.Name
	case trace.ReplayEnded:
		if e.Err != nil {
			return "log's replay breaks off"
		}
		return "log has replayed its records"
	case trace.LineDropped:
		return "loop inbox full, its oldest line is dropped"
	case trace.AttemptEnded:
		return "append ends: " + resultWords(e.Result)
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
	first, cut, last := t.moments[:head], t.moments[head:len(t.moments)-tail], t.moments[len(t.moments)-tail:]
	width := 0
	for _, ms := range [][]moment{first, last} {
		for i := range ms {
			width = max(width, len(nodeList(ms[i].nodes)))
		}
	}
	var b strings.Builder
	line := func(at, nodes, text string) { fmt.Fprintf(&b, "%11s  %-*s  %s\n", at, width, nodes, text) }
	for i := range first {
		line(Clock(first[i].first), nodeList(first[i].nodes), first[i].words())
	}
	if len(cut) > 0 {
		line("...", "", fmt.Sprintf("%d more events until %s", total(cut), Clock(cut[len(cut)-1].last)))
	}
	for i := range last {
		line(Clock(last[i].first), nodeList(last[i].nodes), last[i].words())
	}
	if t.left > 0 {
		line("...", "", fmt.Sprintf("%d later events that there was no room for", t.left))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Empty reports whether there is nothing to tell.
func (t *Timeline) Empty() bool { return len(t.moments) == 0 }

func total(ms []moment) (n uint64) {
	for i := range ms {
		n += ms[i].count
	}
	return n
}

func (m *moment) words() string {
	if m.count == 1 {
		return m.text
	}
	text := m.class
	if m.count > uint64(len(m.nodes)) {
		text += fmt.Sprintf(", %d times", m.count)
	}
	if until := Clock(m.last); until != Clock(m.first) {
		text += " until " + until
	}
	return text
}

// nodeList names nodes, runs of neighbours as n3-n7, and counts what is left
// over: "n1 n3-n7 n9 +12".
func nodeList(nodes []uint32) string {
	if len(nodes) == 0 {
		return "mesh"
	}
	list := ""
	for i := 0; i < len(nodes); {
		j := i
		for j+1 < len(nodes) && nodes[j+1] == nodes[j]+1 {
			j++
		}
		word := Node(nodes[i])
		switch {
		case j == i+1:
			word += " " + Node(nodes[j])
		case j > i+1:
			word += "-" + Node(nodes[j])
		}
		if list != "" {
			if len(list)+1+len(word) > nodesWidth {
				return fmt.Sprintf("%s +%d", list, len(nodes)-i)
			}
			list += " "
		}
		list += word
		i = j + 1
	}
	return list
}
