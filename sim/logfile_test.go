package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
)

func TestCommonLogFormsAreUnderstood(t *testing.T) {
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return v.UTC()
	}
	for _, c := range []struct {
		line  string
		at    string // "" means none
		level string // "" means none
	}{
		{"2015-07-29 17:41:44,747 - INFO  [QuorumPeer:Election@774] - Notification", "2015-07-29T17:41:44.747Z", "info"},
		{"api.log.1.2017-05-16_13:53:08 2017-05-16 00:00:00.008 25746 WARNING nova.x [-] y", "2017-05-16T00:00:00.008Z", "warn"},
		{"2024-01-02T03:04:05Z error: no such file", "2024-01-02T03:04:05Z", "error"},
		{"2024-01-02T03:04:05.123456789+02:00 DEBUG x", "2024-01-02T01:04:05.123456789Z", "debug"},
		{"2024-01-02 03:04:05 -0730 | trace | x", "2024-01-02T10:34:05Z", "trace"},
		{"2024/01/02 03:04:05 [crit] 12#0: worker", "2024-01-02T03:04:05Z", "error"},
		{"[2024-01-02 03:04:05,5] ERROR in app: x", "2024-01-02T03:04:05.5Z", "error"},
		{"WARN 2024-01-02 03:04:05 behind the level", "2024-01-02T03:04:05Z", "warn"},
		{"Jan  2 15:04:05 host daemon[1]: warning: disk", "2000-01-02T15:04:05Z", "warn"},
		{"Feb 29 15:04:05 host kernel: leap", "2000-02-29T15:04:05Z", ""},
		{"<34>1 2003-10-11T22:14:15.003Z host su - ID47 - failed", "2003-10-11T22:14:15.003Z", ""},
		{"[Thu Jun 09 06:07:04 2005] [notice] LDAP: built", "2005-06-09T06:07:04Z", "info"},
		{"[Thu Jun 09 06:07:04.25 2005] [core:error] [pid 1] x", "2005-06-09T06:07:04.25Z", "error"},
		{`10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1`, "2000-10-10T20:55:36Z", ""},
		{"1467815145 INFO seconds", "2016-07-06T14:25:45Z", "info"},
		{"1467815145.25 INFO seconds", "2016-07-06T14:25:45.25Z", "info"},
		{"[1467815145123] ERROR milliseconds", "2016-07-06T14:25:45.123Z", "error"},
		{"1467815145123456 DEBUG microseconds", "2016-07-06T14:25:45.123456Z", "debug"},
		{"1467815145123456789 DEBUG nanoseconds", "2016-07-06T14:25:45.123456789Z", "debug"},
		{"[   12.345678] usb 1-1: new device", "1970-01-01T00:00:12.345678Z", ""},
		{"I0102 15:04:05.000001   42 file.go:12] started", "2000-01-02T15:04:05.000001Z", "info"},
		{"F0102 15:04:05.000001   42 file.go:12] gone", "2000-01-02T15:04:05.000001Z", "error"},
		{`{"ts":1467815145.5,"level":"warn","msg":"x"}`, "2016-07-06T14:25:45.5Z", "warn"},
		{`{"ts":1.4678151455e9,"level":"fatal","msg":"x"}`, "2016-07-06T14:25:45.5Z", "error"},
		{`{"time":"2024-01-02T03:04:05Z","severity":"ERROR","msg":"x"}`, "2024-01-02T03:04:05Z", "error"},
		{`  {"timestamp":1467815145123,"lvl":"trace"}`, "2016-07-06T14:25:45.123Z", "trace"},
		{`time=2024-01-02T03:04:05+02:00 level=error msg="x"`, "2024-01-02T01:04:05Z", "error"},
		{`time="2024-01-02T03:04:05Z" level="debug"`, "2024-01-02T03:04:05Z", "debug"},
		{"\ufeff2024-01-02 03:04:05 INFO behind a byte order mark", "2024-01-02T03:04:05Z", "info"},
		{"2016-12-31 23:59:60 INFO a leap second", "2017-01-01T00:00:00Z", "info"},

		{"", "", ""},
		{"\tat com.example.Main(Main.java:3)", "", ""},
		{"the word error in a text is no level", "", ""},
		{"2024-13-02 03:04:05 no such month", "", ""},
		{"2024-01-02 25:04:05 no such hour", "", ""},
		{"order 1467815145 shipped", "", ""},
		{"app.log.2017-05-16 is no time without a clock", "", ""},
		{`{"ts":`, "", ""},
		{`{"a":1}`, "", ""},
		{"\x00\xff\xfe", "", ""},
	} {
		got, hasTime, level, hasLevel := ParseLogLine(c.line)
		require.Equal(t, c.at != "", hasTime, "%q has a time: %v", c.line, got)
		if hasTime {
			require.Equal(t, at(c.at), got.UTC(), "%q", c.line)
		}
		require.Equal(t, c.level != "", hasLevel, "%q has a level: %v", c.line, level)
		if hasLevel {
			want := map[string]appender.Level{"trace": appender.Trace, "debug": appender.Debug, "info": appender.Info,
				"warn": appender.Warn, "error": appender.Error}[c.level]
			require.Equal(t, want, level, "%q", c.line)
		} else {
			require.Equal(t, appender.Info, level, "a line without a level is Info: %q", c.line)
		}
	}
}

// The files are synthetic, in the forms of logs that distributed services
// write.
func TestEveryLineOfTheSampleLogsHasTimeAndLevel(t *testing.T) {
	files, err := filepath.Glob("testdata/logs/*.log")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		r := NewLogReader(bytes.NewReader(data))
		for {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			require.True(t, e.HasTime && e.HasLevel, "%s: %q", file, e.Text)
		}
		s := r.Stats()
		require.Equal(t, uint64(bytes.Count(data, []byte{'\n'})), s.Entries, file)
		require.Equal(t, s.Entries, s.Timed)
		require.Equal(t, s.Entries, s.Levelled)
	}
}

