package appender

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The text of a line is
//
//	message { " " key "=" value }
//
// where a key or value is quoted, by strconv.Quote, if it is empty or holds a
// space, a quote, an equals sign or what does not print; a message only if it
// holds one of the last three. So the first quote or equals sign says where the
// message ends, and a line is one line.

// writeMessage begins a text.
func writeMessage(b *strings.Builder, s string) {
	if unquoted(s, true) {
		b.WriteString(s)
	} else {
		b.WriteString(strconv.Quote(s))
	}
}

// writeAttr writes an attribute as " group.key=value". Empty ones are left out,
// and the attributes of a group without a name stand where it stands, as
// slog.Handler demands.
func writeAttr(b *strings.Builder, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, inner := range v.Group() {
			writeAttr(b, group, inner)
		}
		return
	}
	if a.Value = v; a.Equal(slog.Attr{}) {
		return
	}
	b.WriteByte(' ')
	if a.Key == "" {
		b.WriteString(strconv.Quote(group)) // as slog.TextHandler does it
	} else {
		writeText(b, group+a.Key)
	}
	b.WriteByte('=')
	writeText(b, valueText(v))
}

// valueText is a value as slog.TextHandler has it, before quoting. Values are
// user code: one that panics is no reason to lose the line.
func valueText(v slog.Value) (s string) {
	defer func() {
		if p := recover(); p != nil {
			s = fmt.Sprintf("!PANIC: %v", p)
		}
	}()
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().Truncate(time.Millisecond).Format("2006-01-02T15:04:05.000Z07:00")
	case slog.KindAny:
		switch x := v.Any().(type) {
		case encoding.TextMarshaler:
			text, err := x.MarshalText()
			if err != nil {
				return fmt.Sprintf("!ERROR:%v", err)
			}
			return string(text)
		case []byte:
			return string(x)
		}
	}
	return v.String()
}

// writeText writes a key or a value.
func writeText(b *strings.Builder, s string) {
	if s != "" && unquoted(s, false) {
		b.WriteString(s)
	} else {
		b.WriteString(strconv.Quote(s))
	}
}

// unquoted reports whether s can be told from what stands beside it, and printed.
func unquoted(s string, spaces bool) bool {
	for _, r := range s {
		switch {
		case r == ' ':
			if !spaces {
				return false
			}
		case r == '"', r == '=', r == utf8.RuneError, !unicode.IsPrint(r):
			return false
		}
	}
	return true
}

// ErrSlogText: a text is not one that a [SlogHandler] writes.
var ErrSlogText = errors.New("appender: not the text of a slog line")

// ParseSlog reads back the text of a record that a [SlogHandler] made: the
// message, and the attributes with their dotted keys and the text of their
// values. It fails with [ErrSlogText].
func ParseSlog(text string) (message string, attrs []slog.Attr, err error) {
	message, rest := text, ""
	switch i := strings.IndexAny(text, `"=`); {
	case i < 0:
	case i == 0:
		if message, rest, err = quoted(text); err != nil {
			return "", nil, err
		}
	default:
		// The last space in front belongs to the first key.
		at := strings.LastIndexByte(text[:i], ' ')
		if at < 0 {
			return "", nil, fmt.Errorf("%w: %q", ErrSlogText, text)
		}
		message, rest = text[:at], text[at:]
	}
	for rest != "" {
		var key, value string
		if key, rest, err = token(rest, ' '); err == nil {
			value, rest, err = token(rest, '=')
		}
		if err != nil {
			return "", nil, err
		}
		attrs = append(attrs, slog.String(key, value))
	}
	return message, attrs, nil
}

// token reads a key or a value behind lead.
func token(s string, lead byte) (value, rest string, err error) {
	if len(s) < 2 || s[0] != lead {
		return "", "", fmt.Errorf("%w: %q", ErrSlogText, s)
	}
	if s = s[1:]; s[0] == '"' {
		return quoted(s)
	}
	n := strings.IndexAny(s, ` ="`)
	if n < 0 {
		n = len(s)
	}
	if n == 0 {
		return "", "", fmt.Errorf("%w: %q", ErrSlogText, s)
	}
	return s[:n], s[n:], nil
}

func quoted(s string) (value, rest string, err error) {
	q, err := strconv.QuotedPrefix(s)
	if err == nil {
		value, err = strconv.Unquote(q)
	}
	if err != nil {
		return "", "", fmt.Errorf("%w: %q", ErrSlogText, s)
	}
	return value, s[len(q):], nil
}
