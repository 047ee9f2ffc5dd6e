package appender

import (
	"context"
	"io"
	"slices"
	"sync"
)

// BufferingCapacity is how many records a zero [Buffering] holds.
const BufferingCapacity = 16_384

// Buffering holds the newest records in memory, up to its capacity, and drops
// the oldest first. Nil from Append means: held, until that many newer ones
// have come or the process ends.
//
// The zero Buffering is ready and has [BufferingCapacity]. It is safe for
// concurrent use, and must not be copied. At capacity an append allocates
// nothing; until then memory grows with the number of records held.
type Buffering struct {
	mu       sync.Mutex
	ring     Ring[Record]
	accepted uint64
	state    bufferingState
}

// bufferingState says in one comparison whether an append may go ahead.
type bufferingState uint8

const (
	bufferingUnsized bufferingState = iota // the zero value: not used yet
	bufferingOpen
	bufferingClosed
)

var (
	_ Appender      = (*Buffering)(nil)
	_ BatchAppender = (*Buffering)(nil)
	_ Capturer      = (*Buffering)(nil)
	_ Statser       = (*Buffering)(nil)
	_ io.Closer     = (*Buffering)(nil)
)

// NewBuffering returns an empty Buffering that holds at most capacity records.
// A capacity below 1 counts as 1.
func NewBuffering(capacity int) *Buffering {
	b := &Buffering{state: bufferingOpen}
	b.ring.init(capacity)
	return b
}

// Append holds rec, in place of the oldest record if the buffer is full. It
// returns ctx's error if ctx has ended before the call, and [ErrClosed] in an
// [AppendError] after Close; then nothing is held or counted. It never waits
// but for the lock.
func (b *Buffering) Append(ctx context.Context, rec Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	if b.state != bufferingOpen && !b.ready() {
		b.mu.Unlock()
		return &AppendError{Sink: "buffering", Node: rec.Node, Seq: rec.Seq, Err: ErrClosed}
	}
	*b.ring.claim() = rec
	b.accepted++
	b.mu.Unlock()
	return nil
}

// AppendBatch holds all of recs, as Append would one by one, under one lock; or
// none of them, with Append's error. Those that recs itself pushes out again
// are counted as accepted and dropped.
func (b *Buffering) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if len(recs) == 0 {
		return 0, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != bufferingOpen && !b.ready() {
		return 0, &AppendError{Sink: "buffering", Node: recs[0].Node, Seq: recs[0].Seq, Err: ErrClosed}
	}
	for i := range recs {
		*b.ring.claim() = recs[i]
	}
	b.accepted += uint64(len(recs))
	return len(recs), nil
}

// ready gives a zero Buffering its capacity; it is false after Close. The
// caller holds mu.
func (b *Buffering) ready() bool {
	if b.state == bufferingUnsized {
		b.ring.init(BufferingCapacity)
		b.state = bufferingOpen
	}
	return b.state == bufferingOpen
}

// Captured returns a copy of what is held, oldest first: one consistent cut.
// Later appends never change it, and changing it never reaches the buffer. It
// goes on working after Close.
func (b *Buffering) Captured() []Record { return b.CapturedInto(nil) }

// CapturedInto is Captured appended to dst. Where dst has room for everything
// held it allocates nothing. Appends wait for the copy, never for the
// allocator: dst is grown outside of the lock.
func (b *Buffering) CapturedInto(dst []Record) []Record {
	for {
		b.mu.Lock()
		held, capacity := b.ring.Len(), b.ring.Cap()
		if held <= cap(dst)-len(dst) {
			dst = b.ring.AppendTo(dst)
			b.mu.Unlock()
			return dst
		}
		b.mu.Unlock()
		// More may be held by the next look, hence some slack: a quarter, so
		// that a busy writer costs a few rounds at most. The capacity always
		// suffices.
		dst = slices.Grow(dst, min(capacity, held+held/4))
	}
}

// Dropped counts the records dropped to make room. It only ever grows.
func (b *Buffering) Dropped() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ring.Dropped()
}

// Stats counts since the Buffering was made: Accepted = Dropped + Depth at any
// time. Delivered stays 0, because memory is not for good.
func (b *Buffering) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Stats{Accepted: b.accepted, Dropped: b.ring.Dropped(), Depth: b.ring.Len()}
}

// Close makes every later append fail with [ErrClosed]. What is held stays
// readable. It always returns nil and may be called again.
func (b *Buffering) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state = bufferingClosed
	return nil
}
