package props_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/props"
	"meshsim/sim/trace"
)

const ms = time.Millisecond

// tape is a stream of events written by hand, as a right host would emit them
// or as a broken one would: it keeps the ledger that a right host would show,
// and lets a test forge it.
type tape struct {
	events []trace.Event
	now    time.Duration
	step   uint64
	node   uint32
	inc    uint32
	ledger trace.Ledger
	where  map[uint64]string // of each record that is pending: queued, hand, retry
	forge  func(*trace.Ledger)
	limits trace.Limits
}

func newTape() *tape {
	t := &tape{node: 1, limits: trace.Limits{
		Inbox: 4, LoopInbox: 4, Ring: 8, Batch: 3, Attempts: 2, Abandoned: 2,
		Backoff: 50 * ms, MaxBackoff: 400 * ms, Deadline: 1000 * ms, Grace: 250 * ms, Probe: 1000 * ms,
		Restarts: 3, RestartWindow: 10000 * ms, RestartBackoff: 50 * ms, RestartMaxBackoff: 400 * ms,
	}}
	t.boot()
	return t
}

// boot starts the node's next incarnation.
func (t *tape) boot() *tape {
	t.inc++
	t.where = make(map[uint64]string)
	t.ledger = trace.Ledger{}
	l := t.limits
	t.add(trace.Event{Kind: trace.NodeStarted, Limits: &l})
	return t.armed(t.now + 1000*time.Hour)
}

func (t *tape) add(e trace.Event) *tape {
	t.step++
	e.Node, e.Incarnation, e.Time, e.Step = t.node, t.inc, t.now, t.step
	t.events = append(t.events, e)
	return t
}

// sameStep puts the last event into the step of the one before it.
func (t *tape) sameStep() *tape {
	t.step--
	t.events[len(t.events)-1].Step = t.step
	return t
}

func (t *tape) addLedger(e trace.Event) *tape {
	g := t.ledger
	for _, p := range t.where {
		switch p {
		case "queued":
			g.Queued++
		case "hand":
			g.InHand++
		case "retry":
			g.Retrying++
		}
	}
	if t.forge != nil {
		t.forge(&g)
		t.forge = nil
	}
	e.Ledger = &g
	return t.add(e)
}

// forging makes the next ledger a wrong one.
func (t *tape) forging(f func(*trace.Ledger)) *tape { t.forge = f; return t }

func (t *tape) wait(d time.Duration) *tape { t.now += d; return t }

func (t *tape) emit(seqs ...uint64) *tape {
	for _, s := range seqs {
		t.ledger.Emitted++
		t.where[s] = "queued"
		t.addLedger(trace.Event{Kind: trace.RecordEmitted, Seq: s})
	}
	return t
}

// worker starts and opens the worker of an epoch.
func (t *tape) worker(epoch uint64) *tape {
	return t.add(trace.Event{Kind: trace.WorkerStarted, Epoch: epoch}).
		add(trace.Event{Kind: trace.WorkerOpened, Epoch: epoch})
}

func (t *tape) try(epoch uint64, attempt uint32, first, count uint64) *tape {
	for s := first; s < first+count; s++ {
		if t.where[s] != "" {
			t.where[s] = "hand"
		}
	}
	return t.addLedger(trace.Event{Kind: trace.AttemptStarted, Epoch: epoch, Attempt: attempt, Seq: first, Count: count})
}

func (t *tape) store(epoch uint64, seqs ...uint64) *tape {
	for _, s := range seqs {
		t.add(trace.Event{Kind: trace.SinkStored, Epoch: epoch, Seq: s})
	}
	return t
}

func (t *tape) done(epoch uint64, attempt uint32, first, count uint64, r trace.Result, acked uint64) *tape {
	for s := first; s < first+count; s++ {
		if t.where[s] == "hand" {
			t.where[s] = "retry"
		}
	}
	return t.addLedger(trace.Event{Kind: trace.AttemptEnded, Epoch: epoch, Attempt: attempt,
		Seq: first, Count: count, Result: r, Cap: acked})
}

func (t *tape) settle(o appender.Outcome, epoch uint64, attempt uint32, seqs ...uint64) *tape {
	for _, s := range seqs {
		delete(t.where, s)
		switch o {
		case appender.Appended:
			t.ledger.Appended++
		case appender.Failed:
			t.ledger.Failed++
		case appender.Unknown:
			t.ledger.Unknown++
		case appender.Dropped:
			t.ledger.Dropped++
		case appender.Lost:
			t.ledger.Lost++
		}
		t.addLedger(trace.Event{Kind: trace.RecordSettled, Seq: s, Outcome: uint8(o), Epoch: epoch, Attempt: attempt})
	}
	return t
}

// append takes records first to last through one attempt that succeeds.
func (t *tape) append(epoch uint64, first, last uint64) *tape {
	t.try(epoch, 1, first, last-first+1)
	for s := first; s <= last; s++ {
		t.store(epoch, s)
	}
	for s := first; s <= last; s++ {
		t.settle(appender.Appended, epoch, 1, s)
	}
	return t.done(epoch, 1, first, last-first+1, trace.ResultOK, last-first+1)
}

func (t *tape) armed(due time.Duration) *tape {
	return t.add(trace.Event{Kind: trace.TickArmed, Deadline: due, Count: 1})
}

func (t *tape) simple(kinds ...trace.Kind) *tape {
	for _, k := range kinds {
		t.add(trace.Event{Kind: k})
	}
	return t
}

func (t *tape) line(k trace.Kind, seqs ...uint64) *tape {
	for _, s := range seqs {
		t.add(trace.Event{Kind: k, Seq: s})
	}
	return t
}

// judgeBy shows a tape to a checker as a run does: events in order, Expire as
// soon as its time has come, until end; then Finish.
func judgeBy(c trace.Checker, events []trace.Event, end time.Duration) error {
	kinds := trace.AllKinds
	if i, ok := c.(trace.Interested); ok {
		kinds = i.Kinds()
	}
	expire := func(now time.Duration) error {
		for {
			at, ok := c.Next()
			if !ok || at > now {
				return nil
			}
			if err := c.Expire(at); err != nil {
				return err
			}
			if again, ok := c.Next(); ok && again <= at {
				return fmt.Errorf("Expire at %v left itself owed at %v", at, again)
			}
		}
	}
	for i := range events {
		e := events[i]
		if err := expire(e.Time); err != nil {
			return err
		}
		if kinds.Has(e.Kind) {
			if err := c.Observe(&e); err != nil {
				return err
			}
		}
	}
	if err := expire(end); err != nil {
		return err
	}
	return c.Finish(end)
}

// story is a tape with what each invariant says about it: the names of those
// that it violates, with a part of what they say.
type story struct {
	name   string
	tell   func(*tape)
	breaks map[string]string
}

func tellAll(t *testing.T, stories []story) {
	t.Helper()
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			tp := newTape()
			s.tell(tp)
			var broken []string
			for _, mk := range props.All() {
				c := mk()
				err := judgeBy(c, tp.events, tp.now)
				if err == nil {
					continue
				}
				broken = append(broken, c.Name())
				if want, ok := s.breaks[c.Name()]; ok {
					require.ErrorContains(t, err, want)
				} else {
					t.Errorf("%s: %v", c.Name(), err)
				}
			}
			require.Len(t, broken, len(s.breaks), "violated: %v, wanted: %v", broken, s.breaks)
			require.False(t, slices.Contains(broken, ""))
		})
	}
}
