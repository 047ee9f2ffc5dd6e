package sim

import (
	"math"
	"time"
)

// class says which part of the world a fault's kind acts on.
type class uint8

const (
	classNone   class = iota
	classNode         // crash, pause, slow, skew, jump
	classLink         // loss, duplicate, reorder, latency, clog
	classMesh         // partition
	classAppend       // the appender's calls
	classOpen         // the appender's openings
	classDisk         // the appender's disk
)

// The kinds of faults, as a scenario names them.
const (
	kindCrash     = "crash"
	kindPause     = "pause"
	kindSlow      = "slow"
	kindSkew      = "skew"
	kindJump      = "jump"
	kindClog      = "clog"
	kindPartition = "partition"
	kindLoss      = "loss"
	kindDuplicate = "duplicate"
	kindReorder   = "reorder"
	kindLatency   = "latency"

	kindAppendError   = "append-error"
	kindAppendLatency = "append-latency"
	kindAppendHang    = "append-hang"
	kindAppendDeaf    = "append-deaf"
	kindAppendPanic   = "append-panic"
	kindAppliedError  = "applied-then-error"
	kindOpenError     = "open-error"
	kindOpenHang      = "open-hang"
	kindOpenDeaf      = "open-deaf"
	kindOpenPanic     = "open-panic"

	kindDiskFull      = "disk-full"
	kindDiskError     = "disk-error"
	kindDiskShort     = "disk-short"
	kindDiskSyncError = "disk-sync-error"
	kindDiskSlow      = "disk-slow"
	kindDiskFlip      = "disk-flip"
)

func classOf(kind string) class {
	switch kind {
	case kindCrash, kindPause, kindSlow, kindSkew, kindJump:
		return classNode
	case kindClog, kindLoss, kindDuplicate, kindReorder, kindLatency:
		return classLink
	case kindPartition:
		return classMesh
	case kindAppendError, kindAppendLatency, kindAppendHang, kindAppendDeaf, kindAppendPanic, kindAppliedError:
		return classAppend
	case kindOpenError, kindOpenHang, kindOpenDeaf, kindOpenPanic:
		return classOpen
	case kindDiskFull, kindDiskError, kindDiskShort, kindDiskSyncError, kindDiskSlow, kindDiskFlip:
		return classDisk
	}
	return classNone
}

// promise is one entry of the timetable or of the chaos list, and what came of
// it: the run that promised a fault which never struck has shown nothing.
type promise struct {
	label    string
	kind     string
	scripted bool // promised outright, not by probability
	// expected is the sum of the probabilities of every occasion that the
	// fault had: the mean of fired.
	expected float64
	fired    uint64
	skipped  bool // cannot be had live
}

// expectedMin is how many strikes a probabilistic fault must have had in the
// mean for its absence to be suspicious: a Poisson count of mean 20 is zero
// once in 5e8 runs, so a healthy sweep is not inconclusive by bad luck.
const expectedMin = 20

// kept reports whether the promise was kept, as far as it was one.
func (p *promise) kept() bool {
	return p.fired > 0 || !p.scripted && p.expected < expectedMin
}

// strike is one application of a fault, from its beginning to its heal.
// Strikes of one kind on one node nest: each ends its own part only.
type strike struct {
	fault   Fault
	class   class
	promise *promise
	nodes   []uint32
	members []uint64   // nodes as a set
	key     uint64     // of its random draws
	groups  [][]uint32 // a partition's sides
	cuts    []cut
	removes []func() bool // of an appender fault, by the index of its node
	undos   []func()      // of a disk's, the same
	active  bool
}

// newStrike makes a strike over nodes. prob 0 means 1.
func newStrike(f Fault, p *promise, nodes []uint32, meshSize int, key uint64) *strike {
	if f.Prob == 0 {
		f.Prob = 1
	}
	s := &strike{fault: f, class: classOf(f.Kind), promise: p, nodes: nodes, key: key}
	s.members = make([]uint64, meshSize/64+1)
	for _, n := range nodes {
		s.members[n/64] |= 1 << (n % 64)
	}
	return s
}

func (s *strike) covers(node uint32) bool { return s.members[node/64]>>(node%64)&1 != 0 }

// onMessage is a link fault's chance at one message.
func (s *strike) onMessage(l *link, num uint64, ft *fate) {
	f := &s.fault
	if f.Kind == kindClog {
		return
	}
	if !s.roll(l.key, num) {
		return
	}
	switch f.Kind {
	case kindLoss:
		ft.lost = true
	case kindDuplicate:
		ft.duplicate = true
	case kindReorder:
		ft.reorder = true
	case kindLatency:
		ft.extra += f.By
	}
	s.promise.fired++
}

// roll draws whether the fault strikes the occasion (key, num), and counts
// what was to be expected.
func (s *strike) roll(key, num uint64) bool {
	s.promise.expected += s.fault.Prob
	return s.fault.Prob >= 1 || chance(s.key^key, purposeStrike, num, s.fault.Prob)
}

// wallclock is a node's civil time as a function of the monotonic one. Rate
// and offset change when a skew or a jump begins or ends; what has drifted
// meanwhile stays, as with a real clock.
type wallclock struct {
	base  int64         // civil time at since, in ns since the Unix epoch
	since time.Duration // monotonic
	rates []float64     // active skews; their product is the rate
}

func (c *wallclock) reset(epoch time.Time) {
	*c = wallclock{base: epoch.UnixNano(), rates: c.rates[:0]}
}

// at is the civil time at mono.
func (c *wallclock) at(mono time.Duration) time.Time { return time.Unix(0, c.ns(mono)).UTC() }

func (c *wallclock) ns(mono time.Duration) int64 {
	d := mono - c.since
	if len(c.rates) > 0 {
		d = time.Duration(math.Round(float64(d) * c.rate()))
	}
	return c.base + int64(d)
}

func (c *wallclock) rate() float64 {
	r := 1.0
	for _, x := range c.rates {
		r *= x
	}
	return r
}

// rebase starts a new piece at mono, so that a change does not reach back.
func (c *wallclock) rebase(mono time.Duration) {
	c.base, c.since = c.ns(mono), mono
}

func (c *wallclock) skew(mono time.Duration, factor float64) {
	c.rebase(mono)
	c.rates = append(c.rates, factor)
}

func (c *wallclock) unskew(mono time.Duration, factor float64) {
	c.rebase(mono)
	c.rates = without(c.rates, factor)
}

func (c *wallclock) jump(mono time.Duration, by time.Duration) {
	c.rebase(mono)
	c.base += int64(by)
}

// without removes one x from xs, keeping the order.
func without[T comparable](xs []T, x T) []T {
	for i := range xs {
		if xs[i] == x {
			return append(xs[:i], xs[i+1:]...)
		}
	}
	return xs
}
