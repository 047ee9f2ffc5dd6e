package explore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/sim"
)

func drawSeeds(t *rapid.T) Seeds {
	var s Seeds
	for range rapid.IntRange(1, 5).Draw(t, "ranges") {
		from := rapid.Uint64().Draw(t, "from")
		size := rapid.Uint64Range(0, 30).Draw(t, "size")
		s = append(s, Range{from, from + min(size, math.MaxUint64-from)})
	}
	return s
}

func TestSeedsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawSeeds(t)
		got, err := ParseSeeds(want.String())
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.EqualValues(t, want.Len(), len(slices.Collect(want.All())))
	})
}

func TestSeedsAreReadInBothBases(t *testing.T) {
	s, err := ParseSeeds("3, 0x10-0x12,18446744073709551615")
	require.NoError(t, err)
	require.Equal(t, []uint64{3, 16, 17, 18, math.MaxUint64}, slices.Collect(s.All()))
}

func TestWhatIsNotSeedsIsRefused(t *testing.T) {
	for _, bad := range []string{"", "abc", "-1", "+1", "1-", "5-4", "1,,2", "0x", "1_0", "1.5", "18446744073709551616", "1-2-3"} {
		_, err := ParseSeeds(bad)
		require.ErrorIs(t, err, ErrSeeds, "%q", bad)
	}
}

func TestAllOfTheSeedsThereAreIsSaidWithoutOverflow(t *testing.T) {
	require.EqualValues(t, uint64(math.MaxUint64), Seeds{{0, math.MaxUint64}}.Len())
	require.EqualValues(t, uint64(math.MaxUint64), Seeds{{1, math.MaxUint64}, {1, 7}}.Len())
}

func FuzzParseSeeds(f *testing.F) {
	for _, s := range []string{"1-500", "17", "3,9,0x10-0x1f", "", "-", "0x", "18446744073709551615-18446744073709551615"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		seeds, err := ParseSeeds(s)
		if err != nil {
			require.ErrorIs(t, err, ErrSeeds)
			return
		}
		require.NotEmpty(t, seeds)
		again, err := ParseSeeds(seeds.String())
		require.NoError(t, err)
		require.Equal(t, seeds, again)
	})
}

// pretend makes a result that only the seed decides.
func pretend(_ context.Context, seed uint64) (*sim.Result, error) {
	r := &sim.Result{
		Scenario: "pretend", Seed: seed, Steps: seed * 3, Delivered: seed,
		Records:    sim.Records{Emitted: seed, Appended: seed},
		Faults:     map[string]uint64{"crash": seed % 3, "never": 0},
		Invariants: []sim.Invariant{{Name: "order", Quantifier: "always", Checked: seed}, {Name: "bounded", Quantifier: "always", Checked: 1}},
		Sometimes:  []sim.Mark{{Name: "seen", Count: seed % 2}, {Name: "unseen"}},
	}
	switch seed % 4 {
	case 0:
		r.Verdict = sim.Violated
		r.Invariants[0].ViolatedAt = &r.Seed
		r.Invariants[0].Violation = fmt.Sprintf("n1 was at %d", seed)
	case 1:
		r.Verdict = sim.Inconclusive
		r.Why = []string{fmt.Sprintf("fault %d never fired", seed%8)}
	default:
		r.Verdict = sim.Held
	}
	return r, nil
}

func TestTallyDoesNotDependOnJobs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seeds := Seeds{{1, rapid.Uint64Range(1, 300).Draw(t, "last")}}
		tally := func(jobs int) string {
			sum, err := sweep(t.Context(), "pretend", seeds, Options{Jobs: jobs}, pretend)
			require.NoError(t, err)
			sum.Wall = 0
			j, err := json.Marshal(sum)
			require.NoError(t, err)
			return string(j)
		}
		require.Equal(t, tally(1), tally(rapid.IntRange(2, 16).Draw(t, "jobs")))
	})
}

