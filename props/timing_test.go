package props_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/props"
	"meshsim/sim/trace"
)

func TestNeverWedgedTripsOnWhateverComesLateOrNever(t *testing.T) {
	w := func(says string) map[string]string { return one("never-wedged", says) }
	tick := func(tp *tape) *tape { return tp.simple(trace.TickDone) }
	tellAll(t, []story{
		{"ticks and lines at the bound", func(tp *tape) {
			tp.armed(tp.now+500*ms).wait(600*ms).simple(trace.TickDone).armed(tp.now+500*ms).
				line(trace.LineIn, 1, 2).wait(100*ms).line(trace.LineLogged, 1, 2)
		}, nil},
		{"an idle model owes nothing", func(tp *tape) {
			tp.add(trace.Event{Kind: trace.TickArmed}).wait(24 * time.Hour)
		}, nil},
		{"a tick that comes late", func(tp *tape) { tick(tp.armed(tp.now + 500*ms).wait(601 * ms)) },
			w("is not handled at 600.000001ms")},
		{"a tick that never comes", func(tp *tape) { tp.armed(tp.now + 500*ms).wait(time.Hour) },
			w("a tick due at 500ms is not handled")},
		{"a tick that would have been due while the model idled", func(tp *tape) {
			tp.add(trace.Event{Kind: trace.TickArmed}).wait(time.Hour).armed(500 * ms).simple(trace.TickDone)
		}, nil},
		{"a late tick that is armed again", func(tp *tape) {
			tp.armed(tp.now + 500*ms).wait(550 * ms).armed(tp.now + 50*ms).wait(51 * ms)
		}, w("a tick due at 500ms is not handled")},
		{"no next tick is ever armed", func(tp *tape) { tick(tp.armed(tp.now)).wait(time.Second) },
			w("has not said since 0s when its next tick is due")},
		{"a line that is never folded", func(tp *tape) { tp.line(trace.LineIn, 1).wait(time.Second) },
			w("line 1 has waited 100.000001ms")},
		{"a later line hides no earlier one", func(tp *tape) {
			tp.line(trace.LineIn, 1).wait(50*ms).line(trace.LineIn, 2).line(trace.LineLogged, 2).wait(time.Second)
		}, w("line 1 has waited")},
		{"a dropped line is not owed", func(tp *tape) {
			tp.line(trace.LineIn, 1).line(trace.LineDropped, 1).wait(time.Second)
		}, nil},
		{"a pause is not counted", func(tp *tape) {
			tp.armed(tp.now+500*ms).line(trace.LineIn, 1).wait(50*ms).simple(trace.NodePaused).wait(time.Hour).
				simple(trace.NodeResumed).wait(50*ms).line(trace.LineLogged, 1).wait(50 * ms).simple(trace.TickDone).
				armed(tp.now + time.Hour)
		}, nil},
		{"a pause excuses no line for longer than it lasts", func(tp *tape) {
			tp.line(trace.LineIn, 1).wait(50 * ms).simple(trace.NodePaused).wait(time.Hour).
				simple(trace.NodeResumed).wait(51 * ms)
		}, w("line 1 has waited 100.000001ms")},
		{"a pause before a tick is due excuses nothing", func(tp *tape) {
			tp.armed(tp.now + 500*ms).simple(trace.NodePaused).wait(400 * ms).simple(trace.NodeResumed).wait(201 * ms)
		}, w("a tick due at 500ms is not handled at 600.000001ms")},
		{"a pause over a due tick moves it to the resumption", func(tp *tape) {
			tp.armed(tp.now + 500*ms).wait(550 * ms).simple(trace.NodePaused).wait(time.Hour).simple(trace.NodeResumed).
				wait(50 * ms).simple(trace.TickDone)
		}, nil},
		{"a crash cancels what was owed", func(tp *tape) {
			tp.armed(tp.now+500*ms).line(trace.LineIn, 1).simple(trace.NodeCrashed).wait(time.Hour)
		}, nil},
		{"the loop's own restart is not counted", func(tp *tape) {
			tp.line(trace.LineIn, 1).add(trace.Event{Kind: trace.ActorFailed, Actor: trace.RoleLoop}).wait(50*ms).
				add(trace.Event{Kind: trace.ActorRestarted, Actor: trace.RoleLoop, Delay: 50 * ms, Attempt: 1}).
				wait(100*ms).line(trace.LineLogged, 1)
		}, one("sound-model", "the loop panicked")},
	})
}

