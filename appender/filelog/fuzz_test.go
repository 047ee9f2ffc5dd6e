package filelog_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// FuzzOpen: whatever is in a directory, opening and reading it does not panic,
// and ends; what is opened works.
func FuzzOpen(f *testing.F) {
	im, _ := smallLog(f, true)
	names := im.names()
	f.Add([]byte{}, []byte{})
	f.Add(im[names[0]], im[names[1]])
	f.Add(im[names[1]], im[names[0]])
	f.Add(im[names[0]][:200], im[names[2]])
	f.Add([]byte("meshlog\x01"), make([]byte, 300))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		im := image{names[0]: one, names[1]: two}
		fsys := im.put(t, memory())
		for _, err := range filelog.Read(ctx, fsys, nil, appender.Cursor{}, false) {
			if err != nil && !errors.As(err, new(*filelog.CorruptError)) {
				return // of an unknown format
			}
		}
		l, err := filelog.Open(ctx, filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes}, env())
		if err != nil {
			return
		}
		got, _ := gather(t, l.Replay(ctx, appender.Cursor{}, false))
		works(t, l, fsys, got)
	})
}

// FuzzDamage: a script of damage is done to a log. Nothing is read that was never
// written, nor out of order; what is missing is reported by opening, as damage or
// as torn, and by reading what is no more than torn is not. Then the log works.
func FuzzDamage(f *testing.F) {
	whole, want := smallLog(f, true)
	f.Add([]byte{})
	for op := range byte(7) {
		f.Add([]byte{op, 0, 0, 140, 1, op, 1, 0, 60, 255})
		f.Add([]byte{op, 2, 3, 0, 80, 6, 0, 0, 1, 2})
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		im := image{}
		for name, b := range whole {
			im[name] = slices.Clone(b)
		}
		gone := false // a segment, or a tail
		for ; len(script) >= 5; script = script[5:] {
			names := im.names()
			if len(names) == 0 {
				break
			}
			name := names[int(script[1])%len(names)]
			b := im[name]
			at := int(binary.BigEndian.Uint16(script[2:])) % (len(b) + 1)
			rest := b[at:]
			switch n := min(int(script[4]), len(rest)); script[0] % 7 {
			case 0: // bits turn
				if len(rest) > 0 {
					rest[0] ^= script[4]
				}
			case 1: // zeros
				clear(rest[:n])
			case 2: // other bytes of the log
				copy(rest[:n], b[int(script[4])%(len(b)+1):])
			case 3: // the end is cut off
				im[name], gone = b[:at], true
			case 4: // bytes are inserted
				im[name] = slices.Insert(b, at, slices.Clone(b[:min(n, at)])...)
			case 5: // a whole segment is gone
				delete(im, name)
				gone = true
			case 6: // one segment's bytes under another's name
				im[names[int(script[4])%len(names)]] = slices.Clone(b)
			}
		}
		fsys := im.put(t, memory())
		_, _ = subsequence(t, want, fsys, nil)
		l := open(t, filelog.Options{FS: fsys, SegmentBytes: filelog.MinSegmentBytes})
		r := l.Recovery()
		got, damage := subsequence(t, want, fsys, l)
		if len(got) < len(want) && !gone {
			require.False(t, r.Clean(), "%d of %d", len(got), len(want))
		}
		if len(damage) > 0 {
			require.NotEmpty(t, r.Damage)
		}
		works(t, l, fsys, got)
	})
}

// subsequence checks that what a log yields, or a reader without it, is part of
// want, in order.
func subsequence(t *testing.T, want []appender.Record, fsys filelog.FS, l *filelog.Log) ([]appender.Record, []*filelog.CorruptError) {
	seq := filelog.Read(ctx, fsys, nil, appender.Cursor{}, false)
	if l != nil {
		seq = l.Replay(ctx, appender.Cursor{}, false)
	}
	got, damage := gather(t, seq)
	last := uint64(0)
	for _, rec := range got {
		require.Greater(t, rec.Seq, last)
		require.LessOrEqual(t, rec.Seq, uint64(len(want)))
		require.Equal(t, want[rec.Seq-1], rec)
		last = rec.Seq
	}
	return got, damage
}
