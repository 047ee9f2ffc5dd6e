package sim

import (
	"container/heap"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/sim/kernel"
	"meshsim/sim/trace"
)

// calendar is time for a network under test alone: a plain event heap, in
// order of time, then of scheduling.
type calendar struct {
	t      time.Duration
	n      uint64
	events []calendarEvent
}

type calendarEvent struct {
	at  time.Duration
	num uint64
	f   kernel.Firer
}

func (c *calendar) Len() int { return len(c.events) }
func (c *calendar) Less(i, j int) bool {
	a, b := &c.events[i], &c.events[j]
	return a.at < b.at || a.at == b.at && a.num < b.num
}
func (c *calendar) Swap(i, j int) { c.events[i], c.events[j] = c.events[j], c.events[i] }
func (c *calendar) Push(x any)    { c.events = append(c.events, x.(calendarEvent)) }
func (c *calendar) Pop() any {
	e := c.events[len(c.events)-1]
	c.events = c.events[:len(c.events)-1]
	return e
}

func (c *calendar) now() time.Duration { return c.t }
func (c *calendar) child() uint64      { return 0 }
func (c *calendar) arrive(t time.Duration, _ uint32, _ uint64, f kernel.Firer) {
	c.n++
	heap.Push(c, calendarEvent{at: max(t, c.t), num: c.n, f: f})
}

// run lets time pass until t.
func (c *calendar) run(t time.Duration) {
	for len(c.events) > 0 && c.events[0].at <= t {
		e := heap.Pop(c).(calendarEvent)
		c.t = e.at
		e.f.Fire(0)
	}
	c.t = t
}

// bench is a network under test and everything that it delivered.
type bench struct {
	calendar
	net      network
	sent     map[[2]uint32]int
	got      map[[2]uint32][]int
	arrivals map[[2]uint32][]time.Duration
	down     map[uint32]bool
	events   [trace.NumKinds]int
}

func newBench(nodes int, seed uint64, cfg Network, broken defect) *bench {
	b := &bench{
		sent: map[[2]uint32]int{}, got: map[[2]uint32][]int{},
		arrivals: map[[2]uint32][]time.Duration{}, down: map[uint32]bool{},
	}
	b.net.time = &b.calendar
	b.net.wants = trace.AllKinds
	b.net.emit = func(e *trace.Event) { b.events[e.Kind]++ }
	b.net.deliver = func(from, to uint32, msg any) bool {
		if b.down[to] {
			return false
		}
		k := [2]uint32{from, to}
		b.got[k] = append(b.got[k], msg.(int))
		b.arrivals[k] = append(b.arrivals[k], b.t)
		return true
	}
	b.net.reset(nodes, seed, cfg)
	b.net.broken = broken
	return b
}

// send sends the next number of the link.
func (b *bench) send(from, to uint32) {
	k := [2]uint32{from, to}
	b.sent[k]++
	b.net.send(from, to, b.sent[k])
}

func (b *bench) count(from, to uint32) int { return len(b.got[[2]uint32{from, to}]) }

func (b *bench) partition(shape string, groups ...[]uint32) *strike {
	s := newStrike(Fault{Kind: kindPartition, Shape: shape}, new(promise), nil, len(b.net.rows), 1)
	s.groups = groups
	b.net.begin(s)
	return s
}

func (b *bench) fault(f Fault, nodes ...uint32) *strike {
	s := newStrike(f, new(promise), nodes, len(b.net.rows), 2)
	b.net.begin(s)
	return s
}

const settle = time.Hour // longer than any latency drawn here

var lossy = Uniform(time.Millisecond, 20*time.Millisecond)

// A law of links takes a defect to be broken by, and says what was wrong.
type law func(seed uint64, broken defect) error

// fifo: whatever the latencies, partitions and clogs, a link that does not
// reorder delivers in the order of sending.
func fifo(seed uint64, broken defect) error {
	b := newBench(2, seed, Network{Latency: lossy}, broken)
	for i := range 300 {
		switch i {
		case 50:
			s := b.partition(shapeSymmetric, []uint32{1}, []uint32{2})
			defer func() { _ = s }()
			b.run(b.t + 30*time.Millisecond)
			b.net.end(s)
		case 150:
			s := b.fault(Fault{Kind: kindClog}, 2)
			for range 20 {
				b.send(1, 2)
			}
			b.run(b.t + 50*time.Millisecond)
			b.net.end(s)
		}
		b.send(1, 2)
		b.run(b.t + time.Millisecond)
	}
	b.run(settle)
	last := 0
	for _, m := range b.got[[2]uint32{1, 2}] {
		if m < last {
			return fmt.Errorf("message %d after %d", m, last)
		}
		last = m
	}
	return nil
}

