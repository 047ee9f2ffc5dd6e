package appender

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultSlogQueue is how many lines wait in a [SlogHandler] by default.
const DefaultSlogQueue = 1024

// SlogOptions shape a [SlogHandler]. The zero value of each field means its
// default.
type SlogOptions struct {
	// Level is the least that is handled. Default slog.LevelInfo.
	Level slog.Leveler
	// Stream and Daemon are those of the records.
	Stream uint8
	Daemon uint64
	// Queue bounds the lines that wait while the appender is at work; beyond it
	// the oldest are dropped. Default [DefaultSlogQueue].
	Queue int
	// Timeout bounds each call of the appender, by env's Clock. 0: unbounded.
	Timeout time.Duration
}

// slogBatch is how many records a SlogHandler appends in one call.
const slogBatch = 128

// SlogHandler is a [slog.Handler] that appends a record for each line of a
// program's log. Its Message is the line's, and behind it the attributes as
// slog.TextHandler writes them: " key=value", quoted where need be, those of
// groups under dotted names; [ParseSlog] reads it back. Its Level is the one
// below or at the line's: what lies below slog's debug is Trace. Numbers count
// from 1; time is cut to milliseconds.
//
// Loggers call handlers from many goroutines, and appenders take one call at a
// time. So a line goes into a bounded queue, and whoever finds nobody at it
// appends what is queued, and what is queued meanwhile: no lock is held during a
// call of the appender, and a slow one keeps one goroutine waiting, not all of
// them. Handle returns the error of what it appended itself; lines that were left
// to another goroutine return nil at once, and what becomes of them is counted.
// A line that the appender refuses is counted and left: the log goes on. Panics
// of the appender are errors (as by [Guard]). Where the appender does not know
// what it stored of a batch, what is behind may be stored twice.
//
// As slog demands, the end of a line's context does not stop it.
type SlogHandler struct {
	sink   *slogSink
	prefix string // attributes so far, each with a space in front
	group  string // names of open groups, each with a dot behind
}

// slogSink is what the handlers made from one by WithAttrs and WithGroup share.
type slogSink struct {
	app *Guard
	env Env
	o   SlogOptions

	mu    sync.Mutex // never held during a call of app
	queue *Ring[Record]
	seq   uint64
	ops   []*slogOp
	busy  bool // somebody is at it: app, batch and the heads of both queues are theirs
	shut  bool

	delivered, failed uint64

	batch []Record
}

// slogOp is a call of Flush or Close, which takes its turn among the lines.
type slogOp struct {
	run   func() error
	after uint64 // the last line to be appended before
	done  chan struct{}
	wake  context.CancelFunc // of a caller that waits on the clock
	err   error
}

var (
	_ slog.Handler = (*SlogHandler)(nil)
	_ Flusher      = (*SlogHandler)(nil)
	_ Statser      = (*SlogHandler)(nil)
	_ io.Closer    = (*SlogHandler)(nil)
)

// NewSlogHandler appends to a; env gives the records their node and incarnation.
// env's Clock may be nil, if o sets no Timeout. o may be nil.
func NewSlogHandler(a Appender, env Env, o *SlogOptions) *SlogHandler {
	s := &slogSink{app: NewGuard(a), env: env}
	if o != nil {
		s.o = *o
	}
	if s.o.Level == nil {
		s.o.Level = slog.LevelInfo
	}
	if s.o.Queue <= 0 {
		s.o.Queue = DefaultSlogQueue
	}
	s.queue = NewRing[Record](s.o.Queue)
	return &SlogHandler{sink: s}
}

// Enabled reports whether a level is handled.
func (h *SlogHandler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.sink.o.Level.Level()
}

// WithAttrs returns a handler whose lines carry attrs.
func (h *SlogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(h.prefix)
	for _, a := range attrs {
		writeAttr(&b, h.group, a)
	}
	return &SlogHandler{sink: h.sink, prefix: b.String(), group: h.group}
}

// WithGroup returns a handler whose further attributes are in a group.
func (h *SlogHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &SlogHandler{sink: h.sink, prefix: h.prefix, group: h.group + name + "."}
}

// Handle appends one line. After Close it fails with [ErrClosed].
func (h *SlogHandler) Handle(ctx context.Context, r slog.Record) error {
	var b strings.Builder
	writeMessage(&b, r.Message)
	b.WriteString(h.prefix)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&b, h.group, a)
		return true
	})
	rec := Record{
		Daemon: h.sink.o.Daemon, Node: h.sink.env.Node, Message: b.String(),
		Incarnation: h.sink.env.Incarnation, Level: fromSlog(r.Level), Stream: h.sink.o.Stream,
	}
	if !r.Time.IsZero() {
		rec.TimeMs = uint64(max(r.Time.UnixMilli(), 0))
	}
	return h.sink.put(context.WithoutCancel(ctx), rec)
}