func TestEverySeedIsCountedOnce(t *testing.T) {
	var mu sync.Mutex
	ran := make(map[uint64]int)
	told := uint64(0)
	sum, err := sweep(t.Context(), "pretend", FirstSeeds(400), Options{Jobs: 8, Progress: func(s *Tally) {
		told++
		require.Equal(t, told, s.Seeds)
	}}, func(ctx context.Context, seed uint64) (*sim.Result, error) {
		mu.Lock()
		ran[seed]++
		mu.Unlock()
		return pretend(ctx, seed)
	})
	require.NoError(t, err)
	require.Len(t, ran, 400)
	for seed, n := range ran {
		require.Equal(t, 1, n, "seed %d", seed)
	}
	require.EqualValues(t, 400, sum.Seeds)
	require.Equal(t, sum.Seeds, sum.Held+sum.Violated+sum.Inconclusive)
	require.EqualValues(t, 400*401/2, sum.Delivered)
	require.EqualValues(t, 400, told)
	marks, faults := sum.Never()
	require.Equal(t, []string{"unseen"}, marks)
	require.Equal(t, []string{"never"}, faults)
}

func TestSeedsKeptAreTheLowest(t *testing.T) {
	sum, err := sweep(t.Context(), "pretend", Seeds{{401, 1000}, {1, 400}}, Options{Jobs: 4}, pretend)
	require.NoError(t, err)
	require.EqualValues(t, 250, sum.Violated)
	require.Len(t, sum.Failures, MaxKept)
	for i, f := range sum.Failures {
		require.EqualValues(t, 4*(i+1), f.Seed)
		require.Equal(t, "order", f.Invariants[0].Name)
		require.Len(t, f.Invariants, 1)
	}
	require.Equal(t, sim.Violated, sum.Verdict)
	require.Equal(t, []Judged{
		{Name: "bounded", Quantifier: "always", Checked: 1000},
		{Name: "order", Quantifier: "always", Checked: 1000 * 1001 / 2, Violated: 250},
	}, sum.Invariants)
	require.Len(t, sum.Unshown, MaxKept)
	require.EqualValues(t, 1, sum.Unshown[0].Seed)
	require.Equal(t, []string{"fault 5 never fired"}, sum.Unshown[1].Why)
}

func TestAnErrorEndsTheSweepAndNamesItsSeed(t *testing.T) {
	broken := errors.New("cannot be run")
	sum, err := sweep(t.Context(), "pretend", FirstSeeds(math.MaxUint64), Options{}, func(ctx context.Context, seed uint64) (*sim.Result, error) {
		if seed == 20 {
			return nil, broken
		}
		return pretend(ctx, seed)
	})
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "seed 20: ")
	require.Less(t, sum.Seeds, uint64(1_000_000))
}

func TestAPanicNamesItsSeed(t *testing.T) {
	_, err := sweep(t.Context(), "pretend", FirstSeeds(100), Options{}, func(ctx context.Context, seed uint64) (*sim.Result, error) {
		if seed == 20 {
			panic("out of bounds")
		}
		return pretend(ctx, seed)
	})
	require.ErrorIs(t, err, ErrPanic)
	require.ErrorContains(t, err, "seed 20: ")
	require.ErrorContains(t, err, "out of bounds")
}

func TestAnInterruptedSweepTellsWhatItKnows(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var begun atomic.Uint64
	sum, err := sweep(ctx, "pretend", FirstSeeds(math.MaxUint64), Options{Jobs: 3}, func(ctx context.Context, seed uint64) (*sim.Result, error) {
		if begun.Add(1) > 50 {
			cancel()
			return nil, ctx.Err()
		}
		return pretend(ctx, seed)
	})
	require.ErrorIs(t, err, context.Canceled)
	require.LessOrEqual(t, sum.Seeds, uint64(50))
	require.Equal(t, sum.Seeds, sum.Held+sum.Violated+sum.Inconclusive)
}

func TestNoSeedsShowNothing(t *testing.T) {
	sum, err := sweep(t.Context(), "pretend", nil, Options{}, pretend)
	require.NoError(t, err)
	require.Equal(t, sim.Inconclusive, sum.Verdict)
}

func ExampleParseSeeds() {
	seeds, err := ParseSeeds("1-3,0x10")
	fmt.Println(slices.Collect(seeds.All()), err)
	_, err = ParseSeeds("some")
	fmt.Println(err)
	// Output:
	// [1 2 3 16] <nil>
	// explore: not seeds: "some", expected a number such as 17 or 0x11, or a list such as 1-500 or 3,9,17
}
