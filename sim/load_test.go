package sim

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
)

// genSynthetic draws any load but a replay, over at most 10 s.
func genSynthetic(t *rapid.T) Load {
	l := Load{Kind: rapid.SampledFrom([]string{LoadConstant, LoadPoisson, LoadBurst, LoadRamp}).Draw(t, "kind")}
	rate := func(name string) float64 { return rapid.Float64Range(0.1, 200).Draw(t, name) }
	switch l.Kind {
	case LoadBurst:
		l.Size = rapid.IntRange(1, 50).Draw(t, "size")
		l.Every = time.Duration(rapid.Int64Range(int64(50*time.Millisecond), int64(5*time.Second)).Draw(t, "every"))
	case LoadRamp:
		l.Rate, l.To = rate("rate"), rate("to")
		switch rapid.IntRange(0, 3).Draw(t, "from or to 0") {
		case 0:
			l.Rate = 0
		case 1:
			l.To = 0
		}
	default:
		l.Rate = rate("rate")
	}
	l.Bytes = rapid.IntRange(1, 300).Draw(t, "bytes")
	l.From = time.Duration(rapid.Int64Range(0, int64(9*time.Second)).Draw(t, "from"))
	l.Until = l.From + time.Duration(rapid.Int64Range(1, int64(10*time.Second-l.From)).Draw(t, "length"))
	return l
}

// linesOf opens the load of c and takes every line, source by source.
func linesOf(t require.TestingT, c Config, seed uint64) [][]Line {
	r, err := c.Resolve()
	require.NoError(t, err)
	w, err := NewWorkload(&r, seed)
	require.NoError(t, err)
	var all [][]Line
	for _, s := range w.Sources {
		var lines []Line
		for {
			l, ok := s.Next()
			if !ok {
				break
			}
			lines = append(lines, l)
		}
		_, again := s.Next()
		require.False(t, again, "a source that has ended stays ended")
		require.NoError(t, s.Err())
		all = append(all, lines)
	}
	require.NoError(t, w.Close())
	return all
}

func TestLoadKeepsItsTimesItsSizeAndItsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := genSynthetic(t)
		c := Config{Nodes: 3, Load: []Load{l}, Mesh: Mesh{Daemons: 4}}
		all := linesOf(t, c, rapid.Uint64().Draw(t, "seed"))
		require.Len(t, all, 3, "one source per node")
		for i, lines := range all {
			last := l.From
			for _, line := range lines {
				require.Equal(t, i+1, line.Node)
				require.GreaterOrEqual(t, line.At, last, "time does not go back")
				require.Less(t, line.At, l.Until)
				require.Len(t, line.Log.Message, l.Bytes)
				require.LessOrEqual(t, line.Log.Daemon, uint64(4))
				last = line.At
			}
		}
	})
}

// The number of lines is the integral of the rate.
func TestLoadHasItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := genSynthetic(t)
		lines := linesOf(t, Config{Nodes: 1, Load: []Load{l}}, rapid.Uint64().Draw(t, "seed"))[0]
		span := (l.Until - l.From).Seconds()
		got := float64(len(lines))
		switch l.Kind {
		case LoadConstant:
			require.InDelta(t, l.Rate*span, got, 1)
		case LoadRamp:
			require.InDelta(t, (l.Rate+l.To)/2*span, got, 1.001)
			for i, line := range lines {
				at := (line.At - l.From).Seconds()
				require.InDelta(t, l.Rate*at+(l.To-l.Rate)/span*at*at/2, float64(i), 1.001, "line %d", i)
			}
		case LoadPoisson:
			mean := l.Rate * span
			require.InDelta(t, mean, got, 8*math.Sqrt(mean)+8)
		case LoadBurst:
			bursts := int64((l.Until-l.From-1)/l.Every) + 1
			require.Equal(t, bursts*int64(l.Size), int64(len(lines)))
			for i, line := range lines {
				require.Equal(t, l.From+time.Duration(i/l.Size)*l.Every, line.At)
			}
		}
	})
}

func TestLoadIsAFunctionOfTheSeed(t *testing.T) {
	c := Config{Nodes: 3, Load: []Load{{Kind: LoadPoisson, Rate: 50}, {Kind: LoadConstant, Rate: 20}}}
	a := linesOf(t, c, 1)
	require.Equal(t, a, linesOf(t, c, 1))
	b := linesOf(t, c, 2)
	for i := range a {
		require.NotEqual(t, a[i], b[i], "source %d", i)
		for j := range i {
			require.NotEqual(t, a[i], a[j], "sources %d and %d", i, j)
		}
	}
}

// Shrinking takes nodes and entries away: what is left must stay as it was.
func TestLoadOfOneNodeDoesNotDependOnOthers(t *testing.T) {
	entry := Load{Kind: LoadPoisson, Rate: 50}
	few := linesOf(t, Config{Nodes: 2, Load: []Load{entry}}, 9)
	many := linesOf(t, Config{Nodes: 5, Load: []Load{entry, {Kind: LoadBurst, Size: 3, Every: time.Second}}}, 9)
	require.Equal(t, few[0], many[0])
	require.Equal(t, few[1], many[1])
	only := entry
	only.Nodes = []string{"n2"}
	require.Equal(t, few[1], linesOf(t, Config{Nodes: 2, Load: []Load{only}}, 9)[0])
}