func (s *slogSink) put(ctx context.Context, rec Record) error {
	s.mu.Lock()
	if s.shut {
		s.mu.Unlock()
		return &AppendError{Sink: "slog", Node: rec.Node, Err: ErrClosed}
	}
	s.seq++
	rec.Seq = s.seq
	s.queue.Push(rec)
	if s.busy {
		s.mu.Unlock()
		return nil
	}
	return s.work(ctx)
}

// work appends what is queued, and what is queued meanwhile, and lets the calls
// of Flush and Close take their turn. It is called with mu held, and releases it.
func (s *slogSink) work(ctx context.Context) (err error) {
	s.busy = true
	defer func() {
		s.busy = false // also where a call ends its goroutine
		s.mu.Unlock()
	}()
	for {
		oldest, queued := s.queue.Front()
		switch {
		case len(s.ops) > 0 && (!queued || oldest.Seq > s.ops[0].after):
			op := s.ops[0]
			s.ops = slices.Delete(s.ops, 0, 1)
			s.unlocked(func() { op.err = op.run() })
			close(op.done)
			if op.wake != nil {
				op.wake()
			}
		case queued:
			s.batch = slices.Grow(s.batch[:0], min(s.queue.Len(), slogBatch))[:min(s.queue.Len(), slogBatch)]
			s.queue.PopInto(s.batch)
			if e := s.append(ctx); err == nil {
				err = e
			}
		default:
			return err
		}
	}
}

// unlocked calls f without the lock.
func (s *slogSink) unlocked(f func()) {
	s.mu.Unlock()
	defer s.mu.Lock()
	f()
}

// append appends the batch in hand.
func (s *slogSink) append(ctx context.Context) (err error) {
	defer func() { clear(s.batch) }()
	for todo := s.batch; len(todo) > 0; {
		var n int
		var e error
		s.unlocked(func() {
			ctx, cancel := s.bounded(ctx)
			defer cancel()
			n, e = AppendBatch(ctx, s.app, todo)
		})
		n, e = short(n, len(todo), e)
		s.delivered += uint64(n)
		if todo = todo[n:]; e != nil {
			s.failed++
			todo = todo[1:]
			if err == nil {
				err = e
			}
		}
	}
	return err
}

// bounded is ctx with the deadline of one call.
func (s *slogSink) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.o.Timeout <= 0 {
		return ctx, func() {}
	}
	return s.env.Clock.WithTimeout(ctx, s.o.Timeout)
}

// Flush flushes the appender, once all lines before the call are appended, by
// whichever goroutine is at it. It waits for that until ctx ends.
func (h *SlogHandler) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := h.sink
	return s.turn(ctx, &slogOp{run: func() error { return s.app.Flush(ctx) }}, false)
}

// Close appends what waits and closes the appender; later lines fail with
// [ErrClosed]. It waits for a call that is under way.
func (h *SlogHandler) Close() error {
	s := h.sink
	return s.turn(context.Background(), &slogOp{run: s.app.Close}, true)
}

// turn runs op in its turn and waits for it.
func (s *slogSink) turn(ctx context.Context, op *slogOp, shut bool) error {
	op.done = make(chan struct{})
	wait := ctx
	if s.env.Clock != nil {
		// So that a simulation sees who waits, and wakes them in a step.
		wait, op.wake = s.env.Clock.WithTimeout(ctx, hangMax)
		defer op.wake()
	}
	s.mu.Lock()
	s.shut = s.shut || shut
	op.after = s.seq
	s.ops = append(s.ops, op)
	if !s.busy {
		_ = s.work(context.WithoutCancel(ctx)) // what failed is counted
		return op.err
	}
	s.mu.Unlock()
	if s.env.Clock != nil {
		_ = s.env.Clock.Sleep(wait, -1)
	} else {
		select {
		case <-op.done:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-op.done:
		return op.err
	default:
		s.ops = slices.DeleteFunc(s.ops, func(other *slogOp) bool { return other == op })
		return ctx.Err()
	}
}

// Stats counts lines: Accepted those that were handled, Delivered those that
// were appended, Dropped those that a full queue dropped, Failed those that the
// appender refused, Depth those that wait or are in hand: Accepted is always the
// sum of the others.
func (h *SlogHandler) Stats() Stats {
	s := h.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Accepted: s.seq, Delivered: s.delivered, Failed: s.failed, Dropped: s.queue.Dropped(),
		Depth: int(s.seq - s.delivered - s.failed - s.queue.Dropped()),
	}
}
