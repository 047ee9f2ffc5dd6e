package appender

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// retryScript is one batch through a retry.
type retryScript struct {
	Answers []answer
	Records int
	Seed    uint64
	Options RetryOptions
}

var retryScripts = rapid.Custom(func(t *rapid.T) retryScript {
	return retryScript{
		Answers: answersOf(answerStores, answerFails, answerFails, answerDoubts).Draw(t, "answers"),
		Records: rapid.IntRange(1, 12).Draw(t, "records"),
		Seed:    rapid.Uint64().Draw(t, "seed"),
		Options: RetryOptions{
			Attempts: rapid.IntRange(1, 5).Draw(t, "attempts"), Backoff: 10 * time.Millisecond,
			MaxBackoff: time.Duration(rapid.SampledFrom([]int{10, 25, 80}).Draw(t, "max")) * time.Millisecond,
			Idempotent: rapid.Bool().Draw(t, "idempotent"),
		},
	}
})

// retryKeepsItsWord: what is stored is stored once and in order; n tells how
// much; no more attempts than allowed are made in a row without progress, none
// after a doubt unless that is allowed; delays are those of the backoff; an
// error holds its cause, and the doubt that any attempt left.
func retryKeepsItsWord(sc retryScript, mk func(Appender, Env, RetryOptions) BatchAppender) error {
	clock, sink, o := new(napClock), &scripted{script: sc.Answers}, sc.Options
	recs := chain(1, sc.Records)
	n, err := mk(sink, Env{Clock: clock, Seed: sc.Seed}, o).AppendBatch(context.Background(), recs)
	if !slices.Equal(seqs(recs[:n]), seqs(sink.sink)) {
		return fmt.Errorf("n = %d, and the sink holds %v", n, seqs(sink.sink))
	}
	// The same answers again, to a plain loop.
	row, at, doubt, naps := 0, 0, false, []int{}
	for i := 0; ; i++ {
		var a answer
		if i < len(sc.Answers) {
			a = sc.Answers[i]
		}
		if a.Mode == answerStores {
			at = len(recs)
			break
		}
		k := a.Stores % (len(recs) - at)
		if at += k; k > 0 && i > 0 {
			row = 0
		}
		doubt = doubt || a.Mode == answerDoubts
		if row++; row == o.Attempts || a.Mode == answerDoubts && !o.Idempotent {
			break
		}
		naps = append(naps, row)
	}
	switch {
	case n != at || (n < len(recs)) != (err != nil):
		return fmt.Errorf("n = %d with error %v, expected %d", n, err, at)
	case err != nil && (!errors.Is(err, errMoody) || errors.Is(err, ErrUnknownOutcome) != doubt):
		return fmt.Errorf("doubt: %v; the error is %w", doubt, err)
	case len(naps) != len(clock.naps):
		return fmt.Errorf("%d delays, expected %d", len(clock.naps), len(naps))
	}
	for i, row := range naps {
		whole := min(o.Backoff<<(row-1), o.MaxBackoff)
		if d := clock.naps[i]; d < whole/2 || d > whole {
			return fmt.Errorf("delay %d is %v, expected one from half of %v to the whole", i, d, whole)
		}
	}
	return nil
}

func newRetry(a Appender, e Env, o RetryOptions) BatchAppender { return NewRetry(a, e, o) }

func TestRetryKeepsItsWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		require.NoError(t, retryKeepsItsWord(retryScripts.Draw(t, "script"), newRetry))
	})
}

// batchFunc is an appender of one function.
type batchFunc func(context.Context, []Record) (int, error)

func (f batchFunc) Append(ctx context.Context, rec Record) error {
	_, err := f(ctx, []Record{rec})
	return err
}

func (f batchFunc) AppendBatch(ctx context.Context, recs []Record) (int, error) { return f(ctx, recs) }

func TestRetryPropertyFailsForEveryBrokenRetry(t *testing.T) {
	type maker = func(Appender, Env, RetryOptions) BatchAppender
	options := func(f func(*RetryOptions)) maker {
		return func(a Appender, e Env, o RetryOptions) BatchAppender {
			f(&o)
			return NewRetry(a, e, o)
		}
	}
	for name, mk := range map[string]maker{
		"does not retry":       func(a Appender, _ Env, _ RetryOptions) BatchAppender { return a.(BatchAppender) },
		"one attempt too many": options(func(o *RetryOptions) { o.Attempts++ }),
		"one attempt too few":  options(func(o *RetryOptions) { o.Attempts = max(1, o.Attempts-1) }),
		"takes doubts for failures": func(a Appender, e Env, o RetryOptions) BatchAppender {
			return NewRetry(batchFunc(func(ctx context.Context, recs []Record) (int, error) {
				n, err := AppendBatch(ctx, a, recs)
				if err != nil {
					err = errMoody
				}
				return n, err
			}), e, o)
		},
		"is idempotent unasked": options(func(o *RetryOptions) { o.Idempotent = true }),
		"never doubts twice":    options(func(o *RetryOptions) { o.Idempotent = false }),
		"backs off too far":     options(func(o *RetryOptions) { o.MaxBackoff = time.Hour }),
		"does not back off":     options(func(o *RetryOptions) { o.MaxBackoff = o.Backoff }),
		"does not wait":         options(func(o *RetryOptions) { o.Backoff = 1; o.MaxBackoff = 1 }),
		"begins the batch anew": func(a Appender, e Env, o RetryOptions) BatchAppender {
			return batchFunc(func(ctx context.Context, recs []Record) (n int, err error) {
				for range o.Attempts {
					if n, err = AppendBatch(ctx, a, recs); err == nil {
						break
					}
					_ = e.Clock.Sleep(ctx, o.Backoff)
				}
				return n, err
			})
		},
		"lets the next one overtake": func(a Appender, e Env, o RetryOptions) BatchAppender {
			r := NewRetry(a, e, o)
			return batchFunc(func(ctx context.Context, recs []Record) (int, error) {
				n, err := AppendBatch(ctx, a, recs)
				if err == nil || n+1 >= len(recs) {
					return n, err
				}
				recs[n], recs[n+1] = recs[n+1], recs[n]
				k, err := r.AppendBatch(ctx, recs[n:])
				return n + k, err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, tripped(func(seed int) error { return retryKeepsItsWord(retryScripts.Example(seed), mk) }))
		})
	}
}

// TestDelaysAreAFunctionOfTheSeed: and not all the same.
func TestDelaysAreAFunctionOfTheSeed(t *testing.T) {
	delays := func(seed uint64) []time.Duration {
		clock := new(napClock)
		_ = NewRetry(&plain{fail: 1}, Env{Clock: clock, Seed: seed}, RetryOptions{Attempts: 9}).Append(t.Context(), Record{Seq: 1})
		return clock.naps
	}
	require.Len(t, delays(1), 8)
	require.Equal(t, delays(1), delays(1))
	require.NotEqual(t, delays(1), delays(2))
}

func TestRetryGivesUpOnWhatIsPermanent(t *testing.T) {
	clock := new(napClock)
	inner := &plain{fail: 1}
	r := NewRetry(inner, Env{Clock: clock}, RetryOptions{Permanent: func(err error) bool { return errors.Is(err, ErrFull) }})
	require.Equal(t, ErrFull, r.Append(t.Context(), Record{Seq: 1}))
	require.Empty(t, clock.naps)
}
