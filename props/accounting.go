package props

import (
	"fmt"
	"strings"
	"time"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// Accounting holds when, at every step, emitted = appended + failed + unknown
// + dropped + lost + pending on every host, with pending the sum of queued, in
// hand and retrying; when every record settles exactly once; and when each
// outcome is the one that the events before it allow:
//
//   - appended: it was attempted, and the sink really stored it;
//   - failed, dropped, lost: the sink never stored it, neither before nor
//     after, under whatever epoch;
//   - failed: its attempts were used up, or the circuit was open;
//   - unknown: an attempt that held it left the outcome open, or it was in
//     hand when the node went down;
//   - dropped: it was queued;
//   - lost: it was queued, or waited for a retry and was certainly not
//     stored, and its host then ended.
//
// It keeps accounts of its own, from the events alone, and compares them with
// the host's ledger in all fields. Nothing may be pending when a node crashes
// or stops. Excluded: whether a record whose outcome is unknown was stored.
func Accounting() trace.Checker {
	return &accounting{judge: always("accounting",
		trace.NodeStarted, trace.NodeCrashed, trace.NodeStopped,
		trace.RecordEmitted, trace.RecordSettled,
		trace.AttemptStarted, trace.AttemptEnded, trace.SinkStored,
		trace.CircuitOpened, trace.CircuitClosed)}
}

type accounting struct {
	judge
	lives lives[account]
}

// account is the accounting of one incarnation of a host.
type account struct {
	ledger  trace.Ledger
	limits  *trace.Limits
	streams []chain
	attempt hold
	open    bool // the circuit
	lost    bool // some record was: the host is about to end
}

// chain is one stream of records.
type chain struct {
	window   window
	unstored seqs // settled as failed, dropped or lost: must never be stored
}

// hold is the attempt that was started last.
type hold struct {
	stream uint8
	first  uint64
	count  uint64
	// early are the records that settled while in hand: whether rightly is
	// known only when the attempt's result is.
	early []early
}

type early struct {
	seq     uint64
	outcome appender.Outcome
	was     record
}

func (a *account) chain(stream uint8) *chain {
	for int(stream) >= len(a.streams) {
		a.streams = append(a.streams, chain{})
	}
	return &a.streams[stream]
}

func (c *accounting) Observe(e *trace.Event) error {
	l := c.lives.of(e)
	err := c.observe(l, e)
	if err != nil {
		return fmt.Errorf("%s: %w", l, err)
	}
	return nil
}

func (c *accounting) observe(l *life[account], e *trace.Event) error {
	a := &l.v
	if e.Kind == trace.SinkStored {
		c.checked++
		return a.store(e)
	}
	if l.ended {
		return fmt.Errorf("%v after the node had ended", e.Kind)
	}
	var err error
	switch e.Kind {
	case trace.NodeStarted:
		a.limits = limits(e)
		return nil
	case trace.NodeCrashed, trace.NodeStopped:
		c.checked++
		l.ended = true
		return a.end()
	case trace.CircuitOpened:
		a.open = true
		return nil
	case trace.CircuitClosed:
		a.open = false
		return nil
	case trace.RecordEmitted:
		err = a.emit(e)
	case trace.RecordSettled:
		err = a.settle(e)
	case trace.AttemptStarted:
		err = a.start(e)
	case trace.AttemptEnded:
		err = a.finish(e)
	}
	c.checked++
	if err != nil {
		return err
	}
	return a.compare(e)
}

func (a *account) emit(e *trace.Event) error {
	if a.lost {
		return fmt.Errorf("record %d emitted by a host that had given up records as lost", e.Seq)
	}
	if !a.chain(e.Stream).window.emit(e.Seq) {
		return fmt.Errorf("record %d emitted twice", e.Seq)
	}
	a.ledger.Emitted++
	return nil
}

func (a *account) start(e *trace.Event) error {
	if a.lost {
		return fmt.Errorf("record %d attempted by a host that had given up records as lost", e.Seq)
	}
	if seq := a.chain(e.Stream).window.start(e.Seq, e.Count); seq != 0 {
		return fmt.Errorf("record %d attempted though it is not pending", seq)
	}
	a.attempt = hold{e.Stream, e.Seq, e.Count, a.attempt.early[:0]}
	return nil
}

// finish takes what is left of an attempt out of hand, and remembers whose
// outcome it left open.
func (a *account) finish(e *trace.Event) error {
	if h := a.attempt; h.stream != e.Stream || h.first != e.Seq || h.count != e.Count {
		return fmt.Errorf("an attempt on records %d to %d ended, but records %d to %d are in hand",
			e.Seq, e.Seq+e.Count-1, h.first, h.first+h.count-1)
	}
	w := &a.chain(e.Stream).window
	acked := min(e.Cap, e.Count)
	for seq := max(e.Seq, w.first()); seq < e.Seq+e.Count; seq++ {
		r := w.at(seq)
		if r == nil {
			continue
		}
		switch e.Result {
		case trace.ResultHang, trace.ResultDeadline, trace.ResultUnknown:
			// The call may still go on, or have stored all of it.
			r.uncertain, r.doubtful = true, true
		case trace.ResultPanic:
			r.uncertain = true
			// Of what a panic left behind, only the first one that was not
			// acknowledged is certain to have been reached.
			r.doubtful = r.doubtful || seq == e.Seq+acked
		}
	}
	w.end(e.Seq, e.Count)
	for i := range a.attempt.early {
		if why := a.attempt.early[i].contradicts(e); why != "" {
			return fmt.Errorf("record %d settled as %s, but %s", a.attempt.early[i].seq, a.attempt.early[i].outcome, why)
		}
	}
	return nil
}

// contradicts says why a record that settled while in hand may not have, given
// how the attempt ended.
func (s *early) contradicts(e *trace.Event) string {
	acked := e.Seq + min(e.Cap, e.Count)
	uncertain := e.Result != trace.ResultOK && e.Result != trace.ResultError
	switch s.outcome {
	case appender.Appended:
		if s.seq >= acked {
			return fmt.Sprintf("the attempt acknowledged %d records from %d", e.Cap, e.Seq)
		}
	case appender.Unknown:
		if !uncertain && !s.was.uncertain {
			return "every attempt on it was answered"
		}
	case appender.Failed:
		if uncertain && (e.Result != trace.ResultPanic || s.seq == acked) {
			return "the attempt left open whether it was stored"
		}
	}
	return ""
}

func (a *account) settle(e *trace.Event) error {
	ch := a.chain(e.Stream)
	was, ok := ch.window.settle(e.Seq)
	if !ok {
		return fmt.Errorf("record %d settled as %s, but it is not pending", e.Seq, appender.Outcome(e.Outcome))
	}
	if was.phase == inHand {
		a.attempt.early = append(a.attempt.early, early{e.Seq, appender.Outcome(e.Outcome), was})
	}
	if why := a.forbids(was, e); why != "" {
		return fmt.Errorf("record %d settled as %s, but %s", e.Seq, appender.Outcome(e.Outcome), why)
	}
	switch appender.Outcome(e.Outcome) {
	case appender.Appended:
		a.ledger.Appended++
	case appender.Failed:
		a.ledger.Failed++
		ch.unstored.add(e.Seq)
	case appender.Unknown:
		a.ledger.Unknown++
	case appender.Dropped:
		a.ledger.Dropped++
		ch.unstored.add(e.Seq)
	case appender.Lost:
		a.ledger.Lost++
		a.lost = true
		ch.unstored.add(e.Seq)
	default:
		return fmt.Errorf("record %d settled as %s", e.Seq, appender.Outcome(e.Outcome))
	}
	return nil
}

// forbids says why a record of which was is known may not settle as e says.
func (a *account) forbids(was record, e *trace.Event) string {
	switch o := appender.Outcome(e.Outcome); o {
	case appender.Appended:
		if was.phase == queued {
			return "it was never attempted"
		}
		if !was.stored {
			return "no sink stored it"
		}
	case appender.Unknown:
		if was.phase == queued {
			return "it was never attempted"
		}
		if was.phase != inHand && !was.uncertain {
			return "every attempt on it was answered"
		}
	case appender.Dropped:
		if was.phase != queued {
			return "it was not in the queue"
		}
	case appender.Failed, appender.Lost:
		if was.stored {
			return "the sink stored it"
		}
		if was.doubtful {
			return "an attempt left open whether it was stored"
		}
		if o == appender.Lost && was.phase == inHand {
			return "it was in hand"
		}
		if o == appender.Failed && !a.open {
			if was.phase == queued {
				return "it was never attempted and the circuit is closed"
			}
			if max := orDefault(a.limits).Attempts; int(e.Attempt) < max {
				return fmt.Sprintf("only %d of %d attempts were used and the circuit is closed", e.Attempt, max)
			}
		}
	}
	return ""
}

// store compares what a sink really did with what was said of the record.
func (a *account) store(e *trace.Event) error {
	ch := a.chain(e.Stream)
	if e.Seq >= ch.window.next() {
		return fmt.Errorf("record %d stored, but never emitted", e.Seq)
	}
	if ch.unstored.has(e.Seq) {
		return fmt.Errorf("record %d stored under epoch %d, but it had settled as not stored", e.Seq, e.Epoch)
	}
	if r := ch.window.at(e.Seq); r != nil {
		if r.phase == queued {
			return fmt.Errorf("record %d stored, but never attempted", e.Seq)
		}
		r.stored = true
	}
	return nil
}

// end judges a host at its node's end: nothing may be left pending.
func (a *account) end() error {
	for i := range a.streams {
		w := &a.streams[i].window
		if n := w.pending(); n > 0 {
			return fmt.Errorf("%d records of stream %d, the first of them %d, were pending when the node ended", n, i, w.first())
		}
		a.streams[i].window.recs = nil
	}
	return nil
}

// compare holds the host's ledger against the checker's own.
func (a *account) compare(e *trace.Event) error {
	if e.Ledger == nil {
		return fmt.Errorf("%v without a ledger", e.Kind)
	}
	own := &a.ledger
	own.Queued, own.InHand, own.Retrying = 0, 0, 0
	for i := range a.streams {
		w := &a.streams[i].window
		own.Queued += w.counts[queued]
		own.InHand += w.counts[inHand]
		own.Retrying += w.counts[retrying]
	}
	if *own == *e.Ledger {
		return nil
	}
	return fmt.Errorf("at %v of record %d the ledger says %s", e.Kind, e.Seq, differences(e.Ledger, own))
}

// differences names the fields in which the host's ledger is wrong.
func differences(host, own *trace.Ledger) string {
	var s []string
	for _, f := range []struct {
		name      string
		host, own uint64
	}{
		{"emitted", host.Emitted, own.Emitted},
		{"appended", host.Appended, own.Appended},
		{"failed", host.Failed, own.Failed},
		{"unknown", host.Unknown, own.Unknown},
		{"dropped", host.Dropped, own.Dropped},
		{"lost", host.Lost, own.Lost},
		{"queued", host.Queued, own.Queued},
		{"in hand", host.InHand, own.InHand},
		{"retrying", host.Retrying, own.Retrying},
	} {
		if f.host != f.own {
			s = append(s, fmt.Sprintf("%s %d where %d is right", f.name, f.host, f.own))
		}
	}
	return strings.Join(s, ", ")
}

// Finish judges hosts that gave records up as lost and yet never ended.
func (c *accounting) Finish(time.Duration) error {
	for _, l := range c.lives.newest {
		if l != nil && l.v.lost && !l.ended {
			return fmt.Errorf("%s: %d records were lost, but the node never went down", l, l.v.ledger.Lost)
		}
	}
	return nil
}
