package filelog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// told is what a reading came to: the numbers of the records, and how many were
// reported as missing. The records are those of record(1) on.
type told struct {
	seqs []uint64
	lost uint64
	// vague counts the reports without a length.
	vague int
}

func listen(t require.TestingT, recs []appender.Record, damage []*filelog.CorruptError) (x told) {
	for _, rec := range recs {
		require.Equal(t, record(rec.Seq), rec)
		x.seqs = append(x.seqs, rec.Seq)
	}
	require.True(t, slices.IsSorted(x.seqs), "%v", x.seqs)
	for _, d := range damage {
		if x.lost += d.Records; d.Records == 0 {
			x.vague++
		}
	}
	return x
}

// TestOpeningAndEveryReadingTellTheSame: a log that was written under any policies
// and closed is damaged in one to three places. However often it is opened, every
// record is read or reported as lost, by its own replay as by a reading beside it.
func TestOpeningAndEveryReadingTellTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fsys := memory()
		o := filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes, MaxRecords: rapid.SampledFrom([]int{0, 0, 60, 150}).Draw(t, "retains")}
		n := uint64(0)
		for range rapid.IntRange(1, 3).Draw(t, "openings") {
			o.Sync = rapid.SampledFrom(policies()).Draw(t, "sync")
			l := open(t, o)
			for range rapid.IntRange(1, 30).Draw(t, "batches") {
				k := rapid.Uint64Range(1, 12).Draw(t, "batch")
				store(t, l, records(n+1, n+k)...)
				n += k
			}
			require.NoError(t, l.Close())
		}
		im := imageOf(t, fsys)
		for range rapid.IntRange(1, 3).Draw(t, "damages") {
			name := rapid.SampledFrom(im.names()).Draw(t, "segment")
			b := slices.Clone(im[name])
			switch rapid.SampledFrom([]string{"bit", "header", "half a header", "cut", "zeros", "gone"}).Draw(t, "damage") {
			case "bit":
				if len(b) > filelog.FramesBegin {
					b[rapid.IntRange(filelog.FramesBegin, len(b)-1).Draw(t, "at")] ^= 1
				}
			case "header":
				if len(b) >= filelog.FramesBegin {
					im[name] = b
					im.blot(name)
					continue
				}
			case "half a header":
				if len(b) >= filelog.FramesBegin {
					b = half(b)
				}
			case "cut":
				b = b[:rapid.IntRange(0, len(b)).Draw(t, "size")]
			case "zeros":
				if len(b) > filelog.FramesBegin {
					from := rapid.IntRange(filelog.FramesBegin, len(b)-1).Draw(t, "from")
					clear(b[from:min(from+500, len(b))])
				}
			case "gone":
				if len(im) > 1 {
					delete(im, name)
					continue
				}
			}
			im[name] = b
		}
		o.FS = im.put(t, memory())
		var before told
		for i := range 3 {
			l := open(t, o)
			r := l.Recovery()
			own := heard(t, l.Replay(ctx, appender.Cursor{}, false))
			beside := heard(t, filelog.Read(ctx, o.FS, nil, appender.Cursor{}, false))
			require.Equal(t, own, beside, "%s", &r)
			require.Equal(t, r.Records, uint64(len(own.seqs))+own.lost, "%s", &r)
			found := listen(t, nil, r.Damage)
			require.Equal(t, own.lost, found.lost, "%s", &r)
			if i > 0 {
				require.Equal(t, before.seqs, own.seqs, "%s", &r)
				require.Equal(t, before.lost, own.lost, "%s", &r)
			}
			before = own
			require.NoError(t, l.Close())
		}
	})
}

func heard(t require.TestingT, seq func(func(appender.Record, error) bool)) told {
	recs, damage := gather(t, seq)
	return listen(t, recs, damage)
}

