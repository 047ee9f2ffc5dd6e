package jetstream

import (
	"context"
	"errors"
	"io"
	"iter"

	"meshsim/appender"
)

// Errors to be found with [errors.Is]. Beside them, [appender.ErrClosed] and
// [appender.ErrUnknownOutcome] mean what they mean everywhere.
var (
	// ErrFenced: a newer opening of the same node has taken its stream over.
	// Nothing that this one sends is stored any more.
	ErrFenced = errors.New("jetstream: fenced by a newer opening")
	// ErrNotConnected: no server is connected; nothing was sent.
	ErrNotConnected = errors.New("jetstream: not connected")
	// ErrTooLarge: the record is larger than the server takes (max_payload).
	ErrTooLarge = errors.New("jetstream: record too large")
)

// ConfigError is a stream that exists with other limits than were asked for.
type ConfigError struct {
	Stream string
	Field  string // "MaxRecords", "Replicas", ...
	Have   string
	Want   string
}

// Appender appends the records of one node to its stream.
type Appender struct{}

var (
	_ appender.Appender      = (*Appender)(nil)
	_ appender.BatchAppender = (*Appender)(nil)
	_ appender.Flusher       = (*Appender)(nil)
	_ appender.Replayer      = (*Appender)(nil)
	_ appender.Statser       = (*Appender)(nil)
	_ appender.Positioner    = (*Appender)(nil)
	_ io.Closer              = (*Appender)(nil)
)

func (e *ConfigError) Error() string {
	return "jetstream: stream " + e.Stream + " has " + e.Field + " " + e.Have + ", not " + e.Want
}

// Open connects, creates or verifies the stream of env.Node, and takes it over.
func Open(ctx context.Context, env appender.Env, o Options) (*Appender, error) {
	return nil, ErrNotConnected
}

// Opener opens appenders with the options.
func Opener(o Options) appender.Opener {
	return func(ctx context.Context, env appender.Env) (appender.Appender, error) {
		a, err := Open(ctx, env, o)
		if err != nil {
			return nil, err
		}
		return a, nil
	}
}

// Append stores one record.
func (a *Appender) Append(ctx context.Context, rec appender.Record) error { return ErrNotConnected }

// AppendBatch stores several, InFlight at a time.
func (a *Appender) AppendBatch(ctx context.Context, recs []appender.Record) (int, error) {
	return 0, ErrNotConnected
}

// Flush has nothing to do: what was acknowledged is settled.
func (a *Appender) Flush(ctx context.Context) error { return ctx.Err() }

// Close ends the appender.
func (a *Appender) Close() error { return nil }

// Replay yields the retained records from a cursor on.
func (a *Appender) Replay(ctx context.Context, from appender.Cursor, follow bool) iter.Seq2[appender.Record, error] {
	return func(func(appender.Record, error) bool) {}
}

// Stats counts since the appender was opened.
func (a *Appender) Stats() appender.Stats { return appender.Stats{} }

// Position counts the records of the node over all openings.
func (a *Appender) Position() (end, durable uint64) { return 0, 0 }

// Dropped counts the records that the stream's limit has dropped, over all
// openings.
func (a *Appender) Dropped() uint64 { return 0 }

// Chain is what the servers hold of one node.
type Chain struct {
	Node        string
	Incarnation uint32 // of its newest opening; a new one must not be lower
	Epoch       uint64 // of its newest opening
	Published   uint64 // records ever stored
	Retained    uint64 // records held now
	Dropped     uint64 // Published - Retained
	Stream      string // the name of its stream
	Subject     string // of its records
}

// Nodes lists the chains under o.Prefix, by node. It creates nothing.
func Nodes(ctx context.Context, o Options) ([]Chain, error) { return nil, ErrNotConnected }

// Read yields the records of a node from a cursor on, beside its appender or
// without one. With follow it goes on until ctx ends.
func Read(ctx context.Context, o Options, node string, from appender.Cursor, follow bool) iter.Seq2[appender.Record, error] {
	return func(func(appender.Record, error) bool) {}
}
