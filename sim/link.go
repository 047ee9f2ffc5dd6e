package sim

import (
	"time"
)

// maxInFlight bounds the messages in flight on one link. A link that is
// clogged for long loses what comes after, as a full send buffer would.
const maxInFlight = 1 << 16

// link carries the messages of one direction between two nodes. It exists from
// its first message on.
//
// A link is FIFO by construction: its messages form a queue of which only the
// head is scheduled, so that no strategy can deliver them in another order. A
// message that is drawn to be reordered leaves the queue and is scheduled on
// its own.
//
// A link fills one cache line: in a big mesh, touching it is most of its cost.
type link struct {
	net      *network
	key      uint64 // of this link's random draws
	from, to uint32
	base     time.Duration // half the round trip of the matrix
	sent     uint64        // messages numbered so far; the first is 1
	head     *flight
	tail     *flight
	queued   uint32
	loose    uint32 // reordered messages in flight
}

// flight is a message under way. Flights are pooled.
type flight struct {
	link *link
	next *flight
	msg  any
	num  uint64
	// cause is the causal id of the arrival.
	cause uint64
	due   time.Duration
}

// row holds the links of one source in a small open-addressed table keyed by
// the peer: a mesh of a thousand nodes with nine peers each costs nine links
// and 32 slots a node, not a thousand.
type row struct {
	slots []slot
	links []*link // in order of their first message
	shift uint8
}

type slot struct {
	peer uint32 // 0 is empty
	link *link
}

const rowSlotsMin = 8

// find returns the link to peer, or nil.
func (r *row) find(peer uint32) *link {
	if len(r.slots) == 0 {
		return nil
	}
	mask := uint32(len(r.slots) - 1)
	for i := spread(peer, r.shift); ; i++ {
		s := &r.slots[i&mask]
		if s.peer == peer {
			return s.link
		}
		if s.peer == 0 {
			return nil
		}
	}
}

// spread is Fibonacci hashing (Knuth, TAOCP 3, section 6.4): neighbouring
// peers land far apart.
func spread(peer uint32, shift uint8) uint32 { return peer * 2654435769 >> shift }

func (r *row) add(l *link) {
	if 2*(len(r.links)+1) > len(r.slots) {
		r.grow()
	}
	r.links = append(r.links, l)
	r.put(l)
}

func (r *row) put(l *link) {
	mask := uint32(len(r.slots) - 1)
	i := spread(l.to, r.shift)
	for r.slots[i&mask].peer != 0 {
		i++
	}
	r.slots[i&mask] = slot{peer: l.to, link: l}
}

func (r *row) grow() {
	size := max(rowSlotsMin, 2*len(r.slots))
	r.slots = make([]slot, size)
	r.shift = 32
	for s := size; s > 1; s >>= 1 {
		r.shift--
	}
	for _, l := range r.links {
		r.put(l)
	}
}

// reset forgets the links and keeps the table.
func (r *row) reset() {
	clear(r.slots)
	clear(r.links)
	r.links = r.links[:0]
}

// push puts f at the end of the queue. A message never overtakes the one
// before it, whatever latency was drawn; what has arrived already is no longer
// in the way.
func (l *link) push(f *flight) {
	l.queued++
	if l.tail == nil {
		l.head, l.tail = f, f
		l.net.time.arrive(f.due, l.to, f.cause, l)
		return
	}
	f.due = max(f.due, l.tail.due)
	l.tail.next, l.tail = f, f
}

// pop takes the head off and schedules the next.
func (l *link) pop() {
	f := l.head
	l.head = f.next
	l.queued--
	if l.head == nil {
		l.tail = nil
	} else {
		l.net.time.arrive(l.head.due, l.to, l.head.cause, l)
	}
	l.net.free(f)
}

// Fire is a step: the head of the queue reaches the peer, unless a clog keeps
// it.
func (l *link) Fire(uint64) {
	n := l.net
	if n.mu != nil && !n.enter() {
		return
	}
	if n.clogged(l.from, l.to) {
		n.heldLinks = append(n.heldLinks, l)
		n.leave()
		return
	}
	f := l.head
	drop := len(n.cutBelow) > 0 && n.dropped(l, f)
	// The head stays in its place until it has been handed over: a live
	// network would else deliver its successor beside it.
	n.land(l, f, drop)
	l.pop()
	n.leave()
}

// Fire is a step: a reordered message reaches the peer.
func (f *flight) Fire(uint64) {
	l, n := f.link, f.link.net
	if n.mu != nil && !n.enter() {
		return
	}
	if n.clogged(l.from, l.to) {
		n.heldFlights = append(n.heldFlights, f)
		n.leave()
		return
	}
	l.loose--
	n.land(l, f, len(n.cutBelow) > 0 && n.dropped(l, f))
	n.free(f)
	n.leave()
}
