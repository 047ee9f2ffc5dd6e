package disk_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// calls makes one call of each kind, and returns its error.
var calls = map[disk.Op]func(fsys filelog.FS, f filelog.File) error{
	disk.OpOpen:     func(fsys filelog.FS, _ filelog.File) error { _, err := fsys.Open("a"); return err },
	disk.OpRead:     func(_ filelog.FS, f filelog.File) error { _, err := f.ReadAt(make([]byte, 4), 0); return err },
	disk.OpList:     func(fsys filelog.FS, _ filelog.File) error { _, err := fsys.List(); return err },
	disk.OpLock:     func(fsys filelog.FS, _ filelog.File) error { _, err := fsys.Lock(); return err },
	disk.OpCreate:   func(fsys filelog.FS, _ filelog.File) error { _, err := fsys.Create("new"); return err },
	disk.OpWrite:    func(_ filelog.FS, f filelog.File) error { _, err := f.WriteAt([]byte("written"), 0); return err },
	disk.OpTruncate: func(_ filelog.FS, f filelog.File) error { return f.Truncate(6) },
	disk.OpSync:     func(_ filelog.FS, f filelog.File) error { return f.Sync() },
	disk.OpRemove:   func(fsys filelog.FS, _ filelog.File) error { return fsys.Remove("b") },
	disk.OpRename:   func(fsys filelog.FS, _ filelog.File) error { return fsys.Rename("b", "c") },
	disk.OpSyncDir:  func(fsys filelog.FS, _ filelog.File) error { return fsys.SyncDir() },
}

// two is a disk with the files a and b, of 8 bytes each, all of it synced.
func two(t require.TestingT, o disk.Options) (*disk.Disk, filelog.FS, filelog.File) {
	d := disk.New(o)
	fsys := d.Mount(nil)
	b, err := fsys.Create("b")
	require.NoError(t, err)
	write(t, b, "bbbbbbbb", 0)
	a, err := fsys.Create("a")
	require.NoError(t, err)
	write(t, a, "aaaaaaaa", 0)
	d.Sync()
	return d, fsys, a
}

func TestARuleStrikesWhatItSaysAndIsCounted(t *testing.T) {
	for op, call := range calls {
		for kind := range disk.Kind(disk.NumKinds) {
			rapid.Check(t, func(t *rapid.T) {
				d, fsys, f := two(t, disk.Options{Seed: rapid.Uint64().Draw(t, "seed"), Sector: sector})
				before, counts := d.Digest(), d.Counts()
				after := rapid.Uint64Range(0, 3).Draw(t, "after")
				rule := disk.Rule{Op: op, Any: rapid.Bool().Draw(t, "any"), Kind: kind, Times: 1, After: after}
				defer d.Inject(rule)()
				d.Inject(disk.Rule{Op: op, Any: true, Prefix: "no such file", Kind: kind})
				for range after { // calls that pass: some change nothing, some fail for their own reasons
					if op != disk.OpLock && op != disk.OpCreate && op != disk.OpRemove && op != disk.OpRename {
						require.NoError(t, call(fsys, f))
					} else {
						return // they do not repeat
					}
				}
				require.Zero(t, d.Struck(kind))
				err := call(fsys, f)
				require.EqualValues(t, 1, d.Struck(kind))
				switch {
				case kind == disk.PowerFailure || kind == disk.Death:
					require.ErrorIs(t, err, disk.ErrCrashed)
					_, err := fsys.List()
					require.ErrorIs(t, err, disk.ErrCrashed, "the process is dead")
					require.EqualValues(t, 1, d.Counts().Crashes-counts.Crashes+d.Counts().Kills-counts.Kills)
					_, err = d.Mount(nil).Lock()
					require.NoError(t, err)
				case kind == disk.Flip && op != disk.OpWrite && op != disk.OpSync:
					require.NoError(t, err)
				case kind == disk.Full && op != disk.OpSync:
					require.ErrorIs(t, err, filelog.ErrNoSpace)
					require.EqualValues(t, 1, d.Counts().NoSpace)
				default:
					require.ErrorIs(t, err, disk.ErrInjected)
				}
				require.NotEqual(t, before, d.Digest(), "the strike is counted")
				if kind <= disk.Full && op != disk.OpWrite {
					// It was struck once, and now does what it did not then.
					require.NoError(t, call(fsys, f))
				}
			})
		}
	}
}

