package props

import "time"

// deadlines orders wake-ups by time, then by insertion: a binary heap, so that
// a wake-up costs O(log n) however many nodes wait and nothing scans them. An
// entry is never removed early: who armed it checks, when it comes up, whether
// it still stands.
type deadlines[T any] struct {
	heap []wakeup[T]
	n    uint64
}

type wakeup[T any] struct {
	at  time.Duration
	n   uint64
	who T
}

func (w *wakeup[T]) before(o *wakeup[T]) bool {
	return w.at < o.at || w.at == o.at && w.n < o.n
}

func (d *deadlines[T]) next() (time.Duration, bool) {
	if len(d.heap) == 0 {
		return 0, false
	}
	return d.heap[0].at, true
}

func (d *deadlines[T]) push(at time.Duration, who T) {
	d.n++
	d.heap = append(d.heap, wakeup[T]{at, d.n, who})
	h, i := d.heap, len(d.heap)-1
	for i > 0 {
		up := (i - 1) / 2
		if !h[i].before(&h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

// pop removes the earliest entry if its time has come.
func (d *deadlines[T]) pop(now time.Duration) (at time.Duration, who T, ok bool) {
	if len(d.heap) == 0 || d.heap[0].at > now {
		return 0, who, false
	}
	top := d.heap[0]
	last := len(d.heap) - 1
	d.heap[0] = d.heap[last]
	d.heap[last] = wakeup[T]{}
	d.heap = d.heap[:last]
	h, i := d.heap, 0
	for {
		least := i
		for k := 2*i + 1; k <= 2*i+2 && k < len(h); k++ {
			if h[k].before(&h[least]) {
				least = k
			}
		}
		if least == i {
			return top.at, top.who, true
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// nodeTime is time as a node lives it: it stands still while the node is
// frozen, whether paused or, for some checkers, while one of its actors waits
// to be restarted.
type nodeTime struct {
	frozen int // how many reasons there are
	since  time.Duration
	total  time.Duration // frozen before since
}

func (n *nodeTime) freeze(now time.Duration) {
	if n.frozen == 0 {
		n.since = now
	}
	n.frozen++
}

// thaw takes one reason away and returns when the node had frozen; ok is false
// while another reason is left.
func (n *nodeTime) thaw(now time.Duration) (since time.Duration, ok bool) {
	if n.frozen == 0 {
		return 0, false
	}
	if n.frozen--; n.frozen > 0 {
		return 0, false
	}
	n.total += now - n.since
	return n.since, true
}

// at is the node's time at now.
func (n *nodeTime) at(now time.Duration) time.Duration {
	if n.frozen > 0 {
		return n.since - n.total
	}
	return now - n.total
}

// when is the time at which the node's time will be t, if it does not freeze.
func (n *nodeTime) when(t time.Duration) time.Duration { return t + n.total }
