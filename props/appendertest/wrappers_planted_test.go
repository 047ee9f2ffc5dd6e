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

var bentWrappers = []struct {
	broken string
	law    string
	cfg    laws.Config
}{
	{"swallows errors", "no-lie", bentBy(func(b *bent) {
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			if _, err := b.pass(ctx, recs); ctx.Err() != nil || errors.Is(err, appender.ErrClosed) {
				return 0, err
			}
			return len(recs), nil
		}
	})},
	{"stores a record twice", "no-lie", bentBy(func(b *bent) {
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			n, err := b.pass(ctx, recs)
			if err == nil {
				_, _ = b.pass(ctx, recs)
			}
			return n, err
		}
	})},
	{"sends what failed behind the next one", "no-lie", bentBy(func(b *bent) {
		var late []appender.Record
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			n, err := b.pass(ctx, recs)
			if err != nil {
				late = append(late, recs[n:]...)
			} else if len(late) > 0 {
				_, _ = b.pass(ctx, late)
				late = nil
			}
			return n, err
		}
	})},
	{"loses the cause", "error-chain", bentBy(func(b *bent) {
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			n, err := b.pass(ctx, recs)
			if err != nil && !final(err) && ctx.Err() == nil {
				err = fmt.Errorf("append failed: %v", err)
			}
			return n, err
		}
	})},
	{"an unknown outcome is told as a failure", "unknown-kept", bentBy(func(b *bent) {
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			n, err := b.pass(ctx, recs)
			if errors.Is(err, appender.ErrUnknownOutcome) {
				err = errors.New("append failed")
			}
			return n, err
		}
	})},
	{"is broken for good after an error", "not-sticky", bentBy(func(b *bent) {
		var first error
		b.batch = func(ctx context.Context, recs []appender.Record) (n int, err error) {
			if first != nil {
				return 0, first
			}
			n, err = b.pass(ctx, recs)
			if ctx.Err() == nil {
				first = err
			}
			return n, err
		}
	})},
	{"keeps its lock when the inside panics", "after-panic", bentBy(func(b *bent) {
		var mu sync.Mutex
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			mu.Lock()
			n, err := b.pass(ctx, recs)
			mu.Unlock()
			return n, err
		}
	})},
	{"is said to contain panics", "panic-contained", func() laws.Config {
		c := bentBy(func(*bent) {})
		c.Contains = true
		return c
	}()},
	{"sleeps by the machine's clock", "virtual-time", bentBy(func(b *bent) {
		b.retrying(3, func(context.Context, int) { time.Sleep(5 * time.Millisecond) })
	})},
	{"holds a lock over a sleep", "no-lock-over-sleep", bentBy(func(b *bent) {
		b.retrying(3, func(ctx context.Context, _ int) {
			b.mu.Lock() // the one that Stats needs
			defer b.mu.Unlock()
			_ = b.env.Clock.Sleep(ctx, 10*time.Millisecond)
		})
	})},
	{"holds a lock over a call", "no-lock-over-sleep", bentBy(func(b *bent) {
		var mu sync.Mutex
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return b.pass(ctx, recs)
		}
		b.count = func() appender.Stats {
			mu.Lock()
			defer mu.Unlock()
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.stats
		}
	})},
	{"sleeps on past its deadline", "deadline", bentBy(func(b *bent) {
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			n, err := b.pass(ctx, recs)
			if err != nil {
				_ = b.env.Clock.Sleep(context.WithoutCancel(ctx), time.Second)
			}
			return n, err
		}
	})},
	{"says n is one more than is stored", "batch-prefix", bentBy(func(b *bent) {
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			n, err := b.pass(ctx, recs)
			if err != nil && n > 0 {
				n = min(n+1, len(recs))
			}
			return n, err
		}
	})},
	{"goes on behind the record that failed", "batch-prefix", bentBy(func(b *bent) {
		b.batch = func(ctx context.Context, recs []appender.Record) (n int, err error) {
			n = len(recs)
			for i, rec := range recs {
				if e := b.inner.Append(ctx, rec); e != nil && err == nil {
					n, err = i, e
				}
			}
			return n, err
		}
	})},
	{"a batch is sent backwards", "order", bentBy(func(b *bent) {
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			for i := len(recs) - 1; i >= 0; i-- {
				if err := b.inner.Append(ctx, recs[i]); err != nil {
					return 0, err
				}
			}
			return len(recs), nil
		}
	})},
	{"trims messages", "round-trip", bentBy(func(b *bent) {
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			clean := append([]appender.Record(nil), recs...)
			for i := range clean {
				clean[i].Message = clean[i].Message[:min(len(clean[i].Message), 64)]
			}
			return b.pass(ctx, clean)
		}
	})},
	{"a call that was cancelled goes through", "cancelled-first", bentBy(func(b *bent) {
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			return b.pass(context.WithoutCancel(ctx), recs)
		}
	})},
	{"does not pass a flush on", "flush-settles", bentBy(func(b *bent) { b.flush = func(context.Context) error { return nil } })},
	{"does not close the inside", "closed-refuses", bentBy(func(b *bent) { b.close = func() error { return nil } })},
	{"cannot be closed again", "close-idempotent", bentBy(func(b *bent) {
		closed := false
		b.close = func() error {
			if closed {
				return appender.ErrClosed
			}
			closed = true
			return appender.Close(b.inner)
		}
	})},
	{"leaves a goroutine behind", "no-leaks", bentBy(func(b *bent) {
		end := make(chan struct{})
		go func() { <-end }()
	})},
	{"counts calls as records", "stats", bentBy(func(b *bent) {
		calls := uint64(0)
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			calls++
			return b.pass(ctx, recs)
		}
		b.count = func() appender.Stats { return appender.Stats{Accepted: calls, Delivered: calls} }
	})},

	{"tries once more than it says", "retry-bounds", retryBy(func(b *bent) { b.retrying(4, b.waits(5*time.Millisecond)) })},
	{"tries once less than it says", "retry-bounds", retryBy(func(b *bent) { b.retrying(2, b.waits(5*time.Millisecond)) })},
	{"tries again at once", "retry-bounds", retryBy(func(b *bent) { b.retrying(3, func(context.Context, int) {}) })},
	{"backs off beyond its cap", "retry-bounds", retryBy(func(b *bent) { b.retrying(3, b.waits(15*time.Millisecond)) })},

	{"a breaker that never closes", "breaker", breakerBy(func(b *bent) {
		c := &circuit{}
		b.breaking(c, func(err error) {
			if !c.open {
				c.answer(err, b.env.Clock.Now())
			} else {
				c.until = b.env.Clock.Now() + time.Second
			}
		})
	})},
	{"a breaker that lets every call probe", "breaker", breakerBy(func(b *bent) {
		c := &circuit{}
		b.breaking(c, func(err error) {
			until := c.until
			if c.answer(err, b.env.Clock.Now()); until > 0 && c.open {
				c.until = until
			}
		})
	})},
	{"a breaker that forgets no failure", "breaker", breakerBy(func(b *bent) {
		c, row := &circuit{}, 0
		b.breaking(c, func(err error) {
			if err == nil && !c.open {
				return
			}
			c.row = row
			c.answer(err, b.env.Clock.Now())
			row = c.row
		})
	})},
	{"a breaker that opens one failure late", "breaker", breakerBy(func(b *bent) {
		c := &circuit{row: -1}
		b.breaking(c, func(err error) {
			if c.answer(err, b.env.Clock.Now()); err == nil {
				c.row = -1
			}
		})
	})},

	{"a tee that stops at the first failure", "tee-isolation", teeBy(true, func(errs []error, err error) ([]error, bool) { return append(errs, err), false })},
	{"a tee that tells the first error alone", "tee-isolation", teeBy(true, func(errs []error, err error) ([]error, bool) {
		if len(errs) > 0 {
			return errs, true
		}
		return []error{err}, true
	})},
	{"a tee that lets a panic through", "tee-isolation", teeBy(false, all)},

	{"a filter that does not count", "left-out-counted", filterBy(func(b *bent) { b.keeping(odd, func(int) {}) })},
	{"a filter that counts twice", "left-out-counted", filterBy(func(b *bent) { b.keeping(odd, func(n int) { b.leftOut(2 * n) }) })},
	{"a filter that answers for what it keeps alone", "batch-prefix", filterBy(func(b *bent) {
		b.batch = func(ctx context.Context, recs []appender.Record) (n int, err error) {
			for _, rec := range recs {
				if odd(rec) {
					if err := b.inner.Append(ctx, rec); err != nil {
						return n, err
					}
					n++
				}
			}
			return n, nil
		}
	})},
	{"a sample of calls instead of records", "left-out-same", filterBy(func(b *bent) {
		calls := 0
		b.batch = func(ctx context.Context, recs []appender.Record) (int, error) {
			if calls++; calls%2 == 0 {
				b.leftOut(len(recs))
				return len(recs), nil
			}
			return b.pass(ctx, recs)
		}
	})},
}

