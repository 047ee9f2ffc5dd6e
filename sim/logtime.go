package sim

import (
	"strings"
	"time"

	"meshsim/appender"
)

// logHead is how many bytes of a line are searched for its time and level:
// both stand at its beginning, and a long line costs no more than a short one.
const logHead = 512

// logTokens is how many words of a line may precede its time: a file's name,
// a host, a process.
const logTokens = 6

// ParseLogLine finds the time and the level that a log line says it has. It
// knows the common forms:
//
//	2015-07-29 17:41:44,747 - INFO ...            and with '/', 'T', a zone
//	name.log 2017-05-16 00:00:00.008 25746 INFO   behind a file's name, a host
//	Jan  2 15:04:05 host daemon[1]: error: ...    syslog, the year unknown
//	[Thu Jun 09 06:07:04 2005] [notice] ...       Apache's error log
//	[10/Oct/2000:13:55:36 -0700]                  Apache's access log
//	1467815145.123 INFO ...                       seconds, or ms, us, ns, since 1970
//	[   12.345678] ...                            seconds since boot
//	I0102 15:04:05.000000 ...                     glog
//	{"ts":...,"level":...}                        JSON, and time=... level=...
//
// A form without a zone is taken as UTC, one without a year as in 2000: only
// the distances between lines matter. It never panics, and its cost is bounded
// whatever the line.
func ParseLogLine(line string) (at time.Time, hasTime bool, level appender.Level, hasLevel bool) {
	head := strings.TrimPrefix(line, "\ufeff")
	if trimmed := strings.TrimLeft(head, " \t"); strings.HasPrefix(trimmed, "{") {
		if at, hasTime, level, hasLevel = parseJSONLine(trimmed); hasTime || hasLevel {
			return at, hasTime, level, hasLevel
		}
	}
	if len(head) > logHead {
		head = head[:logHead]
	}
	if at, level, ok := parseGlog(head); ok {
		return at, true, level, true
	}
	rest := head
	if t, start, end, ok := findTime(head); ok {
		at, hasTime, rest = t, true, head[end:]
		if level, hasLevel = findLevel(rest, true); !hasLevel {
			level, hasLevel = findLevel(head[:start], false)
		}
		return at, hasTime, level, hasLevel
	}
	level, hasLevel = findLevel(rest, true)
	return at, hasTime, level, hasLevel
}

// findTime finds the first time among the beginnings of words.
func findTime(s string) (t time.Time, start, end int, ok bool) {
	boundary, words := true, 0
	for i := 0; i < len(s) && words <= logTokens; i++ {
		c := s[i]
		if !isWordByte(c) {
			boundary = true
			continue
		}
		if !boundary {
			continue
		}
		boundary = false
		bracketed := i > 0 && s[i-1] == '['
		p := timeParser{s: s, i: i}
		if t, ok := p.any(i == 0 || bracketed || s[i-1] == '='); ok {
			return t, i, p.i, true
		}
		if i == 0 || !isWordByte(s[i-1]) && !(i > 1 && s[i-1] == '-') {
			words++
		}
	}
	if t, end, ok := parseBootTime(s); ok {
		return t, 0, end, true
	}
	return time.Time{}, 0, 0, false
}

