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

// logTape is a tape of a node whose appender is a log.
type logTape struct {
	*tape
	opening uint32
	epoch   uint64
	end     uint64 // the log's position
}

func logOn(tp *tape) *logTape { return &logTape{tape: tp} }

func contentOf(seq uint64) uint64 { return seq*31 + 7 }

// open begins the opening of the log under the next epoch; what it holds is to
// be told by holds.
func (t *logTape) open(retain uint64) *logTape {
	t.epoch++
	t.worker(t.epoch)
	return t.replay(retain)
}

// replay begins the replay of an opening.
func (t *logTape) replay(retain uint64) *logTape {
	t.opening++
	t.add(trace.Event{Kind: trace.ReplayStarted, Epoch: t.epoch, Attempt: t.opening, Count: t.end, Cap: retain})
	return t
}

// crash ends the node with nothing pending, and starts it again.
func (t *logTape) crash() *logTape {
	t.simple(trace.NodeCrashed)
	t.boot()
	t.epoch = 0
	return t
}

// shows lets the replay show records of an incarnation.
func (t *logTape) shows(inc uint32, seqs ...uint64) *logTape {
	for _, s := range seqs {
		t.showing(inc, s, contentOf(s))
	}
	return t
}

func (t *logTape) showing(inc uint32, seq, hash uint64) *logTape {
	t.add(trace.Event{Kind: trace.SinkReplayed, Epoch: t.epoch, Attempt: t.opening, Seq: seq, Hash: hash})
	t.events[len(t.events)-1].Incarnation = inc
	return t
}

func (t *logTape) reports(name string) *logTape {
	t.add(trace.Event{Kind: trace.SinkDamaged, Epoch: t.epoch, Attempt: t.opening, Name: name, Err: errors.New("bad checksum")})
	return t
}

func (t *logTape) replayed() *logTape {
	t.add(trace.Event{Kind: trace.ReplayEnded, Epoch: t.epoch, Attempt: t.opening})
	return t
}

// holds is a whole replay of incarnation 1's records.
func (t *logTape) holds(seqs ...uint64) *logTape { return t.shows(1, seqs...).replayed() }

func (t *logTape) hand(seqs ...uint64) *logTape {
	for _, s := range seqs {
		t.add(trace.Event{Kind: trace.SinkTried, Epoch: t.epoch, Seq: s, Hash: contentOf(s)})
	}
	return t
}

func (t *logTape) accept(seqs ...uint64) *logTape {
	for _, s := range seqs {
		t.end++
		t.add(trace.Event{Kind: trace.SinkStored, Epoch: t.epoch, Seq: s, Hash: contentOf(s), Count: t.end})
	}
	return t
}

// retried is record seq, stored by an attempt that panics, and accepted by the
// next opening as what the log, which shows these records, has already.
func (t *logTape) retried(seq uint64, shows ...uint64) *logTape {
	t.emit(seq)
	t.try(t.epoch, 1, seq, 1)
	t.hand(seq)
	t.done(t.epoch, 1, seq, 1, trace.ResultPanic, 0)
	t.end = uint64(len(shows))
	t.open(0).holds(shows...)
	t.try(t.epoch, 2, seq, 1)
	t.hand(seq)
	t.end--
	t.accept(seq)
	t.settle(appender.Appended, t.epoch, 2, seq)
	t.done(t.epoch, 2, seq, 1, trace.ResultOK, 1)
	return t
}

func (t *logTape) refuse(r trace.Result, seqs ...uint64) *logTape {
	for _, s := range seqs {
		t.add(trace.Event{Kind: trace.SinkRefused, Epoch: t.epoch, Seq: s, Result: r})
	}
	return t
}

// keep takes the records first to last through attempts of up to three, which
// succeed: the log accepts them.
func (t *logTape) keep(first, last uint64) *logTape {
	for ; first <= last; first += 3 {
		var seqs []uint64
		for s := first; s <= min(first+2, last); s++ {
			seqs = append(seqs, s)
		}
		n := uint64(len(seqs))
		t.emit(seqs...)
		t.try(t.epoch, 1, first, n)
		t.hand(seqs...).accept(seqs...)
		t.settle(appender.Appended, t.epoch, 1, seqs...)
		t.done(t.epoch, 1, first, n, trace.ResultOK, n)
	}
	return t
}

