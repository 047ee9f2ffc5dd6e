package torture

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// brokenFS is a file system that breaks the contract of filelog.FS in one way.
// What is nil is as it should be.
type brokenFS struct {
	filelog.FS
	sync    func(f filelog.File) error
	syncDir func(fsys filelog.FS) error
	write   func(f filelog.File, p []byte, off int64) (int, error)
	read    func(f filelog.File, p []byte, off int64) (int, error)
	cut     func(f filelog.File, size int64) error
	list    func(fsys filelog.FS) ([]string, error)
	remove  func(fsys filelog.FS, name string) error
	lock    func(fsys filelog.FS) (io.Closer, error)
}

func (b *brokenFS) file(f filelog.File, err error) (filelog.File, error) {
	if err != nil {
		return nil, err
	}
	return &brokenFile{f, b}, nil
}

func (b *brokenFS) Create(name string) (filelog.File, error)   { return b.file(b.FS.Create(name)) }
func (b *brokenFS) Open(name string) (filelog.File, error)     { return b.file(b.FS.Open(name)) }
func (b *brokenFS) OpenRead(name string) (filelog.File, error) { return b.file(b.FS.OpenRead(name)) }

func (b *brokenFS) SyncDir() error {
	if b.syncDir != nil {
		return b.syncDir(b.FS)
	}
	return b.FS.SyncDir()
}

func (b *brokenFS) List() ([]string, error) {
	if b.list != nil {
		return b.list(b.FS)
	}
	return b.FS.List()
}

func (b *brokenFS) Remove(name string) error {
	if b.remove != nil {
		return b.remove(b.FS, name)
	}
	return b.FS.Remove(name)
}

func (b *brokenFS) Lock() (io.Closer, error) {
	if b.lock != nil {
		return b.lock(b.FS)
	}
	return b.FS.Lock()
}

type brokenFile struct {
	filelog.File
	b *brokenFS
}

func (f *brokenFile) Sync() error {
	if f.b.sync != nil {
		return f.b.sync(f.File)
	}
	return f.File.Sync()
}

func (f *brokenFile) WriteAt(p []byte, off int64) (int, error) {
	if f.b.write != nil {
		return f.b.write(f.File, p, off)
	}
	return f.File.WriteAt(p, off)
}

func (f *brokenFile) ReadAt(p []byte, off int64) (int, error) {
	if f.b.read != nil {
		return f.b.read(f.File, p, off)
	}
	return f.File.ReadAt(p, off)
}

func (f *brokenFile) Truncate(size int64) error {
	if f.b.cut != nil {
		return f.b.cut(f.File, size)
	}
	return f.File.Truncate(size)
}

// onFS opens a log on a file system that is broken.
func onFS(broken func() brokenFS) openLog {
	return func(ctx context.Context, o filelog.Options, env appender.Env) (log, error) {
		b := broken()
		b.FS = o.FS
		o.FS = &b
		return filelogs(ctx, o, env)
	}
}

// brokenLog is a log that breaks its word in one way. What is nil is as it
// should be.
type brokenLog struct {
	log
	append  func(l log, recs []appender.Record) (int, error)
	flush   func(l log) error
	close   func(l log) error
	replay  func(l log, from appender.Cursor) iter.Seq2[appender.Record, error]
	pos     func(l log) (end, durable uint64)
	dropped func(l log) uint64
	found   func(l log) filelog.Recovery
}

func (b *brokenLog) Append(ctx context.Context, rec appender.Record) error {
	if b.append != nil {
		_, err := b.append(b.log, []appender.Record{rec})
		return err
	}
	return b.log.Append(ctx, rec)
}

func (b *brokenLog) AppendBatch(ctx context.Context, recs []appender.Record) (int, error) {
	if b.append != nil {
		return b.append(b.log, recs)
	}
	return b.log.AppendBatch(ctx, recs)
}

