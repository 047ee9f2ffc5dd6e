package sim

import (
	"bufio"
	"bytes"
	"io"
	"time"

	"meshsim/appender"
)

// LogLineMax bounds one line of a log in bytes. A longer line is carried in
// pieces of this size, so that no byte is lost and no file, however broken,
// makes a reader grow.
const LogLineMax = 1 << 20

// LogEntry is one line of a log file.
type LogEntry struct {
	// Text is the line as it was, without its line feed and a carriage
	// return before that: arbitrary bytes.
	Text string
	// Time and Level are what the line says of them, if it does; without a
	// level an entry is Info.
	Time     time.Time
	Level    appender.Level
	HasTime  bool
	HasLevel bool
	// Continued means that the entry is a further piece of a line that was
	// longer than [LogLineMax]. Pieces have no time or level of their own.
	Continued bool
}

// LogStats counts what a [LogReader] read.
type LogStats struct {
	Entries   uint64 // lines and further pieces of lines
	Timed     uint64 // with a time
	Levelled  uint64 // with a level
	Continued uint64 // further pieces
}

// LogReader reads a log line by line, carrying every one, whether it can be
// parsed or not. It holds one line at a time. One goroutine at a time uses it.
type LogReader struct {
	lines *bufio.Scanner
	// piece says that more follows of the line last split off, continued that
	// more preceded the one to come.
	piece, continued bool
	stats            LogStats
}

// NewLogReader reads a log from r.
func NewLogReader(r io.Reader) *LogReader {
	l := &LogReader{lines: bufio.NewScanner(r)}
	l.lines.Buffer(make([]byte, 64<<10), LogLineMax+3)
	l.lines.Split(l.split)
	return l
}

// Stats counts what was read so far.
func (l *LogReader) Stats() LogStats { return l.stats }

// Next is the next line. Its error is [io.EOF] at the end, or the reader's;
// what was read before that is returned first, as a line.
func (l *LogReader) Next() (LogEntry, error) {
	if !l.lines.Scan() {
		if err := l.lines.Err(); err != nil {
			return LogEntry{}, err
		}
		return LogEntry{}, io.EOF
	}
	e := LogEntry{Text: l.lines.Text(), Continued: l.continued}
	l.continued = l.piece
	l.stats.Entries++
	if e.Continued {
		l.stats.Continued++
		return e, nil
	}
	e.Time, e.HasTime, e.Level, e.HasLevel = ParseLogLine(e.Text)
	if e.HasTime {
		l.stats.Timed++
	}
	if e.HasLevel {
		l.stats.Levelled++
	}
	return e, nil
}

// split is a bufio.SplitFunc: one line, or LogLineMax bytes of a longer one.
// It asks for two bytes beyond those, because a line of exactly that length
// may end in "\r\n".
func (l *LogReader) split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	end := bytes.IndexByte(data, '\n')
	l.piece = false
	if end >= 0 {
		if line := bytes.TrimSuffix(data[:end], []byte{'\r'}); len(line) <= LogLineMax {
			return end + 1, line, nil
		}
	}
	switch {
	case end >= 0, len(data) >= LogLineMax+2, atEOF && len(data) > LogLineMax:
		l.piece = true
		return LogLineMax, data[:LogLineMax], nil
	case atEOF && len(data) > 0:
		return len(data), data, nil
	}
	return 0, nil, nil
}
