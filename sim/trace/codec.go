package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// Events are written as JSON Lines: one object per line, whose members are the
// fields that are not zero, in a fixed order, so that equal events give equal
// bytes; a member's name is its field's, the first letter in lower case. Kinds
// and results go by name, times in ns, causal ids and hashes in hexadecimal (as
// JSON readers commonly round large numbers), errors by their message. Data is
// not written. Strings that are not UTF-8 are made so.

// ErrDecode says that a line is not an event.
var ErrDecode = errors.New("trace: not an event")

// lineMax bounds a line, so that a file that is no trace cannot use up memory.
const lineMax = 1 << 20

// AppendJSON appends an event's JSON object to b, without a line end.
func AppendJSON(b []byte, e *Event) []byte {
	b = append(b, `{"kind":"`...)
	b = append(b, e.Kind.String()...)
	b = append(b, '"')
	b = appendUint(b, "step", e.Step)
	b = appendInt(b, "time", int64(e.Time))
	b = appendUint(b, "node", uint64(e.Node))
	b = appendUint(b, "peer", uint64(e.Peer))
	b = appendUint(b, "incarnation", uint64(e.Incarnation))
	b = appendUint(b, "actor", uint64(e.Actor))
	b = appendHex(b, "cause", e.Cause)
	b = appendUint(b, "epoch", e.Epoch)
	b = appendUint(b, "attempt", uint64(e.Attempt))
	b = appendUint(b, "stream", uint64(e.Stream))
	b = appendUint(b, "seq", e.Seq)
	b = appendUint(b, "count", e.Count)
	b = appendUint(b, "cap", e.Cap)
	b = appendHex(b, "hash", e.Hash)
	b = appendUint(b, "outcome", uint64(e.Outcome))
	if e.Result != ResultOK {
		b = appendString(b, "result", e.Result.String())
	}
	b = appendInt(b, "deadline", int64(e.Deadline))
	b = appendInt(b, "lag", int64(e.Lag))
	b = appendInt(b, "delay", int64(e.Delay))
	if e.Name != "" {
		b = appendString(b, "name", e.Name)
	}
	if e.Err != nil {
		b = appendString(b, "err", e.Err.Error())
	}
	if e.Ledger != nil {
		b = appendLedger(b, e.Ledger)
	}
	if e.Limits != nil {
		b = appendLimits(b, e.Limits)
	}
	return append(b, '}')
}

func appendUint(b []byte, name string, v uint64) []byte {
	if v == 0 {
		return b
	}
	b = appendName(b, name)
	return strconv.AppendUint(b, v, 10)
}

// appendHex appends a member that is a number of 64 bits whose value is nothing
// to count with.
func appendHex(b []byte, name string, v uint64) []byte {
	if v == 0 {
		return b
	}
	b = append(appendName(b, name), '"')
	b = strconv.AppendUint(b, v, 16)
	return append(b, '"')
}

func appendInt(b []byte, name string, v int64) []byte {
	if v == 0 {
		return b
	}
	b = appendName(b, name)
	return strconv.AppendInt(b, v, 10)
}

func appendName(b []byte, name string) []byte {
	b = append(b, `,"`...)
	b = append(b, name...)
	return append(b, `":`...)
}

