package appender

import (
	"context"
	"fmt"
	"io"
)

// Faulty is an appender that misbehaves as its [Control] says and otherwise
// does what the appender inside does. A batch is stored in order up to the
// record that a fault strikes, as by a sink that breaks in the middle.
//
// It waits through the clock of its Env alone. It keeps no state of its own:
// one call at a time is the contract of the appender inside.
type Faulty struct {
	inner   Appender
	env     Env
	control *Control
}

var (
	_ Appender      = (*Faulty)(nil)
	_ BatchAppender = (*Faulty)(nil)
	_ Flusher       = (*Faulty)(nil)
	_ io.Closer     = (*Faulty)(nil)
)

// NewFaulty wraps inner. env must have a Clock.
func NewFaulty(inner Appender, env Env, c *Control) *Faulty {
	return &Faulty{inner: inner, env: env, control: c}
}

// FaultyOpener wraps open: opening misbehaves by the open faults of c, and the
// appenders it opens are [Faulty] under the same control. An opening that is
// released after a hang goes on and opens.
func FaultyOpener(open Opener, c *Control) Opener {
	return func(ctx context.Context, env Env) (Appender, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s := subject{number: env.Epoch, incarnation: env.Incarnation}
		if h, ok := c.strike(s, env.Clock.Now(), openPanic, openDeaf, openHang, openError); ok {
			failed := func(cause error) error {
				return fmt.Errorf("faulty: open %s, epoch %d: %w", env.Node, env.Epoch, cause)
			}
			switch h.kind {
			case openPanic:
				panic(failed(h.cause()))
			case openError:
				return nil, failed(h.cause())
			default:
				var err error
				if ctx, err = c.hang(ctx, env.Clock, h, h.kind == openDeaf); err != nil {
					return nil, failed(err)
				}
			}
		}
		inner, err := open(ctx, env)
		if err != nil {
			return nil, err
		}
		return NewFaulty(inner, env, c), nil
	}
}

// Append stores rec unless a fault strikes it. An error names the record in an
// [AppendError].
func (f *Faulty) Append(ctx context.Context, rec Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !f.control.armed.Load() {
		return f.inner.Append(ctx, rec)
	}
	_, err := f.appendOne(ctx, rec, new(bool))
	return err
}

// appendKinds are the kinds that may strike a record. Latency is the first, for
// calls that were delayed to leave out.
var appendKinds = []faultKind{appendLatency, appendPanic, appendDeaf, appendHang, appendError, appliedThenError}

// AppendBatch stores recs up to the first that a fault strikes.
func (f *Faulty) AppendBatch(ctx context.Context, recs []Record) (n int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if !f.control.armed.Load() {
		return AppendBatch(ctx, f.inner, recs)
	}
	delayed := false
	for n < len(recs) {
		kinds := appendKinds
		if delayed {
			kinds = kinds[1:]
		}
		if k := f.control.unharmed(recs[n:], f.env.Clock.Now(), kinds); k > 0 {
			m, err := AppendBatch(ctx, f.inner, recs[n:n+k])
			n += m
			if err == nil && m < k {
				err = f.failed(recs[n], io.ErrShortWrite) // against the contract
			}
			if err != nil {
				return n, err
			}
			continue
		}
		if ctx, err = f.appendOne(ctx, recs[n], &delayed); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// appendOne lets the faults strike that are due for rec. It returns the context
// for the rest of the call: a call that was deaf once stays so.
func (f *Faulty) appendOne(ctx context.Context, rec Record, delayed *bool) (context.Context, error) {
	s, clock := rec.subject(), f.env.Clock
	if !*delayed {
		if h, ok := f.control.strike(s, clock.Now(), appendLatency); ok {
			*delayed = true
			if err := clock.Sleep(ctx, max(h.Latency, 0)); err != nil {
				return ctx, f.failed(rec, err)
			}
		}
	}
	if h, ok := f.control.strike(s, clock.Now(), appendPanic, appendDeaf, appendHang, appendError); ok {
		switch h.kind {
		case appendPanic:
			panic(f.failed(rec, h.cause()))
		case appendError:
			return ctx, f.failed(rec, h.cause())
		default:
			var err error
			if ctx, err = f.control.hang(ctx, clock, h, h.kind == appendDeaf); err != nil {
				return ctx, f.failed(rec, err)
			}
		}
	}
	if err := f.inner.Append(ctx, rec); err != nil {
		return ctx, err
	}
	// Only what was applied can be applied, then fail.
	if h, ok := f.control.strike(s, clock.Now(), appliedThenError); ok {
		return ctx, f.failed(rec, fmt.Errorf("%w: %w", ErrUnknownOutcome, h.cause()))
	}
	return ctx, nil
}

func (f *Faulty) failed(rec Record, cause error) error {
	return &AppendError{Sink: "faulty", Node: rec.Node, Seq: rec.Seq, Err: cause}
}

// hang blocks until a release, or until ctx ends unless deaf. A deaf call goes
// on with a context that never ends, so that its late effects land.
func (c *Control) hang(ctx context.Context, clock Clock, h hit, deaf bool) (context.Context, error) {
	if deaf {
		ctx = context.WithoutCancel(ctx)
	}
	c.hangUntilReleased(ctx, clock, h)
	return ctx, ctx.Err()
}

// Flush flushes the appender inside. No fault strikes it.
func (f *Faulty) Flush(ctx context.Context) error { return Flush(ctx, f.inner) }

// Close closes the appender inside. No fault strikes it.
func (f *Faulty) Close() error { return Close(f.inner) }

// Unwrap returns the appender inside: see [As].
func (f *Faulty) Unwrap() Appender { return f.inner }
