package laws_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/props/laws"
)

// subject is an appender that holds everything, but for what do does first.
type subject struct {
	recs []appender.Record
	do   func(rec appender.Record, held int) error
}

func (s *subject) Append(ctx context.Context, rec appender.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.do(rec, len(s.recs)); err != nil {
		return err
	}
	s.recs = append(s.recs, rec)
	return nil
}

func (s *subject) CapturedInto(dst []appender.Record) []appender.Record {
	return append(dst, s.recs...)
}

func subjects(do func(rec appender.Record, held int) error) laws.Config {
	return laws.Config{
		Name: "subject", Hang: 200 * time.Millisecond,
		New: func(context.Context, appender.Env) (appender.Appender, error) { return &subject{do: do}, nil },
	}
}

func sound(appender.Record, int) error { return nil }

func check(t *testing.T, cfg laws.Config, o laws.Options) *laws.Report {
	t.Helper()
	r, err := laws.Check(t.Context(), cfg, o)
	require.NoError(t, err)
	return r
}

func verdict(t *testing.T, r *laws.Report, law string) laws.Verdict {
	t.Helper()
	i := slices.IndexFunc(r.Verdicts, func(v laws.Verdict) bool { return v.Law.Name == law })
	require.GreaterOrEqual(t, i, 0, law)
	return r.Verdicts[i]
}

func TestNamesAreUniqueAndEveryLawIsASentence(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range laws.All() {
		require.False(t, seen[l.Name], "%s is there twice", l.Name)
		seen[l.Name] = true
		require.Regexp(t, `^[a-z]+(-[a-z]+)*$`, l.Name)
		require.Greater(t, len(strings.Fields(l.Says)), 3, l.Name)
		require.NotContains(t, l.Says, "\n")
	}
	require.GreaterOrEqual(t, len(seen), 40)
}

// TestNothingThatASubjectDoesEndsTheChecking: it becomes a broken law, and every
// other law is asked all the same.
func TestNothingThatASubjectDoesEndsTheChecking(t *testing.T) {
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	for name, c := range map[string]struct {
		do   func(appender.Record, int) error
		says string
	}{
		"a panic": {func(_ appender.Record, held int) error {
			if held == 2 {
				panic("the third")
			}
			return nil
		}, "panic: the third"},
		"a panic of an error": {func(_ appender.Record, held int) error {
			if held == 2 {
				panic(errors.New("the third"))
			}
			return nil
		}, "panic: the third"},
		"a failure of the runtime": {func(_ appender.Record, held int) error {
			if held == 2 {
				_ = make([]int, 1)[held]
			}
			return nil
		}, "index out of range"},
		"a hang": {func(_ appender.Record, held int) error {
			if held == 2 {
				<-stuck
			}
			return nil
		}, "does not come back"},
		"the end of its goroutine": {func(_ appender.Record, held int) error {
			if held == 2 {
				runtime.Goexit()
			}
			return nil
		}, "ended its goroutine"},
	} {
		t.Run(name, func(t *testing.T) {
			r := check(t, subjects(c.do), laws.Options{Cases: 20})
			v := verdict(t, r, "order")
			require.NotNil(t, v.Broken)
			require.ErrorContains(t, v.Broken, c.says)
			require.Len(t, r.Verdicts, len(laws.All()))
		})
	}
}

// TestWhatIsFoundIsMadeSmall: what fails from the fifth record on is told with
// five.
func TestWhatIsFoundIsMadeSmall(t *testing.T) {
	cfg := subjects(func(_ appender.Record, held int) error {
		if held >= 4 {
			return errors.New("no more")
		}
		return nil
	})
	for seed := uint64(1); seed <= 20; seed++ {
		b := verdict(t, check(t, cfg, laws.Options{Seed: seed, Only: []string{"order"}}), "order").Broken
		require.NotNil(t, b)
		require.Equal(t, []string{"append #1", "append #2", "append #3", "append #4", "append #5"}, b.Case, "seed %d", seed)
	}
}

// TestAReportIsAFunctionOfTheSeed, counterexamples included.
func TestAReportIsAFunctionOfTheSeed(t *testing.T) {
	cfg := subjects(func(rec appender.Record, held int) error {
		if len(rec.Message)%7 == 3 && held > 1 {
			return errors.New("an odd length")
		}
		return nil
	})
	for seed := uint64(1); seed <= 5; seed++ {
		first, second := check(t, cfg, laws.Options{Seed: seed}), check(t, cfg, laws.Options{Seed: seed})
		require.Error(t, first.Err())
		require.Equal(t, first.Err().Error(), second.Err().Error())
	}
}