// TestOneBitHidesNothingBehindIt: it takes the batch that it is in, of a log that
// was closed as of one that is open, whatever the policy.
func TestOneBitHidesNothingBehindIt(t *testing.T) {
	t.Parallel()
	for _, policy := range policies() {
		fsys := memory()
		o := filelog.Options{FS: fsys, Sync: policy}
		l := open(t, o)
		for at := uint64(0); at < 50; at += 5 {
			store(t, l, records(at+1, at+5)...)
		}
		require.NoError(t, l.Flush(ctx))
		f, err := fsys.Open("00000000000000000001.seg")
		require.NoError(t, err)
		_, err = f.WriteAt([]byte{0xff}, filelog.FramesBegin+60) // of the first batch
		require.NoError(t, err)
		require.Equal(t, told{seqs: numbers(6, 50), lost: 5}, heard(t, l.Replay(ctx, appender.Cursor{}, false)), policy)
		require.NoError(t, l.Close())
		require.Equal(t, told{seqs: numbers(6, 50), lost: 5}, heard(t, filelog.Read(ctx, fsys, nil, appender.Cursor{}, false)), policy)
		l = open(t, o)
		eachReads(t, l, fsys, records(6, 50), 1)
		require.NoError(t, l.Close())
	}
}

func numbers(first, last uint64) (seqs []uint64) {
	for ; first <= last; first++ {
		seqs = append(seqs, first)
	}
	return seqs
}

// TestALogThatWasClosedIsNotTorn: what is damaged of one that did not sync, after
// it was closed, is damage; and a log that syncs is none that does not, though the
// power failed after it was opened.
func TestALogThatWasClosedIsNotTorn(t *testing.T) {
	t.Parallel()
	d := disk.New(disk.Options{})
	o := filelog.Options{FS: d.Mount(nil), Sync: filelog.SyncNever()}
	l := open(t, o)
	store(t, l, records(1, 50)...)
	require.NoError(t, l.Close())
	im := imageOf(t, o.FS)
	im.blot(im.names()[0])
	closed := im.put(t, memory())
	if names, err := o.FS.List(); slices.Contains(names, "nosync") {
		require.NoError(t, err)
		noSync(t, closed)
	}
	_, err := filelog.Open(ctx, filelog.Options{FS: closed, Damage: filelog.Refuse}, env())
	require.ErrorContains(t, err, "header is not whole")

	l = open(t, o)
	store(t, l, record(51))
	d.Kill()
	o.FS, o.Sync = d.Mount(nil), filelog.SyncAlways()
	l = open(t, o)
	store(t, l, records(52, 60)...)
	d.Crash(disk.LoseAll)
	const name = "00000000000000000001.seg"
	require.True(t, d.Flip(name, 8*20) && d.Flip(name, 8*84))
	o.FS, o.Damage = d.Mount(nil), filelog.Refuse
	_, err = filelog.Open(ctx, o, env())
	require.ErrorContains(t, err, "header is not whole")
}

// TestWhatIsWholeInFrontOfALostSegmentIsRead: the first batch of a segment is
// damaged, and the next segment has no header.
func TestWhatIsWholeInFrontOfALostSegmentIsRead(t *testing.T) {
	t.Parallel()
	fsys := memory()
	o := filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes, Sync: filelog.SyncEvery(1000)}
	l := open(t, o)
	for at := uint64(0); at < 165; at += 5 {
		store(t, l, records(at+1, at+5)...)
	}
	require.NoError(t, l.Close())
	im := imageOf(t, fsys)
	names := im.names()
	im[names[0]][filelog.FramesBegin+60] ^= 1
	im.blot(names[1])
	o.FS = im.put(t, memory())
	l = open(t, o)
	own := heard(t, l.Replay(ctx, appender.Cursor{}, false))
	require.Equal(t, listen(t, nil, l.Recovery().Damage).lost, own.lost)
	require.EqualValues(t, 165, uint64(len(own.seqs))+own.lost)
	require.Equal(t, own, heard(t, filelog.Read(ctx, o.FS, nil, appender.Cursor{}, false)))
	require.NoError(t, l.Close())
}

// TestEverySegmentThatIsLostIsNamed: by every opening and every reading; and where
// one is gone, the reason says so.
func TestEverySegmentThatIsLostIsNamed(t *testing.T) {
	t.Parallel()
	im, _ := smallLog(t, true)
	names := im.names()
	all := image{}
	for _, name := range names {
		all[name] = im[name]
		all.blot(name)
	}
	fsys := all.put(t, memory())
	for range 3 {
		l := open(t, filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes})
		eachReads(t, l, fsys, nil, len(names))
		require.NoError(t, l.Close())
	}

	delete(im, names[1])
	fsys = im.put(t, memory())
	l := open(t, filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes})
	_, own := gather(t, l.Replay(ctx, appender.Cursor{}, false))
	_, beside := gather(t, filelog.Read(ctx, fsys, nil, appender.Cursor{}, false))
	for _, damage := range [][]*filelog.CorruptError{l.Recovery().Damage, own, beside} {
		require.Len(t, damage, 1)
		require.Equal(t, "the segment that follows is gone", damage[0].Reason)
	}
	require.NoError(t, l.Close())
}

