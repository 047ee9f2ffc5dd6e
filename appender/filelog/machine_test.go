package filelog_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// journal is the log as a slice.
type journal struct {
	all      []appender.Record
	head     int
	capacity int
}

func (j *journal) put(recs ...appender.Record) {
	j.all = append(j.all, recs...)
	if j.capacity > 0 && len(recs) > 0 {
		j.head = max(j.head, len(j.all)-j.capacity)
	}
}

func (j *journal) held() []appender.Record {
	return append([]appender.Record(nil), j.all[j.head:]...)
}

// from is what a replay from a cursor yields.
func (j *journal) from(c appender.Cursor) []appender.Record {
	held := j.held()
	for i, r := range held {
		if r.Incarnation > c.Incarnation || r.Incarnation == c.Incarnation && r.Seq >= c.Seq {
			return held[i:]
		}
	}
	return nil
}

const maxRecordBytes = 3000

// drawRecord draws any record that is small enough.
func drawRecord(t *rapid.T, seq uint64, incarnation uint32) appender.Record {
	message := rapid.OneOf(
		rapid.StringN(0, 40, -1),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 300), func(b []byte) string { return string(b) }),
		rapid.Map(rapid.IntRange(0, maxRecordBytes-8), func(n int) string { return strings.Repeat("\x00", n) }),
	).Draw(t, "message")
	return appender.Record{
		Seq: seq, Incarnation: incarnation, Message: message,
		TimeMs: rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1 << 63, math.MaxUint64})).Draw(t, "time"),
		Daemon: rapid.SampledFrom([]uint64{0, 1, 1 << 63, math.MaxUint64}).Draw(t, "daemon"),
		Node:   rapid.SampledFrom([]string{"n1", "", "n2", "n\x00\xff"}).Draw(t, "node"),
		Level:  appender.Level(rapid.Byte().Draw(t, "level")), Stream: rapid.Byte().Draw(t, "stream"), Flags: rapid.Byte().Draw(t, "flags"),
	}
}

// TestALogIsASliceThatForgetsItsBeginning: whatever is appended, and however
// often the log is closed, opened with other options, and read.
func TestALogIsASliceThatForgetsItsBeginning(t *testing.T) {
	t.Parallel()
	parent, cases := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		cases++
		fsys, err := filelog.NodeDir(parent, fmt.Sprint(cases))
		require.NoError(t, err)
		m := &machine{fs: fsys, incarnation: 1}
		m.open(t)
		t.Repeat(map[string]func(*rapid.T){
			"append":     m.append,
			"too large":  m.tooLarge,
			"cancelled":  m.cancelled,
			"flush":      m.flush,
			"reopen":     m.reopen,
			"replay":     m.replay,
			"stop early": m.stopEarly,
			"":           m.check,
		})
		require.NoError(t, m.l.Close())
	})
}

type machine struct {
	journal
	fs          filelog.FS
	l           *filelog.Log
	seq         uint64
	incarnation uint32
	stored      uint64 // since it was opened
	failed      uint64
}

func (m *machine) open(t *rapid.T) {
	m.capacity = rapid.SampledFrom([]int{0, 0, 1, 2, 7, 20, 1000}).Draw(t, "capacity")
	m.l = open(t, filelog.Options{
		FS: m.fs, MaxRecords: m.capacity, MaxRecordBytes: maxRecordBytes,
		SegmentBytes: rapid.Int64Range(filelog.MinSegmentBytes, 4*filelog.MinSegmentBytes).Draw(t, "segment"),
		Sync: rapid.SampledFrom([]filelog.SyncPolicy{
			filelog.SyncNever(), filelog.SyncEvery(5), filelog.SyncInterval(1), filelog.SyncAlways(),
		}).Draw(t, "sync"),
	})
	m.stored, m.failed = 0, 0
}

func (m *machine) batch(t *rapid.T, n int) []appender.Record {
	var recs []appender.Record
	for range n {
		m.seq += rapid.Uint64Range(1, 3).Draw(t, "step")
		recs = append(recs, drawRecord(t, m.seq, m.incarnation))
	}
	return recs
}

