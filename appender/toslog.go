package appender

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

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
	_ BatchAppender = (*Slog)(nil)
	_ Flusher       = (*Slog)(nil)
	_ Statser       = (*Slog)(nil)
	_ io.Closer     = (*Slog)(nil)
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

// AppendBatch hands recs to the handler one by one, up to the first that it
// refuses.
func (s *Slog) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	for i := range recs {
		if err := s.Append(ctx, recs[i]); err != nil {
			return i, err
		}
	}
	return len(recs), nil
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
