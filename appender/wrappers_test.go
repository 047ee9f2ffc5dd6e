package appender

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// napClock is a clock on which sleeping takes no real time: it notes how long
// each sleep was.
type napClock struct {
	ManualClock
	naps []time.Duration
}

func (c *napClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.naps = append(c.naps, d)
	c.Advance(d)
	return ctx.Err()
}

// moody stores what it is told to: answers are drawn call by call.
type moody struct {
	t      *rapid.T
	name   string
	sink   []Record
	calls  int
	panics bool
	always bool // no more faults
}

var errMoody = errors.New("moody")

func (m *moody) Append(ctx context.Context, rec Record) error {
	_, err := m.AppendBatch(ctx, []Record{rec})
	return err
}

func (m *moody) AppendBatch(_ context.Context, recs []Record) (int, error) {
	m.calls++
	n := len(recs)
	mood := 0
	if !m.always {
		mood = rapid.IntRange(0, 5).Draw(m.t, m.name+" mood")
		if mood > 2 {
			n = rapid.IntRange(0, n-1).Draw(m.t, m.name+" stores")
		}
	}
	if mood == 5 && m.panics {
		panic(errMoody)
	}
	m.sink = append(m.sink, recs[:n]...)
	if n < len(recs) {
		return n, errMoody
	}
	return n, nil
}

var wrappers = map[string]func(Appender, Env) Appender{
	"tee":     func(a Appender, _ Env) Appender { return NewTee(a) },
	"retry":   func(a Appender, e Env) Appender { return NewRetry(a, e, RetryOptions{}) },
	"breaker": func(a Appender, e Env) Appender { return NewBreaker(a, e, BreakerOptions{}) },
	"filter":  func(a Appender, _ Env) Appender { return NewFilter(a, AtLeast(Trace)) },
	"sample":  func(a Appender, e Env) Appender { return NewSample(a, e, SampleOptions{}) },
	"limit":   func(a Appender, e Env) Appender { return NewLimit(a, e, LimitOptions{Rate: 1e9, Burst: 1 << 30}) },
	"guard":   func(a Appender, _ Env) Appender { return NewGuard(a) },
}

// TestEveryWrapperPassesOnWhatItTakes: with nothing to do, each is invisible:
// order, contents, errors, flush, close, and their number in its counts.
func TestEveryWrapperPassesOnWhatItTakes(t *testing.T) {
	for name, wrap := range wrappers {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			inner := NewBuffering(1 << 12)
			a := wrap(inner, Env{Node: "n1", Clock: new(ManualClock)})
			var want []Record
			for range rapid.IntRange(0, 8).Draw(t, "calls") {
				recs := chain(uint64(len(want)+1), rapid.IntRange(0, 5).Draw(t, "batch"))
				if len(recs) == 1 && rapid.Bool().Draw(t, "single") {
					require.NoError(t, a.Append(t.Context(), recs[0]))
				} else {
					n, err := AppendBatch(t.Context(), a, recs)
					require.NoError(t, err)
					require.Equal(t, len(recs), n)
				}
				want = append(want, recs...)
			}
			require.Equal(t, seqs(want), seqs(inner.Captured()))
			s := a.(Statser).Stats()
			require.Equal(t, Stats{Accepted: uint64(len(want)), Delivered: uint64(len(want))}, s)
			require.NoError(t, Flush(t.Context(), a))
			require.NoError(t, Close(a))
			err := a.Append(t.Context(), Record{Node: "n1", Seq: 99})
			require.ErrorIs(t, err, ErrClosed)
			var cause *AppendError
			require.ErrorAs(t, err, &cause)
			require.Equal(t, uint64(99), cause.Seq)
			require.Equal(t, uint64(1), a.(Statser).Stats().Failed)
		}))
	}
}

// TestRetryKeepsOrderAndItsBounds: what is stored is stored once and in order;
// n tells how much; a call makes no more attempts in a row without progress than
// allowed, and waits between them as the backoff says.
func TestRetryKeepsOrderAndItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := new(napClock)
		inner := &moody{t: t, name: "inner"}
		o := RetryOptions{Attempts: rapid.IntRange(1, 4).Draw(t, "attempts"), Backoff: 10 * time.Millisecond, MaxBackoff: 30 * time.Millisecond}
		r := NewRetry(inner, Env{Clock: clock, Seed: rapid.Uint64().Draw(t, "seed")}, o)
		recs := chain(1, rapid.IntRange(1, 20).Draw(t, "records"))
		n, err := r.AppendBatch(t.Context(), recs)
		require.Equal(t, seqs(recs[:n]), seqs(inner.sink))
		require.Equal(t, n < len(recs), err != nil)
		require.LessOrEqual(t, inner.calls, o.Attempts*(n+1))
		require.Equal(t, uint64(inner.calls-1), r.Stats().Retried)
		require.Len(t, clock.naps, inner.calls-1)
		for _, d := range clock.naps {
			require.GreaterOrEqual(t, d, o.Backoff/2)
			require.LessOrEqual(t, d, o.MaxBackoff)
		}
		if err != nil {
			require.ErrorIs(t, err, errMoody)
			require.NotErrorIs(t, err, ErrUnknownOutcome)
		}
	})
}

