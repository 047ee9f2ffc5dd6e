package props_test

import (
	"testing"
	"time"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// one is a single violated invariant.
func one(name, says string) map[string]string { return map[string]string{name: says} }

// TestARightHostHoldsEverything tells every way in which a record can settle.
func TestARightHostHoldsEverything(t *testing.T) {
	tellAll(t, []story{
		{"nothing happens", func(*tape) {}, nil},
		{"a batch is stored", func(tp *tape) { tp.worker(1).emit(1, 2, 3).append(1, 1, 3) }, nil},
		{"settlements may follow the attempt's end", func(tp *tape) {
			tp.worker(1).emit(1, 2).try(1, 1, 1, 2).store(1, 1, 2).
				done(1, 1, 1, 2, trace.ResultOK, 2).settle(appender.Appended, 1, 1, 1, 2)
		}, nil},
		{"a partial batch is retried from where it stopped", func(tp *tape) {
			tp.worker(1).emit(1, 2, 3).try(1, 1, 1, 3).store(1, 1).settle(appender.Appended, 1, 1, 1).
				done(1, 1, 1, 3, trace.ResultError, 1).
				try(1, 1, 2, 2).store(1, 2, 3).settle(appender.Appended, 1, 1, 2, 3).
				done(1, 1, 2, 2, trace.ResultOK, 2)
		}, nil},
		{"attempts used up end in failed", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).done(1, 1, 1, 1, trace.ResultError, 0).wait(50*ms).
				try(1, 2, 1, 1).done(1, 2, 1, 1, trace.ResultError, 0).settle(appender.Failed, 1, 2, 1)
		}, nil},
		{"a full inbox drops its oldest", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).emit(2, 3, 4, 5).
				settle(appender.Dropped, 0, 0, 2).emit(6).
				store(1, 1).settle(appender.Appended, 1, 1, 1).done(1, 1, 1, 1, trace.ResultOK, 1).append(1, 3, 5)
		}, nil},
		{"applied, then an error, then stored again", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).store(1, 1).done(1, 1, 1, 1, trace.ResultUnknown, 0).wait(50*ms).
				try(1, 2, 1, 1).store(1, 1).settle(appender.Appended, 1, 2, 1).done(1, 2, 1, 1, trace.ResultOK, 1)
		}, nil},
		{"a deadline with the attempts used up is unknown", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).wait(time.Second).done(1, 1, 1, 1, trace.ResultDeadline, 0).wait(50*ms).
				try(1, 2, 1, 1).wait(time.Second).done(1, 2, 1, 1, trace.ResultError, 0).settle(appender.Unknown, 1, 2, 1)
		}, nil},
		{"a hang is abandoned, its late effects and answer change nothing", func(tp *tape) {
			tp.worker(1).emit(1, 2).try(1, 1, 1, 2).wait(1250*ms).
				done(1, 1, 1, 2, trace.ResultHang, 0).
				add(trace.Event{Kind: trace.WorkerAbandoned, Epoch: 1, Count: 1, Cap: 2}).worker(2).
				try(2, 2, 1, 2).store(2, 1).store(1, 1).store(2, 2).store(1, 2).
				settle(appender.Appended, 2, 2, 1, 2).done(2, 2, 1, 2, trace.ResultOK, 2).
				add(trace.Event{Kind: trace.WorkerReturned, Epoch: 1, Count: 0}).
				addLedger(trace.Event{Kind: trace.StaleAnswer, Epoch: 1})
		}, nil},
		{"an open circuit settles everything at once", func(tp *tape) {
			tp.worker(1).emit(1, 2).try(1, 1, 1, 1).wait(1250*ms).done(1, 1, 1, 1, trace.ResultHang, 0).
				add(trace.Event{Kind: trace.WorkerAbandoned, Epoch: 1, Count: 1, Cap: 2}).
				simple(trace.CircuitOpened).
				settle(appender.Unknown, 1, 1, 1).settle(appender.Failed, 0, 0, 2).
				wait(500*ms).emit(3).settle(appender.Failed, 0, 0, 3).wait(500*ms).
				simple(trace.CircuitProbed).worker(2).emit(4).wait(500*ms).append(2, 4, 4).simple(trace.CircuitClosed)
		}, nil},
		{"a crash settles what is pending", func(tp *tape) {
			tp.worker(1).emit(1, 2).try(1, 1, 1, 1).
				settle(appender.Unknown, 1, 1, 1).settle(appender.Lost, 0, 0, 2).simple(trace.NodeCrashed).
				store(1, 1).wait(time.Second).boot().worker(1).emit(1).append(1, 1, 1)
		}, nil},
		{"a stop flushes, then gives up the rest", func(tp *tape) {
			tp.worker(1).emit(1, 2, 3).append(1, 1, 1).try(1, 1, 2, 1).done(1, 1, 2, 1, trace.ResultError, 0).
				settle(appender.Lost, 1, 1, 2).settle(appender.Lost, 0, 0, 3).simple(trace.NodeStopped)
		}, nil},
	})
}

