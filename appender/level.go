package appender

import (
	"fmt"
	"strings"
)

var levelNames = [...]string{Info: "info", Trace: "trace", Debug: "debug", Warn: "warn", Error: "error"}

// String returns trace, debug, info, warn or error; level(9) for what is no level.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// Severity orders levels: 0 for Trace, then Debug, Info, Warn, and 4 for Error.
// What is no level ranks above all, so that a filter never hides it.
func (l Level) Severity() int {
	switch l {
	case Trace:
		return 0
	case Debug:
		return 1
	case Info:
		return 2
	case Warn:
		return 3
	case Error:
		return 4
	}
	return 5
}

// ParseLevel reads a level in any case, by its String form or by a name that
// logs in the wild use for it. What is graver than an error is an Error.
func ParseLevel(s string) (Level, error) {
	switch strings.ToLower(s) {
	case "trace", "trc", "finest", "finer":
		return Trace, nil
	case "debug", "dbg", "fine", "verbose":
		return Debug, nil
	case "info", "inf", "information", "informational", "notice":
		return Info, nil
	case "warn", "wrn", "warning":
		return Warn, nil
	case "error", "err", "severe", "fatal", "ftl", "critical", "crit", "alert", "emerg", "emergency", "panic":
		return Error, nil
	}
	return Info, fmt.Errorf("appender: level %q: want trace, debug, info, warn or error", s)
}
