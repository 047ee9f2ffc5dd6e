package filelog_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// policies are one of each kind.
func policies() []filelog.SyncPolicy {
	return []filelog.SyncPolicy{
		filelog.SyncNever(), filelog.SyncEvery(1000), filelog.SyncInterval(1 << 40), filelog.SyncAlways(),
	}
}

// TestAnAppendDoesNotAllocate: whatever the policy, by record and by batch, at
// capacity and below.
func TestAnAppendDoesNotAllocate(t *testing.T) {
	for _, policy := range policies() {
		for _, capacity := range []int{0, 100} {
			t.Run(fmt.Sprintf("%s, capacity %d", policy, capacity), func(t *testing.T) {
				l := open(t, filelog.Options{FS: dir(t), Sync: policy, MaxRecords: capacity})
				batch, rec := records(1, 128), record(1)
				store(t, l, batch...)
				require.Zero(t, testing.AllocsPerRun(50, func() {
					if _, err := l.AppendBatch(ctx, batch); err != nil {
						t.Fatal(err)
					}
				}), "by batch")
				var a appender.Appender = l
				require.Zero(t, testing.AllocsPerRun(50, func() {
					if err := a.Append(ctx, rec); err != nil {
						t.Fatal(err)
					}
				}), "by record")
				require.NoError(t, l.Close())
			})
		}
	}
}

// TestTheCostOfAnAppendDoesNotGrowWithTheLog: it makes one write of its bytes,
// and one sync at most, however many records and segments there are; a segment
// that begins or goes makes a few more calls, and nothing is read or written
// again.
func TestTheCostOfAnAppendDoesNotGrowWithTheLog(t *testing.T) {
	t.Parallel()
	for _, policy := range policies() {
		var writes, bytes, syncs, creates, removes int
		fsys := &watched{FS: memory(),
			write:  func(_ string, p []byte, _ int64) (int, error) { writes++; bytes += len(p); return 0, nil },
			sync:   func(string) error { syncs++; return nil },
			create: func(string) error { creates++; return nil },
			remove: func(string) error { removes++; return nil },
		}
		l := open(t, filelog.Options{FS: fsys, Sync: policy, MaxRecords: 200, SegmentBytes: filelog.MinSegmentBytes})
		var least, most int
		for i := range uint64(400) {
			writes, bytes, syncs, creates, removes = 0, 0, 0, 0, 0
			store(t, l, records(10*i+1, 10*i+10)...)
			require.LessOrEqual(t, writes, 2+2*creates, "a frame and zeros ahead; with a new segment, its header and more zeros")
			require.LessOrEqual(t, syncs, 1+2*creates)
			require.LessOrEqual(t, removes, 1)
			require.LessOrEqual(t, bytes, 3*filelog.MinSegmentBytes)
			if i == 100 {
				least = segments(t, fsys)
			}
			if i >= 100 {
				most = max(most, segments(t, fsys))
			}
		}
		require.LessOrEqual(t, most, least+1, "what retention lets go is removed")
		require.NoError(t, l.Close())
	}
}

func segments(t require.TestingT, fsys filelog.FS) (n int) {
	for range contents(t, fsys) {
		n++
	}
	return n
}
