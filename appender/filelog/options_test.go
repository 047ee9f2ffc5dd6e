package filelog_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// FuzzParseSync: what is read is written in the one form that is read as the
// same, and what is not is refused with the forms there are.
func FuzzParseSync(f *testing.F) {
	for _, s := range []string{"always", "never", "every 64", "interval 100ms", " every  2 ", "every 1", "every 0", "every -1", "every 99999999999", "interval 0s", "interval -1s", "interval", "sometimes", "never 3", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := filelog.ParseSync(s)
		if err != nil {
			require.ErrorContains(t, err, `always, never, "every 64" or "interval 100ms"`)
			return
		}
		again, err := filelog.ParseSync(p.String())
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}

func TestEveryPolicyIsReadBackFromItsWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.OneOf(
			rapid.SampledFrom(policies()), rapid.Map(rapid.IntRange(-3, 1<<31-1), filelog.SyncEvery),
			rapid.Map(rapid.Int64(), func(n int64) filelog.SyncPolicy { return filelog.SyncInterval(time.Duration(n)) }),
		).Draw(t, "policy")
		again, err := filelog.ParseSync(p.String())
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
	require.Equal(t, filelog.SyncAlways(), filelog.SyncPolicy{}, "the default")
}

// TestThePolicyIsKept: how much is not durable yet, after each append.
func TestThePolicyIsKept(t *testing.T) {
	t.Parallel()
	clock := new(appender.ManualClock)
	e := env()
	e.Clock = clock
	for _, policy := range []filelog.SyncPolicy{filelog.SyncNever(), filelog.SyncEvery(10), filelog.SyncInterval(time.Second), filelog.SyncAlways()} {
		syncs := 0
		fsys := &watched{FS: dir(t)}
		l, err := filelog.Open(ctx, filelog.Options{FS: fsys, Sync: policy}, e)
		require.NoError(t, err)
		fsys.sync = func(string) error { syncs++; return nil }
		began := clock.Now()
		for i := range uint64(30) {
			store(t, l, record(i+1))
			end, durable := l.Position()
			switch policy {
			case filelog.SyncNever():
				require.Zero(t, durable)
			case filelog.SyncEvery(10):
				require.Equal(t, end/10*10, durable)
			case filelog.SyncAlways():
				require.Equal(t, end, durable)
			default:
				if clock.Now()-began >= time.Second {
					require.Equal(t, end, durable)
					began = clock.Now()
				}
				clock.Advance(300 * time.Millisecond)
			}
		}
		require.Equal(t, map[filelog.SyncPolicy]int{
			filelog.SyncNever(): 0, filelog.SyncEvery(10): 3, filelog.SyncInterval(time.Second): 7, filelog.SyncAlways(): 30,
		}[policy], syncs, policy.String())
		require.NoError(t, l.Flush(ctx))
		end, durable := l.Position()
		require.Equal(t, end, durable)
		was := syncs
		require.NoError(t, l.Flush(ctx))
		require.Equal(t, was, syncs, "there is nothing to flush")
		require.NoError(t, l.Close())
	}
}

// TestABatchOfAnySizeIsStored: one larger than a segment, than what one frame
// takes, and records as large as they may be.
func TestABatchOfAnySizeIsStored(t *testing.T) {
	t.Parallel()
	fsys := dir(t)
	o := filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes, Sync: filelog.SyncNever(), MaxRecordBytes: 6 << 20}
	l := open(t, o)
	recs := records(1, 40)
	for i := range recs {
		recs[i].Message = strings.Repeat("large", i*i*128)
	}
	recs[39].Message = strings.Repeat("x", 6<<20-len(recs[39].Node))
	store(t, l, recs...)
	holds(t, l, recs)
	require.NoError(t, l.Close())
	l = open(t, o)
	holds(t, l, recs)
	require.NoError(t, l.Close())
}

func TestOptionsThatCannotBeMeantPanic(t *testing.T) {
	require.PanicsWithValue(t, "filelog: Options.FS is nil: set it to filelog.Dir(path)", func() { _, _ = filelog.Open(ctx, filelog.Options{}, env()) })
	for _, o := range []filelog.Options{{Sync: filelog.SyncInterval(1)}, {MaxAge: 1}} {
		o.FS = memory()
		require.Panics(t, func() { _, _ = filelog.Open(ctx, o, appender.Env{}) })
	}
}
