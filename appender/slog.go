package appender

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// SlogOptions shape a [SlogHandler]. The zero value of each field means its
// default.
type SlogOptions struct {
	// Level is the least that is handled. Default slog.LevelInfo.
	Level slog.Leveler
	// Stream and Daemon are those of the records.
	Stream uint8
	Daemon uint64
	// Queue bounds the records that wait while the appender is at work; beyond
	// it the oldest are dropped. Default 1,024.
	Queue int
}

// slogBatch is how many records a SlogHandler appends in one call.
const slogBatch = 128

// SlogHandler is a [slog.Handler] that appends a record for each line of a
// program's log: the message, and behind it the attributes as key=value, quoted
// where need be, those of groups under their dotted names, as slog.TextHandler
// writes them. Numbers count from 1.
//
// Loggers call handlers from many goroutines, and appenders take one call at a
// time. So a line goes into a bounded queue, and whoever finds nobody at it
// appends what is queued: no lock is held during a call of the appender, and a
// slow one keeps one goroutine, not all of them. Handle returns the error of
// its own appending; lines that were left to another goroutine return nil at
// once, and what becomes of them is counted.
type SlogHandler struct {
	sink   *slogSink
	prefix string // attributes so far, each with a space in front
	group  string // names of open groups, each with a dot behind
}

// slogSink is what the handlers made from one by WithAttrs and WithGroup share.
type slogSink struct {
	app Appender
	env Env
	o   SlogOptions

	mu    sync.Mutex
	queue *Ring[Record]
	seq   uint64
	busy  bool

	batch             []Record // of whoever is busy
	delivered, failed atomic.Uint64
}

var (
	_ slog.Handler = (*SlogHandler)(nil)
	_ Flusher      = (*SlogHandler)(nil)
	_ Statser      = (*SlogHandler)(nil)
)

