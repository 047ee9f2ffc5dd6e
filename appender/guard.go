package appender

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
)

// Guard turns a panic of the appender inside into a [PanicError] with
// [ErrUnknownOutcome]: it may have stored what it was given, or a part of it.
// It guards Append, AppendBatch, Flush and Close. It cannot end a call that
// hangs, nor stop runtime.Goexit.
type Guard struct {
	wrapped
	panics atomic.Uint64
}

var (
	_ BatchAppender = (*Guard)(nil)
	_ Flusher       = (*Guard)(nil)
	_ Statser       = (*Guard)(nil)
)

// NewGuard guards inner.
func NewGuard(inner Appender) *Guard { return &Guard{wrapped: wrapped{inner: inner}} }

// Append stores rec.
func (g *Guard) Append(ctx context.Context, rec Record) (err error) {
	defer g.guard(&err)
	if err = g.inner.Append(ctx, rec); err == nil {
		g.accepted.Add(1)
	} else {
		g.failed.Add(1)
	}
	return err
}

// AppendBatch stores recs. After a panic n is 0, and the outcome of all of recs
// is unknown; but where the appender inside has no batch method, its calls are
// guarded one by one, and n is exact.
func (g *Guard) AppendBatch(ctx context.Context, recs []Record) (n int, err error) {
	b, ok := g.inner.(BatchAppender)
	if !ok {
		for n < len(recs) && err == nil {
			if err = g.Append(ctx, recs[n]); err == nil {
				n++
			}
		}
		return n, err
	}
	defer g.guard(&err)
	return g.answered(b.AppendBatch(ctx, recs))
}

// Flush flushes the appender inside.
func (g *Guard) Flush(ctx context.Context) (err error) {
	defer g.guard(&err)
	return Flush(ctx, g.inner)
}

// Close closes the appender inside.
func (g *Guard) Close() (err error) {
	defer g.guard(&err)
	return Close(g.inner)
}

// Panics counts the panics that were turned into errors.
func (g *Guard) Panics() uint64 { return g.panics.Load() }

// guard is deferred: the results that the call would have had are lost.
func (g *Guard) guard(err *error) {
	v := recover()
	if v == nil {
		return
	}
	g.panics.Add(1)
	g.failed.Add(1)
	*err = panicked(v)
}

// panicked is a panic as an error. It is called while the stack is still there.
func panicked(v any) error {
	stack := make([]byte, 16<<10)
	stack = stack[:runtime.Stack(stack, false)]
	return fmt.Errorf("%w: %w", ErrUnknownOutcome, &PanicError{Value: v, Stack: stack})
}
