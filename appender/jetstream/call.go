package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"meshsim/appender"
)

// call is one call of the appender: what ends it.
type call struct {
	ctx      context.Context
	deadline time.Time        // the real timeout,
	expired  <-chan time.Time // and its timer
	closed   <-chan struct{}
	err      error // errTimeout once it has expired
}

// over says why the call must end, or nil.
func (c *call) over() error {
	select {
	case <-c.closed:
		return appender.ErrClosed
	default:
	}
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if c.err == nil {
		select {
		case <-c.expired:
			c.err = errTimeout
		default:
		}
	}
	return c.err
}

// begin starts a call: one at a time, within Options.Timeout, until Close.
func (a *Appender) begin(ctx context.Context) (*call, error) {
	if a.life.Err() != nil {
		return nil, appender.ErrClosed
	}
	select {
	case a.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-a.life.Done():
		return nil, appender.ErrClosed
	}
	a.timer.Reset(a.o.Timeout)
	return &call{ctx: ctx, deadline: time.Now().Add(a.o.Timeout), expired: a.timer.C, closed: a.life.Done()}, nil
}

func (a *Appender) finish() {
	a.timer.Stop()
	<-a.busy
}

// attempt calls f until it succeeds, or fails for a reason that stays, or the
// call is over. A request can get lost, with the connection or with the leader
// that it was sent to, and nobody says so: each attempt therefore has a part of
// the time, the first a quarter, and each one after it twice as much. Without a
// connection it fails at once, unless it is to wait for one.
func (a *Appender) attempt(c *call, wait bool, f func(context.Context) error) error {
	for d := a.o.Timeout / 4; ; d = min(2*d, a.o.Timeout) {
		if err := c.over(); err != nil {
			return err
		}
		if wait {
			if err := a.pipe.awaitConnection(c); err != nil {
				return err
			}
		}
		if !a.pipe.reset() && !wait {
			return ErrNotConnected
		}
		ctx, cancel := a.bounded(c, d)
		err := f(ctx)
		lost := ctx.Err() != nil || wait && errors.Is(err, ErrNotConnected)
		cancel()
		if err == nil || !lost || errors.Is(err, nats.ErrPermissionViolation) {
			return err
		}
		if over := c.over(); over != nil {
			return fmt.Errorf("%w: %w", err, over)
		}
	}
}

// bounded is a context that ends with the call, after d, and when the connection
// breaks: the client would wait for an answer that cannot come any more.
func (a *Appender) bounded(c *call, d time.Duration) (context.Context, context.CancelFunc) {
	deadline, cancelDeadline := context.WithTimeout(c.ctx, min(d, time.Until(c.deadline)))
	ctx, cancel := context.WithCancelCause(deadline)
	closed := context.AfterFunc(a.life, func() { cancel(appender.ErrClosed) })
	status := a.link.conn.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-status:
			cancel(errCut)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-gone
		cancelDeadline()
		closed()
		a.link.conn.RemoveStatusListener(status)
	}
}
