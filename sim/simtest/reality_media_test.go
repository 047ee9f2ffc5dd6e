package simtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/appender/jetstream"
	"meshsim/appender/jetstream/embedded"
)

// The real media: a filelog in a directory, and JetStream on a server.

var background = context.Background()

var (
	errDead = errors.New("the process is dead")
	errAway = errors.New("the disk is gone")
)

// realDisk is a directory whose disk can be taken away, and whose process can
// die: then its files are closed and its lock is free, and no line of code of
// the log has run.
type realDisk struct {
	dir string
	o   filelog.Options

	mu   sync.RWMutex
	away bool
	left atomic.Int64 // calls that come through although it is
	life int
	held map[io.Closer]struct{}
}

func newRealDisk(sync filelog.SyncPolicy) (*realDisk, error) {
	dir, err := os.MkdirTemp("", "reality")
	return &realDisk{
		dir: dir, held: map[io.Closer]struct{}{},
		o: filelog.Options{SegmentBytes: filelog.MinSegmentBytes, Sync: sync},
	}, err
}

func (m *realDisk) open(ctx context.Context, env appender.Env) (appender.Appender, error) {
	fsys, err := filelog.Dir(m.dir)
	if err != nil {
		return nil, err
	}
	m.mu.RLock()
	life := m.life
	m.mu.RUnlock()
	o := m.o
	o.FS = &mortalFS{FS: fsys, m: m, life: life}
	return filelog.Opener(o)(ctx, env)
}

func (m *realDisk) stop(o outage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = true
	m.left.Store(int64(o.calls))
}

func (m *realDisk) back() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = false
	return nil
}

func (m *realDisk) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.life++
	for c := range m.held {
		_ = c.Close() // as the kernel does, which tells nobody
	}
	clear(m.held)
}

func (m *realDisk) content() ([]appender.Record, error) {
	fsys, err := filelog.Dir(m.dir)
	if err != nil {
		return nil, err
	}
	return readAll(fsys)
}

func (m *realDisk) repeats() repeats { return whatItStored }

func (m *realDisk) close() error {
	m.kill()
	return os.RemoveAll(m.dir)
}

// do does something on the disk, unless it is gone or who asks is dead. What is
// under way as a process dies is finished, as by the kernel.
func (m *realDisk) do(life int, what func() error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	switch {
	case m.life != life:
		return errDead
	case m.away && m.left.Add(-1) < 0:
		return errAway
	}
	return what()
}

// holds notes what a process has open.
func (m *realDisk) holds(life int, c io.Closer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.life != life {
		return errors.Join(errDead, c.Close())
	}
	m.held[c] = struct{}{}
	return nil
}

// drop closes it. What is gone or dead can still be closed.
func (m *realDisk) drop(c io.Closer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.held[c]; !ok {
		return errDead
	}
	delete(m.held, c)
	return c.Close()
}

// mortalFS is the disk as a process of one life has it.
type mortalFS struct {
	filelog.FS
	m    *realDisk
	life int
}

func (f *mortalFS) file(open func(string) (filelog.File, error), name string) (filelog.File, error) {
	var file filelog.File
	err := f.m.do(f.life, func() (err error) { file, err = open(name); return err })
	if err == nil {
		err = f.m.holds(f.life, file)
	}
	if err != nil {
		return nil, err
	}
	return &mortalFile{file, f}, nil
}

func (f *mortalFS) Create(name string) (filelog.File, error)   { return f.file(f.FS.Create, name) }
func (f *mortalFS) Open(name string) (filelog.File, error)     { return f.file(f.FS.Open, name) }
func (f *mortalFS) OpenRead(name string) (filelog.File, error) { return f.file(f.FS.OpenRead, name) }

func (f *mortalFS) List() (names []string, err error) {
	err = f.m.do(f.life, func() (err error) { names, err = f.FS.List(); return err })
	return names, err
}

func (f *mortalFS) Remove(name string) error {
	return f.m.do(f.life, func() error { return f.FS.Remove(name) })
}

func (f *mortalFS) Rename(from, to string) error {
	return f.m.do(f.life, func() error { return f.FS.Rename(from, to) })
}

func (f *mortalFS) SyncDir() error { return f.m.do(f.life, f.FS.SyncDir) }

func (f *mortalFS) Lock() (io.Closer, error) {
	var lock io.Closer
	err := f.m.do(f.life, func() (err error) { lock, err = f.FS.Lock(); return err })
	if err == nil {
		err = f.m.holds(f.life, lock)
	}
	if err != nil {
		return nil, err
	}
	return closing(func() error { return f.m.drop(lock) }), nil
}

