package meshos_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/loop"
	"meshsim/loop/meshos"
)

func TestHeartbeatGoesToEveryPeerAtItsOwnInterval(t *testing.T) {
	n := newNode(t, meshos.Options{Peers: []uint64{9, 2, 1, 5, 2}, Heartbeat: 700 * ms})
	sent := func(at string) []string {
		return []string{"to 2 {Origin:1 SentAt:" + at + "}", "to 5 {Origin:1 SentAt:" + at + "}", "to 9 {Origin:1 SentAt:" + at + "}"}
	}
	require.Equal(t, sent("500ms"), n.tick(500*ms), "the first tick; in the order of ids, without itself, once each")
	require.Empty(t, n.tick(1000*ms), "not due before 1.2 s")
	require.Equal(t, sent("1.5s"), n.tick(1500*ms), "the first tick at or after")
	require.Equal(t, []string{"to 2 {Origin:1 SentAt:2.2s}"}, n.tick(2200 * ms)[:1], "the interval later, exactly")
}

func TestHeartbeatIsAnsweredAsItCame(t *testing.T) {
	n := newNode(t, meshos.Options{Peers: []uint64{2}})
	require.Equal(t, []string{"to 2 {Origin:2 SentAt:77ns}", "info peer 2: unknown -> healthy"}, n.heard(5, 2))
	require.Equal(t, []string{"to 8 {Origin:8 SentAt:77ns}"}, n.heard(6, 8), "also to a node that this one does not watch")

	silent := newNode(t, meshos.Options{Peers: []uint64{2}, Heartbeat: -1})
	require.Equal(t, []string{"to 2 {Origin:2 SentAt:77ns}"}, silent.heard(5, 2), "also by a node that sends none")
	require.Equal(t, meshos.Unknown, silent.peer(2).Health, "and says nothing about health")
}

func TestRoundTripIsTakenFromTheNodesOwnClock(t *testing.T) {
	n := newNode(t, meshos.Options{Peers: []uint64{2}})
	require.False(t, n.peer(2).Measured)
	n.measured(time.Second, 2, 30*ms)
	require.Equal(t, 30*ms, n.peer(2).RTT)
	n.measured(2*time.Second, 2, 20*ms)
	require.Equal(t, 20*ms, n.peer(2).RTT, "the latest")
	n.measured(3*time.Second, 2, -1)
	require.Equal(t, 20*ms, n.peer(2).RTT, "one from the future is no round trip")
	require.Equal(t, 3*time.Second, n.peer(2).Heard, "but a sign of life")
}

func TestHealthChangesAtExactlyItsBounds(t *testing.T) {
	// Upstream's health probe: degraded at >= 1.5 s, stale at >= 5 s.
	for _, v := range []struct {
		silence time.Duration
		want    meshos.Health
		logged  []string
	}{
		{0, meshos.Healthy, nil},
		{1500*ms - 1, meshos.Healthy, nil},
		{1500 * ms, meshos.Degraded, []string{"warn peer 2: healthy -> degraded"}},
		{5000*ms - 1, meshos.Degraded, []string{"warn peer 2: healthy -> degraded"}},
		{5000 * ms, meshos.Unreachable, []string{"warn peer 2: healthy -> unreachable"}},
		{time.Hour, meshos.Unreachable, []string{"warn peer 2: healthy -> unreachable"}},
	} {
		t.Run(v.silence.String(), func(t *testing.T) {
			n := newNode(t, meshos.Options{Peers: []uint64{2}, Heartbeat: 24 * time.Hour})
			n.tick(500 * ms)
			n.heard(time.Second, 2)
			require.Equal(t, v.logged, n.tick(time.Second+v.silence))
			require.Equal(t, v.want, n.peer(2).Health)
		})
	}
}

func TestPeerNeverHeardIsJudgedFromTheFirstTickOn(t *testing.T) {
	n := newNode(t, meshos.Options{Peers: []uint64{2, 3}, Heartbeat: 24 * time.Hour})
	n.heard(900*ms, 3)
	n.tick(1000 * ms)
	require.Empty(t, n.tick(2400*ms-1))
	require.Equal(t, []string{"warn peer 3: healthy -> degraded"}, n.tick(2400*ms), "from when it was heard")
	require.Equal(t, []string{"warn peer 2: unknown -> degraded"}, n.tick(2500*ms))
	require.Equal(t, []string{"warn peer 3: degraded -> unreachable"}, n.tick(5900*ms))
	require.Equal(t, []string{"warn peer 2: degraded -> unreachable"}, n.tick(6000*ms))
	require.Equal(t, []string{"to 2 {Origin:2 SentAt:77ns}", "info peer 2: unreachable -> healthy"}, n.heard(6001*ms, 2), "back at once")
}

