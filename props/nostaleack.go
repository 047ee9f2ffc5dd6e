package props

import (
	"fmt"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// NoStaleAck holds when an answer of an abandoned epoch changes nothing:
//
//   - the ledger after a stale answer is the ledger before it, and the step
//     that received it settles nothing;
//   - an epoch that was abandoned or replaced starts no attempt and has none
//     acknowledged: no record settles as appended under it; after its stale
//     answer none settles under it at all;
//   - an answer that is called stale is one: its epoch is not the current one.
//
// What an abandoned epoch's attempt becomes at the abandonment itself (unknown,
// with the attempts used up) is allowed, and so is what its sink still stores:
// invariants order and accounting judge that.
func NoStaleAck() trace.Checker {
	return &noStaleAck{judge: always("no-stale-ack",
		trace.RecordEmitted, trace.RecordSettled, trace.AttemptStarted, trace.AttemptEnded,
		trace.WorkerStarted, trace.WorkerAbandoned, trace.StaleAnswer)}
}

type noStaleAck struct {
	judge
	lives lives[fence]
}

// fence is what one host's epochs may still do.
type fence struct {
	current   uint64 // the latest epoch that was started
	abandoned seqs   // epochs
	stale     seqs   // epochs whose stale answer has arrived
	ledger    trace.Ledger
	seen      bool   // ledger was
	step      uint64 // of the last stale answer; 0: none, or a live run
}

func (c *noStaleAck) Observe(e *trace.Event) error {
	l := c.lives.of(e)
	f := &l.v
	err := c.observe(f, e)
	if e.Ledger != nil {
		f.ledger, f.seen = *e.Ledger, true
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l, err)
	}
	return nil
}

func (c *noStaleAck) observe(f *fence, e *trace.Event) error {
	switch e.Kind {
	case trace.WorkerStarted:
		f.current = max(f.current, e.Epoch)
	case trace.WorkerAbandoned:
		f.abandoned.add(e.Epoch)
	case trace.StaleAnswer:
		c.checked++
		f.stale.add(e.Epoch)
		f.step = e.Step
		if !f.old(e.Epoch) {
			return fmt.Errorf("an answer of epoch %d was ignored as stale, but that is the current epoch", e.Epoch)
		}
		if e.Ledger != nil && f.seen && *e.Ledger != f.ledger {
			return fmt.Errorf("a stale answer of epoch %d changed the ledger: %s", e.Epoch, differences(e.Ledger, &f.ledger))
		}
	case trace.AttemptStarted:
		if f.old(e.Epoch) {
			return fmt.Errorf("an attempt on record %d under epoch %d, which is over", e.Seq, e.Epoch)
		}
	case trace.AttemptEnded:
		if f.old(e.Epoch) && e.Result != trace.ResultHang {
			return fmt.Errorf("an attempt on record %d was answered under epoch %d, which is over", e.Seq, e.Epoch)
		}
	case trace.RecordSettled:
		return c.settled(f, e)
	}
	return nil
}

func (c *noStaleAck) settled(f *fence, e *trace.Event) error {
	c.checked++
	o := appender.Outcome(e.Outcome)
	if f.step != 0 && e.Step == f.step {
		return fmt.Errorf("record %d settled as %s in the step of a stale answer", e.Seq, o)
	}
	if e.Epoch == 0 {
		return nil
	}
	if o == appender.Appended && f.old(e.Epoch) {
		return fmt.Errorf("record %d settled as %s under epoch %d, which is over", e.Seq, o, e.Epoch)
	}
	if f.stale.has(e.Epoch) {
		return fmt.Errorf("record %d settled as %s under epoch %d after its stale answer", e.Seq, o, e.Epoch)
	}
	return nil
}

// old reports whether an epoch was abandoned or replaced.
func (f *fence) old(epoch uint64) bool {
	return epoch < f.current || f.abandoned.has(epoch)
}
