package filelog_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// eachReads checks what is read of a log, by its own replay and beside it: these
// records, and so many reports of damage; the opening had as many.
func eachReads(t require.TestingT, l *filelog.Log, fsys filelog.FS, want []appender.Record, damaged int) {
	require.Len(t, l.Recovery().Damage, damaged)
	got, damage := gather(t, l.Replay(ctx, appender.Cursor{}, false))
	require.Equal(t, want, got)
	require.Len(t, damage, damaged)
	got, damage = gather(t, filelog.Read(ctx, fsys, nil, appender.Cursor{}, false))
	require.Equal(t, want, got)
	require.Len(t, damage, damaged)
}

// blot turns a bit in both copies of a segment's header.
func (im image) blot(name string) {
	im[name] = slices.Clone(im[name])
	im[name][20] ^= 1
	im[name][filelog.FramesBegin/2+20] ^= 1
}

// noSync marks a log as one that did not sync, and was not closed.
func noSync(t require.TestingT, fsys filelog.FS) {
	f, err := fsys.Create("nosync")
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// half is a segment without the first copy of its header.
func half(b []byte) []byte {
	return append(make([]byte, filelog.FramesBegin/2), b[filelog.FramesBegin/2:]...)
}

// TestASegmentWithoutAHeaderIsReportedByEveryReader: two bits that turn, one in
// each copy of the header, take a whole segment, the only one. How many records
// were in it nothing tells, but that some were, every opening and every reading
// does. Found by seed 1125 of the swarm.
func TestASegmentWithoutAHeaderIsReportedByEveryReader(t *testing.T) {
	t.Parallel()
	fsys := memory()
	l := open(t, filelog.Options{FS: fsys})
	store(t, l, records(1, 3)...)
	require.NoError(t, l.Close())
	im := imageOf(t, fsys)
	im.blot(im.names()[0])
	// A log that does not sync finds it as well: what is lost was safe.
	for _, syncs := range [][]filelog.SyncPolicy{
		{filelog.SyncAlways(), filelog.SyncNever(), filelog.SyncNever(), filelog.SyncAlways()},
		{filelog.SyncNever(), filelog.SyncNever(), filelog.SyncAlways(), filelog.SyncNever()},
	} {
		fsys = im.put(t, memory())
		var want []appender.Record
		for i, sync := range syncs {
			l = open(t, filelog.Options{FS: fsys, Sync: sync})
			want = append(want, record(uint64(i+4)))
			store(t, l, want[i])
			eachReads(t, l, fsys, want, 1)
			if i%2 == 1 {
				require.NoError(t, l.Close())
				continue
			}
			// The process dies.
			if fsys = imageOf(t, fsys).put(t, memory()); sync == filelog.SyncNever() {
				noSync(t, fsys)
			}
		}
	}
}

// TestASegmentThatHoldsNothingIsNotMissed: a sync failed, and what was in the
// segment is in the next. That its header is not whole afterwards takes nothing.
func TestASegmentThatHoldsNothingIsNotMissed(t *testing.T) {
	t.Parallel()
	const second = "00000000000000000002.seg"
	syncs := 0
	fsys := &watched{FS: memory(), sync: func(name string) error {
		if name != second {
			return nil
		}
		if syncs++; syncs == 2 { // the first is of its header
			return errBroken
		}
		return nil
	}}
	l := open(t, filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes})
	want := records(1, 400)
	for at := 0; at < len(want); at += 5 {
		store(t, l, want[at:at+5]...)
	}
	require.Equal(t, 2, syncs)
	require.NoError(t, l.Close())
	im := imageOf(t, fsys)
	require.Contains(t, im, second)
	im.blot(second)
	disk := im.put(t, memory())
	l = open(t, filelog.Options{FS: disk})
	eachReads(t, l, disk, want, 0)
	require.NoError(t, l.Close())
}

// TestASegmentThatWasBeingMadeIsNotMissed: segments that could not be made, and
// could not be removed or came back with the power, have half a header, and
// nothing behind it. Found by seeds 112771 and 220556 of the torture.
func TestASegmentThatWasBeingMadeIsNotMissed(t *testing.T) {
	t.Parallel()
	half := func(b []byte) []byte {
		return append(make([]byte, filelog.FramesBegin/2), b[filelog.FramesBegin/2:filelog.FramesBegin]...)
	}
	im, want := smallLog(t, true)
	names := im.names()
	torn := image{names[0]: im[names[0]], names[1]: half(im[names[1]])[:filelog.FramesBegin], names[2]: make([]byte, filelog.FramesBegin)}
	disk := torn.put(t, memory())
	l := open(t, filelog.Options{FS: disk})
	got, _ := gather(t, l.Replay(ctx, appender.Cursor{}, false))
	require.NotEmpty(t, got)
	eachReads(t, l, disk, want[:len(got)], 0)
	require.NoError(t, l.Close())

	// Retention has dropped what it was to stand behind.
	fsys := memory()
	o := filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes, MaxRecords: 10}
	l = open(t, o)
	want = records(1, 400)
	first := imageOf(t, fsys)
	feed(t, l, want)
	require.NoError(t, l.Close())
	im = imageOf(t, fsys)
	name := first.names()[0]
	require.NotContains(t, im, name)
	im[name] = half(first[name])[:filelog.FramesBegin]
	o.FS = im.put(t, memory())
	l = open(t, o)
	eachReads(t, l, o.FS, want[390:], 0)
	require.NoError(t, l.Close())
}