func TestMessagesThatMakeNoSenseAreRefusedAndChangeNothing(t *testing.T) {
	n := newNode(t, meshos.Options{Peers: []uint64{2}, Daemons: []meshos.Daemon{{ID: 7}}})
	for _, v := range []struct {
		in   loop.Input
		want error
	}{
		{loop.Input{}, meshos.ErrInput},
		{loop.Input{Msg: "hello"}, meshos.ErrInput},
		{loop.Input{From: 2, Msg: meshos.Heartbeat{Origin: 3}}, meshos.ErrInput},
		{loop.Input{Msg: meshos.Heartbeat{}}, meshos.ErrPeer},
		{loop.Input{From: 1, Msg: meshos.Heartbeat{Origin: 1}}, meshos.ErrPeer},
		{loop.Input{From: 8, Msg: meshos.Heartbeat{Origin: 1}}, meshos.ErrPeer},
		{loop.Input{Msg: meshos.Started{Daemon: 8}}, meshos.ErrDaemon},
		{loop.Input{Msg: meshos.ExitedCleanly{Daemon: 8}}, meshos.ErrDaemon},
		{loop.Input{Msg: meshos.Crashed{Daemon: 8}}, meshos.ErrDaemon},
		{loop.Input{Msg: meshos.ForceRestart{Daemon: 8}}, meshos.ErrDaemon},
	} {
		before := n.view()
		require.ErrorIs(t, n.Step(v.in), v.want, "%+v", v.in)
		require.Equal(t, before, n.view(), "%+v", v.in)
		require.Len(t, n.take(), 1, "%+v: logged, nothing else", v.in)
	}
}

func TestHealthIsAFunctionOfSilence(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := newNode(t, meshos.Options{Peers: []uint64{2, 3, 4}})
		heard := map[uint64]time.Duration{}
		worst := map[uint64]meshos.Health{} // since the peer was last heard
		var now time.Duration
		n.tick(0)
		for range rapid.IntRange(1, 40).Draw(rt, "calls") {
			now += time.Duration(rapid.Int64Range(0, 3000).Draw(rt, "dt")) * ms
			if id := rapid.Uint64Range(0, 4).Draw(rt, "from"); id >= 2 {
				n.heard(now, id)
				heard[id] = now
				worst[id] = meshos.Healthy
			}
			n.tick(now)
			for _, p := range n.view().Peers {
				want := meshos.Healthy
				if _, ok := heard[p.ID]; !ok {
					want = meshos.Unknown
				}
				switch silence := now - heard[p.ID]; {
				case silence >= 5*time.Second:
					want = meshos.Unreachable
				case silence >= 1500*ms:
					want = meshos.Degraded
				}
				if p.Health != want {
					rt.Fatalf("peer %d silent for %v is %v", p.ID, now-heard[p.ID], p.Health)
				}
				if p.Health < worst[p.ID] {
					rt.Fatalf("peer %d got better in silence: %v -> %v", p.ID, worst[p.ID], p.Health)
				}
				worst[p.ID] = p.Health
			}
		}
	})
}

func TestPeersAreFoundByAnyIds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		// Ids that collide in a table of any size, beside small ones.
		id := rapid.OneOf(rapid.Uint64Range(1, 40), rapid.Custom(func(rt *rapid.T) uint64 {
			return rapid.Uint64Range(0, 20).Draw(rt, "high") << 32
		}))
		ids := rapid.SliceOfN(id, 0, 40).Draw(rt, "ids")
		n := newNode(t, meshos.Options{Self: 1 << 63, Peers: ids})
		n.tick(0)
		for i, p := range ids {
			at := time.Duration(i + 1)
			if p == 0 {
				continue // no node has it
			}
			n.heard(at, p)
			if got := n.peer(p).Heard; got != at {
				rt.Fatalf("peer %d heard at %v where it was at %v", p, got, at)
			}
		}
	})
}
