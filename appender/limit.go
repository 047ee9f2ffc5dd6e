package appender

import (
	"context"
	"time"
)

// LimitOptions shape a [Limit].
type LimitOptions struct {
	// Rate is how many records a second pass in the long run. It must be above
	// 0.
	Rate float64
	// Burst is how many pass at once after a silence. Below 1 it is 1.
	Burst int
	// Always, if set, lets every record pass of which it is true; it takes what
	// there is of the others' allowance.
	Always func(Record) bool
}

// Limit passes on records at a bounded rate, by a token bucket (Turner, "New
// Directions in Communications", IEEE Communications 1986) in its virtual
// scheduling form (GCRA, ITU-T I.371): one time is all its state. What exceeds
// the rate is acknowledged and left out, and counted: whoever floods a log is not
// to learn of it by errors, and the log keeps the flood's first lines. A record
// that was let through and not stored gives back what it took, so that it is let
// through when it is tried again. It reads the clock once a call.
type Limit struct {
	dropping
	clock  Clock
	always func(Record) bool
	each   time.Duration // between records at the rate
	burst  time.Duration // how far the bucket may be ahead

	next time.Duration // when the next record conforms
	now  time.Duration // of the call in hand
}

var (
	_ BatchAppender = (*Limit)(nil)
	_ Flusher       = (*Limit)(nil)
	_ Statser       = (*Limit)(nil)
)

// NewLimit limits what goes to inner, by env's clock.
func NewLimit(inner Appender, env Env, o LimitOptions) *Limit {
	if !(o.Rate > 0) {
		panic("appender: a limit's rate must be above 0")
	}
	each := time.Duration(max(float64(time.Second)/o.Rate, 1))
	if float64(time.Second)/o.Rate > float64(1<<62) {
		each = 1 << 62
	}
	l := &Limit{dropping: dropping{wrapped: wrapped{inner: inner}}, clock: env.Clock, always: o.Always, each: each}
	burst := float64(max(o.Burst, 1)-1) * float64(each)
	l.burst = time.Duration(min(burst, 1<<61))
	l.next = -1 << 62 // full
	return l
}

// keep takes a token, if there is one.
func (l *Limit) keep(rec Record) bool { return l.conforms(&rec) }

func (l *Limit) conforms(rec *Record) bool {
	next := max(l.next, l.now)
	pass := next-l.now <= l.burst
	switch {
	case pass:
		l.next = next + min(l.each, 1<<62-max(next, 0))
	case l.always != nil && l.always(*rec):
		pass = true
	}
	return pass
}

// Append stores rec, or counts it as beyond the limit.
func (l *Limit) Append(ctx context.Context, rec Record) error {
	before := l.next
	l.now = max(l.now, l.clock.Now())
	if !l.conforms(&rec) {
		return l.left(ctx)
	}
	err := l.answeredOne(l.inner.Append(ctx, rec))
	if err != nil {
		l.next = before
	}
	return err
}

// AppendBatch stores of recs what the limit lets pass, in one call of the
// appender inside.
func (l *Limit) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	before := l.next
	l.now = max(l.now, l.clock.Now())
	n, err := l.batch(ctx, recs, l.keep)
	if n < len(recs) {
		// As if it had been asked about those alone that are answered for.
		l.next = before
		for i := range recs[:n] {
			l.keep(recs[i])
		}
	}
	return n, err
}

// Limited counts the records that were beyond the limit.
func (l *Limit) Limited() uint64 { return l.dropped.Load() }
