package disk

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// Crash is a power failure: every mount is dead, the lock is free, and what was
// not synced is lost, kept or torn as POSIX allows at its least: every sector of
// a write, every change of a size and of a name on its own, in any order
// (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014).
func (d *Disk) Crash(how Loss) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crash(how)
}

func (d *Disk) crash(how Loss) {
	d.crashKeeping(func(p Piece) int {
		switch {
		case how == LoseAll:
			return 0
		case how == KeepAll:
			return p.Bytes
		}
		x := d.draw()
		switch {
		case d.o.Tear && p.Op == OpWrite && p.Bytes > 1 && x%8 == 0:
			return 1 + d.below(p.Bytes-1)
		case x>>32&1 == 0:
			return 0
		}
		return p.Bytes
	})
}

// CrashKeeping is [Disk.Crash] where keep says of each piece how many of its
// bytes, from the first on, are kept: 0 loses it. The pieces come in the order
// in which they were made, file by file in the order of the files' creation, and
// names last.
func (d *Disk) CrashKeeping(keep func(Piece) int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crashKeeping(keep)
}

// Pieces lists what [Disk.CrashKeeping] would ask for.
func (d *Disk) Pieces() []Piece {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Piece
	d.pieces(func(p Piece, _ func(int)) { all = append(all, p) })
	return all
}

// pieces calls f with each piece and with what keeps its first bytes.
func (d *Disk) pieces(f func(p Piece, keep func(bytes int))) {
	index := 0
	next := func(p Piece, keep func(int)) {
		p.Index = index
		index++
		f(p, keep)
	}
	for _, n := range d.inodes() {
		d.parts(n, next)
	}
	for _, c := range d.renames {
		next(Piece{Name: c.from, Op: c.op, Bytes: 1}, func(int) { c.apply(d.durable) })
	}
}

// all keeps a piece whole, whatever its length.
const all = math.MaxInt

// parts calls f with each piece of a file's content that is not synced.
func (d *Disk) parts(n *inode, f func(p Piece, keep func(bytes int))) {
	for i := range n.dirty {
		w := &n.dirty[i]
		if w.data == nil {
			f(Piece{Name: w.name, Op: OpTruncate, Offset: w.size, Bytes: 1}, func(int) { n.store(w, 0, 0) })
			continue
		}
		if end := w.off + int64(len(w.data)); w.grows {
			// A size may get to the disk without the bytes that it is for.
			f(Piece{Name: w.name, Op: OpTruncate, Offset: end, Bytes: 1}, func(int) {
				n.stored = resize(n.stored, max(int64(len(n.stored)), end))
			})
		}
		d.sectors(w, func(from, to int) {
			f(Piece{Name: w.name, Op: OpWrite, Offset: w.off + int64(from), Bytes: to - from},
				func(bytes int) { n.store(w, from, from+min(bytes, to-from)) })
		})
	}
}

// sectors cuts a write at the borders of sectors.
func (d *Disk) sectors(w *write, f func(from, to int)) {
	size := int64(d.o.Sector)
	for from := 0; from < len(w.data); {
		border := (w.off+int64(from))/size*size + size
		to := min(len(w.data), int(border-w.off))
		f(from, to)
		from = to
	}
}

// inodes lists the files that have a name, here or there, in the order of their
// creation.
func (d *Disk) inodes() []*inode {
	seen := map[*inode]bool{}
	for _, names := range []map[string]*inode{d.names, d.durable} {
		for _, n := range names {
			seen[n] = true
		}
	}
	for _, c := range d.renames {
		if c.node != nil {
			seen[c.node] = true
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b *inode) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
}

// apply makes a change of a name that reached the disk.
func (c *change) apply(names map[string]*inode) {
	switch c.op {
	case OpCreate:
		names[c.from] = c.node
	case OpRemove:
		// The name may stand for a file that came later.
		if names[c.from] == c.node {
			delete(names, c.from)
		}
	case OpRename:
		if names[c.from] == c.node {
			delete(names, c.from)
		}
		names[c.to] = c.node
	}
}

func (d *Disk) crashKeeping(keep func(Piece) int) {
	d.pieces(func(p Piece, kept func(int)) {
		n := min(max(keep(p), 0), p.Bytes)
		switch {
		case n == 0:
			d.counts.Lost++
			return
		case n < p.Bytes:
			d.counts.Torn++
		default:
			d.counts.Kept++
		}
		kept(n)
	})
	d.counts.Crashes++
	d.renames = nil
	d.names = maps.Clone(d.durable)
	d.used = 0
	for _, n := range d.inodes() {
		n.dirty, n.bytes, n.links = nil, 0, 0
		n.cache = slices.Clone(n.stored)
	}
	for _, n := range d.names {
		n.links++
		if n.links == 1 {
			d.used += int64(len(n.cache))
		}
	}
	d.die()
}

// Kill is the death of the process that mounted the disk: every mount is dead
// and the lock is free; nothing is lost.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end(Death)
}

// end is what a rule of that kind does to the process and the power. The caller
// holds mu.
func (d *Disk) end(k Kind) {
	if k == PowerFailure {
		d.crash(Draw)
		return
	}
	d.counts.Kills++
	d.die()
}

func (d *Disk) die() {
	d.life++
	d.locked = nil
}

// Sync writes everything out, files and names, as the system does in time by
// itself.
func (d *Disk) Sync() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writeOut()
}

func (d *Disk) writeOut() {
	for _, n := range d.inodes() {
		n.clean()
	}
	d.syncNames()
}

func (d *Disk) syncNames() {
	for i := range d.renames {
		d.renames[i].apply(d.durable)
	}
	d.renames = nil
}

// Flip turns a bit of a file at rest: on the disk, and in the cache as well
// unless what is there is newer. bit is counted from the file's first, and must
// be within what is on the disk. It reports whether there was one.
func (d *Disk) Flip(name string, bit int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flip(name, bit)
}

func (d *Disk) flip(name string, bit int64) bool {
	n := d.names[name]
	if n == nil || bit < 0 || bit/8 >= int64(len(n.stored)) {
		return false
	}
	mask := byte(1) << (bit % 8)
	n.stored[bit/8] ^= mask
	if bit/8 < int64(len(n.cache)) && !n.covers(bit/8) {
		n.cache[bit/8] ^= mask
	}
	d.counts.Flipped++
	return true
}

// covers reports whether the cache holds a byte, or a size, that is newer than
// what is on the disk at off.
func (n *inode) covers(off int64) bool {
	return slices.ContainsFunc(n.dirty, func(w write) bool {
		return w.data == nil || w.off <= off && off < w.off+int64(len(w.data))
	})
}

// FlipSome turns a bit, drawn among all that are on the disk, of files whose
// name begins so. It says which; ok is false if there is none.
func (d *Disk) FlipSome(prefix string) (name string, bit int64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var bits int64
	names := slices.Sorted(maps.Keys(d.names))
	names = slices.DeleteFunc(names, func(s string) bool { return !strings.HasPrefix(s, prefix) })
	for _, s := range names {
		bits += 8 * int64(len(d.names[s].stored))
	}
	if bits == 0 {
		return "", 0, false
	}
	bit = int64(d.draw() % uint64(bits))
	for _, s := range names {
		if n := 8 * int64(len(d.names[s].stored)); bit < n {
			return s, bit, d.flip(s, bit)
		} else {
			bit -= n
		}
	}
	panic("disk: a bit that is in no file")
}