func TestNeverWedgedAddsTheRuntimesSlack(t *testing.T) {
	tp := newTape().line(trace.LineIn, 1).wait(150*ms).line(trace.LineLogged, 1)
	c := props.NeverWedged(100 * ms)()
	require.Error(t, judgeBy(c, tp.events, tp.now))
	c = props.NeverWedged(100 * ms)()
	c.(trace.Bounded).SetSlack(50 * ms)
	require.NoError(t, judgeBy(c, tp.events, tp.now))
}

func TestSupervisedTripsOnWhateverIsNotThePolicy(t *testing.T) {
	s := func(says string) map[string]string { return one("supervised", says) }
	failed := trace.Event{Kind: trace.WorkerFailed, Epoch: 1, Err: errors.New("boom")}
	back := func(d time.Duration, n uint32) trace.Event {
		return trace.Event{Kind: trace.WorkerRestarted, Epoch: 2, Delay: d, Attempt: n}
	}
	crash := func(tp *tape, n int) *tape { // n failures of the executor in the window, with right restarts
		for i := range n {
			d := min(50*ms<<i, 400*ms)
			tp.add(trace.Event{Kind: trace.ActorFailed, Actor: trace.RoleWorker}).wait(d).
				add(trace.Event{Kind: trace.ActorRestarted, Actor: trace.RoleWorker, Delay: d, Attempt: uint32(i + 1)})
		}
		return tp
	}
	tellAll(t, []story{
		{"backoff doubles up to its cap and starts again after an answer", func(tp *tape) {
			tp.worker(1)
			for i, d := range []time.Duration{50 * ms, 100 * ms, 200 * ms, 400 * ms, 400 * ms} {
				tp.add(failed).wait(d).add(back(d, uint32(i+1)))
			}
			tp.worker(2).emit(1).append(2, 1, 1).add(failed).wait(50 * ms).add(back(50*ms, 1))
		}, nil},
		{"at once", func(tp *tape) { tp.worker(1).add(failed).add(back(0, 1)) },
			s("with a backoff of 0s, outside 25ms to 50ms")},
		{"sooner than it says", func(tp *tape) { tp.worker(1).add(failed).wait(10 * ms).add(back(50*ms, 1)) },
			s("restarted 10ms after its failure, though its backoff was 50ms")},
		{"later than it says", func(tp *tape) { tp.worker(1).add(failed).wait(200 * ms).add(back(50*ms, 1)) },
			s("restarted as late as 200ms after its failure")},
		{"without doubling", func(tp *tape) {
			tp.worker(1).add(failed).wait(50 * ms).add(back(50*ms, 1)).add(failed).wait(50 * ms).add(back(40*ms, 2))
		}, s("after failure 2 with a backoff of 40ms, outside 50ms to 100ms")},
		{"beyond the cap", func(tp *tape) {
			tp.worker(1)
			for i, d := range []time.Duration{50 * ms, 100 * ms, 200 * ms, 500 * ms} {
				tp.add(failed).wait(d).add(back(d, uint32(i+1)))
			}
		}, s("after failure 4 with a backoff of 500ms, outside 200ms to 400ms")},
		{"a count that starts again without an answer", func(tp *tape) {
			tp.worker(1).add(failed).wait(50 * ms).add(back(50*ms, 1)).add(failed).wait(50 * ms).add(back(50*ms, 1))
		}, s("restarted as after failure 1, but it was failure 2")},
		{"without having failed", func(tp *tape) { tp.worker(1).add(back(50*ms, 1)) },
			s("the worker was restarted though it had not failed")},
		{"never", func(tp *tape) { tp.worker(1).add(failed).wait(time.Minute) },
			s("the worker failed and was neither restarted nor stopped by 500.000001ms")},
		{"a pause is not counted", func(tp *tape) {
			tp.worker(1).add(failed).simple(trace.NodePaused).wait(time.Hour).simple(trace.NodeResumed).
				wait(50 * ms).add(back(50*ms, 1))
		}, nil},
		{"a backoff may pass in a pause", func(tp *tape) {
			tp.worker(1).add(failed).simple(trace.NodePaused).wait(time.Hour).simple(trace.NodeResumed).add(back(50*ms, 1))
		}, nil},
		{"a record is tried again too soon", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).done(1, 1, 1, 1, trace.ResultError, 0).wait(24*ms).try(1, 2, 1, 1)
		}, s("record 1 was tried for the 2. time 24ms after the attempt before, sooner than 25ms")},
		{"an actor that nobody knows", func(tp *tape) {
			tp.add(trace.Event{Kind: trace.ActorRestarted, Actor: 9, Delay: 50 * ms, Attempt: 1})
		}, s("actor-restarted of an actor of unknown role 9")},
		{"an actor at its limit", func(tp *tape) { crash(tp, 3).wait(time.Minute) }, nil},
		{"an actor beyond its limit is stopped", func(tp *tape) {
			crash(tp, 3).add(trace.Event{Kind: trace.ActorFailed, Actor: trace.RoleWorker}).
				add(trace.Event{Kind: trace.ActorStopped, Actor: trace.RoleWorker, Attempt: 4})
		}, nil},
		{"an actor's window slides", func(tp *tape) { crash(crash(tp, 3).wait(20*time.Second), 3) }, nil},
		{"an actor restarted beyond its limit", func(tp *tape) { crash(tp, 4) },
			s("the appender's worker was restarted after 4 failures in 10s, more than the 3 allowed")},
		{"an actor stopped within its limit", func(tp *tape) {
			tp.add(trace.Event{Kind: trace.ActorFailed, Actor: trace.RoleWorker}).
				add(trace.Event{Kind: trace.ActorStopped, Actor: trace.RoleWorker, Attempt: 1})
		}, s("stopped after 1 failures in 10s, of which 3 are allowed")},
		{"an actor restarted after its end", func(tp *tape) {
			crash(tp, 3).add(trace.Event{Kind: trace.ActorFailed, Actor: trace.RoleWorker}).
				add(trace.Event{Kind: trace.ActorStopped, Actor: trace.RoleWorker, Attempt: 4}).wait(20 * time.Second).
				add(trace.Event{Kind: trace.ActorFailed, Actor: trace.RoleWorker}).wait(50 * ms).
				add(trace.Event{Kind: trace.ActorRestarted, Actor: trace.RoleWorker, Delay: 50 * ms, Attempt: 1})
		}, s("restarted after it had been stopped for good")},
		{"an actor that is left down", func(tp *tape) {
			tp.add(trace.Event{Kind: trace.ActorFailed, Actor: trace.RoleWorker}).wait(time.Minute)
		}, s("the appender's worker failed and was neither restarted nor stopped")},
		{"a failure that escalates", func(tp *tape) {
			tp.add(trace.Event{Kind: trace.Escalated, Actor: trace.RoleHost, Err: errors.New("boom")})
		}, s("a failure of the appender host left its supervisor: boom")},
	})
}

