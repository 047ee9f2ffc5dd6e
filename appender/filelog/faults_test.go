package filelog_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

var errBroken = errors.New("input/output error")

// feed appends batches of 7 until all of recs are acknowledged, and returns the
// errors on the way. One whose outcome is unknown is appended again as well.
func feed(t require.TestingT, l *filelog.Log, recs []appender.Record) (failures []error) {
	for len(recs) > 0 {
		n, err := l.AppendBatch(ctx, recs[:min(7, len(recs))])
		recs = recs[n:]
		if err != nil {
			failures = append(failures, err)
		}
		require.Less(t, len(failures), 1000, "it never works again: %v", err)
	}
	return failures
}

// openAgain opens a log, as often as that fails in a certain way.
func openAgain(t require.TestingT, o filelog.Options, failure error) *filelog.Log {
	for range 10 {
		l, err := filelog.Open(ctx, o, env())
		if err == nil {
			return l
		}
		require.ErrorIs(t, err, failure)
	}
	require.Fail(t, "it never opens")
	return nil
}

// TestAFullDiskIsSurvived: for every write in the life of a log, that one and
// some more find no room, in part or at all. Each call fails or is stored, and
// nothing else comes of it.
func TestAFullDiskIsSurvived(t *testing.T) {
	t.Parallel()
	for _, policy := range policies() {
		for first := 0; ; first++ {
			calls := 0
			fsys := &watched{FS: memory(), write: func(_ string, p []byte, _ int64) (int, error) {
				calls++
				if i := calls - 1; i >= first && i < first+3 {
					return len(p) * (i % 3) / 3, filelog.ErrNoSpace
				}
				return 0, nil
			}}
			o := filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes, Sync: policy, MaxRecords: 150}
			l := openAgain(t, o, filelog.ErrNoSpace)
			want := records(1, 210)
			for _, err := range feed(t, l, want) {
				require.ErrorIs(t, err, filelog.ErrNoSpace)
				require.NotErrorIs(t, err, appender.ErrUnknownOutcome)
			}
			holds(t, l, want[len(want)-150:])
			require.NoError(t, l.Close())
			l = openAgain(t, o, filelog.ErrNoSpace)
			holds(t, l, want[len(want)-150:])
			require.NoError(t, l.Close())
			if calls < first {
				require.Greater(t, first, 30)
				break
			}
		}
	}
}

// TestANewSegmentIsMadeBeforeTheOldOneIsLeft: no file can be created. What still
// fits into the segment is stored, what does not is refused, and room lets the
// log go on.
func TestANewSegmentIsMadeBeforeTheOldOneIsLeft(t *testing.T) {
	t.Parallel()
	full := false
	fsys := &watched{FS: dir(t), create: func(string) error {
		if full {
			return filelog.ErrNoSpace
		}
		return nil
	}}
	o := filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes}
	l := open(t, o)
	full = true
	long, short := record(1), record(2)
	long.Message = strings.Repeat("x", filelog.MinSegmentBytes-700)
	require.NoError(t, l.Append(ctx, long))
	for range 3 {
		err := l.Append(ctx, long)
		require.ErrorIs(t, err, filelog.ErrNoSpace)
		require.NotErrorIs(t, err, appender.ErrUnknownOutcome)
	}
	require.NoError(t, l.Append(ctx, short))
	full = false
	require.NoError(t, l.Append(ctx, long))
	want := []appender.Record{long, short, long}
	holds(t, l, want)
	require.NoError(t, l.Close())
	l = open(t, o)
	holds(t, l, want)
	require.NoError(t, l.Close())
}

// TestASyncThatFailedIsNeverTriedAgain: what was in the file is in another one
// then, and that is synced before anything is called durable.
func TestASyncThatFailedIsNeverTriedAgain(t *testing.T) {
	t.Parallel()
	for _, policy := range []filelog.SyncPolicy{filelog.SyncAlways(), filelog.SyncEvery(20), filelog.SyncNever()} {
		for first := range 12 {
			poisoned, calls := map[string]bool{}, 0
			fsys := &watched{FS: memory()}
			fsys.sync = func(name string) error {
				require.False(t, poisoned[name], "%s is synced again after that failed", name)
				calls++
				if i := calls - 1; i >= first && i < first+3 {
					poisoned[name] = true
					return errBroken
				}
				return nil
			}
			fsys.lock = func() { clear(poisoned) } // one that opens it writes what is in doubt once more
			o := filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes, Sync: policy}
			l := openAgain(t, o, filelog.ErrSync)
			want := records(1, 100)
			for at := 0; at < len(want); at += 10 {
				for _, err := range feed(t, l, want[at:at+10]) {
					require.ErrorIs(t, err, errBroken)
					require.ErrorIs(t, err, filelog.ErrSync)
				}
				if err := l.Flush(ctx); err != nil {
					require.ErrorIs(t, err, filelog.ErrSync)
					end, durable := l.Position()
					require.Less(t, durable, end, "a flush fails, and all is durable")
				} else {
					end, durable := l.Position()
					require.Equal(t, end, durable)
				}
			}
			holds(t, l, want)
			if err := l.Close(); err != nil {
				require.ErrorIs(t, err, filelog.ErrSync)
			}
			l = openAgain(t, o, filelog.ErrSync)
			holds(t, l, want)
			if err := l.Close(); err != nil {
				require.ErrorIs(t, err, filelog.ErrSync)
			}
		}
	}
}

