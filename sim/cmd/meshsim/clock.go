package main

import (
	"context"
	"time"

	"meshsim/appender"
)

// wallClock is the machine's clock, for appenders and readers outside of any
// simulation.
type wallClock struct{ began time.Time }

func newClock() appender.Clock { return wallClock{began: time.Now()} }

func (c wallClock) Now() time.Duration { return time.Since(c.began) }
func (c wallClock) Wall() time.Time    { return time.Now() }

// Sleep implements appender.Clock.
func (c wallClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d < 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// AfterFunc implements appender.Clock.
func (c wallClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return time.AfterFunc(d, f).Stop
}

// WithTimeout implements appender.Clock.
func (c wallClock) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}