// TestWhatBecomesOfDroppedSegmentsIsNoDamage: the power failed when segments had
// been removed whose records were dropped, some of them before they were ever
// synced. Whatever of them comes back, nothing is missed. Found by seeds 6620,
// 228602 and 292120 of the torture.
func TestWhatBecomesOfDroppedSegmentsIsNoDamage(t *testing.T) {
	fsys := &watched{FS: memory(), remove: func(string) error { return errBroken }} // so that all are there
	o := filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes, MaxRecords: 10, Sync: filelog.SyncNever()}
	l := open(t, o)
	all := records(1, 300)
	store(t, l, all[:5]...)
	require.NoError(t, l.Flush(ctx)) // these had been durable
	feed(t, l, all[5:])
	killed := imageOf(t, fsys)
	require.NoError(t, l.Close())
	closed := imageOf(t, fsys)
	names := closed.names()
	require.Greater(t, len(names), 5)
	rapid.Check(t, func(t *rapid.T) {
		im, torn := closed, image{}
		if rapid.Bool().Draw(t, "killed") {
			im = killed
		}
		for i, name := range names {
			b := im[name]
			if i < len(names)-1 { // the last holds more than what is retained
				switch rapid.SampledFrom([]string{"whole", "gone", "empty", "half a header", "no header", "cut"}).Draw(t, name) {
				case "gone":
					continue
				case "empty":
					b = nil
				case "half a header":
					b = half(b)
				case "no header":
					b = append(make([]byte, filelog.FramesBegin), b[filelog.FramesBegin:]...)
				case "cut":
					b = b[:filelog.FramesBegin+rapid.IntRange(0, 200).Draw(t, "bytes")]
				}
			}
			torn[name] = b
		}
		o := o
		o.FS = torn.put(t, memory())
		noSync(t, o.FS)
		got, damage := gather(t, filelog.Read(ctx, o.FS, nil, appender.Cursor{}, false))
		require.Empty(t, damage)
		require.Equal(t, all[290:], got)
		for range 2 {
			l := open(t, o)
			eachReads(t, l, o.FS, all[290:], 0)
			require.EqualValues(t, 290, l.Dropped())
			require.NoError(t, l.Close())
		}
	})
}

// TestDamageThatWasFoundStaysDamage: that records which are lost had been durable
// is told by a segment alone that does not count. However often opening is cut
// short, it is reported, and what is behind it is there. Found by seed 661027 of
// the torture.
func TestDamageThatWasFoundStaysDamage(t *testing.T) {
	t.Parallel()
	fsys := memory()
	o := filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes, Sync: filelog.SyncNever()}
	l := open(t, o)
	n := uint64(0)
	for segments(t, fsys) < 2 {
		store(t, l, records(n+1, n+5)...)
		n += 5
	}
	require.NoError(t, l.Flush(ctx))
	second := imageOf(t, fsys)
	store(t, l, records(n+1, n+5)...)
	store(t, l, records(n+6, n+150)...) // they do not fit into the second
	im := imageOf(t, fsys)
	names := im.names()
	require.Len(t, names, 3)
	im[names[1]] = second[names[1]] // what it got last is lost with the power
	im[names[0]] = slices.Clone(im[names[0]])
	im[names[0]][filelog.FramesBegin+60] ^= 1
	im[names[2]] = im[names[2]][:filelog.FramesBegin+100]
	want := records(6, n)

	for calls := 0; ; calls++ {
		disk, left := im.put(t, memory()), calls
		noSync(t, disk)
		spend := func() error {
			if left == 0 {
				return errBroken
			}
			left--
			return nil
		}
		named := func(string) error { return spend() }
		o := o
		o.FS = &watched{
			FS: disk, create: named, remove: named, sync: named, syncDir: spend,
			write: func(string, []byte, int64) (int, error) { return 0, spend() },
		}
		l, err := filelog.Open(ctx, o, env())
		if err == nil {
			require.Greater(t, calls, 5)
			require.NoError(t, l.Close())
			return
		}
		require.ErrorIs(t, err, errBroken)
		require.ErrorContains(t, err, "; it had found ")
		again := imageOf(t, disk).put(t, memory()) // the power has failed
		noSync(t, again)
		o.FS = again
		for range 2 {
			l = open(t, o)
			eachReads(t, l, again, want, 1)
			require.NoError(t, l.Close())
		}
	}
}
