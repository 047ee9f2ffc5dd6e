package report_test

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/sim/report"
	"meshsim/sim/trace"
)

func TestEveryKindHasASentence(t *testing.T) {
	seen := make(map[string]trace.Kind)
	for k := trace.Kind(1); int(k) < trace.NumKinds; k++ {
		s := report.Sentence(&trace.Event{Kind: k, Name: "thing", Node: 1, Peer: 2, Seq: 3, Count: 4, Cap: 5, Epoch: 6})
		require.NotContains(t, s, "event of kind", "kind %d", k)
		other, twice := seen[s]
		require.False(t, twice, "kinds %d and %d both read %q", k, other, s)
		seen[s] = k
	}
}

// events draws a run: times never go back.
func events(t *rapid.T) []trace.Event {
	kinds := make([]trace.Kind, 0, trace.NumKinds)
	for k := trace.Kind(1); int(k) < trace.NumKinds; k++ {
		kinds = append(kinds, k)
	}
	var now time.Duration
	es := make([]trace.Event, rapid.IntRange(0, 200).Draw(t, "events"))
	for i := range es {
		now += time.Duration(rapid.IntRange(0, 300).Draw(t, "gap")) * time.Millisecond
		es[i] = trace.Event{
			Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Time: now, Step: uint64(i),
			Node: rapid.Uint32Range(0, 12).Draw(t, "node"), Incarnation: rapid.Uint32Range(1, 2).Draw(t, "incarnation"),
			Attempt: rapid.Uint32Range(1, 2).Draw(t, "attempt"),
			Outcome: rapid.Uint8Range(0, uint8(appender.NumOutcomes-1)).Draw(t, "outcome"),
			Result:  rapid.SampledFrom([]trace.Result{trace.ResultOK, trace.ResultDeadline, trace.ResultHang}).Draw(t, "result"),
			Name:    rapid.SampledFrom([]string{"crash", "append-hang"}).Draw(t, "name"),
		}
	}
	return es
}

// everyday reports whether an event of a told kind is no part of the story.
func everyday(e *trace.Event) bool {
	switch e.Kind {
	case trace.NodeStarted:
		return e.Attempt <= 1
	case trace.FaultHealed:
		return e.Name == "crash"
	case trace.ReplayEnded:
		return e.Count == 0 && e.Err == nil
	case trace.RecordSettled:
		return e.Outcome != uint8(appender.Dropped)
	case trace.AttemptEnded:
		return e.Result == trace.ResultOK || e.Result == trace.ResultPanic || e.Result == trace.ResultHang
	}
	return !report.Story.Has(e.Kind)
}

func story(es []trace.Event) (n int) {
	for i := range es {
		if !everyday(&es[i]) {
			n++
		}
	}
	return n
}

func render(t require.TestingT, es []trace.Event, length time.Duration, lines int) string {
	tl := report.NewTimeline(length)
	for i := range es {
		tl.Observe(&es[i])
	}
	var b bytes.Buffer
	require.NoError(t, tl.Write(&b, lines))
	return b.String()
}

var (
	times    = regexp.MustCompile(`, (\d+) times`)
	more     = regexp.MustCompile(`^ *\.\.\. +(\d+) (?:more|later) events`)
	nodesCol = regexp.MustCompile(`^ *[0-9.]+s  ((?:(?:n\d+(?:-n\d+)?|\+\d+|mesh) ?)+) `)
)

// told adds up what the lines of a timeline account for.
func told(t require.TestingT, text string) (n int) {
	for line := range strings.Lines(text) {
		if m := more.FindStringSubmatch(line); m != nil {
			k, _ := strconv.Atoi(m[1])
			n += k
			continue
		}
		if m := times.FindStringSubmatch(line); m != nil {
			k, _ := strconv.Atoi(m[1])
			n += k
			continue
		}
		m := nodesCol.FindStringSubmatch(line)
		require.NotNil(t, m, "line %q", line)
		for _, f := range strings.Fields(m[1]) {
			switch from, to, isRun := strings.Cut(f, "-"); {
			case f == "mesh":
				n++
			case f[0] == '+':
				k, _ := strconv.Atoi(f[1:])
				n += k
			case isRun:
				a, _ := strconv.Atoi(from[1:])
				b, _ := strconv.Atoi(to[1:])
				n += b - a + 1
			default:
				n++
			}
		}
	}
	return n
}

func TestTimelineAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		es := events(t)
		// A merged line without "times" names each of its events by its node,
		// so nodes and counts together account for everything observed.
		text := render(t, es, 10*time.Second, rapid.SampledFrom([]int{0, 1, 5, 40}).Draw(t, "lines"))
		require.Equal(t, story(es), told(t, text), text)
	})
}

func TestTimelineIsAFunctionOfItsEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		es := events(t)
		require.Equal(t, render(t, es, time.Second, 20), render(t, es, time.Second, 20))
	})
}

func TestTimelineKeepsWithinItsLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.IntRange(1, 40).Draw(t, "lines")
		text := render(t, events(t), time.Millisecond, lines)
		require.LessOrEqual(t, strings.Count(text, "\n"), max(lines, 2))
	})
}

func TestTimelineIsBoundedAndCountsWhatItLeavesOut(t *testing.T) {
	const n = 20_000
	tl := report.NewTimeline(0)
	for i := range n {
		tl.Observe(&trace.Event{Kind: trace.FaultStruck, Name: "crash", Node: 1, Time: time.Duration(i) * time.Second})
	}
	var b bytes.Buffer
	require.NoError(t, tl.Write(&b, 0))
	require.Less(t, strings.Count(b.String(), "\n"), 5_000)
	require.Equal(t, n, told(t, b.String()))
}

func TestTailHoldsTheLastTellingEventsUpToItsStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		es := events(t)
		until := rapid.Uint64Range(0, 220).Draw(t, "until")
		size := rapid.IntRange(1, 30).Draw(t, "size")
		node := rapid.Uint32Range(0, 12).Draw(t, "node of the tail")
		tail := report.NewTail(size, until)
		var want []string
		for i := range es {
			tail.Observe(&es[i])
			if es[i].Step <= until && report.Telling.Has(es[i].Kind) && (node == 0 || es[i].Node == node) {
				want = append(want, report.Line(&es[i]))
			}
		}
		require.Equal(t, strings.Join(want[max(len(want)-size, 0):], "\n"), strings.Join(tail.Of(node), "\n"))
	})
}

func TestTailConcernsTheNodeThatTheViolationNames(t *testing.T) {
	tail := report.NewTail(5, 10)
	for n := uint32(1); n <= 3; n++ {
		tail.Observe(&trace.Event{Kind: trace.NodeCrashed, Node: n, Step: uint64(n)})
	}
	require.EqualValues(t, 2, tail.Concerned("n2: acknowledged 3 after 4"))
	require.EqualValues(t, 3, tail.Concerned("acknowledged 3 after 4"))
	require.EqualValues(t, 0, tail.Concerned("n9 has no event"))
}

func ExampleTimeline() {
	tl := report.NewTimeline(10 * time.Second)
	for i, e := range []trace.Event{
		{Kind: trace.FaultStruck, Name: "append-deaf", Node: 2},
		{Kind: trace.WorkerAbandoned, Node: 2, Epoch: 1, Count: 1, Cap: 4},
		{Kind: trace.FaultHealed, Name: "append-deaf", Node: 2},
	} {
		e.Time = time.Duration(i+1) * 1250 * time.Millisecond
		tl.Observe(&e)
	}
	for n := range uint32(5) {
		tl.Observe(&trace.Event{Kind: trace.NodeStarted, Incarnation: 2, Attempt: 2, Node: n + 1, Time: 8 * time.Second})
	}
	if err := tl.Write(os.Stdout, 0); err != nil {
		fmt.Println(err)
	}
	// Output:
	//      1.250s  n2     fault append-deaf strikes
	//      2.500s  n2     worker of epoch 1 hangs and is abandoned, 1 of 4 alive
	//      3.750s  n2     fault append-deaf heals
	//      8.000s  n1-n5  node restarts
}

func ExampleLine() {
	fmt.Println(report.Line(&trace.Event{
		Kind: trace.AttemptEnded, Result: trace.ResultDeadline, Step: 811, Time: 2750 * time.Millisecond,
		Node: 3, Epoch: 2, Attempt: 2, Seq: 41, Count: 8,
	}))
	// Output:
	//      811     2.750s  n3    append of records 41 to 48 ends: deadline passed, 0 acknowledged (epoch 2, attempt 2)
}