func TestOrderTripsOnWhateverGoesBack(t *testing.T) {
	tellAll(t, []story{
		{"a gap in what is emitted", func(tp *tape) { tp.worker(1).emit(1, 3) },
			map[string]string{"order": "record 3 emitted where 2 is next"}},
		{"a retry that lets a later record pass", func(tp *tape) {
			tp.worker(1).emit(1, 2).try(1, 1, 1, 1).done(1, 1, 1, 1, trace.ResultError, 0).
				try(1, 1, 2, 1).store(1, 2)
		}, one("order", "an attempt on record 2, but the oldest unsettled one is 1")},
		{"an attempt on what was not emitted", func(tp *tape) { tp.worker(1).emit(1).try(1, 1, 1, 2) },
			map[string]string{"order": "an attempt on 2 records from 1, but the last one emitted is 1",
				"accounting": "record 2 attempted though it is not pending"}},
		{"an attempt on nothing", func(tp *tape) { tp.worker(1).emit(1).try(1, 1, 1, 0) },
			one("order", "an attempt on 0 records from 1")},
		{"an epoch that goes back", func(tp *tape) {
			tp.worker(1).worker(2).emit(1, 2).append(2, 1, 1).try(1, 1, 2, 1)
		}, map[string]string{"order": "an attempt under epoch 1 after one under epoch 2",
			"no-stale-ack": "an attempt on record 2 under epoch 1, which is over"}},
		{"an attempt that goes back", func(tp *tape) {
			tp.worker(1).emit(1, 2).append(1, 1, 1).try(1, 1, 1, 2)
		}, map[string]string{"order": "an attempt on record 1, but the oldest unsettled one is 2",
			"accounting": "record 1 attempted though it is not pending"}},
		{"acknowledgements that go back", func(tp *tape) {
			tp.worker(1).emit(1, 2).try(1, 1, 1, 2).store(1, 1, 2).
				settle(appender.Appended, 1, 1, 2, 1).done(1, 1, 1, 2, trace.ResultOK, 2)
		}, one("order", "record 1 acknowledged after record 2")},
		{"a sink that stores out of order", func(tp *tape) {
			tp.worker(1).emit(1, 2).try(1, 1, 1, 2).store(1, 2, 1).
				settle(appender.Appended, 1, 1, 1, 2).done(1, 1, 1, 2, trace.ResultOK, 2)
		}, one("order", "record 1 stored after record 2 in one attempt")},
		{"a sink that stores twice in one attempt", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).store(1, 1, 1)
		}, one("order", "record 1 stored after record 1 in one attempt")},
		{"a store beyond what is in hand", func(tp *tape) {
			tp.worker(1).emit(1, 2).try(1, 1, 1, 1).store(1, 1).settle(appender.Appended, 1, 1, 1).
				done(1, 1, 1, 1, trace.ResultOK, 1).try(1, 1, 2, 1).store(1, 1)
		}, one("order", "record 1 stored under epoch 1, which has records 2 to 2 in hand")},
		{"a store under an epoch that attempted nothing", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).store(7, 1)
		}, one("order", "which has nothing in hand")},
		{"a store after the attempt was answered", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).done(1, 1, 1, 1, trace.ResultUnknown, 0).store(1, 1)
		}, one("order", "after its attempt had ended")},
		{"lines folded out of order", func(tp *tape) {
			tp.line(trace.LineIn, 1, 2).line(trace.LineLogged, 2, 1)
		}, one("order", "line 1 logged after line 2")},
	})
}

func TestFIFODropTripsOnWhateverIsNotTheOldest(t *testing.T) {
	tellAll(t, []story{
		{"the newest is dropped", func(tp *tape) {
			tp.worker(1).emit(1, 2, 3, 4).settle(appender.Dropped, 0, 0, 4)
		}, one("fifo-drop", "record 4 dropped, but the oldest one queued is 1")},
		{"dropped with room left", func(tp *tape) {
			tp.worker(1).emit(1, 2, 3).settle(appender.Dropped, 0, 0, 1)
		}, one("fifo-drop", "record 1 dropped with 3 records in an inbox of 4")},
		{"dropped from an empty queue", func(tp *tape) { tp.worker(1).emit(1).try(1, 1, 1, 1).settle(appender.Dropped, 0, 0, 1) },
			map[string]string{"fifo-drop": "record 1 dropped from an empty queue", "accounting": "it was not in the queue"}},
		{"the newest line is dropped", func(tp *tape) {
			tp.line(trace.LineIn, 1, 2, 3, 4).line(trace.LineDropped, 4).line(trace.LineLogged, 1, 2, 3)
		}, one("fifo-drop", "line 4 dropped, but the oldest one waiting is 1")},
	})
}