func TestAWriteThatFallsShortHasWrittenWhatItSays(t *testing.T) {
	lengths := map[int]bool{}
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]disk.Kind{disk.Fail, disk.Short, disk.Full}).Draw(t, "kind")
		d, fsys, f := two(t, disk.Options{Seed: rapid.Uint64().Draw(t, "seed"), Sector: sector})
		d.Inject(disk.Rule{Op: disk.OpWrite, Kind: kind, Prefix: "a"})
		n, err := f.WriteAt([]byte("0123456789"), 4)
		require.Error(t, err)
		require.Less(t, n, 10)
		if kind == disk.Fail {
			require.Zero(t, n)
		}
		lengths[n] = true
		content, err := readAll(fsys, "a")
		require.NoError(t, err)
		want := append([]byte("aaaa"), "0123456789"[:n]...)
		if len(want) < 8 {
			want = append(want, "aaaaaaaa"[len(want):]...)
		}
		require.Equal(t, string(want), string(content))
		b, err := fsys.Open("b")
		require.NoError(t, err)
		write(t, b, "another file", 0)
	})
	require.Greater(t, len(lengths), 5)
}

func TestNoMoreIsEverStoredThanThereIsRoomFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.Int64Range(1, 60).Draw(t, "capacity")
		d := disk.New(disk.Options{Sector: sector, Capacity: capacity})
		fsys := d.Mount(nil)
		full := uint64(0)
		for range 30 {
			name := rapid.SampledFrom(names).Draw(t, "name")
			var err error
			used := d.Used()
			switch rapid.IntRange(0, 4).Draw(t, "op") {
			case 0:
				_, err = fsys.Create(name)
			case 1:
				err = fsys.Remove(name)
			case 2:
				var f filelog.File
				if f, err = fsys.Open(name); err == nil {
					text := rapid.SliceOfN(rapid.Byte(), 1, 30).Draw(t, "text")
					off := rapid.Int64Range(0, 30).Draw(t, "off")
					size, serr := f.Size()
					require.NoError(t, serr)
					var n int
					n, err = f.WriteAt(text, off)
					end := off + int64(n)
					if n == 0 {
						end = 0
					}
					require.Equal(t, used+max(end-size, 0), d.Used())
					if err != nil {
						require.Equal(t, int64(n), max(min(size+capacity-used-off, int64(len(text))), 0), "it writes what there is room for")
					}
				}
			case 3:
				var f filelog.File
				if f, err = fsys.Open(name); err == nil {
					err = f.Truncate(rapid.Int64Range(0, 60).Draw(t, "size"))
				}
			case 4:
				d.Crash(disk.Draw)
				fsys = d.Mount(nil)
			}
			if errors.Is(err, filelog.ErrNoSpace) {
				full++
			} else if err != nil {
				require.True(t, errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist), "%v", err)
			}
			require.Equal(t, full, d.Counts().NoSpace)
			require.LessOrEqual(t, d.Used(), capacity)
			var sum int64
			list, err := fsys.List()
			require.NoError(t, err)
			require.Equal(t, len(list), d.Files())
			for _, name := range list {
				content, err := readAll(fsys, name)
				require.NoError(t, err)
				sum += int64(len(content))
			}
			require.Equal(t, sum, d.Used())
		}
		d.SetCapacity(0)
		f, err := fsys.Create("room")
		require.NoError(t, err)
		write(t, f, string(make([]byte, 100)), 0)
	})
}

func TestAFlippedBitIsOneOnTheDiskAndNotInWhatIsNewer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, fsys, f := two(t, disk.Options{Seed: rapid.Uint64().Draw(t, "seed"), Sector: sector})
		write(t, f, "new", 2)
		bit := rapid.Int64Range(0, 63).Draw(t, "bit")
		require.False(t, d.Flip("a", 64))
		require.False(t, d.Flip("a", -1))
		require.False(t, d.Flip("c", 0))
		require.True(t, d.Flip("a", bit))
		require.EqualValues(t, 1, d.Counts().Flipped)
		flipped := func(s string) string {
			b := []byte(s)
			b[bit/8] ^= 1 << (bit % 8)
			return string(b)
		}
		content, err := readAll(fsys, "a")
		require.NoError(t, err)
		if bit/8 >= 2 && bit/8 < 5 {
			require.Equal(t, "aanewaaa", string(content))
		} else {
			require.Equal(t, flipped("aanewaaa"), string(content))
		}
		d.Crash(disk.LoseAll)
		content, err = readAll(d.Mount(nil), "a")
		require.NoError(t, err)
		require.Equal(t, flipped("aaaaaaaa"), string(content))
		name, at, ok := d.FlipSome("b")
		require.True(t, ok)
		require.Equal(t, "b", name)
		require.True(t, d.Flip(name, at), "back again")
		content, err = readAll(d.Mount(nil), "b")
		require.NoError(t, err)
		require.Equal(t, "bbbbbbbb", string(content))
		_, _, ok = d.FlipSome("c")
		require.False(t, ok)
	})
}

