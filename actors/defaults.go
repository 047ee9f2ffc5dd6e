package actors

import (
	"cmp"
	"time"

	"meshsim/loop"
	"meshsim/sim/trace"
)

// The defaults of [Host], [Restarts] and [NodeOptions].
const (
	DefaultInbox      = 1024
	DefaultBatch      = 128
	DefaultAttempts   = 3
	DefaultAbandoned  = 4
	DefaultDeadline   = time.Second
	DefaultGrace      = 250 * time.Millisecond
	DefaultBackoff    = 50 * time.Millisecond
	DefaultMaxBackoff = 5 * time.Second
	DefaultProbe      = time.Second
	DefaultRestarts   = 10
	DefaultWindow     = time.Minute
	DefaultLoopInbox  = 4096
)

// maxActions bounds the actions of a node that were handed to its executor and
// whose outcomes its loop has not folded yet. An action beyond it is answered
// with [ErrBusy].
const maxActions = 1024

func (h Host) withDefaults() Host {
	if h.Open == nil {
		h.Open = openNoOp
	}
	h.Inbox = positive(h.Inbox, DefaultInbox)
	h.Batch = positive(h.Batch, DefaultBatch)
	h.Attempts = positive(h.Attempts, DefaultAttempts)
	h.Abandoned = max(positive(h.Abandoned, DefaultAbandoned), 2)
	h.Deadline = positive(h.Deadline, DefaultDeadline)
	h.Grace = positive(h.Grace, DefaultGrace)
	h.Backoff = positive(h.Backoff, DefaultBackoff)
	h.MaxBackoff = max(positive(h.MaxBackoff, DefaultMaxBackoff), h.Backoff)
	h.Probe = positive(h.Probe, DefaultProbe)
	return h
}

func (r Restarts) withDefaults() Restarts {
	r.Max = positive(r.Max, DefaultRestarts)
	r.Window = positive(r.Window, DefaultWindow)
	r.Backoff = positive(r.Backoff, DefaultBackoff)
	r.MaxBackoff = max(positive(r.MaxBackoff, DefaultMaxBackoff), r.Backoff)
	return r
}

func (o NodeOptions) withDefaults(now time.Duration) NodeOptions {
	o.Incarnation = cmp.Or(o.Incarnation, 1)
	o.Host = o.Host.withDefaults()
	o.Restarts = o.Restarts.withDefaults()
	o.Inbox = positive(o.Inbox, DefaultLoopInbox)
	o.Loop.Node = cmp.Or(o.Loop.Node, o.Name)
	o.Loop.ID = cmp.Or(o.Loop.ID, o.ID)
	o.Loop.Incarnation = cmp.Or(o.Loop.Incarnation, o.Incarnation)
	o.Loop.Start = cmp.Or(o.Loop.Start, now)
	o.Loop.Ring = positive(o.Loop.Ring, loop.DefaultRing)
	if o.Observe == nil {
		o.Wants = 0
	}
	return o
}

// positive is v, or def where v is not positive: a count or duration of
// nothing makes no sense in any of these places.
func positive[T ~int | ~int64](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// limits is what checkers hold the node to.
func (o *NodeOptions) limits() *trace.Limits {
	h, r := &o.Host, &o.Restarts
	return &trace.Limits{
		Inbox: h.Inbox, LoopInbox: o.Inbox, Ring: o.Loop.Ring, Batch: h.Batch,
		Attempts: h.Attempts, Abandoned: h.Abandoned,
		Backoff: h.Backoff, MaxBackoff: h.MaxBackoff,
		Deadline: h.Deadline, Grace: h.Grace, Probe: h.Probe,
		Restarts: r.Max, RestartWindow: r.Window,
		RestartBackoff: r.Backoff, RestartMaxBackoff: r.MaxBackoff,
	}
}

// mix spreads two words over one: the finalizer of splitmix64 (Steele, Lea and
// Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
func mix(a, b uint64) uint64 {
	z := a + (b+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// What a node's seed is mixed with, so that no two uses share a draw.
const (
	seedEpochs = iota + 1
	seedRetries
	seedRestarts
	seedProbes
	seedActors
)

// backoff is the delay after the n-th failure, n >= 1: base doubles with every
// failure up to limit, and the draw takes off up to a half of it, so that nodes
// that failed together do not come back together ("equal jitter"; Brooker,
// "Exponential Backoff and Jitter", 2015).
func backoff(n uint32, base, limit time.Duration, draw uint64) time.Duration {
	d := base
	for i := uint32(1); i < n && d < limit; i++ {
		d *= 2
	}
	if broken != mutantBackoffWithoutCap {
		d = min(d, limit)
	} else if n > 1 {
		d = base << min(n-1, 30)
	}
	return d - time.Duration(draw%uint64(d/2+1))
}
