package disk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// said is what a call answered, as far as the two file systems must agree.
func said(err error) string {
	for _, e := range []error{fs.ErrExist, fs.ErrNotExist, filelog.ErrLocked, io.EOF} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	if err != nil {
		return "an error"
	}
	return "nil"
}

func TestTheRealFileSystemAnswersTheSame(t *testing.T) {
	parent := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		path, err := os.MkdirTemp(parent, "")
		require.NoError(t, err)
		real, err := filelog.Dir(path)
		require.NoError(t, err)
		both := [2]filelog.FS{disk.New(disk.Options{}).Mount(nil), real}
		var open [2]map[string]filelog.File
		var locks [2]io.Closer
		open[0], open[1] = map[string]filelog.File{}, map[string]filelog.File{}
		defer func() {
			for _, f := range open[1] {
				_ = f.Close()
			}
			if locks[1] != nil {
				_ = locks[1].Close()
			}
			require.NoError(t, os.RemoveAll(path))
		}()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			op := rapid.SampledFrom([]string{
				"create", "open", "openread", "write", "read", "truncate", "size", "close", "list", "remove", "rename", "syncdir", "lock", "unlock",
			}).Draw(t, "op")
			name, to := rapid.SampledFrom(names).Draw(t, "name"), rapid.SampledFrom(names).Draw(t, "to")
			off, data := rapid.Int64Range(0, 50).Draw(t, "off"), rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(t, "data")
			var answers [2]string
			for i, fsys := range both {
				answers[i] = act(fsys, open[i], &locks[i], op, name, to, off, data)
			}
			require.Equal(t, answers[1], answers[0], "%s %s %s %d %d", op, name, to, off, len(data))
		}
	})
}

// act makes a call, and tells what it answers.
func act(fsys filelog.FS, open map[string]filelog.File, lock *io.Closer, op, name, to string, off int64, data []byte) string {
	keep := func(f filelog.File, err error) string {
		if err == nil {
			if old := open[name]; old != nil {
				_ = old.Close()
			}
			open[name] = f
		}
		return said(err)
	}
	switch op {
	case "create":
		return keep(fsys.Create(name))
	case "open":
		return keep(fsys.Open(name))
	case "openread":
		return keep(fsys.OpenRead(name))
	case "list":
		list, err := fsys.List()
		if n := len(list); n > 0 && list[n-1] == "lock" {
			list = list[:n-1] // the real one keeps its lock in a file
		}
		return fmt.Sprint(list, said(err))
	case "remove":
		return said(fsys.Remove(name))
	case "rename":
		// Where the one name is missing and the other taken, either may be said.
		if err := fsys.Rename(name, to); err != nil {
			return "fails"
		}
		return "nil"
	case "syncdir":
		return said(fsys.SyncDir())
	case "lock":
		l, err := fsys.Lock()
		if err == nil {
			*lock = l
		}
		return said(err)
	case "unlock":
		if *lock == nil {
			return "no lock"
		}
		err := (*lock).Close()
		*lock = nil
		return said(err)
	}
	f := open[name]
	if f == nil {
		return "not open"
	}
	switch op {
	case "write":
		n, err := f.WriteAt(data, off)
		return fmt.Sprint(n, said(err))
	case "read":
		b := make([]byte, len(data))
		n, err := f.ReadAt(b, off)
		return fmt.Sprintf("%d %x %s", n, b[:n], said(err))
	case "truncate":
		return said(f.Truncate(off))
	case "size":
		n, err := f.Size()
		return fmt.Sprint(n, said(err))
	}
	delete(open, name)
	return said(f.Close())
}

func BenchmarkClone(b *testing.B) {
	d := disk.New(disk.Options{})
	l, err := filelog.Open(context.Background(), filelog.Options{FS: d.Mount(nil), SegmentBytes: 4096}, appender.Env{})
	require.NoError(b, err)
	for i := range uint64(20) {
		require.NoError(b, l.Append(context.Background(), appender.Record{Seq: i + 1, Message: "some two hundred bytes would be usual"}))
	}
	b.ReportAllocs()
	for b.Loop() {
		d.Clone()
	}
}
