package appendertest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/props/laws"
)

// bent is a wrapper that passes everything on and counts it, right in everything,
// until one of its functions is replaced.
type bent struct {
	inner appender.Appender
	env   appender.Env
	batch func(context.Context, []appender.Record) (int, error)
	flush func(context.Context) error
	close func() error

	mu    sync.Mutex
	stats appender.Stats
	count func() appender.Stats
}

func newBent(inner appender.Appender, env appender.Env) *bent {
	b := &bent{inner: inner, env: env}
	b.batch = b.pass
	b.flush = func(ctx context.Context) error { return appender.Flush(ctx, inner) }
	b.close = func() error { return appender.Close(inner) }
	b.count = func() appender.Stats {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.stats
	}
	return b
}

func (b *bent) pass(ctx context.Context, recs []appender.Record) (int, error) {
	return appender.AppendBatch(ctx, b.inner, recs)
}

func (b *bent) Append(ctx context.Context, rec appender.Record) error {
	_, err := b.AppendBatch(ctx, []appender.Record{rec})
	return err
}

func (b *bent) AppendBatch(ctx context.Context, recs []appender.Record) (int, error) {
	n, err := b.batch(ctx, recs)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Accepted += uint64(max(n, 0))
	b.stats.Delivered = b.stats.Accepted - b.stats.Dropped
	if err != nil {
		b.stats.Failed++
	}
	return n, err
}

func (b *bent) Flush(ctx context.Context) error { return b.flush(ctx) }
func (b *bent) Close() error                    { return b.close() }
func (b *bent) Stats() appender.Stats           { return b.count() }

func (b *bent) leftOut(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Dropped += uint64(n)
}

// retrying is a retry of three attempts, 10 ms apart.
func (b *bent) retrying(attempts int, wait func(context.Context, int)) {
	b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
		n, err := b.pass(ctx, recs)
		for i := 1; err != nil && i < attempts && ctx.Err() == nil && !final(err); i++ {
			wait(ctx, i)
			var k int
			k, err = b.pass(ctx, recs[n:])
			n += k
		}
		return n, err
	}
}

func final(err error) bool {
	return errors.Is(err, appender.ErrUnknownOutcome) || errors.Is(err, appender.ErrClosed)
}

// circuit is the state of a breaker of three failures and a second.
type circuit struct {
	row   int
	open  bool
	until time.Duration
}

func (b *bent) breaking(c *circuit, answered func(err error)) {
	b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if c.open && b.env.Clock.Now() < c.until {
			return 0, appender.ErrOpen
		}
		n, err := b.pass(ctx, recs)
		answered(err)
		return n, err
	}
}

// answer is what a right breaker makes of one.
func (c *circuit) answer(err error, now time.Duration) {
	if err == nil {
		*c = circuit{}
		return
	}
	if c.row++; c.open || c.row >= 3 {
		c.open, c.until = true, now+time.Second
	}
}

// keeping is a filter of the records with an odd number.
func (b *bent) keeping(keep func(appender.Record) bool, count func(int)) {
	b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		for i, rec := range recs {
			if !keep(rec) {
				count(1)
				continue
			}
			if err := b.inner.Append(ctx, rec); err != nil {
				return i, err
			}
		}
		return len(recs), nil
	}
}

func odd(rec appender.Record) bool { return rec.Seq%2 == 1 }

// teeing appends to several: each is what becomes of one sink's answer; false ends
// the call.
func teeing(sinks []appender.Appender, guard bool, each func(errs []error, err error) ([]error, bool)) appender.Appender {
	b := newBent(sinks[0], appender.Env{})
	one := func(ctx context.Context, s appender.Appender, recs []appender.Record) (n int, err error) {
		if guard {
			defer func() {
				if v := recover(); v != nil {
					n, err = 0, fmt.Errorf("%w: %w", appender.ErrUnknownOutcome, &appender.PanicError{Value: v})
				}
			}()
		}
		return appender.AppendBatch(ctx, s, recs)
	}
	b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
		least, errs := len(recs), []error(nil)
		for _, s := range sinks {
			n, err := one(ctx, s, recs)
			least = min(least, n)
			if err != nil {
				more := false
				if errs, more = each(errs, err); !more {
					return least, errors.Join(errs...)
				}
			}
		}
		return least, errors.Join(errs...)
	}
	return b
}

func all(errs []error, err error) ([]error, bool) { return append(errs, err), true }

// bentBy is a wrapper, bent, as a subject.
func bentBy(bend func(*bent)) laws.Config {
	return laws.Config{Hang: 200 * time.Millisecond, Wrap: func(inner appender.Appender, env appender.Env) appender.Appender {
		b := newBent(inner, env)
		bend(b)
		return b
	}}
}

func retryBy(bend func(*bent)) laws.Config {
	c := bentBy(bend)
	c.Retries = &laws.Retries{Attempts: 3, MaxBackoff: 20 * time.Millisecond}
	return c
}

func breakerBy(bend func(*bent)) laws.Config {
	c := bentBy(bend)
	c.Breaks = &laws.Breaks{Failures: 3, Probe: time.Second}
	return c
}

func filterBy(bend func(*bent)) laws.Config {
	c := bentBy(bend)
	c.Drops = true
	return c
}

func teeBy(guard bool, each func([]error, error) ([]error, bool)) laws.Config {
	return laws.Config{
		Tee: func(sinks []appender.Appender, _ appender.Env) appender.Appender { return teeing(sinks, guard, each) },
		Wrap: func(inner appender.Appender, _ appender.Env) appender.Appender {
			return teeing([]appender.Appender{inner}, guard, each)
		},
	}
}

// waits sleeps by the clock of the Env.
func (b *bent) waits(d time.Duration) func(context.Context, int) {
	return func(ctx context.Context, i int) { _ = b.env.Clock.Sleep(ctx, time.Duration(i)*d) }
}

// TestTheWrappersThatAreBentKeepEveryLawBefore: what is broken below is right
// otherwise.
func TestTheWrappersThatAreBentKeepEveryLawBefore(t *testing.T) {
	for name, cfg := range map[string]laws.Config{
		"pass":  bentBy(func(*bent) {}),
		"retry": retryBy(func(b *bent) { b.retrying(3, b.waits(10*time.Millisecond)) }),
		"breaker": breakerBy(func(b *bent) {
			c := &circuit{}
			b.breaking(c, func(err error) { c.answer(err, b.env.Clock.Now()) })
		}),
		"filter": filterBy(func(b *bent) { b.keeping(odd, b.leftOut) }),
		"tee":    teeBy(true, all),
	} {
		cfg.Hang = 0
		r, err := laws.Check(t.Context(), cfg, laws.Options{})
		require.NoError(t, err)
		require.NoError(t, r.Err(), name)
	}
}
