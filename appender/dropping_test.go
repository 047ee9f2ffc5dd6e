package appender

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// filterScript is a chain through a filter, whatever the appender inside does.
type filterScript struct {
	Answers []answer
	Keep    []bool
	Batches []int
}

var filterScripts = rapid.Custom(func(t *rapid.T) filterScript {
	return filterScript{
		Answers: answersOf(answerStores, answerFails).Draw(t, "answers"),
		Keep:    rapid.SliceOfN(rapid.Bool(), 1, 20).Draw(t, "keep"),
		Batches: rapid.SliceOfN(rapid.IntRange(1, 8), 1, 5).Draw(t, "batches"),
	}
})

// filterAnswersForAll: the kept records are stored, in order, the others are
// acknowledged and counted, and an error concerns a record that was to be kept,
// with nothing behind it stored or counted.
func filterAnswersForAll(sc filterScript, mk func(Appender, func(Record) bool) Appender) error {
	ctx, sink := context.Background(), &scripted{script: sc.Answers}
	keep := func(r Record) bool { return sc.Keep[r.Seq-1] }
	f := mk(sink, keep)
	recs := chain(1, len(sc.Keep))
	at := 0
	for i := 0; at < len(recs); i++ {
		batch := recs[at:min(at+sc.Batches[i%len(sc.Batches)], len(recs))]
		n, err := AppendBatch(ctx, f, batch)
		if (n < len(batch)) != (err != nil) || n < len(batch) && !keep(batch[n]) {
			return fmt.Errorf("n = %d of %v with error %v", n, seqs(batch), err)
		}
		at += n
		want := slices.DeleteFunc(slices.Clone(recs[:at]), func(r Record) bool { return !keep(r) })
		if !slices.Equal(seqs(want), seqs(sink.sink)) {
			return fmt.Errorf("%v is stored of the first %d, expected %v", seqs(sink.sink), at, seqs(want))
		}
		s := f.(Statser).Stats()
		if s.Accepted != uint64(at) || s.Delivered != uint64(len(want)) || s.Dropped != uint64(at-len(want)) {
			return fmt.Errorf("%d answered and %d stored are counted as %+v", at, len(want), s)
		}
	}
	return nil
}

func newFilter(a Appender, keep func(Record) bool) Appender { return NewFilter(a, keep) }

func TestWhatIsLeftOutIsAnsweredInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		require.NoError(t, filterAnswersForAll(filterScripts.Draw(t, "script"), newFilter))
	})
}

// brokenFilter is a filter with its batches replaced.
type brokenFilter struct {
	*Filter
	batch batchFunc
}

func (b brokenFilter) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	return b.batch(ctx, recs)
}

func TestFilterPropertyFailsForEveryBrokenFilter(t *testing.T) {
	kept := func(f *Filter, recs []Record) []Record {
		return slices.DeleteFunc(slices.Clone(recs), func(r Record) bool { return !f.keep(r) })
	}
	for name, batch := range map[string]func(f *Filter) batchFunc{
		"answers with the inner number": func(f *Filter) batchFunc {
			return func(ctx context.Context, recs []Record) (int, error) {
				n, err := AppendBatch(ctx, f.inner, kept(f, recs))
				f.dropped.Add(uint64(len(recs) - len(kept(f, recs))))
				return f.answered(n, err)
			}
		},
		"swallows the error": func(f *Filter) batchFunc {
			return func(ctx context.Context, recs []Record) (int, error) {
				n, _ := AppendBatch(ctx, f.inner, kept(f, recs))
				f.accepted.Add(uint64(n))
				f.dropped.Add(uint64(len(recs) - n))
				return len(recs), nil
			}
		},
		"counts what is behind the failure": func(f *Filter) batchFunc {
			return func(ctx context.Context, recs []Record) (int, error) {
				n, err := f.AppendBatch(ctx, recs)
				f.dropped.Add(uint64(len(recs[n:]) - len(kept(f, recs[n:]))))
				return n, err
			}
		},
		"keeps the opposite": func(f *Filter) batchFunc {
			return NewFilter(f.inner, func(r Record) bool { return !f.keep(r) }).AppendBatch
		},
		"drops in silence": func(f *Filter) batchFunc {
			return NewFilter(f.inner, f.keep).AppendBatch
		},
		"reverses": func(f *Filter) batchFunc {
			return func(ctx context.Context, recs []Record) (int, error) {
				recs = slices.Clone(recs)
				slices.Reverse(recs)
				return f.AppendBatch(ctx, recs)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, tripped(func(seed int) error {
				return filterAnswersForAll(filterScripts.Example(seed), func(a Appender, keep func(Record) bool) Appender {
					f := NewFilter(a, keep)
					return brokenFilter{f, batch(f)}
				})
			}))
		})
	}
}

// limitScript is a chain through a limit of 100 a second, with failures.
type limitScript struct {
	Burst   int
	Answers []answer
	Waits   []int // ms before each batch
	Batches []int
}

