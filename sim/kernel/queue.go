package kernel

import "math/bits"

// The event queue is a hierarchical timing wheel (Varghese and Lauck, "Hashed
// and Hierarchical Timing Wheels", SOSP 1987, scheme 7) read as a radix queue:
// an entry lies at the level of the highest 6-bit digit in which its time
// differs from base, in the slot of that digit. The earliest entry is then
// always in the first slot of the lowest level in use, which bitmaps find in
// two instructions however far away it is. A slot with few entries is sorted
// straight into front, as a ladder queue does (Tang, Goh and Thng, TOMACS
// 2005); a crowded one is dealt out to the levels below. An entry moves at most
// once per level, so its cost does not depend on how many are pending.
//
// Entries of one time leave in the order in which they were pushed: slots are
// appended to, and a slot is opened before anything can be pushed below it.

const (
	digitBits = 6
	slotCount = 1 << digitBits
	levels    = 11 // 66 bits, more than the 63 of a time
	openMax   = 32 // a slot with more entries than this is dealt out
	frontMax  = 64 // push into the midst of no more entries than this
	chunkSize = 31 // makes a chunk 512 bytes
)

// entry is an event's place in the queue. Its generation tells whether the
// event is still the one that was pushed.
type entry struct {
	time uint64
	ref  uint32
	gen  uint32
}

// chunk holds entries of one slot, in order.
type chunk struct {
	next *chunk
	n    int
	e    [chunkSize]entry
}

// slot is a chain of chunks, all but the last full.
type slot struct {
	first, last *chunk
	n           int
}

// queue orders entries by time, then by push. Times are pushed at or after
// base, and base never passes a time that peek was given as limit, nor an
// entry.
type queue struct {
	base     uint64
	occupied uint64 // bit l: level l has entries
	bits     [levels]uint64
	wheel    [levels][slotCount]slot

	front []entry // sorted; from head on, the next entries
	head  int
	end   uint64 // entries before end belong in front

	n    int // entries
	free *chunk

	lifo bool // a mutant of the tests: ties in reverse
}

// reset empties the queue, keeping its memory.
func (q *queue) reset() {
	for q.occupied != 0 {
		l := bits.TrailingZeros64(q.occupied)
		for q.bits[l] != 0 {
			s := q.take(l, bits.TrailingZeros64(q.bits[l]))
			q.release(s.first)
		}
	}
	q.front, q.head, q.end = q.front[:0], 0, 0
	q.base, q.n = 0, 0
}

// push adds an entry.
func (q *queue) push(e entry) {
	q.n++
	if e.time < q.end {
		q.pushFront(e)
		return
	}
	q.put(e)
}

// put adds an entry to the wheel.
func (q *queue) put(e entry) {
	l := (bits.Len64((e.time^q.base)|1) - 1) / digitBits
	i := e.time >> (l * digitBits) & (slotCount - 1)
	s := &q.wheel[l][i]
	c := s.last
	if c == nil || c.n == chunkSize {
		c = q.grow(s)
		q.bits[l] |= 1 << i
		q.occupied |= 1 << l
	}
	c.e[c.n] = e
	c.n++
	s.n++
}

// grow appends an empty chunk to a slot.
func (q *queue) grow(s *slot) *chunk {
	c := q.free
	if c == nil {
		c = new(chunk)
	} else {
		q.free, c.next, c.n = c.next, nil, 0
	}
	if s.last == nil {
		s.first = c
	} else {
		s.last.next = c
	}
	s.last = c
	return c
}

// take empties slot i of level l and returns what was in it.
func (q *queue) take(l, i int) slot {
	s := q.wheel[l][i]
	q.wheel[l][i] = slot{}
	q.bits[l] &^= 1 << i
	if q.bits[l] == 0 {
		q.occupied &^= 1 << l
	}
	return s
}

// release gives a chain of chunks back.
func (q *queue) release(c *chunk) {
	for c != nil {
		next := c.next
		c.next, q.free = q.free, c
		c = next
	}
}

// pushFront adds an entry that is due before end.
func (q *queue) pushFront(e entry) {
	f := q.front
	n := len(f)
	if n == q.head || f[n-1].time <= e.time {
		if n == cap(f) && q.head > n/2 { // reuse what was popped
			n = copy(f, f[q.head:])
			q.head = 0
		}
		q.front = append(f[:n], e)
		return
	}
	if n-q.head >= frontMax {
		q.spill(e)
		return
	}
	f = append(f, e)
	i := n
	for ; i > q.head && f[i-1].time > e.time; i-- {
		f[i] = f[i-1]
	}
	f[i] = e
	q.front = f
}

// spill moves front, grown too long to push into, to the wheel, and e with it.
// They land on lower levels than the slot that front came from, so this
// happens to an entry at most once per level.
func (q *queue) spill(e entry) {
	f := q.front[q.head:]
	q.base = min(f[0].time, e.time)
	q.end = q.base
	for _, x := range f {
		q.put(x)
	}
	q.put(e)
	q.front, q.head = q.front[:0], 0
}

// peek is the first entry, if it is due at or before limit.
func (q *queue) peek(limit uint64) (entry, bool) {
	if q.head == len(q.front) && !q.open(limit) {
		return entry{}, false
	}
	e := q.front[q.head]
	return e, e.time <= limit
}

// pop drops the entry that peek returned.
func (q *queue) pop() {
	q.head++
	q.n--
	if q.head == len(q.front) {
		q.front, q.head = q.front[:0], 0
	}
}

// open fills front, which is empty, from the first slot in use, and reports
// whether it did: not if that slot begins after limit.
func (q *queue) open(limit uint64) bool {
	for q.occupied != 0 {
		l := bits.TrailingZeros64(q.occupied)
		i := bits.TrailingZeros64(q.bits[l])
		width := uint64(1) << (l * digitBits)
		start := q.base&^(width<<digitBits-1) | uint64(i)*width
		if start > limit {
			return false
		}
		q.base = start
		s := q.take(l, i)
		if l > 0 && s.n > openMax {
			q.deal(s)
			continue
		}
		for c := s.first; c != nil; c = c.next {
			q.front = append(q.front, c.e[:c.n]...)
		}
		q.release(s.first)
		q.end = start + width
		q.sort()
		return true
	}
	return false
}

// deal distributes a crowded slot to the levels below.
func (q *queue) deal(s slot) {
	for c := s.first; c != nil; c = c.next {
		for _, e := range c.e[:c.n] {
			q.put(e)
		}
	}
	q.release(s.first)
}

// sort orders front by time, keeping the order of equal times. Either it has
// no more than openMax entries or all are equal.
func (q *queue) sort() {
	f := q.front
	for i := 1; i < len(f); i++ {
		e, j := f[i], i
		for ; j > 0 && (f[j-1].time > e.time || q.lifo && f[j-1].time == e.time); j-- {
			f[j] = f[j-1]
		}
		f[j] = e
	}
}

// sweep drops the entries that keep refuses.
func (q *queue) sweep(keep func(entry) bool) {
	f := q.front[:0]
	for _, e := range q.front[q.head:] {
		if keep(e) {
			f = append(f, e)
		}
	}
	q.n = len(f)
	q.front, q.head = f, 0
	for l := range q.wheel {
		for b := q.bits[l]; b != 0; b &= b - 1 {
			s := q.take(l, bits.TrailingZeros64(b))
			for c := s.first; c != nil; c = c.next {
				for _, e := range c.e[:c.n] {
					if keep(e) {
						q.n++
						q.put(e)
					}
				}
			}
			q.release(s.first)
		}
	}
}