func (m *machine) append(t *rapid.T) {
	recs := m.batch(t, rapid.IntRange(0, 8).Draw(t, "n"))
	m.put(recs...)
	m.stored += uint64(len(recs))
	if len(recs) == 1 && rapid.Bool().Draw(t, "alone") {
		require.NoError(t, m.l.Append(ctx, recs[0]))
		return
	}
	mine := append([]appender.Record(nil), recs...)
	store(t, m.l, mine...)
	clear(mine)
}

// tooLarge: a record that is too large fails alone. Those before it are stored,
// those behind it can be.
func (m *machine) tooLarge(t *rapid.T) {
	recs := m.batch(t, rapid.IntRange(1, 5).Draw(t, "n"))
	bad := rapid.IntRange(0, len(recs)-1).Draw(t, "bad")
	recs[bad].Message = strings.Repeat("x", maxRecordBytes+1-len(recs[bad].Node))
	n, err := m.l.AppendBatch(ctx, recs)
	require.Equal(t, bad, n)
	require.ErrorIs(t, err, filelog.ErrTooLarge)
	require.NotErrorIs(t, err, appender.ErrUnknownOutcome)
	var which *appender.AppendError
	require.ErrorAs(t, err, &which)
	require.Equal(t, recs[bad].Seq, which.Seq)
	recs[bad].Message = recs[bad].Message[1:]
	store(t, m.l, recs[bad:]...)
	m.put(recs...)
	m.stored += uint64(len(recs))
	m.failed++
}

func (m *machine) cancelled(t *rapid.T) {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, m.l.Append(ended, record(1)), context.Canceled)
	_, err := m.l.AppendBatch(ended, records(1, 3))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, m.l.Flush(ended), context.Canceled)
}

func (m *machine) flush(t *rapid.T) {
	require.NoError(t, m.l.Flush(ctx))
	end, durable := m.l.Position()
	require.Equal(t, end, durable)
}

func (m *machine) reopen(t *rapid.T) {
	require.NoError(t, m.l.Close())
	require.NoError(t, m.l.Close(), "closing is idempotent")
	require.ErrorIs(t, m.l.Append(ctx, record(1)), appender.ErrClosed)
	m.incarnation += rapid.Uint32Range(0, 2).Draw(t, "incarnations")
	m.open(t)
	r := m.l.Recovery()
	require.True(t, r.Clean(), r.String())
	require.Equal(t, uint64(m.head), r.First)
	require.Equal(t, uint64(len(m.all)-m.head), r.Records)
	end, durable := m.l.Position()
	require.Equal(t, end, durable, "opening makes safe what it finds")
}

// replay goes from any cursor, at a record, between two, before and behind all.
func (m *machine) replay(t *rapid.T) {
	c := appender.Cursor{
		Incarnation: rapid.Uint32Range(0, m.incarnation+1).Draw(t, "incarnation"), Seq: rapid.Uint64Range(0, m.seq+1).Draw(t, "seq"),
	}
	got, damage := gather(t, m.l.Replay(ctx, c, false))
	require.Empty(t, damage)
	require.Equal(t, m.from(c), got)
	got, damage = gather(t, filelog.Read(ctx, m.fs, nil, c, false))
	require.Empty(t, damage)
	require.Equal(t, m.from(c), got)
}

func (m *machine) stopEarly(t *rapid.T) {
	held := m.held()
	want := rapid.IntRange(0, len(held)).Draw(t, "want")
	var got []appender.Record
	for rec, err := range m.l.Replay(ctx, appender.Cursor{}, false) {
		if len(got) == want {
			break
		}
		require.NoError(t, err)
		got = append(got, rec)
	}
	require.Equal(t, append([]appender.Record(nil), held[:want]...), got)
}

func (m *machine) check(t *rapid.T) {
	holds(t, m.l, m.held())
	end, durable := m.l.Position()
	require.Equal(t, uint64(len(m.all)), end)
	require.LessOrEqual(t, durable, end)
	require.Equal(t, uint64(m.head), m.l.Dropped())
	require.Equal(t, appender.Stats{Accepted: m.stored, Delivered: m.stored, Failed: m.failed}, m.l.Stats())
}
