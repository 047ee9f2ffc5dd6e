package appender

import (
	"context"
	"io"
	"sync/atomic"
)

// wrapped is what every wrapper around one appender is made of: what it passes
// on untouched, and its counts.
//
// A wrapper is used as an appender is, one call at a time; its counts may be read
// at any time. No lock is held while it sleeps or calls. The usual order, from
// the outside: what leaves records out (Filter, Sample, Limit), Retry, Breaker,
// Guard.
type wrapped struct {
	inner    Appender
	accepted atomic.Uint64
	failed   atomic.Uint64
}

// Unwrap returns the appender inside: see [As].
func (w *wrapped) Unwrap() Appender { return w.inner }

// Flush flushes the appender inside.
func (w *wrapped) Flush(ctx context.Context) error { return Flush(ctx, w.inner) }

// Close closes the appender inside.
func (w *wrapped) Close() error { return Close(w.inner) }

// Stats counts what went through: Accepted and Delivered are the records that
// were acknowledged, Failed the calls that were answered with an error.
func (w *wrapped) Stats() Stats {
	n := w.accepted.Load()
	return Stats{Accepted: n, Delivered: n, Failed: w.failed.Load()}
}

// answered counts an answer and returns it.
func (w *wrapped) answered(n int, err error) (int, error) {
	if n > 0 {
		w.accepted.Add(uint64(n))
	}
	if err != nil {
		w.failed.Add(1)
	}
	return n, err
}

// answeredOne is answered for a call of one record.
func (w *wrapped) answeredOne(err error) error {
	if err != nil {
		w.failed.Add(1)
		return err
	}
	w.accepted.Add(1)
	return nil
}

// Wrap is open with what it opens wrapped: wrap is called once an epoch, so
// every epoch begins with fresh wrappers. Where open fails, or opens nothing,
// wrap is not called.
func Wrap(open Opener, wrap func(Appender, Env) Appender) Opener {
	return func(ctx context.Context, env Env) (Appender, error) {
		a, err := open(ctx, env)
		if err != nil || a == nil {
			return a, err
		}
		return wrap(a, env), nil
	}
}

// short gives an answer that breaks the contract of BatchAppender the error that
// it lacks, and n its bounds: a wrapper relies on both.
func short(n, of int, err error) (int, error) {
	n = min(max(n, 0), of)
	switch {
	case n == of:
		return n, nil // whatever it says, it says that all are stored
	case err == nil:
		return n, io.ErrShortWrite
	}
	return n, err
}

// dropping is what wrappers share that keep some records from the appender
// inside. What they keep back they acknowledge: it was taken, and it is counted.
type dropping struct {
	wrapped
	dropped atomic.Uint64
	kept    []Record // of the batch in hand, if not all of it
	last    []int    // by kept: where in the batch it was
}

// Stats counts what went through, and as Dropped what was kept back.
func (d *dropping) Stats() Stats {
	s := d.wrapped.Stats()
	s.Dropped = d.dropped.Load()
	s.Accepted += s.Dropped
	return s
}

// left keeps back one record.
func (d *dropping) left(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		d.failed.Add(1)
		return err
	}
	d.dropped.Add(1)
	return nil
}

// batch appends the records that keep says, in one call, and answers for all.
// What is kept back behind the first record that was not stored is not answered
// for: it is asked about again.
func (d *dropping) batch(ctx context.Context, recs []Record, keep func(Record) bool) (int, error) {
	if err := ctx.Err(); err != nil {
		return d.answered(0, err)
	}
	all := 0
	for all < len(recs) && keep(recs[all]) {
		all++
	}
	if all == len(recs) {
		n, err := AppendBatch(ctx, d.inner, recs)
		return d.answered(short(n, all, err))
	}
	d.kept, d.last = append(d.kept[:0], recs[:all]...), d.last[:0]
	for i := range all {
		d.last = append(d.last, i)
	}
	for i := all + 1; i < len(recs); i++ {
		if keep(recs[i]) {
			d.kept, d.last = append(d.kept, recs[i]), append(d.last, i)
		}
	}
	n, stored, err := len(recs), 0, error(nil)
	if k := len(d.kept); k > 0 {
		stored, err = AppendBatch(ctx, d.inner, d.kept)
		clear(d.kept) // holds on to no string
		if stored, err = short(stored, k, err); err != nil {
			n = d.last[stored] // everything in front of the one that failed
			d.failed.Add(1)
		}
	}
	d.accepted.Add(uint64(stored))
	d.dropped.Add(uint64(n - stored))
	return n, err
}
