package appender

import "strconv"

// String is the record on one line, for people: node@incarnation, stream unless
// it is the log, number, time, level, daemon unless there is none, and the
// message quoted, because it is arbitrary bytes.
func (r Record) String() string {
	b := make([]byte, 0, 64+len(r.Node)+len(r.Message))
	b = append(b, r.Node...)
	b = append(b, '@')
	b = strconv.AppendUint(b, uint64(r.Incarnation), 10)
	if r.Stream != 0 {
		b = append(b, '.')
		b = strconv.AppendUint(b, uint64(r.Stream), 10)
	}
	b = append(b, '#')
	b = strconv.AppendUint(b, r.Seq, 10)
	b = append(b, " t="...)
	b = strconv.AppendUint(b, r.TimeMs, 10)
	b = append(b, ' ')
	b = append(b, r.Level.String()...)
	if r.Daemon != 0 {
		b = append(b, " daemon="...)
		b = strconv.AppendUint(b, r.Daemon, 10)
	}
	b = append(b, ' ')
	return string(strconv.AppendQuote(b, r.Message))
}
