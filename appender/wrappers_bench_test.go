package appender

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrappersDoNotAllocateOnSuccess(t *testing.T) {
	recs := chain(1, 16)
	for name, wrap := range wrappers {
		a := seam(wrap(NoOp{}, Env{Clock: new(ManualClock)}))
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = a.Append(t.Context(), recs[0]) }), name)
		require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = AppendBatch(t.Context(), a, recs) }), name)
	}
}

// stillClock takes nothing to read: what a wrapper costs beyond it is its own.
type stillClock struct{ ManualClock }

// BenchmarkWrappers is what each adds to an appender that does nothing, which is
// in the same run, as is a reading of the clock that Limit needs. A tee of two
// calls two such appenders.
func BenchmarkWrappers(b *testing.B) {
	ctx := context.Background()
	env := Env{Clock: new(stillClock)}
	type subject struct {
		name string
		a    Appender
	}
	subjects := []subject{{"noop", NoOp{}}}
	for _, name := range []string{"tee", "retry", "breaker", "filter", "sample", "limit", "guard"} {
		subjects = append(subjects, subject{name, wrappers[name](NoOp{}, env)})
	}
	sample := NewSample(NoOp{}, env, SampleOptions{OneIn: 2})
	rec := benchRecord()
	for !sample.keep(rec) {
		rec.Seq++
	}
	subjects = append(subjects, subject{"sample-1-in-2", sample}, subject{"tee-of-2", NewTee(NoOp{}, NoOp{})})
	b.Run("clock", func(b *testing.B) {
		for b.Loop() {
			_ = env.Clock.Now()
		}
	})
	for _, s := range subjects {
		a := seam(s.a)
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = a.Append(ctx, rec)
			}
		})
	}
	recs := chain(1, 128)
	for _, s := range subjects {
		a := seam(s.a)
		b.Run(s.name+"-batch-of-128", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = AppendBatch(ctx, a, recs)
			}
		})
	}
}
