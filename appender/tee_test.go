package appender

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// answer is what a scripted sink does with one call.
type answer struct {
	Stores int // of the call's records, if it fails: less than all of them
	Mode   answerMode
}

type answerMode int

const (
	answerStores answerMode = iota
	answerFails
	answerPanics
	answerDoubts // fails, and does not know what it stored
)

// scripted is a sink that answers by a script, and stores everything when that
// has come to its end.
type scripted struct {
	script  []answer
	sink    []Record
	calls   int
	doubted bool // a panic or a doubt came in its last call that stored not all
}

func (s *scripted) Append(ctx context.Context, rec Record) error {
	_, err := s.AppendBatch(ctx, []Record{rec})
	return err
}

func (s *scripted) AppendBatch(_ context.Context, recs []Record) (int, error) {
	s.calls++
	var a answer
	if len(s.script) > 0 {
		a, s.script = s.script[0], s.script[1:]
	}
	if a.Mode == answerStores || len(recs) == 0 {
		s.sink = append(s.sink, recs...)
		return len(recs), nil
	}
	n := a.Stores % len(recs)
	if a.Mode == answerPanics {
		n = 0 // so that what is stored is known here
	}
	s.sink = append(s.sink, recs[:n]...)
	switch a.Mode {
	case answerPanics:
		s.doubted = true
		panic(errMoody)
	case answerDoubts:
		s.doubted = true
		return n, fmt.Errorf("%w: %w", ErrUnknownOutcome, errMoody)
	}
	return n, errMoody
}

func answersOf(modes ...answerMode) *rapid.Generator[[]answer] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) answer {
		return answer{Stores: rapid.IntRange(0, 5).Draw(t, "stores"), Mode: rapid.SampledFrom(modes).Draw(t, "mode")}
	}), 0, 8)
}

// teeScript is what a caller does with a tee: batches of any size, each begun at
// the first record that is not acknowledged, or behind one that is given up.
type teeScript struct {
	Sinks   [][]answer
	Records int
	Calls   []teeCall
}

type teeCall struct {
	Records int
	Single  bool
	GiveUp  bool // the record that the call before failed at
}

var teeScripts = rapid.Custom(func(t *rapid.T) teeScript {
	modes := answersOf(answerStores, answerFails, answerPanics, answerDoubts)
	return teeScript{
		Sinks:   rapid.SliceOfN(modes, 1, 3).Draw(t, "sinks"),
		Records: rapid.IntRange(1, 12).Draw(t, "records"),
		Calls: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) teeCall {
			return teeCall{
				Records: rapid.IntRange(1, 6).Draw(t, "n"), Single: rapid.Bool().Draw(t, "single"),
				GiveUp: rapid.IntRange(0, 3).Draw(t, "give up") == 0,
			}
		}), 1, 12).Draw(t, "calls"),
	}
})

// teeStoresOnceInEach: whatever single sinks do, what is acknowledged is in every
// sink, nothing is in one twice, n is what all have, the error says by
// ErrUnknownOutcome whether one has more, and no sink is kept from what its
// siblings get.
func teeStoresOnceInEach(sc teeScript, mk func(...Appender) BatchAppender) error {
	ctx := context.Background()
	sinks := make([]*scripted, len(sc.Sinks))
	inner := make([]Appender, len(sc.Sinks))
	for i := range sinks {
		sinks[i] = &scripted{script: sc.Sinks[i]}
		inner[i] = sinks[i]
	}
	tee := mk(inner...)
	recs := chain(1, sc.Records)
	at, failed := 0, false
	acked := map[uint64]bool{}
	for _, c := range append(sc.Calls, slices.Repeat([]teeCall{{Records: 5}}, 3*sc.Records+24)...) {
		if failed && c.GiveUp {
			at++ // it is nobody's any more, though some may have it
			failed = false
		}
		k := min(c.Records, len(recs)-at)
		if c.Single {
			k = min(k, 1)
		}
		if k == 0 {
			break
		}
		batch := recs[at : at+k]
		var n int
		var err error
		if k == 1 && c.Single {
			if err = tee.(Appender).Append(ctx, batch[0]); err == nil {
				n = 1
			}
		} else {
			n, err = tee.AppendBatch(ctx, batch)
		}
		if (n < k) != (err != nil) {
			return fmt.Errorf("n = %d of %d with error %v", n, k, err)
		}
		for _, r := range batch[:n] {
			acked[r.Seq] = true
		}
		if err := teeAnswered(sinks, batch, n, err); err != nil {
			return err
		}
		at += n
		failed = err != nil
	}
	for i, s := range sinks {
		seen := seqs(s.sink)
		if !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != len(seen) {
			return fmt.Errorf("sink %d holds %v", i+1, seen)
		}
		for _, r := range recs {
			if acked[r.Seq] && !slices.Contains(seen, r.Seq) {
				return fmt.Errorf("sink %d lacks #%d, which was acknowledged: %v", i+1, r.Seq, seen)
			}
		}
	}
	return nil
}