// TestAReadingBeforeTheOpeningDropsNothingMore: after a power failure, a frame that
// will be cut off tells that more was dropped. It was not.
func TestAReadingBeforeTheOpeningDropsNothingMore(t *testing.T) {
	t.Parallel()
	d := disk.New(disk.Options{Sector: 64})
	o := filelog.Options{FS: d.Mount(nil), SegmentBytes: filelog.MinSegmentBytes, MaxRecords: 5, Sync: filelog.SyncEvery(100)}
	l := open(t, o)
	store(t, l, records(1, 20)...)
	require.NoError(t, l.Flush(ctx))
	store(t, l, record(21))
	store(t, l, records(22, 24)...)
	first := true
	d.CrashKeeping(func(p disk.Piece) int {
		if p.Op == disk.OpWrite && first {
			first = false
			return 0
		}
		return p.Bytes
	})
	o.FS = d.Mount(nil)
	got, damage := gather(t, filelog.Read(ctx, o.FS, nil, appender.Cursor{}, false))
	require.Empty(t, damage)
	require.Equal(t, records(16, 20), got)
	l = open(t, o)
	eachReads(t, l, o.FS, records(16, 20), 0)
	require.NoError(t, l.Close())
}

// TestSegmentsThatCannotBeReadAreRetainedLikeOthers: they take room, and are as old
// as what is behind them.
func TestSegmentsThatCannotBeReadAreRetainedLikeOthers(t *testing.T) {
	t.Parallel()
	fsys := memory()
	o := filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes}
	l := open(t, o)
	n := uint64(0)
	for segments(t, fsys) < 8 {
		store(t, l, records(n+1, n+5)...)
		n += 5
	}
	require.NoError(t, l.Close())
	im := imageOf(t, fsys)
	for _, name := range im.names()[1:7] {
		im.blot(name)
	}
	o.FS, o.MaxBytes = im.put(t, memory()), 4*filelog.MinSegmentBytes
	l = open(t, o)
	store(t, l, record(n+1))
	_, all := bytesOf(t, o.FS)
	require.LessOrEqual(t, all, 4*filelog.MinSegmentBytes)
	require.NoError(t, l.Close())

	e := env()
	clock := new(appender.ManualClock)
	clock.Jump(time.Duration(record(1).TimeMs) * time.Millisecond)
	e.Clock = clock
	o.FS, o.MaxBytes, o.MaxAge = im.put(t, memory()), 0, time.Hour
	l, err := filelog.Open(ctx, o, e)
	require.NoError(t, err)
	store(t, l, record(n+1))
	require.Zero(t, l.Dropped(), "nothing is an hour old")
	require.NoError(t, l.Close())
}

// TestNumbersThatAreNoLogsAreLeftAlone: a file named as a segment that no log
// reaches is somebody else's; one that a log cannot follow is told.
func TestNumbersThatAreNoLogsAreLeftAlone(t *testing.T) {
	t.Parallel()
	fsys := memory()
	o := filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes}
	garbage := []byte(strings.Repeat("garbage ", 100))
	image{
		"18446744073709551615.seg": garbage,
		"00000000009999999999.seg": nil, // blank: it was being made
	}.put(t, fsys)
	n := uint64(0)
	for i := range 4 {
		if i == 2 {
			image{"00000000009999999999.seg": garbage}.put(t, fsys)
		}
		l := open(t, o)
		for range 30 { // more than a segment
			store(t, l, records(n+1, n+5)...)
			n += 5
		}
		eachReads(t, l, fsys, records(1, n), i/2)
		require.NoError(t, l.Close())
	}
	require.Contains(t, imageOf(t, fsys), "18446744073709551615.seg")
	image{fmt.Sprintf("%020d.seg", 1<<40-1): garbage}.put(t, fsys)
	_, err := filelog.Open(ctx, o, env())
	require.ErrorContains(t, err, "remove the files that are not of this log")
}
