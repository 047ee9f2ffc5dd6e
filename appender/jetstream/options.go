package jetstream

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What Options stand for where they say nothing.
const (
	DefaultURL          = nats.DefaultURL // nats://127.0.0.1:4222
	DefaultPrefix       = "log"
	DefaultInFlight     = 128
	DefaultTimeout      = 5 * time.Second
	DefaultDedupeWindow = 2 * time.Minute
	// MaxInFlight is bounded by how many messages one atomic batch may have, by
	// which a stream is taken over.
	MaxInFlight = 512
)

// Options say where the servers are and what the streams promise.
//
// An acknowledgement means that the stream's servers (a quorum of Replicas)
// have taken the record, not that it is on their disks: by default a NATS
// server syncs its files every two minutes (sync_interval), so what is
// acknowledged survives the death of every server process, and the power
// failure of a minority, but not a power failure of all replicas within that
// time. A server configured with
//
//	jetstream { sync_interval: always }
//
// syncs before it acknowledges, for each message, at sixty times the cost and
// more.
// The client cannot see which one it talks to: say it in SyncAlways.
type Options struct {
	// URL of a server, or several separated by commas; empty means DefaultURL.
	// nats:// and tls://; user and password may stand in it.
	URL string
	// Conn is used in place of URL and everything about connecting below. It
	// must have been made with nats.ReconnectBufSize(-1): with a reconnect
	// buffer, a publish that was reported as failed would be stored later. It
	// stays open when the appender is closed.
	Conn *nats.Conn

	Creds    string // file of user credentials (JWT and seed)
	NKey     string // file of an NKey seed
	User     string
	Password string
	Token    string
	CA       string // PEM file of the authorities that servers are checked against
	Cert     string // PEM file of the client's certificate; with Key
	Key      string

	// Prefix is the first part of subjects and stream names; empty means
	// DefaultPrefix. It may have several tokens ("prod.log").
	Prefix string
	// MaxRecords is how many of a node's records its stream keeps: the newest
	// ones. Below 1 it counts as 1, unless Unlimited is set.
	MaxRecords int
	// Unlimited keeps every record; MaxRecords is ignored.
	Unlimited bool
	// Update changes a stream that exists with other properties; a smaller
	// limit drops its oldest records at once. Without it, Open fails with a
	// [ConfigError].
	Update bool
	// Replicas is how many servers keep each stream, 1 to 5; 0 means 1.
	Replicas int
	// Memory keeps the streams in the servers' memory instead of files.
	Memory bool
	// DedupeWindow is for how long the servers recognise a record that is
	// appended again; 0 means DefaultDedupeWindow, the least is 100 ms.
	DedupeWindow time.Duration
	// SyncAlways states that the servers run with sync_interval: always. It
	// changes nothing but what [Appender.Position] calls durable.
	SyncAlways bool

	// InFlight bounds the records of a batch that are sent and not yet
	// acknowledged, 1 to MaxInFlight; 0 means DefaultInFlight.
	InFlight int
	// Timeout bounds every call in real time, whatever its context allows; 0
	// means DefaultTimeout.
	Timeout time.Duration

	tweak func(*jetstream.StreamConfig) // for tests: what a wrong stream would do
}

// complete fills in what Options leave out, and refuses what makes no sense.
func (o *Options) complete() error {
	o.URL = orElse(o.URL, DefaultURL)
	o.Prefix = orElse(o.Prefix, DefaultPrefix)
	o.MaxRecords = max(o.MaxRecords, 1)
	o.Replicas = orElse(o.Replicas, 1)
	o.DedupeWindow = orElse(o.DedupeWindow, DefaultDedupeWindow)
	o.InFlight = orElse(o.InFlight, DefaultInFlight)
	o.Timeout = orElse(o.Timeout, DefaultTimeout)
	switch {
	case o.Replicas < 1 || o.Replicas > 5:
		return fmt.Errorf("jetstream: %d replicas: want 1 to 5", o.Replicas)
	case o.DedupeWindow < dedupeWindowMin:
		return fmt.Errorf("jetstream: dedupe window %v: want at least %v", o.DedupeWindow, dedupeWindowMin)
	case o.InFlight < 1 || o.InFlight > MaxInFlight:
		return fmt.Errorf("jetstream: %d in flight: want 1 to %d", o.InFlight, MaxInFlight)
	case o.Timeout < 0:
		return fmt.Errorf("jetstream: timeout %v", o.Timeout)
	case (o.Cert == "") != (o.Key == ""):
		return fmt.Errorf("jetstream: a client certificate needs both Cert and Key")
	}
	return validPrefix(o.Prefix)
}

// dedupeWindowMin is the least that a server takes.
const dedupeWindowMin = 100 * time.Millisecond

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