// teeAnswered checks one answer against what the sinks hold then.
func teeAnswered(sinks []*scripted, batch []Record, n int, err error) error {
	some, all, doubt := false, true, false
	for i, s := range sinks {
		doubt, s.doubted = doubt || s.doubted, false
		seen := seqs(s.sink)
		for _, r := range batch[:n] {
			if !slices.Contains(seen, r.Seq) {
				return fmt.Errorf("n = %d, and sink %d lacks #%d", n, i+1, r.Seq)
			}
		}
		if n < len(batch) {
			has := slices.Contains(seen, batch[n].Seq)
			some, all = some || has, all && has
		}
	}
	switch {
	case err == nil:
		return nil
	case all:
		return fmt.Errorf("n = %d, though all sinks have #%d", n, batch[n].Seq)
	case !errors.Is(err, errMoody):
		return fmt.Errorf("the cause is lost in %w", err)
	case errors.Is(err, ErrUnknownOutcome) != (some || doubt):
		return fmt.Errorf("some have #%d: %v; some doubt: %v; but the error is %w", batch[n].Seq, some, doubt, err)
	case unsettled(err) != doubt:
		return fmt.Errorf("some doubt: %v; but unsettled(%w) is not", doubt, err)
	}
	return nil
}

func TestTeeStoresOnceInEach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := teeScripts.Draw(t, "script")
		require.NoError(t, teeStoresOnceInEach(sc, func(a ...Appender) BatchAppender { return NewTee(a...) }))
	})
}

// brokenTee is a tee with one behaviour replaced.
type brokenTee struct {
	*Tee
	batch func(t *Tee, ctx context.Context, recs []Record) (int, error)
}

func (b brokenTee) Append(ctx context.Context, rec Record) error {
	_, err := b.AppendBatch(ctx, []Record{rec})
	return err
}

func (b brokenTee) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	return b.batch(b.Tee, ctx, recs)
}

func TestTeePropertyFailsForEveryBrokenTee(t *testing.T) {
	forget := func(t *Tee) {
		for _, s := range t.sinks {
			clear(s.ahead)
		}
		t.behind = false
	}
	for name, batch := range map[string]func(t *Tee, ctx context.Context, recs []Record) (int, error){
		"remembers nothing": func(t *Tee, ctx context.Context, recs []Record) (int, error) {
			n, err := t.AppendBatch(ctx, recs)
			forget(t)
			return n, err
		},
		"remembers the latest call alone": func(t *Tee, ctx context.Context, recs []Record) (int, error) {
			n, err := t.AppendBatch(ctx, recs)
			for _, s := range t.sinks {
				for id := range s.ahead {
					if !slices.ContainsFunc(recs, func(r Record) bool { return identity(&r) == id }) {
						delete(s.ahead, id)
					}
				}
			}
			return n, err
		},
		"stops at the first failure": func(t *Tee, ctx context.Context, recs []Record) (int, error) {
			for _, s := range t.sinks {
				if n, err := s.append(ctx, recs); err != nil {
					return n, err
				}
			}
			return len(recs), nil
		},
		"lets panics through": func(t *Tee, ctx context.Context, recs []Record) (int, error) {
			n := len(recs)
			var errs []error
			for _, s := range t.sinks {
				k, err := AppendBatch(ctx, s.guard.inner, recs)
				n, errs = min(n, k), append(errs, err)
			}
			return n, errors.Join(errs...)
		},
		"acknowledges what one has": func(t *Tee, ctx context.Context, recs []Record) (int, error) {
			n, err := t.AppendBatch(ctx, recs)
			for _, s := range t.sinks {
				if len(s.ahead) > 0 {
					forget(t)
					return len(recs), nil
				}
			}
			return n, err
		},
		"calls a part nothing": func(t *Tee, ctx context.Context, recs []Record) (int, error) {
			n, err := t.AppendBatch(ctx, recs)
			if errors.Is(err, ErrUnknownOutcome) {
				err = errMoody
			}
			return n, err
		},
		"calls a doubt a part": func(t *Tee, ctx context.Context, recs []Record) (int, error) {
			n, err := t.AppendBatch(ctx, recs)
			if unsettled(err) {
				err = &partialError{errMoody}
			}
			return n, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, tripped(func(seed int) (err error) {
				defer func() {
					if v := recover(); v != nil {
						err = fmt.Errorf("panic: %v", v)
					}
				}()
				return teeStoresOnceInEach(teeScripts.Example(seed), func(a ...Appender) BatchAppender {
					return brokenTee{NewTee(a...), batch}
				})
			}))
		})
	}
}

