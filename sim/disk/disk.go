package disk

import (
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"sync"

	"meshsim/appender"
)

// Disk is one flat directory on a disk of its own, with the cache of the
// operating system in front of it. It is safe for concurrent use; what it draws
// then depends on the order of calls.
type Disk struct {
	o  Options
	mu sync.Mutex
	// names is the directory as processes see it, and durable as a power
	// failure would leave it if nothing unsynced were kept.
	names   map[string]*inode
	durable map[string]*inode
	renames []change // of names, since the directory was synced
	used    int64    // bytes of files that have a name
	life    uint64   // mounts of an earlier one are dead
	locked  *lock
	rules   []*rule
	draws   uint64
	calls   [NumOps]uint64
	struck  [NumKinds]uint64
	counts  Counts
	lastID  uint64
}

// Counts are what befell a disk, besides the strikes of rules.
type Counts struct {
	Crashes  uint64 // power failures
	Kills    uint64 // deaths of the process
	Lost     uint64 // pieces that power failures lost
	Kept     uint64 // pieces that were not synced and that power failures kept
	Torn     uint64 // sectors that were kept in part
	Flipped  uint64 // bits turned at rest
	NoSpace  uint64 // writes and creations that found the disk full
	Syncs    uint64 // syncs that failed
	Unsynced uint64 // sectors lost or kept by them
}

// inode is a file's content.
type inode struct {
	id     uint64
	cache  []byte // as processes see it
	stored []byte // as it is on the disk
	dirty  []write
	bytes  int // of data in dirty
	links  int // names that it has
}

// write is a change of a file's content that is not synced: bytes at an offset,
// or a size.
type write struct {
	name string
	off  int64
	data []byte
	size int64 // of a truncation; data is nil
	// grows: it made the file longer.
	grows bool
}

// change is one of a name.
type change struct {
	op       Op
	from, to string
	node     *inode
}

// writeback bounds the bytes of a file that are not synced: beyond it the
// system writes the oldest of them out by itself, as systems do.
const writeback = 1 << 20

// New makes an empty disk.
func New(o Options) *Disk {
	if o.Sector == 0 {
		o.Sector = DefaultSector
	}
	if o.Sector < 1 || o.Capacity < 0 {
		panic("disk: a sector below 1 byte, or a capacity below 0")
	}
	return &Disk{o: o, names: map[string]*inode{}, durable: map[string]*inode{}, life: 1}
}

// Mount is what a process that lives now sees of the disk. clock is what
// latencies are waited by; nil means that there are none.
func (d *Disk) Mount(clock appender.Clock) *Mount {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &Mount{d: d, clock: clock, life: d.life}
}

// SetCapacity changes the size of the disk, in bytes; 0 means no limit. What is
// on it stays.
func (d *Disk) SetCapacity(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.o.Capacity = max(bytes, 0)
}

// Used is how many bytes the files have together.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// Files is how many names the directory has, as processes see it.
func (d *Disk) Files() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.names)
}

// Extent is a file's name and how many bytes of it are on the disk.
type Extent struct {
	Name  string
	Bytes int64
}

// Stored lists the files, by name, with what of them is on the disk.
func (d *Disk) Stored() []Extent {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Extent
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		all = append(all, Extent{name, int64(len(d.names[name].stored))})
	}
	return all
}

// Counts returns what befell the disk so far.
func (d *Disk) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts
}

// Struck is how many calls rules of a kind have struck so far.
func (d *Disk) Struck(k Kind) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.struck[k]
}

// Calls is how many calls of a kind there were.
func (d *Disk) Calls(op Op) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[op]
}

