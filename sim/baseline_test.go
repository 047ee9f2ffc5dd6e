package sim_test

import (
	"container/heap"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/sim"
	"meshsim/sim/kernel"
)

// The baselines of the benchmarks: the same heartbeat mesh without meshsim.

// heapMesh is the least that any simulator of this mesh must do: an event heap
// in which every heartbeat is one event with a drawn latency, and every answer
// another.
type heapMesh struct {
	events    beatHeap
	delivered uint64
	heard     []time.Duration // by node: when it last heard from anybody
}

type beat struct {
	at       time.Duration
	from, to int32 // to < 0: from's timer
	answer   bool
}

type beatHeap []beat

func (h beatHeap) Len() int           { return len(h) }
func (h beatHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h beatHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *beatHeap) Push(x any)        { *h = append(*h, x.(beat)) }
func (h *beatHeap) Pop() any {
	b := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return b
}

// push and pop are heap.Push and heap.Pop without their allocations.
func (h *beatHeap) push(b beat) {
	*h = append(*h, b)
	for i := len(*h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h.Less(i, up) {
			break
		}
		h.Swap(i, up)
		i = up
	}
}

func (h *beatHeap) pop() beat {
	b := (*h)[0]
	last := len(*h) - 1
	(*h)[0] = (*h)[last]
	*h = (*h)[:last]
	if last > 0 {
		heap.Fix(h, 0)
	}
	return b
}

// runHeapMesh is nodes that send a heartbeat to peers others each, every
// interval, until d, and answer each; it returns the messages delivered.
func runHeapMesh(nodes, peers int, interval, d time.Duration) uint64 {
	m := heapMesh{heard: make([]time.Duration, nodes)}
	for n := range nodes {
		m.events.push(beat{at: interval, from: int32(n), to: -1})
	}
	latency := sim.Uniform(time.Millisecond, 5*time.Millisecond)
	var num uint64
	send := func(at time.Duration, from, to int32, answer bool) {
		num++
		m.events.push(beat{at: at + latency.Draw(kernel.Combine(1, num)), from: from, to: to, answer: answer})
	}
	for len(m.events) > 0 && m.events[0].at <= d {
		b := m.events.pop()
		if b.to >= 0 {
			m.heard[b.to] = b.at
			m.delivered++
			if !b.answer {
				send(b.at, b.to, b.from, true)
			}
			continue
		}
		for p := 1; p <= peers; p++ {
			send(b.at, b.from, (b.from+int32(p))%int32(nodes), false)
		}
		m.events.push(beat{at: b.at + interval, from: b.from, to: -1})
	}
	return m.delivered
}

// runSynctestMesh is the same mesh as goroutines, channels and timers in a
// testing/synctest bubble: virtual time, but no links, no faults, no digest,
// and no reproducible order.
func runSynctestMesh(t *testing.T, nodes, peers int, interval, d time.Duration) (delivered uint64) {
	synctest.Test(t, func(*testing.T) {
		type message struct {
			from   int
			answer bool
		}
		latency := sim.Uniform(time.Millisecond, 5*time.Millisecond)
		inbox := make([]chan message, nodes)
		for i := range inbox {
			inbox[i] = make(chan message, 4*peers+16)
		}
		counts := make([]uint64, nodes)
		stop, done := make(chan struct{}), make(chan struct{})
		for n := range nodes {
			go func() {
				defer func() { done <- struct{}{} }()
				var num uint64
				send := func(to int, m message) {
					num++
					time.AfterFunc(latency.Draw(kernel.Combine(uint64(n), num)), func() { inbox[to] <- m })
				}
				ticker := time.NewTicker(interval)
				defer ticker.Stop()
				for {
					select {
					case <-stop:
						return
					case m := <-inbox[n]:
						counts[n]++
						if !m.answer {
							send(m.from, message{from: n, answer: true})
						}
					case <-ticker.C:
						for p := 1; p <= peers; p++ {
							send((n+p)%nodes, message{from: n})
						}
					}
				}
			}()
		}
		time.Sleep(d + interval/2)
		close(stop)
		for range nodes {
			<-done
		}
		for _, c := range counts {
			delivered += c
		}
	})
	return delivered
}

// inTest gives a benchmark the *testing.T that synctest wants.
func inTest(b *testing.B, f func(t *testing.T)) {
	b.Helper()
	ok := testing.RunTests(func(_, _ string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: b.Name(), F: f}})
	if !ok {
		b.Fatal("the baseline failed")
	}
}

// The baselines do the work that they are compared by.
func TestBaselinesDeliverEveryHeartbeat(t *testing.T) {
	const nodes, peers = 5, 4
	interval, d := 100*time.Millisecond, time.Second
	// The heartbeats of the last instant are still under way in the heap's.
	if got, want := runHeapMesh(nodes, peers, interval, d), uint64(2*nodes*peers*9); got != want {
		t.Errorf("heap: %d, want %d", got, want)
	}
	if got, want := runSynctestMesh(t, nodes, peers, interval, d), uint64(2*nodes*peers*10); got != want {
		t.Errorf("synctest: %d, want %d", got, want)
	}
}