func TestAReadThatIsFlippedLeavesTheDiskAsItIs(t *testing.T) {
	d, _, f := two(t, disk.Options{Sector: sector})
	remove := d.Inject(disk.Rule{Op: disk.OpRead, Kind: disk.Flip})
	b := make([]byte, 8)
	n, err := f.ReadAt(b, 0)
	require.NoError(t, err)
	require.Equal(t, 8, n)
	bits := 0
	for i, c := range b {
		for x := c ^ "aaaaaaaa"[i]; x != 0; x &= x - 1 {
			bits++
		}
	}
	require.Equal(t, 1, bits)
	remove()
	_, err = f.ReadAt(b, 0)
	require.NoError(t, err)
	require.Equal(t, "aaaaaaaa", string(b))
}

// crashingClock is a clock whose Sleep is when something happens.
type crashingClock struct {
	appender.ManualClock
	asleep func()
	slept  []time.Duration
}

func (c *crashingClock) Sleep(_ context.Context, d time.Duration) error {
	c.slept = append(c.slept, d)
	c.asleep()
	return nil
}

func TestACallThatWaitsWhenItsProcessDiesChangesNothing(t *testing.T) {
	for op, call := range calls {
		for _, end := range []func(d *disk.Disk){
			(*disk.Disk).Kill, func(d *disk.Disk) { d.Crash(disk.KeepAll) }, func(d *disk.Disk) { d.Crash(disk.Draw) },
		} {
			wait := time.Duration(0)
			d, _, _ := two(t, disk.Options{Sector: sector, Latency: func(of disk.Op, bytes int, n uint64) time.Duration {
				require.NotZero(t, n)
				return wait
			}})
			clock := &crashingClock{}
			fsys := d.Mount(clock)
			f, err := fsys.Open("a")
			require.NoError(t, err)
			require.Empty(t, clock.slept)
			var there uint64
			clock.asleep = func() {
				end(d)
				d.Sync()
				there = d.Digest()
			}
			wait = 3 * time.Millisecond
			require.ErrorIs(t, call(fsys, f), disk.ErrCrashed, op)
			require.Equal(t, []time.Duration{wait}, clock.slept)
			require.Equal(t, there, d.Digest(), "%s changed something", op)
		}
	}
}

func TestTheSameCallsHaveTheSameResults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		script := rapid.SliceOfN(rapid.IntRange(0, 7), 1, 30).Draw(t, "script")
		run := func(d *disk.Disk, from int) *disk.Disk {
			for i := from; i < len(script); i++ {
				fsys := d.Mount(nil)
				name := names[i%2]
				f, err := fsys.Open(name)
				if err != nil {
					if f, err = fsys.Create(name); err != nil {
						continue
					}
				}
				switch script[i] {
				case 0:
					d.Crash(disk.Draw)
				case 1:
					d.FlipSome("")
				case 2:
					_ = f.Sync()
				case 3:
					_ = fsys.SyncDir()
				case 4:
					_ = fsys.Remove(name)
				default:
					_, _ = f.WriteAt([]byte("0123456789abcdef")[:script[i]*2], int64(i))
				}
			}
			return d
		}
		fresh := func() *disk.Disk {
			return disk.New(disk.Options{Seed: seed, Sector: sector, Tear: true, Capacity: 200})
		}
		whole := run(fresh(), 0)
		require.Equal(t, whole.Digest(), run(fresh(), 0).Digest())
		// A clone is equal, and neither knows of the other.
		half, saved := fresh(), script
		script = script[:len(script)/2]
		run(half, 0)
		clone, before := half.Clone(), half.Digest()
		require.Equal(t, before, clone.Digest())
		script = saved
		require.Equal(t, whole.Digest(), run(clone, len(saved)/2).Digest())
		require.Equal(t, before, half.Digest(), "what a clone does reaches its origin")
		require.Equal(t, whole.Digest(), run(half, len(saved)/2).Digest())
	})
}

func TestPiecesAreKeptOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, fsys, f := two(t, disk.Options{Seed: 1, Sector: sector})
		for range rapid.IntRange(1, 6).Draw(t, "writes") {
			off := rapid.Int64Range(0, 20).Draw(t, "off")
			write(t, f, string(rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "text")), off)
		}
		require.NoError(t, fsys.Rename("b", "c"))
		want, err := readAll(fsys, "a")
		require.NoError(t, err)
		pieces := d.Pieces()
		var asked []disk.Piece
		all, none := d.Clone(), d.Clone()
		all.CrashKeeping(func(p disk.Piece) int { asked = append(asked, p); return p.Bytes })
		require.Equal(t, pieces, asked)
		content, err := readAll(all.Mount(nil), "a")
		require.NoError(t, err)
		require.Equal(t, want, content)
		none.CrashKeeping(func(disk.Piece) int { return 0 })
		content, err = readAll(none.Mount(nil), "a")
		require.NoError(t, err)
		require.Equal(t, "aaaaaaaa", string(content))
		for i, p := range pieces {
			require.Equal(t, i, p.Index)
			if p.Op != disk.OpWrite {
				require.Equal(t, 1, p.Bytes)
				continue
			}
			require.Equal(t, p.Offset/sector, (p.Offset+int64(p.Bytes)-1)/sector, "a piece is within a sector")
			// Alone, up to a byte: that is all that changes.
			keep := rapid.IntRange(0, p.Bytes).Draw(t, "keep")
			one := d.Clone()
			one.CrashKeeping(func(q disk.Piece) int {
				if q.Index == i {
					return keep
				}
				return 0
			})
			content, err := readAll(one.Mount(nil), "a")
			require.NoError(t, err)
			for at, c := range content {
				if at < int(p.Offset) || at >= int(p.Offset)+keep {
					require.Equal(t, "aaaaaaaa\x00"[min(at, 8)], c)
				}
			}
			_, err = one.Mount(nil).OpenRead("b")
			require.NoError(t, err, "the rename is lost")
		}
	})
}

func TestWhatAHandleMayNotDoItDoesNotDo(t *testing.T) {
	d, fsys, f := two(t, disk.Options{Sector: sector})
	r, err := fsys.OpenRead("a")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	d.Inject(disk.Rule{Any: true, Kind: disk.PowerFailure})
	there := d.Digest()
	for op, call := range calls {
		switch op {
		case disk.OpWrite, disk.OpTruncate, disk.OpSync:
			require.ErrorIs(t, call(fsys, r), disk.ErrReadOnly)
			fallthrough
		case disk.OpRead:
			require.ErrorIs(t, call(fsys, f), disk.ErrClosed)
		}
	}
	require.ErrorIs(t, f.Close(), disk.ErrClosed)
	require.Equal(t, there, d.Digest())
}

// FuzzCrash tries any writes, and any pieces kept: nothing panics, and what was
// synced is there.
func FuzzCrash(f *testing.F) {
	f.Add([]byte{3, 200, 7}, uint64(5))
	f.Fuzz(func(t *testing.T, script []byte, mask uint64) {
		d, _, a := two(t, disk.Options{Sector: sector})
		for i, x := range script[:min(len(script), 64)] {
			if x%5 == 0 {
				require.NoError(t, a.Truncate(8+int64(x)))
				continue
			}
			write(t, a, string(script[i:]), 8+int64(x))
		}
		d.CrashKeeping(func(p disk.Piece) int { return int(mask >> (p.Index % 60) & 31) })
		content, err := readAll(d.Mount(nil), "a")
		require.NoError(t, err)
		require.Equal(t, "aaaaaaaa", string(content[:8]))
		b, err := d.Mount(nil).OpenRead("b")
		require.NoError(t, err)
		n, err := b.ReadAt(make([]byte, 9), 0)
		require.Equal(t, 8, n)
		require.ErrorIs(t, err, io.EOF)
		require.True(t, slices.IsSortedFunc(d.Stored(), func(x, y disk.Extent) int { return len(x.Name) - len(y.Name) }))
	})
}

// TestRoomThatIsNotFreeForGoodIsNotGivenAway: bytes that were cut off may come
// back with the power, and then there must still be room for them. Found by
// TestNoMoreIsEverStoredThanThereIsRoomFor.
func TestRoomThatIsNotFreeForGoodIsNotGivenAway(t *testing.T) {
	d := disk.New(disk.Options{Sector: sector, Capacity: 4})
	fsys := d.Mount(nil)
	a, err := fsys.Create("a")
	require.NoError(t, err)
	write(t, a, "aaaa", 0)
	require.NoError(t, a.Truncate(0))
	b, err := fsys.Create("b")
	require.NoError(t, err)
	write(t, b, "bbbb", 0)
	d.CrashKeeping(func(p disk.Piece) int {
		if p.Op == disk.OpTruncate && p.Name == "a" {
			return 0
		}
		return p.Bytes
	})
	require.Equal(t, int64(4), d.Used())
}
