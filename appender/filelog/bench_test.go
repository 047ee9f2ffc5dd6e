package filelog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// benchBatch is n records of 200 bytes each, as they are on disk.
func benchBatch(n int) []appender.Record {
	recs := make([]appender.Record, n)
	for i := range recs {
		recs[i] = appender.Record{
			Seq: uint64(i + 1), TimeMs: 1_700_000_000_000 + uint64(i), Node: "n1", Incarnation: 1, Message: strings.Repeat("m", 194),
		}
	}
	return recs
}

func benchLog(b *testing.B, o filelog.Options) *filelog.Log {
	o.FS = dir(b)
	l := open(b, o)
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	})
	return l
}

// bareFile is the floor: bytes written behind one another into a file, which is
// begun again where a log would begin a segment. Nothing could be read back.
type bareFile struct {
	b     *testing.B
	f     filelog.File
	bytes []byte
	off   int64
}

func newBareFile(b *testing.B, bytes int) *bareFile {
	f, err := dir(b).Create("bare")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return &bareFile{b: b, f: f, bytes: []byte(strings.Repeat("m", bytes))}
}

func (f *bareFile) write() {
	if f.off+int64(len(f.bytes)) > filelog.DefaultSegmentBytes {
		f.off = 0
		if err := f.f.Truncate(0); err != nil {
			f.b.Fatal(err)
		}
	}
	if _, err := f.f.WriteAt(f.bytes, f.off); err != nil {
		f.b.Fatal(err)
	}
	f.off += int64(len(f.bytes))
}

func (f *bareFile) sync() {
	if err := f.f.Sync(); err != nil {
		f.b.Fatal(err)
	}
}

// BenchmarkAppend is an append without a sync, by record and by batch, beside a
// bare write of as many bytes. One operation is one record.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 128} {
		recs := benchBatch(n)
		b.Run(fmt.Sprintf("filelog/batch-%d", n), func(b *testing.B) {
			l := benchLog(b, filelog.Options{Sync: filelog.SyncNever()})
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%n == 0 {
					if _, err := l.AppendBatch(ctx, recs); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run(fmt.Sprintf("bare-write/batch-%d", n), func(b *testing.B) {
			f := newBareFile(b, 200*n)
			for i := 0; b.Loop(); i++ {
				if i%n == 0 {
					f.write()
				}
			}
		})
	}
}

// paired alternates two things and reports the median of each, and the ratio of
// the medians: the disk of a machine that others use is not twice the same.
func paired(b *testing.B, names [2]string, one, other func()) {
	var took [2][]time.Duration
	for b.Loop() {
		for i, f := range []func(){one, other} {
			began := time.Now()
			f()
			took[i] = append(took[i], time.Since(began))
		}
	}
	var median [2]float64
	for i := range took {
		slices.Sort(took[i])
		median[i] = float64(took[i][len(took[i])/2].Nanoseconds())
		b.ReportMetric(median[i], "ns/"+names[i])
	}
	b.ReportMetric(median[0]/median[1], "ratio")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSyncedAppend is an append that is made durable, each beside a bare
// write and fdatasync of the same number of bytes.
func BenchmarkSyncedAppend(b *testing.B) {
	for _, n := range []int{1, 128} {
		b.Run(fmt.Sprintf("batch-%d", n), func(b *testing.B) {
			l, recs := benchLog(b, filelog.Options{}), benchBatch(n)
			f := newBareFile(b, 200*n)
			paired(b, [2]string{"filelog", "bare"}, func() {
				if _, err := l.AppendBatch(ctx, recs); err != nil {
					b.Fatal(err)
				}
			}, func() {
				f.write()
				f.sync()
			})
		})
	}
}

// BenchmarkTrim is an append to a log that drops as much as it takes, beside one
// to a log that keeps all, which has as many segments less one to remove.
func BenchmarkTrim(b *testing.B) {
	recs := benchBatch(128)
	for _, policy := range []filelog.SyncPolicy{filelog.SyncNever(), filelog.SyncAlways()} {
		b.Run(policy.String(), func(b *testing.B) {
			trims := benchLog(b, filelog.Options{Sync: policy, MaxRecords: 16_384, SegmentBytes: 4 << 20})
			keeps := benchLog(b, filelog.Options{Sync: policy, SegmentBytes: 4 << 20})
			paired(b, [2]string{"trimming", "keeping"}, func() {
				if _, err := trims.AppendBatch(ctx, recs); err != nil {
					b.Fatal(err)
				}
			}, func() {
				if _, err := keeps.AppendBatch(ctx, recs); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// BenchmarkOpen is an opening of a log of 16,384 records that was closed, and
// BenchmarkReplay a reading of all of it.
func BenchmarkOpen(b *testing.B) {
	o := filelog.Options{FS: dir(b), Sync: filelog.SyncNever()}
	l := open(b, o)
	for range 128 {
		if _, err := l.AppendBatch(ctx, benchBatch(128)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
		l = open(b, o)
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkReplay(b *testing.B) {
	l := benchLog(b, filelog.Options{Sync: filelog.SyncNever()})
	for range 128 {
		if _, err := l.AppendBatch(ctx, benchBatch(128)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range l.Replay(ctx, appender.Cursor{}, false) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 16_384 {
			b.Fatal(n)
		}
	}
}
