package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"meshsim/props"
	"meshsim/sim"
	"meshsim/sim/scenario"
	"meshsim/sim/trace"
)

// call runs the command in this process.
func call(args ...string) (stdout, stderr string, status int) {
	return judged(props.All(), args...)
}

func judged(checkers []func() trace.Checker, args ...string) (stdout, stderr string, status int) {
	var out, err bytes.Buffer
	status = execute(args, &out, &err, "meshsim", checkers)
	return out.String(), err.String(), status
}

// TestCommand runs the golden scripts: arguments, one a line, and what comes
// back. Rewrite them with `go test ./sim/cmd/meshsim -rewrite`.
func TestCommand(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			require.Equal(t, "meshsim", d.Cmd)
			out, err, status := call(strings.Fields(d.Input)...)
			var b strings.Builder
			if out != "" {
				fmt.Fprintf(&b, "%s", out)
			}
			for line := range strings.Lines(err) {
				fmt.Fprintf(&b, "stderr: %s", line)
			}
			fmt.Fprintf(&b, "status: %d\n", status)
			return b.String()
		})
	})
}

// TestWhatIsTypedWrongGetsOneLineAndStatus2 covers what golden scripts cannot:
// files that must exist.
func TestWhatIsTypedWrongGetsOneLineAndStatus2(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	ragged := file("ragged.csv", "from,a,b\na,1,2\nb,3\n")
	empty := file("empty.log", "")
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"run", file("key.yaml", "nodes: 3\nnoddes: 4\n")}, []string{"key.yaml:2", "noddes"}},
		{[]string{"run", file("count.yaml", "nodes: -3\n")}, []string{"count.yaml:1:8", "-3", "from 1 to"}},
		{[]string{"run", file("syntax.yaml", "nodes: [\n")}, []string{"syntax.yaml"}},
		{[]string{"run", file("type.yaml", "nodes: many\n")}, []string{"type.yaml:1", "many"}},
		{[]string{"run", file("part.yaml", "nodes: 3\nfaults:\n- {at: 1s, kind: partition, groups: [[n1], [n9]]}\n")}, []string{"part.yaml:3", "n9"}},
		{[]string{"run", file("matrix.yaml", "network: {matrix: "+ragged+"}\n")}, []string{"ragged.csv:3"}},
		{[]string{"run", "calm", "--records", filepath.Join(dir, "absent.log")}, []string{"absent.log", "does not exist"}},
		{[]string{"run", "calm", "--records", dir}, []string{dir, "directory"}},
		{[]string{"run", "calm", "--records", empty}, []string{"empty.log", "empty"}},
		{[]string{"run", dir}, []string{dir, "directory"}},
		{[]string{"run", filepath.Join(dir, "absent.yaml")}, []string{"absent.yaml", "does not exist"}},
		{[]string{"run", "--set", "nodes=-1"}, []string{"nodes", "-1"}},
		{[]string{"run", "--set", "noddes=4"}, []string{"noddes", "nodes"}},
		{[]string{"run", "--set", "nodes"}, []string{"--set nodes"}},
		{[]string{"run", "--set", "network.loss=1.5"}, []string{"loss", "1.5"}},
		{[]string{"live", "--set", "nodes=-1"}, []string{"nodes", "-1"}},
		{[]string{"sweep", "--set", "nodes=-1"}, []string{"nodes", "-1"}},
	} {
		out, err, status := call(c.args...)
		require.Equal(t, exitUsage, status, "%v: %s", c.args, err)
		require.Empty(t, out, "%v", c.args)
		require.Equal(t, 1, strings.Count(err, "\n"), "%v: %s", c.args, err)
		for _, want := range c.says {
			require.Contains(t, err, want, "%v", c.args)
		}
	}
}

// keysOf lists the keys of a JSON value, nested ones as parent.key.
func keysOf(prefix string, v any, keys map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, sub := range v {
			keys[prefix+k] = true
			keysOf(prefix+k+".", sub, keys)
		}
	case []any:
		for _, sub := range v {
			keysOf(prefix, sub, keys)
		}
	}
}

func TestJSONHasTheKeysPromised(t *testing.T) {
	out, _, status := call("run", "calm", "--duration", "2s", "--seed", "17", "--json")
	require.Equal(t, exitHeld, status)
	require.Equal(t, 1, strings.Count(out, "\n"), "one object, one line")
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &v))
	delete(v, "faults") // its keys are the kinds of faults
	keys := make(map[string]bool)
	keysOf("", v, keys)
	want := []string{
		"scenario", "seed", "nodes", "verdict", "digest", "steps", "delivered", "virtual_ns", "wall_ns",
		"records", "records.emitted", "records.appended", "records.failed", "records.unknown", "records.dropped",
		"records.lost", "records.pending",
		"invariants", "invariants.name", "invariants.quantifier", "invariants.checked", "invariants.violated_at",
		"sometimes", "sometimes.name", "sometimes.count",
	}
	got := make([]string, 0, len(keys))
	for k := range keys {
		got = append(got, k)
	}
	require.ElementsMatch(t, want, got)
	require.EqualValues(t, 17, v["seed"])
	require.Equal(t, "held", v["verdict"])
}

