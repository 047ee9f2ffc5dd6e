package sim

import (
	"strings"

	"meshsim/appender"
)

// levelWords are the names of levels, in the forms that programs use.
var levelWords = map[string]appender.Level{
	"trace": appender.Trace, "verbose": appender.Trace, "finest": appender.Trace, "finer": appender.Trace,
	"debug": appender.Debug, "dbg": appender.Debug, "fine": appender.Debug,
	"info": appender.Info, "information": appender.Info, "informational": appender.Info, "notice": appender.Info,
	"warn": appender.Warn, "warning": appender.Warn,
	"error": appender.Error, "err": appender.Error, "severe": appender.Error, "fatal": appender.Error,
	"critical": appender.Error, "crit": appender.Error, "panic": appender.Error, "dpanic": appender.Error,
	"alert": appender.Error, "emerg": appender.Error, "emergency": appender.Error,
}

// levelWordMax is the length of the longest level word.
const levelWordMax = len("informational")

// levelOf is the level that a word names, in any case.
func levelOf(word string) (appender.Level, bool) {
	if len(word) > levelWordMax {
		return 0, false
	}
	l, ok := levelWords[strings.ToLower(word)]
	return l, ok
}

// findLevel finds the first word that stands for a level. A word in capitals
// does so anywhere; one in small letters may be just a word of the text, and
// counts only where a level is written: first (if first says so), in brackets,
// behind "level=", or before a colon.
func findLevel(s string, first bool) (appender.Level, bool) {
	for i := 0; i < len(s); {
		if !isLetter(s[i]) {
			i++
			continue
		}
		end := i
		for end < len(s) && (isLetter(s[end]) || isDigit(s[end]) || s[end] == '_') {
			end++
		}
		word := s[i:end]
		if l, ok := levelOf(word); ok && (i == 0 || !isDigit(s[i-1]) && s[i-1] != '_') {
			if word == strings.ToUpper(word) || first || marked(s, i, end) {
				return l, true
			}
		}
		first = false
		i = end
	}
	return 0, false
}

// marked reports whether s[i:end] is written as a level is.
func marked(s string, i, end int) bool {
	before, after := byte(' '), byte(' ')
	if i > 0 {
		before = s[i-1]
	}
	if end < len(s) {
		after = s[end]
	}
	switch {
	case (before == '[' || before == ':') && after == ']', before == '<' && after == '>', before == '(' && after == ')':
		return true
	case after == ':':
		return before == ' ' || before == '['
	case before == '|' || after == '|':
		return true
	}
	key := strings.TrimRight(s[:i], `="`)
	if len(key) == i {
		return false
	}
	key = strings.ToLower(key)
	return strings.HasSuffix(key, "level") || strings.HasSuffix(key, "lvl") || strings.HasSuffix(key, "severity")
}