type closing func() error

func (c closing) Close() error { return c() }

type mortalFile struct {
	filelog.File
	fs *mortalFS
}

func (f *mortalFile) do(what func() error) error { return f.fs.m.do(f.fs.life, what) }

func (f *mortalFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.do(func() (err error) { n, err = f.File.ReadAt(p, off); return err })
	return n, err
}

func (f *mortalFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.do(func() (err error) { n, err = f.File.WriteAt(p, off); return err })
	return n, err
}

func (f *mortalFile) Truncate(size int64) error {
	return f.do(func() error { return f.File.Truncate(size) })
}

func (f *mortalFile) Sync() error { return f.do(f.File.Sync) }

func (f *mortalFile) Size() (size int64, err error) {
	err = f.do(func() (err error) { size, err = f.File.Size(); return err })
	return size, err
}

func (f *mortalFile) Close() error { return f.fs.m.drop(f.File) }

// streams is JetStream on a server of its own, which can be stopped.
type streams struct {
	o  jetstream.Options
	so embedded.Options

	mu    sync.Mutex
	srv   *embedded.Server
	down  bool
	conns []*nats.Conn
	apps  []*jetstream.Appender
}

func newStreams() (*streams, error) {
	dir, err := os.MkdirTemp("", "reality")
	if err != nil {
		return nil, err
	}
	m := &streams{so: embedded.Options{Dir: dir}}
	for range startsMax {
		m.so.Port = quietPort()
		if m.srv, err = embedded.Start(m.so); err == nil {
			m.o = jetstream.Options{URL: m.srv.URL(), Unlimited: true, Timeout: patience}
			return m, nil
		}
	}
	return nil, errors.Join(err, os.RemoveAll(dir))
}

// startsMax is how often a server is started whose port is taken.
const startsMax = 100

// quietPort is one that systems do not hand out to whoever connects or listens
// somewhere: while the server is stopped, hardly anybody else takes it.
func quietPort() int { return 12000 + rand.IntN(16000) }

// open has a connection of its own, so that it can be seen whether it is there,
// and cut where its process dies.
func (m *streams) open(ctx context.Context, env appender.Env) (appender.Appender, error) {
	timeout := patience
	if d, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(d), time.Millisecond)
	}
	conn, err := nats.Connect(m.o.URL, nats.ReconnectBufSize(-1), nats.MaxReconnects(-1),
		nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(5*time.Millisecond, 0), nats.Timeout(timeout),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // else it writes to stderr
	if err != nil {
		return nil, err
	}
	o := m.o
	o.Conn = conn
	a, err := jetstream.Open(ctx, env, o)
	if err != nil {
		conn.Close()
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns, m.apps = append(m.conns, conn), append(m.apps, a)
	return a, nil
}

func (m *streams) stop(o outage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.srv.Shutdown()
	m.down = true
	for _, c := range m.conns {
		for !o.amid && !c.IsClosed() && c.IsConnected() {
			time.Sleep(poll)
		}
	}
}

// back waits until the server answers on every connection that is open: that
// one is said to be connected may be because its end was not noticed yet.
func (m *streams) back() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.down {
		return nil // the point at which it was to stop did not come
	}
	var err error
	for range startsMax {
		var srv *embedded.Server
		if srv, err = embedded.Start(m.so); err == nil {
			m.srv, m.down = srv, false
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("%w: the server does not come back: %w", errDisturbed, err)
	}
	for _, c := range m.conns {
		for !c.IsClosed() && c.FlushTimeout(patience) != nil {
			time.Sleep(poll)
		}
	}
	return nil
}

func (m *streams) kill() {
	m.mu.Lock()
	conns, apps := m.conns, m.apps
	m.conns, m.apps = nil, nil
	m.mu.Unlock()
	for i := range conns {
		conns[i].Close()
		_ = apps[i].Close() // for its goroutines: nothing is sent any more
	}
}

func (m *streams) content() (recs []appender.Record, err error) {
	ctx, cancel := context.WithTimeout(background, patience)
	defer cancel()
	for rec, err := range jetstream.Read(ctx, m.o, "n1", appender.Cursor{}, false) {
		if err != nil {
			return recs, err
		}
		recs = append(recs, rec)
	}
	return recs, nil
}

func (m *streams) repeats() repeats { return nothing }

func (m *streams) close() error {
	m.kill()
	m.srv.Shutdown()
	return os.RemoveAll(m.so.Dir)
}
