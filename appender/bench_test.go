package appender

import (
	"context"
	"testing"
)

// bareStore is the floor: the same 64 bytes written to the same number of slots
// in turn, without a lock, a context, a count, or an interface. It could not
// give a snapshot.
type bareStore struct {
	slots []Record
	next  int
}

//go:noinline
func (s *bareStore) append(rec Record) {
	s.slots[s.next] = rec
	if s.next++; s.next == len(s.slots) {
		s.next = 0
	}
}

// seam hides the concrete type from the compiler, which would otherwise call it
// directly and flatter the figure.
//
//go:noinline
func seam(a Appender) Appender { return a }

func benchRecord() Record {
	return Record{Seq: 1, TimeMs: 1_700_000_000_000, Daemon: 7, Node: "n1", Message: "reconciled in 12 ms", Incarnation: 1}
}

// BenchmarkAppendAtCapacity is the figure of the design: Buffering, full,
// through the seam, beside the floor in the same run.
func BenchmarkAppendAtCapacity(b *testing.B) {
	ctx := context.Background()
	b.Run("bare-store", func(b *testing.B) {
		s := &bareStore{slots: make([]Record, BufferingCapacity)}
		rec := benchRecord()
		b.ReportAllocs()
		for b.Loop() {
			rec.Seq++
			s.append(rec)
		}
	})
	b.Run("buffering", func(b *testing.B) {
		a := seam(full(b, BufferingCapacity))
		rec := benchRecord()
		b.ReportAllocs()
		for b.Loop() {
			rec.Seq++
			if err := a.Append(ctx, rec); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("buffering-batch-128", func(b *testing.B) {
		a := seam(full(b, BufferingCapacity))
		recs := make([]Record, 128)
		for i := range recs {
			recs[i] = benchRecord()
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			// One operation is one record, to be compared with the others.
			if i%len(recs) == 0 {
				if _, err := AppendBatch(ctx, a, recs); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("ring-push", func(b *testing.B) {
		r := NewRing[Record](BufferingCapacity)
		rec := benchRecord()
		for range BufferingCapacity {
			r.Push(rec)
		}
		b.ReportAllocs()
		for b.Loop() {
			rec.Seq++
			r.Push(rec)
		}
	})
	b.Run("noop", func(b *testing.B) {
		a := seam(NoOp{})
		rec := benchRecord()
		b.ReportAllocs()
		for b.Loop() {
			rec.Seq++
			if err := a.Append(ctx, rec); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("faulty-without-rules", func(b *testing.B) {
		a := seam(NewFaulty(full(b, BufferingCapacity), Env{}, new(Control)))
		rec := benchRecord()
		b.ReportAllocs()
		for b.Loop() {
			rec.Seq++
			if err := a.Append(ctx, rec); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkAppendTwoWriters is contention on one buffer.
func BenchmarkAppendTwoWriters(b *testing.B) {
	a := full(b, BufferingCapacity)
	b.SetParallelism(1)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		rec := benchRecord()
		for pb.Next() {
			if err := a.Append(context.Background(), rec); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkCapture takes a snapshot of a full buffer of the default capacity.
func BenchmarkCapture(b *testing.B) {
	a := full(b, BufferingCapacity)
	b.Run("fresh-slice", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			a.Captured()
		}
	})
	b.Run("own-slice", func(b *testing.B) {
		dst := make([]Record, 0, BufferingCapacity)
		b.ReportAllocs()
		for b.Loop() {
			a.CapturedInto(dst)
		}
	})
}

// BenchmarkInbox is the pattern of an appender host: push a batch, pop it.
func BenchmarkInbox(b *testing.B) {
	r := NewRing[Record](1024)
	batch := make([]Record, 128)
	rec := benchRecord()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Push(rec)
		if i%len(batch) == len(batch)-1 {
			r.PopInto(batch)
		}
	}
}

// full is a Buffering at capacity, with every slot written.
func full(tb testing.TB, capacity int) *Buffering {
	tb.Helper()
	a := NewBuffering(capacity)
	for range capacity {
		if err := a.Append(context.Background(), benchRecord()); err != nil {
			tb.Fatal(err)
		}
	}
	return a
}
