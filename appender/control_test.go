package appender

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// blow is one strike as a caller sees it.
type blow struct {
	seq  uint64
	kind string
}

// drive appends recs in batches of the given sizes, in turn, retrying each
// record until it is stored, as an appender host does. It returns every strike
// in order. It fails when the batch contract is broken.
func drive(r rig, recs []Record, sizes []int) ([]blow, error) {
	var blows []blow
	for n, turn := 0, 0; n < len(recs); turn++ {
		batch := recs[n:min(n+sizes[turn%len(sizes)], len(recs))]
		before := r.sink.Stats().Accepted
		m, err := batchRecovered(r.faulty, batch)
		landed := r.sink.Stats().Accepted - before
		unknown := uint64(0)
		var pe *PanicError
		var ae *AppendError
		switch {
		case err == nil && m == len(batch):
		case errors.As(err, &pe) && errors.As(err, &ae):
			// A panic takes the count with it: what is in hand is retried from
			// the record that it names.
			blows = append(blows, blow{ae.Seq, FaultAppendPanic})
			m = int(ae.Seq - batch[0].Seq)
		case errors.Is(err, ErrUnknownOutcome) && errors.As(err, &ae):
			unknown = 1
			blows = append(blows, blow{ae.Seq, FaultAppliedThenError})
		case errors.As(err, &ae):
			blows = append(blows, blow{ae.Seq, FaultAppendError})
		default:
			return nil, fmt.Errorf("stored %d of %d: %w", m, len(batch), err)
		}
		if err != nil && (m >= len(batch) || ae.Seq != batch[m].Seq) {
			return nil, fmt.Errorf("n = %d, but the error concerns %d: %w", m, ae.Seq, err)
		}
		if landed != uint64(m)+unknown {
			return nil, fmt.Errorf("%d landed, n = %d: %w", landed, m, err)
		}
		n += m
	}
	return blows, nil
}

func batchRecovered(f *Faulty, recs []Record) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			n, err = -1, &PanicError{Value: v}
		}
	}()
	return f.AppendBatch(context.Background(), recs)
}

// chances draws rules by chance of the kinds that need no clock.
var chances = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Rule {
	return Rule{
		Kind:  rapid.SampledFrom([]string{FaultAppendError, FaultAppendPanic, FaultAppliedThenError}).Draw(t, "kind"),
		Fault: Fault{Prob: rapid.Float64Range(0.01, 0.7).Draw(t, "prob"), From: rapid.Uint64Range(0, 30).Draw(t, "from")},
	}
}), 0, 4)

var batchSizes = rapid.SliceOfN(rapid.IntRange(1, 40), 1, 6)

func TestRetriesThroughFaultsStoreEveryRecordInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(rapid.Uint64().Draw(t, "seed"), chances.Draw(t, "rules")...)
		recs := chain(1, rapid.IntRange(1, 80).Draw(t, "records"))
		blows, err := drive(r, recs, batchSizes.Draw(t, "sizes"))
		require.NoError(t, err)

		// Exactly the applied-then-error ones are stored again, by the retry.
		var want []uint64
		copies := map[uint64]int{}
		counts := map[string]uint64{}
		for _, b := range blows {
			counts[b.kind]++
			if b.kind == FaultAppliedThenError {
				copies[b.seq]++
			}
		}
		for _, rec := range recs {
			for range copies[rec.Seq] + 1 {
				want = append(want, rec.Seq)
			}
		}
		require.Equal(t, want, r.stored())
		for _, kind := range FaultKinds() {
			require.Equal(t, counts[kind], r.control.Struck(kind), kind)
		}
	})
}

func TestWhatIsStruckDoesNotDependOnHowRecordsAreBatched(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, rules := rapid.Uint64().Draw(t, "seed"), chances.Draw(t, "rules")
		recs := chain(1, 60)
		one, err := drive(newRig(seed, rules...), recs, []int{1})
		require.NoError(t, err)
		many, err := drive(newRig(seed, rules...), recs, batchSizes.Draw(t, "sizes"))
		require.NoError(t, err)
		require.Equal(t, one, many)
	})
}

