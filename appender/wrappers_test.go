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

var errMoody = errors.New("moody")

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

type answers []error

func (a *answers) Append(context.Context, Record) error {
	err := (*a)[0]
	*a = (*a)[1:]
	return err
}

// answering answers every batch alike.
type answering struct {
	NoOp
	n   int
	err error
}

func (a *answering) AppendBatch(context.Context, []Record) (int, error) { return a.n, a.err }

// TestAnAnswerThatBreaksTheContractIsMended: n out of bounds, or short without an
// error, goes no further than to the first wrapper.
func TestAnAnswerThatBreaksTheContractIsMended(t *testing.T) {
	for name, wrap := range wrappers {
		for _, x := range []struct {
			inner answering
			n     int
			err   error
		}{
			{answering{n: 1}, 1, io.ErrShortWrite},
			{answering{n: -4, err: errMoody}, 0, errMoody},
			{answering{n: 9}, 3, nil},
			{answering{n: 3, err: errMoody}, 3, nil}, // it says that all are stored
		} {
			if name == "guard" {
				continue // it changes nothing but panics
			}
			n, err := AppendBatch(t.Context(), wrap(&x.inner, Env{Clock: new(napClock)}), chain(1, 3))
			if name == "retry" && x.n == 1 {
				require.Equal(t, 3, n, "one after the other")
				require.NoError(t, err)
				continue
			}
			require.Equal(t, x.n, n, "%s: %v", name, x.inner)
			require.ErrorIs(t, err, x.err, "%s: %v", name, x.inner)
		}
	}
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

func TestAGuardedFlushAndCloseDoNotPanic(t *testing.T) {
	g := NewGuard(panicsAtTheEnd{})
	require.NoError(t, g.Append(t.Context(), Record{}))
	for _, err := range []error{g.Flush(t.Context()), g.Close()} {
		require.ErrorIs(t, err, ErrUnknownOutcome)
		require.ErrorIs(t, err, io.EOF)
	}
	require.Equal(t, uint64(2), g.Panics())
}

type panicsAtTheEnd struct{ NoOp }

func (panicsAtTheEnd) Flush(context.Context) error { panic(io.EOF) }
func (panicsAtTheEnd) Close() error                { panic(io.EOF) }

// TestSampleDrawsEachChainForItself: by node, incarnation and stream.
func TestSampleDrawsEachChainForItself(t *testing.T) {
	chains := []Record{{Node: "n1"}, {Node: "n2"}, {Node: "n1", Incarnation: 1}, {Node: "n1", Stream: 1}, {Node: "n"}, {Node: ""}}
	kept := map[string]bool{}
	s := NewSample(NoOp{}, Env{Seed: 1}, SampleOptions{OneIn: 2})
	for range 2 { // the second time the same
		for _, rec := range chains {
			draws := ""
			for rec.Seq = range 64 {
				draws += fmt.Sprint(s.keep(rec))
			}
			kept[draws] = true
		}
	}
	require.Len(t, kept, len(chains))
}

func TestWrapWrapsWhatOpens(t *testing.T) {
	wrap := func(a Appender, _ Env) Appender { return NewGuard(a) }
	opens := func(a Appender, err error) Opener {
		return Wrap(func(context.Context, Env) (Appender, error) { return a, err }, wrap)
	}
	a, err := opens(NoOp{}, nil)(t.Context(), Env{})
	require.NoError(t, err)
	_, ok := As[NoOp](a)
	require.True(t, ok)
	require.IsType(t, (*Guard)(nil), a)
	a, err = opens(nil, io.EOF)(t.Context(), Env{})
	require.Nil(t, a)
	require.ErrorIs(t, err, io.EOF)
	a, err = opens(nil, nil)(t.Context(), Env{})
	require.Nil(t, a)
	require.NoError(t, err)
}
