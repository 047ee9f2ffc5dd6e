package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/sim/kernel"
)

// linkMesh is links and kernel alone: every node's timer sends to its peers,
// and what arrives is counted.
type linkMesh struct {
	s     *simulation
	peers int
	got   uint64
}

func newLinkMesh(nodes, peers int, cfg Network) *linkMesh {
	m := &linkMesh{s: newSimulation(), peers: peers}
	m.s.net.time = m.s.stage
	m.s.net.deliver = func(uint32, uint32, any) bool { m.got++; return true }
	m.s.net.reset(nodes, 1, cfg)
	for n := range nodes {
		m.s.k.Schedule(time.Duration(n)*time.Microsecond, kernel.Timer, uint32(n+1), 0, m, uint64(n+1))
	}
	return m
}

// Fire is a node's timer.
func (m *linkMesh) Fire(node uint64) {
	nodes := len(m.s.net.rows)
	for p := range m.peers {
		m.s.net.send(uint32(node), uint32((int(node)+p)%nodes+1), m)
	}
	m.s.k.Schedule(m.s.k.Now()+100*time.Millisecond, kernel.Timer, uint32(node), 0, m, node)
}

func (m *linkMesh) run(d time.Duration) { _ = m.s.k.Run(m.s.k.Now() + d) }

// A message costs no allocation once its link has been used.
func TestAMessageCostsNoAllocation(t *testing.T) {
	m := newLinkMesh(30, 29, Network{Latency: Uniform(time.Millisecond, 5*time.Millisecond),
		Loss: 0.01, Duplicate: 0.01, Reorder: 0.01})
	m.run(2 * time.Second)
	before := m.got
	allocs := testing.AllocsPerRun(10, func() { m.run(time.Second) })
	require.Greater(t, m.got-before, uint64(50_000))
	require.Less(t, allocs, 20.0, "for 8,700 messages: the kernel's queue may still grow a little")
}

// The links and the kernel alone, with equal fan-out in small and big meshes.
func BenchmarkLinks(b *testing.B) {
	for _, nodes := range []int{10, 30, 100, 1000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			m := newLinkMesh(nodes, 9, Network{Latency: Uniform(time.Millisecond, 5*time.Millisecond)})
			m.run(time.Second)
			b.ReportAllocs()
			b.ResetTimer()
			m.got = 0
			for m.got < uint64(b.N) {
				m.run(100 * time.Millisecond)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(m.got), "ns/msg")
		})
	}
}
