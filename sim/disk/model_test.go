package disk_test

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// subject is a disk as the model sees it: broken ones replace parts.
type subject struct {
	d     *disk.Disk
	mount func() filelog.FS
	crash func(disk.Loss)
	kill  func()
}

func subjectOf(d *disk.Disk) subject {
	return subject{d: d, mount: func() filelog.FS { return d.Mount(nil) }, crash: d.Crash, kill: d.Kill}
}

// change is one of a file's content, in the model.
type change struct {
	off  int
	data []byte
	size int // of a truncation; data is nil
	// must: a sync that succeeded covers it. limbo: one that failed does, and no
	// later one will.
	must, limbo bool
}

// file is a file's content, in the model: what processes see, what the last
// crash left, and what was done since.
type file struct {
	cache   []byte
	base    []byte
	changes []change
}

func (c *change) apply(b []byte) []byte {
	if c.data == nil {
		return resize(b, c.size)
	}
	b = resize(b, max(len(b), c.off+len(c.data)))
	copy(b[c.off:], c.data)
	return b
}

func resize(b []byte, n int) []byte {
	if n <= len(b) {
		return slices.Clone(b[:n])
	}
	return append(slices.Clone(b), make([]byte, n-len(b))...)
}

func (f *file) do(c change) {
	f.cache = c.apply(f.cache)
	f.changes = append(f.changes, c)
}

func (f *file) sync() {
	for i := range f.changes {
		c := &f.changes[i]
		c.must = c.must || !c.limbo
	}
}

func (f *file) syncFailed() {
	for i := range f.changes {
		c := &f.changes[i]
		c.limbo = c.limbo || !c.must
	}
}

// explain says why content cannot be what a power failure left of f: each sector
// must be what some of the changes made of it, and all that must be kept.
func (f *file) explain(content []byte, sector int) error {
	sizes := map[int]bool{len(f.base): true}
	least := 0 // how many changes, from the first on, decide the size at least
	for i, c := range f.changes {
		if c.data == nil {
			sizes[c.size] = true
			if c.must {
				least = i
				sizes = map[int]bool{c.size: true}
			}
			continue
		}
		grown := map[int]bool{}
		for s := range sizes {
			for at := c.off; at < c.off+len(c.data); at++ { // up to the end of a sector, or torn within
				grown[max(s, at+1)] = true
			}
			if c.must {
				grown[max(s, c.off+len(c.data))] = true
			} else {
				grown[s] = true
			}
		}
		if c.must {
			maps.DeleteFunc(grown, func(s int, _ bool) bool { return s < c.off+len(c.data) })
		}
		sizes = grown
	}
	if !sizes[len(content)] {
		return fmt.Errorf("no changes since %d make the size %d", least, len(content))
	}
	for from := 0; from < len(content); from += sector {
		to := min(from+sector, len(content))
		if !f.sectorOf(content[from:to], from, to) {
			return fmt.Errorf("bytes %d to %d are of no subset of %d changes: %x", from, to, len(f.changes), content[from:to])
		}
	}
	return nil
}

// sectorOf reports whether some subset of the changes makes the bytes from one
// offset to another.
func (f *file) sectorOf(want []byte, from, to int) bool {
	states := map[string]bool{string(part(f.base, from, to)): true}
	for _, c := range f.changes {
		after := map[string]bool{}
		for s := range states {
			if !c.must {
				after[s] = true
			}
			b := []byte(s)
			if c.data == nil {
				clear(b[min(max(c.size-from, 0), len(b)):])
			}
			for i, x := range c.data {
				if at := c.off + i; at >= from && at < to {
					b[at-from] = x
				}
			}
			after[string(b)] = true
		}
		states = after
	}
	return states[string(want)]
}

// part is b from one offset to another, zeros where it is shorter.
func part(b []byte, from, to int) []byte {
	p := make([]byte, to-from)
	if from < len(b) {
		copy(p, b[from:])
	}
	return p
}

// rename is a change of names, in the model.
type rename struct {
	from, to string // to is "" for a removal, from for a creation
	f        *file
}

func (r *rename) apply(names map[string]*file) {
	if r.from != "" && names[r.from] == r.f {
		delete(names, r.from)
	}
	if r.to != "" {
		names[r.to] = r.f
	}
}

// directory is the model of a disk.
type directory struct {
	names, durable map[string]*file
	renames        []rename
}

func newDirectory() *directory {
	return &directory{names: map[string]*file{}, durable: map[string]*file{}}
}

func (m *directory) do(r rename) {
	r.apply(m.names)
	m.renames = append(m.renames, r)
}

func (m *directory) syncDir() {
	m.durable, m.renames = maps.Clone(m.names), nil
}

// crashed takes over what a power failure left, or says why it cannot have.
func (m *directory) crashed(fsys filelog.FS, sector int) error {
	names, err := fsys.List()
	if err != nil {
		return err
	}
	// Every subset of the changes of names is possible, each name on its own.
	possible := map[string]map[*file]bool{}
	for _, name := range append(slices.Collect(maps.Keys(m.durable)), names...) {
		possible[name] = map[*file]bool{m.durable[name]: true}
	}
	for _, r := range m.renames {
		for _, name := range []string{r.from, r.to} {
			if possible[name] == nil {
				possible[name] = map[*file]bool{nil: true}
			}
		}
		possible[r.to][r.f] = true
		if possible[r.from][r.f] {
			possible[r.from][nil] = true
		}
	}
	left := map[string]*file{}
	for name, of := range possible {
		if name == "" {
			continue
		}
		if !slices.Contains(names, name) {
			if !of[nil] {
				return fmt.Errorf("%s is gone, and its name was durable", name)
			}
			continue
		}
		content, err := readAll(fsys, name)
		if err != nil {
			return err
		}
		why := fmt.Errorf("%s cannot be there", name)
		var is *file
		for f := range of {
			if f == nil {
				continue
			}
			if err := f.explain(content, sector); err != nil {
				why = fmt.Errorf("%s: %w", name, err)
			} else {
				is = f
			}
		}
		if is == nil {
			return why
		}
		left[name] = &file{cache: content, base: content}
	}
	m.names, m.durable, m.renames = left, maps.Clone(left), nil
	return nil
}

// seen checks that processes see what the model says.
func (m *directory) seen(fsys filelog.FS) error {
	names, err := fsys.List()
	if err != nil {
		return err
	}
	if want := slices.Sorted(maps.Keys(m.names)); !slices.Equal(want, names) {
		return fmt.Errorf("the directory holds %q instead of %q", names, want)
	}
	for _, name := range names {
		content, err := readAll(fsys, name)
		if err != nil {
			return err
		}
		if want := m.names[name].cache; string(content) != string(want) {
			return fmt.Errorf("%s holds %x instead of %x", name, content, want)
		}
	}
	return nil
}

func readAll(fsys filelog.FS, name string) ([]byte, error) {
	f, err := fsys.OpenRead(name)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size+1)
	n, err := f.ReadAt(b, 0)
	if err != io.EOF {
		return nil, fmt.Errorf("reading %d bytes at the end of %d: %w", n, size, err)
	}
	return b[:n], f.Close()
}
