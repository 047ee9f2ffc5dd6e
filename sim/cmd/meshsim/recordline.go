package main

import (
	"encoding/json"
	"io"
	"time"
	"unicode/utf8"

	"meshsim/appender"
)

// recordLine is a record as a line of JSON. Nothing of a record is lost: what
// is not valid UTF-8 stands in base64 under another key, and a time beyond the
// year 9999, which RFC 3339 cannot say, in milliseconds.
type recordLine struct {
	Node          *string `json:"node,omitempty"`
	NodeBase64    []byte  `json:"node_base64,omitempty"`
	Incarnation   uint32  `json:"incarnation"`
	Stream        uint8   `json:"stream"`
	Seq           uint64  `json:"seq"`
	Time          string  `json:"time,omitempty"`
	TimeMs        *uint64 `json:"time_ms,omitempty"`
	Level         string  `json:"level"`
	Daemon        uint64  `json:"daemon"`
	Flags         uint8   `json:"flags"`
	Message       *string `json:"message,omitempty"`
	MessageBase64 []byte  `json:"message_base64,omitempty"`
}

const (
	timeLayout = "2006-01-02T15:04:05.000Z"
	timeMsMax  = 253402300799999 // the last of the year 9999
)

func newRecordLine(r *appender.Record) *recordLine {
	l := &recordLine{
		Incarnation: r.Incarnation, Stream: r.Stream, Seq: r.Seq,
		Level: r.Level.String(), Daemon: r.Daemon, Flags: r.Flags,
	}
	l.Node, l.NodeBase64 = jsonText(r.Node)
	l.Message, l.MessageBase64 = jsonText(r.Message)
	if r.TimeMs <= timeMsMax {
		l.Time = time.UnixMilli(int64(r.TimeMs)).UTC().Format(timeLayout)
	} else {
		l.TimeMs = &r.TimeMs
	}
	return l
}

// jsonText is text where JSON can hold it, and bytes where it cannot.
func jsonText(s string) (text *string, raw []byte) {
	if utf8.ValidString(s) {
		return &s, nil
	}
	return nil, []byte(s)
}

// lineEncoder writes records, one JSON object a line.
type lineEncoder struct{ enc *json.Encoder }

func newLineEncoder(w io.Writer) *lineEncoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // logs are full of <, > and &
	return &lineEncoder{enc}
}

func (e *lineEncoder) write(r *appender.Record) error { return e.enc.Encode(newRecordLine(r)) }
