package disk_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

const sector = 8

// names are the few that files have: so that they meet.
var names = []string{"a", "b", "c"}

// machine does the same to a disk and to the model of one. It returns errors, so
// that broken disks can be shown to be found.
type machine struct {
	s      subject
	m      *directory
	fsys   filelog.FS
	lock   io.Closer
	locked bool
	// old are mounts and files of processes that are dead.
	old   []filelog.FS
	stale []filelog.File
}

func newMachine(s subject) *machine {
	return &machine{s: s, m: newDirectory(), fsys: s.mount()}
}

// step does one thing that is drawn, and checks what it answers.
func (x *machine) step(t *rapid.T) error {
	name := rapid.SampledFrom(names).Draw(t, "name")
	f := x.m.names[name]
	switch op := rapid.SampledFrom([]string{
		"create", "write", "write", "write", "truncate", "sync", "sync fails", "syncdir", "remove", "rename", "crash", "kill", "lock", "stale",
	}).Draw(t, "op"); op {
	case "create":
		h, err := x.fsys.Create(name)
		if f != nil {
			return wants(err, fs.ErrExist)
		}
		if err != nil {
			return err
		}
		x.stale = append(x.stale, h)
		x.m.do(rename{to: name, f: &file{}})
	case "remove":
		if err := x.fsys.Remove(name); f == nil || err != nil {
			return wantsIf(f == nil, err, fs.ErrNotExist)
		}
		x.m.do(rename{from: name, f: f})
	case "rename":
		to := rapid.SampledFrom(names).Draw(t, "to")
		err := x.fsys.Rename(name, to)
		switch {
		case f == nil:
			return wants(err, fs.ErrNotExist)
		case x.m.names[to] != nil:
			return wants(err, fs.ErrExist)
		case err != nil:
			return err
		}
		x.m.do(rename{from: name, to: to, f: f})
	case "syncdir":
		x.m.syncDir()
		return x.fsys.SyncDir()
	case "crash":
		x.dies()
		x.s.crash(rapid.SampledFrom([]disk.Loss{disk.Draw, disk.Draw, disk.LoseAll, disk.KeepAll}).Draw(t, "loss"))
		x.fsys = x.s.mount()
		return x.m.crashed(x.fsys, sector)
	case "kill":
		x.dies()
		x.s.kill()
		x.fsys = x.s.mount()
	case "lock":
		return x.takeLock()
	case "stale":
		return x.useStale()
	default:
		return x.content(t, op, name, f)
	}
	return nil
}

func (x *machine) dies() {
	x.old = append(x.old, x.fsys)
	x.locked = false
}

// content does something to a file's content.
func (x *machine) content(t *rapid.T, op, name string, f *file) error {
	h, err := x.fsys.Open(name)
	if f == nil || err != nil {
		return wantsIf(f == nil, err, fs.ErrNotExist)
	}
	x.stale = append(x.stale, h)
	switch op {
	case "write":
		off := rapid.IntRange(0, 20).Draw(t, "off")
		data := rapid.SliceOfN(rapid.Byte(), 1, 24).Draw(t, "data")
		n, err := h.WriteAt(data, int64(off))
		if n != len(data) || err != nil {
			return fmt.Errorf("writing %d bytes: %d, %w", len(data), n, err)
		}
		f.do(change{off: off, data: slices.Clone(data)})
		clear(data) // it is the caller's
	case "truncate":
		size := rapid.IntRange(0, 40).Draw(t, "size")
		f.do(change{size: size})
		return h.Truncate(int64(size))
	case "sync":
		f.sync()
		return h.Sync()
	case "sync fails":
		remove := x.s.d.Inject(disk.Rule{Op: disk.OpSync, Kind: disk.Fail, Times: 1})
		defer remove()
		if err := h.Sync(); !errors.Is(err, disk.ErrInjected) {
			return fmt.Errorf("a sync that is to fail: %w", err)
		}
		f.syncFailed()
		// What was dropped from the cache is gone for processes as well.
		content, err := readAll(x.fsys, name)
		if err != nil {
			return err
		}
		if len(content) != len(f.cache) {
			return fmt.Errorf("a sync that failed made %d bytes of %d", len(content), len(f.cache))
		}
		for from := 0; from < len(content); from += sector {
			to := min(from+sector, len(content))
			if string(content[from:to]) != string(f.cache[from:to]) && !f.sectorOf(content[from:to], from, to) {
				return fmt.Errorf("a sync that failed made %x of bytes %d to %d", content[from:to], from, to)
			}
		}
		f.cache = content
	}
	return nil
}

