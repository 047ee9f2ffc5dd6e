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
