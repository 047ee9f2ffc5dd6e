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
// in the same run.
func BenchmarkWrappers(b *testing.B) {
	ctx := context.Background()
	bench := func(name string, a Appender) {
		a = seam(a)
		rec := benchRecord()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = a.Append(ctx, rec)
			}
		})
	}
	bench("noop", NoOp{})
	clock := new(stillClock)
	b.Run("clock", func(b *testing.B) {
		for b.Loop() {
			_ = clock.Now()
		}
	})
	for _, name := range []string{"tee", "retry", "breaker", "filter", "sample", "limit", "guard"} {
		bench(name, wrappers[name](NoOp{}, Env{Clock: clock}))
	}
	bench("tee2", NewTee(NoOp{}, NoOp{}))
}
