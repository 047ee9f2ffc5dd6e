package appender

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// breakerScript is what happens around a breaker.
type breakerScript struct {
	Failures int
	Steps    []breakerStep
}

type breakerStep struct {
	Wait   time.Duration // before the call
	Answer breakerAnswer
	Batch  bool // of three records, of which one is stored if it fails in part
}

type breakerAnswer int

const (
	breakerStores breakerAnswer = iota
	breakerFails
	breakerFailsInPart // in a batch; else it fails
	breakerPanics
	breakerIsCancelled // meanwhile
	breakerWasCancelled
	breakerIsClosed
	breakerAnswers
)

var breakerScripts = rapid.Custom(func(t *rapid.T) breakerScript {
	return breakerScript{
		Failures: rapid.IntRange(1, 4).Draw(t, "failures"),
		Steps: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) breakerStep {
			s := breakerStep{
				Answer: breakerFails,
				Wait:   rapid.SampledFrom([]time.Duration{0, 0, 400 * time.Millisecond, time.Second}).Draw(t, "wait"),
				Batch:  rapid.Bool().Draw(t, "batch"),
			}
			if rapid.IntRange(0, 2).Draw(t, "not just failing") > 0 {
				s.Answer = breakerAnswer(rapid.IntRange(0, int(breakerAnswers)-1).Draw(t, "answer"))
			}
			return s
		}), 1, 40).Draw(t, "steps"),
	}
})

// breakerSink answers as the step in hand says.
type breakerSink struct {
	step   breakerStep
	cancel func()
	calls  int
}

func (s *breakerSink) Append(ctx context.Context, rec Record) error {
	_, err := s.AppendBatch(ctx, []Record{rec})
	return err
}

func (s *breakerSink) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	s.calls++
	switch s.step.Answer {
	case breakerStores, breakerWasCancelled:
		return len(recs), ctx.Err()
	case breakerFailsInPart:
		return len(recs) / 2, errMoody
	case breakerPanics:
		panic(errMoody)
	case breakerIsCancelled:
		s.cancel()
		return 0, ctx.Err()
	case breakerIsClosed:
		return 0, ErrClosed
	}
	return 0, errMoody
}

// circuit is the plainest model of a breaker.
type circuit struct {
	failures, row, opened int
	open                  bool
	until                 time.Duration
}

// after is a call that was let through at the time now.
func (c *circuit) after(s breakerStep, now time.Duration) {
	fails := 0
	switch s.Answer {
	case breakerStores:
		c.open, c.row = false, 0
	case breakerFailsInPart:
		if s.Batch {
			c.open, c.row = false, 0
		}
		fails = 1
	case breakerIsClosed:
		if c.open {
			c.open, c.row = false, 0
		}
	case breakerIsCancelled:
		if c.open {
			fails = 1
		}
	default:
		fails = 1
	}
	switch {
	case fails == 0:
	case c.open:
		c.until = now + time.Second
	default:
		if c.row++; c.row >= c.failures {
			c.open, c.until = true, now+time.Second
			c.opened++
		}
	}
}

// breakerIsItsModel: beside the model, call by call.
func breakerIsItsModel(sc breakerScript, mk func(Appender, Env, BreakerOptions) *Breaker) error {
	clock, sink := new(ManualClock), new(breakerSink)
	b := mk(sink, Env{Clock: clock}, BreakerOptions{Failures: sc.Failures, Probe: time.Second})
	m := circuit{failures: sc.Failures}
	for i, s := range sc.Steps {
		clock.Advance(s.Wait)
		ctx, cancel := context.WithCancel(context.Background())
		if s.Answer == breakerWasCancelled {
			cancel()
		}
		sink.step, sink.cancel = s, cancel
		calls := sink.calls
		err := breakerCall(ctx, b, s.Batch)
		cancel()
		want := 0
		switch {
		case s.Answer == breakerWasCancelled:
			if !errors.Is(err, context.Canceled) {
				return fmt.Errorf("step %d: a cancelled call returned %w", i, err)
			}
		case m.open && clock.Now() < m.until:
			if err != ErrOpen {
				return fmt.Errorf("step %d: an open circuit returned %w", i, err)
			}
		default:
			want = 1
			m.after(s, clock.Now())
			if (err == nil) != (s.Answer == breakerStores) || errors.Is(err, ErrOpen) {
				return fmt.Errorf("step %d, %v: a call that goes through returned %w", i, s, err)
			}
		}
		if sink.calls-calls != want {
			return fmt.Errorf("step %d, %v: %d calls of the appender, expected %d", i, s, sink.calls-calls, want)
		}
		if m.open != (b.State() == BreakerOpen) || b.Opened() != uint64(m.opened) {
			return fmt.Errorf("step %d, %v: state %v, opened %d times; expected %+v", i, s, b.State(), b.Opened(), m)
		}
	}
	return nil
}

