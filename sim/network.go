package sim

import (
	"sync"
	"time"

	"meshsim/sim/kernel"
	"meshsim/sim/trace"
)

// arrivals is the seam of time under the network: the kernel's steps in
// simulation, real timers live.
type arrivals interface {
	now() time.Duration
	// child is the causal id of the next thing that the running step causes.
	child() uint64
	// arrive fires f at t, or at once when t has passed, as an arrival at
	// node to.
	arrive(t time.Duration, to uint32, cause uint64, f kernel.Firer)
}

// What becomes of messages in flight at a cut.
const (
	inFlightDeliver = "deliver"
	inFlightDrop    = "drop"
)

// The purposes of a link's random draws. Each is a stream of its own, keyed by
// the message's number, so that a message drawn to be lost changes no other
// message's latency.
const (
	purposeLatency = iota + 1
	purposeJitter
	purposeLoss
	purposeDuplicate
	purposeReorder
	purposeCopyLatency
	purposeCopyJitter
	purposeStray // how far a reordered message strays
	purposeStrike
	purposeTrip // whether an append's latency passes before it is stored, or behind
)

// network is the mesh's links and what is wrong with them. In simulation one
// goroutine uses it and mu is nil; live, mu guards it, and messages are handed
// over outside of it.
type network struct {
	mu      *sync.Mutex
	closed  bool
	landing sync.WaitGroup // arrivals under way, live
	time    arrivals
	seed    uint64
	cfg     Network
	delay   func(from, to uint32) time.Duration // half the matrix' round trip; nil without one
	rows    []row                               // by source, from 0
	parts   partitions
	ills    []ill // by node, from 0
	sick    int   // nodes with link faults or clogs

	// deliver hands a message to its node; false when the node is down.
	deliver func(from, to uint32, msg any) bool
	emit    func(*trace.Event)
	wants   trace.KindSet
	ev      trace.Event // reused: an event is valid only while it is observed

	// cutBelow is, by link, the last message that a cut drops if it was in
	// flight. It is looked up, never walked.
	cutBelow    map[*link]uint64
	heldLinks   []*link
	heldFlights []*flight
	pool        *flight
	spare       []*link

	delivered uint64
	lost      uint64
	cut       uint64
	overflow  uint64 // lost because a link was full
	struck    struct{ loss, duplicate, reorder uint64 }
	sent      uint64
	due       struct{ loss, duplicate, reorder uint64 } // messages exposed to the base probabilities

	broken defect
	healed bool // a partition has healed: when defectFIFO sets in
}

// ill is what is wrong with the links of one node.
type ill struct {
	clogs   int
	strikes []*strike // link faults that cover the node
}

// defect is a deliberate mistake, for the tests that prove that the laws of
// links are checked: see mutants_test.go. Zero in every real run.
type defect uint8

const (
	defectNone         defect = iota
	defectHalfHeal            // healing a partition heals one direction
	defectDuplicate           // a lossless link duplicates now and then
	defectFIFO                // after a heal a link lets messages overtake
	defectOneWayBoth          // a one-way partition cuts both ways
	defectKeepInFlight        // a cut that must drop what is in flight keeps it
)

func (n *network) lock() {
	if n.mu != nil {
		n.mu.Lock()
	}
}

func (n *network) unlock() {
	if n.mu != nil {
		n.mu.Unlock()
	}
}

// enter takes a live network's lock for an arrival; false, without the lock,
// once the network is closed. Every entry is left.
func (n *network) enter() bool {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return false
	}
	n.landing.Add(1)
	return true
}

func (n *network) leave() {
	if n.mu != nil {
		n.mu.Unlock()
		n.landing.Done()
	}
}

// close ends a live network: timers that still fire find it closed, and none
// is in the middle of an arrival when close returns.
func (n *network) close() {
	n.lock()
	n.closed = true
	n.unlock()
	n.landing.Wait()
}

// count is the number of messages delivered so far.
func (n *network) count() uint64 {
	n.lock()
	defer n.unlock()
	return n.delivered
}

// reset makes an empty network of healthy links.
func (n *network) reset(nodes int, seed uint64, cfg Network) {
	n.seed, n.cfg = seed, cfg
	if cap(n.rows) < nodes {
		n.rows = make([]row, nodes)
		n.ills = make([]ill, nodes)
	}
	for i := range n.rows {
		n.recycle(&n.rows[i])
	}
	n.rows, n.ills = n.rows[:nodes], n.ills[:nodes]
	for i := range n.ills {
		n.ills[i] = ill{strikes: n.ills[i].strikes[:0]}
	}
	n.parts.reset(nodes)
	n.sick = 0
	if n.cutBelow == nil {
		n.cutBelow = map[*link]uint64{}
	}
	clear(n.cutBelow)
	n.heldLinks, n.heldFlights = n.heldLinks[:0], n.heldFlights[:0]
	n.delivered, n.lost, n.cut, n.overflow, n.sent = 0, 0, 0, 0, 0
	n.struck.loss, n.struck.duplicate, n.struck.reorder = 0, 0, 0
	n.due.loss, n.due.duplicate, n.due.reorder = 0, 0, 0
	n.healed = false
}

// linkOf finds or makes the link from one node to another.
func (n *network) linkOf(from, to uint32) *link {
	r := &n.rows[from-1]
	if l := r.find(to); l != nil {
		return l
	}
	l := n.fresh()
	l.key, l.from, l.to = linkKey(n.seed, from, to), from, to
	if n.delay != nil {
		l.base = n.delay(from, to)
	}
	r.add(l)
	return l
}

// fresh takes a link from the pool, or makes some.
func (n *network) fresh() *link {
	if len(n.spare) == 0 {
		slab := make([]link, 16)
		for i := range slab {
			slab[i].net = n
			n.spare = append(n.spare, &slab[i])
		}
	}
	l := n.spare[len(n.spare)-1]
	n.spare = n.spare[:len(n.spare)-1]
	return l
}

