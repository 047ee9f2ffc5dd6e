package meshos_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/loop"
	"meshsim/loop/meshos"
)

// quiet sends no further heartbeat in the time that a test looks at, and judges
// no silence.
var quiet = meshos.Options{Self: 1, Peers: []uint64{2, 3, 4}, Heartbeat: 1000 * time.Hour, DegradedAfter: 1000 * time.Hour, UnreachableAfter: 1000 * time.Hour}

// The names of these are upstream's.
func TestMarkAvoidVectors(t *testing.T) {
	t.Run("mark_avoid_emitted_only_strictly_above_the_threshold", func(t *testing.T) {
		n := newNode(t, quiet)
		n.tick(0)
		n.measured(time.Second, 2, 250*ms)
		require.Empty(t, n.tick(1500*ms))
		n.measured(2*time.Second, 2, 250*ms+1)
		require.Equal(t, []string{
			"1 mark-avoid 2 {Reason:rtt-degradation: 250 ms TTL:5m0s}",
			"warn peer 2 avoided: rtt-degradation: 250 ms",
		}, n.tick(2500*ms))
		p := n.peer(2)
		require.True(t, p.Avoided)
		require.Equal(t, 2500*ms+5*time.Minute, p.AvoidUntil)
		require.Equal(t, "rtt-degradation: 250 ms", p.AvoidReason)
	})
	t.Run("mark_avoid_not_re_emitted_while_on_the_avoid_list", func(t *testing.T) {
		n := newNode(t, quiet)
		n.tick(0)
		n.measured(time.Second, 2, 300*ms)
		require.Len(t, n.tick(1000*ms), 2)
		n.step(1001*ms, loop.Input{Action: 1})
		n.measured(2*time.Second, 2, 900*ms)
		at, _ := n.NextTick()
		require.Equal(t, 1*time.Second+5*time.Minute, at, "nor does it ask for a tick before the entry runs out")
		require.Empty(t, n.tick(2000*ms))
		require.Equal(t, "rtt-degradation: 300 ms", n.peer(2).AvoidReason, "as it was marked")
	})
	t.Run("mark_avoid_emission_is_sorted_by_peer_id_for_stability", func(t *testing.T) {
		n := newNode(t, quiet)
		n.tick(0)
		for _, id := range []uint64{4, 2, 3} {
			n.measured(time.Second, id, 300*ms)
		}
		r := n.tick(1500 * ms)
		require.Equal(t, []string{
			"1 mark-avoid 2 {Reason:rtt-degradation: 300 ms TTL:5m0s}",
			"2 mark-avoid 3 {Reason:rtt-degradation: 300 ms TTL:5m0s}",
			"3 mark-avoid 4 {Reason:rtt-degradation: 300 ms TTL:5m0s}",
		}, r[:3])
	})
	t.Run("avoid_list_gc_drops_expired_entries_on_tick", func(t *testing.T) {
		n := newNode(t, quiet)
		n.tick(0)
		n.measured(0, 2, 300*ms)
		n.tick(0)
		n.step(1, loop.Input{Action: 1})
		n.measured(1, 2, 100*ms)
		n.tick(5*time.Minute - 1)
		require.True(t, n.peer(2).Avoided)
		n.tick(5 * time.Minute)
		require.False(t, n.peer(2).Avoided, "at exactly until")
	})
}

func TestSilentPeersLastRoundTripMarksItAgain(t *testing.T) {
	// Upstream never forgets a round trip, so a peer that died slow is marked
	// anew whenever its entry has run out.
	n := newNode(t, quiet)
	n.measured(0, 2, 300*ms)
	n.tick(0)
	n.step(1, loop.Input{Action: 1})
	require.Equal(t, "2 mark-avoid 2 {Reason:rtt-degradation: 300 ms TTL:5m0s}", n.tick(5 * time.Minute)[0])
}

func TestPeerIsNotMarkedAgainWhileItsMarkIsInFlight(t *testing.T) {
	for name, err := range map[string]error{"succeeds": nil, "fails": errors.New("busy")} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, quiet)
			n.measured(0, 2, 300*ms)
			require.Len(t, n.tick(0), 5, "a mark, its record, three heartbeats")
			require.Empty(t, n.tick(6*time.Minute))
			require.False(t, n.peer(2).Avoided, "the entry has run out all the same")
			n.step(7*time.Minute, loop.Input{Action: 1, Err: err})
			at, ok := n.NextTick()
			require.True(t, ok)
			require.GreaterOrEqual(t, at, 7*time.Minute, "not in the past, although the entry ran out long ago")
			require.Equal(t, "2 mark-avoid 2 {Reason:rtt-degradation: 300 ms TTL:5m0s}", n.tick(at)[0])
		})
	}
}

func TestAvoidEntriesNeverOutliveTheirTTL(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o := quiet
		o.AvoidTTL = 10 * time.Second
		n := newNode(t, o)
		var now time.Duration
		entered := map[uint64]time.Duration{}
		for range rapid.IntRange(1, 60).Draw(rt, "calls") {
			now += time.Duration(rapid.Int64Range(0, 4000).Draw(rt, "dt")) * ms
			if id := rapid.Uint64Range(1, 4).Draw(rt, "from"); id > 1 {
				n.measured(now, id, time.Duration(rapid.Int64Range(200, 300).Draw(rt, "rtt"))*ms)
			}
			n.Tick(now, 0)
			acts := append([]loop.Action(nil), n.Ready().Actions...)
			n.Advance()
			for _, a := range acts {
				entered[a.Target] = now
				if rapid.Bool().Draw(rt, "answered") {
					n.step(now, loop.Input{Action: a.ID})
				}
			}
			for _, p := range n.view().Peers {
				if age := now - entered[p.ID]; p.Avoided && (age >= o.AvoidTTL || p.AvoidUntil != entered[p.ID]+o.AvoidTTL) {
					rt.Fatalf("peer %d avoided for %v at %v, until %v", p.ID, age, now, p.AvoidUntil)
				}
			}
		}
	})
}