func (b *brokenLog) Flush(ctx context.Context) error {
	if b.flush != nil {
		return b.flush(b.log)
	}
	return b.log.Flush(ctx)
}

func (b *brokenLog) Close() error {
	if b.close != nil {
		return b.close(b.log)
	}
	return b.log.Close()
}

func (b *brokenLog) Replay(ctx context.Context, from appender.Cursor, follow bool) iter.Seq2[appender.Record, error] {
	if b.replay != nil {
		return b.replay(b.log, from)
	}
	return b.log.Replay(ctx, from, follow)
}

func (b *brokenLog) Position() (end, durable uint64) {
	if b.pos != nil {
		return b.pos(b.log)
	}
	return b.log.Position()
}

func (b *brokenLog) Dropped() uint64 {
	if b.dropped != nil {
		return b.dropped(b.log)
	}
	return b.log.Dropped()
}

func (b *brokenLog) Recovery() filelog.Recovery {
	if b.found != nil {
		return b.found(b.log)
	}
	return b.log.Recovery()
}

func wrapped(broken func() brokenLog) openLog {
	return func(ctx context.Context, o filelog.Options, env appender.Env) (log, error) {
		l, err := filelogs(ctx, o, env)
		if err != nil {
			return nil, err
		}
		b := broken()
		b.log = l
		return &b, nil
	}
}

func withOptions(change func(o *filelog.Options)) openLog {
	return func(ctx context.Context, o filelog.Options, env appender.Env) (log, error) {
		change(&o)
		return filelogs(ctx, o, env)
	}
}

var ctx = context.Background()

// all yields what a log replays, changed.
func all(change func(recs []appender.Record) []appender.Record) func(l log, from appender.Cursor) iter.Seq2[appender.Record, error] {
	return func(l log, from appender.Cursor) iter.Seq2[appender.Record, error] {
		return func(yield func(appender.Record, error) bool) {
			var recs []appender.Record
			for rec, err := range l.Replay(ctx, from, false) {
				if err != nil {
					yield(rec, err)
					return
				}
				recs = append(recs, rec)
			}
			for _, rec := range change(recs) {
				if !yield(rec, nil) {
					return
				}
			}
		}
	}
}