// Clone returns an equal disk, mounted by nobody and without rules, that shares
// nothing with this one. It costs a copy of every byte.
func (d *Disk) Clone() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &Disk{
		o: d.o, names: map[string]*inode{}, durable: map[string]*inode{}, used: d.used, life: d.life + 1,
		draws: d.draws, calls: d.calls, struck: d.struck, counts: d.counts, lastID: d.lastID,
	}
	copies := map[*inode]*inode{nil: nil}
	of := func(n *inode) *inode {
		if m, ok := copies[n]; ok {
			return m
		}
		m := &inode{id: n.id, cache: slices.Clone(n.cache), stored: slices.Clone(n.stored), dirty: slices.Clone(n.dirty), bytes: n.bytes, links: n.links}
		copies[n] = m
		return m
	}
	for name, n := range d.names {
		c.names[name] = of(n)
	}
	for name, n := range d.durable {
		c.durable[name] = of(n)
	}
	for _, r := range d.renames {
		r.node = of(r.node)
		c.renames = append(c.renames, r)
	}
	return c
}

// Digest is a hash of all that the disk's answers depend on, but for the rules
// in force and for which handles are open: what is stored, what is cached and
// not synced, the capacity, the draws and what was counted.
func (d *Disk) Digest() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := fnv.New64a()
	number := func(xs ...uint64) {
		var b [8]byte
		for _, x := range xs {
			binary.LittleEndian.PutUint64(b[:], x)
			_, _ = h.Write(b[:])
		}
	}
	text := func(b []byte) {
		number(uint64(len(b)))
		_, _ = h.Write(b)
	}
	for _, names := range []map[string]*inode{d.names, d.durable} {
		number(uint64(len(names)))
		for _, name := range slices.Sorted(maps.Keys(names)) {
			text([]byte(name))
			number(names[name].id)
		}
	}
	for _, n := range d.inodes() {
		number(n.id, uint64(len(n.dirty)))
		text(n.cache)
		text(n.stored)
		for i := range n.dirty {
			w := &n.dirty[i]
			number(uint64(w.off), uint64(w.size))
			text(w.data)
		}
	}
	for _, c := range d.renames {
		number(uint64(c.op))
		text([]byte(c.from))
		text([]byte(c.to))
	}
	number(uint64(d.used), uint64(d.o.Capacity), d.draws)
	number(d.calls[:]...)
	number(d.struck[:]...)
	c := &d.counts
	number(c.Crashes, c.Kills, c.Lost, c.Kept, c.Torn, c.Flipped, c.NoSpace, c.Unsynced)
	return h.Sum64()
}

// draw returns the next number of the disk's stream.
func (d *Disk) draw() uint64 {
	d.draws++
	return appender.Mix(d.o.Seed ^ appender.Mix(d.draws))
}

// below draws from 0 to n-1.
func (d *Disk) below(n int) int { return int(d.draw() % uint64(n)) }

// store applies a piece of a write to what is on the disk.
func (n *inode) store(w *write, from, to int) {
	if w.data == nil {
		n.stored = resize(n.stored, w.size)
		return
	}
	if end := w.off + int64(to); end > int64(len(n.stored)) {
		n.stored = resize(n.stored, end)
	}
	copy(n.stored[w.off+int64(from):], w.data[from:to])
}

// clean makes what is in the cache durable.
func (n *inode) clean() {
	for i := range n.dirty {
		n.store(&n.dirty[i], 0, len(n.dirty[i].data))
	}
	n.drop(len(n.dirty))
}

// drop forgets the oldest k writes.
func (n *inode) drop(k int) {
	for i := range n.dirty[:k] {
		n.bytes -= len(n.dirty[i].data)
	}
	rest := copy(n.dirty, n.dirty[k:])
	clear(n.dirty[rest:])
	n.dirty = n.dirty[:rest]
}

// note adds a write that is not synced.
func (n *inode) note(w write) {
	n.dirty = append(n.dirty, w)
	n.bytes += len(w.data)
	k := 0
	for left := n.bytes; left > writeback && k < len(n.dirty)-1; k++ {
		n.store(&n.dirty[k], 0, len(n.dirty[k].data))
		left -= len(n.dirty[k].data)
	}
	if k > 0 {
		n.drop(k)
	}
}

// resize cuts b, or extends it with zeros.
func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size]
	}
	n := len(b)
	b = slices.Grow(b, int(size)-n)[:size]
	clear(b[n:])
	return b
}