// TestEachBrokenWrapperIsFoundByTheLawThatItBreaks: the suite earns its place with
// wrappers, too.
func TestEachBrokenWrapperIsFoundByTheLawThatItBreaks(t *testing.T) {
	for _, p := range bentWrappers {
		t.Run(p.broken, func(t *testing.T) {
			r, err := laws.Check(t.Context(), p.cfg, laws.Options{Cases: 60, Only: []string{p.law}})
			require.NoError(t, err)
			require.Empty(t, r.Skipped())
			require.Error(t, r.Err(), "the law %s does not notice it", p.law)
			require.ErrorContains(t, r.Err(), p.law)
		})
	}
}

// TestTheWrappersKeepWhatTheyPromiseOfThemselves: how often a retry tries, when a
// breaker opens, whom a tee reaches.
func TestTheWrappersKeepWhatTheyPromiseOfThemselves(t *testing.T) {
	for name, cfg := range map[string]laws.Config{
		"retry": {
			Wrap: func(a appender.Appender, env appender.Env) appender.Appender {
				return appender.NewRetry(a, env, appender.RetryOptions{Attempts: 5, Backoff: 10 * time.Millisecond, MaxBackoff: 35 * time.Millisecond})
			},
			Retries: &laws.Retries{Attempts: 5, MaxBackoff: 35 * time.Millisecond},
		},
		"breaker": {
			Wrap: func(a appender.Appender, env appender.Env) appender.Appender {
				return appender.NewBreaker(a, env, appender.BreakerOptions{Failures: 4, Probe: 3 * time.Second})
			},
			Breaks: &laws.Breaks{Failures: 4, Probe: 3 * time.Second},
		},
		"tee": {
			Wrap: func(a appender.Appender, _ appender.Env) appender.Appender { return appender.NewTee(a) },
			Tee: func(sinks []appender.Appender, _ appender.Env) appender.Appender {
				return appender.NewTee(sinks...)
			},
			Contains: true,
		},
		"sample": {
			Wrap: func(a appender.Appender, env appender.Env) appender.Appender {
				return appender.NewSample(a, env, appender.SampleOptions{OneIn: 3})
			},
			Drops: true,
		},
		"limit": {
			Wrap: func(a appender.Appender, env appender.Env) appender.Appender {
				return appender.NewLimit(a, env, appender.LimitOptions{Rate: 100, Burst: 7})
			},
			Drops: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := laws.Check(t.Context(), cfg, laws.Options{Cases: thousand()})
			require.NoError(t, err)
			require.NoError(t, r.Err())
		})
	}
}
