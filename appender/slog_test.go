package appender

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/stretchr/testify/require"
)

// fields reads back what a SlogHandler wrote, as slogtest wants it.
func fields(t *testing.T, rec Record) map[string]any {
	message, attrs, err := ParseSlog(rec.Message)
	require.NoError(t, err)
	m := map[string]any{slog.LevelKey: toSlog(rec.Level).String(), slog.MessageKey: message}
	if rec.TimeMs != 0 {
		m[slog.TimeKey] = time.UnixMilli(int64(rec.TimeMs))
	}
	for _, a := range attrs {
		in := m
		keys := strings.Split(a.Key, ".")
		for _, k := range keys[:len(keys)-1] {
			if in[k] == nil {
				in[k] = map[string]any{}
			}
			in = in[k].(map[string]any)
		}
		in[keys[len(keys)-1]] = a.Value.String()
	}
	return m
}

func TestTheSlogHandlerPassesSlogtest(t *testing.T) {
	var sink *Buffering
	slogtest.Run(t, func(*testing.T) slog.Handler {
		sink = NewBuffering(100)
		return NewSlogHandler(sink, Env{Node: "n1", Incarnation: 1}, nil)
	}, func(t *testing.T) map[string]any {
		recs := sink.Captured()
		require.Len(t, recs, 1)
		return fields(t, recs[0])
	})
}

// TestSlogAndBack: a record that goes to a handler which is a SlogHandler comes
// out with its level, time, text and identity.
func TestSlogAndBack(t *testing.T) {
	sink := NewBuffering(100)
	h := NewSlogHandler(sink, Env{Node: "n2", Incarnation: 4}, &SlogOptions{Level: slogTrace})
	s := NewSlog(h)
	for i, l := range []Level{Trace, Debug, Info, Warn, Error} {
		require.NoError(t, s.Append(t.Context(), Record{
			Seq: uint64(7 + i), TimeMs: 1_700_000_000_123, Daemon: 9, Node: "n 1", Message: "went off", Incarnation: 3, Level: l,
		}))
	}
	got := sink.Captured()
	require.Len(t, got, 5)
	for i, l := range []Level{Trace, Debug, Info, Warn, Error} {
		require.Equal(t, Record{
			Seq: uint64(1 + i), TimeMs: 1_700_000_000_123, Node: "n2", Incarnation: 4, Level: l,
			Message: `went off node="n 1" incarnation=3 seq=` + strconv.Itoa(7+i) + ` daemon=9`,
		}, got[i])
	}
	require.Equal(t, Stats{Accepted: 5, Delivered: 5}, s.Stats())

	require.Same(t, h, h.WithGroup(""), "a group without a name is none")

	quiet := NewSlog(NewSlogHandler(sink, Env{}, &SlogOptions{Level: slog.LevelError}))
	require.NoError(t, quiet.Append(t.Context(), Record{Level: Warn}))
	require.Equal(t, uint64(1), quiet.Filtered())
}

// TestLoggersNeverWaitForASlowSink: one goroutine is in the appender; the others
// leave their lines in the queue and go on, and it appends them when it is
// through, in their order. What the queue cannot hold is counted.
func TestLoggersNeverWaitForASlowSink(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	sink := NewBuffering(100)
	a := appendFunc(func(ctx context.Context, rec Record) error {
		once.Do(func() { close(entered); <-leave })
		return sink.Append(ctx, rec)
	})
	h := NewSlogHandler(a, Env{Node: "n1"}, &SlogOptions{Queue: 4})
	log := slog.New(h)
	var wg sync.WaitGroup
	wg.Go(func() { log.Info("slow") })
	<-entered
	for range 10 {
		log.Info("quick") // this goroutine does not wait
	}
	require.Equal(t, Stats{Accepted: 11, Dropped: 6, Depth: 5}, h.Stats())
	close(leave)
	wg.Wait()
	require.Equal(t, []uint64{1, 8, 9, 10, 11}, seqs(sink.Captured()))
	require.Equal(t, Stats{Accepted: 11, Delivered: 5, Dropped: 6}, h.Stats())
}

func TestLinesOfManyGoroutinesAreNumberedOnce(t *testing.T) {
	sink := NewBuffering(10000)
	h := NewSlogHandler(sink, Env{Node: "n1"}, &SlogOptions{Queue: 10000})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			log := slog.New(h).With("a", 1).WithGroup("g")
			for range 200 {
				log.Info("line", "k", "v")
			}
		})
	}
	wg.Wait()
	require.NoError(t, h.Flush(t.Context()))
	got := sink.Captured()
	require.Len(t, got, 1600)
	for i, rec := range got {
		require.Equal(t, uint64(i+1), rec.Seq)
		require.Equal(t, "line a=1 g.k=v", rec.Message)
	}
}

