package filelog_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// image is a directory's segments, to be changed and put onto a fresh disk.
type image map[string][]byte

func imageOf(t require.TestingT, fsys filelog.FS) image {
	im := image{}
	for name, b := range contents(t, fsys) {
		im[name] = b
	}
	return im
}

// names of the segments, in order.
func (im image) names() []string {
	var names []string
	for name := range im {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (im image) put(t require.TestingT, fsys filelog.FS) filelog.FS {
	for _, name := range im.names() {
		f, err := fsys.Create(name)
		require.NoError(t, err)
		_, err = f.WriteAt(im[name], 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	return fsys
}

// memory is a file system that is fast.
func memory() filelog.FS { return disk.New(disk.Options{}).Mount(nil) }

// smallLog is the image of a log of several segments, one of a few records at
// the end, and what it holds. It was closed, or its process was killed.
func smallLog(t require.TestingT, closed bool) (image, []appender.Record) {
	fsys := memory()
	l := open(t, filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes})
	want := records(1, 165)
	for at := 0; at < len(want); at += 5 {
		store(t, l, want[at:at+5]...)
	}
	im := imageOf(t, fsys)
	if closed {
		require.NoError(t, l.Close())
		im = imageOf(t, fsys)
	}
	require.Greater(t, len(im), 2)
	return im, want
}

// works checks that a log takes records behind those that it holds, and holds
// them all when it is opened again.
func works(t require.TestingT, l *filelog.Log, fsys filelog.FS, holding []appender.Record) {
	more := records(1000, 1002)
	store(t, l, more...)
	require.NoError(t, l.Close())
	l = open(t, filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes})
	got, _ := gather(t, l.Replay(ctx, appender.Cursor{}, false))
	require.Equal(t, append(slices.Clone(holding), more...), got)
	require.Zero(t, l.Recovery().Torn)
	require.NoError(t, l.Close())
}

// TestATornTailIsCutOffAndReported: the last segment of a log whose process was
// killed is cut at every byte. What is left is whole batches, what is not whole
// is reported, and the log works.
func TestATornTailIsCutOffAndReported(t *testing.T) {
	t.Parallel()
	im, want := smallLog(t, false)
	name := slices.Max(im.names())
	whole := im[name]
	fewest := len(want)
	for size := len(whole); size >= 0; size-- {
		im[name] = whole[:size]
		fsys := im.put(t, memory())
		l := open(t, filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes})
		r := l.Recovery()
		got, damage := gather(t, l.Replay(ctx, appender.Cursor{}, false))
		require.Empty(t, damage, "%d bytes", size)
		require.Empty(t, r.Damage, "%d bytes", size)
		require.Zero(t, len(got)%5, "%d bytes: part of a batch", size)
		require.Equal(t, want[:len(got)], got, "%d bytes", size)
		require.GreaterOrEqual(t, fewest, len(got))
		fewest = len(got)
		if r.Torn > 0 {
			require.Equal(t, fsys.Path(name), r.TornPath)
			require.LessOrEqual(t, r.TornOffset+r.Torn, int64(size))
		}
		if size%25 == 0 {
			works(t, l, fsys, got)
		}
	}
	require.Less(t, fewest, len(want))
}

// TestWhatIsTornIsCutOffARealFile is the same where the bytes are the operating
// system's, for a few sizes.
func TestWhatIsTornIsCutOffARealFile(t *testing.T) {
	t.Parallel()
	im, want := smallLog(t, false)
	name := slices.Max(im.names())
	whole := im[name]
	end := slices.IndexFunc(whole[filelog.FramesBegin:], func(c byte) bool { return c == 0xe5 }) // that of the first frame
	for _, size := range []int{0, 1, filelog.FramesBegin, filelog.FramesBegin + end, filelog.FramesBegin + end + 1, len(whole) - 1} {
		im[name] = whole[:size]
		fsys := im.put(t, dir(t))
		l := open(t, filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes})
		got, damage := gather(t, l.Replay(ctx, appender.Cursor{}, false))
		require.Empty(t, damage)
		require.Equal(t, want[:len(got)], got)
		works(t, l, fsys, got)
	}
}