type answers []error

func (a *answers) Append(context.Context, Record) error {
	err := (*a)[0]
	*a = (*a)[1:]
	return err
}

func TestRetryLeavesUnknownOutcomesAloneUnlessToldOtherwise(t *testing.T) {
	unknown := fmt.Errorf("%w: timeout", ErrUnknownOutcome)
	env := Env{Clock: new(napClock)}
	a := answers{unknown, nil}
	err := NewRetry(&a, env, RetryOptions{}).Append(t.Context(), Record{})
	require.ErrorIs(t, err, ErrUnknownOutcome)
	require.Len(t, a, 1)

	a = answers{unknown, errMoody, nil}
	require.NoError(t, NewRetry(&a, env, RetryOptions{Idempotent: true}).Append(t.Context(), Record{}))

	// What one attempt left open stays open, whatever the later ones say.
	a = answers{unknown, errMoody, errMoody}
	err = NewRetry(&a, env, RetryOptions{Idempotent: true}).Append(t.Context(), Record{})
	require.ErrorIs(t, err, ErrUnknownOutcome)
	require.ErrorIs(t, err, errMoody)

	a = answers{ErrClosed, nil}
	require.ErrorIs(t, NewRetry(&a, env, RetryOptions{}).Append(t.Context(), Record{}), ErrClosed)
	require.Len(t, a, 1)
}

func TestRetryEndsWithItsContext(t *testing.T) {
	clock := new(napClock)
	ctx, cancel := clock.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	inner := NewFaulty(NoOp{}, Env{Clock: clock}, NewControl(1, Rule{Kind: FaultAppendError}))
	err := NewRetry(inner, Env{Clock: clock}, RetryOptions{Attempts: 1 << 30, Backoff: time.Millisecond}).Append(ctx, Record{})
	require.ErrorIs(t, err, ErrInjected)
	require.LessOrEqual(t, clock.Now(), 20*time.Millisecond+DefaultMaxBackoff)
	require.NotEmpty(t, clock.naps)
}

// TestBreakerIsItsStateMachine: beside the plainest model of a circuit.
func TestBreakerIsItsStateMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := new(ManualClock)
		k := rapid.IntRange(1, 4).Draw(t, "failures")
		var fails bool
		calls := 0
		inner := appendFunc(func(context.Context, Record) error {
			calls++
			if fails {
				return errMoody
			}
			return nil
		})
		b := NewBreaker(inner, Env{Clock: clock}, BreakerOptions{Failures: k, Probe: time.Second})
		row, open, until, want := 0, false, time.Duration(0), 0
		t.Repeat(map[string]func(*rapid.T){
			"wait": func(t *rapid.T) {
				clock.Advance(time.Duration(rapid.IntRange(0, 1500).Draw(t, "ms")) * time.Millisecond)
			},
			"append": func(t *rapid.T) {
				fails = rapid.Bool().Draw(t, "fails")
				err := b.Append(t.Context(), Record{})
				if open && clock.Now() < until {
					require.Equal(t, ErrOpen, err)
					return
				}
				want++
				switch {
				case !fails:
					require.NoError(t, err)
					row, open = 0, false
				default:
					require.ErrorIs(t, err, errMoody)
					if row++; open || row >= k {
						open, until = true, clock.Now()+time.Second
					}
				}
			},
			"": func(t *rapid.T) {
				require.Equal(t, want, calls)
				require.Equal(t, open, b.State() == BreakerOpen)
			},
		})
	})
}

type appendFunc func(context.Context, Record) error

func (f appendFunc) Append(ctx context.Context, rec Record) error { return f(ctx, rec) }

func TestBreakerLetsOneProbeThroughAndSurvivesItsPanic(t *testing.T) {
	clock := new(ManualClock)
	var b *Breaker
	mode := "fail"
	inner := appendFunc(func(ctx context.Context, _ Record) error {
		switch mode {
		case "fail":
			return errMoody
		case "panic":
			panic(errMoody)
		}
		require.Equal(t, BreakerHalfOpen, b.State())
		mode = "fail"
		require.Equal(t, ErrOpen, b.Append(ctx, Record{})) // a second call while the probe is on its way
		return nil
	})
	b = NewBreaker(inner, Env{Clock: clock}, BreakerOptions{Failures: 1})
	require.ErrorIs(t, b.Append(t.Context(), Record{}), errMoody)
	clock.Advance(DefaultProbe)
	mode = "panic"
	require.Panics(t, func() { _ = b.Append(t.Context(), Record{}) })
	require.Equal(t, BreakerOpen, b.State())
	require.Equal(t, ErrOpen, b.Append(t.Context(), Record{}))
	clock.Advance(DefaultProbe)
	mode = "reenter"
	require.NoError(t, b.Append(t.Context(), Record{}))
	require.Equal(t, BreakerClosed, b.State())
	require.Equal(t, uint64(1), b.Opened())
	require.Equal(t, uint64(2), b.Turned())
}

