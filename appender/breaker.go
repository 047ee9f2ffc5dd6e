package appender

import (
	"context"
	"errors"
	"io"
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
// the circuit opens, and appends fail with [ErrOpen] itself, at once. Once an
// interval one of them is let through; the circuit closes if it succeeds
// (Nygard, "Release It!", 2007, chapter 5). A closed circuit reads no clock.
//
// An append fails if it returns an error or panics; a batch of which some was
// stored begins a new row. Calls whose context had ended before are none, and
// those that their caller cancels meanwhile count neither way, but for the one
// that was let through, which then failed. Nor does [ErrClosed] count: a closed
// appender is left to say so itself. Flush and Close always go through.
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
	_ io.Closer     = (*Breaker)(nil)
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

// Append stores rec if the circuit lets it through.
func (b *Breaker) Append(ctx context.Context, rec Record) error {
	if err := ctx.Err(); err != nil {
		return b.answeredOne(err)
	}
	probe := BreakerState(b.state.Load()) != BreakerClosed
	if probe && !b.admit() {
		return b.answeredOne(ErrOpen)
	}
	ended := false
	defer func() {
		if !ended {
			b.failure(probe) // a panic
		}
	}()
	err := b.inner.Append(ctx, rec)
	ended = true
	switch {
	case err != nil:
		b.failed.Add(1)
		b.failedCall(ctx, probe, 0, err)
		return err
	case probe || b.row.Load() != 0:
		b.success(probe)
	}
	b.accepted.Add(1)
	return nil
}

// AppendBatch stores recs if the circuit lets them through, as one call.
func (b *Breaker) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	if err := ctx.Err(); err != nil {
		return b.answered(0, err)
	}
	probe := BreakerState(b.state.Load()) != BreakerClosed
	if probe && !b.admit() {
		return b.answered(0, ErrOpen)
	}
	ended := false
	defer func() {
		if !ended {
			b.failure(probe)
		}
	}()
	n, err := AppendBatch(ctx, b.inner, recs)
	n, err = short(n, len(recs), err)
	ended = true
	switch {
	case err != nil:
		b.failedCall(ctx, probe, n, err)
	case probe || b.row.Load() != 0:
		b.success(probe)
	}
	return b.answered(n, err)
}

// admit lets one call through an open circuit when it is time.
func (b *Breaker) admit() bool {
	now := int64(b.clock.Now())
	if now >= b.until.Load() && b.state.CompareAndSwap(uint32(BreakerOpen), uint32(BreakerHalfOpen)) {
		// Another's probe may have failed between the two.
		if now >= b.until.Load() {
			return true
		}
		b.state.Store(uint32(BreakerOpen))
	}
	b.turned.Add(1)
	return false
}

// success is a call that was let through and stored something.
func (b *Breaker) success(probe bool) {
	b.row.Store(0)
	if probe {
		b.state.Store(uint32(BreakerClosed))
	}
}

// failedCall is a call that was let through and returned err.
func (b *Breaker) failedCall(ctx context.Context, probe bool, stored int, err error) {
	if stored > 0 && (probe || b.row.Load() != 0) {
		b.success(probe)
		probe = false
	}
	switch {
	case errors.Is(err, ErrClosed):
		if probe {
			b.success(probe)
		}
	case probe || ctx.Err() != context.Canceled:
		b.failure(probe)
	}
}

// failure counts a failure, of the probe or of a closed circuit.
func (b *Breaker) failure(probe bool) {
	if !probe && b.row.Add(1) < b.failures {
		return
	}
	b.until.Store(int64(b.clock.Now() + b.probe))
	if probe {
		b.state.Store(uint32(BreakerOpen))
	} else if b.state.CompareAndSwap(uint32(BreakerClosed), uint32(BreakerOpen)) {
		b.opened.Add(1)
	}
}

// Close closes the appender inside. Appends go through from then on, to be told
// that it is closed.
func (b *Breaker) Close() error {
	err := Close(b.inner)
	if err == nil {
		b.success(true)
	}
	return err
}

// State is what the circuit does now: [BreakerOpen] until a call has been let
// through, though it may be time for it.
func (b *Breaker) State() BreakerState { return BreakerState(b.state.Load()) }

// Opened counts how often failures opened the circuit; a probe that fails keeps
// it open.
func (b *Breaker) Opened() uint64 { return b.opened.Load() }

// Turned counts the calls that failed with ErrOpen.
func (b *Breaker) Turned() uint64 { return b.turned.Load() }
