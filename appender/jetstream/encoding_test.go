package jetstream

import (
	"math"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
)

// anyRecord draws a record of any values at all.
func anyRecord() *rapid.Generator[appender.Record] {
	bytes := rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), func(b []byte) string { return string(b) })
	text := rapid.OneOf(bytes, rapid.String(), rapid.SampledFrom([]string{"", "a.b", "*", ">", "\r\nX: y\r\n", "%", "%41", "\x00", "\xff\xfe", "n/1/2"}))
	number := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, math.MaxUint64}))
	return rapid.Custom(func(t *rapid.T) appender.Record {
		return appender.Record{
			Seq:         number.Draw(t, "seq"),
			TimeMs:      number.Draw(t, "timeMs"),
			Daemon:      number.Draw(t, "daemon"),
			Node:        text.Draw(t, "node"),
			Message:     text.Draw(t, "message"),
			Incarnation: rapid.Uint32().Draw(t, "incarnation"),
			Level:       appender.Level(rapid.Uint8().Draw(t, "level")),
			Stream:      rapid.Uint8().Draw(t, "stream"),
			Flags:       rapid.Uint8().Draw(t, "flags"),
		}
	})
}

func encode(r *appender.Record, ordinal uint64) (nats.Header, []byte) {
	return nats.Header{
		nats.MsgIdHdr: {string(appendID(nil, r))},
		recordHeader:  {string(appendFields(nil, r, ordinal))},
	}, []byte(r.Message)
}

func TestDecodingUndoesEncodingForAnyRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rec := anyRecord().Draw(t, "record")
		ordinal := rapid.Uint64().Draw(t, "ordinal")
		h, body := encode(&rec, ordinal)
		for _, vs := range h {
			require.NotContains(t, vs[0], "\r")
			require.NotContains(t, vs[0], "\n")
		}
		got, gotOrdinal, err := decode(h, body)
		require.NoError(t, err)
		require.Equal(t, rec, got)
		require.Equal(t, ordinal, gotOrdinal)
	})
}

func TestIdentitiesOfDifferentRecordsHaveDifferentIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyRecord().Draw(t, "a"), anyRecord().Draw(t, "b")
		if rapid.Bool().Draw(t, "nearly the same") {
			node := a.Node
			a = b
			a.Node = node
		}
		require.Equal(t, identityOf(&a) == identityOf(&b), string(appendID(nil, &a)) == string(appendID(nil, &b)))
	})
}

func TestAnyNodeNameMakesOneTokenAndComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		node := anyRecord().Draw(t, "record").Node
		token := escape(node)
		require.NotEmpty(t, token)
		require.False(t, strings.ContainsAny(token, " \t\r\n\f.*>/\\@"), token)
		back, ok := unescape(token)
		require.True(t, ok)
		require.Equal(t, node, back)
		prefix := rapid.SampledFrom([]string{"log", "log-a", "prod.log"}).Draw(t, "prefix")
		n, err := chainNames(prefix, node)
		if err != nil {
			require.Greater(t, len(token)+len(prefix), 240)
			return
		}
		back, ok = streamNode(prefix, n.stream)
		require.True(t, ok)
		require.Equal(t, node, back)
		for _, other := range []string{"log", "log-a", "prod.log", "log-"} {
			if other != prefix {
				_, ok := streamNode(other, n.stream)
				require.False(t, ok, "%s is taken for one of prefix %s", n.stream, other)
			}
		}
	})
}

func TestANodeNameThatIsTooLongIsRefused(t *testing.T) {
	_, err := chainNames("log", strings.Repeat("n", streamNameMax))
	require.ErrorContains(t, err, "too long")
}

// FuzzDecode: whatever stands on a chain's subject is either a record, which is
// encoded the same way again, or refused.
func FuzzDecode(f *testing.F) {
	rec := appender.Record{Node: "a.b", Incarnation: 3, Seq: 17, TimeMs: 5, Level: appender.Warn, Message: "hello"}
	h, body := encode(&rec, 4)
	f.Add(value(h, nats.MsgIdHdr), value(h, recordHeader), body)
	f.Add("n1/1/0/01", "1 1 info 0 0 0", []byte(nil))
	f.Add("%4/1/0/1", "2 1 info 0 0 0", []byte("x"))
	f.Add("n/1/256/1", "1 1 level(9) 0 0 0", []byte("x"))
	f.Fuzz(func(t *testing.T, id, fields string, body []byte) {
		h := nats.Header{nats.MsgIdHdr: {id}, recordHeader: {fields}}
		rec, ordinal, err := decode(h, body)
		if err != nil {
			require.ErrorIs(t, err, ErrForeign)
			return
		}
		again, _ := encode(&rec, ordinal)
		require.Equal(t, h, again)
	})
}
