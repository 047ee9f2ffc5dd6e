package appender

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
)

// What a [Tee] remembers of records that only some of its sinks have.
const (
	// teeRecords bounds how many per sink, beside those of the call in hand.
	teeRecords = 4096
	// teeCalls is for how many calls, unless the record is in them.
	teeCalls = 1024
)

// Tee appends every record to each of several sinks, one after the other, in
// the order in which they were given. What one does never changes a sibling: it
// may fail or panic. But it takes its time, and the context's: a sink that may
// hang belongs behind a host of its own.
//
// A call succeeds if every sink has stored everything. Otherwise n is what all
// of them have stored, and the error joins those of the sinks that stopped
// there, each with the sink's number, from 1. Where some sinks have stored more
// than that, [ErrUnknownOutcome] is in the error.
//
// A record that only some have is remembered, by its identity: when it is
// appended again, it goes to those alone that lack it. So a [Retry] around a Tee
// stores each record once in each sink; that goes for its default options,
// unless a sink itself does not know what it has stored. Bounds are set to this
// memory: 4,096 records a sink beside those of the latest call, and 1,024 calls.
// Only calls that find something remembered, or add to it, allocate.
type Tee struct {
	sinks []*teeSink
	one   [1]Record
	calls uint64 // that some sink was behind in
	// behind says that some sink lacks what another has.
	behind   bool
	accepted atomic.Uint64
	failed   atomic.Uint64

	mu sync.Mutex // of the sinks' counts; never held during a call
}

// teeSink is one sink, and by how much it is ahead of the others.
type teeSink struct {
	guard Guard
	// ahead holds the records that are stored here and not acknowledged to the
	// caller, each with the call that last had it.
	ahead map[recordID]uint64
	todo  []Record
	last  []int // by todo: where in the batch it was

	// extra is what is stored here beyond what the Tee has acknowledged, so
	// that a call which succeeds counts once, not once a sink.
	extra  int64
	failed uint64
}

// recordID is a record's identity.
type recordID struct {
	node        string
	seq         uint64
	incarnation uint32
	stream      uint8
}

func identity(rec *Record) recordID {
	return recordID{node: rec.Node, seq: rec.Seq, incarnation: rec.Incarnation, stream: rec.Stream}
}

var (
	_ BatchAppender = (*Tee)(nil)
	_ Flusher       = (*Tee)(nil)
	_ Statser       = (*Tee)(nil)
)

// NewTee appends to each of sinks.
func NewTee(sinks ...Appender) *Tee {
	t := &Tee{}
	for _, s := range sinks {
		t.sinks = append(t.sinks, &teeSink{guard: Guard{wrapped: wrapped{inner: s}}, ahead: map[recordID]uint64{}})
	}
	return t
}

// Append stores rec in every sink.
func (t *Tee) Append(ctx context.Context, rec Record) (err error) {
	if err := ctx.Err(); err != nil {
		t.failed.Add(1)
		return err
	}
	if t.behind {
		return t.appendOne(ctx, &rec, 0, nil)
	}
	i := 0
	defer func() {
		if i == len(t.sinks) {
			return // recover would cost a nanosecond
		}
		if v := recover(); v != nil {
			t.sinks[i].guard.panics.Add(1)
			err = t.appendOne(ctx, &rec, i+1, panicked(v, &rec))
		}
	}()
	for ; i < len(t.sinks); i++ {
		if err := t.sinks[i].guard.inner.Append(ctx, rec); err != nil {
			return t.appendOne(ctx, &rec, i+1, err)
		}
	}
	t.accepted.Add(1)
	return nil
}

// appendOne goes on with an append of which the first tried sinks are through:
// all of them have rec, but the last of them, if err is not nil.
func (t *Tee) appendOne(ctx context.Context, rec *Record, tried int, err error) error {
	t.one[0] = *rec
	_, err = t.appendSome(ctx, t.one[:], tried, 0, err)
	t.one[0] = Record{}
	return err
}

// AppendBatch stores recs in every sink.
func (t *Tee) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	if err := ctx.Err(); err != nil {
		t.failed.Add(1)
		return 0, err
	}
	if t.behind {
		return t.appendSome(ctx, recs, 0, 0, nil)
	}
	for i, s := range t.sinks {
		if n, err := s.append(ctx, recs); err != nil {
			return t.appendSome(ctx, recs, i+1, n, err)
		}
	}
	t.accepted.Add(uint64(len(recs)))
	return len(recs), nil
}

// appendSome is a call that is not as simple as that: some sink is ahead of
// another. The first tried sinks are through; they have stored everything, but
// the last of them only n, if err is not nil.
func (t *Tee) appendSome(ctx context.Context, recs []Record, tried, n int, err error) (int, error) {
	stored := make([]int, len(t.sinks)) // how much of recs each sink has
	fresh := make([]int, len(t.sinks))  // how much of that is stored by this call
	errs := make([]error, len(t.sinks))
	for i, s := range t.sinks {
		switch {
		case i >= tried:
			stored[i], fresh[i], errs[i] = s.appendMissing(ctx, recs)
		case i == tried-1 && err != nil:
			stored[i], fresh[i], errs[i] = n, n, err
		default:
			stored[i], fresh[i] = len(recs), len(recs)
		}
	}
	n = len(recs)
	for _, k := range stored {
		n = min(n, k)
	}
	t.remember(recs, n, stored)
	t.count(n, fresh, errs)
	return n, t.failure(n, stored, errs)
}