// NewSlogHandler appends to a; env gives the records their node and incarnation.
// o may be nil.
func NewSlogHandler(a Appender, env Env, o *SlogOptions) *SlogHandler {
	s := &slogSink{app: a, env: env}
	if o != nil {
		s.o = *o
	}
	if s.o.Level == nil {
		s.o.Level = slog.LevelInfo
	}
	if s.o.Queue <= 0 {
		s.o.Queue = 1024
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

// Handle appends one line.
func (h *SlogHandler) Handle(ctx context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
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
	return h.sink.put(ctx, rec)
}

func (s *slogSink) put(ctx context.Context, rec Record) error {
	s.mu.Lock()
	s.seq++
	rec.Seq = s.seq
	s.queue.Push(rec)
	if s.busy {
		s.mu.Unlock()
		return nil
	}
	return s.drain(ctx)
}

// drain appends what is queued, and what is queued meanwhile. It is called with
// mu held, and releases it.
func (s *slogSink) drain(ctx context.Context) (err error) {
	s.busy = true
	defer func() {
		s.busy = false // after a panic as well
		s.mu.Unlock()
	}()
	for s.queue.Len() > 0 {
		s.batch = s.queue.AppendTo(s.batch[:0])[:min(slogBatch, s.queue.Len())]
		s.queue.Discard(len(s.batch))
		if e := s.append(ctx); e != nil && err == nil {
			err = e
		}
	}
	return err
}

// append appends the batch in hand, without the lock. What is refused is counted
// and left: a program's log goes on.
func (s *slogSink) append(ctx context.Context) (err error) {
	s.mu.Unlock()
	defer s.mu.Lock()
	todo := s.batch
	for len(todo) > 0 {
		n, e := AppendBatch(ctx, s.app, todo)
		n, e = short(n, len(todo), e)
		s.delivered.Add(uint64(n))
		if todo = todo[n:]; e != nil {
			s.failed.Add(1)
			todo = todo[1:]
			if err == nil {
				err = e
			}
		}
	}
	clear(s.batch)
	return err
}

// Flush appends what is queued, unless another goroutine is at it, and flushes
// the appender.
func (h *SlogHandler) Flush(ctx context.Context) error {
	h.sink.mu.Lock()
	if h.sink.busy {
		h.sink.mu.Unlock()
		return Flush(ctx, h.sink.app)
	}
	if err := h.sink.drain(ctx); err != nil {
		return err
	}
	return Flush(ctx, h.sink.app)
}

// Stats counts lines: Accepted those that were handled, Dropped those that a
// full queue dropped, Failed those that the appender refused, Depth those that
// wait.
func (h *SlogHandler) Stats() Stats {
	s := h.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Accepted: s.seq, Delivered: s.delivered.Load(), Failed: s.failed.Load(),
		Dropped: s.queue.Dropped(), Depth: int(s.seq - s.delivered.Load() - s.failed.Load() - s.queue.Dropped()),
	}
}

// writeAttr writes an attribute as " group.key=value". Empty ones are left out,
// and the attributes of a group without a name stand where it stands, as
// slog.Handler demands.
func writeAttr(b *strings.Builder, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if a.Key == "" && v.Kind() != slog.KindGroup && v.Equal(slog.Value{}) {
		return
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, inner := range v.Group() {
			writeAttr(b, group, inner)
		}
		return
	}
	b.WriteByte(' ')
	writeText(b, group+a.Key)
	b.WriteByte('=')
	if v.Kind() == slog.KindTime {
		writeText(b, v.Time().Format(time.RFC3339Nano))
		return
	}
	writeText(b, v.String())
}

// writeText writes s, quoted if it could be read as anything else.
func writeText(b *strings.Builder, s string) {
	plain := s != "" && utf8.ValidString(s)
	for _, r := range s {
		if r == ' ' || r == '"' || r == '=' || !unicode.IsPrint(r) {
			plain = false
		}
	}
	if plain {
		b.WriteString(s)
		return
	}
	b.WriteString(strconv.Quote(s))
}

// slogTrace is where slog has no name: below debug by slog's usual step.
const slogTrace = slog.LevelDebug - 4

func fromSlog(l slog.Level) Level {
	switch {
	case l < slog.LevelDebug:
		return Trace
	case l < slog.LevelInfo:
		return Debug
	case l < slog.LevelWarn:
		return Info
	case l < slog.LevelError:
		return Warn
	}
	return Error
}

func toSlog(l Level) slog.Level {
	switch l {
	case Trace:
		return slogTrace
	case Debug:
		return slog.LevelDebug
	case Info:
		return slog.LevelInfo
	case Warn:
		return slog.LevelWarn
	}
	return slog.LevelError
}

// Slog is an appender that hands records to a [slog.Handler], with node,
// incarnation and seq as attributes, and daemon, stream and flags where they are
// not 0. Records of levels that the handler does not handle are acknowledged.
type Slog struct {
	dropping
	h      slog.Handler
	closed atomic.Bool
}

var (
	_ Appender = (*Slog)(nil)
	_ Statser  = (*Slog)(nil)
)

// NewSlog appends to h.
func NewSlog(h slog.Handler) *Slog { return &Slog{h: h} }

// Append hands rec to the handler. What it returns is taken for a record that is
// not stored.
func (s *Slog) Append(ctx context.Context, rec Record) error {
	if err := ctx.Err(); err != nil {
		s.failed.Add(1)
		return err
	}
	if s.closed.Load() {
		s.failed.Add(1)
		return &AppendError{Sink: "slog", Node: rec.Node, Seq: rec.Seq, Err: ErrClosed}
	}
	level := toSlog(rec.Level)
	if !s.h.Enabled(ctx, level) {
		s.dropped.Add(1)
		return nil
	}
	var t time.Time
	if rec.TimeMs != 0 {
		t = time.UnixMilli(int64(rec.TimeMs))
	}
	r := slog.NewRecord(t, level, rec.Message, 0)
	r.AddAttrs(slog.String("node", rec.Node), slog.Uint64("incarnation", uint64(rec.Incarnation)), slog.Uint64("seq", rec.Seq))
	if rec.Daemon != 0 {
		r.AddAttrs(slog.Uint64("daemon", rec.Daemon))
	}
	if rec.Stream != 0 {
		r.AddAttrs(slog.Uint64("stream", uint64(rec.Stream)))
	}
	if rec.Flags != 0 {
		r.AddAttrs(slog.Uint64("flags", uint64(rec.Flags)))
	}
	return s.answeredOne(s.h.Handle(ctx, r))
}

// Flush does nothing: handlers hold nothing back.
func (s *Slog) Flush(ctx context.Context) error { return ctx.Err() }

// Close makes every later append fail with [ErrClosed]. The handler is its
// owner's.
func (s *Slog) Close() error {
	s.closed.Store(true)
	return nil
}

// Filtered counts the records of levels that the handler does not handle.
func (s *Slog) Filtered() uint64 { return s.dropped.Load() }
