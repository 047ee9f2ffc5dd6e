package meshos_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/loop/meshos"
)

// mesh is a few nodes on links of one constant latency, some of which are cut:
// the least that shows models talking to each other. The simulator proper is
// package sim.
type mesh struct {
	nodes   []*loop.Loop // node i+1
	latency time.Duration
	cut     func(from, to uint64) bool
	flying  []letter // in the order of their arrival
	now     time.Duration
	log     []string
}

type letter struct {
	at time.Duration
	to uint64
	in loop.Input
}

func newMesh(size uint64, latency time.Duration) *mesh {
	m := &mesh{latency: latency}
	for id := range size {
		o := meshos.Options{Self: id + 1}
		for p := range size {
			o.Peers = append(o.Peers, p+1)
		}
		m.nodes = append(m.nodes, loop.New(meshos.New(o), loop.Options{Node: fmt.Sprintf("n%d", id+1), ID: id + 1}))
	}
	return m
}

func (m *mesh) run(until time.Duration) {
	for ; m.now <= until; m.now += ms {
		for len(m.flying) > 0 && m.flying[0].at <= m.now {
			l := m.flying[0]
			m.flying = m.flying[1:]
			l.in.Now = m.now
			if err := m.nodes[l.to-1].Step(l.in); err != nil {
				panic(err)
			}
			m.take(l.to)
		}
		for i, l := range m.nodes {
			if at, ok := l.NextTick(); ok && at <= m.now {
				l.Tick(m.now, 0)
				m.take(uint64(i + 1))
			}
		}
	}
}

func (m *mesh) take(id uint64) {
	l := m.nodes[id-1]
	for _, msg := range l.Ready().Messages {
		if m.cut == nil || !m.cut(id, msg.To) {
			m.flying = append(m.flying, letter{at: m.now + m.latency, to: msg.To, in: loop.Input{From: id, Msg: msg.Msg}})
		}
	}
	for _, r := range l.Ready().Records {
		m.log = append(m.log, fmt.Sprintf("%v %s: %s", m.now, r.Node, r.Message))
		l.Settle(r.Seq, appender.Appended)
	}
	l.Advance()
}

func (m *mesh) healths() (all [][]meshos.Health) {
	for _, l := range m.nodes {
		var hs []meshos.Health
		for _, p := range l.Capture().View.(*meshos.View).Peers {
			hs = append(hs, p.Health)
		}
		all = append(all, hs)
	}
	return all
}

func TestMeshSeesAPartitionComeAndGo(t *testing.T) {
	const h, d, u = meshos.Healthy, meshos.Degraded, meshos.Unreachable
	m := newMesh(3, 40*ms)
	m.run(3 * time.Second)
	require.Equal(t, [][]meshos.Health{{h, h}, {h, h}, {h, h}}, m.healths())
	for _, l := range m.nodes {
		for _, p := range l.Capture().View.(*meshos.View).Peers {
			require.Equal(t, 80*ms, p.RTT, "there and back")
		}
	}
	m.cut = func(from, to uint64) bool { return (from == 3) != (to == 3) }
	m.run(5200 * ms)
	require.Equal(t, [][]meshos.Health{{h, d}, {h, d}, {d, d}}, m.healths())
	m.run(10 * time.Second)
	require.Equal(t, [][]meshos.Health{{h, u}, {h, u}, {u, u}}, m.healths())
	m.cut = nil
	m.run(11 * time.Second)
	require.Equal(t, [][]meshos.Health{{h, h}, {h, h}, {h, h}}, m.healths())
}

func TestOneWayCutSilencesOneSideAlone(t *testing.T) {
	const h, u = meshos.Healthy, meshos.Unreachable
	m := newMesh(2, 10*ms)
	m.cut = func(from, to uint64) bool { return from == 1 }
	m.run(10 * time.Second)
	require.Equal(t, [][]meshos.Health{{h}, {u}}, m.healths())
}

func Example() {
	m := newMesh(2, 25*ms)
	m.run(2 * time.Second)
	m.cut = func(from, to uint64) bool { return true }
	m.run(8 * time.Second)
	for _, l := range m.log {
		fmt.Println(l)
	}
	fmt.Printf("%+v\n", m.nodes[0].Capture().View.(*meshos.View).Peers[0])
	// Output:
	// 525ms n2: peer 1: unknown -> healthy
	// 525ms n1: peer 2: unknown -> healthy
	// 4s n1: peer 2: healthy -> degraded
	// 4s n2: peer 1: healthy -> degraded
	// 7.5s n1: peer 2: degraded -> unreachable
	// 7.5s n2: peer 1: degraded -> unreachable
	// {ID:2 Health:unreachable RTT:50ms Measured:true Heard:2.025s Avoided:false AvoidUntil:0s AvoidReason:}
}
