package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
)

// recordOf reads a line back, as a program would that is given the help alone.
func recordOf(t require.TestingT, text string) appender.Record {
	require.Equal(t, 1, strings.Count(text, "\n"), "one record, one line")
	var l recordLine
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&l))
	r := appender.Record{Incarnation: l.Incarnation, Stream: l.Stream, Seq: l.Seq, Daemon: l.Daemon, Flags: l.Flags}
	r.Node, r.Message = string(l.NodeBase64), string(l.MessageBase64)
	if l.Node != nil {
		r.Node = *l.Node
	}
	if l.Message != nil {
		r.Message = *l.Message
	}
	if l.TimeMs != nil {
		r.TimeMs = *l.TimeMs
	} else {
		at, err := time.Parse(time.RFC3339, l.Time)
		require.NoError(t, err)
		r.TimeMs = uint64(at.UnixMilli())
	}
	level, err := appender.ParseLevel(l.Level)
	if err != nil {
		_, err = fmt.Sscanf(l.Level, "level(%d)", &level)
	}
	require.NoError(t, err)
	r.Level = level
	return r
}

func lineOf(t require.TestingT, r appender.Record) string {
	var b bytes.Buffer
	require.NoError(t, newLineEncoder(&b).write(&r))
	return b.String()
}

func TestNoRecordIsChangedByBeingPrinted(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	rapid.Check(t, func(t *rapid.T) {
		r := appender.Record{
			Seq: rapid.Uint64().Draw(t, "seq"), TimeMs: rapid.Uint64().Draw(t, "time"), Daemon: rapid.Uint64().Draw(t, "daemon"),
			Node: text.Draw(t, "node"), Message: text.Draw(t, "message"), Incarnation: rapid.Uint32().Draw(t, "incarnation"),
			Level: appender.Level(rapid.Byte().Draw(t, "level")), Stream: rapid.Byte().Draw(t, "stream"), Flags: rapid.Byte().Draw(t, "flags"),
		}
		require.Equal(t, r, recordOf(t, lineOf(t, r)))
	})
	for _, ms := range []uint64{0, 1, timeMsMax, timeMsMax + 1, 1<<64 - 1} {
		r := appender.Record{TimeMs: ms}
		require.Equal(t, r, recordOf(t, lineOf(t, r)))
	}
}

func TestALineHasTheKeysPromised(t *testing.T) {
	r := appender.Record{Seq: 7, TimeMs: 1_700_000_000_123, Daemon: 3, Node: "n1", Message: `a <b> "c"`, Incarnation: 2, Level: appender.Warn, Flags: 1}
	require.Equal(t, `{"node":"n1","incarnation":2,"stream":0,"seq":7,"time":"2023-11-14T22:13:20.123Z",`+
		`"level":"warn","daemon":3,"flags":1,"message":"a <b> \"c\""}`+"\n", lineOf(t, r))
	r.Message, r.TimeMs = "\xff", timeMsMax+1
	require.Equal(t, `{"node":"n1","incarnation":2,"stream":0,"seq":7,"time_ms":253402300800000,`+
		`"level":"warn","daemon":3,"flags":1,"message_base64":"/w=="}`+"\n", lineOf(t, r))
	require.Contains(t, lineOf(t, appender.Record{}), `"message":""`, "an empty message is there")
}
