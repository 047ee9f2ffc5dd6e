package filelog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

var ctx = context.Background()

func genRecord(t *rapid.T, seq uint64) appender.Record {
	return appender.Record{
		Seq: seq, TimeMs: rapid.Uint64().Draw(t, "time"), Daemon: rapid.SampledFrom([]uint64{0, 1, 1 << 63, ^uint64(0)}).Draw(t, "daemon"),
		Node: rapid.SampledFrom([]string{"", "n1", "n\x00\xff"}).Draw(t, "node"), Message: string(rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "message")),
		Incarnation: rapid.Uint32().Draw(t, "inc"), Level: appender.Level(rapid.Uint8().Draw(t, "level")), Stream: rapid.Uint8().Draw(t, "stream"), Flags: rapid.Uint8().Draw(t, "flags"),
	}
}

func TestMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir := tempDir()
		fs, err := filelog.Dir(dir)
		require.NoError(t, err)
		capacity := rapid.IntRange(0, 20).Draw(t, "cap")
		pol := rapid.SampledFrom([]filelog.SyncPolicy{filelog.SyncNever(), filelog.SyncEvery(5), filelog.SyncAlways()}).Draw(t, "sync")
		o := filelog.Options{FS: fs, MaxRecords: capacity, SegmentBytes: 4096, Sync: pol}
		open := func() *filelog.Log {
			l, err := filelog.Open(ctx, o, appender.Env{Node: "n1", Clock: new(appender.ManualClock)})
			require.NoError(t, err)
			return l
		}
		l := open()
		var model []appender.Record
		head := 0
		seq := uint64(0)
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				n := rapid.IntRange(1, 8).Draw(t, "n")
				var b []appender.Record
				for range n {
					seq++
					b = append(b, genRecord(t, seq))
				}
				k, err := l.AppendBatch(ctx, b)
				require.NoError(t, err)
				require.Equal(t, n, k)
				model = append(model, b...)
				if capacity > 0 && len(model)-head > capacity {
					head = len(model) - capacity
				}
			},
			"flush": func(t *rapid.T) { require.NoError(t, l.Flush(ctx)); e, d := l.Position(); require.Equal(t, e, d) },
			"reopen": func(t *rapid.T) {
				require.NoError(t, l.Close())
				l = open()
				r := l.Recovery()
				require.True(t, r.Clean(), r.String())
			},
			"": func(t *rapid.T) {
				var got []appender.Record
				for r, err := range l.Replay(ctx, appender.Cursor{}, false) {
					require.NoError(t, err)
					got = append(got, r)
				}
				require.Equal(t, len(model)-head, len(got))
				require.Equal(t, append([]appender.Record(nil), model[head:]...), got)
				require.Equal(t, uint64(head), l.Dropped())
				got = nil
				for r, err := range filelog.Read(ctx, fs, nil, appender.Cursor{}, false) {
					require.NoError(t, err)
					got = append(got, r)
				}
				require.Equal(t, append([]appender.Record(nil), model[head:]...), got)
			},
		})
		require.NoError(t, l.Close())
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, pol := range []filelog.SyncPolicy{filelog.SyncNever(), filelog.SyncAlways()} {
		for _, max := range []int{0, 16384} {
			b.Run(fmt.Sprint(pol, max), func(b *testing.B) {
				fs, _ := filelog.Dir(b.TempDir())
				l, err := filelog.Open(ctx, filelog.Options{FS: fs, Sync: pol, MaxRecords: max}, appender.Env{})
				require.NoError(b, err)
				recs := make([]appender.Record, 128)
				msg := string(make([]byte, 180))
				for i := range recs {
					recs[i] = appender.Record{Seq: uint64(i), Node: "n1", Message: msg, TimeMs: uint64(i), Incarnation: 1}
				}
				b.ReportAllocs()
				for i := 0; i < b.N; i += 128 {
					if _, err := l.AppendBatch(ctx, recs); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				l.Close()
			})
		}
	}
}

var _ = errors.New