func TestRecoveryTripsOnWhateverDoesNotHeal(t *testing.T) {
	r := func(says string) map[string]string { return one("recovery", says) }
	heal := func(tp *tape, kept uint64) *tape {
		return tp.add(trace.Event{Kind: trace.HealStarted, Count: kept, Deadline: tp.now + 30*time.Second})
	}
	abandon := func(tp *tape, n uint64) *tape {
		for e := uint64(1); e <= n; e++ {
			tp.worker(e).add(trace.Event{Kind: trace.WorkerAbandoned, Epoch: e, Count: e, Cap: 2})
		}
		return tp
	}
	minute := time.Minute
	tellAll(t, []story{
		{"all settles and closes", func(tp *tape) {
			heal(tp.worker(1).emit(1).simple(trace.CircuitOpened, trace.CircuitProbed), 0).wait(29*time.Second).
				append(1, 1, 1).simple(trace.CircuitClosed).wait(minute)
		}, nil},
		{"load goes on after pending was 0 once", func(tp *tape) {
			heal(tp.worker(1).emit(1), 0).append(1, 1, 1).emit(2).wait(minute)
		}, nil},
		{"pending never reaches 0", func(tp *tape) { heal(tp.worker(1).emit(1, 2), 0).append(1, 1, 1).wait(minute) },
			r("1 records are pending and never were 0 at 30s")},
		{"the circuit stays open", func(tp *tape) { heal(tp.simple(trace.CircuitOpened), 0).wait(minute) },
			r("the circuit is open at 30s")},
		{"a node stays down", func(tp *tape) { heal(tp.simple(trace.NodeCrashed), 0).wait(minute) },
			r("the node is down")},
		{"a node restarts", func(tp *tape) { heal(tp.simple(trace.NodeCrashed), 0).wait(time.Second).boot().wait(minute) }, nil},
		{"a node was stopped in order", func(tp *tape) { heal(tp.simple(trace.NodeStopped), 0).wait(minute) }, nil},
		{"the phase ends before the deadline", func(tp *tape) {
			heal(tp.worker(1).emit(1), 0).wait(time.Second).simple(trace.LivenessEnded)
		}, r("1 records are pending and never were 0 at 1s")},
		{"a run that was cut short shows nothing", func(tp *tape) { heal(tp.worker(1).emit(1), 0).wait(time.Second) }, nil},
		{"a kept hang may leave the circuit open", func(tp *tape) {
			heal(abandon(tp, 2).simple(trace.CircuitOpened), 1).wait(minute)
		}, nil},
		{"a healed hang may not", func(tp *tape) { heal(abandon(tp, 2).simple(trace.CircuitOpened), 0).wait(minute) },
			r("the circuit is open")},
		{"a kept hang at the limit must leave it open", func(tp *tape) { heal(abandon(tp, 2), 1).wait(minute) },
			r("the circuit is closed with 2 workers hanging, all that may")},
		{"without a hang of its own a node must close", func(tp *tape) {
			heal(tp.simple(trace.CircuitOpened), 1).wait(minute)
		}, r("the circuit is open")},
		{"records wait at an open circuit", func(tp *tape) { tp.simple(trace.CircuitOpened).emit(1).wait(minute) },
			r("1 records have waited 100.000001ms at an open circuit")},
		{"records may wait for a probe", func(tp *tape) {
			tp.simple(trace.CircuitOpened, trace.CircuitProbed).worker(1).emit(1).wait(time.Second).append(1, 1, 1).simple(trace.CircuitClosed)
		}, nil},
		{"records may not wait after a failed probe", func(tp *tape) {
			tp.simple(trace.CircuitOpened, trace.CircuitProbed).emit(1).wait(time.Second).simple(trace.CircuitOpened).wait(minute)
		}, r("records have waited")},
		{"a pause is not counted", func(tp *tape) {
			tp.simple(trace.CircuitOpened).emit(1).simple(trace.NodePaused).wait(minute).simple(trace.NodeResumed).
				settle(appender.Failed, 0, 0, 1)
		}, nil},
		{"nor does it excuse for longer than it lasts", func(tp *tape) {
			tp.simple(trace.CircuitOpened).emit(1).simple(trace.NodePaused).wait(minute).simple(trace.NodeResumed).wait(minute)
		}, r("records have waited")},
	})
}

