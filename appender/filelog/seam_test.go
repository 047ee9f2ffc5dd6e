package filelog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

var ctx = context.Background()

// record is the one of a number: every field is a function of it, so that what
// is read back can be told from what was never written.
func record(seq uint64) appender.Record {
	return appender.Record{
		Seq: seq, TimeMs: 1_700_000_000_000 + 7*seq, Daemon: seq % 3, Node: fmt.Sprintf("n%d", seq%5/4), Incarnation: 1,
		Message: fmt.Sprintf("record %d %s", seq, strings.Repeat(string(rune('a'+seq%26)), int(seq*seq%90))),
		Level:   appender.Level(seq % 5), Flags: uint8(seq % 7 / 6),
	}
}

// records are those from number first to last.
func records(first, last uint64) []appender.Record {
	var recs []appender.Record
	for seq := first; seq <= last; seq++ {
		recs = append(recs, record(seq))
	}
	return recs
}

func env() appender.Env {
	return appender.Env{Node: "n1", Incarnation: 1, Epoch: 1, Seed: 42, Clock: new(appender.ManualClock)}
}

func open(t require.TestingT, o filelog.Options) *filelog.Log {
	l, err := filelog.Open(ctx, o, env())
	require.NoError(t, err)
	return l
}

// dir is the real file system, in a directory of the test's own.
func dir(t testing.TB) filelog.FS {
	fsys, err := filelog.Dir(t.TempDir())
	require.NoError(t, err)
	return fsys
}

func store(t require.TestingT, l *filelog.Log, recs ...appender.Record) {
	n, err := l.AppendBatch(ctx, recs)
	require.NoError(t, err)
	require.Equal(t, len(recs), n)
}

// gather is what a sequence yields: records, and the damage that it reports.
func gather(t require.TestingT, seq iter.Seq2[appender.Record, error]) (recs []appender.Record, damage []*filelog.CorruptError) {
	for rec, err := range seq {
		var corrupt *filelog.CorruptError
		if errors.As(err, &corrupt) {
			damage = append(damage, corrupt)
			continue
		}
		require.NoError(t, err)
		recs = append(recs, rec)
	}
	return recs, damage
}

// holds checks that a log holds these records and no others, and reports no
// damage.
func holds(t require.TestingT, l *filelog.Log, want []appender.Record) {
	got, damage := gather(t, l.Replay(ctx, appender.Cursor{}, false))
	require.Empty(t, damage)
	require.Equal(t, want, got)
}

// watched is a file system whose calls a test sees, each in front of the real
// one. A call that its function fails does not happen. What is nil sees nothing.
type watched struct {
	filelog.FS
	create, remove, sync func(name string) error
	syncDir              func() error
	lock                 func()
	// write may also let a part of p through: n bytes, if err is not nil.
	write func(name string, p []byte, off int64) (n int, err error)
	// lie is an error that the log is not told of: the call seems to succeed.
	lie    error
	noLock bool
}

// told is what the log is told of an error.
func (w *watched) told(err error) error {
	if w.lie != nil && errors.Is(err, w.lie) {
		return nil
	}
	return err
}

func call(f func(name string) error, name string) error {
	if f == nil {
		return nil
	}
	return f(name)
}

func (w *watched) Create(name string) (filelog.File, error) {
	if err := call(w.create, name); err != nil {
		return nil, err
	}
	f, err := w.FS.Create(name)
	return w.file(name, f, err)
}

func (w *watched) Open(name string) (filelog.File, error) {
	f, err := w.FS.Open(name)
	return w.file(name, f, err)
}

func (w *watched) file(name string, f filelog.File, err error) (filelog.File, error) {
	if err != nil {
		return nil, err
	}
	return &watchedFile{f, w, name}, nil
}

func (w *watched) Remove(name string) error {
	if err := call(w.remove, name); err != nil {
		return err
	}
	return w.FS.Remove(name)
}

func (w *watched) SyncDir() error {
	if w.syncDir != nil {
		if err := w.syncDir(); err != nil {
			return w.told(err)
		}
	}
	return w.FS.SyncDir()
}

func (w *watched) Lock() (io.Closer, error) {
	if w.lock != nil {
		w.lock()
	}
	if w.noLock {
		return io.NopCloser(nil), nil
	}
	return w.FS.Lock()
}

type watchedFile struct {
	filelog.File
	w    *watched
	name string
}

func (f *watchedFile) WriteAt(p []byte, off int64) (int, error) {
	if f.w.write != nil {
		if n, err := f.w.write(f.name, p, off); err != nil {
			if n > 0 {
				if wrote, err := f.File.WriteAt(p[:n], off); err != nil {
					return wrote, err
				}
			}
			if f.w.told(err) == nil {
				return len(p), nil
			}
			return n, err
		}
	}
	return f.File.WriteAt(p, off)
}

func (f *watchedFile) Sync() error {
	if err := call(f.w.sync, f.name); err != nil {
		return f.w.told(err)
	}
	return f.w.told(f.File.Sync())
}

// contents are a directory's segments, by name, in order.
func contents(t require.TestingT, fsys filelog.FS) iter.Seq2[string, []byte] {
	names, err := fsys.List()
	require.NoError(t, err)
	return func(yield func(string, []byte) bool) {
		for _, name := range names {
			if !strings.HasSuffix(name, ".seg") {
				continue
			}
			f, err := fsys.OpenRead(name)
			require.NoError(t, err)
			size, err := f.Size()
			require.NoError(t, err)
			b := make([]byte, size)
			_, err = io.ReadFull(io.NewSectionReader(f, 0, size), b)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			if !yield(name, b) {
				return
			}
		}
	}
}
