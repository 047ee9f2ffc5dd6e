package meshos

import (
	"slices"
	"time"
)

// Options shape a node's model. The zero value of each field means its default,
// which is upstream's. Where negative says nothing else, it panics.
type Options struct {
	// Self is the node's own id.
	Self uint64
	// Peers are the nodes that this one sends heartbeats to and judges. Order
	// does not matter; Self and repetitions are ignored.
	Peers []uint64
	// Daemons are the daemons of this node and what is wanted of them. All
	// begin stopped. Of entries with the same ID the last counts.
	Daemons []Daemon

	// Heartbeat is the interval of heartbeats, default 500 ms. They are sent
	// at ticks, so that the tick interval bounds their cadence. Negative means
	// that there are none, and then nothing is said about peers' health or
	// round trips; peers' heartbeats are answered all the same.
	Heartbeat time.Duration
	// DegradedAfter and UnreachableAfter are the silences, inclusive, from
	// which on a peer is judged so: default 1.5 s and 5 s.
	DegradedAfter    time.Duration
	UnreachableAfter time.Duration
	// DegradedRTT is the round trip, exclusive, above which a peer is avoided:
	// default 250 ms.
	DegradedRTT time.Duration
	// AvoidTTL is how long a peer stays on the avoid list: default 5 min.
	AvoidTTL time.Duration
	// StopGrace is what a daemon is given to stop: default 30 s.
	StopGrace time.Duration

	Backoff Backoff
}

// Daemon is a program that the node runs, and what is wanted of it.
type Daemon struct {
	ID     uint64
	Intent Intent
}

// Intent is what is wanted of a daemon.
type Intent uint8

// The intents.
const (
	Run Intent = iota
	Stop
)

// String returns run or stop.
func (i Intent) String() string {
	if i == Stop {
		return "stop"
	}
	return "run"
}

// Backoff says when a daemon that crashed may start again. The zero value of
// each field means its default, which is upstream's.
type Backoff struct {
	// Initial is the delay after the first crash, default 500 ms. Each further
	// crash doubles it, up to Max, default 60 s.
	Initial time.Duration
	Max     time.Duration
	// Crashes within Window make a crash loop: default 5 within 60 s, both
	// ends included. The daemon is then held for Cooldown, default 5 min.
	Crashes  int
	Window   time.Duration
	Cooldown time.Duration
	// Stable is the time from one start to the next, default 60 s, from which
	// on the crashes before count no more.
	Stable time.Duration
}

func (o Options) withDefaults() Options {
	o.Peers = slices.Clone(o.Peers)
	slices.Sort(o.Peers)
	o.Peers = slices.Compact(o.Peers)
	o.Peers = slices.DeleteFunc(o.Peers, func(id uint64) bool { return id == o.Self })
	if o.Heartbeat >= 0 {
		orDefault(&o.Heartbeat, 500*time.Millisecond)
	}
	orDefault(&o.DegradedAfter, 1500*time.Millisecond)
	orDefault(&o.UnreachableAfter, 5*time.Second)
	orDefault(&o.DegradedRTT, 250*time.Millisecond)
	orDefault(&o.AvoidTTL, 5*time.Minute)
	orDefault(&o.StopGrace, 30*time.Second)
	o.Backoff = o.Backoff.withDefaults()
	return o
}

func (b Backoff) withDefaults() Backoff {
	orDefault(&b.Initial, 500*time.Millisecond)
	orDefault(&b.Max, 60*time.Second)
	orDefault(&b.Crashes, 5)
	orDefault(&b.Window, 60*time.Second)
	orDefault(&b.Cooldown, 5*time.Minute)
	orDefault(&b.Stable, 60*time.Second)
	return b
}

func orDefault[T ~int | ~int64](v *T, d T) {
	if *v < 0 {
		panic("meshos: negative option")
	}
	if *v == 0 {
		*v = d
	}
}
