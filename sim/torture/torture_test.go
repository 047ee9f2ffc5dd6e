package torture

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// findCases is how many cases must be enough to find a broken log.
const findCases = 1000

func TestLogsKeepTheirWordOnFaultyDisks(t *testing.T) {
	r, err := Run(context.Background(), Options{Seed: 1, Cases: findCases})
	require.NoError(t, err)
	sum := r.Total()
	require.EqualValues(t, findCases, sum.Cases)
	for k := range NumKinds {
		c := &r.Kinds[k]
		require.NotZero(t, c.Cases, Kind(k))
		require.Greater(t, c.Faults, c.Cases/2, "cases without faults show nothing: %s", Kind(k))
		require.Greater(t, c.Stored, c.Cases)
		require.Greater(t, c.Read, c.Stored)
	}
	// What is never seen is not tested.
	require.NotZero(t, sum.Failed)
	require.NotZero(t, sum.Unknown)
	require.NotZero(t, sum.Lost)
	require.NotZero(t, sum.Torn)
	require.NotZero(t, r.Kinds[Flipped].Damaged)
}

// TestSeedsThatOnceFailed: each showed a fault that was mended; the tests of
// filelog have most of them in a form of their own.
func TestSeedsThatOnceFailed(t *testing.T) {
	for _, seed := range []uint64{
		556, 23681, 96300, // a segment without a header, reported though it held nothing, or not
		112771, 220556, // half the header of a segment that was never made
		416709,               // the last to tell what was dropped goes first
		6620, 228602, 292120, // segments that were dropped come back without their headers
		112336, 862866, // a batch that does not count drops nothing
		661027, // what told that damaged records had been durable was cut off
	} {
		_, f := runCase(seed, filelogs)
		require.Nil(t, f)
	}
}

func TestEveryBrokenLogIsFound(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(broken)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := range uint64(findCases) {
				p := draw(1 + i)
				err := newWorld(p, broken[name]).run()
				if err == nil {
					continue
				}
				if newWorld(p, filelogs).run() == nil { // it is for what was broken
					t.Logf("%d cases: %v", i+1, err)
					return
				}
			}
			t.Errorf("%d cases do not show it", findCases)
		})
	}
}

func TestAFailureIsToldSmallAndAgain(t *testing.T) {
	opener := broken["syncs nothing"]
	for seed := uint64(1); ; seed++ {
		c, f := runCase(seed, opener)
		if f == nil {
			continue
		}
		require.Equal(t, seed, f.Seed)
		require.Equal(t, c.kind, f.Kind)
		require.LessOrEqual(t, len(f.Steps), 6, "%v", f)
		require.ErrorContains(t, f, f.Command())
		require.ErrorContains(t, f, strings.Join([]string{"1.", f.Steps[0]}, " "))
		require.ErrorIs(t, f, f.Err)
		_, again := runCase(seed, opener)
		require.Equal(t, f, again)
		return
	}
}

func TestACampaignIsAFunctionOfItsSeed(t *testing.T) {
	one, err := Run(context.Background(), Options{Seed: 99, Cases: 120, Workers: 1})
	require.NoError(t, err)
	var done []int
	many, err := Run(context.Background(), Options{Seed: 99, Cases: 120, Workers: 7, Progress: func(n int) { done = append(done, n) }})
	require.NoError(t, err)
	require.Equal(t, one, many)
	require.True(t, slices.IsSorted(done))
	require.Equal(t, 120, done[len(done)-1])
	other, err := Run(context.Background(), Options{Seed: 100, Cases: 120})
	require.NoError(t, err)
	require.NotEqual(t, one.Digest, other.Digest)
	// A case by itself is what it is in a campaign.
	var sum Tally
	for i := range uint64(120) {
		kind, c, err := Case(99 + i)
		require.NoError(t, err)
		require.Less(t, int(kind), NumKinds)
		sum.add(&c)
	}
	require.Equal(t, one.Total(), sum)
}

func TestTheFirstFailureIsReportedWhateverTheWorkers(t *testing.T) {
	opener := broken["reorders a batch"]
	run := func(workers int) *Failure {
		r, err := campaign(context.Background(), Options{Seed: 5, Workers: workers}, 2000, func(i int) (outcome, *Failure) {
			return runCase(5+uint64(i), opener)
		})
		require.ErrorIs(t, err, r.Failure.Err)
		return r.Failure
	}
	require.Equal(t, run(1), run(5))
}

func TestACampaignEndsWithItsContext(t *testing.T) {
	defer goleak.VerifyNone(t)
	ended, cancel := context.WithCancel(context.Background())
	n := 0
	r, err := Run(ended, Options{Seed: 1, Cases: 1 << 30, Workers: 2, Progress: func(done int) {
		if n = done; done > 200 {
			cancel()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, n, r.Total().Cases)
	require.Less(t, n, 10_000)
}

func TestEveryFaultAtEveryPlaceOfASmallLog(t *testing.T) {
	// All of it takes half a minute; the command runs it.
	r, err := systematic(context.Background(), Options{Seed: 7}, sample(t, 7), filelogs)
	require.NoError(t, err)
	for k := range NumKinds {
		require.NotZero(t, r.Kinds[k].Cases, Kind(k))
	}
	sum := r.Total()
	require.NotZero(t, sum.Damaged)
	require.NotZero(t, sum.Torn)
	require.NotZero(t, sum.Lost)
}

// sample is every 401st variation, and of the kinds with few of them every seventh.
func sample(t *testing.T, seed uint64) []variation {
	all, err := everything(seed)
	require.NoError(t, err)
	var some []variation
	for i, v := range all {
		few := v.kind == Full || v.kind == Killed || v.kind == Fsync
		if i%401 == 0 || few && i%7 == 0 {
			some = append(some, v)
		}
	}
	return some
}

func TestEveryFaultAtEveryPlaceFindsWhatIsBroken(t *testing.T) {
	some := sample(t, 3)
	for _, name := range []string{"hides a short write", "syncs no names", "finds nothing ever", "hangs when the disk is full"} {
		r, err := systematic(context.Background(), Options{Seed: 3}, some, broken[name])
		require.Error(t, err, name)
		require.True(t, r.Failure.Systematic)
		require.ErrorContains(t, err, "meshsim appender torture --systematic --seed 3")
	}
	r, err := Systematic(context.Background(), Options{Seed: 3, Cases: 200})
	require.NoError(t, err)
	require.EqualValues(t, 200, r.Total().Cases)
}