// takeLock locks the directory, or lets it go.
func (x *machine) takeLock() error {
	if x.locked {
		if _, err := x.fsys.Lock(); !errors.Is(err, filelog.ErrLocked) {
			return fmt.Errorf("locking what is locked: %w", err)
		}
		x.locked = false
		return x.lock.Close()
	}
	l, err := x.fsys.Lock()
	if err != nil {
		return err
	}
	if x.lock != nil {
		// One that was let go before does not let this one go.
		if err := x.lock.Close(); err != nil {
			return err
		}
	}
	x.lock, x.locked = l, true
	return nil
}

// useStale calls what dead processes had: all of it fails.
func (x *machine) useStale() error {
	for _, m := range x.old {
		_, err1 := m.Create("a")
		_, err2 := m.Open("a")
		_, err3 := m.List()
		_, err4 := m.Lock()
		for _, err := range []error{err1, err2, err3, err4, m.Remove("a"), m.Rename("a", "b"), m.SyncDir()} {
			if err := wants(err, disk.ErrCrashed); err != nil {
				return err
			}
		}
	}
	if len(x.old) == 0 {
		return nil
	}
	for _, h := range x.stale {
		if _, err := h.Size(); err == nil {
			continue // of the process that lives
		}
		_, err1 := h.WriteAt([]byte("dead"), 0)
		_, err2 := h.ReadAt(make([]byte, 1), 0)
		for _, err := range []error{err1, err2, h.Truncate(0), h.Sync()} {
			if err := wants(err, disk.ErrCrashed); err != nil {
				return err
			}
		}
	}
	return nil
}

func wants(err, target error) error {
	if !errors.Is(err, target) {
		return fmt.Errorf("%v where it must be %v", err, target)
	}
	return nil
}

func wantsIf(is bool, err, target error) error {
	if is {
		return wants(err, target)
	}
	return err
}

func options(t *rapid.T) disk.Options {
	return disk.Options{Seed: rapid.Uint64().Draw(t, "seed"), Sector: sector}
}

func TestADiskIsWhatANaiveModelOfItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newMachine(subjectOf(disk.New(options(t))))
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			require.NoError(t, x.step(t))
			require.NoError(t, x.m.seen(x.fsys))
		}
	})
}

// outcomes are what becomes of two sectors and a name that are not synced, over
// many seeds; with odd ones a sync fails first, and a later one succeeds.
func outcomes(t *testing.T, tear bool) map[string]bool {
	seen := map[string]bool{}
	for seed := range uint64(400) {
		d := disk.New(disk.Options{Seed: seed, Sector: sector, Tear: tear})
		f, err := d.Mount(nil).Create("a")
		require.NoError(t, err)
		write(t, f, "01234567", 0)
		write(t, f, "89abcdef", 8)
		what := "written: "
		if seed%2 == 1 {
			what = "a sync failed: "
			failed := d.Inject(disk.Rule{Op: disk.OpSync, Kind: disk.Fail})
			require.ErrorIs(t, f.Sync(), disk.ErrInjected)
			content, err := readAll(d.Mount(nil), "a")
			require.NoError(t, err)
			seen["cached: "+show(content)] = true
			failed()
			require.NoError(t, f.Sync())
			require.NoError(t, d.Mount(nil).SyncDir())
		}
		d.Crash(disk.Draw)
		content, err := readAll(d.Mount(nil), "a")
		if err != nil {
			require.ErrorIs(t, err, fs.ErrNotExist)
			content = []byte("no name")
		}
		seen[what+show(content)] = true
	}
	return seen
}

// show writes zeros as dots.
func show(b []byte) string { return strings.ReplaceAll(string(b), "\x00", ".") }

func TestAnythingThatPOSIXAllowsHappensAndNothingElse(t *testing.T) {
	const none, one, two, both = "........", "01234567", "........89abcdef", "0123456789abcdef"
	want := []string{
		"written: no name", "written: ", "written: " + both,
		"written: " + one, "written: " + one + none, // without what the size is for
		"written: " + two, "written: " + none, "written: " + none + none,
		"cached: " + both, "cached: " + one + none, "cached: " + two, "cached: " + none + none,
		// A later sync knows nothing of what was lost.
		"a sync failed: " + both, "a sync failed: " + one + none, "a sync failed: " + two, "a sync failed: " + none + none,
		"a sync failed: " + one, "a sync failed: " + none, "a sync failed: ",
	}
	seen := outcomes(t, false)
	for s := range seen {
		require.Contains(t, want, s)
	}
	for _, s := range want {
		require.True(t, seen[s], "%q never happens", s)
	}
	torn := 0
	for s := range outcomes(t, true) {
		if !seen[s] {
			torn++
			require.Regexp(t, `^written: 0?1?2?3?4?5?6?7?\.*8?9?a?b?c?d?e?f?\.*$`, s)
		}
	}
	require.NotZero(t, torn)
}

func write(t require.TestingT, f filelog.File, text string, off int64) {
	n, err := f.WriteAt([]byte(text), off)
	require.NoError(t, err)
	require.Equal(t, len(text), n)
}
