package appender

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
)

// Guard turns a panic of the appender inside into a [PanicError], with its
// stack, and with [ErrUnknownOutcome]: the appender may have stored what it was
// given, or a part of it. It guards Append, AppendBatch, Flush and Close. It
// cannot end a call that hangs, nor stop runtime.Goexit. Whether an appender
// that has panicked is still fit for use is not for it to say: an appender host
// gives such a one up and opens another.
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
	returned := false
	defer func() {
		if returned {
			return // recover would cost a nanosecond
		}
		if v := recover(); v != nil {
			g.panics.Add(1)
			g.failed.Add(1)
			err = panicked(v, &rec)
		}
	}()
	err = g.inner.Append(ctx, rec)
	if returned = true; err == nil {
		g.accepted.Add(1)
	} else {
		g.failed.Add(1)
	}
	return err
}

// AppendBatch stores recs. After a panic n is 0, and the outcome of all of recs
// is unknown, as [BatchAppender] has it; but where the appender inside has no
// batch method, its calls are guarded one by one, and n is exact.
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
	defer func() {
		if v := recover(); v != nil {
			g.panics.Add(1)
			g.failed.Add(1)
			var first Record
			if len(recs) > 0 {
				first = recs[0]
			}
			n, err = 0, panicked(v, &first)
		}
	}()
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

// guard is deferred by calls that concern no record.
func (g *Guard) guard(err *error) {
	if v := recover(); v != nil {
		g.panics.Add(1)
		*err = panicked(v, nil)
	}
}

// panicked is a panic as an error about rec, or about none. It is called while
// the stack is still there.
func panicked(v any, rec *Record) error {
	stack := make([]byte, 16<<10)
	stack = stack[:runtime.Stack(stack, false)]
	err := fmt.Errorf("%w: %w", ErrUnknownOutcome, &PanicError{Value: v, Stack: stack})
	if rec == nil {
		return err
	}
	return &AppendError{Sink: "guard", Node: rec.Node, Seq: rec.Seq, Err: err}
}
