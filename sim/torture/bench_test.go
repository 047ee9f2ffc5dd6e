package torture

import "testing"

// BenchmarkCase is what one case costs on one core.
func BenchmarkCase(b *testing.B) {
	b.ReportAllocs()
	seed := uint64(0)
	var steps uint64
	for b.Loop() {
		w := newWorld(draw(seed), filelogs)
		_ = w.run()
		steps += w.m.tally.Steps
		seed++
	}
	b.ReportMetric(float64(steps)/float64(b.N), "steps/op")
}
