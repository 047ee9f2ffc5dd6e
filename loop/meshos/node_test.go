package meshos_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/loop"
	"meshsim/loop/meshos"
)

const ms = time.Millisecond

// node is a model in a loop, driven by a test.
type node struct {
	t *testing.T
	*loop.Loop
	now time.Duration
}

func newNode(t *testing.T, o meshos.Options) *node {
	if o.Self == 0 {
		o.Self = 1
	}
	return &node{t: t, Loop: loop.New(meshos.New(o), loop.Options{Node: "n1", ID: o.Self})}
}

// take returns what the loop wants, as text: actions, messages, records.
func (n *node) take() (all []string) {
	r := n.Ready()
	for _, a := range r.Actions {
		all = append(all, fmt.Sprintf("%d %s %d %+v", a.ID, a.Kind, a.Target, a.Args))
	}
	for _, m := range r.Messages {
		all = append(all, fmt.Sprintf("to %d %+v", m.To, m.Msg))
	}
	for _, rec := range r.Records {
		d := ""
		if rec.Daemon != 0 {
			d = fmt.Sprintf("daemon %d ", rec.Daemon)
		}
		all = append(all, d+rec.Level.String()+" "+rec.Message)
	}
	n.Advance()
	return all
}

func (n *node) tick(at time.Duration) []string {
	n.now = at
	n.Tick(at, 0)
	return n.take()
}

func (n *node) step(at time.Duration, in loop.Input) []string {
	n.now, in.Now = at, at
	require.NoError(n.t, n.Step(in))
	return n.take()
}

// signal is an input from this node.
func (n *node) signal(at time.Duration, msg any) []string { return n.step(at, loop.Input{Msg: msg}) }

// heard is a heartbeat of a peer.
func (n *node) heard(at time.Duration, from uint64) []string {
	return n.step(at, loop.Input{From: from, Msg: meshos.Heartbeat{Origin: from, SentAt: 77}})
}

// measured is an own heartbeat that came back after rtt.
func (n *node) measured(at time.Duration, from uint64, rtt time.Duration) []string {
	return n.step(at, loop.Input{From: from, Msg: meshos.Heartbeat{Origin: 1, SentAt: at - rtt}})
}

func (n *node) view() *meshos.View { return n.Capture().View.(*meshos.View) }

func (n *node) peer(id uint64) meshos.PeerView {
	for _, p := range n.view().Peers {
		if p.ID == id {
			return p
		}
	}
	require.FailNow(n.t, "no such peer", "%d", id)
	return meshos.PeerView{}
}

func (n *node) daemon(id uint64) meshos.DaemonView {
	for _, d := range n.view().Daemons {
		if d.ID == id {
			return d
		}
	}
	require.FailNow(n.t, "no such daemon", "%d", id)
	return meshos.DaemonView{}
}
