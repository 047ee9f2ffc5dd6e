package sim

import (
	"encoding/json"
	"strings"
	"time"

	"meshsim/appender"
)

// parseBootTime reads the kernel's "[   12.345678]", seconds since boot.
func parseBootTime(s string) (time.Time, int, bool) {
	if !strings.HasPrefix(s, "[") {
		return time.Time{}, 0, false
	}
	p := timeParser{s: s, i: 1}
	for p.i < len(s) && s[p.i] == ' ' {
		p.i++
	}
	v, digits := int64(0), 0
	for p.i < len(s) && isDigit(s[p.i]) && digits < 9 {
		v = v*10 + int64(s[p.i]-'0')
		p.i, digits = p.i+1, digits+1
	}
	before := p.i
	part := p.fraction()
	if digits == 0 || p.i == before || p.i >= len(s) || s[p.i] != ']' {
		return time.Time{}, 0, false
	}
	return time.Unix(v, 0).Add(part).UTC(), p.i + 1, true
}

// parseGlog reads "I0102 15:04:05.000000".
func parseGlog(s string) (time.Time, appender.Level, bool) {
	if len(s) < 6 {
		return time.Time{}, 0, false
	}
	level, ok := map[byte]appender.Level{
		'I': appender.Info, 'W': appender.Warn, 'E': appender.Error, 'F': appender.Error, 'D': appender.Debug,
	}[s[0]]
	p := timeParser{s: s, i: 1}
	month, ok1 := p.number(2, 1, 12)
	day, ok2 := p.number(2, 1, 31)
	_, ok3 := p.one(" ")
	of, ok4 := p.clock()
	if !ok || !ok1 || !ok2 || !ok3 || !ok4 {
		return time.Time{}, 0, false
	}
	return date(2000, time.Month(month), day).Add(of), level, true
}

// jsonLineMax bounds the lines that are parsed as JSON.
const jsonLineMax = 64 << 10

// parseJSONLine takes time and level from a JSON object's usual keys.
func parseJSONLine(s string) (at time.Time, hasTime bool, level appender.Level, hasLevel bool) {
	if len(s) > jsonLineMax {
		return
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(s), &fields) != nil {
		return
	}
	for _, key := range []string{"time", "ts", "timestamp", "@timestamp", "t"} {
		if raw, ok := fields[key]; ok && !hasTime {
			at, hasTime = parseJSONTime(raw)
		}
	}
	for _, key := range []string{"level", "lvl", "severity", "levelname", "log.level"} {
		var word string
		if raw, ok := fields[key]; ok && !hasLevel && json.Unmarshal(raw, &word) == nil {
			level, hasLevel = levelOf(word)
		}
	}
	return at, hasTime, level, hasLevel
}

func parseJSONTime(raw json.RawMessage) (time.Time, bool) {
	text := string(raw)
	var word string
	if json.Unmarshal(raw, &word) == nil {
		text = word
	} else if f := (json.Number)(text); strings.ContainsAny(text, "eE") {
		v, err := f.Float64()
		if err != nil || !(v > 0 && v < 1e10) {
			return time.Time{}, false
		}
		return time.Unix(0, int64(v*1e9)).UTC(), true
	}
	p := timeParser{s: text}
	return p.any(true)
}
