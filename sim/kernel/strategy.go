package kernel

import "time"

// Strategy chooses the order of steps. The kernel tells it of every step that
// becomes enabled or ceases to be, so that no choice scans the enabled set.
// One goroutine at a time calls it.
type Strategy interface {
	// Reset forgets everything, for a new run with this seed.
	Reset(seed uint64)
	// Add says that a step has become enabled.
	Add(Step)
	// Remove says that an enabled step is enabled no longer, untaken.
	Remove(ref uint32)
	// Pick chooses one of the enabled steps, of which there is at least one,
	// and forgets it.
	Pick() (ref uint32)
	// Hold says for how long to keep back an Arrival or a Timer that has come
	// due, from 0 to HoldMax. The kernel asks once per event, with Ref and
	// Order still 0.
	Hold(Step) time.Duration
	// HoldMax is the stated bound on holding: it is constant during a run.
	HoldMax() time.Duration
}

// DefaultOrder takes steps in the order in which they became enabled, and
// holds nothing. Every operation costs O(1). The zero value is ready.
type DefaultOrder struct {
	links []link // by Ref+1; links[0] is the ring's anchor
}

// link chains enabled steps in a ring, by Ref+1.
type link struct{ prev, next uint32 }

// NewDefaultOrder makes a DefaultOrder.
func NewDefaultOrder() *DefaultOrder { return &DefaultOrder{} }

// Reset implements [Strategy]. The order does not depend on the seed.
func (d *DefaultOrder) Reset(uint64) {
	if len(d.links) > 0 {
		d.links[0] = link{} // Add overwrites the others
	}
}

// Add implements [Strategy].
func (d *DefaultOrder) Add(s Step) {
	i := s.Ref + 1
	for uint32(len(d.links)) <= i {
		d.links = append(d.links, link{})
	}
	last := d.links[0].prev
	d.links[i] = link{prev: last}
	d.links[last].next = i
	d.links[0].prev = i
}

// Remove implements [Strategy].
func (d *DefaultOrder) Remove(ref uint32) {
	l := d.links[ref+1]
	d.links[l.prev].next = l.next
	d.links[l.next].prev = l.prev
}

// Pick implements [Strategy].
func (d *DefaultOrder) Pick() uint32 {
	ref := d.links[0].next - 1
	d.Remove(ref)
	return ref
}

// Hold implements [Strategy]: it never holds.
func (d *DefaultOrder) Hold(Step) time.Duration { return 0 }

// HoldMax implements [Strategy].
func (d *DefaultOrder) HoldMax() time.Duration { return 0 }

// RandomWalk takes each time one of the enabled steps, all equally likely, by
// a seeded stream. Every operation costs O(1). The zero value never holds.
type RandomWalk struct {
	hold  time.Duration
	picks Stream
	holds Stream
	refs  []uint32 // the enabled steps
	at    []uint32 // by Ref: where it stands in refs
}

// holdShare is the probability that a RandomWalk with a bound holds an event.
// Half of the events stay on time, so that both on-time and late ones meet.
const holdShare = 0.5

// NewRandomWalk makes a RandomWalk that holds half of the arrivals and timers
// for a time drawn uniformly from 0 to hold. Below 0 counts as 0.
func NewRandomWalk(hold time.Duration) *RandomWalk {
	return &RandomWalk{hold: max(hold, 0)}
}

// Reset implements [Strategy].
func (r *RandomWalk) Reset(seed uint64) {
	r.picks = NewStream(seed, "kernel.walk.pick", 0, 0)
	r.holds = NewStream(seed, "kernel.walk.hold", 0, 0)
	r.refs = r.refs[:0]
}

// Add implements [Strategy].
func (r *RandomWalk) Add(s Step) {
	for uint32(len(r.at)) <= s.Ref {
		r.at = append(r.at, 0)
	}
	r.at[s.Ref] = uint32(len(r.refs))
	r.refs = append(r.refs, s.Ref)
}

// Remove implements [Strategy].
func (r *RandomWalk) Remove(ref uint32) {
	i, last := r.at[ref], len(r.refs)-1
	r.refs[i] = r.refs[last]
	r.at[r.refs[i]] = i
	r.refs = r.refs[:last]
}

// Pick implements [Strategy].
func (r *RandomWalk) Pick() uint32 {
	ref := r.refs[r.picks.Next().Below(uint64(len(r.refs)))]
	r.Remove(ref)
	return ref
}

// Hold implements [Strategy]. The draw is keyed by the event's causal id, so
// that an event more or less elsewhere does not change it.
func (r *RandomWalk) Hold(s Step) time.Duration {
	if r.hold == 0 {
		return 0
	}
	d := r.holds.At(s.Cause)
	if !d.Hit(holdShare) {
		return 0
	}
	return time.Duration(d.Again().Below(uint64(r.hold) + 1))
}

// HoldMax implements [Strategy].
func (r *RandomWalk) HoldMax() time.Duration { return r.hold }