func TestAccountingTripsOnWhateverTheEventsDoNotAllow(t *testing.T) {
	bump := func(f func(*trace.Ledger)) func(*tape) {
		return func(tp *tape) { tp.worker(1).emit(1).forging(f).emit(2).append(1, 1, 2) }
	}
	acc := func(says string) map[string]string { return one("accounting", says) }
	tellAll(t, []story{
		{"emitted", bump(func(g *trace.Ledger) { g.Emitted++ }), acc("emitted 3 where 2 is right")},
		{"appended", bump(func(g *trace.Ledger) { g.Appended++ }), acc("appended 1 where 0 is right")},
		{"failed", bump(func(g *trace.Ledger) { g.Failed++ }), acc("failed 1")},
		{"unknown", bump(func(g *trace.Ledger) { g.Unknown++ }), acc("unknown 1")},
		{"dropped", bump(func(g *trace.Ledger) { g.Dropped++ }), acc("dropped 1")},
		{"lost", bump(func(g *trace.Ledger) { g.Lost++ }), acc("lost 1")},
		{"queued", bump(func(g *trace.Ledger) { g.Queued-- }), acc("queued 1 where 2 is right")},
		{"in hand", bump(func(g *trace.Ledger) { g.Queued--; g.InHand++ }), acc("queued 1 where 2 is right, in hand 1 where 0 is right")},
		{"retrying", bump(func(g *trace.Ledger) { g.Retrying++ }), acc("retrying 1")},
		{"emitted twice", func(tp *tape) { tp.worker(1).emit(1, 1) },
			map[string]string{"accounting": "record 1 emitted twice", "order": "record 1 emitted where 2 is next"}},
		{"lost and then emits", func(tp *tape) { tp.worker(1).emit(1, 2).settle(appender.Lost, 0, 0, 1).emit(3) },
			acc("record 3 emitted by a host that had given up records as lost")},
		{"settled twice", func(tp *tape) {
			tp.worker(1).emit(1, 2).append(1, 1, 1).settle(appender.Failed, 0, 0, 1)
		}, acc("record 1 settled as failed, but it is not pending")},
		{"appended without being stored", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).settle(appender.Appended, 1, 1, 1)
		}, acc("no sink stored it")},
		{"appended without an attempt", func(tp *tape) {
			tp.worker(1).emit(1).settle(appender.Appended, 1, 1, 1)
		}, acc("it was never attempted")},
		{"failed though stored", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).store(1, 1).done(1, 1, 1, 1, trace.ResultError, 0).wait(50*ms).
				try(1, 2, 1, 1).done(1, 2, 1, 1, trace.ResultError, 0).settle(appender.Failed, 1, 2, 1)
		}, acc("the sink stored it")},
		{"failed though an attempt left it open", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).done(1, 1, 1, 1, trace.ResultUnknown, 0).wait(50*ms).
				try(1, 2, 1, 1).done(1, 2, 1, 1, trace.ResultError, 0).settle(appender.Failed, 1, 2, 1)
		}, acc("an attempt left open whether it was stored")},
		{"failed with attempts left", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).done(1, 1, 1, 1, trace.ResultError, 0).settle(appender.Failed, 1, 1, 1)
		}, acc("only 1 of 2 attempts were used")},
		{"failed from the queue with the circuit closed", func(tp *tape) {
			tp.worker(1).emit(1).settle(appender.Failed, 0, 0, 1)
		}, acc("never attempted and the circuit is closed")},
		{"failed, then stored by an abandoned epoch", func(tp *tape) {
			tp.worker(1).emit(1, 2).try(1, 1, 1, 2).wait(1250*ms).done(1, 1, 1, 2, trace.ResultHang, 0).
				add(trace.Event{Kind: trace.WorkerAbandoned, Epoch: 1, Count: 1, Cap: 2}).simple(trace.CircuitOpened).
				settle(appender.Unknown, 1, 1, 1).settle(appender.Failed, 0, 0, 2)
		}, acc("an attempt left open whether it was stored")},
		{"appended beyond what was acknowledged", func(tp *tape) {
			tp.worker(1).emit(1, 2).try(1, 1, 1, 2).store(1, 1, 2).settle(appender.Appended, 1, 1, 1, 2).
				done(1, 1, 1, 2, trace.ResultError, 1)
		}, acc("record 2 settled as appended, but the attempt acknowledged 1 records from 1")},
		{"unknown, but then the attempt is answered", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 2, 1, 1).settle(appender.Unknown, 1, 2, 1).done(1, 2, 1, 1, trace.ResultError, 0)
		}, acc("record 1 settled as unknown, but every attempt on it was answered")},
		{"failed, but then the attempt is left open", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 2, 1, 1).settle(appender.Failed, 1, 2, 1).done(1, 2, 1, 1, trace.ResultUnknown, 0)
		}, acc("record 1 settled as failed, but the attempt left open whether it was stored")},
		{"dropped, then stored", func(tp *tape) {
			tp.worker(1).emit(1, 2, 3, 4).settle(appender.Dropped, 0, 0, 1).try(1, 1, 2, 1).store(1, 1)
		}, map[string]string{"accounting": "it had settled as not stored",
			"order": "record 1 stored under epoch 1, which has records 2 to 2 in hand"}},
		{"stored without being attempted", func(tp *tape) {
			tp.worker(1).emit(1, 2).try(1, 1, 1, 1).store(1, 2)
		}, map[string]string{"accounting": "record 2 stored, but never attempted", "order": "record 2 stored under epoch 1"}},
		{"stored without being emitted", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).store(1, 2)
		}, map[string]string{"accounting": "record 2 stored, but never emitted", "order": "record 2 stored under epoch 1"}},
		{"unknown though every attempt was answered", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).done(1, 1, 1, 1, trace.ResultError, 0).wait(50*ms).
				try(1, 2, 1, 1).done(1, 2, 1, 1, trace.ResultError, 0).settle(appender.Unknown, 1, 2, 1)
		}, acc("every attempt on it was answered")},
		{"unknown from the queue", func(tp *tape) { tp.worker(1).emit(1).settle(appender.Unknown, 0, 0, 1) },
			acc("it was never attempted")},
		{"dropped in hand", func(tp *tape) {
			tp.worker(1).emit(1, 2, 3, 4).try(1, 1, 1, 1).emit(5).settle(appender.Dropped, 0, 0, 1)
		}, map[string]string{"accounting": "it was not in the queue", "fifo-drop": "record 1 dropped, but the oldest one queued is 2"}},
		{"lost in hand", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).settle(appender.Lost, 1, 1, 1).simple(trace.NodeCrashed)
		}, acc("it was in hand")},
		{"lost while the node lives on", func(tp *tape) { tp.worker(1).emit(1, 2).settle(appender.Lost, 0, 0, 1).wait(ms) },
			acc("1 records were lost, but the node never went down")},
		{"lost and then attempts", func(tp *tape) {
			tp.worker(1).emit(1, 2).settle(appender.Lost, 0, 0, 1).try(1, 1, 2, 1)
		}, acc("given up records as lost")},
		{"pending at a crash", func(tp *tape) { tp.worker(1).emit(1, 2).append(1, 1, 1).simple(trace.NodeCrashed) },
			acc("1 records of stream 0, the first of them 2, were pending when the node ended")},
		{"settled after a crash", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).settle(appender.Unknown, 1, 1, 1).simple(trace.NodeCrashed).
				settle(appender.Appended, 1, 1, 1)
		}, acc("after the node had ended")},
		{"an event without its ledger", func(tp *tape) {
			tp.worker(1).emit(1)
			tp.events[len(tp.events)-1].Ledger = nil
		}, acc("without a ledger")},
		{"an attempt ends that was not started", func(tp *tape) {
			tp.worker(1).emit(1, 2).try(1, 1, 1, 1).done(1, 1, 1, 2, trace.ResultError, 0)
		}, acc("an attempt on records 1 to 2 ended, but records 1 to 1 are in hand")},
		{"settled as pending", func(tp *tape) { tp.worker(1).emit(1).settle(appender.Pending, 0, 0, 1) },
			acc("settled as pending")},
	})
}