// TestAnUnknownOutcomeSaysSo: neither a sync nor another segment works. The
// record is not called stored, nor refused; once it is tried again with success,
// it is there once.
func TestAnUnknownOutcomeSaysSo(t *testing.T) {
	t.Parallel()
	broken := false
	fail := func(string) error {
		if broken {
			return errBroken
		}
		return nil
	}
	fsys := &watched{FS: dir(t), sync: fail, create: fail}
	l := open(t, filelog.Options{FS: fsys})
	store(t, l, records(1, 3)...)
	broken = true
	for range 3 {
		n, err := l.AppendBatch(ctx, records(4, 6))
		require.Zero(t, n)
		require.Error(t, err)
		require.ErrorIs(t, err, errBroken)
		if !errors.Is(err, appender.ErrUnknownOutcome) {
			// The later ones do not get as far as to be written.
			require.NotErrorIs(t, err, filelog.ErrSync)
		}
		end, durable := l.Position()
		require.Equal(t, []uint64{3, 3}, []uint64{end, durable})
	}
	require.Equal(t, uint64(3), l.Stats().Failed)
	broken = false
	store(t, l, records(4, 6)...)
	holds(t, l, records(1, 6))
	require.NoError(t, l.Close())
}

// TestRetentionTriesAgainWhatItCannotRemove: a segment that cannot be removed
// costs its room, and nothing else.
func TestRetentionTriesAgainWhatItCannotRemove(t *testing.T) {
	t.Parallel()
	stuck := true
	fsys := &watched{FS: dir(t), remove: func(string) error {
		if stuck {
			return errBroken
		}
		return nil
	}}
	o := filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes, MaxRecords: 10, Sync: filelog.SyncEvery(50)}
	l := open(t, o)
	want := records(1, 400)
	feed(t, l, want)
	holds(t, l, want[390:])
	require.Greater(t, segments(t, fsys), 5)
	stuck = false
	store(t, l, record(401))
	require.NoError(t, l.Flush(ctx))
	require.LessOrEqual(t, segments(t, fsys), 2)
	holds(t, l, records(392, 401))
	require.NoError(t, l.Close())
}

// TestWhatAWriteThatFailsLeavesBehindIsNoRecord: a write fails though all of it
// was written, or all but the last bytes. It is told as a failure, so it is none
// of the log's, not even for the next process.
func TestWhatAWriteThatFailsLeavesBehindIsNoRecord(t *testing.T) {
	t.Parallel()
	for _, policy := range policies() {
		for short := range 9 {
			t.Run(fmt.Sprintf("%s, %d bytes short", policy, short), func(t *testing.T) {
				failing := false
				fsys := &watched{FS: memory(), write: func(_ string, p []byte, _ int64) (int, error) {
					if failing {
						failing = false
						return len(p) - short, errBroken
					}
					return 0, nil
				}}
				l := open(t, filelog.Options{FS: fsys, Sync: policy})
				store(t, l, records(1, 3)...)
				failing = true
				err := l.Append(ctx, record(4))
				require.ErrorIs(t, err, errBroken)
				im := imageOf(t, fsys) // what another process finds now
				holds(t, l, records(1, 3))
				store(t, l, record(5))
				holds(t, l, []appender.Record{record(1), record(2), record(3), record(5)})
				require.NoError(t, l.Close())
				l = open(t, filelog.Options{FS: im.put(t, memory())})
				if got, _ := gather(t, l.Replay(ctx, appender.Cursor{}, false)); !errors.Is(err, appender.ErrUnknownOutcome) {
					require.Equal(t, records(1, 3), got)
				}
				require.NoError(t, l.Close())
			})
		}
	}
}