// safe says that what the log holds up to a position survives a crash.
func (t *logTape) safe(position uint64) *logTape {
	t.add(trace.Event{Kind: trace.SinkSynced, Epoch: t.epoch, Count: position})
	return t
}

// stuck lets the call that has a record in hand never return: the node crashes.
func (t *logTape) stuck(seq uint64) *logTape {
	t.emit(seq)
	t.try(t.epoch, 1, seq, 1)
	t.hand(seq)
	t.settle(appender.Unknown, t.epoch, 1, seq)
	return t.crash()
}

// TestARightLogHoldsDurablePrefix tells what a log may do.
func TestARightLogHoldsDurablePrefix(t *testing.T) {
	told := func(name string, tell func(l *logTape)) story {
		return story{name, func(tp *tape) { tell(logOn(tp)) }, nil}
	}
	tellAll(t, []story{
		told("an empty one is opened twice", func(l *logTape) { l.open(0).holds().open(0).holds() }),
		told("everything is there", func(l *logTape) { l.open(0).holds().keep(1, 3).safe(3).crash().open(0).holds(1, 2, 3) }),
		told("what was not safe is lost in a crash", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(2).keep(4, 5).crash().open(0).holds(1, 2, 3)
		}),
		told("what is shown once need not be safe", func(l *logTape) {
			l.open(0).holds().keep(1, 3).crash().open(0).holds(1, 2, 3).crash().open(0).holds(1)
		}),
		told("what was in hand at a crash may be there", func(l *logTape) {
			l.open(0).holds().keep(1, 1).safe(1).stuck(2).open(0).holds(1, 2)
		}),
		told("what was in hand at a crash may be gone", func(l *logTape) {
			l.open(0).holds().keep(1, 1).safe(1).stuck(2).open(0).holds(1)
		}),
		told("what it has already is stored once", func(l *logTape) {
			l.open(0).holds().keep(1, 3).retried(4, 1, 2, 3, 4).keep(5, 6).open(0).holds(1, 2, 3, 4, 5, 6)
		}),
		told("an incarnation follows the other", func(l *logTape) {
			l.open(0).holds().keep(1, 2).safe(2).crash().open(0).holds(1, 2).keep(1, 2).safe(4).
				crash().open(0).shows(1, 1, 2).shows(2, 1, 2).replayed()
		}),
		told("retention drops at the front", func(l *logTape) {
			l.open(3).holds().keep(1, 3).keep(4, 6).safe(6).open(3).holds(4, 5, 6)
		}),
		told("retention may be late", func(l *logTape) {
			l.open(3).holds().keep(1, 6).open(3).holds(2, 3, 4, 5, 6)
		}),
		told("retention had dropped more than a crash leaves", func(l *logTape) {
			l.open(3).holds().keep(1, 2).safe(2).keep(3, 5).crash().open(3).holds(3)
		}),
		told("a refused record is retried", func(l *logTape) {
			l.open(0).holds().emit(1)
			l.try(1, 1, 1, 1)
			l.hand(1).refuse(trace.ResultError, 1).done(1, 1, 1, 1, trace.ResultError, 0).wait(50*ms).try(1, 2, 1, 1)
			l.hand(1).accept(1).settle(appender.Appended, 1, 2, 1).done(1, 2, 1, 1, trace.ResultOK, 1)
			l.open(0).holds(1)
		}),
		told("an unknown one is retried and there twice", func(l *logTape) {
			l.open(0).holds().emit(1)
			l.try(1, 1, 1, 1)
			l.hand(1).refuse(trace.ResultUnknown, 1).done(1, 1, 1, 1, trace.ResultUnknown, 0).wait(50*ms).try(1, 2, 1, 1)
			l.hand(1).accept(1).settle(appender.Appended, 1, 2, 1).done(1, 2, 1, 1, trace.ResultOK, 1)
			l.open(0).holds(1, 1)
		}),
		told("an unknown one is retried and there once", func(l *logTape) {
			l.open(0).holds().emit(1)
			l.try(1, 1, 1, 1)
			l.hand(1).refuse(trace.ResultUnknown, 1).done(1, 1, 1, 1, trace.ResultUnknown, 0).wait(50*ms).try(1, 2, 1, 1)
			l.hand(1).accept(1).settle(appender.Appended, 1, 2, 1).done(1, 2, 1, 1, trace.ResultOK, 1)
			l.safe(1).open(0).holds(1)
		}),
		told("after an unknown outcome only what is safe must be there", func(l *logTape) {
			l.open(0).holds().keep(1, 2).safe(1)
			l.add(trace.Event{Kind: trace.SinkRefused, Epoch: 1, Result: trace.ResultUnknown})
			l.open(0).holds(1)
		}),
		told("a flipped bit is reported", func(l *logTape) {
			l.open(0).holds().keep(1, 4).safe(4).add(trace.Event{Kind: trace.FaultStruck, Name: "disk-flip"})
			l.crash().open(0).shows(1, 1).reports("damage").shows(1, 3, 4).replayed()
		}),
		told("an opening that fails has found a flipped bit at the end", func(l *logTape) {
			l.open(0).holds().keep(1, 4).safe(4).add(trace.Event{Kind: trace.FaultStruck, Name: "disk-flip"})
			l.epoch++
			l.add(trace.Event{Kind: trace.WorkerStarted, Epoch: l.epoch}).
				add(trace.Event{Kind: trace.WorkerFailed, Epoch: l.epoch, Result: trace.ResultOpenFailed})
			l.open(0).holds(1, 2, 3).open(0).holds(1, 2, 3)
		}),
		told("a flipped bit at the end looks torn", func(l *logTape) {
			l.open(0).holds().keep(1, 4).safe(4).add(trace.Event{Kind: trace.FaultStruck, Name: "disk-flip"})
			l.crash().open(0).shows(1, 1, 2).reports("a torn tail").replayed()
		}),
		told("a crash leaves a hole in what was not safe, and the log reports it", func(l *logTape) {
			l.open(0).holds().keep(1, 1).safe(1).keep(2, 4).crash().open(0).shows(1, 1).reports("damage").shows(1, 4).replayed()
		}),
		told("what was not safe when a sync failed is lost, reported, and what came behind it is safe", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(1)
			l.add(trace.Event{Kind: trace.SinkRefused, Epoch: 1, Result: trace.ResultUnknown})
			l.add(trace.Event{Kind: trace.FaultStruck, Name: "disk-sync-error"})
			l.keep(4, 5).safe(5).crash().open(0).shows(1, 1).reports("damage").shows(1, 4, 5).replayed()
		}),
		told("a sync that failed in silence has lost what was not safe, and it is reported", func(l *logTape) {
			l.open(0).holds().keep(1, 1).safe(1)
			l.add(trace.Event{Kind: trace.FaultStruck, Name: "disk-sync-error"})
			l.keep(2, 2).keep(3, 3).safe(3)
			l.add(trace.Event{Kind: trace.FaultHealed, Name: "disk-sync-error"})
			l.keep(4, 4).safe(4).crash().open(0).shows(1, 1).reports("damage").shows(1, 3, 4).replayed()
		}),
		told("a replay that is cut short proves nothing", func(l *logTape) {
			l.open(0).holds().keep(1, 2).safe(2).open(0).shows(1, 1).
				add(trace.Event{Kind: trace.ReplayEnded, Epoch: 2, Attempt: 2, Err: errors.New("too late")})
			l.open(0).holds(1, 2)
		}),
		told("what hung before lands after", func(l *logTape) {
			l.open(0).holds().stuck(1).open(0).holds().keep(1, 1).safe(1).
				open(0).shows(1, 1).shows(2, 1).replayed()
		}),
		told("what a dead node is acknowledged may be there", func(l *logTape) {
			l.open(0).holds().emit(1)
			l.try(1, 1, 1, 1)
			l.hand(1).settle(appender.Unknown, 1, 1, 1).simple(trace.NodeCrashed)
			l.accept(1).boot()
			l.open(0).holds()
		}),
	})
}