// exactlyOnce: a perfect link delivers every message once.
func exactlyOnce(seed uint64, broken defect) error {
	b := newBench(2, seed, Network{Latency: lossy}, broken)
	for range 200 {
		b.send(1, 2)
		b.run(b.t + time.Millisecond)
	}
	b.run(settle)
	for i, m := range b.got[[2]uint32{1, 2}] {
		if m != i+1 {
			return fmt.Errorf("delivery %d is message %d", i+1, m)
		}
	}
	if n := b.count(1, 2); n != 200 {
		return fmt.Errorf("%d of 200 messages arrived", n)
	}
	return nil
}

// healHeals: after the heal, both directions carry again.
func healHeals(seed uint64, broken defect) error {
	b := newBench(4, seed, Network{Latency: lossy}, broken)
	s := b.partition(shapeSymmetric, []uint32{1, 2}, []uint32{3, 4})
	b.send(1, 3)
	b.send(3, 1)
	b.run(b.t + time.Second)
	if b.count(1, 3)+b.count(3, 1) != 0 {
		return errors.New("a partition let messages through")
	}
	b.net.end(s)
	b.send(1, 3)
	b.send(3, 1)
	b.run(settle)
	if b.count(1, 3) != 1 || b.count(3, 1) != 1 {
		return fmt.Errorf("after the heal %d and %d messages arrived, not 1 and 1", b.count(1, 3), b.count(3, 1))
	}
	return nil
}

// oneWay: a one-way partition cuts one direction and keeps the other.
func oneWay(seed uint64, broken defect) error {
	b := newBench(3, seed, Network{Latency: lossy}, broken)
	b.partition(shapeOneWay, []uint32{1}, []uint32{2, 3})
	for range 10 {
		b.send(1, 2)
		b.send(2, 1)
		b.send(2, 3)
	}
	b.run(settle)
	if b.count(1, 2) != 0 || b.count(2, 1) != 10 || b.count(2, 3) != 10 {
		return fmt.Errorf("%d, %d and %d messages arrived, not 0, 10 and 10", b.count(1, 2), b.count(2, 1), b.count(2, 3))
	}
	return nil
}

// inFlight: a cut that drops what is in flight drops it even when it has
// healed before the message was due; what is sent afterwards arrives.
func inFlight(seed uint64, broken defect) error {
	b := newBench(2, seed, Network{Latency: Constant(10 * time.Millisecond), InFlight: inFlightDrop}, broken)
	b.send(1, 2)
	s := b.partition(shapeSymmetric, []uint32{1}, []uint32{2})
	b.run(b.t + time.Millisecond)
	b.net.end(s)
	b.send(1, 2)
	b.run(settle)
	if got := b.got[[2]uint32{1, 2}]; len(got) != 1 || got[0] != 2 {
		return fmt.Errorf("arrived: %v, not [2]", got)
	}
	return nil
}

var laws = map[string]law{
	"fifo": fifo, "exactly once": exactlyOnce, "heal heals": healHeals, "one-way": oneWay, "in flight": inFlight,
}

func TestLinksKeepTheirLaws(t *testing.T) {
	for name, holds := range laws {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				require.NoError(t, holds(seed, defectNone), "seed %d", seed)
			}
		})
	}
}

// Each deliberate defect breaks exactly the law that it should.
func TestEachBrokenLinkBreaksItsLaw(t *testing.T) {
	breaks := map[defect]string{
		defectHalfHeal: "heal heals", defectDuplicate: "exactly once", defectFIFO: "fifo",
		defectOneWayBoth: "one-way", defectKeepInFlight: "in flight",
	}
	for broken, want := range breaks {
		for name, holds := range laws {
			failed := false
			for seed := range uint64(20) {
				failed = failed || holds(seed, broken) != nil
			}
			require.Equal(t, name == want, failed, "defect %d under law %q", broken, name)
		}
	}
}