// isWordByte reports whether c continues a word, such as a file's name. A date
// in the middle of one ("app.log.2017-05-16") is not the line's time.
func isWordByte(c byte) bool {
	return isDigit(c) || isLetter(c) || c == '.' || c == '-' || c == '_' || c == '/' || c == ':' || c == '+' || c >= 0x80
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// timeParser reads a time at s[i:]. Its methods move i only when they succeed.
type timeParser struct {
	s string
	i int
}

// any reads any form. A bare number is a time only where one is to be
// expected: numbers also count, number and identify.
func (p *timeParser) any(bare bool) (time.Time, bool) {
	if p.i >= len(p.s) {
		return time.Time{}, false
	}
	if isLetter(p.s[p.i]) {
		return p.named()
	}
	if !isDigit(p.s[p.i]) {
		return time.Time{}, false
	}
	if t, ok := p.iso(); ok {
		return t, true
	}
	if t, ok := p.access(); ok {
		return t, true
	}
	if bare {
		return p.epoch()
	}
	return time.Time{}, false
}

// number reads exactly n digits that make a number from lo to hi.
func (p *timeParser) number(n, lo, hi int) (int, bool) {
	if p.i+n > len(p.s) {
		return 0, false
	}
	v := 0
	for _, c := range []byte(p.s[p.i : p.i+n]) {
		if !isDigit(c) {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	if v < lo || v > hi {
		return 0, false
	}
	p.i += n
	return v, true
}

// one reads one byte of set.
func (p *timeParser) one(set string) (byte, bool) {
	if p.i >= len(p.s) || strings.IndexByte(set, p.s[p.i]) < 0 {
		return 0, false
	}
	p.i++
	return p.s[p.i-1], true
}

// clock reads HH:MM:SS and a fraction. A leap second is the next one's first.
func (p *timeParser) clock() (time.Duration, bool) {
	q := *p
	h, ok1 := q.number(2, 0, 23)
	_, ok2 := q.one(":")
	m, ok3 := q.number(2, 0, 59)
	_, ok4 := q.one(":")
	s, ok5 := q.number(2, 0, 60)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
		return 0, false
	}
	d := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second + q.fraction()
	*p = q
	return d, true
}

// fraction reads ".747" or ",747" in nanoseconds, if it is there; digits
// beyond nine are skipped.
func (p *timeParser) fraction() time.Duration {
	if p.i+1 >= len(p.s) || (p.s[p.i] != '.' && p.s[p.i] != ',') || !isDigit(p.s[p.i+1]) {
		return 0
	}
	p.i++
	d, unit := time.Duration(0), time.Second
	for p.i < len(p.s) && isDigit(p.s[p.i]) {
		unit /= 10
		d += time.Duration(p.s[p.i]-'0') * unit
		p.i++
	}
	return d
}

// zone reads Z, +02:00, +0200 or " +0200", if it is there.
func (p *timeParser) zone() time.Duration {
	q := *p
	if _, ok := q.one("Zz"); ok {
		*p = q
		return 0
	}
	q.one(" ")
	sign, ok := q.one("+-")
	if !ok {
		return 0
	}
	h, ok1 := q.number(2, 0, 15)
	q.one(":")
	m, ok2 := q.number(2, 0, 59)
	if !ok1 || !ok2 {
		return 0
	}
	*p = q
	d := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if sign == '-' {
		return -d
	}
	return d
}

// iso reads 2015-07-29 17:41:44,747 with '-' or '/', ' ' or 'T', and a zone.
func (p *timeParser) iso() (time.Time, bool) {
	q := *p
	year, ok1 := q.number(4, 0, 9999)
	sep, ok2 := q.one("-/")
	month, ok3 := q.number(2, 1, 12)
	again, ok4 := q.one("-/")
	day, ok5 := q.number(2, 1, 31)
	_, ok6 := q.one("Tt ")
	of, ok7 := q.clock()
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || !ok7 || sep != again {
		return time.Time{}, false
	}
	zone := q.zone()
	*p = q
	return date(year, time.Month(month), day).Add(of - zone), true
}

// access reads 10/Oct/2000:13:55:36 -0700.
func (p *timeParser) access() (time.Time, bool) {
	q := *p
	day, ok1 := q.number(2, 1, 31)
	_, ok2 := q.one("/")
	month, ok3 := q.month()
	_, ok4 := q.one("/")
	year, ok5 := q.number(4, 0, 9999)
	_, ok6 := q.one(":")
	of, ok7 := q.clock()
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || !ok7 {
		return time.Time{}, false
	}
	zone := q.zone()
	*p = q
	return date(year, month, day).Add(of - zone), true
}

// named reads "Jan  2 15:04:05", and "Thu Jun 09 06:07:04 2005".
func (p *timeParser) named() (time.Time, bool) {
	q := *p
	if q.weekday() {
		q.one(",")
		if _, ok := q.one(" "); !ok {
			return time.Time{}, false
		}
	}
	month, ok1 := q.month()
	_, ok2 := q.one(" ")
	day, ok3 := q.day()
	_, ok4 := q.one(" ")
	of, ok5 := q.clock()
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
		return time.Time{}, false
	}
	*p = q
	year := 2000 // a leap year, so that Feb 29 is one day
	if _, ok := q.one(" "); ok {
		if y, ok := q.number(4, 1900, 9999); ok && (q.i == len(q.s) || !isDigit(q.s[q.i])) {
			year, p.i = y, q.i
		}
	}
	return date(year, month, day).Add(of), true
}

// day reads a day of the month in one of its three ways: " 2", "02", "2".
func (p *timeParser) day() (int, bool) {
	p.one(" ")
	if d, ok := p.number(2, 1, 31); ok {
		return d, true
	}
	return p.number(1, 1, 9)
}

func (p *timeParser) month() (time.Month, bool) {
	if p.i+3 <= len(p.s) {
		for m := time.January; m <= time.December; m++ {
			if strings.EqualFold(p.s[p.i:p.i+3], m.String()[:3]) {
				p.i += 3
				return m, true
			}
		}
	}
	return 0, false
}

func (p *timeParser) weekday() bool {
	if p.i+3 <= len(p.s) {
		for d := time.Sunday; d <= time.Saturday; d++ {
			if strings.EqualFold(p.s[p.i:p.i+3], d.String()[:3]) {
				p.i += 3
				return true
			}
		}
	}
	return false
}

// epoch reads a count since 1970: its digits say of what.
func (p *timeParser) epoch() (time.Time, bool) {
	q := *p
	for q.i < len(q.s) && isDigit(q.s[q.i]) && q.i-p.i < 20 {
		q.i++
	}
	unit, ok := map[int]time.Duration{10: time.Second, 13: time.Millisecond, 16: time.Microsecond, 19: time.Nanosecond}[q.i-p.i]
	if !ok {
		return time.Time{}, false
	}
	var v int64
	for _, c := range []byte(p.s[p.i:q.i]) {
		v = v*10 + int64(c-'0')
		if v < 0 {
			return time.Time{}, false
		}
	}
	var part time.Duration
	if unit > time.Nanosecond {
		part = q.fraction() / (time.Second / unit)
	}
	if q.i < len(q.s) && isWordByte(q.s[q.i]) && q.s[q.i] != ':' && q.s[q.i] != '-' {
		return time.Time{}, false // the beginning of an identifier
	}
	per := int64(time.Second / unit)
	t := time.Unix(v/per, v%per*int64(unit)).Add(part).UTC()
	if y := t.Year(); y < 1990 || y > 2200 {
		return time.Time{}, false
	}
	*p = q
	return t, true
}

// date is midnight. A day beyond its month's end is of the next month.
func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}