func TestFaultsInJSONAreCountsByKind(t *testing.T) {
	out, _, _ := call("run", "crash-restart", "--seed", "1", "--json")
	var v struct {
		Faults map[string]uint64
	}
	require.NoError(t, json.Unmarshal([]byte(out), &v))
	require.NotZero(t, v.Faults["crash"], out)
}

// always objects to the first record settled, or ends its goroutine.
type always struct {
	with func() error
	done bool
}

func (c *always) Name() string { return "planted" }
func (c *always) Observe(e *trace.Event) error {
	if c.done || e.Kind != trace.RecordSettled {
		return nil
	}
	c.done = true
	return c.with()
}
func (c *always) Next() (time.Duration, bool) { return 0, false }
func (c *always) Expire(time.Duration) error  { return nil }
func (c *always) Finish(time.Duration) error  { return nil }

func planted(with func() error) []func() trace.Checker {
	return []func() trace.Checker{func() trace.Checker { return &always{with: with} }}
}

var errPlanted = errors.New("n1 settled a record, which was not to be")

func TestTheStatusIsTheVerdict(t *testing.T) {
	violate := planted(func() error { return errPlanted })
	hold := planted(func() error { return nil })
	unstruck := []string{"--set", "faults=[{kind: append-panic, nodes: [n1], record: 1000000}]"}
	calm := []string{"run", "calm", "--duration", "2s", "--seed", "3"}

	out, _, status := judged(hold, calm...)
	require.Equal(t, exitHeld, status, out)
	require.Contains(t, out, "\nheld: ")

	out, _, status = judged(violate, calm...)
	require.Equal(t, exitViolated, status, out)
	require.Contains(t, out, "\nviolated: ")
	require.Contains(t, out, errPlanted.Error())
	require.Contains(t, out, "events of n1:\n")
	require.Contains(t, out, "reproduce: meshsim run calm --duration 2s --seed 3\n")

	out, _, status = judged(hold, append(slices.Clone(calm), unstruck...)...)
	require.Equal(t, exitInconclusive, status, out)
	require.Contains(t, out, "\ninconclusive: ")
	require.Contains(t, out, "append-panic")

	// A violation outweighs what was not shown.
	_, _, status = judged(violate, append(slices.Clone(calm), unstruck...)...)
	require.Equal(t, exitViolated, status)

	out, err, status := judged(planted(func() error { runtime.Goexit(); return nil }), calm...)
	require.Equal(t, exitInternal, status, out)
	require.Contains(t, err, "reproduce: meshsim run calm --duration 2s --seed 3\n")

	// A panic where no actor contains it.
	out, err, status = judged([]func() trace.Checker{func() trace.Checker { panic("planted") }}, calm...)
	require.Equal(t, exitInternal, status, out)
	require.True(t, strings.HasPrefix(err, "meshsim: panic: planted\n"), err)
	require.Contains(t, err, "reproduce: meshsim run calm --duration 2s --seed 3\n")

	for _, shape := range []string{"--json", "--quiet"} {
		_, _, status = judged(violate, append(slices.Clone(calm), shape)...)
		require.Equal(t, exitViolated, status)
	}
}

func TestASweepHasTheStatusOfItsWorstSeed(t *testing.T) {
	some := func() error { return errPlanted }
	out, _, status := judged(planted(some), "sweep", "calm", "--duration", "1s", "--seeds", "4-5")
	require.Equal(t, exitViolated, status)
	require.Contains(t, out, "reproduce: meshsim run calm --duration 1s --seed 4\n")
	require.Contains(t, out, "reproduce: meshsim run calm --duration 1s --seed 5\n")

	out, _, status = judged(planted(func() error { return nil }), "sweep", "calm", "--duration", "1s", "--seeds", "1-6", "--json")
	require.Equal(t, exitHeld, status, out)
	var tally struct{ Seeds, Held uint64 }
	require.NoError(t, json.Unmarshal([]byte(out), &tally))
	require.EqualValues(t, 6, tally.Seeds)
	require.EqualValues(t, 6, tally.Held)
}

