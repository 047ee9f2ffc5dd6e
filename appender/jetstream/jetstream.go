package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"meshsim/appender"
)

// Errors to be found with [errors.Is]. Beside them, [appender.ErrClosed] and
// [appender.ErrUnknownOutcome] mean what they mean everywhere.
var (
	// ErrFenced: a newer opening of the same node has taken its stream over.
	// Nothing that this one sends is stored any more.
	ErrFenced = errors.New("jetstream: fenced by another opening")
	// ErrNotConnected: no server is connected; nothing was sent.
	ErrNotConnected = errors.New("jetstream: not connected")
	// ErrTooLarge: the record is larger than the server takes (max_payload, 1
	// MiB unless it is configured otherwise; 64 KiB for the node's name).
	ErrTooLarge = errors.New("jetstream: record too large")
	// ErrNoChain: nothing was ever opened for the node.
	ErrNoChain = errors.New("jetstream: no such chain")
)

// ConfigError is a stream that exists with other properties than were asked
// for. Open with those it has, or set [Options.Update].
type ConfigError struct {
	Stream string
	Field  string // "MaxRecords", "Replicas", ...
	Have   string
	Want   string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("jetstream: stream %s has %s %s, not %s: ask for what it has, or set Update to change it", e.Stream, e.Field, e.Have, e.Want)
}

// Appender appends the records of one node to its stream. Append, AppendBatch
// and Flush work one call at a time (calls beyond wait for their turn); the
// other methods may be called at any time from any goroutine.
//
// It waits on the network, in real time: not through the Clock of its Env, so
// in a simulation it stops the whole simulator while it waits, for at most
// Options.Timeout a call.
type Appender struct {
	o       Options
	names   names
	link    *link
	stream  jetstream.Stream
	claimed claim
	life    context.Context // ends with Close
	end     context.CancelFunc
	close   func() error

	busy chan struct{} // holds an element while a call is under way; guards:
	pipe *pipe
	// timer is for the call under way. A context for each call would cost more
	// than all the rest of it.
	timer   *time.Timer
	last    uint64                // the stream's last sequence, unless unsure
	ordinal uint64                // of the last record stored
	unsure  bool                  // last is not certain, nor is what became of doubt
	window  int                   // records on their way at most, now
	recent  map[identity]struct{} // found in the stream, may be appended again
	fates   []fate                // of the burst under way
	header  nats.Header           // of the record being sent: id, fields and expect
	id      []string
	fields  []string
	expect  []string
	text    []byte
	body    []byte

	mu    sync.Mutex
	doubt []identity // sent, fate not known

	fenced    atomic.Bool
	accepted  atomic.Uint64
	failed    atomic.Uint64
	retried   atomic.Uint64
	published atomic.Uint64 // records ever stored, by all openings
	opened    opened
}

// opened is what the chain was when the appender was opened.
type opened struct{ published, retained uint64 }

var (
	_ appender.Appender      = (*Appender)(nil)
	_ appender.BatchAppender = (*Appender)(nil)
	_ appender.Flusher       = (*Appender)(nil)
	_ appender.Replayer      = (*Appender)(nil)
	_ appender.Statser       = (*Appender)(nil)
	_ appender.Positioner    = (*Appender)(nil)
	_ io.Closer              = (*Appender)(nil)
)