func TestLoadVariesLevelsDaemonsAndMessages(t *testing.T) {
	lines := linesOf(t, Config{Nodes: 1, Load: []Load{{Kind: LoadConstant, Rate: 200}}}, 3)[0]
	levels, daemons, messages := map[appender.Level]int{}, map[uint64]int{}, map[string]int{}
	for _, l := range lines {
		levels[l.Log.Level]++
		daemons[l.Log.Daemon]++
		messages[l.Log.Message]++
	}
	require.Len(t, levels, 5)
	require.Len(t, daemons, 3, "none, and each of two")
	require.Greater(t, len(messages), 300)
}

func TestGeneratorsMakeLinesWithoutAllocating(t *testing.T) {
	c, err := Config{Nodes: 1, Duration: DurationMax, Load: []Load{
		{Kind: LoadConstant, Rate: 50}, {Kind: LoadPoisson, Rate: 50},
		{Kind: LoadBurst, Size: 9, Every: time.Second}, {Kind: LoadRamp, Rate: 1, To: 90},
	}}.Resolve()
	require.NoError(t, err)
	w, err := NewWorkload(&c, 1)
	require.NoError(t, err)
	for i, s := range w.Sources {
		require.Zero(t, testing.AllocsPerRun(1000, func() { s.Next() }), c.Load[i].Kind)
	}
}

func writeLog(t testing.TB, text string) string {
	path := filepath.Join(t.TempDir(), "some.log")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestReplayKeepsThePaceOfItsLog(t *testing.T) {
	log := writeLog(t, strings.Join([]string{
		"a line before the first time",
		"2024-01-02 10:00:00.000 INFO one",
		"2024-01-02 10:00:00.500 WARN half a second later",
		"\tat a line without a time",
		"2024-01-02 10:00:01.500 ERROR a second later",
		"2024-01-02 09:00:00.000 INFO an hour back: at once",
		"2024-01-02 09:00:00.250 INFO and on from there",
		"2024-01-30 00:00:00.000 INFO a long gap: cut",
		"",
	}, "\n"))
	at := func(c Load) (at []time.Duration) {
		c.Kind, c.File = LoadReplay, log
		for i, l := range linesOf(t, Config{Nodes: 2, Load: []Load{c}}, 1)[0] {
			require.Equal(t, i%2+1, l.Node, "the nodes take the lines in turn")
			at = append(at, l.At)
		}
		return at
	}
	const ms = time.Millisecond
	require.Equal(t, []time.Duration{0, 0, 500 * ms, 500 * ms, 1500 * ms, 1500 * ms, 1750 * ms, 3750 * ms}, at(Load{}))
	require.Equal(t, []time.Duration{0, 0, 50 * ms, 50 * ms, 150 * ms, 150 * ms, 175 * ms, 2175 * ms}, at(Load{Speed: 10}))
	require.Equal(t, []time.Duration{0, 0, 300 * ms, 300 * ms, 600 * ms, 600 * ms, 850 * ms, 1150 * ms}, at(Load{MaxGap: 300 * ms}))
	require.Equal(t, []time.Duration{ms, ms, 501 * ms, 501 * ms}, at(Load{From: ms, Until: time.Second}), "until is a bound")
}

func TestReplayCarriesEveryLineAndProlongsTheRun(t *testing.T) {
	files, err := filepath.Glob("testdata/logs/*.log")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		c, err := Config{Load: []Load{{Kind: LoadReplay, File: file, Speed: 5, MaxGap: time.Second}}}.Resolve()
		require.NoError(t, err)
		w, err := NewWorkload(&c, 1)
		require.NoError(t, err)
		require.True(t, w.Sources[0].Prolongs())
		var texts []string
		var last time.Duration
		for {
			l, ok := w.Sources[0].Next()
			if !ok {
				break
			}
			require.GreaterOrEqual(t, l.At, last, "time does not go back")
			require.LessOrEqual(t, l.At-last, time.Second, "gaps are capped")
			last = l.At
			texts = append(texts, l.Log.Message)
		}
		require.NoError(t, w.Close())
		require.Equal(t, strings.Split(strings.TrimSuffix(string(data), "\n"), "\n"), texts, file)
	}
}

func TestUnreadableLogIsOneClearError(t *testing.T) {
	dir := t.TempDir()
	for file, found := range map[string]string{
		filepath.Join(dir, "none.log"): "no such file or directory",
		dir:                            "is a directory",
		writeLog(t, ""):                "an empty file",
	} {
		c := Config{Load: []Load{{Kind: LoadConstant, Rate: 1}, {Kind: LoadReplay, File: file}}}
		_, err := c.Resolve()
		var f *FieldError
		require.ErrorAs(t, err, &f)
		require.Equal(t, "load[1].file", f.Path)
		require.Equal(t, fmt.Sprintf("%q (%s)", file, found), f.Found)
		require.NotContains(t, err.Error(), "\n")
	}

	// It may also vanish between the check and the run.
	file := writeLog(t, "x\n")
	c, err := Config{Load: []Load{{Kind: LoadReplay, File: file}}}.Resolve()
	require.NoError(t, err)
	require.NoError(t, os.Remove(file))
	_, err = NewWorkload(&c, 1)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorIs(t, err, ErrConfig)
}

func ExampleNewWorkload() {
	c, err := Config{Nodes: 2, Load: []Load{{Kind: LoadConstant, Rate: 2, Bytes: 20}}}.Resolve()
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := NewWorkload(&c, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	for range 3 {
		l, _ := w.Sources[0].Next()
		fmt.Printf("%v n%d %q\n", l.At.Round(time.Millisecond), l.Node, l.Log.Message)
	}
	// Output:
	// 153ms n1 "upstream call; peer "
	// 653ms n1 "index compacted; che"
	// 1.153s n1 "closed by peer; snap"
}
