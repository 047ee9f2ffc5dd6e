package filelog_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// bytesOf is what a log's segments take, without the newest.
func bytesOf(t require.TestingT, fsys filelog.FS) (older, all int) {
	last := 0
	for _, b := range contents(t, fsys) {
		older, all, last = all, all+len(b), len(b)
	}
	require.Equal(t, all, older+last)
	return older, all
}

// TestRetentionIsExactAndTakesOneSegmentMore: of n records, those that the limit
// allows are there; on the disk, no segment is left but those that hold one of
// them.
func TestRetentionIsExactAndTakesOneSegmentMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fsys := memory()
		capacity := rapid.IntRange(1, 120).Draw(t, "capacity")
		o := filelog.Options{
			FS: fsys, MaxRecords: capacity, SegmentBytes: filelog.MinSegmentBytes,
			Sync: rapid.SampledFrom([]filelog.SyncPolicy{filelog.SyncNever(), filelog.SyncAlways()}).Draw(t, "sync"),
		}
		l := open(t, o)
		n := uint64(0)
		for range rapid.IntRange(1, 60).Draw(t, "batches") {
			k := rapid.Uint64Range(1, 12).Draw(t, "batch")
			store(t, l, records(n+1, n+k)...)
			n += k
			holds(t, l, records(n+1-min(n, uint64(capacity)), n))
			require.Equal(t, n-min(n, uint64(capacity)), l.Dropped())
			// A record takes 160 bytes at most, with its share of the frame. What was
			// durable is there until the next segment is begun.
			_, all := bytesOf(t, fsys)
			require.LessOrEqual(t, all, 160*capacity+4*filelog.MinSegmentBytes)
			if rapid.IntRange(0, 9).Draw(t, "reopen") == 0 {
				require.NoError(t, l.Close())
				l = open(t, o)
				require.Equal(t, n-min(n, uint64(capacity)), l.Dropped())
			}
		}
		// What was durable goes once what replaced it is.
		require.NoError(t, l.Flush(ctx))
		_, all := bytesOf(t, fsys)
		require.LessOrEqual(t, all, 160*capacity+2*filelog.MinSegmentBytes)
		require.NoError(t, l.Close())
	})
}

// TestALogThatDoesNotSyncGivesRoomBack: what was durable, and is dropped, goes
// although nothing asks for a sync, and even if one segment can never be made
// safe.
func TestALogThatDoesNotSyncGivesRoomBack(t *testing.T) {
	t.Parallel()
	disk, failing := memory(), false
	fsys := &watched{FS: disk, sync: func(name string) error {
		names, err := disk.List()
		require.NoError(t, err)
		if failing && name != names[len(names)-2] { // behind it is the file that says so
			failing = false
			return errBroken // a segment that was left is synced at last
		}
		return nil
	}}
	o := filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes, MaxRecords: 100, Sync: filelog.SyncNever()}
	l := open(t, o)
	n, most := uint64(0), 4
	more := func(batches int) {
		for range batches {
			store(t, l, records(n+1, n+5)...)
			n += 5
			require.LessOrEqual(t, segments(t, fsys), most)
		}
	}
	more(40)
	require.NoError(t, l.Close())
	o.MaxRecords, most, failing = 500, 20, true // until it is full, nothing is synced
	l = open(t, o)
	more(800)
	require.False(t, failing)
	holds(t, l, records(n-499, n))
	require.NoError(t, l.Close())
}

// TestBytesAreRetainedBySegments: the oldest go as soon as all together are
// larger, and not before.
func TestBytesAreRetainedBySegments(t *testing.T) {
	t.Parallel()
	for _, policy := range policies() {
		fsys := dir(t)
		const limit = 5 * filelog.MinSegmentBytes
		o := filelog.Options{FS: fsys, MaxBytes: limit, SegmentBytes: filelog.MinSegmentBytes, Sync: policy}
		l := open(t, o)
		n := uint64(0)
		for range 120 {
			store(t, l, records(n+1, n+5)...)
			n += 5
			got, damage := gather(t, l.Replay(ctx, appender.Cursor{}, false))
			require.Empty(t, damage)
			require.Equal(t, records(l.Dropped()+1, n), got)
			_, all := bytesOf(t, fsys)
			if policy == filelog.SyncNever() { // elsewhere what replaced them has to be durable first
				require.LessOrEqual(t, all, limit)
			}
		}
		require.Positive(t, l.Dropped())
		require.NoError(t, l.Flush(ctx))
		_, all := bytesOf(t, fsys)
		require.LessOrEqual(t, all, limit)
		require.Greater(t, all, limit-2*filelog.MinSegmentBytes)
		dropped := l.Dropped()
		require.NoError(t, l.Close())
		l = open(t, o)
		require.Equal(t, dropped, l.Dropped())
		holds(t, l, records(dropped+1, n))
		require.NoError(t, l.Close())
	}
}

// TestWhatIsOldGoes: a segment goes with the first append after its newest record
// has come of age by the wall clock, whatever jumps that makes.
func TestWhatIsOldGoes(t *testing.T) {
	t.Parallel()
	clock := new(appender.ManualClock)
	e := env()
	e.Clock = clock
	o := filelog.Options{FS: dir(t), MaxAge: time.Minute, SegmentBytes: filelog.MinSegmentBytes}
	l, err := filelog.Open(ctx, o, e)
	require.NoError(t, err)
	at := func(seq uint64) appender.Record {
		rec := record(seq)
		rec.TimeMs = uint64(clock.Wall().UnixMilli())
		return rec
	}
	n := uint64(0)
	for range 30 {
		for range 5 {
			n++
			require.NoError(t, l.Append(ctx, at(n)))
		}
		clock.Advance(time.Second)
	}
	require.Zero(t, l.Dropped(), "nothing is a minute old")
	require.Greater(t, segments(t, o.FS), 3)
	clock.Advance(45 * time.Second) // half of it is
	require.Zero(t, l.Dropped(), "there is no timer")
	n++
	require.NoError(t, l.Append(ctx, at(n)))
	dropped := l.Dropped()
	require.Positive(t, dropped)
	require.LessOrEqual(t, dropped, uint64(75))
	for rec, err := range l.Replay(ctx, appender.Cursor{}, false) {
		require.NoError(t, err)
		require.Equal(t, dropped+1, rec.Seq)
		break
	}
	clock.Jump(-time.Hour)
	n++
	require.NoError(t, l.Append(ctx, at(n)))
	require.Equal(t, dropped, l.Dropped(), "a clock that goes back makes nothing older")
	clock.Jump(24 * time.Hour)
	n++
	require.NoError(t, l.Append(ctx, at(n)))
	require.Greater(t, l.Dropped(), dropped)
	require.LessOrEqual(t, segments(t, o.FS), 2, "the segment that is written to stays")
	require.NoError(t, l.Close())
}
