package jetstream

import (
	"fmt"
	"strings"
)

// A node's stream is called <prefix>@<node> and keeps three subjects:
//
//	<prefix>.<node>        the records
//	<prefix>.<node>.owner  who has taken the stream over: one message
//	<prefix>.<node>.gap    fillers, by which a takeover moves the sequence: one message
//
// so that <prefix>.* are the records of all nodes.
const (
	ownerSuffix = ".owner"
	gapSuffix   = ".gap"
)

// names are those of one chain.
type names struct {
	node    string // as given
	stream  string
	subject string
	owner   string
	gap     string
}

// streamNameMax is what a server takes (JSMaxNameLen).
const streamNameMax = 255

func chainNames(prefix, node string) (names, error) {
	subject := prefix + "." + escape(node)
	n := names{
		node:    node,
		stream:  escape(prefix) + "@" + escape(node),
		subject: subject,
		owner:   subject + ownerSuffix,
		gap:     subject + gapSuffix,
	}
	if len(n.stream) > streamNameMax {
		return n, fmt.Errorf("jetstream: the name of node %.40q... is too long: its stream would have a name of %d bytes, at most %d are possible",
			node, len(n.stream), streamNameMax)
	}
	return n, nil
}

// streamNode is the node whose stream has the name, under a prefix.
func streamNode(prefix, stream string) (node string, ok bool) {
	rest, ok := strings.CutPrefix(stream, escape(prefix)+"@")
	if !ok {
		return "", false
	}
	return unescape(rest)
}

// validPrefix: one or more tokens of a subject, without wildcards.
func validPrefix(prefix string) error {
	for token := range strings.SplitSeq(prefix, ".") {
		if token == "" || strings.ContainsAny(token, " \t\r\n\f*>") || strings.HasPrefix(token, "$") {
			return fmt.Errorf("jetstream: prefix %q: want tokens separated by dots, without blanks and wildcards, such as prod.log", prefix)
		}
	}
	return nil
}

const hexDigits = "0123456789ABCDEF"

// escape makes any string a token of a subject and a part of a stream's name:
// letters, digits, - and _ stay, every other byte becomes %XX, and the empty
// string a single %.
func escape(s string) string {
	if s == "" {
		return "%"
	}
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = isPlain(s[i])
	}
	if plain {
		return s
	}
	return string(appendEscaped(make([]byte, 0, len(s)+8), s))
}

func appendEscaped(b []byte, s string) []byte {
	if s == "" {
		return append(b, '%')
	}
	for i := range len(s) {
		if c := s[i]; isPlain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return b
}

// unescape undoes escape; ok is false for what escape never makes.
func unescape(s string) (string, bool) {
	if s == "%" {
		return "", true
	}
	if s == "" {
		return "", false
	}
	if strings.IndexByte(s, '%') < 0 {
		return s, escape(s) == s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if len(s)-i < 3 {
			return "", false
		}
		hi, lo := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b = append(b, byte(hi<<4|lo))
		i += 2
	}
	out := string(b)
	return out, escape(out) == s
}

func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