// breakerCall returns the error of a call, also if it is a panic.
func breakerCall(ctx context.Context, b *Breaker, batch bool) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = v.(error)
		}
	}()
	if batch {
		_, err = b.AppendBatch(ctx, chain(1, 3))
		return err
	}
	return b.Append(ctx, Record{Seq: 1})
}

func TestBreakerIsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { require.NoError(t, breakerIsItsModel(breakerScripts.Draw(t, "script"), NewBreaker)) })
}

// meddler does something to a breaker's state around every call.
type meddler struct {
	Appender
	b     *Breaker
	after func(b *Breaker, ctx context.Context, err error)
}

func (m *meddler) Append(ctx context.Context, rec Record) error {
	err := m.Appender.Append(ctx, rec)
	m.after(m.b, ctx, err)
	return err
}

func (m *meddler) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	n, err := AppendBatch(ctx, m.Appender, recs)
	m.after(m.b, ctx, err)
	return n, err
}

func TestBreakerPropertyFailsForEveryBrokenBreaker(t *testing.T) {
	meddling := func(after func(b *Breaker, ctx context.Context, err error)) func(Appender, Env, BreakerOptions) *Breaker {
		return func(a Appender, env Env, o BreakerOptions) *Breaker {
			m := &meddler{Appender: a, after: after}
			m.b = NewBreaker(m, env, o)
			return m.b
		}
	}
	options := func(f func(*BreakerOptions)) func(Appender, Env, BreakerOptions) *Breaker {
		return func(a Appender, env Env, o BreakerOptions) *Breaker {
			f(&o)
			return NewBreaker(a, env, o)
		}
	}
	for name, mk := range map[string]func(Appender, Env, BreakerOptions) *Breaker{
		"opens one late": options(func(o *BreakerOptions) { o.Failures++ }),
		"opens at once":  options(func(o *BreakerOptions) { o.Failures = 1 }),
		"probes early":   options(func(o *BreakerOptions) { o.Probe /= 2 }),
		"probes late":    options(func(o *BreakerOptions) { o.Probe += time.Millisecond }),
		"never opens":    options(func(o *BreakerOptions) { o.Failures = 1 << 30 }),
		"counts its caller's cancelling": meddling(func(b *Breaker, ctx context.Context, err error) {
			if ctx.Err() != nil && b.State() == BreakerClosed {
				b.failure(false)
			}
		}),
		"counts a closed appender": meddling(func(b *Breaker, _ context.Context, err error) {
			if errors.Is(err, ErrClosed) && b.State() == BreakerClosed {
				b.failure(false)
			}
		}),
		"does not count from 0 after a success": meddling(func(b *Breaker, _ context.Context, err error) {
			if err == nil && b.State() == BreakerClosed && b.failures > 1 {
				b.failures--
			}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, tripped(func(seed int) error { return breakerIsItsModel(breakerScripts.Example(seed), mk) }))
		})
	}
}

// TestAClosedAppenderSaysSoThroughAnOpenCircuit: what is closed is not failing.
func TestAClosedAppenderSaysSoThroughAnOpenCircuit(t *testing.T) {
	inner := NewBuffering(1)
	control := NewControl(1, Rule{Kind: FaultAppendError, Fault: Fault{Times: 1}})
	env := Env{Clock: new(ManualClock)}
	b := NewBreaker(NewFaulty(inner, env, control), env, BreakerOptions{Failures: 1})
	require.ErrorIs(t, b.Append(t.Context(), Record{}), ErrInjected)
	require.Equal(t, ErrOpen, b.Append(t.Context(), Record{}))
	require.NoError(t, b.Close())
	for range 3 {
		require.ErrorIs(t, b.Append(t.Context(), Record{}), ErrClosed)
	}
}

// TestAnOpenCircuitCostsNoAllocation: nor does it call, or wait.
func TestAnOpenCircuitCostsNoAllocation(t *testing.T) {
	b := NewBreaker(appendFunc(func(context.Context, Record) error { return errMoody }), Env{Clock: new(ManualClock)}, BreakerOptions{Failures: 1})
	_ = b.Append(t.Context(), Record{})
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = b.Append(t.Context(), Record{}) }))
	require.Equal(t, BreakerOpen, b.State())
	require.Equal(t, "open", b.State().String())
}
