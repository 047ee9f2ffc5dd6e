package actors

import (
	"fmt"
	"sync"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// gate says what becomes of a record that a loop hands over.
type gate uint8

const (
	// gateOpen: it is queued.
	gateOpen gate = iota
	// gateProbe: it is queued if the probe's batch has room, else as gateShut.
	gateProbe
	// gateShut: the circuit is open, it is settled as failed at once.
	gateShut
	// gateGone: the node has ended, nothing is taken any more.
	gateGone
)

// item is a record on its way into the appender.
type item struct {
	rec      appender.Record
	attempts uint32 // that it was the first not to be stored by
	// possibly stored: by a call that did not say.
	possibly bool
	// suspect: it was in hand in a batch that ended without saying how far it
	// had come, so it is tried alone, lest it take others with it again.
	suspect bool
}

// run is a run of consecutive records of one stream that settled alike.
type run struct {
	first, count uint64
	outcome      appender.Outcome
}

// ledger is a host's queue and its accounting. The loop puts records in, the
// host takes them out. What its lock guards is what its events say: an event is
// observed under the lock, right after the change it tells of.
//
//	(1) Emitted = Appended + Failed + Unknown + Dropped + Lost + Queued + InHand + Retrying.
//	(2) Queued = len(queue), InHand = len(hand), Retrying = len(retry).
//	(3) hand, then retry, then queue: records of a stream ascend, without a gap
//	    but for what is settled.
//	(4) Every record is settled exactly once, and its settlement goes to the
//	    loop exactly once.
type ledger struct {
	n  *Node
	mu sync.Mutex // live

	trace.Ledger
	queue appender.Ring[appender.Record]
	hand  []item
	retry []item // capacity: a batch
	gate  gate
	woken bool // a kindRecords is on its way to the host

	// settled is what the loop has not been told yet. Between two of its
	// steps no more records can settle than were pending.
	settled appender.Ring[run]
	told    bool // a kindSettled is on its way to the loop

	highest int
	stats   HostStats
}

func (l *ledger) init(n *Node) {
	h := &n.o.Host
	l.n = n
	inbox := h.Inbox
	if broken == mutantInboxUnbounded {
		inbox = 1 << 30
	}
	l.queue = *appender.NewRing[appender.Record](inbox)
	l.settled = *appender.NewRing[run](h.Inbox + 2*h.Batch + 1)
}

func (l *ledger) lock() {
	if l.n.rt.drv == nil {
		l.mu.Lock()
	}
}

func (l *ledger) unlock() {
	if l.n.rt.drv == nil {
		l.mu.Unlock()
	}
}

// emit takes the records that the loop hands over, never waiting. It reports
// whether the host must be woken: at most one wake-up is on its way.
func (l *ledger) emit(recs []appender.Record) (wake bool) {
	l.lock()
	defer l.unlock()
	for i := range recs {
		l.admit(&recs[i])
	}
	if l.woken || l.queue.Len() == 0 || l.gate == gateShut || l.gate == gateGone {
		return false
	}
	l.woken = true
	return true
}

// admit takes one record. A full inbox makes room first, so that it never
// holds more than it may.
func (l *ledger) admit(rec *appender.Record) {
	if l.gate == gateGone {
		return
	}
	if l.queue.Len() == l.queue.Cap() {
		if broken == mutantInboxDropsNewest {
			for range l.queue.Len() - 1 { // it comes to the front
				r, _ := l.queue.Pop()
				l.queue.Push(r)
			}
		}
		oldest, _ := l.queue.Pop()
		l.Queued--
		if broken != mutantEvictedNeverSettled {
			l.settle(&oldest, appender.Dropped, 0, 0)
		}
	}
	if l.gate == gateShut || l.gate == gateProbe && l.queue.Len() >= l.n.o.Host.Batch {
		l.refuse(rec, appender.Failed)
		return
	}
	l.queue.Push(*rec)
	l.Emitted++
	l.Queued++
	l.record(trace.RecordEmitted, rec, appender.Pending, 0, 0)
	if n := l.queue.Len(); n > l.highest {
		l.highest = n
		l.n.depth("host-inbox", n, l.n.o.Host.Inbox)
	}
}

// refuse takes a record and settles it at once.
func (l *ledger) refuse(rec *appender.Record, o appender.Outcome) {
	l.Emitted++
	l.Queued++
	l.record(trace.RecordEmitted, rec, appender.Pending, 0, 0)
	l.Queued--
	l.settle(rec, o, 0, 0)
}

// settle counts what became of a record that was just taken out of wherever it
// was, tells, and leaves word for the loop.
func (l *ledger) settle(rec *appender.Record, o appender.Outcome, epoch uint64, attempt uint32) {
	switch o {
	case appender.Appended:
		l.Appended++
		if broken == mutantAppendedTwice && l.Appended%7 == 0 {
			l.Appended++
		}
	case appender.Failed:
		l.Failed++
	case appender.Unknown:
		l.Unknown++
	case appender.Dropped:
		l.Dropped++
	case appender.Lost:
		l.Lost++
	default:
		panic(fmt.Sprintf("actors: record %d settled as %v", rec.Seq, o))
	}
	l.record(trace.RecordSettled, rec, o, epoch, attempt)
	l.n.unsettled.Store(true)
	if n := l.settled.Len(); n > 0 {
		if last := l.settled.Ptr(n - 1); last.outcome == o && last.first+last.count == rec.Seq {
			last.count++
			return
		}
	}
	if _, dropped := l.settled.Push(run{rec.Seq, 1, o}); dropped {
		panic("actors: more settlements than records were pending: accounting is broken")
	}
}

// record tells of a change.
func (l *ledger) record(k trace.Kind, rec *appender.Record, o appender.Outcome, epoch uint64, attempt uint32) {
	if !l.n.wants.Has(k) {
		return
	}
	e := l.n.begin(k)
	e.Stream, e.Seq, e.Outcome = rec.Stream, rec.Seq, uint8(o)
	e.Epoch, e.Attempt, e.Ledger = epoch, attempt, l.shown()
	l.n.end(e)
}

// shown is the ledger as events show it.
func (l *ledger) shown() *trace.Ledger {
	if broken == mutantPendingByRemainder {
		wrong := l.Ledger
		if wrong.Appended > 0 && wrong.Queued+wrong.InHand > 1 {
			wrong.Queued, wrong.InHand = wrong.Queued+wrong.InHand, 0
		}
		return &wrong
	}
	return &l.Ledger
}

// take puts the next batch in hand, at most size records: of those to be tried
// again, else of the queue; consecutive numbers of one stream; a suspect alone.
func (l *ledger) take(size int) []item {
	l.hand = l.hand[:0]
	if len(l.retry) > 0 && (broken != mutantRetryToTheBack || l.queue.Len() == 0) {
		k := 1
		for !l.retry[0].suspect && k < min(size, len(l.retry)) && follows(&l.retry[k-1].rec, &l.retry[k].rec) && !l.retry[k].suspect {
			k++
		}
		l.hand = append(l.hand, l.retry[:k]...)
		kept := copy(l.retry, l.retry[k:])
		clear(l.retry[kept:])
		l.retry = l.retry[:kept]
		l.Retrying -= uint64(k)
		l.InHand += uint64(k)
		return l.hand
	}
	for len(l.hand) < size && l.queue.Len() > 0 {
		rec := l.queue.Ptr(0)
		if k := len(l.hand); k > 0 && !follows(&l.hand[k-1].rec, rec) {
			break
		}
		l.hand = append(l.hand, item{rec: *rec})
		l.queue.Discard(1)
		l.Queued--
		l.InHand++
	}
	return l.hand
}

func follows(a, b *appender.Record) bool { return a.Stream == b.Stream && a.Seq+1 == b.Seq }

// giveUp settles everything that is pending, oldest first: at a crash, at a
// stop's deadline, or as the circuit opens (queued: Failed).
func (l *ledger) giveUp(queued appender.Outcome) {
	for i := range l.hand {
		l.InHand--
		l.settle(&l.hand[i].rec, appender.Unknown, 0, l.hand[i].attempts)
	}
	l.hand = emptied(l.hand)
	for i := range l.retry {
		it := &l.retry[i]
		l.Retrying--
		o := queued
		if it.possibly {
			o = appender.Unknown
		}
		l.settle(&it.rec, o, 0, it.attempts)
	}
	l.retry = emptied(l.retry)
	for l.queue.Len() > 0 {
		rec, _ := l.queue.Pop()
		l.Queued--
		l.settle(&rec, queued, 0, 0)
	}
}

func emptied[T any](s []T) []T {
	clear(s)
	return s[:0]
}

// audit recomputes what is pending from where the records are, and checks the
// invariants.
func (l *ledger) audit() error {
	l.lock()
	defer l.unlock()
	g := &l.Ledger
	if q, h, r := uint64(l.queue.Len()), uint64(len(l.hand)), uint64(len(l.retry)); q != g.Queued || h != g.InHand || r != g.Retrying {
		return fmt.Errorf("actors: ledger invariant 2: %d queued, %d in hand, %d retrying where %d, %d and %d are", g.Queued, g.InHand, g.Retrying, q, h, r)
	}
	if sum := g.Appended + g.Failed + g.Unknown + g.Dropped + g.Lost + g.Pending(); sum != g.Emitted {
		return fmt.Errorf("actors: ledger invariant 1: %d emitted, %d accounted for", g.Emitted, sum)
	}
	var last *appender.Record
	check := func(rec *appender.Record) error {
		if last != nil && last.Stream == rec.Stream && rec.Seq <= last.Seq {
			return fmt.Errorf("actors: ledger invariant 3: record %d behind %d", rec.Seq, last.Seq)
		}
		last = rec
		return nil
	}
	for _, part := range [][]item{l.hand, l.retry} {
		for i := range part {
			if err := check(&part[i].rec); err != nil {
				return err
			}
		}
	}
	for i := range l.queue.Len() {
		if err := check(l.queue.Ptr(i)); err != nil {
			return err
		}
	}
	return nil
}
