package meshos_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/loop"
	"meshsim/loop/meshos"
)

func newDaemon(t *testing.T, want meshos.Intent) *node {
	return newNode(t, meshos.Options{Heartbeat: -1, Daemons: []meshos.Daemon{{ID: 7, Intent: want}}})
}

// running returns a node whose daemon 7 started at 0.
func running(t *testing.T) *node {
	n := newDaemon(t, meshos.Run)
	require.Equal(t, []string{"1 start-daemon 7 <nil>"}, n.tick(0))
	require.Equal(t, []string{"daemon 7 info daemon started"}, n.step(0, loop.Input{Action: 1}))
	return n
}

func TestDesiredRunStartsAStoppedDaemon(t *testing.T) {
	n := running(t)
	require.Equal(t, meshos.DaemonView{ID: 7, State: meshos.Running}, n.daemon(7))
	require.Empty(t, n.tick(500*ms), "nothing is left to do")
	_, ok := n.NextTick()
	require.False(t, ok)
}

func TestDesiredStopStopsARunningDaemon(t *testing.T) {
	n := running(t)
	n.signal(100*ms, meshos.Intend{Daemon: 7, Intent: meshos.Stop})
	require.Equal(t, []string{"2 stop-daemon 7 {Reason:desired-state intent: Stop Deadline:30.5s}"}, n.tick(500*ms))
	require.Empty(t, n.tick(1000*ms), "while it is in flight")
	require.Equal(t, []string{"daemon 7 info daemon exited"}, n.step(1100*ms, loop.Input{Action: 2}))
	require.Empty(t, n.tick(1500*ms))
	require.Equal(t, meshos.Stopped, n.daemon(7).State)
}

func TestDesiredStopLeavesAStoppedDaemonAlone(t *testing.T) {
	n := newDaemon(t, meshos.Stop)
	_, ok := n.NextTick()
	require.False(t, ok)
	require.Empty(t, n.tick(0))
}

func TestStartIsNotEmittedAgainWhileOneIsInFlight(t *testing.T) {
	n := newDaemon(t, meshos.Run)
	require.Len(t, n.tick(0), 1)
	for at := 500 * ms; at < time.Hour; at += 500 * ms {
		require.Empty(t, n.tick(at))
	}
	_, ok := n.NextTick()
	require.False(t, ok, "nor is there anything to tick for")
}

func TestFailedStartIsTriedAgainAtTheNextTick(t *testing.T) {
	n := newDaemon(t, meshos.Run)
	n.tick(0)
	require.Equal(t, []string{"daemon 7 warn start-daemon 7 failed: no memory"}, n.step(100*ms, loop.Input{Action: 1, Err: errors.New("no memory")}))
	at, ok := n.NextTick()
	require.True(t, ok)
	require.Equal(t, 500*ms, at)
	require.Equal(t, []string{"2 start-daemon 7 <nil>"}, n.tick(at))
}

func TestBackoffActiveGatesStartDaemonEmission(t *testing.T) {
	n := running(t)
	require.Equal(t, []string{"daemon 7 warn daemon crashed: out of memory; backing-off for 500 ms"},
		n.signal(100*ms, meshos.Crashed{Daemon: 7, Reason: "out of memory"}))
	require.Equal(t, []string{"2 apply-backoff 7 {Until:600ms}"}, n.tick(500*ms))
	d := n.daemon(7)
	require.Equal(t, []any{meshos.Stopped, meshos.BackingOff, 600 * ms}, []any{d.State, d.Gate, d.GateUntil})

	// apply_backoff_is_not_re_emitted_after_the_loop_records_it
	require.Empty(t, n.tick(600*ms-1))
	require.Equal(t, []string{"3 start-daemon 7 <nil>"}, n.tick(600*ms), "at exactly until")
}

func TestBackoffIsAppliedAgainWhenItsEndHasMoved(t *testing.T) {
	n := running(t)
	n.signal(100*ms, meshos.Crashed{Daemon: 7})
	n.tick(200 * ms)
	n.signal(300*ms, meshos.Crashed{Daemon: 7})
	require.Empty(t, n.tick(400*ms), "not while the one before is in flight")
	n.step(450*ms, loop.Input{Action: 2})
	require.Equal(t, []string{"3 apply-backoff 7 {Until:1.3s}"}, n.tick(500*ms))
}

func TestCrashesLeadThroughBackoffToACrashLoop(t *testing.T) {
	n := running(t)
	var gates []time.Duration
	at := time.Duration(0)
	for range 5 {
		n.signal(at, meshos.Crashed{Daemon: 7})
		d := n.daemon(7)
		gates = append(gates, d.GateUntil-at)
		if d.Gate == meshos.CrashLooping {
			break
		}
		at = d.GateUntil
		n.tick(at)
		n.signal(at, meshos.Started{Daemon: 7})
		for _, a := range n.Capture().Emissions {
			if !a.Done {
				n.step(at, loop.Input{Action: a.Action.ID})
			}
		}
	}
	require.Equal(t, []time.Duration{500 * ms, time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Minute}, gates)

	n.tick(at + 500*ms)
	next, ok := n.NextTick()
	require.True(t, ok)
	require.Equal(t, at+5*time.Minute, next, "no tick is asked for before the gate opens")
	require.Empty(t, n.tick(at+5*time.Minute-1))
	require.Contains(t, n.tick(at + 5*time.Minute)[0], "start-daemon 7")
}