func TestTheSeedIsPrintedFirst(t *testing.T) {
	seeds := make(map[string]bool)
	for range 3 {
		out, err, _ := call("run", "calm", "--duration", "1s", "--quiet")
		require.Regexp(t, `^seed [0-9]+\n`, out)
		require.Empty(t, err, "nothing is to be seen on a pipe but results")
		seeds[out[:strings.IndexByte(out, '\n')]] = true
	}
	require.Len(t, seeds, 3, "an absent seed is drawn")
	out, _, _ := call("run", "calm", "--duration", "1s", "--seed", "0x11")
	require.True(t, strings.HasPrefix(out, "seed 17\n"))
	_, err, _ := call("run", "calm", "--duration", "1s", "--seed", "17", "--json")
	require.Equal(t, "seed 17\n", err)
}

var (
	digestOf    = regexp.MustCompile(`digest ([0-9a-f]{16})`)
	reproduceOf = regexp.MustCompile(`(?m)^reproduce: meshsim (.*)$`)
)

func TestTheReproduceLineGivesTheSameRun(t *testing.T) {
	out, _, _ := call("run", "swarm", "--nodes", "4", "--set", "network.loss=0.01")
	digest, line := digestOf.FindStringSubmatch(out), reproduceOf.FindStringSubmatch(out)
	require.NotNil(t, digest, out)
	require.NotNil(t, line, out)
	again, _, _ := call(strings.Fields(line[1])...)
	require.Equal(t, digest, digestOf.FindStringSubmatch(again))
}

// The story is told by watching: that must not change the run.
func TestTellingTheStoryChangesNothing(t *testing.T) {
	told, _, _ := call("run", "quickstart", "--seed", "5")
	quiet, _, _ := call("run", "quickstart", "--seed", "5", "--quiet")
	twice, _, _ := call("run", "quickstart", "--seed", "5", "--quiet", "--doublecheck")
	require.Equal(t, digestOf.FindStringSubmatch(told), digestOf.FindStringSubmatch(quiet))
	require.Equal(t, digestOf.FindStringSubmatch(told), digestOf.FindStringSubmatch(twice))
}

func TestEveryBuiltInScenarioIsListedAndShown(t *testing.T) {
	out, _, status := call("scenarios")
	require.Equal(t, exitHeld, status)
	for _, name := range []string{"quickstart", "calm", "hung-appender", "panicking-appender", "overload",
		"partition", "crash-restart", "ten-regions", "thousand-nodes", "swarm"} {
		require.Contains(t, scenario.Names(), name)
	}
	for _, name := range scenario.Names() {
		require.Regexp(t, `(?m)^`+name+` +\S`, out, "with a word on what it is for")
		shown, _, status := call("scenarios", "show", name)
		require.Equal(t, exitHeld, status)

		// What is shown is a scenario: run as a file it is the same run.
		path := filepath.Join(t.TempDir(), name+".yaml")
		require.NoError(t, os.WriteFile(path, []byte(shown), 0o600))
		fromFile, err := scenario.Load(path)
		require.NoError(t, err)
		builtin, err := scenario.Builtin(name)
		require.NoError(t, err)
		require.Equal(t, builtin, fromFile)
	}
}

func TestALogFileIsReplayedAsLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "some.log")
	var b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, "2024-05-01 10:00:%02d,%03d INFO line %d\n", i/60, i%60*10, i)
	}
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o600))
	out, _, _ := call("run", "calm", "--set", "mesh.daemons=-1", "--records", path, "--json", "--seed", "1")
	var r struct{ Records sim.Records }
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.GreaterOrEqual(t, r.Records.Emitted, uint64(300))
}

func TestShellCompletionOffersTheScenarios(t *testing.T) {
	out, _, status := call("__complete", "run", "")
	require.Equal(t, exitHeld, status)
	for _, name := range scenario.Names() {
		require.Contains(t, out, name+"\n")
	}
}

// broken is a standard output that cannot be written.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestResultsThatCannotBeWrittenAreNotAPass(t *testing.T) {
	for _, args := range [][]string{
		{"run", "calm", "--duration", "1s"}, {"run", "calm", "--duration", "1s", "--json"}, {"scenarios"},
	} {
		var err bytes.Buffer
		require.Equal(t, exitInternal, execute(args, broken{}, &err, "meshsim", props.All()), "%v", args)
		require.Contains(t, err.String(), io.ErrClosedPipe.Error())
	}
}

func TestWordsAreQuotedForAShell(t *testing.T) {
	a := app{program: "meshsim"}
	require.Equal(t, `meshsim run --set 'about=it'\''s mine' a=b ''`, a.command("run", "--set", "about=it's mine", "a=b", ""))
}

func TestLinesAreWrappedWithoutLosingAWord(t *testing.T) {
	text := "one two three four five six seven eight nine ten"
	for width := 1; width < 60; width++ {
		lines := wrap(text, width)
		require.Equal(t, text, strings.Join(lines, " "))
		for _, line := range lines {
			require.True(t, len(line) <= width || !strings.Contains(line, " "), "%q", line)
		}
	}
}