// broken are logs, and file systems under logs, that break their word. The
// comment of each is what it would be to a user.
var broken = map[string]openLog{
	"syncs nothing":  onFS(func() brokenFS { return brokenFS{sync: func(filelog.File) error { return nil }} }),
	"syncs no names": onFS(func() brokenFS { return brokenFS{syncDir: func(filelog.FS) error { return nil }} }),
	"locks nothing": onFS(func() brokenFS {
		return brokenFS{lock: func(filelog.FS) (io.Closer, error) { return io.NopCloser(nil), nil }}
	}),
	"hides a short write":   onFS(func() brokenFS { return brokenFS{write: hideShort} }),
	"hides what fails":      onFS(func() brokenFS { return brokenFS{write: hideFailure} }),
	"retries a failed sync": onFS(func() brokenFS { return brokenFS{sync: func(f filelog.File) error { return first(f.Sync(), f.Sync) }} }),
	"syncs every other time": onFS(func() brokenFS {
		n := 0
		return brokenFS{sync: func(f filelog.File) error {
			if n++; n%2 == 0 {
				return nil
			}
			return f.Sync()
		}}
	}),
	"reads other bytes than are there": onFS(func() brokenFS {
		n := 0
		return brokenFS{read: func(f filelog.File, p []byte, off int64) (int, error) {
			k, err := f.ReadAt(p, off)
			if n++; n%16 == 0 && k > 600 {
				p[500] ^= 4
			}
			return k, err
		}}
	}),
	"does not see the newest file": onFS(func() brokenFS {
		return brokenFS{list: func(fsys filelog.FS) ([]string, error) {
			names, err := fsys.List()
			return names[:max(len(names)-1, 0)], err
		}}
	}),
	"removes another file": onFS(func() brokenFS {
		return brokenFS{remove: func(fsys filelog.FS, name string) error {
			if names, err := fsys.List(); err == nil && len(names) > 0 {
				return fsys.Remove(names[len(names)-1])
			}
			return fsys.Remove(name)
		}}
	}),
	"writes one byte less": onFS(func() brokenFS {
		return brokenFS{write: func(f filelog.File, p []byte, off int64) (int, error) {
			n, err := f.WriteAt(p[:max(len(p)-1, 0)], off)
			return min(n+1, len(p)), err
		}}
	}),
	"hangs when the disk is full": onFS(func() brokenFS {
		return brokenFS{write: func(f filelog.File, p []byte, off int64) (int, error) {
			for {
				if n, err := f.WriteAt(p, off); !errors.Is(err, filelog.ErrNoSpace) {
					return n, err
				}
			}
		}}
	}),
	"panics when the disk is full": onFS(func() brokenFS {
		return brokenFS{write: func(f filelog.File, p []byte, off int64) (int, error) {
			n, err := f.WriteAt(p, off)
			if errors.Is(err, filelog.ErrNoSpace) {
				panic("disk full")
			}
			return n, err
		}}
	}),
	"goes on for ever when its process is dead": onFS(func() brokenFS {
		return brokenFS{sync: func(f filelog.File) error {
			for {
				if err := f.Sync(); !errors.Is(err, disk.ErrCrashed) {
					return err
				}
			}
		}}
	}),

	"retains one record more":     withOptions(func(o *filelog.Options) { o.MaxRecords += min(o.MaxRecords, 1) }),
	"retains one record less":     withOptions(func(o *filelog.Options) { o.MaxRecords -= min(o.MaxRecords-1, 1) }),
	"retains everything":          withOptions(func(o *filelog.Options) { o.MaxRecords = 0 }),
	"never syncs":                 withOptions(func(o *filelog.Options) { o.Sync = filelog.SyncNever() }),
	"takes records of any length": withOptions(func(o *filelog.Options) { o.MaxRecordBytes = 0 }),

	"acknowledges and stores nothing": wrapped(func() brokenLog {
		return brokenLog{append: func(l log, recs []appender.Record) (int, error) { return len(recs), nil }}
	}),
	"acknowledges what fails": wrapped(func() brokenLog {
		return brokenLog{append: func(l log, recs []appender.Record) (int, error) {
			_, _ = l.AppendBatch(ctx, recs)
			return len(recs), nil
		}}
	}),
	"drops the last of a batch": wrapped(func() brokenLog {
		return brokenLog{append: func(l log, recs []appender.Record) (int, error) {
			n, err := l.AppendBatch(ctx, recs[:max(len(recs)-1, 1)])
			if err == nil {
				n = len(recs)
			}
			return n, err
		}}
	}),
	"reorders a batch": wrapped(func() brokenLog {
		return brokenLog{append: func(l log, recs []appender.Record) (int, error) {
			if n := len(recs); n > 1 {
				recs[n-1], recs[n-2] = recs[n-2], recs[n-1]
			}
			return l.AppendBatch(ctx, recs)
		}}
	}),
	"keeps the caller's slice": wrapped(func() brokenLog {
		var held []appender.Record
		return brokenLog{append: func(l log, recs []appender.Record) (int, error) {
			n, err := len(recs), error(nil)
			if len(held) > 0 {
				_, err = l.AppendBatch(ctx, held)
			}
			held = recs
			return n, err
		}}
	}),
	"stores a batch that failed once more": wrapped(func() brokenLog {
		var failed []appender.Record
		return brokenLog{append: func(l log, recs []appender.Record) (int, error) {
			if failed != nil {
				_, _ = l.AppendBatch(ctx, failed)
				failed = nil
			}
			n, err := l.AppendBatch(ctx, recs)
			if err != nil {
				failed = slices.Clone(recs[n:])
			}
			return n, err
		}}
	}),
	"stores a batch record by record": wrapped(func() brokenLog {
		return brokenLog{append: func(l log, recs []appender.Record) (int, error) {
			for i, rec := range recs {
				if err := l.Append(ctx, rec); err != nil {
					return i, err
				}
			}
			return len(recs), nil
		}}
	}),
	"fails for ever once it failed": wrapped(func() brokenLog {
		var sticky error
		return brokenLog{append: func(l log, recs []appender.Record) (int, error) {
			if sticky != nil {
				return 0, sticky
			}
			n, err := l.AppendBatch(ctx, recs)
			if errors.Is(err, filelog.ErrNoSpace) {
				sticky = err
			}
			return n, err
		}}
	}),
	"says failed where it does not know": wrapped(func() brokenLog {
		return brokenLog{append: func(l log, recs []appender.Record) (int, error) {
			n, err := l.AppendBatch(ctx, recs)
			if errors.Is(err, appender.ErrUnknownOutcome) {
				err = filelog.ErrSync
			}
			return n, err
		}}
	}),
	"flushes nothing": wrapped(func() brokenLog { return brokenLog{flush: func(log) error { return nil }} }),
	"says that all is saved": wrapped(func() brokenLog {
		return brokenLog{pos: func(l log) (uint64, uint64) { e, _ := l.Position(); return e, e }}
	}),
	"says that nothing is saved": wrapped(func() brokenLog {
		return brokenLog{pos: func(l log) (uint64, uint64) { e, _ := l.Position(); return e, 0 }}
	}),
	"forgets what it dropped": wrapped(func() brokenLog { return brokenLog{dropped: func(log) uint64 { return 0 }} }),
	"finds nothing ever": wrapped(func() brokenLog {
		return brokenLog{found: func(l log) filelog.Recovery {
			r := l.Recovery()
			return filelog.Recovery{Records: r.Records, First: r.First, Segments: r.Segments}
		}}
	}),
	"finds something always": wrapped(func() brokenLog {
		return brokenLog{found: func(l log) filelog.Recovery { r := l.Recovery(); r.Torn++; return r }}
	}),
	"does not close": wrapped(func() brokenLog { return brokenLog{close: func(log) error { return nil }} }),
	"hides a failure to close": wrapped(func() brokenLog {
		return brokenLog{close: func(l log) error { _ = l.Close(); return nil }}
	}),
	"replays in silence around damage": wrapped(func() brokenLog {
		return brokenLog{replay: func(l log, from appender.Cursor) iter.Seq2[appender.Record, error] {
			return func(yield func(appender.Record, error) bool) {
				for rec, err := range l.Replay(ctx, from, false) {
					if err == nil && !yield(rec, nil) {
						return
					}
				}
			}
		}}
	}),
	"replays the first twice": wrapped(func() brokenLog {
		return brokenLog{replay: all(func(r []appender.Record) []appender.Record { return slices.Concat(r[:min(len(r), 1)], r) })}
	}),
	"replays all but the last": wrapped(func() brokenLog {
		return brokenLog{replay: all(func(r []appender.Record) []appender.Record { return r[:max(len(r)-1, 0)] })}
	}),
	"replays without the cursor": wrapped(func() brokenLog {
		return brokenLog{replay: func(l log, _ appender.Cursor) iter.Seq2[appender.Record, error] {
			return l.Replay(ctx, appender.Cursor{}, false)
		}}
	}),
	"replays other times": wrapped(func() brokenLog {
		return brokenLog{replay: all(func(r []appender.Record) []appender.Record {
			for i := range r {
				r[i].TimeMs &= 1<<48 - 1
			}
			return r
		})}
	}),
	"begins anew when the tail is torn": beginsAnew,
	"opens where damage is to be refused": withOptions(func(o *filelog.Options) {
		if o.Damage == filelog.Refuse {
			o.Damage = filelog.Quarantine
		}
	}),
	"loses the newest file at opening": losesNewest,
}