// TestTheEndOfALinesContextDoesNotStopIt: nor those of others that it appends.
func TestTheEndOfALinesContextDoesNotStopIt(t *testing.T) {
	sink := NewBuffering(10)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	slog.New(NewSlogHandler(sink, Env{}, nil)).InfoContext(ctx, "the request was cancelled")
	require.Len(t, sink.Captured(), 1)
}

// aloneSink notices two calls at once.
type aloneSink struct {
	Buffering
	inside         atomic.Int32
	twice, flushes atomic.Int32
	enter          func()
}

func (a *aloneSink) call() func() {
	if a.inside.Add(1) > 1 {
		a.twice.Add(1)
	}
	if a.enter != nil {
		a.enter()
	}
	return func() { a.inside.Add(-1) }
}

func (a *aloneSink) Append(ctx context.Context, rec Record) error {
	defer a.call()()
	return a.Buffering.Append(ctx, rec)
}

func (a *aloneSink) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	defer a.call()()
	return a.Buffering.AppendBatch(ctx, recs)
}

func (a *aloneSink) Flush(context.Context) error {
	defer a.call()()
	a.flushes.Add(1)
	return nil
}

func (a *aloneSink) Close() error {
	defer a.call()()
	return a.Buffering.Close()
}

// TestTheAppenderOfManyLoggersIsCalledOnceAtATime: by lines, flushes and the
// closing alike; and a flush is through only when all lines before it are.
func TestTheAppenderOfManyLoggersIsCalledOnceAtATime(t *testing.T) {
	for name, clock := range map[string]Clock{"no clock": nil, "a clock": new(ManualClock)} {
		t.Run(name, func(t *testing.T) {
			sink := new(aloneSink)
			h := NewSlogHandler(sink, Env{Node: "n1", Clock: clock}, &SlogOptions{Queue: 1 << 14})
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					log := slog.New(h)
					for range 50 {
						log.Info("line")
						before := h.Stats().Accepted
						if err := h.Flush(t.Context()); err != nil {
							t.Error(err)
						}
						if s := h.Stats(); s.Delivered < before {
							t.Errorf("flushed with %d lines, of %d", s.Delivered, before)
						}
					}
				})
			}
			wg.Wait()
			require.NoError(t, h.Close())
			require.Zero(t, sink.twice.Load())
			require.Equal(t, int32(200), sink.flushes.Load())
			require.Len(t, sink.Captured(), 200)
			require.ErrorIs(t, h.Handle(t.Context(), slog.Record{}), ErrClosed)
			require.Equal(t, Stats{Accepted: 200, Delivered: 200}, h.Stats())
		})
	}
}

// TestAFlushWaitsNoLongerThanItsContext: while another goroutine's call hangs.
func TestAFlushWaitsNoLongerThanItsContext(t *testing.T) {
	clock, leave := new(ManualClock), make(chan struct{})
	entered := make(chan struct{})
	sink := &aloneSink{enter: func() { close(entered); <-leave }}
	h := NewSlogHandler(sink, Env{Clock: clock}, nil)
	var wg sync.WaitGroup
	wg.Go(func() { slog.New(h).Info("hangs") })
	<-entered
	ctx, cancel := clock.WithTimeout(t.Context(), time.Second)
	defer cancel()
	flushed := make(chan error)
	go func() { flushed <- h.Flush(ctx) }()
	clock.AwaitSleepers(1)
	clock.Advance(time.Second)
	require.ErrorIs(t, <-flushed, context.DeadlineExceeded)
	sink.enter = nil
	close(leave)
	wg.Wait()
	require.Zero(t, sink.flushes.Load(), "it was taken back")
}

// TestACallOfTheAppenderIsBoundedIfWanted: and what it refuses, or panics at, is
// counted and does not stop the log.
func TestACallOfTheAppenderIsBoundedIfWanted(t *testing.T) {
	clock := new(napClock)
	control := NewControl(1,
		Rule{Kind: FaultAppendLatency, Fault: Fault{From: 1, To: 1, Latency: time.Hour}},
		Rule{Kind: FaultAppendPanic, Fault: Fault{From: 2, To: 2}})
	sink := NewBuffering(10)
	h := NewSlogHandler(NewFaulty(sink, Env{Clock: clock}, control), Env{Clock: clock}, &SlogOptions{Timeout: time.Second})
	r := slog.NewRecord(time.Time{}, slog.LevelError, "m", 0)
	require.ErrorIs(t, h.Handle(t.Context(), r), context.DeadlineExceeded)
	err := h.Handle(t.Context(), r)
	var p *PanicError
	require.ErrorAs(t, err, &p)
	require.NoError(t, h.Handle(t.Context(), r))
	require.Equal(t, []uint64{3}, seqs(sink.Captured()))
	require.Equal(t, Stats{Accepted: 3, Delivered: 1, Failed: 2}, h.Stats())
}