// TestWhatIsLeftOutIsAnsweredInOrder: filters answer for what they keep back,
// and for nothing behind a record that was not stored.
func TestWhatIsLeftOutIsAnsweredInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inner := &moody{t: t, name: "inner"}
		f := NewFilter(inner, func(r Record) bool { return r.Level == Error })
		var want []Record
		left := uint64(0)
		recs := chain(1, rapid.IntRange(0, 30).Draw(t, "records"))
		for i := range recs {
			recs[i].Level = rapid.SampledFrom([]Level{Info, Error}).Draw(t, "level")
		}
		for rest := recs; len(rest) > 0; {
			n, err := f.AppendBatch(t.Context(), rest)
			require.Equal(t, n < len(rest), err != nil)
			if n < len(rest) {
				require.Equal(t, Error, rest[n].Level, "the error concerns a record that was to be stored")
			}
			for _, r := range rest[:n] {
				if r.Level == Error {
					want = append(want, r)
				} else {
					left++
				}
			}
			require.Equal(t, seqs(want), seqs(inner.sink))
			require.Equal(t, left, f.Filtered())
			require.Equal(t, uint64(len(want)), f.Stats().Delivered)
			rest = rest[n:]
		}
	})
}

func TestSampleKeepsTheSameOnesHoweverTheyCome(t *testing.T) {
	const n, oneIn = 20000, 7
	kept := func(seed uint64, batch int) []uint64 {
		sink := NewBuffering(n)
		s := NewSample(sink, Env{Seed: seed}, SampleOptions{OneIn: oneIn, Always: AtLeast(Error)})
		recs := chain(1, n)
		recs[17].Level = Error
		for b := range slices.Chunk(recs, batch) {
			_, err := s.AppendBatch(t.Context(), b)
			require.NoError(t, err)
		}
		require.Equal(t, uint64(n), s.Sampled()+uint64(len(sink.Captured())))
		return seqs(sink.Captured())
	}
	one := kept(3, 1)
	require.Equal(t, one, kept(3, 128))
	require.NotEqual(t, one, kept(4, 1))
	require.Contains(t, one, uint64(18))
	require.InEpsilon(t, n/oneIn, len(one), 0.1)
}

// TestLimitIsATokenBucket: beside one that counts tokens.
func TestLimitIsATokenBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := new(ManualClock)
		burst := rapid.IntRange(0, 5).Draw(t, "burst")
		l := NewLimit(NoOp{}, Env{Clock: clock}, LimitOptions{Rate: 100, Burst: burst})
		full := 10 * int64(max(burst, 1)) // a token is 10, and grows by 1 a ms
		tokens, passed, limited := full, uint64(0), uint64(0)
		t.Repeat(map[string]func(*rapid.T){
			"wait": func(t *rapid.T) {
				ms := rapid.Int64Range(0, 60).Draw(t, "ms")
				clock.Advance(time.Duration(ms) * time.Millisecond)
				tokens = min(full, tokens+ms)
			},
			"append": func(t *rapid.T) {
				require.NoError(t, l.Append(t.Context(), Record{}))
				if tokens >= 10 {
					tokens -= 10
					passed++
				} else {
					limited++
				}
				require.Equal(t, limited, l.Limited())
				require.Equal(t, passed, l.Stats().Delivered)
			},
		})
	})
}

// TestTeeStoresOnceInEachWhateverSomeDo: behind a retry every record reaches
// every sink once and in order, though sinks fail in the middle and panic.
func TestTeeStoresOnceInEachWhateverSomeDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := &moody{t: t, name: "a", panics: true}, &moody{t: t, name: "b"}
		c := NewBuffering(1000)
		tee := NewTee(a, b, c)
		recs := chain(1, rapid.IntRange(1, 12).Draw(t, "records"))
		for rest, tries := recs, 0; len(rest) > 0; tries++ {
			if tries == 20 {
				a.always, b.always = true, true
			}
			n, err := tee.AppendBatch(t.Context(), rest)
			require.Equal(t, n < len(rest), err != nil)
			for _, sink := range [][]Record{a.sink, b.sink, c.Captured()} {
				require.Equal(t, seqs(recs[:len(sink)]), seqs(sink))
				require.GreaterOrEqual(t, len(sink), len(recs)-len(rest)+n, "n is what all have")
				if err != nil && len(sink) > len(recs)-len(rest)+n {
					require.ErrorIs(t, err, ErrUnknownOutcome, "one of them has it")
				}
			}
			if err != nil {
				require.ErrorIs(t, err, errMoody)
			}
			rest = rest[n:]
		}
		require.Equal(t, seqs(recs), seqs(c.Captured()))
	})
}

func TestGuardTurnsPanicsIntoErrors(t *testing.T) {
	g := NewGuard(appendFunc(func(context.Context, Record) error { panic(io.EOF) }))
	n, err := g.AppendBatch(t.Context(), chain(1, 3))
	require.Zero(t, n)
	require.ErrorIs(t, err, ErrUnknownOutcome)
	require.ErrorIs(t, err, io.EOF)
	var p *PanicError
	require.ErrorAs(t, err, &p)
	require.NotEmpty(t, p.Stack)
	require.Equal(t, uint64(1), g.Panics())
}
