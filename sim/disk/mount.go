package disk

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

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

// rule is a Rule in force.
type rule struct {
	Rule
	passed, struck uint64
}

// Inject puts a rule into force; the function returned takes it back. Of
// several that would strike a call, the oldest does.
func (d *Disk) Inject(r Rule) (remove func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := &rule{Rule: r}
	d.rules = append(d.rules, p)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.rules = slices.DeleteFunc(d.rules, func(q *rule) bool { return q == p })
	}
}

func hasPrefix(s, prefix string) bool { return strings.HasPrefix(s, prefix) }

// strike returns the kind of the rule that strikes this call. The caller holds
// mu.
func (d *Disk) strike(op Op, name string) (Kind, bool) {
	for _, r := range d.rules {
		if r.Op != op || !hasPrefix(name, r.Prefix) || r.Times > 0 && r.struck >= r.Times {
			continue
		}
		if p := r.Prob; p < 0 || p > 0 && float64(d.draw()>>11)/(1<<53) >= p {
			continue
		}
		if r.passed < r.After {
			r.passed++
			continue
		}
		r.struck++
		d.struck[r.Kind]++
		return r.Kind, true
	}
	return 0, false
}

// begin waits for what a call takes, and takes mu; the caller releases it,
// whatever is returned. An error says what became of the call instead; that of
// writes and syncs is left to them.
func (m *Mount) begin(op Op, name string, bytes int) (kind Kind, struck bool, err error) {
	d := m.d
	d.mu.Lock()
	if m.life != d.life {
		return 0, false, m.failed(op, name, ErrCrashed)
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
	case PowerFailure:
		d.crash(Draw)
		err = ErrCrashed
	case Death:
		d.counts.Kills++
		d.die()
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
	_, _, err := m.begin(OpCreate, name, 0)
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
	_, _, err := m.begin(OpOpen, name, 0)
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
	_, _, err := m.begin(OpList, "", 0)
	defer m.d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(m.d.names)), nil
}

// Remove implements [filelog.FS].
func (m *Mount) Remove(name string) error {
	_, _, err := m.begin(OpRemove, name, 0)
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
	_, _, err := m.begin(OpRename, from, 0)
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
	_, _, err := m.begin(OpSyncDir, "", 0)
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
	_, _, err := m.begin(OpLock, "", 0)
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

// handle is an open file.
type handle struct {
	m      *Mount
	n      *inode
	name   string
	writes bool
	closed bool
}

func (f *handle) begin(op Op, bytes int) (Kind, bool, error) {
	kind, struck, err := f.m.begin(op, f.name, bytes)
	switch {
	case err != nil:
	case f.closed:
		err = f.m.failed(op, f.name, ErrClosed)
	case !f.writes && op != OpRead:
		err = f.m.failed(op, f.name, ErrReadOnly)
	}
	return kind, struck, err
}

// ReadAt implements [io.ReaderAt].
func (f *handle) ReadAt(p []byte, off int64) (int, error) {
	kind, struck, err := f.begin(OpRead, len(p))
	d := f.m.d
	defer d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, f.m.failed(OpRead, f.name, fs.ErrInvalid)
	}
	n := 0
	if off < int64(len(f.n.cache)) {
		n = copy(p, f.n.cache[off:])
	}
	if struck && kind == Flip && n > 0 {
		bit := d.below(8 * n)
		p[bit/8] ^= 1 << (bit % 8)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements [io.WriterAt].
func (f *handle) WriteAt(p []byte, off int64) (int, error) {
	kind, struck, err := f.begin(OpWrite, len(p))
	d := f.m.d
	defer d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, f.m.failed(OpWrite, f.name, fs.ErrInvalid)
	}
	todo := len(p)
	if struck {
		err = ErrInjected
		switch {
		case kind == Fail || todo == 0:
			todo = 0
		default:
			todo = d.below(todo)
		}
		if kind == Full {
			err = filelog.ErrNoSpace
			d.counts.NoSpace++
		}
	}
	if free := d.free(f.n, off); !struck && int64(todo) > free {
		todo, err = int(free), filelog.ErrNoSpace
		d.counts.NoSpace++
	}
	if todo > 0 {
		f.write(p[:todo], off)
	}
	if struck && (kind == PowerFailure || kind == Death) {
		todo, err = 0, ErrCrashed
		if kind == PowerFailure {
			d.crash(Draw)
		} else {
			d.counts.Kills++
			d.die()
		}
	}
	if err != nil {
		return todo, f.m.failed(OpWrite, f.name, err)
	}
	return todo, nil
}

// free is how many bytes can be written to n from off on.
func (d *Disk) free(n *inode, off int64) int64 {
	if d.o.Capacity <= 0 || n.links == 0 {
		return 1 << 62
	}
	return max(int64(len(n.cache))+max(d.o.Capacity-d.used, 0)-off, 0)
}

func (f *handle) write(p []byte, off int64) {
	n := f.n
	f.resize(max(int64(len(n.cache)), off+int64(len(p))))
	copy(n.cache[off:], p)
	n.note(write{name: f.name, off: off, data: slices.Clone(p)})
}

func (f *handle) resize(size int64) {
	n := f.n
	if n.links > 0 {
		f.m.d.used += size - int64(len(n.cache))
	}
	n.cache = resize(n.cache, size)
}

// Truncate implements [filelog.File].
func (f *handle) Truncate(size int64) error {
	_, _, err := f.begin(OpTruncate, 0)
	d := f.m.d
	defer d.mu.Unlock()
	switch {
	case err != nil:
		return err
	case size < 0:
		return f.m.failed(OpTruncate, f.name, fs.ErrInvalid)
	case size-int64(len(f.n.cache)) > d.free(f.n, int64(len(f.n.cache))):
		d.counts.NoSpace++
		return f.m.failed(OpTruncate, f.name, filelog.ErrNoSpace)
	}
	f.resize(size)
	f.n.note(write{name: f.name, size: size})
	return nil
}

// Sync implements [filelog.File].
func (f *handle) Sync() error {
	kind, struck, err := f.begin(OpSync, 0)
	d := f.m.d
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	if !struck {
		f.n.clean()
		return nil
	}
	switch kind {
	case PowerFailure:
		d.crash(Draw)
		err = ErrCrashed
	case Death:
		d.counts.Kills++
		d.die()
		err = ErrCrashed
	default:
		f.n.fail(d)
		err = ErrInjected
	}
	return f.m.failed(OpSync, f.name, err)
}

// fail is what a sync that fails leaves: everything is clean.
func (n *inode) fail(d *Disk) {
	d.counts.Syncs++
	for i := range n.dirty {
		w := &n.dirty[i]
		if w.data == nil {
			n.store(w, 0, 0)
			continue
		}
		d.sectors(w, func(from, to int) {
			d.counts.Unsynced++
			if d.draw()&1 == 0 {
				n.store(w, from, to)
			}
		})
	}
	n.drop(len(n.dirty))
	if d.draw()&1 == 0 {
		// The pages are dropped from the cache: what is read is what is stored.
		size := int64(len(n.cache))
		n.stored = resize(n.stored, size)
		copy(n.cache, n.stored)
	}
}

// Size implements [filelog.File].
func (f *handle) Size() (int64, error) {
	d := f.m.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if f.m.life != d.life {
		return 0, f.m.failed(OpRead, f.name, ErrCrashed)
	}
	return int64(len(f.n.cache)), nil
}

// Close implements [io.Closer].
func (f *handle) Close() error {
	d := f.m.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if f.closed {
		return fmt.Errorf("disk: closing %s: %w", f.name, ErrClosed)
	}
	f.closed = true
	return nil
}