func TestOtherCallsDoNotShiftARecordsDraws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, rules := rapid.Uint64().Draw(t, "seed"), chances.Draw(t, "rules")
		recs := chain(1, 60)
		alone, err := drive(newRig(seed, rules...), recs, []int{7})
		require.NoError(t, err)

		// The same again with another stream's records in between, one more
		// rule of a kind that never strikes here, and calls repeated though
		// they had gone well.
		r := newRig(seed, append(rules, Rule{Kind: FaultOpenError, Fault: Fault{Prob: 0.5}})...)
		struck := map[uint64]bool{}
		for _, b := range alone {
			struck[b.seq] = true
		}
		var blows []blow
		for i := range recs {
			other := recs[i]
			other.Stream = 1
			for range rapid.IntRange(0, 2).Draw(t, "others") {
				_, _ = batchRecovered(r.faulty, []Record{other})
			}
			b, err := drive(r, recs[i:i+1], []int{1})
			require.NoError(t, err)
			blows = append(blows, b...)
			if !struck[recs[i].Seq] {
				_, err := batchRecovered(r.faulty, recs[i:i+1])
				require.NoError(t, err, "a record that was not struck is not struck later")
			}
		}
		require.Equal(t, alone, blows)
	})
}

func TestDrawsHitAsOftenAsTheirChance(t *testing.T) {
	const n = 5000
	for seed := range uint64(3) {
		for _, prob := range []float64{0.001, 0.1, 0.5, 0.9} {
			r := newRig(seed, Rule{Kind: FaultAppendError, Fault: Fault{Prob: prob}})
			for _, rec := range chain(1, n) {
				_ = r.faulty.Append(context.Background(), rec)
			}
			struck := float64(r.control.Struck(FaultAppendError))
			require.InDelta(t, n*prob, struck, 5*math.Sqrt(n*prob*(1-prob)), "seed %d, chance %v", seed, prob)
		}
	}
}

func TestChancesOfZeroOneAndNever(t *testing.T) {
	for _, c := range []struct {
		prob float64
		want uint64
	}{{0, 100}, {1, 100}, {2, 100}, {-1, 0}, {math.SmallestNonzeroFloat64, 0}} {
		r := newRig(3, Rule{Kind: FaultAppendError, Fault: Fault{Prob: c.prob}})
		for _, rec := range chain(1, 100) {
			_ = r.faulty.Append(context.Background(), rec)
		}
		require.Equal(t, c.want, r.control.Struck(FaultAppendError), "chance %v", c.prob)
	}
}

func TestSeedsKindsIncarnationsAndStreamsDrawApart(t *testing.T) {
	draws := func(seed uint64, kind faultKind, s subject) (out []bool) {
		c := NewControl(seed)
		for s.number = range uint64(200) {
			out = append(out, c.draw(&rule{Fault: Fault{Prob: 0.5}, kind: kind}, s))
		}
		return out
	}
	s := subject{incarnation: 1}
	base := draws(1, appendError, s)
	require.Equal(t, base, draws(1, appendError, s))
	require.NotEqual(t, base, draws(2, appendError, s))
	require.NotEqual(t, base, draws(1, appendPanic, s))
	require.NotEqual(t, base, draws(1, appendError, subject{incarnation: 2}))
	require.NotEqual(t, base, draws(1, appendError, subject{incarnation: 1, stream: 1}))
}

func TestARecordThatWasStruckIsDrawnAnew(t *testing.T) {
	r := newRig(9, Rule{Kind: FaultAppendError, Fault: Fault{Prob: 0.5}})
	retries := 0
	for _, rec := range chain(1, 500) {
		for r.faulty.Append(context.Background(), rec) != nil {
			retries++
			require.Less(t, retries, 2000)
		}
	}
	// At one half, each record takes one retry on average.
	require.InDelta(t, 500, retries, 5*math.Sqrt(2*500))
}

