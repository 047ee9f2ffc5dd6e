package appender

import (
	"context"
	"io"
	"iter"
	"time"
)

// Level is a record's severity. The zero value is Info, so that a record
// built without a level is an ordinary one.
type Level uint8

// The levels, in no numeric order of severity: compare with [Level.Severity].
const (
	Info Level = iota
	Trace
	Debug
	Warn
	Error
)

// Record is one line of a node's log: 64 bytes, one cache line, passed by
// value so that no appender can alias what its caller still uses. The strings
// are shared, never modified.
//
// (Node, Incarnation, Stream, Seq) identifies a record for ever: a restarted
// node begins again at Seq 1 under a higher Incarnation.
type Record struct {
	// Seq is the record's number within its node, incarnation and stream.
	// The first is 1 and there are no gaps.
	Seq uint64
	// TimeMs is the node's wall clock when the record was made, in
	// milliseconds since the Unix epoch. It may jump and go back.
	TimeMs uint64
	// Daemon is the daemon that the line is about; 0 means none.
	Daemon uint64
	// Node names the node that made the record.
	Node string
	// Message is the text, arbitrary bytes.
	Message string
	// Incarnation counts the node's starts, from 1.
	Incarnation uint32
	Level       Level
	// Stream tells the chains of one node apart; 0 is the log.
	Stream uint8
	Flags  uint8
}

// Appender is the seam that meshsim grew from: a loop calls Append for every
// record, one call at a time, and a failure is reported and never fatal to the
// caller.
//
// nil means stored, as durably as the appender's documentation says. An error
// means not stored, unless [errors.Is] finds [ErrUnknownOutcome] in it: then
// the record may or may not be stored. Append may block; it should return soon
// after ctx ends. All waiting must go through the [Clock] of the [Env] that
// opened the appender: code that blocks otherwise (a bare <-ctx.Done(), a
// time.Sleep) blocks the whole simulator.
type Appender interface {
	Append(ctx context.Context, rec Record) error
}

// BatchAppender is implemented by appenders that store several records in one
// call more cheaply than one by one. As with [io.Writer], n is the number of
// records stored, always a prefix, and n < len(recs) comes with a non-nil err,
// which concerns recs[n]. The records behind recs[n] were not stored, unless
// [errors.Is] finds [ErrUnknownOutcome] in err: then nothing is known about them
// either. The appender must not keep recs.
type BatchAppender interface {
	AppendBatch(ctx context.Context, recs []Record) (n int, err error)
}

// Flusher is implemented by appenders that hold accepted records back. A nil
// error means that every record accepted before the call is settled.
type Flusher interface {
	Flush(ctx context.Context) error
}

// Capturer is implemented by appenders that can show what they hold: one
// consistent cut, oldest first, appended to dst. Later appends never change
// what was returned.
type Capturer interface {
	CapturedInto(dst []Record) []Record
}

// Cursor is a position in a replayed chain: the first record wanted. The zero
// Cursor is the beginning of what is retained.
type Cursor struct {
	Incarnation uint32
	Seq         uint64
}

// Replayer is implemented by durable appenders: it yields the records from a
// cursor on, oldest first; with follow it goes on yielding new ones until ctx
// ends. An error ends the sequence.
type Replayer interface {
	Replay(ctx context.Context, from Cursor, follow bool) iter.Seq2[Record, error]
}

// Stats counts what an appender did since it was opened. All but Depth only
// ever grow.
type Stats struct {
	Accepted  uint64 // records taken in
	Delivered uint64 // records stored for good
	Dropped   uint64 // records taken in, then dropped to make room
	Failed    uint64 // records refused with an error
	Retried   uint64 // attempts beyond the first
	Depth     int    // records held now
}

// Positioner is implemented by durable appenders. Positions count the records
// of a log from its very first, over all its openings and including those that
// retention has dropped meanwhile.
type Positioner interface {
	// Position says that the log holds records up to end, of which those up to
	// durable survive a power failure; durable <= end. It may be called at any
	// time from any goroutine.
	Position() (end, durable uint64)
}

// Statser is implemented by appenders that count what they do. Stats may be
// called at any time from any goroutine.
type Statser interface {
	Stats() Stats
}

// Clock is the seam of time for all code that runs inside a node. In a
// simulation it is virtual and Sleep parks the calling actor; live it is real.
type Clock interface {
	// Now is the monotonic time since the runtime began. It never jumps.
	Now() time.Duration
	// Wall is the node's idea of civil time. It skews and jumps when the
	// simulator says so: take it for display, never for a deadline.
	Wall() time.Time
	// Sleep returns nil after d, or ctx's error as soon as ctx ends. A
	// negative d sleeps until ctx ends, or for ever.
	Sleep(ctx context.Context, d time.Duration) error
	// AfterFunc calls f after d. f must not block. stop reports whether it
	// kept f from being called.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
	// WithTimeout is context.WithTimeout on this clock: a context made by
	// the context package's own WithTimeout would fire on the real clock.
	WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
}

// Env is where an appender is opened.
type Env struct {
	Node        string
	Incarnation uint32
	// Epoch counts the openings within one incarnation, from 1. An appender
	// that hung past its grace is abandoned and a fresh one opened under the
	// next epoch; answers of the old one are ignored from then on, but its
	// effects may still land.
	Epoch uint64
	// Seed is for the appender's own randomness (jitter, sampling): take it,
	// not global randomness, so that a run stays a function of its seed.
	Seed  uint64
	Clock Clock
}

// Opener opens a fresh appender; it is called once per epoch, may block like
// Append, and may fail. What it returns is closed, if it is an [io.Closer],
// when its epoch ends.
type Opener func(ctx context.Context, env Env) (Appender, error)

// Flush flushes a if it can be flushed.
func Flush(ctx context.Context, a Appender) error {
	if f, ok := a.(Flusher); ok {
		return f.Flush(ctx)
	}
	return nil
}

// Close closes a if it can be closed.
func Close(a Appender) error {
	if c, ok := a.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// AppendBatch stores recs through a's batch method, or one by one without it.
// The contract is that of [BatchAppender].
func AppendBatch(ctx context.Context, a Appender, recs []Record) (n int, err error) {
	if b, ok := a.(BatchAppender); ok {
		return b.AppendBatch(ctx, recs)
	}
	for i := range recs {
		if err := a.Append(ctx, recs[i]); err != nil {
			return i, err
		}
	}
	return len(recs), nil
}