// carried reads a log and puts it together again: with "\n" for every end of
// a line.
func carried(t require.TestingT, r io.Reader) string {
	var b strings.Builder
	l := NewLogReader(r)
	for first := true; ; first = false {
		e, err := l.Next()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		require.NoError(t, err)
		require.LessOrEqual(t, len(e.Text), LogLineMax)
		if !first && !e.Continued {
			b.WriteByte('\n')
		}
		b.WriteString(e.Text)
	}
}

// asLines is what carried makes of a log, said another way.
func asLines(log string) string {
	whole, endsInLine := strings.CutSuffix(log, "\n")
	if endsInLine {
		whole = strings.TrimSuffix(whole, "\r")
	}
	return strings.ReplaceAll(whole, "\r\n", "\n")
}

func TestEveryLineIsCarriedAsItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{
			"\n", "\r\n", "\r", "\x00", "\xff\xfe", "text", "2015-07-29 17:41:44,747 - INFO x", "{", "\t", " ",
		})).Draw(t, "parts"), "")
		require.Equal(t, asLines(log), carried(t, strings.NewReader(log)))
		require.Equal(t, asLines(log), carried(t, iotest.OneByteReader(strings.NewReader(log))))
	})
}

func TestLinesLongerThanTheLimitAreCarriedInPieces(t *testing.T) {
	for extra := -2; extra <= 3; extra++ {
		for _, end := range []string{"", "\n", "\r\n", "\r"} {
			log := strings.Repeat("x", LogLineMax+extra) + end
			if end == "\n" || end == "\r\n" {
				log += "2024-01-02 03:04:05 INFO next" + end
			}
			require.Equal(t, asLines(log), carried(t, strings.NewReader(log)), "%d bytes and %q", LogLineMax+extra, end)
		}
	}

	l := NewLogReader(strings.NewReader("2024-01-02 03:04:05 WARN " + strings.Repeat("y", 3*LogLineMax) + "\nnext\n"))
	for i := range 4 {
		e, err := l.Next()
		require.NoError(t, err)
		require.Equal(t, i > 0, e.Continued)
		require.Equal(t, i == 0, e.HasTime && e.Level == appender.Warn, "the first piece has the line's time and level")
	}
	e, err := l.Next()
	require.NoError(t, err)
	require.Equal(t, LogEntry{Text: "next"}, e)
	require.Equal(t, LogStats{Entries: 5, Timed: 1, Levelled: 1, Continued: 3}, l.Stats())
}

func TestReadErrorComesAfterWhatWasRead(t *testing.T) {
	broken := errors.New("disk on fire")
	l := NewLogReader(io.MultiReader(strings.NewReader("one\ntw"), iotest.ErrReader(broken)))
	var texts []string
	for {
		e, err := l.Next()
		if err != nil {
			require.ErrorIs(t, err, broken)
			break
		}
		texts = append(texts, e.Text)
	}
	require.Equal(t, []string{"one", "tw"}, texts)
}

func FuzzLog(f *testing.F) {
	f.Add([]byte("2015-07-29 17:41:44,747 - INFO x\r\n\x00\xff\n\n"))
	f.Add([]byte("{\"ts\":1,\"level\":\"warn\"}\nI0102 15:04:05.000001 x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		require.Equal(t, asLines(string(data)), carried(t, bytes.NewReader(data)))
	})
}

func FuzzParseLogLine(f *testing.F) {
	for _, s := range []string{
		"2015-07-29 17:41:44,747 - INFO x", "[Thu Jun 09 06:07:04 2005] [notice] x", "Jan  2 15:04:05 h d: x",
		"[   12.345678] x", "I0102 15:04:05.000001 x", `{"ts":1467815145.5,"level":"warn"}`, "1467815145123 x",
		`10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /"`, "time=2024-01-02T03:04:05+02:00 level=error", "[", "{", "Thu ",
		"9999999999999999999 x", "0000-01-01 00:00:60-15:59",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		at, hasTime, level, hasLevel := ParseLogLine(line)
		if !hasTime {
			require.True(t, at.IsZero())
		}
		if !hasLevel {
			require.Equal(t, appender.Info, level)
		}
		// What follows a line's head does not matter.
		if !strings.HasPrefix(strings.TrimLeft(line, " \t\ufeff"), "{") && len(line) < logHead {
			long := line + strings.Repeat("\n", logHead)
			at2, hasTime2, level2, hasLevel2 := ParseLogLine(long)
			require.Equal(t, at, at2)
			require.Equal(t, []any{hasTime, level, hasLevel}, []any{hasTime2, level2, hasLevel2})
		}
	})
}

func ExampleLogReader() {
	r := NewLogReader(strings.NewReader("2024-01-02 03:04:05,678 - WARN low on disk\n\tstack trace\n"))
	for {
		e, err := r.Next()
		if err != nil {
			break
		}
		fmt.Printf("%q time %v level %v\n", e.Text, e.HasTime, e.HasLevel)
	}
	// Output:
	// "2024-01-02 03:04:05,678 - WARN low on disk" time true level true
	// "\tstack trace" time false level false
}

func BenchmarkLogReader(b *testing.B) {
	const lines = 1000
	log := strings.Repeat("2015-07-29 17:41:44,747 - INFO  [QuorumPeer[myid=1]/0:0:0:0:2181:Election@774] - Notification time out\n", lines)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		r := NewLogReader(strings.NewReader(log))
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}
