package jetstream

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"meshsim/appender"
)

// A record is a message whose body is the record's message, byte for byte, so
// that any NATS tool shows it. The rest is in two headers:
//
//	Nats-Msg-Id: n1/3/0/17
//	Meshsim-Record: 1 4711 info 1700000000000 0 0
//
// The first is the record's identity, node/incarnation/stream/seq, with the
// node escaped; servers recognise by it a record that is sent again. The second
// is the version of this encoding, the ordinal (the record's number among all
// that the chain ever stored, from 1), level, time in ms, daemon and flags.
const (
	recordHeader    = "Meshsim-Record"
	encodingVersion = "1"
)

// ErrForeign: a message on a chain's subject that no appender has put there.
var ErrForeign = errors.New("jetstream: not a record")

// identity tells a record from all others, for ever.
type identity struct {
	node        string
	seq         uint64
	incarnation uint32
	stream      uint8
}

func identityOf(r *appender.Record) identity {
	return identity{node: r.Node, seq: r.Seq, incarnation: r.Incarnation, stream: r.Stream}
}

// appendID appends the message id of r.
func appendID(b []byte, r *appender.Record) []byte {
	b = appendEscaped(b, r.Node)
	b = append(b, '/')
	b = strconv.AppendUint(b, uint64(r.Incarnation), 10)
	b = append(b, '/')
	b = strconv.AppendUint(b, uint64(r.Stream), 10)
	b = append(b, '/')
	return strconv.AppendUint(b, r.Seq, 10)
}

// appendFields appends what the record header says of r.
func appendFields(b []byte, r *appender.Record, ordinal uint64) []byte {
	b = append(b, encodingVersion+" "...)
	b = strconv.AppendUint(b, ordinal, 10)
	b = append(b, ' ')
	if r.Level <= appender.Error {
		b = append(b, r.Level.String()...)
	} else {
		b = strconv.AppendUint(b, uint64(r.Level), 10)
	}
	b = append(b, ' ')
	b = strconv.AppendUint(b, r.TimeMs, 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, r.Daemon, 10)
	b = append(b, ' ')
	return strconv.AppendUint(b, uint64(r.Flags), 10)
}

// decode reads a message back. Errors have [ErrForeign] in them.
func decode(h nats.Header, body []byte) (rec appender.Record, ordinal uint64, err error) {
	id, fields := value(h, nats.MsgIdHdr), value(h, recordHeader)
	p := parser{fields: strings.Split(id, "/")}
	node, ok := unescape(p.next())
	rec.Incarnation = uint32(p.number(32))
	rec.Stream = uint8(p.number(8))
	rec.Seq = p.number(64)
	if !ok || p.bad || len(p.fields) > 0 {
		return appender.Record{}, 0, fmt.Errorf("%w: %s %.60q", ErrForeign, nats.MsgIdHdr, id)
	}
	p = parser{fields: strings.Split(fields, " ")}
	version := p.next()
	ordinal = p.number(64)
	level := p.next()
	rec.TimeMs = p.number(64)
	rec.Daemon = p.number(64)
	rec.Flags = uint8(p.number(8))
	rec.Level, ok = parseLevel(level)
	if version != encodingVersion || !ok || p.bad || len(p.fields) > 0 {
		return appender.Record{}, 0, fmt.Errorf("%w: %s %.60q", ErrForeign, recordHeader, fields)
	}
	rec.Node, rec.Message = node, string(body)
	return rec, ordinal, nil
}

// value is the first value of a header, or "".
func value(h nats.Header, key string) string {
	if vs := h[key]; len(vs) > 0 {
		return vs[0]
	}
	return ""
}

func parseLevel(s string) (appender.Level, bool) {
	for l := appender.Info; l <= appender.Error; l++ {
		if l.String() == s {
			return l, true
		}
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return appender.Level(n), err == nil && appender.Level(n) > appender.Error
}

// parser takes fields one by one and remembers whether one was missing or bad.
type parser struct {
	fields []string
	bad    bool
}

func (p *parser) next() string {
	if len(p.fields) == 0 {
		p.bad = true
		return ""
	}
	s := p.fields[0]
	p.fields = p.fields[1:]
	return s
}

func (p *parser) number(bits int) uint64 {
	s := p.next()
	n, err := strconv.ParseUint(s, 10, bits)
	if err != nil || (len(s) > 1 && s[0] == '0') {
		p.bad = true
	}
	return n
}