func TestAForgottenStrikeRepeatsItsFirstDraw(t *testing.T) {
	c := NewControl(9)
	r := &rule{Fault: Fault{Prob: 0.5}, kind: appendError}
	first := subject{number: 1}
	for !c.draw(r, first) {
		first.number++
	}
	for c.draw(r, first) {
		c.remember(appendError, first)
	}
	for i := range uint64(restrikes) {
		c.remember(appendError, subject{number: 1_000_000 + i})
	}
	require.True(t, c.draw(r, first))
	require.Equal(t, restrikes, c.again[appendError].Len(), "what is remembered is bounded")
}

func TestWindowsBoundRecordsTimesAndStrikes(t *testing.T) {
	strikes := func(r rig, first uint64, n int) (out []uint64) {
		for _, rec := range chain(first, n) {
			if r.faulty.Append(context.Background(), rec) != nil {
				out = append(out, rec.Seq)
			}
		}
		return out
	}
	t.Run("numbers", func(t *testing.T) {
		r := newRig(1, Rule{Kind: FaultAppendError, Fault: Fault{From: 3, To: 5}})
		require.Equal(t, []uint64{3, 4, 5}, strikes(r, 1, 9))
	})
	t.Run("the first from the k-th on, once, even if the k-th was dropped on its way", func(t *testing.T) {
		r := newRig(1, Rule{Kind: FaultAppendError, Fault: Fault{From: 3, Times: 1}})
		require.Empty(t, strikes(r, 1, 2))
		require.Equal(t, []uint64{7}, strikes(r, 7, 3))
		require.Empty(t, strikes(r, 3, 1))
	})
	t.Run("times", func(t *testing.T) {
		r := newRig(1, Rule{Kind: FaultAppendError, Fault: Fault{After: time.Second, Until: 2 * time.Second}})
		require.Empty(t, strikes(r, 1, 1))
		r.clock.Advance(time.Second)
		require.Equal(t, []uint64{2}, strikes(r, 2, 1))
		r.clock.Advance(time.Second)
		require.Empty(t, strikes(r, 3, 1))
	})
}

func TestSwitchesAreFlippedAtRunTime(t *testing.T) {
	r := newRig(1)
	rec := chain(1, 1)[0]
	ctx := context.Background()
	r.control.Set(FaultAppendError, Fault{})
	require.ErrorIs(t, r.faulty.Append(ctx, rec), ErrInjected)
	r.control.Set(FaultAppendError, Fault{Err: ErrFull})
	require.ErrorIs(t, r.faulty.Append(ctx, rec), ErrFull, "Set replaces")
	remove := r.control.Add(Rule{Kind: FaultAppliedThenError})
	r.control.Clear(FaultAppendError)
	require.ErrorIs(t, r.faulty.Append(ctx, rec), ErrUnknownOutcome, "Clear leaves other kinds alone")
	require.True(t, remove())
	require.False(t, remove())
	require.False(t, r.control.armed.Load(), "healthy calls take no lock")
	require.NoError(t, r.faulty.Append(ctx, rec))
	require.Equal(t, uint64(2), r.control.Struck(FaultAppendError), "counts outlive the rules")
}

func TestASwitchIsSharedByAllEpochsOfANode(t *testing.T) {
	c, clock := NewControl(1), new(ManualClock)
	open := FaultyOpener(openNoOp, c)
	var epochs []Appender
	for epoch := range uint64(3) {
		a, err := open(context.Background(), Env{Node: "n1", Incarnation: 1, Epoch: epoch + 1, Clock: clock})
		require.NoError(t, err)
		epochs = append(epochs, a)
	}
	c.Set(FaultAppendError, Fault{})
	for _, a := range epochs {
		require.ErrorIs(t, a.Append(context.Background(), Record{}), ErrInjected)
	}
	require.Equal(t, uint64(3), c.Struck(FaultAppendError))
}

