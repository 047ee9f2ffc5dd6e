package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"meshsim/appender"
)

// retriesMax is how often a batch is sent again within one call without any
// progress, after it was found out what became of the attempt before.
const retriesMax = 3

// Append stores one record: it is AppendBatch of that record alone.
func (a *Appender) Append(ctx context.Context, rec appender.Record) error {
	_, err := a.AppendBatch(ctx, []appender.Record{rec})
	return err
}

// AppendBatch stores several records, Options.InFlight of them on their way at
// a time. n counts a prefix, as always, and err concerns recs[n]. If it is an
// [appender.ErrUnknownOutcome], records behind recs[n] may be stored as well,
// but only if recs[n] is. Whoever appends them again, to this appender or to
// the next one of the node, stores each once: a record that is there already is
// recognised and counted as stored.
//
// While time is left the appender itself finds out what became of records whose
// acknowledgements got lost, and sends again those that are not stored. An
// unknown outcome is reported only if the servers could not be asked within the
// call's time: ctx's or Options.Timeout, whichever ends first.
//
// Any other error is final: the record is not stored and never will be.
func (a *Appender) AppendBatch(ctx context.Context, recs []appender.Record) (n int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if len(recs) == 0 {
		return 0, nil
	}
	c, err := a.begin(ctx)
	if err != nil {
		return 0, a.refuse(&recs[0], err)
	}
	defer a.finish()
	n, err = a.appendAll(c, recs)
	a.accepted.Add(uint64(n))
	if n == len(recs) {
		return n, nil
	}
	a.failed.Add(1)
	return n, a.refuse(&recs[n], err)
}

// refuse makes the error of a record: an unknown outcome if the record was
// sent, now or by an earlier call, and it is not known what became of it.
func (a *Appender) refuse(rec *appender.Record, err error) error {
	a.mu.Lock()
	inDoubt := slices.Contains(a.doubt, identityOf(rec))
	a.mu.Unlock()
	if inDoubt {
		err = fmt.Errorf("%w: %w", appender.ErrUnknownOutcome, err)
	}
	return &appender.AppendError{Sink: "jetstream", Node: rec.Node, Seq: rec.Seq, Err: err}
}

// appendAll stores recs, and finds out about what is in doubt, before and
// after.
func (a *Appender) appendAll(c *call, recs []appender.Record) (n int, err error) {
	if a.fenced.Load() {
		return 0, ErrFenced
	}
	for retries := 0; ; {
		if a.unsure {
			// If records of this call depend on it, a connection that is gone
			// is worth waiting for.
			takeOver := func(ctx context.Context) error { return a.takeOver(ctx, false) }
			if serr := a.attempt(c, err != nil, takeOver); serr != nil {
				if err != nil && !isWrongLast(err) {
					serr = fmt.Errorf("%w: %w", err, serr)
				}
				return n, serr
			}
		}
		if err != nil {
			if !isTransient(err) || retries == retriesMax {
				// What is not stored by now never will be; but some may be.
				return n + a.skipStored(recs[n:]), err
			}
			retries++
			a.retried.Add(1)
		}
		before := n
		if n += a.skipStored(recs[n:]); n == len(recs) {
			return n, nil
		}
		var m int
		m, err = a.burst(c, recs[n:])
		n += m
		if err == nil || !a.unsure && !errors.Is(err, errAgain) {
			return n, err
		}
		if n > before {
			retries = 0
		}
	}
}

// skipStored counts the records at the beginning of recs that were found in the
// stream: those of an earlier attempt, by this appender or the one before it.
func (a *Appender) skipStored(recs []appender.Record) (n int) {
	if len(a.recent) == 0 {
		return 0
	}
	for n < len(recs) {
		if _, ok := a.recent[identityOf(&recs[n])]; !ok {
			break
		}
		n++
	}
	if n == 0 {
		// Whoever tries again does so first, and in order: there is nothing
		// to recognise any more.
		a.recent = nil
	}
	return n
}

// isTransient: what happened once need not happen again.
func isTransient(err error) bool {
	return errors.Is(err, errCut) || errors.Is(err, errAgain) || isWrongLast(err)
}