// appendString appends a member that is a string.
func appendString(b []byte, name, s string) []byte {
	b = append(appendName(b, name), '"')
	for _, r := range s { // invalid bytes come as U+FFFD
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029':
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// appendLedger appends a member that is a ledger, with every term.
func appendLedger(b []byte, l *Ledger) []byte {
	b = append(appendName(b, "ledger"), `{"emitted":`...)
	b = strconv.AppendUint(b, l.Emitted, 10)
	b = appendUint(b, "appended", l.Appended)
	b = appendUint(b, "failed", l.Failed)
	b = appendUint(b, "unknown", l.Unknown)
	b = appendUint(b, "dropped", l.Dropped)
	b = appendUint(b, "lost", l.Lost)
	b = appendUint(b, "queued", l.Queued)
	b = appendUint(b, "inHand", l.InHand)
	b = appendUint(b, "retrying", l.Retrying)
	return append(b, '}')
}

// appendLimits appends a member that is a node's limits. They come once per
// incarnation, so reflection is cheap enough.
func appendLimits(b []byte, l *Limits) []byte {
	b = append(appendName(b, "limits"), '{')
	v := reflect.ValueOf(*l)
	for i := range v.NumField() {
		if i > 0 {
			b = append(b, ',')
		}
		name := v.Type().Field(i).Name
		b = append(b, '"', name[0]|0x20)
		b = append(append(b, name[1:]...), `":`...)
		b = strconv.AppendInt(b, v.Field(i).Int(), 10)
	}
	return append(b, '}')
}

// wire is an event's object, for reading.
type wire struct {
	Kind        string        `json:"kind"`
	Step        uint64        `json:"step"`
	Time        time.Duration `json:"time"`
	Node        uint32        `json:"node"`
	Peer        uint32        `json:"peer"`
	Incarnation uint32        `json:"incarnation"`
	Actor       uint32        `json:"actor"`
	Cause       string        `json:"cause"`
	Epoch       uint64        `json:"epoch"`
	Attempt     uint32        `json:"attempt"`
	Stream      uint8         `json:"stream"`
	Seq         uint64        `json:"seq"`
	Count       uint64        `json:"count"`
	Cap         uint64        `json:"cap"`
	Hash        string        `json:"hash"`
	Outcome     uint8         `json:"outcome"`
	Result      string        `json:"result"`
	Deadline    time.Duration `json:"deadline"`
	Lag         time.Duration `json:"lag"`
	Delay       time.Duration `json:"delay"`
	Name        string        `json:"name"`
	Err         *string       `json:"err"`
	Ledger      *Ledger       `json:"ledger"`
	Limits      *Limits       `json:"limits"`
}

// ParseJSON reads one event's object. Unknown members are errors, which wrap
// [ErrDecode]. The event's Err has the message of the one written, and its Data
// is nil.
func ParseJSON(line []byte) (Event, error) {
	w := wire{}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrDecode, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Event{}, fmt.Errorf("%w: more than one object", ErrDecode)
	}
	kind, ok := ParseKind(w.Kind)
	if !ok {
		return Event{}, fmt.Errorf("%w: unknown kind %q", ErrDecode, w.Kind)
	}
	e := Event{
		Kind: kind, Outcome: w.Outcome, Stream: w.Stream, Node: w.Node, Peer: w.Peer, Incarnation: w.Incarnation,
		Attempt: w.Attempt, Step: w.Step, Time: w.Time, Actor: w.Actor, Epoch: w.Epoch, Seq: w.Seq, Count: w.Count, Cap: w.Cap,
		Deadline: w.Deadline, Lag: w.Lag, Delay: w.Delay, Name: w.Name, Ledger: w.Ledger, Limits: w.Limits,
	}
	if w.Result != "" {
		if e.Result, ok = ParseResult(w.Result); !ok {
			return Event{}, fmt.Errorf("%w: unknown result %q", ErrDecode, w.Result)
		}
	}
	var err error
	if e.Cause, err = parseHex("causal id", w.Cause); err != nil {
		return Event{}, err
	}
	if e.Hash, err = parseHex("hash", w.Hash); err != nil {
		return Event{}, err
	}
	if w.Err != nil {
		e.Err = errors.New(*w.Err)
	}
	return e, nil
}

// parseHex reads what appendHex wrote; nothing is 0.
func parseHex(what, text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	v, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %s %q is not hexadecimal", ErrDecode, what, text)
	}
	return v, nil
}

// Encoder writes events as JSON Lines.
type Encoder struct {
	w   io.Writer
	buf []byte
}

// NewEncoder makes an Encoder. It writes once per event: give it a buffered
// writer.
func NewEncoder(w io.Writer) *Encoder { return &Encoder{w: w} }

// Encode writes one event and a line end.
func (c *Encoder) Encode(e *Event) error {
	c.buf = append(AppendJSON(c.buf[:0], e), '\n')
	if _, err := c.w.Write(c.buf); err != nil {
		return fmt.Errorf("trace: writing an event: %w", err)
	}
	return nil
}

// Decoder reads events as JSON Lines.
type Decoder struct {
	s    *bufio.Scanner
	line int
}

// NewDecoder makes a Decoder. It reads ahead.
func NewDecoder(r io.Reader) *Decoder {
	s := bufio.NewScanner(r)
	s.Buffer(nil, lineMax)
	return &Decoder{s: s}
}

// Decode reads the next event, skipping empty lines. At the end it returns
// io.EOF. Other errors name the line, counted from 1.
func (c *Decoder) Decode() (Event, error) {
	for c.s.Scan() {
		c.line++
		if len(bytes.TrimSpace(c.s.Bytes())) == 0 {
			continue
		}
		e, err := ParseJSON(c.s.Bytes())
		if err != nil {
			return Event{}, fmt.Errorf("line %d: %w", c.line, err)
		}
		return e, nil
	}
	if err := c.s.Err(); err != nil {
		return Event{}, fmt.Errorf("line %d: %w: %w", c.line+1, ErrDecode, err)
	}
	return Event{}, io.EOF
}