// Open connects, creates or verifies the stream of env.Node, and takes it over:
// whatever an earlier opening still sends is refused by the servers from then
// on. An opening under a lower incarnation or epoch than the stream has seen
// fails with [ErrFenced]; the same incarnation and epoch takes over.
//
// It costs some six round trips, and returns within o.Timeout.
func Open(ctx context.Context, env appender.Env, o Options) (*Appender, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	n, err := chainNames(o.Prefix, env.Node)
	if err != nil {
		return nil, err
	}
	l, err := dial(ctx, &o)
	if err != nil {
		return nil, err
	}
	a := &Appender{
		o: o, names: n, link: l,
		claimed: claim{Node: escape(env.Node), Incarnation: env.Incarnation, Epoch: env.Epoch, Owner: rand.Text(), InFlight: o.InFlight},
		busy:    make(chan struct{}, 1),
		timer:   time.NewTimer(o.Timeout),
		window:  o.InFlight,
		id:      make([]string, 1), fields: make([]string, 1), expect: make([]string, 1),
	}
	a.header = nats.Header{jetstream.MsgIDHeader: a.id, recordHeader: a.fields, jetstream.ExpectedLastSeqHeader: a.expect}
	a.life, a.end = context.WithCancel(context.Background())
	a.close = sync.OnceValue(a.shutdown)
	if err := a.open(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *Appender) open(ctx context.Context) (err error) {
	// Acknowledgements of one call may come in during the next.
	if a.pipe, err = newPipe(a.link.conn, 2*a.o.InFlight); err != nil {
		return err
	}
	c := &call{ctx: ctx, deadline: time.Now().Add(a.o.Timeout), expired: a.timer.C, closed: a.life.Done()}
	defer a.timer.Stop()
	return a.attempt(c, true, func(ctx context.Context) (err error) {
		if a.stream, err = a.link.ensure(ctx, &a.o, a.names); err != nil {
			return err
		}
		return a.takeOver(ctx, true)
	})
}

// Opener opens appenders with the options, each with a connection of its own
// unless o.Conn is set.
func Opener(o Options) appender.Opener {
	return func(ctx context.Context, env appender.Env) (appender.Appender, error) {
		a, err := Open(ctx, env, o)
		if err != nil {
			return nil, err
		}
		return a, nil
	}
}

// Flush returns at once: what was acknowledged is settled already.
func (a *Appender) Flush(ctx context.Context) error { return ctx.Err() }

// closeTimeout bounds how long Close waits for a call that is under way.
const closeTimeout = time.Second

// Close ends a call that is under way, with [appender.ErrClosed], and closes
// the connection if it is the appender's own. Records stay in the stream. It
// may be called again, and returns within a second or two.
func (a *Appender) Close() error { return a.close() }

func (a *Appender) shutdown() error {
	a.end()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case a.busy <- struct{}{}: // for good
	case <-timer.C:
	}
	if a.pipe != nil {
		a.pipe.close()
	}
	a.link.close()
	return nil
}

// Replay yields the retained records from a cursor on, oldest first, through
// the appender's connection. See [Read].
func (a *Appender) Replay(ctx context.Context, from appender.Cursor, follow bool) iter.Seq2[appender.Record, error] {
	return func(yield func(appender.Record, error) bool) {
		if a.life.Err() != nil {
			yield(appender.Record{}, appender.ErrClosed)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(a.life, cancel)()
		r := reader{link: a.link, stream: a.stream, names: a.names, timeout: a.o.Timeout}
		r.read(ctx, from, follow, yield)
	}
}

// Stats counts since the appender was opened. Accepted and Delivered are the
// records acknowledged, those included that were stored before; Failed are the
// records that an error concerned. What the limit drops later was delivered all
// the same: see [Appender.Dropped].
func (a *Appender) Stats() appender.Stats {
	n := a.accepted.Load()
	return appender.Stats{
		Accepted:  n,
		Delivered: n,
		Failed:    a.failed.Load(),
		Retried:   a.retried.Load(),
	}
}

// Position counts the records of the chain over all openings, those included
// that the limit has dropped. durable is end with Options.SyncAlways, and 0
// without it, because nothing says when the servers sync.
func (a *Appender) Position() (end, durable uint64) {
	end = a.published.Load()
	if a.o.SyncAlways {
		durable = end
	}
	return end, durable
}

// Dropped counts the records that the stream's limit has dropped, over all
// openings: it is what was ever stored less what is retained. It asks no
// server; [Nodes] does.
func (a *Appender) Dropped() uint64 {
	end := a.published.Load()
	retained := a.opened.retained + (end - a.opened.published)
	if !a.o.Unlimited {
		retained = min(retained, uint64(a.o.MaxRecords))
	}
	return end - retained
}

// advance counts records that were stored.
func (a *Appender) advance(n uint64) {
	a.ordinal += n
	a.published.Store(a.ordinal)
}
