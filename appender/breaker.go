package appender

import (
	"context"
	"sync/atomic"
	"time"
)

// The defaults of [BreakerOptions].
const (
	DefaultFailures = 5
	DefaultProbe    = time.Second
)

// BreakerOptions shape a [Breaker]. The zero value of each field means its
// default.
type BreakerOptions struct {
	// Failures in a row open the circuit. Default [DefaultFailures].
	Failures int
	// Probe is how long an open circuit waits before it lets one call through.
	// Default [DefaultProbe].
	Probe time.Duration
}

// Breaker stops calling an appender that fails: after so many failures in a row
// the circuit opens, and calls fail with [ErrOpen] at once. Once an interval
// one call is let through; the circuit closes if it succeeds (Nygard, "Release
// It!", 2007, chapter 5). A closed circuit reads no clock.
//
// It may be called concurrently if what it wraps may: only one of the calls is
// the probe.
type Breaker struct {
	wrapped
	clock    Clock
	failures int64
	probe    time.Duration

	row    atomic.Int64 // failures in a row
	state  atomic.Uint32
	until  atomic.Int64 // an open one lets nobody through before
	opened atomic.Uint64
	turned atomic.Uint64
}

// BreakerState is what a [Breaker] does with a call.
type BreakerState uint32

// The states of a circuit.
const (
	BreakerClosed   BreakerState = iota // calls go through
	BreakerOpen                         // calls fail with ErrOpen
	BreakerHalfOpen                     // one call is through, the others fail
)

func (s BreakerState) String() string { return [...]string{"closed", "open", "half-open"}[s] }

var (
	_ BatchAppender = (*Breaker)(nil)
	_ Flusher       = (*Breaker)(nil)
	_ Statser       = (*Breaker)(nil)
)

// NewBreaker guards calls of inner by a circuit breaker on env's clock.
func NewBreaker(inner Appender, env Env, o BreakerOptions) *Breaker {
	if o.Failures <= 0 {
		o.Failures = DefaultFailures
	}
	if o.Probe <= 0 {
		o.Probe = DefaultProbe
	}
	return &Breaker{wrapped: wrapped{inner: inner}, clock: env.Clock, failures: int64(o.Failures), probe: o.Probe}
}

// Append stores rec if the circuit lets it through. A call whose context has
// ended before is none: it is neither let through nor counted as a failure.
func (b *Breaker) Append(ctx context.Context, rec Record) error {
	if BreakerState(b.state.Load()) == BreakerClosed {
		err := b.inner.Append(ctx, rec)
		if err != nil {
			b.failure(ctx, 0)
		} else if b.row.Load() != 0 {
			b.row.Store(0)
		}
		return b.answeredOne(err)
	}
	if err := b.admit(ctx); err != nil {
		return b.answeredOne(err)
	}
	ended := false
	defer b.panicked(&ended)
	err := b.inner.Append(ctx, rec)
	ended = true
	b.probed(err == nil)
	return b.answeredOne(err)
}

// AppendBatch stores recs if the circuit lets them through, as one call.
func (b *Breaker) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	if BreakerState(b.state.Load()) == BreakerClosed {
		n, err := AppendBatch(ctx, b.inner, recs)
		if n < len(recs) || err != nil {
			if n, err = short(n, len(recs), err); err != nil {
				b.failure(ctx, n)
			}
		} else if b.row.Load() != 0 {
			b.row.Store(0)
		}
		return b.answered(n, err)
	}
	if err := b.admit(ctx); err != nil {
		return b.answered(0, err)
	}
	ended := false
	defer b.panicked(&ended)
	n, err := AppendBatch(ctx, b.inner, recs)
	n, err = short(n, len(recs), err)
	ended = true
	b.probed(err == nil || n > 0)
	return b.answered(n, err)
}

// failure counts a failure of a closed circuit; one that stored something is the
// first of a new row.
func (b *Breaker) failure(ctx context.Context, stored int) {
	if stored > 0 {
		b.row.Store(0)
	}
	if ctx.Err() == context.Canceled {
		return // the caller gave up: that is no failure of the appender
	}
	if b.row.Add(1) < b.failures {
		return
	}
	b.until.Store(int64(b.clock.Now() + b.probe))
	if b.state.CompareAndSwap(uint32(BreakerClosed), uint32(BreakerOpen)) {
		b.opened.Add(1)
	}
}

// admit lets one call through an open circuit when it is time.
func (b *Breaker) admit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if int64(b.clock.Now()) < b.until.Load() || !b.state.CompareAndSwap(uint32(BreakerOpen), uint32(BreakerHalfOpen)) {
		b.turned.Add(1)
		return ErrOpen
	}
	return nil
}

// probed is the end of the call that was let through.
func (b *Breaker) probed(ok bool) {
	if ok {
		b.row.Store(0)
		b.state.Store(uint32(BreakerClosed))
		return
	}
	b.until.Store(int64(b.clock.Now() + b.probe))
	b.state.Store(uint32(BreakerOpen))
}

// panicked opens the circuit again if the probe did not come back.
func (b *Breaker) panicked(ended *bool) {
	if !*ended {
		b.probed(false)
	}
}

// State is what the circuit does now.
func (b *Breaker) State() BreakerState { return BreakerState(b.state.Load()) }

// Opened counts how often failures opened the circuit; a probe that fails keeps
// it open.
func (b *Breaker) Opened() uint64 { return b.opened.Load() }

// Turned counts the calls that failed with ErrOpen.
func (b *Breaker) Turned() uint64 { return b.turned.Load() }