// TestTheReportListsEveryLaw: held, broken or skipped, and why.
func TestTheReportListsEveryLaw(t *testing.T) {
	var told []string
	cfg := subjects(sound)
	cfg.Capacity = 3 // which it does not keep
	r := check(t, cfg, laws.Options{Cases: 30, Progress: func(l laws.Law, done, of int) {
		require.Equal(t, len(told), done)
		require.Equal(t, len(laws.All()), of)
		told = append(told, l.Name)
	}})
	require.Len(t, told, len(laws.All()))
	require.False(t, r.Interrupted)
	broken, held := 0, 0
	for _, v := range r.Verdicts {
		switch {
		case v.Lacks != "":
			require.Zero(t, v.Cases, v.Law.Name)
			require.Nil(t, v.Broken)
			require.Contains(t, r.Skipped(), v.Law.Name+": "+v.Lacks)
		case v.Broken != nil:
			broken++
			require.Positive(t, v.Cases)
			require.ErrorContains(t, r.Err(), v.Law.Name+": "+v.Law.Says)
		default:
			held++
			require.Equal(t, 30, v.Cases, v.Law.Name)
		}
	}
	require.Positive(t, broken)
	require.Positive(t, held)
	require.NotNil(t, verdict(t, r, "fifo-drop").Broken)
	require.Nil(t, verdict(t, r, "cancelled-first").Broken)
	require.Equal(t, "no Replay", verdict(t, r, "follow").Lacks)
	require.NotEmpty(t, verdict(t, r, "survives-crash").Lacks)
}

// TestCheckSaysWhatItCannotCheck rather than that it held.
func TestCheckSaysWhatItCannotCheck(t *testing.T) {
	refused := errors.New("no such place")
	for name, cfg := range map[string]laws.Config{
		"neither New nor Wrap": {},
		"both": {
			New:  subjects(sound).New,
			Wrap: func(a appender.Appender, _ appender.Env) appender.Appender { return a },
		},
		"an opener that fails": {New: func(context.Context, appender.Env) (appender.Appender, error) { return nil, refused }},
		"an opener of nothing": {New: func(context.Context, appender.Env) (appender.Appender, error) { return nil, nil }},
	} {
		_, err := laws.Check(t.Context(), cfg, laws.Options{Cases: 1})
		require.Error(t, err, name)
	}
	_, err := laws.Check(t.Context(), subjects(sound), laws.Options{Only: []string{"order", "odrer"}})
	require.ErrorContains(t, err, "odrer")

	ctx, cancel := context.WithCancel(t.Context())
	cfg := subjects(sound)
	r, err := laws.Check(ctx, cfg, laws.Options{Progress: func(_ laws.Law, done, _ int) {
		if done == 3 {
			cancel()
		}
	}})
	require.NoError(t, err)
	require.True(t, r.Interrupted)
	require.Less(t, len(r.Verdicts), len(laws.All()))
}

// TestASleepCostsNoTimeAndEndsWithItsContext: by the clock that subjects are given.
func TestASleepCostsNoTimeAndEndsWithItsContext(t *testing.T) {
	var slept, ended time.Duration
	var ends error
	cfg := laws.Config{New: func(_ context.Context, env appender.Env) (appender.Appender, error) {
		return &subject{do: func(appender.Record, int) error {
			c, began := env.Clock, env.Clock.Now()
			if err := c.Sleep(context.Background(), time.Hour); err != nil {
				return err
			}
			slept, began = c.Now()-began, c.Now()
			ctx, cancel := c.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			ends = c.Sleep(ctx, time.Hour)
			ended = c.Now() - began
			return nil
		}}, nil
	}}
	r := check(t, cfg, laws.Options{Cases: 3, Only: []string{"order"}})
	require.NoError(t, r.Err())
	require.GreaterOrEqual(t, slept, time.Hour)
	require.ErrorIs(t, ends, context.DeadlineExceeded)
	require.InDelta(t, time.Minute, ended, float64(100*time.Millisecond))
}