// recycle takes back a row's links and what they carry.
func (n *network) recycle(r *row) {
	for _, l := range r.links {
		for f := l.head; f != nil; {
			next := f.next
			n.free(f)
			f = next
		}
		*l = link{net: n}
		n.spare = append(n.spare, l)
	}
	r.reset()
}

// fate is what the draws decide about one message.
type fate struct {
	lost, duplicate, reorder bool
	extra                    time.Duration
}

// send takes a message from one node for another. It never blocks.
func (n *network) send(from, to uint32, msg any) {
	n.lock()
	if !n.closed {
		n.dispatch(from, to, msg)
	}
	n.unlock()
}

// dispatch is send for whoever holds the lock.
func (n *network) dispatch(from, to uint32, msg any) {
	if int(to) < 1 || int(to) > len(n.rows) || to == from {
		n.lost++ // no such peer: as on any network, nobody hears of it
		return
	}
	l := n.linkOf(from, to)
	l.sent++
	n.sent++
	cause := n.time.child()
	n.tell(trace.MessageSent, l, l.sent, cause)
	if n.parts.blocked(from, to) {
		n.cut++
		n.tell(trace.MessageCut, l, l.sent, cause)
		return
	}
	ft := n.draw(l)
	if ft.lost {
		n.lost++
		n.tell(trace.MessageLost, l, l.sent, cause)
		return
	}
	if l.queued+l.loose >= maxInFlight {
		n.lost++
		n.overflow++
		n.tell(trace.MessageLost, l, l.sent, cause)
		return
	}
	n.launch(l, msg, cause, ft, purposeLatency, purposeJitter)
	if ft.duplicate {
		copied := n.time.child()
		n.tell(trace.MessageDuplicated, l, l.sent, copied)
		n.launch(l, msg, copied, ft, purposeCopyLatency, purposeCopyJitter)
	}
}

// draw decides the fate of the link's newest message. A perfect link draws
// nothing.
func (n *network) draw(l *link) fate {
	var ft fate
	num := l.sent
	if p := n.cfg.Loss; p > 0 {
		n.due.loss++
		if ft.lost = chance(l.key, purposeLoss, num, p); ft.lost {
			n.struck.loss++
		}
	}
	if p := n.cfg.Duplicate; p > 0 {
		n.due.duplicate++
		if ft.duplicate = chance(l.key, purposeDuplicate, num, p); ft.duplicate {
			n.struck.duplicate++
		}
	}
	if p := n.cfg.Reorder; p > 0 {
		n.due.reorder++
		if ft.reorder = chance(l.key, purposeReorder, num, p); ft.reorder {
			n.struck.reorder++
		}
	}
	if n.sick > 0 {
		n.strikeOn(l, num, &ft)
	}
	if n.broken == defectDuplicate && num%16 == 0 {
		ft.duplicate = true
	}
	return ft
}

// strikeOn lets every link fault at either end have its chance at a message.
func (n *network) strikeOn(l *link, num uint64, ft *fate) {
	for _, s := range n.ills[l.from-1].strikes {
		s.onMessage(l, num, ft)
	}
	for _, s := range n.ills[l.to-1].strikes {
		if !s.covers(l.from) {
			s.onMessage(l, num, ft)
		}
	}
}

// launch puts one copy of a message on its way.
func (n *network) launch(l *link, msg any, cause uint64, ft fate, latency, jitter uint64) {
	f := n.take()
	f.link, f.msg, f.num, f.cause = l, msg, l.sent, cause
	f.due = n.time.now() + l.base + ft.extra +
		draw(n.cfg.Latency, l.key, latency, f.num) + draw(n.cfg.Jitter, l.key, jitter, f.num)
	if !ft.reorder && !(n.broken == defectFIFO && n.healed) {
		l.push(f)
		return
	}
	// A reordered message strays by up to its own latency and a millisecond,
	// so that it can land behind several of its successors; landing before
	// its predecessors comes by their latency being longer.
	f.due += stray(l.key, f.num, f.due-n.time.now()+time.Millisecond)
	l.loose++
	n.tell(trace.MessageReordered, l, f.num, cause)
	n.time.arrive(f.due, l.to, cause, f)
}

// land hands a message over. The lock is held before and after, but not while
// the node takes the message.
func (n *network) land(l *link, f *flight, drop bool) {
	if drop && n.broken != defectKeepInFlight {
		n.cut++
		n.tell(trace.MessageCut, l, f.num, f.cause)
		return
	}
	n.unlock()
	ok := n.deliver(l.from, l.to, f.msg)
	n.lock()
	if ok {
		n.delivered++
		n.tell(trace.MessageDelivered, l, f.num, f.cause)
	} else {
		n.lost++
		n.tell(trace.MessageLost, l, f.num, f.cause)
	}
}

// tell reports a message's event if anybody wants its kind.
func (n *network) tell(k trace.Kind, l *link, num, cause uint64) {
	if n.wants.Has(k) {
		n.ev = trace.Event{Kind: k, Node: l.from, Peer: l.to, Seq: num, Cause: cause}
		n.emit(&n.ev)
	}
}

func (n *network) take() *flight {
	f := n.pool
	if f == nil {
		return new(flight)
	}
	n.pool, f.next = f.next, nil
	return f
}

func (n *network) free(f *flight) {
	f.link, f.msg = nil, nil
	f.next, n.pool = n.pool, f
}

// clogged reports whether messages between two nodes wait.
func (n *network) clogged(a, b uint32) bool {
	return n.sick > 0 && (n.ills[a-1].clogs > 0 || n.ills[b-1].clogs > 0)
}
