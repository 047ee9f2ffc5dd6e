package appender

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// The defaults of [RetryOptions].
const (
	DefaultAttempts   = 3
	DefaultBackoff    = 50 * time.Millisecond
	DefaultMaxBackoff = 5 * time.Second
)

// RetryOptions shape a [Retry]. The zero value of each field means its default.
type RetryOptions struct {
	// Attempts is how often a record is tried altogether. Default
	// [DefaultAttempts]. Progress within a batch begins the count anew.
	Attempts int
	// Backoff is the delay in front of the second attempt; it doubles up to
	// MaxBackoff. Defaults [DefaultBackoff] and [DefaultMaxBackoff].
	Backoff, MaxBackoff time.Duration
	// Idempotent says that the appender inside stores a record once however
	// often it is appended (by its identity), or that a second copy does no
	// harm: then records whose outcome is unknown are tried again as well.
	// Otherwise they are not: their error is returned at once. (That only some
	// sinks of a [Tee] have a record is not unknown in this sense.)
	Idempotent bool
	// Permanent, if set, says of an error that trying again is of no use, such
	// as that of a record which is too large. It is not asked about [ErrClosed].
	Permanent func(error) bool
}

// Retry tries again what fails, in place: nothing overtakes a record that is
// being retried, so order is kept. It waits by the clock of its Env, between
// attempts, from half of the backoff to the whole of it (equal jitter: Brooker,
// "Exponential Backoff And Jitter", AWS 2015), drawn from the Env's seed.
//
// It ends when the attempts are used up, on [ErrClosed] and permanent errors at
// once, and when the context ends; then the context's error is in the error as
// well. The error is that of the last attempt; if any attempt left the outcome
// open, [ErrUnknownOutcome] is in it.
type Retry struct {
	wrapped
	env     Env
	o       RetryOptions
	draws   uint64
	retried atomic.Uint64
}

var (
	_ BatchAppender = (*Retry)(nil)
	_ Flusher       = (*Retry)(nil)
	_ Statser       = (*Retry)(nil)
)

// NewRetry retries what goes to inner.
func NewRetry(inner Appender, env Env, o RetryOptions) *Retry {
	if o.Attempts <= 0 {
		o.Attempts = DefaultAttempts
	}
	if o.Backoff <= 0 {
		o.Backoff = DefaultBackoff
	}
	if o.MaxBackoff <= 0 {
		o.MaxBackoff = DefaultMaxBackoff
	}
	o.MaxBackoff = max(o.MaxBackoff, o.Backoff)
	return &Retry{wrapped: wrapped{inner: inner}, env: env, o: o}
}

// Append stores rec, in several attempts if need be.
func (r *Retry) Append(ctx context.Context, rec Record) error {
	err := r.inner.Append(ctx, rec)
	if err != nil {
		var t trial
		for r.again(ctx, &t, err) {
			if err = r.inner.Append(ctx, rec); err == nil {
				break
			}
		}
		err = t.told(err)
	}
	return r.answeredOne(err)
}

// AppendBatch stores recs: after an attempt that stored some of them the next
// goes on with the rest.
func (r *Retry) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	n, err := AppendBatch(ctx, r.inner, recs)
	if n == len(recs) && err == nil {
		return r.answered(n, nil)
	}
	n, err = short(n, len(recs), err)
	var t trial
	for err != nil && r.again(ctx, &t, err) {
		var k int
		k, err = AppendBatch(ctx, r.inner, recs[n:])
		if k, err = short(k, len(recs)-n, err); k > 0 {
			n += k
			t.attempts = 0
		}
	}
	return r.answered(n, t.told(err))
}

// trial is what one call has been through.
type trial struct {
	attempts int  // that stored nothing, since the last that stored something
	open     bool // one left an outcome open: that of all behind it as well
	ended    error
}

// told is the error of the last attempt, with what the ones before it left open,
// and with what ended the waiting.
func (t *trial) told(err error) error {
	if err == nil {
		return nil
	}
	if t.open && !errors.Is(err, ErrUnknownOutcome) {
		err = fmt.Errorf("%w by an earlier attempt: %w", ErrUnknownOutcome, err)
	}
	if t.ended != nil && !errors.Is(err, t.ended) {
		err = fmt.Errorf("%w after an attempt that failed: %w", t.ended, err)
	}
	return err
}

// again waits and reports whether there is to be another attempt after err.
func (r *Retry) again(ctx context.Context, t *trial, err error) bool {
	t.attempts++
	t.open = t.open || errors.Is(err, ErrUnknownOutcome)
	switch {
	case t.attempts >= r.o.Attempts, errors.Is(err, ErrClosed):
		return false
	case !r.o.Idempotent && unsettled(err), r.o.Permanent != nil && r.o.Permanent(err):
		return false
	}
	if t.ended = ctx.Err(); t.ended != nil {
		return false
	}
	if t.ended = r.env.Clock.Sleep(ctx, r.delay(t.attempts)); t.ended != nil {
		return false
	}
	r.retried.Add(1)
	return true
}

// delay is how long to wait after that many attempts.
func (r *Retry) delay(attempts int) time.Duration {
	d := r.o.MaxBackoff
	if shift := attempts - 1; shift < 62 && r.o.Backoff <= d>>shift {
		d = r.o.Backoff << shift
	}
	r.draws++
	half := d / 2
	return half + time.Duration(Mix(Mix(r.env.Seed)^r.draws)%uint64(d-half+1))
}

// Stats counts what went through, and as Retried the attempts beyond the first.
func (r *Retry) Stats() Stats {
	s := r.wrapped.Stats()
	s.Retried = r.retried.Load()
	return s
}