func TestEveryStrikeIsAnnouncedBeforeItHurts(t *testing.T) {
	once := func(kind string, k uint64) Rule { return Rule{Kind: kind, Fault: Fault{From: k, Times: 1}} }
	r := newRig(1, once(FaultAppendError, 1), once(FaultAppendPanic, 2), once(FaultAppliedThenError, 3), once(FaultAppendDeaf, 4))
	type seen struct {
		kind   string
		stored int
	}
	var got []seen
	r.control.OnStrike(func(kind string) {
		got = append(got, seen{kind, len(r.stored())})
		r.control.Release() // lets the deaf one go on
	})
	_, err := drive(r, chain(1, 5), []int{5})
	require.NoError(t, err)
	require.Equal(t, []seen{
		{FaultAppendError, 0}, {FaultAppendPanic, 1}, {FaultAppliedThenError, 3}, {FaultAppendDeaf, 4},
	}, got)
}

func TestOfSeveralKindsTheFirstInOrderStrikes(t *testing.T) {
	order := []string{FaultAppendPanic, FaultAppendDeaf, FaultAppendHang, FaultAppendError}
	r := newRig(1, Rule{Kind: FaultAppliedThenError, Fault: Fault{From: 2}}, Rule{Kind: FaultAppendLatency})
	for _, kind := range []int{2, 0, 3, 1} { // in no order of theirs
		r.control.Add(Rule{Kind: order[kind], Fault: Fault{Times: 1}})
	}
	var struck, want []string
	r.control.OnStrike(func(kind string) {
		struck = append(struck, kind)
		r.control.Release() // lets those that hang go on
	})
	for _, kind := range order {
		_, _ = batchRecovered(r.faulty, chain(1, 1))
		want = append(want, FaultAppendLatency, kind)
	}
	require.ErrorIs(t, r.faulty.Append(context.Background(), chain(2, 1)[0]), ErrUnknownOutcome)
	require.Equal(t, append(want, FaultAppendLatency, FaultAppliedThenError), struck)
	require.Equal(t, []uint64{1, 1, 2}, r.stored(), "what hung was stored when it was released")
}

func TestUnknownKindsAreABug(t *testing.T) {
	c := NewControl(1)
	require.PanicsWithValue(t, `appender: no fault kind "append-eror"`, func() { c.Set("append-eror", Fault{}) })
	require.Panics(t, func() { c.Struck("") })
	require.Panics(t, func() { NewControl(1, Rule{}) })
}

func TestFaultKindsAreThoseOfScenarios(t *testing.T) {
	require.Equal(t, []string{
		"append-error", "append-latency", "append-hang", "append-deaf", "append-panic",
		"open-error", "open-hang", "open-deaf", "open-panic", "applied-then-error",
	}, FaultKinds())
}

func TestAControlMayBeUsedByManyEpochsAtOnce(t *testing.T) {
	r := newRig(1, Rule{Kind: FaultAppendError, Fault: Fault{Prob: 0.3}})
	var strikes sync.Map
	r.control.OnStrike(func(kind string) { strikes.Store(kind, true) })
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 200 {
				rec := Record{Seq: uint64(i + 1), Stream: uint8(w)}
				_ = r.faulty.Append(context.Background(), rec)
				if w == 0 && i%20 == 0 {
					r.control.Set(FaultAppliedThenError, Fault{Prob: 0.5})
					r.control.Release()
					r.control.Clear(FaultAppliedThenError)
				}
			}
		}()
	}
	wg.Wait()
	// The draws of each stream are its own, whoever ran when.
	want := NewControl(1)
	hits := uint64(0)
	for w := range 4 {
		for i := range 200 {
			if want.draw(&rule{Fault: Fault{Prob: 0.3}, kind: appendError}, subject{number: uint64(i + 1), stream: uint8(w)}) {
				hits++
			}
		}
	}
	require.Equal(t, hits, r.control.Struck(FaultAppendError))
}