// TestABitThatTurnsIsReported: one bit of a log that was closed turns. What is lost is reported as damage, where it was, by opening and by reading; the
// rest is there, and the log works.
func TestABitThatTurnsIsReported(t *testing.T) {
	t.Parallel()
	im, want := smallLog(t, true)
	harmless := 0
	for _, name := range im.names() {
		// Strides that come to every bit of a byte, small where the headers of the
		// segment and its first frame are.
		for bit, stride := 0, 23; bit < 8*len(im[name]); bit += stride {
			if bit > 8*(filelog.FramesBegin+60) {
				stride = 211
			}
			at := fmt.Sprintf("%s, bit %d", name, bit)
			im[name][bit/8] ^= 1 << (bit % 8)
			fsys := im.put(t, memory())
			beside, reported := gather(t, filelog.Read(ctx, fsys, nil, appender.Cursor{}, false))
			lostBeside := missing(t, want, beside, reported)
			l := open(t, filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes})
			r := l.Recovery()
			got, damage := gather(t, l.Replay(ctx, appender.Cursor{}, false))
			lost := missing(t, want, got, damage)
			require.Equal(t, lost, missing(t, want, got, r.Damage), at)
			require.Equal(t, lost, lostBeside, at)
			switch {
			case lost == 0 && r.Clean():
				harmless++
			case lost == 0 && r.Torn > 0:
				// The seal: it holds no record.
			default:
				require.Zero(t, r.Torn, at)
				_, err := filelog.Open(ctx, filelog.Options{FS: im.put(t, memory()), Damage: filelog.Refuse}, env())
				var corrupt *filelog.CorruptError
				require.ErrorAs(t, err, &corrupt, at)
				require.Equal(t, fsys.Path(name), corrupt.Path)
				require.LessOrEqual(t, corrupt.Offset, int64(bit/8), at)
			}
			if bit%3 == 0 {
				works(t, l, fsys, got)
			}
			im[name][bit/8] ^= 1 << (bit % 8)
		}
	}
	require.Zero(t, harmless, "bits that no checksum covers")
}

// missing checks that records are those of want without what is reported, and
// returns how many are reported.
func missing(t require.TestingT, want, got []appender.Record, damage []*filelog.CorruptError) (lost int) {
	var left []appender.Record
	pos := uint64(0)
	for _, d := range damage {
		if d.Records == 0 {
			continue
		}
		require.GreaterOrEqual(t, d.First, pos)
		left = append(left, want[pos:d.First]...)
		pos = d.First + d.Records
		if d.First > 0 {
			require.Equal(t, want[d.First-1].Seq, d.Seq)
		}
		lost += int(d.Records)
	}
	require.Equal(t, append(left, want[pos:]...), got)
	return lost
}

// TestDamageOfAnOpenLogIsReportedByReplay: a frame that is damaged behind the
// log's back, in any place, even the last, is reported, and so is a segment that
// is gone.
func TestDamageOfAnOpenLogIsReportedByReplay(t *testing.T) {
	t.Parallel()
	for _, policy := range []filelog.SyncPolicy{filelog.SyncEvery(1000), filelog.SyncAlways()} {
		fsys := memory()
		l := open(t, filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes, Sync: policy})
		want := records(1, 165)
		for at := 0; at < len(want); at += 5 {
			store(t, l, want[at:at+5]...)
		}
		require.NoError(t, l.Flush(ctx))
		holds(t, l, want)
		im := imageOf(t, fsys)
		for _, name := range im.names() {
			f, err := fsys.Open(name)
			require.NoError(t, err)
			for at := filelog.FramesBegin; at < len(im[name]); at += 13 {
				was := im[name][at : at+1]
				_, err := f.WriteAt([]byte{was[0] ^ 1<<(at%8)}, int64(at))
				require.NoError(t, err)
				got, damage := gather(t, l.Replay(ctx, appender.Cursor{}, false))
				if was[0] != 0 { // or it may be zeros that are filled in ahead
					require.Len(t, damage, 1, "%s, byte %d", name, at)
				}
				missing(t, want, got, damage)
				_, err = f.WriteAt(was, int64(at))
				require.NoError(t, err)
			}
			require.NoError(t, f.Close())
		}
		require.NoError(t, fsys.Remove(im.names()[1]))
		got, damage := gather(t, l.Replay(ctx, appender.Cursor{}, false))
		require.Positive(t, missing(t, want, got, damage))
	}
}
