package appender

import (
	"context"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/stretchr/testify/require"
)

var pair = regexp.MustCompile(` ([^ ="]+)=("(?:[^"\\]|\\.)*"|[^ "]*)`)

// fields reads back what a SlogHandler wrote, as slogtest wants it.
func fields(t *testing.T, rec Record) map[string]any {
	m := map[string]any{slog.LevelKey: toSlog(rec.Level).String()}
	if rec.TimeMs != 0 {
		m[slog.TimeKey] = time.UnixMilli(int64(rec.TimeMs))
	}
	text := rec.Message
	at := pair.FindAllStringSubmatchIndex(text, -1)
	m[slog.MessageKey] = text
	if len(at) > 0 {
		m[slog.MessageKey] = text[:at[0][0]]
	}
	for _, x := range at {
		value := text[x[4]:x[5]]
		if s, err := strconv.Unquote(value); err == nil {
			value = s
		}
		in := m
		keys := strings.Split(text[x[2]:x[3]], ".")
		for _, k := range keys[:len(keys)-1] {
			if in[k] == nil {
				in[k] = map[string]any{}
			}
			in = in[k].(map[string]any)
		}
		in[keys[len(keys)-1]] = value
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