func TestDurablePrefixTripsOnWhateverALogMayNotDo(t *testing.T) {
	told := func(name, says string, tell func(l *logTape)) story {
		return story{name, func(tp *tape) { tell(logOn(tp)) }, one("durable-prefix", says)}
	}
	tellAll(t, []story{
		told("the last safe one is gone", "record 3 of incarnation 1 is missing, though the log had said before the crash that it is safe", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(3).crash().open(0).holds(1, 2)
		}),
		told("everything is gone", "record 1 of incarnation 1 is missing", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(2).crash().open(0).holds()
		}),
		told("one is gone without a crash", "record 3 of incarnation 1 is missing, though the log had accepted it and its node has not crashed since", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(2).open(0).holds(1, 2)
		}),
		told("a safe one is gone without a crash, for all that a call left open", "record 3 of incarnation 1 is missing, though the log had said that it is safe", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(3).add(trace.Event{Kind: trace.SinkRefused, Epoch: 1, Result: trace.ResultUnknown})
			l.open(0).holds(1, 2)
		}),
		told("a hole in what was not safe", "record 4 of incarnation 1 is there, but record 3 of incarnation 1, which the log had accepted before it, is missing", func(l *logTape) {
			l.open(0).holds().keep(1, 4).safe(2).crash().open(0).holds(1, 2, 4)
		}),
		told("the first is gone", "it begins with record 2 of incarnation 1, but record 1 of incarnation 1, the oldest, is missing", func(l *logTape) {
			l.open(0).holds().keep(1, 3).crash().open(0).holds(2, 3)
		}),
		told("retention drops one too many", "it begins with record 5 of incarnation 1, but record 4 of incarnation 1 is one of the newest 3", func(l *logTape) {
			l.open(3).holds().keep(1, 6).safe(6).open(3).holds(5, 6)
		}),
		told("the order of two is changed", "record 3 of incarnation 1 is there, but record 2 of incarnation 1", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(3).crash().open(0).holds(1, 3, 2)
		}),
		told("one goes back", "record 1 of incarnation 1 is there after record 3 of incarnation 1: twice, or out of order", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(3).crash().open(0).holds(1, 2, 3, 1)
		}),
		told("one is there twice", "record 2 of incarnation 1 is there after record 2 of incarnation 1: twice", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(3).crash().open(0).holds(1, 2, 2, 3)
		}),
		told("an altered one", "record 2 of incarnation 1 is there with another content", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(3).crash().open(0).shows(1, 1).showing(1, 2, 99)
		}),
		told("one that nobody handed over", "record 4 of incarnation 1 is there, but the log was not handed it", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(3).crash().open(0).holds(1, 2, 3, 4)
		}),
		told("one that was lost comes back", "record 3 of incarnation 1 is there, but the log was not handed it, or had lost it before", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(2).crash().open(0).holds(1, 2).crash().open(0).holds(1, 2, 3)
		}),
		told("one that the log refused", "record 1 of incarnation 1 is there, though the log had said that it did not store it", func(l *logTape) {
			l.open(0).holds().emit(1)
			l.try(1, 1, 1, 1)
			l.hand(1).refuse(trace.ResultError, 1).done(1, 1, 1, 1, trace.ResultError, 0)
			l.open(0).holds(1)
		}),
		told("one that was retried is there twice though the first was refused", "record 1 of incarnation 1 is there after record 1 of incarnation 1: twice", func(l *logTape) {
			l.open(0).holds().emit(1)
			l.try(1, 1, 1, 1)
			l.hand(1).refuse(trace.ResultError, 1).done(1, 1, 1, 1, trace.ResultError, 0).wait(50*ms).try(1, 2, 1, 1)
			l.hand(1).accept(1).settle(appender.Appended, 1, 2, 1).done(1, 2, 1, 1, trace.ResultOK, 1)
			l.open(0).holds(1, 1)
		}),
		told("a safe one is missing for a crash's damage", "record 3 of incarnation 1 is there, but record 2 of incarnation 1", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(3).crash().open(0).shows(1, 1).reports("damage").shows(1, 3)
		}),
		told("what was not safe when a sync failed is passed over in silence", "record 4 of incarnation 1 is there, but record 2 of incarnation 1", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(1)
			l.add(trace.Event{Kind: trace.SinkRefused, Epoch: 1, Result: trace.ResultUnknown})
			l.add(trace.Event{Kind: trace.FaultStruck, Name: "disk-sync-error"})
			l.keep(4, 5).safe(5).crash().open(0).shows(1, 1, 4, 5)
		}),
		told("what was safe when a sync failed is reported as missing", "it begins with record 4 of incarnation 1, but record 1 of incarnation 1, the oldest, is missing", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(1)
			l.add(trace.Event{Kind: trace.SinkRefused, Epoch: 1, Result: trace.ResultUnknown})
			l.add(trace.Event{Kind: trace.FaultStruck, Name: "disk-sync-error"})
			l.keep(4, 5).safe(5).crash().open(0).reports("damage").shows(1, 4, 5)
		}),
		told("what was safe at once is reported as missing after syncs have failed", "record 4 of incarnation 1 is there, but record 3 of incarnation 1", func(l *logTape) {
			l.open(0).holds().keep(1, 1).safe(1)
			l.add(trace.Event{Kind: trace.FaultStruck, Name: "disk-sync-error"})
			l.keep(2, 2).safe(2).keep(3, 3).safe(3).keep(4, 4).safe(4)
			l.add(trace.Event{Kind: trace.FaultHealed, Name: "disk-sync-error"})
			l.crash().open(0).shows(1, 1, 2).reports("damage").shows(1, 4)
		}),
		told("the last is gone in silence, for all that a bit has flipped", "record 4 of incarnation 1 is missing", func(l *logTape) {
			l.open(0).holds().keep(1, 4).safe(4).add(trace.Event{Kind: trace.FaultStruck, Name: "disk-flip"})
			l.open(0).holds(1, 2, 3)
		}),
		told("a flipped bit's damage is passed over in silence", "record 3 of incarnation 1 is there, but record 2 of incarnation 1", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(3).add(trace.Event{Kind: trace.FaultStruck, Name: "disk-flip"})
			l.crash().open(0).shows(1, 1, 3)
		}),
		told("a flipped bit comes through", "record 2 of incarnation 1 is there with another content", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(3).add(trace.Event{Kind: trace.FaultStruck, Name: "disk-flip"})
			l.crash().open(0).shows(1, 1).showing(1, 2, contentOf(2)^1<<5)
		}),
		told("it says to have what it has not", "record 4 of incarnation 1 is accepted as one that the log has already, and it has none such", func(l *logTape) {
			l.open(0).holds().keep(1, 3).emit(4).try(1, 1, 4, 1)
			l.hand(4).refuse(trace.ResultError, 4).done(1, 1, 4, 1, trace.ResultError, 0)
			l.open(0).holds(1, 2, 3).try(2, 2, 4, 1)
			l.end--
			l.hand(4).accept(4)
		}),
		told("what it said to have already is gone", "record 4 of incarnation 1 is missing, though the log had accepted it", func(l *logTape) {
			l.open(0).holds().keep(1, 3).retried(4, 1, 2, 3, 4).open(0).holds(1, 2, 3)
		}),
		told("what it has already is there twice", "twice, or out of order", func(l *logTape) {
			l.open(0).holds().keep(1, 3).retried(4, 1, 2, 3, 4).open(0).holds(1, 2, 3, 4, 4)
		}),
		told("damage out of nothing", "the log reports damage (bad checksum), but nothing has happened that could damage it", func(l *logTape) {
			l.open(0).holds().keep(1, 3).safe(3).open(0).shows(1, 1).reports("damage")
		}),
	})
}

// TestDurablePrefixForgetsNothingThatALogMayShow: a long run's entries are
// forgotten once retention has dropped them, and none before.
func TestDurablePrefixForgetsNothingThatALogMayShow(t *testing.T) {
	const n, retain = 60_000, 10
	tell := func(begin uint64) error {
		tp := newTape()
		l := logOn(tp)
		l.open(retain).holds()
		for s := uint64(1); s <= n; s++ {
			l.hand(s).accept(s).safe(s)
		}
		l.crash().open(retain)
		for s := begin; s <= n; s++ {
			l.shows(1, s)
		}
		l.replayed()
		return judgeBy(props.DurablePrefix(), tp.events, time.Hour)
	}
	require.NoError(t, tell(n-retain+1))
	require.NoError(t, tell(n-5000), "retention may be late")
	require.ErrorContains(t, tell(n-retain+2), "it begins with record 59992 of incarnation 1, but record 59991 of incarnation 1 is one of the newest 10")
}