var limitScripts = rapid.Custom(func(t *rapid.T) limitScript {
	return limitScript{
		Burst:   rapid.IntRange(0, 5).Draw(t, "burst"),
		Answers: answersOf(answerStores, answerFails).Draw(t, "answers"),
		Waits:   rapid.SliceOfN(rapid.IntRange(0, 60), 1, 15).Draw(t, "waits"),
		Batches: rapid.SliceOfN(rapid.IntRange(1, 6), 1, 15).Draw(t, "batches"),
	}
})

// limitIsATokenBucket: beside one that counts tokens, of which a record takes one
// only if it is stored.
func limitIsATokenBucket(sc limitScript, mk func(Appender, Env, LimitOptions) *Limit) error {
	clock, sink := new(ManualClock), &scripted{script: sc.Answers}
	l := mk(sink, Env{Clock: clock}, LimitOptions{Rate: 100, Burst: sc.Burst})
	full := 10 * max(sc.Burst, 1) // a token is 10, and grows by 1 a ms
	tokens, limited, seq := full, uint64(0), uint64(1)
	for i, ms := range sc.Waits {
		clock.Advance(time.Duration(ms) * time.Millisecond)
		tokens = min(full, tokens+ms)
		for batch := chain(seq, sc.Batches[i%len(sc.Batches)]); len(batch) > 0; {
			before := len(sink.sink)
			n, err := l.AppendBatch(context.Background(), batch)
			if (n < len(batch)) != (err != nil) {
				return fmt.Errorf("n = %d of %d with error %v", n, len(batch), err)
			}
			for _, r := range batch[:n] {
				has := before < len(sink.sink) && sink.sink[before].Seq == r.Seq
				if has != (tokens >= 10) {
					return fmt.Errorf("at %v with %d tenths of a token #%d is stored: %v", clock.Now(), tokens, r.Seq, has)
				}
				if has {
					before++
					tokens -= 10
				} else {
					limited++
				}
			}
			if n < len(batch) && tokens < 10 {
				return fmt.Errorf("at %v #%d was let through without a token", clock.Now(), batch[n].Seq)
			}
			if l.Limited() != limited {
				return fmt.Errorf("%d are counted as limited, expected %d", l.Limited(), limited)
			}
			seq += uint64(n)
			batch = batch[n:]
		}
	}
	return nil
}

func TestLimitIsATokenBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { require.NoError(t, limitIsATokenBucket(limitScripts.Draw(t, "script"), NewLimit)) })
}

func TestLimitPropertyFailsForEveryBrokenLimit(t *testing.T) {
	options := func(f func(*LimitOptions)) func(Appender, Env, LimitOptions) *Limit {
		return func(a Appender, e Env, o LimitOptions) *Limit {
			f(&o)
			return NewLimit(a, e, o)
		}
	}
	for name, mk := range map[string]func(Appender, Env, LimitOptions) *Limit{
		"too fast":       options(func(o *LimitOptions) { o.Rate *= 1.3 }),
		"too slow":       options(func(o *LimitOptions) { o.Rate /= 1.3 }),
		"one too many":   options(func(o *LimitOptions) { o.Burst = max(o.Burst, 1) + 1 }),
		"no burst":       options(func(o *LimitOptions) { o.Burst = 0 }),
		"limits nothing": options(func(o *LimitOptions) { o.Always = AtLeast(Trace) }),
		"begins with none": func(a Appender, e Env, o LimitOptions) *Limit {
			l := NewLimit(a, e, o)
			l.next = 10 * time.Millisecond
			return l
		},
		"keeps what a failure took": func(a Appender, e Env, o LimitOptions) *Limit {
			var l *Limit
			l = NewLimit(batchFunc(func(ctx context.Context, recs []Record) (int, error) {
				n, err := AppendBatch(ctx, a, recs)
				if err != nil {
					l.now += l.each // as if the rest came later
				}
				return n, err
			}), e, o)
			return l
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, tripped(func(seed int) error { return limitIsATokenBucket(limitScripts.Example(seed), mk) }))
		})
	}
}

// TestALimitThatIsTriedAgainLetsThrough: a record that found a token and was not
// stored finds it again.
func TestALimitThatIsTriedAgainLetsThrough(t *testing.T) {
	sink := &scripted{script: []answer{{Mode: answerFails}, {Mode: answerFails}}}
	env := Env{Clock: new(napClock)}
	r := NewRetry(NewLimit(sink, Env{Clock: new(ManualClock)}, LimitOptions{Rate: 1, Burst: 1}), env, RetryOptions{})
	require.NoError(t, r.Append(t.Context(), Record{Seq: 1}))
	require.Equal(t, []uint64{1}, seqs(sink.sink))
	require.Panics(t, func() { NewLimit(NoOp{}, env, LimitOptions{}) })
}