func TestSoundModelTripsOnAnyPanicButAnAppenders(t *testing.T) {
	for role, says := range map[uint32]string{
		trace.RoleNode: "the node's supervisor panicked: boom", trace.RoleLoop: "the loop panicked: boom",
		trace.RoleHost: "the appender host panicked: boom", trace.RoleExecutor: "the executor panicked: boom",
	} {
		c := props.SoundModel()
		e := trace.Event{Kind: trace.ActorFailed, Node: 1, Incarnation: 1, Actor: role, Err: errors.New("boom")}
		require.ErrorContains(t, c.Observe(&e), says)
	}
	e := trace.Event{Kind: trace.ActorFailed, Node: 1, Incarnation: 1, Actor: trace.RoleWorker}
	require.NoError(t, props.SoundModel().Observe(&e))
}

func TestSometimesCountsAndNeverFails(t *testing.T) {
	tp := newTape().worker(1).emit(1, 2, 3).append(1, 1, 3)
	c := props.Sometimes("a third record", func(e *trace.Event) bool { return e.Seq == 3 }, trace.RecordEmitted)()
	require.NoError(t, judgeBy(c, tp.events, tp.now))
	require.EqualValues(t, 1, c.(trace.Counter).Checked())
	require.Equal(t, trace.Sometimes, c.(trace.Quantified).Quantifier())

	all := props.Sometimes("anything", nil)()
	require.NoError(t, judgeBy(all, tp.events, tp.now))
	require.EqualValues(t, len(tp.events), all.(trace.Counter).Checked())
}