func TestAnswerThatComesLateAsksForNoTickInThePast(t *testing.T) {
	n := running(t)
	n.signal(100*ms, meshos.Crashed{Daemon: 7})
	require.Equal(t, []string{"2 apply-backoff 7 {Until:600ms}"}, n.tick(500*ms)) // never answered
	require.Equal(t, []string{"3 start-daemon 7 <nil>"}, n.tick(1000*ms))
	n.signal(1010*ms, meshos.Started{Daemon: 7})
	n.signal(1020*ms, meshos.Crashed{Daemon: 7})
	_, ok := n.NextTick()
	require.False(t, ok, "nothing can be done before the start is answered")
	n.step(10*time.Second+1, loop.Input{Action: 3})
	at, ok := n.NextTick()
	require.True(t, ok)
	require.Equal(t, 10500*ms, at)
	require.Equal(t, []string{"4 start-daemon 7 <nil>"}, n.tick(at))
}

func TestForceRestartOpensTheGate(t *testing.T) {
	n := running(t)
	for range 5 {
		n.signal(100*ms, meshos.Crashed{Daemon: 7})
	}
	require.Equal(t, meshos.CrashLooping, n.daemon(7).Gate)
	n.signal(200*ms, meshos.ForceRestart{Daemon: 7})
	require.Equal(t, []string{"2 start-daemon 7 <nil>"}, n.tick(500*ms))
	n.step(600*ms, loop.Input{Action: 2})
	n.signal(700*ms, meshos.Crashed{Daemon: 7})
	require.Equal(t, 1200*ms, n.daemon(7).GateUntil, "the crashes before are forgotten")
}

func TestDaemonsOwnSignalWinsOverTheExecutorsAnswer(t *testing.T) {
	t.Run("it started and crashed before the answer came", func(t *testing.T) {
		n := newDaemon(t, meshos.Run)
		n.tick(0)
		n.signal(10, meshos.Started{Daemon: 7})
		n.signal(20, meshos.Crashed{Daemon: 7})
		require.Empty(t, n.tick(600*ms), "no second start while the first is unanswered")
		require.Empty(t, n.step(700*ms, loop.Input{Action: 1}))
		require.Equal(t, meshos.Stopped, n.daemon(7).State)
		require.Equal(t, []string{"2 start-daemon 7 <nil>"}, n.tick(800*ms))
	})
	t.Run("it started although the answer is an error", func(t *testing.T) {
		n := newDaemon(t, meshos.Run)
		n.tick(0)
		n.signal(10, meshos.Started{Daemon: 7})
		n.step(20, loop.Input{Action: 1, Err: errors.New("deadline")})
		require.Equal(t, meshos.Running, n.daemon(7).State)
		require.Empty(t, n.tick(500*ms))
	})
	t.Run("it exited before it could be stopped", func(t *testing.T) {
		n := running(t)
		n.signal(100*ms, meshos.Intend{Daemon: 7, Intent: meshos.Stop})
		n.tick(500 * ms)
		n.signal(600*ms, meshos.ExitedCleanly{Daemon: 7})
		require.Empty(t, n.step(700*ms, loop.Input{Action: 2}))
		require.Equal(t, 600*ms, n.daemon(7).Since)
	})
}

func TestDaemonsAreReconciledInTheOrderOfTheirIDs(t *testing.T) {
	n := newNode(t, meshos.Options{Daemons: []meshos.Daemon{{ID: 9}, {ID: 3}, {ID: 5, Intent: meshos.Stop}, {ID: 9}}})
	n.signal(1, meshos.Intend{Daemon: 4})
	n.signal(2, meshos.Intend{Daemon: 1})
	require.Equal(t, []string{"1 start-daemon 1 <nil>", "2 start-daemon 3 <nil>", "3 start-daemon 4 <nil>", "4 start-daemon 9 <nil>"}, n.tick(500*ms))
}

func TestOutcomeOfNoActionInFlightIsRefused(t *testing.T) {
	// The loop's ring of recent emissions holds one, so that the loop itself
	// cannot tell, and the model must.
	l := loop.New(meshos.New(meshos.Options{Heartbeat: -1, Daemons: []meshos.Daemon{{ID: 1}, {ID: 2}}}), loop.Options{Emissions: 1})
	l.Tick(0, 0)
	require.NoError(t, l.Step(loop.Input{Action: 1}))
	require.ErrorIs(t, l.Step(loop.Input{Action: 1}), meshos.ErrAction)
	require.NoError(t, l.Step(loop.Input{Action: 2}))
}
