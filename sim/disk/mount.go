package disk

import (
	"context"
	"io"
	"io/fs"
	"maps"
	"slices"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// Mount is a process's view of a disk: the file system that filelog is written
// against. Its calls take the latency of the disk, by the clock it was made
// with; while one waits the disk may crash, and then it changes nothing.
type Mount struct {
	d     *Disk
	clock appender.Clock
	life  uint64
}

// begin waits for what a call takes, and takes mu; the caller releases it,
// whatever is returned. An error says what became of the call instead; that of
// writes and syncs is left to them. f is the file called, nil if none is: what
// its caller must not do is refused before anything else, and no rule strikes
// it.
func (m *Mount) begin(op Op, name string, bytes int, f *handle) (kind Kind, struck bool, err error) {
	d := m.d
	d.mu.Lock()
	switch {
	case m.life != d.life:
		return 0, false, m.failed(op, name, ErrCrashed)
	case f != nil && f.closed:
		return 0, false, m.failed(op, name, ErrClosed)
	case f != nil && !f.writes && op != OpRead:
		return 0, false, m.failed(op, name, ErrReadOnly)
	}
	d.calls[op]++
	if d.o.Latency != nil && m.clock != nil {
		if t := d.o.Latency(op, bytes, d.calls[op]); t > 0 {
			d.mu.Unlock()
			err := m.clock.Sleep(context.Background(), t)
			d.mu.Lock()
			if m.life != d.life {
				return 0, false, m.failed(op, name, ErrCrashed)
			}
			if err != nil {
				return 0, false, m.failed(op, name, err)
			}
		}
	}
	kind, struck = d.strike(op, name)
	if !struck || op == OpWrite || op == OpSync {
		return kind, struck, nil
	}
	switch kind {
	case PowerFailure, Death:
		d.end(kind)
		err = ErrCrashed
	case Full:
		d.counts.NoSpace++
		err = filelog.ErrNoSpace
	case Flip:
		return kind, true, nil
	default:
		err = ErrInjected
	}
	return kind, true, m.failed(op, name, err)
}

func (m *Mount) failed(op Op, name string, err error) error {
	return &fs.PathError{Op: op.String(), Path: m.Path(name), Err: err}
}

// Path is the name itself.
func (m *Mount) Path(name string) string { return "disk:" + name }

// Create implements [filelog.FS].
func (m *Mount) Create(name string) (filelog.File, error) {
	_, _, err := m.begin(OpCreate, name, 0, nil)
	d := m.d
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if d.names[name] != nil {
		return nil, m.failed(OpCreate, name, fs.ErrExist)
	}
	if d.o.Capacity > 0 && d.used >= d.o.Capacity {
		d.counts.NoSpace++
		return nil, m.failed(OpCreate, name, filelog.ErrNoSpace)
	}
	d.lastID++
	n := &inode{id: d.lastID, links: 1}
	d.names[name] = n
	d.renames = append(d.renames, change{op: OpCreate, from: name, node: n})
	return &handle{m: m, n: n, name: name, writes: true}, nil
}

// Open implements [filelog.FS].
func (m *Mount) Open(name string) (filelog.File, error) { return m.open(name, true) }

// OpenRead implements [filelog.FS].
func (m *Mount) OpenRead(name string) (filelog.File, error) { return m.open(name, false) }

func (m *Mount) open(name string, writes bool) (filelog.File, error) {
	_, _, err := m.begin(OpOpen, name, 0, nil)
	defer m.d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n := m.d.names[name]
	if n == nil {
		return nil, m.failed(OpOpen, name, fs.ErrNotExist)
	}
	return &handle{m: m, n: n, name: name, writes: writes}, nil
}

// List implements [filelog.FS].
func (m *Mount) List() ([]string, error) {
	_, _, err := m.begin(OpList, "", 0, nil)
	defer m.d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(m.d.names)), nil
}

// Remove implements [filelog.FS].
func (m *Mount) Remove(name string) error {
	_, _, err := m.begin(OpRemove, name, 0, nil)
	d := m.d
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	n := d.names[name]
	if n == nil {
		return m.failed(OpRemove, name, fs.ErrNotExist)
	}
	delete(d.names, name)
	if n.links--; n.links == 0 {
		d.used -= int64(len(n.cache))
	}
	d.renames = append(d.renames, change{op: OpRemove, from: name, node: n})
	return nil
}

// Rename implements [filelog.FS].
func (m *Mount) Rename(from, to string) error {
	_, _, err := m.begin(OpRename, from, 0, nil)
	d := m.d
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	n := d.names[from]
	switch {
	case n == nil:
		return m.failed(OpRename, from, fs.ErrNotExist)
	case d.names[to] != nil:
		return m.failed(OpRename, to, fs.ErrExist)
	}
	delete(d.names, from)
	d.names[to] = n
	d.renames = append(d.renames, change{op: OpRename, from: from, to: to, node: n})
	return nil
}

// SyncDir implements [filelog.FS].
func (m *Mount) SyncDir() error {
	_, _, err := m.begin(OpSyncDir, "", 0, nil)
	defer m.d.mu.Unlock()
	if err == nil {
		m.d.syncNames()
	}
	return err
}

// lock is the directory's, held.
type lock struct{ m *Mount }

// Lock implements [filelog.FS].
func (m *Mount) Lock() (io.Closer, error) {
	_, _, err := m.begin(OpLock, "", 0, nil)
	d := m.d
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if d.locked != nil {
		return nil, m.failed(OpLock, "", filelog.ErrLocked)
	}
	d.locked = &lock{m}
	return d.locked, nil
}

// Close lets the next one in.
func (l *lock) Close() error {
	d := l.m.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked == l {
		d.locked = nil
	}
	return nil
}