func TestNoStaleAckTripsOnWhateverAnOldEpochDoes(t *testing.T) {
	hung := func(tp *tape) *tape {
		return tp.worker(1).emit(1, 2).try(1, 1, 1, 2).wait(1250*ms).done(1, 1, 1, 2, trace.ResultHang, 0).
			add(trace.Event{Kind: trace.WorkerAbandoned, Epoch: 1, Count: 1, Cap: 2})
	}
	stale := trace.Event{Kind: trace.StaleAnswer, Epoch: 1}
	tellAll(t, []story{
		{"an abandoned epoch acknowledges", func(tp *tape) {
			hung(tp).store(1, 1).settle(appender.Appended, 1, 1, 1)
		}, one("no-stale-ack", "record 1 settled as appended under epoch 1, which is over")},
		{"a replaced epoch acknowledges", func(tp *tape) {
			hung(tp).worker(2).try(2, 2, 1, 2).store(1, 1).settle(appender.Appended, 1, 1, 1)
		}, one("no-stale-ack", "record 1 settled as appended under epoch 1")},
		{"an abandoned epoch attempts", func(tp *tape) { hung(tp).try(1, 2, 1, 2) },
			one("no-stale-ack", "an attempt on record 1 under epoch 1, which is over")},
		{"an abandoned epoch's attempt is answered", func(tp *tape) {
			hung(tp).worker(2).try(2, 2, 1, 2).done(1, 1, 1, 2, trace.ResultError, 0)
		}, one("no-stale-ack", "answered under epoch 1, which is over")},
		{"a stale answer settles", func(tp *tape) {
			hung(tp).worker(2).try(2, 2, 1, 2).addLedger(stale).settle(appender.Unknown, 1, 1, 1)
		}, one("no-stale-ack", "after its stale answer")},
		{"a stale answer's step settles", func(tp *tape) {
			hung(tp).worker(2).try(2, 2, 1, 2).store(2, 1).addLedger(stale).settle(appender.Appended, 2, 2, 1).sameStep()
		}, one("no-stale-ack", "in the step of a stale answer")},
		{"a stale answer changes the ledger", func(tp *tape) {
			hung(tp).worker(2).forging(func(g *trace.Ledger) { g.Retrying--; g.Appended++ }).addLedger(stale)
		}, one("no-stale-ack", "changed the ledger: appended 1 where 0 is right, retrying 1 where 2 is right")},
		{"the current epoch is called stale", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).addLedger(stale)
		}, one("no-stale-ack", "that is the current epoch")},
	})
}

