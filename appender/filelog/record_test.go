package filelog_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// edges are records whose fields are at the ends of their ranges.
func edges() []appender.Record {
	full := appender.Record{
		Seq: math.MaxUint64, TimeMs: math.MaxUint64, Daemon: math.MaxUint64, Node: "\xff\x00\xfe", Message: strings.Repeat("\x00", 1<<20),
		Incarnation: math.MaxUint32, Level: math.MaxUint8, Stream: math.MaxUint8, Flags: math.MaxUint8,
	}
	next := full
	next.Seq, next.TimeMs, next.Message = 0, 0, "" // what follows it, and wraps
	return []appender.Record{
		{}, full, next, {Seq: 1}, {Seq: 2, Message: "\xc3\x28"}, {Seq: 2, Message: "a\nb\x00c"}, {Seq: 3, Node: strings.Repeat("n", 1<<10)},
		{Seq: 3, TimeMs: 1 << 63}, {Seq: 3, TimeMs: 1<<63 - 1}, {Seq: 3, Daemon: 1}, {Seq: 4}, {Seq: 4, Flags: 1}, {},
	}
}

func TestEveryValueOfARecordComesBack(t *testing.T) {
	t.Parallel()
	fsys := dir(t)
	l := open(t, filelog.Options{FS: fsys, Sync: filelog.SyncNever()})
	store(t, l, edges()...)
	for _, rec := range edges() {
		require.NoError(t, l.Append(ctx, rec))
	}
	want := append(edges(), edges()...)
	holds(t, l, want)
	require.NoError(t, l.Close())
	l = open(t, filelog.Options{FS: fsys})
	holds(t, l, want)
	require.NoError(t, l.Close())
}

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var recs []appender.Record
		for range rapid.IntRange(1, 6).Draw(t, "n") {
			seq := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 3)).Draw(t, "seq")
			recs = append(recs, drawRecord(t, seq, rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(0, 2)).Draw(t, "incarnation")))
		}
		payload := string(filelog.EncodeRecords(recs))
		got, ok := filelog.DecodeRecords(payload, len(recs))
		require.True(t, ok)
		require.Equal(t, recs, got)
		// No other number of records, and no part of it, is taken for it.
		_, ok = filelog.DecodeRecords(payload, len(recs)-1)
		require.False(t, ok)
		_, ok = filelog.DecodeRecords(payload, len(recs)+1)
		require.False(t, ok)
		_, ok = filelog.DecodeRecords(payload[:rapid.IntRange(0, len(payload)-1).Draw(t, "cut")], len(recs))
		require.False(t, ok)
	})
}

// TestARecordCostsFewBytesBesideItsMessage: the next one of the same node, a
// few seconds later, is to cost no more than 6 bytes beside its text.
func TestARecordCostsFewBytesBesideItsMessage(t *testing.T) {
	a := appender.Record{Seq: 1 << 40, TimeMs: 1_700_000_000_000, Node: "a-node-with-a-name", Incarnation: 7, Message: "ready"}
	b := a
	b.Seq, b.TimeMs = a.Seq+1, a.TimeMs+5_000
	require.LessOrEqual(t, len(filelog.EncodeRecords([]appender.Record{a, b}))-len(filelog.EncodeRecords([]appender.Record{a})), len(b.Message)+6)
}

// FuzzRecords: whatever a payload holds, decoding it does not panic, and what
// it yields is encoded to what it is decoded from.
func FuzzRecords(f *testing.F) {
	f.Add(string(filelog.EncodeRecords(records(1, 5))), uint8(5))
	f.Add(string(filelog.EncodeRecords(edges()[2:])), uint8(len(edges())-2))
	f.Add("", uint8(0))
	f.Add("\x02\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00", uint8(1))
	f.Add("\x02\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00\x00", uint8(1))
	f.Add("\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f", uint8(1))
	f.Fuzz(func(t *testing.T, payload string, count uint8) {
		recs, ok := filelog.DecodeRecords(payload, int(count))
		if !ok {
			return
		}
		encoded := string(filelog.EncodeRecords(recs))
		again, ok := filelog.DecodeRecords(encoded, int(count))
		require.True(t, ok)
		require.Equal(t, recs, again)
		require.LessOrEqual(t, len(encoded), len(payload), "a value has no encoding that is shorter")
	})
}
