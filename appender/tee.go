package appender

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// Tee appends every record to each of several sinks, one after the other. What
// one does never changes a sibling: it may fail or panic. But it takes its time:
// a sink that may hang belongs behind a host of its own.
//
// A call succeeds if every sink has stored everything. Otherwise n is what all
// of them have stored, and the error joins those of the sinks that stopped
// there, each with its number. If a sibling has stored more, the outcome of the
// rest is unknown ([ErrUnknownOutcome]). Tried again, as by a [Retry] with
// Idempotent set, each record goes only to the sinks that lack it.
type Tee struct {
	sinks    []*teeSink
	errs     []error // of the call in hand, by sink; nil while all is well
	behind   bool    // some sink lacks what another has
	accepted atomic.Uint64
	failed   atomic.Uint64
}

// teeSink is one sink, and by how much it is ahead of the others.
type teeSink struct {
	*Guard
	number int
	ahead  []recordID // stored here, but not acknowledged to the caller
	todo   []Record
	last   []int
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
	for i, s := range sinks {
		t.sinks = append(t.sinks, &teeSink{Guard: NewGuard(s), number: i + 1})
	}
	return t
}

// Append stores rec in every sink.
func (t *Tee) Append(ctx context.Context, rec Record) error {
	if err := ctx.Err(); err != nil {
		t.failed.Add(1)
		return err
	}
	for i := 0; i < len(t.sinks); {
		i = t.from(ctx, i, rec)
	}
	if t.errs == nil && !t.behind {
		t.accepted.Add(1)
		return nil
	}
	return t.told(&rec)
}

// from appends rec to the sinks from the i-th on. A panic ends it, and is that
// sink's error: it returns where to go on.
func (t *Tee) from(ctx context.Context, i int, rec Record) (next int) {
	next = len(t.sinks)
	defer t.caught(&i, &next)
	for ; i < len(t.sinks); i++ {
		s := t.sinks[i]
		if len(s.ahead) > 0 && slices.Contains(s.ahead, identity(&rec)) {
			continue
		}
		if err := s.inner.Append(ctx, rec); err != nil {
			t.failure(i, err)
		} else {
			s.accepted.Add(1)
		}
	}
	return next
}

// caught is deferred by from.
func (t *Tee) caught(i, next *int) {
	if v := recover(); v != nil {
		t.failure(*i, panicked(v))
		t.sinks[*i].panics.Add(1)
		*next = *i + 1
	}
}

func (t *Tee) failure(i int, err error) {
	if t.errs == nil {
		t.errs = make([]error, len(t.sinks))
	}
	t.errs[i] = t.sinks[i].named(err)
	t.sinks[i].failed.Add(1)
}

// told makes an answer of what the sinks said to rec, and remembers which of
// them have it.
func (t *Tee) told(rec *Record) error {
	errs := t.errs
	t.errs, t.behind = nil, false
	some := false
	for i, s := range t.sinks {
		s.ahead = s.ahead[:0]
		if errs != nil && errs[i] == nil {
			s.ahead = append(s.ahead, identity(rec))
			some, t.behind = true, true
		}
	}
	if errs == nil {
		t.accepted.Add(1)
		return nil
	}
	t.failed.Add(1)
	return teeError(errs, some)
}

// AppendBatch stores recs in every sink.
func (t *Tee) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	if err := ctx.Err(); err != nil {
		t.failed.Add(1)
		return 0, err
	}
	t.behind = false
	n, most := len(recs), 0
	var stored []int
	var errs []error
	for _, s := range t.sinks {
		k, err := s.batch(ctx, recs)
		if err != nil {
			if errs == nil {
				stored, errs = make([]int, len(t.sinks)), make([]error, len(t.sinks))
				for i := range stored {
					stored[i] = len(recs)
				}
			}
			stored[s.number-1], errs[s.number-1] = k, s.named(err)
			n = min(n, k)
		}
		most = max(most, k)
	}
	t.accepted.Add(uint64(n))
	for _, s := range t.sinks {
		s.ahead = s.ahead[:0]
	}
	if errs == nil {
		return n, nil
	}
	for i, s := range t.sinks {
		for j := n; j < stored[i]; j++ {
			s.ahead = append(s.ahead, identity(&recs[j]))
			t.behind = true
		}
		if stored[i] > n {
			errs[i] = nil // it is about a record behind
		}
	}
	t.failed.Add(1)
	return n, teeError(errs, most > n)
}

// batch appends those of recs that the sink lacks, and answers for all.
func (s *teeSink) batch(ctx context.Context, recs []Record) (int, error) {
	if len(s.ahead) == 0 {
		n, err := s.AppendBatch(ctx, recs)
		return short(n, len(recs), err)
	}
	s.todo, s.last = s.todo[:0], s.last[:0]
	for i := range recs {
		if !slices.Contains(s.ahead, identity(&recs[i])) {
			s.todo, s.last = append(s.todo, recs[i]), append(s.last, i)
		}
	}
	n, err := s.AppendBatch(ctx, s.todo)
	n, err = short(n, len(s.todo), err)
	clear(s.todo)
	if n == len(s.todo) {
		return len(recs), nil
	}
	return s.last[n], err
}

func (s *teeSink) named(err error) error { return fmt.Errorf("tee: sink %d: %w", s.number, err) }

// teeError joins what there is of errs.
func teeError(errs []error, ahead bool) error {
	err := errors.Join(errs...)
	if ahead && !errors.Is(err, ErrUnknownOutcome) {
		err = fmt.Errorf("%w: stored by some: %w", ErrUnknownOutcome, err)
	}
	return err
}

// Flush flushes every sink, and joins what they say.
func (t *Tee) Flush(ctx context.Context) error {
	return t.each(func(s *teeSink) error { return s.Flush(ctx) })
}

// Close closes every sink, and joins what they say.
func (t *Tee) Close() error { return t.each((*teeSink).Close) }

func (t *Tee) each(f func(*teeSink) error) error {
	var errs []error
	for _, s := range t.sinks {
		if err := f(s); err != nil {
			errs = append(errs, s.named(err))
		}
	}
	return errors.Join(errs...)
}

// Stats counts what the caller was told. The sinks' own counts are [Tee.Sinks].
func (t *Tee) Stats() Stats {
	n := t.accepted.Load()
	return Stats{Accepted: n, Delivered: n, Failed: t.failed.Load()}
}

// Sinks counts what each sink answered, in the order of NewTee.
func (t *Tee) Sinks() []Stats {
	all := make([]Stats, len(t.sinks))
	for i, s := range t.sinks {
		all[i] = s.Stats()
	}
	return all
}
