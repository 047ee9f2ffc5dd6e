package disk

import (
	"fmt"
	"io"
	"io/fs"
	"slices"

	"meshsim/appender/filelog"
)

// handle is an open file.
type handle struct {
	m      *Mount
	n      *inode
	name   string
	writes bool
	closed bool
}

func (f *handle) begin(op Op, bytes int) (Kind, bool, error) {
	return f.m.begin(op, f.name, bytes, f)
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
		d.end(kind)
		todo, err = 0, ErrCrashed
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

// claim makes sure that a file can grow by so many bytes without taking room
// that a power failure could give back to what was there before: bytes that were
// cut off or removed, but not for good yet. Where there is no other room, the
// system writes everything out first, as journals do.
func (d *Disk) claim(n *inode, bytes int64) {
	if d.o.Capacity <= 0 || bytes <= 0 || n.links == 0 {
		return
	}
	sum := bytes
	for _, n := range d.inodes() {
		sum += n.most()
	}
	if sum > d.o.Capacity {
		d.writeOut()
	}
}

// most is the largest size that the file has, or may have after a power failure.
func (n *inode) most() int64 {
	size := int64(max(len(n.cache), len(n.stored)))
	for i := range n.dirty {
		w := &n.dirty[i]
		size = max(size, w.size, w.off+int64(len(w.data)))
	}
	return size
}

func (f *handle) write(p []byte, off int64) {
	n := f.n
	size, end := int64(len(n.cache)), off+int64(len(p))
	f.resize(max(size, end))
	copy(n.cache[off:], p)
	n.note(write{name: f.name, off: off, data: slices.Clone(p), grows: end > size})
}

func (f *handle) resize(size int64) {
	n := f.n
	f.m.d.claim(n, size-int64(len(n.cache)))
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
	case PowerFailure, Death:
		d.end(kind)
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
	d.parts(n, func(_ Piece, keep func(int)) {
		d.counts.Unsynced++
		if d.draw()&1 == 0 {
			keep(all)
		}
	})
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
