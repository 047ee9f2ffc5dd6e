package props

import "time"

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