// TestRetryAroundATeeStoresOnceInEach: with a retry's default options, as long as
// the sinks themselves know what they have.
func TestRetryAroundATeeStoresOnceInEach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fails := answersOf(answerStores, answerFails)
		a, b := &scripted{script: fails.Draw(t, "a")}, &scripted{script: fails.Draw(t, "b")}
		tee := NewTee(a, b)
		r := NewRetry(tee, Env{Clock: new(napClock)}, RetryOptions{Attempts: 20})
		recs := chain(1, rapid.IntRange(1, 12).Draw(t, "records"))
		n, err := r.AppendBatch(t.Context(), recs)
		require.NoError(t, err)
		require.Equal(t, len(recs), n)
		require.Equal(t, seqs(recs), seqs(a.sink))
		require.Equal(t, seqs(recs), seqs(b.sink))
		for _, s := range tee.Sinks() {
			require.Equal(t, uint64(len(recs)), s.Delivered)
		}
		require.False(t, tee.behind, "nothing is remembered of what is acknowledged")
	})
}

// TestATeesMemoryIsBounded: by records and by calls.
func TestATeesMemoryIsBounded(t *testing.T) {
	fails := true
	tee := NewTee(NoOp{}, appendFunc(func(context.Context, Record) error {
		if fails {
			return errMoody
		}
		return nil
	}))
	for i := range 100 {
		_, err := tee.AppendBatch(t.Context(), chain(uint64(1+100*i), 100))
		require.ErrorIs(t, err, ErrUnknownOutcome)
		require.LessOrEqual(t, len(tee.sinks[0].ahead), teeRecords+100)
	}
	fails = false
	for i := range 2 * teeCalls {
		require.NoError(t, tee.Append(t.Context(), Record{Seq: uint64(100_000 + i)}))
	}
	require.False(t, tee.behind)
}

func TestATeeNamesTheSinkThatFails(t *testing.T) {
	tee := NewTee(NoOp{}, &plain{fail: 7})
	err := tee.Append(t.Context(), Record{Seq: 7})
	require.EqualError(t, err, "appender: outcome unknown: stored by some: tee: sink 2: appender: full")
	require.ErrorIs(t, err, ErrFull)
	require.Equal(t, []Stats{{Accepted: 1, Delivered: 1}, {Failed: 1}}, tee.Sinks(), "each counts what it has")
	require.Equal(t, Stats{Failed: 1}, tee.Stats())
	a, b := &flushing{}, &flushing{}
	tee = NewTee(a, appendFunc(func(context.Context, Record) error { panic("?") }), b)
	require.ErrorContains(t, tee.Flush(t.Context()), "sink 3")
	require.ErrorIs(t, tee.Close(), ErrClosed)
	require.Equal(t, []int{1, 1, 1, 1}, []int{a.flushed, b.flushed, a.closed, b.closed})
	require.ErrorContains(t, tee.Append(t.Context(), Record{}), "tee: sink 2: guard: append #0")
	require.Equal(t, uint64(1), tee.Panics())
}