// append is a call of the sink. An error means that n < len(recs).
func (s *teeSink) append(ctx context.Context, recs []Record) (n int, err error) {
	n, err = s.guard.AppendBatch(ctx, recs)
	return short(n, len(recs), err)
}

// appendMissing appends those of recs that the sink lacks. It has the first
// stored of recs then, of which fresh ones are new.
func (s *teeSink) appendMissing(ctx context.Context, recs []Record) (stored, fresh int, err error) {
	if len(s.ahead) == 0 {
		n, err := s.append(ctx, recs)
		return n, n, err
	}
	s.todo, s.last = s.todo[:0], s.last[:0]
	for i := range recs {
		if _, has := s.ahead[identity(&recs[i])]; !has {
			s.todo, s.last = append(s.todo, recs[i]), append(s.last, i)
		}
	}
	if len(s.todo) == 0 {
		return len(recs), 0, nil
	}
	fresh, err = s.append(ctx, s.todo)
	clear(s.todo)
	if err != nil {
		return s.last[fresh], fresh, err
	}
	return len(recs), fresh, nil
}

// remember notes who has what of a call of which n records are acknowledged.
func (t *Tee) remember(recs []Record, n int, stored []int) {
	t.calls++
	t.behind = false
	for i, s := range t.sinks {
		for j := range recs {
			id := identity(&recs[j])
			_, has := s.ahead[id]
			switch {
			case j < n && has:
				delete(s.ahead, id)
			case j >= n && (has || j < stored[i]):
				s.ahead[id] = t.calls
			}
		}
		// What is forgotten does not depend on the order of the map.
		oldest := uint64(0)
		switch {
		case len(s.ahead) > teeRecords:
			oldest = t.calls
		case t.calls%teeCalls == 0:
			oldest = t.calls - teeCalls + 1
		}
		if oldest > 0 {
			maps.DeleteFunc(s.ahead, func(_ recordID, call uint64) bool { return call < oldest })
		}
		t.behind = t.behind || len(s.ahead) > 0
	}
}

// count counts a call of which n records are acknowledged.
func (t *Tee) count(n int, fresh []int, errs []error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.accepted.Add(uint64(n))
	for i, s := range t.sinks {
		s.extra += int64(fresh[i] - n)
		if errs[i] != nil {
			s.failed++
		}
	}
}

// failure is the error of a call of which n records are acknowledged.
func (t *Tee) failure(n int, stored []int, errs []error) error {
	some, resumes, there := false, true, []error(nil)
	for i, err := range errs {
		some = some || stored[i] > n
		if err == nil {
			continue
		}
		resumes = resumes && !unsettled(err)
		if stored[i] == n { // else it is about a record behind
			there = append(there, fmt.Errorf("tee: sink %d: %w", i+1, err))
		}
	}
	if there == nil {
		return nil
	}
	t.failed.Add(1)
	err := errors.Join(there...)
	switch {
	case some && resumes:
		return &partialError{err}
	case some:
		return fmt.Errorf("%w: stored by some: %w", ErrUnknownOutcome, err)
	}
	return err
}

// Flush flushes every sink, and joins what they say.
func (t *Tee) Flush(ctx context.Context) error {
	return t.each(func(s *teeSink) error { return s.guard.Flush(ctx) })
}

// Close closes every sink, and joins what they say.
func (t *Tee) Close() error {
	return t.each(func(s *teeSink) error { return s.guard.Close() })
}

func (t *Tee) each(f func(*teeSink) error) error {
	var errs []error
	for i, s := range t.sinks {
		if err := f(s); err != nil {
			errs = append(errs, fmt.Errorf("tee: sink %d: %w", i+1, err))
		}
	}
	return errors.Join(errs...)
}

// Stats counts what the caller was told: Accepted and Delivered are records that
// every sink has, Failed the calls that were answered with an error.
func (t *Tee) Stats() Stats {
	n := t.accepted.Load()
	return Stats{Accepted: n, Delivered: n, Failed: t.failed.Load()}
}

// Sinks counts what each sink has stored, and its calls that failed, in the
// order of NewTee.
func (t *Tee) Sinks() []Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Stats, len(t.sinks))
	for i, s := range t.sinks {
		n := uint64(int64(t.accepted.Load()) + s.extra)
		all[i] = Stats{Accepted: n, Delivered: n, Failed: s.failed}
	}
	return all
}

// Panics counts the panics of sinks that were turned into errors.
func (t *Tee) Panics() uint64 {
	n := uint64(0)
	for _, s := range t.sinks {
		n += s.guard.Panics()
	}
	return n
}
