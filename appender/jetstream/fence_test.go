package jetstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
)

// staleBatch lets a batch of one opening reach the server after another opening
// took over and appended, and compares what is stored with what both were told.
func staleBatch(tb testing.TB, url string, next appender.Env, batch int, change func(*proxy)) error {
	p := startProxy(tb, url)
	if change != nil {
		change(p)
	}
	direct := Options{URL: url, Prefix: freshPrefix(), MaxRecords: 1000}
	proxied := direct
	proxied.URL = p.URL()
	stale := open(tb, testEnv(1), proxied)
	if _, err := stale.AppendBatch(context.Background(), numbered(1, 5)); err != nil {
		return err
	}
	p.set(func() { p.hold = true })
	ctx, cancel := within(soon)
	defer cancel()
	n, err := stale.AppendBatch(ctx, numbered(6, 5+uint64(batch)))
	if n != 0 || !errors.Is(err, appender.ErrUnknownOutcome) {
		return fmt.Errorf("held back, and told %d, %w", n, err)
	}
	small := direct
	small.InFlight = 1 // the gap must be that of the stale one all the same
	fresh := open(tb, next, small)
	recs := numbered(1001, 1010)
	for i := range recs {
		recs[i].Incarnation = next.Incarnation
	}
	if _, err := fresh.AppendBatch(context.Background(), recs); err != nil {
		return err
	}
	p.set(func() { p.hold = false })
	time.Sleep(soon)
	if err := stale.Append(context.Background(), numbered(999, 999)[0]); !errors.Is(err, ErrFenced) {
		return fmt.Errorf("the stale one was told %w", err)
	}
	if _, err := fresh.AppendBatch(context.Background(), numbered(2001, 2010)); err != nil {
		return err
	}
	want := append(seqs(numbered(1, 5)), append(seqs(recs), seqs(numbered(2001, 2010))...)...)
	if got := seqs(content(tb, direct, "n1")); fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("stored %v, not %v", got, want)
	}
	return nil
}

func TestWhatAStaleOpeningHasOnItsWayIsRefused(t *testing.T) {
	url := startServer(t).URL()
	nextEpoch := testEnv(2)
	nextIncarnation := appender.Env{Node: "n1", Incarnation: 2, Epoch: 1}
	same := testEnv(1)
	for _, next := range []appender.Env{nextEpoch, nextIncarnation, same} {
		for _, batch := range []int{1, 2, 50, DefaultInFlight, DefaultInFlight + 9} {
			t.Run(fmt.Sprintf("incarnation %d, epoch %d, %d records", next.Incarnation, next.Epoch, batch), func(t *testing.T) {
				t.Parallel()
				require.NoError(t, staleBatch(t, url, next, batch, nil))
			})
		}
	}
	t.Run("and this is seen", func(t *testing.T) {
		for name, change := range map[string]func(*proxy){
			"records expect nothing": expectNothing,
			"the gap is too small":   func(p *proxy) { p.mangle = map[string]string{`"in_flight":128`: `"in_flight":1  `} },
		} {
			t.Run(name, func(t *testing.T) {
				err := staleBatch(t, url, nextEpoch, 50, change)
				require.Error(t, err)
				t.Log(err)
			})
		}
	})
}

func TestAnOpeningThatIsNotNewerIsRefused(t *testing.T) {
	o := Options{URL: startServer(t).URL(), MaxRecords: 10}
	open(t, appender.Env{Node: "n1", Incarnation: 3, Epoch: 5}, o)
	for _, env := range []appender.Env{
		{Node: "n1", Incarnation: 3, Epoch: 4},
		{Node: "n1", Incarnation: 2, Epoch: 9},
	} {
		_, err := Open(context.Background(), env, o)
		require.ErrorIs(t, err, ErrFenced)
	}
	open(t, appender.Env{Node: "n2", Incarnation: 1, Epoch: 1}, o)
}

func TestOfOpeningsAtOnceTheNewestStays(t *testing.T) {
	url := startServer(t).URL()
	for range 10 {
		o := Options{URL: url, Prefix: freshPrefix(), MaxRecords: 100, Timeout: patient}
		const n = 4
		var opened [n]*Appender
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				a, err := Open(context.Background(), testEnv(uint64(i+1)), o)
				if err != nil {
					require.ErrorIs(t, err, ErrFenced)
					return
				}
				opened[i] = a
			})
		}
		wg.Wait()
		for i, a := range opened {
			if a == nil {
				require.Less(t, i, n-1, "the newest did not open")
				continue
			}
			err := a.Append(context.Background(), numbered(uint64(i+1), uint64(i+1))[0])
			if i < n-1 {
				require.ErrorIs(t, err, ErrFenced)
			} else {
				require.NoError(t, err)
			}
			require.NoError(t, a.Close())
		}
		require.Equal(t, []uint64{n}, seqs(content(t, o, "n1")))
	}
}

// TestATakeoverInTheMiddleOfABatchLeavesAPrefix: one opening appends as fast as
// it can while the next one takes over. What the first was told is true, what
// is stored of it has no gap, and nothing of it comes after the second opened.
func TestATakeoverInTheMiddleOfABatchLeavesAPrefix(t *testing.T) {
	t.Parallel()
	url := startServer(t).URL()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 25 {
		o := Options{URL: url, Prefix: freshPrefix(), MaxRecords: 100_000}
		stale := open(t, testEnv(1), o)
		h := history{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for seq := uint64(1); ; seq += 100 {
				recs := numbered(seq, seq+99)
				n, err := stale.AppendBatch(context.Background(), recs)
				h.tell(recs, n, err)
				if err != nil {
					return
				}
			}
		}()
		time.Sleep(time.Duration(rng.IntN(5_000)) * time.Microsecond)
		fresh := open(t, testEnv(2), o)
		atOpen := content(t, o, "n1")
		next := numbered(1_000_001, 1_000_100)
		n, err := fresh.AppendBatch(context.Background(), next)
		require.NoError(t, err)
		require.Equal(t, 100, n)
		<-done
		stored := content(t, o, "n1")
		require.Equal(t, append(atOpen, next...), stored)
		for i := range atOpen {
			require.EqualValues(t, i+1, atOpen[i].Seq, "a gap")
		}
		require.NoError(t, h.judge(stored))
		for seq, outcome := range h {
			require.NotEqual(t, appender.Unknown, outcome, "record %d: nothing got lost, so every fate is known", seq)
		}
		end, _ := fresh.Position()
		require.EqualValues(t, len(stored), end)
	}
}