func TestBoundedTripsOnWhateverExceedsItsCap(t *testing.T) {
	b := func(says string) map[string]string { return one("bounded", says) }
	tellAll(t, []story{
		{"at the cap", func(tp *tape) { tp.worker(1).emit(1, 2, 3, 4).append(1, 1, 3) }, nil},
		{"a queue", func(tp *tape) { tp.add(trace.Event{Kind: trace.QueueDepth, Name: "mail", Count: 5, Cap: 4}) },
			b("the queue mail holds 5, more than 4")},
		{"the inbox", func(tp *tape) { tp.worker(1).emit(1, 2, 3, 4, 5) }, b("the inbox holds 5, more than 4")},
		{"the batch", func(tp *tape) { tp.worker(1).emit(1, 2, 3, 4).append(1, 1, 4) }, b("the batch holds 4, more than 3")},
		{"the attempts", func(tp *tape) {
			tp.worker(1).emit(1).try(1, 1, 1, 1).done(1, 1, 1, 1, trace.ResultError, 0).wait(50*ms).
				try(1, 2, 1, 1).done(1, 2, 1, 1, trace.ResultError, 0).wait(100*ms).try(1, 3, 1, 1)
		}, b("the number of attempts holds 3, more than 2")},
		{"the retry set", func(tp *tape) {
			tp.worker(1).emit(1, 2, 3).try(1, 1, 1, 3).done(1, 1, 1, 3, trace.ResultError, 0).emit(4).
				forging(func(g *trace.Ledger) { g.Queued--; g.Retrying++ }).emit(5)
		}, map[string]string{"bounded": "the retry set holds 4, more than 3", "accounting": "retrying 4 where 3 is right"}},
		{"the abandoned workers", func(tp *tape) {
			for e := uint64(1); e <= 3; e++ {
				tp.worker(e).add(trace.Event{Kind: trace.WorkerAbandoned, Epoch: e, Count: e, Cap: 3})
			}
		}, b("the set of abandoned workers holds 3, more than 2")},
		{"a wrong count of abandoned workers", func(tp *tape) {
			tp.worker(1).add(trace.Event{Kind: trace.WorkerAbandoned, Epoch: 1, Count: 1, Cap: 2}).
				worker(2).add(trace.Event{Kind: trace.WorkerAbandoned, Epoch: 2, Count: 1, Cap: 2})
		}, b("1 abandoned workers are reported alive where 2 are")},
		{"the loop's inbox", func(tp *tape) { tp.line(trace.LineIn, 1, 2, 3, 4, 5, 6, 7) },
			b("the loop inbox holds 7, more than 4")},
	})
}