// binomialTail is P(X <= k) and P(X >= k) for X ~ B(n, p), summed exactly.
func binomialTail(n, k int, p float64) (below, above float64) {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
	for i := 0; i <= n; i++ {
		q := math.Exp(lg(n) - lg(i) - lg(n-i) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
		if i <= k {
			below += q
		}
		if i >= k {
			above += q
		}
	}
	return below, above
}

func requireBinomial(t *testing.T, n, k int, p float64, what string) {
	t.Helper()
	below, above := binomialTail(n, k, p)
	require.Greater(t, math.Min(below, above), 1e-9, "%s: %d of %d at p = %g", what, k, n, p)
}

// Loss, duplication and reordering come at their rates, by exact binomial
// bounds, whether the network or a fault brings them.
func TestLinkFaultsComeAtTheirRates(t *testing.T) {
	const n = 20_000
	for _, p := range []float64{0.001, 0.1, 0.5} {
		for _, byFault := range []bool{false, true} {
			cfg := Network{Latency: Constant(time.Millisecond)}
			if !byFault {
				cfg.Loss, cfg.Duplicate, cfg.Reorder = p, p, p
			}
			b := newBench(2, 7, cfg, defectNone)
			var ss []*strike
			if byFault {
				for _, kind := range []string{kindLoss, kindDuplicate, kindReorder} {
					s := b.fault(Fault{Kind: kind, Prob: p}, 1, 2)
					s.key = uint64(len(ss)) + 11 // each fault draws for itself
					ss = append(ss, s)
				}
			}
			for range n {
				b.send(1, 2)
				b.run(b.t + time.Millisecond)
			}
			b.run(settle)
			lost := b.events[trace.MessageLost]
			requireBinomial(t, n, lost, p, "lost")
			requireBinomial(t, n-lost, b.events[trace.MessageDuplicated], p, "duplicated")
			require.Equal(t, n-lost+b.events[trace.MessageDuplicated], b.count(1, 2))
			for _, s := range ss {
				require.InDelta(t, n*p, s.promise.expected, 1e-6*n)
				requireBinomial(t, n, int(s.promise.fired), p, s.fault.Kind)
			}
		}
	}
}

// A copy travels right behind its original; reordered messages arrive exactly
// once and some of them behind a successor.
func TestCopiesFollowTheirOriginalAndReorderingReorders(t *testing.T) {
	b := newBench(2, 3, Network{Latency: lossy, Duplicate: 0.3}, defectNone)
	r := newBench(2, 3, Network{Latency: lossy, Reorder: 0.2}, defectNone)
	for range 2000 {
		b.send(1, 2)
		r.send(1, 2)
		b.run(b.t + time.Millisecond)
		r.run(r.t + time.Millisecond)
	}
	b.run(settle)
	r.run(settle)
	last := 0
	for _, m := range b.got[[2]uint32{1, 2}] {
		require.True(t, m == last || m == last+1, "%d after %d", m, last)
		last = m
	}
	require.Equal(t, 2000, last)
	seen, behind := map[int]bool{}, 0
	last = 0
	for _, m := range r.got[[2]uint32{1, 2}] {
		require.False(t, seen[m])
		seen[m] = true
		if m < last {
			behind++
		}
		last = max(last, m)
	}
	require.Len(t, seen, 2000)
	require.Greater(t, behind, 100)
}

// While a clog lasts nothing arrives; when the last of several that overlap
// ends, everything does. A reordered message waits like the others.
func TestClogsHoldEverythingAndNest(t *testing.T) {
	b := newBench(3, 1, Network{Latency: Constant(time.Millisecond), Reorder: 0.3}, defectNone)
	for range 20 {
		b.send(1, 2)
		b.send(1, 3)
	}
	first := b.fault(Fault{Kind: kindClog}, 2)
	second := b.fault(Fault{Kind: kindClog}, 1, 2)
	for range 20 {
		b.send(1, 2)
		b.send(2, 1)
		b.send(3, 1)
	}
	b.run(time.Second)
	require.Zero(t, b.count(1, 2)+b.count(2, 1)+b.count(3, 1)+b.count(1, 3))
	b.net.end(first)
	b.run(2 * time.Second)
	require.Zero(t, b.count(1, 2)+b.count(2, 1)+b.count(3, 1)+b.count(1, 3))
	b.net.end(second)
	b.run(2*time.Second + time.Millisecond)
	require.Equal(t, []int{40, 20, 20, 20}, []int{b.count(1, 2), b.count(2, 1), b.count(3, 1), b.count(1, 3)})
	require.Zero(t, b.net.sick)
}

// A cut that delivers what is in flight delivers it, and refuses what is sent
// meanwhile.
func TestAPartialPartitionKeepsInFlightMessagesAndTheThirdGroup(t *testing.T) {
	b := newBench(3, 1, Network{Latency: Constant(time.Millisecond)}, defectNone)
	b.send(1, 2)
	b.partition(shapePartial, []uint32{1}, []uint32{2}, []uint32{3})
	for _, k := range [][2]uint32{{1, 2}, {2, 1}, {1, 3}, {3, 1}, {2, 3}, {3, 2}} {
		b.send(k[0], k[1])
	}
	b.run(settle)
	require.Equal(t, []int{1}, b.got[[2]uint32{1, 2}])
	require.Zero(t, b.count(2, 1))
	for _, k := range [][2]uint32{{1, 3}, {3, 1}, {2, 3}, {3, 2}} {
		require.Equal(t, 1, b.count(k[0], k[1]), "%v", k)
	}
	require.Equal(t, 2, b.events[trace.MessageCut])
}

// A latency fault adds its time and nothing else; a node that is down loses
// what arrives, not what it had sent.
func TestLatencyIsAddedAndDownNodesLoseArrivals(t *testing.T) {
	b := newBench(2, 1, Network{Latency: Constant(time.Millisecond)}, defectNone)
	s := b.fault(Fault{Kind: kindLatency, By: 9 * time.Millisecond}, 1)
	b.send(1, 2)
	b.net.end(s)
	b.run(20 * time.Millisecond)
	require.Equal(t, []time.Duration{10 * time.Millisecond}, b.arrivals[[2]uint32{1, 2}])
	b.send(1, 2)
	b.send(2, 1)
	b.down[2] = true
	b.run(settle)
	require.Equal(t, 1, b.count(1, 2))
	require.Equal(t, 1, b.count(2, 1))
	require.EqualValues(t, 1, b.net.lost)
}

// The rate of a fault on one link is drawn from that link's own stream: other
// traffic changes no draw.
func TestOtherTrafficChangesNoDraw(t *testing.T) {
	cfg := Network{Latency: lossy, Loss: 0.2, Duplicate: 0.1, Reorder: 0.1}
	run := func(busy bool) []time.Duration {
		b := newBench(3, 5, cfg, defectNone)
		for i := range 200 {
			if busy && i%3 == 0 {
				b.send(3, 2)
				b.send(2, 1)
			}
			b.send(1, 2)
			b.run(b.t + time.Millisecond)
		}
		b.run(settle)
		return b.arrivals[[2]uint32{1, 2}]
	}
	require.Equal(t, run(false), run(true))
}

func TestARowFindsWhatWasPutIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r row
		model := map[uint32]*link{}
		for _, p := range rapid.SliceOf(rapid.Uint32Range(1, 2000)).Draw(t, "peers") {
			if model[p] == nil {
				l := &link{to: p}
				r.add(l)
				model[p] = l
			}
			q := rapid.Uint32Range(1, 2000).Draw(t, "other")
			require.Same(t, model[p], r.find(p))
			require.Equal(t, model[q], r.find(q))
			require.LessOrEqual(t, 2*len(r.links), len(r.slots))
		}
	})
}

// A full link loses what comes after, counted, and goes on when it drains.
func TestALinkIsBounded(t *testing.T) {
	b := newBench(2, 1, Network{Latency: Constant(time.Second)}, defectNone)
	for range maxInFlight + 10 {
		b.send(1, 2)
	}
	require.EqualValues(t, 10, b.net.overflow)
	b.run(settle)
	require.Equal(t, maxInFlight, b.count(1, 2))
	b.send(1, 2)
	b.run(2 * settle)
	require.Equal(t, maxInFlight+1, b.count(1, 2))
}
