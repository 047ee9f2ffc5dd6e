package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/appender/jetstream/embedded"
	"meshsim/sim"
)

// identity is what makes a record that record.
type identity struct {
	node        string
	incarnation uint32
	stream      uint8
	seq         uint64
}

// identities are those of records, none of which may be there twice.
func identities(t *testing.T, recs []appender.Record) (ids map[identity]bool, highest uint32) {
	t.Helper()
	ids = make(map[identity]bool)
	for _, r := range recs {
		id := identity{r.Node, r.Incarnation, r.Stream, r.Seq}
		require.False(t, ids[id], "%v twice", id)
		ids[id] = true
		highest = max(highest, r.Incarnation)
	}
	return ids, highest
}

// appended runs the command with --json and returns how many records were
// appended.
func appended(t *testing.T, args ...string) int {
	t.Helper()
	out, errs, _ := call(append(args, "--json")...)
	var r struct {
		Records sim.Records
		Verdict sim.Verdict
	}
	require.NoError(t, json.Unmarshal([]byte(out), &r), errs)
	require.NotEqual(t, sim.Violated, r.Verdict, out)
	require.NotZero(t, r.Records.Appended)
	require.Equal(t, r.Records.Emitted, r.Records.Appended, out)
	return int(r.Records.Appended)
}

var readBackOf = regexp.MustCompile(`(?m)^read back: meshsim (.*)$`)

func TestWhatARunHasAppendedIsThereAndTheNextGoesOnBehindIt(t *testing.T) {
	for _, c := range [][]string{
		{"run", "calm", "--duration", "2s", "--appender", "filelog"},
		{"live", "calm", "--for", "200ms", "--appender", "filelog"},
		{"run", "calm", "--duration", "2s", "--appender", "jetstream"},
		{"live", "calm", "--for", "200ms", "--appender", "jetstream"},
	} {
		dir := filepath.Join(t.TempDir(), "made")
		args := append(c, "--dir", dir, "--seed", "5", "--set", "host.deadline=20s")
		n := appended(t, args...)
		first := catOf(t, dir)
		require.Len(t, first, n, "%v", c)
		ids, highest := identities(t, first)
		require.EqualValues(t, 1, highest)

		out, errs, status := call(args...)
		require.Equal(t, exitHeld, status, "%s%s", out, errs)
		require.Contains(t, out, "\nholds     "+number(uint64(n))+" records of 3 nodes; this run is behind them, from incarnation 2 on\n")
		require.Contains(t, out, "\nagain: meshsim "+c[0]+" calm ")
		line := readBackOf.FindStringSubmatch(out)
		require.NotNil(t, line, out)
		require.Equal(t, "appender cat "+dir, line[1])
		all := catOf(t, dir)
		both, highest := identities(t, all)
		require.EqualValues(t, 2, highest)
		for id := range ids {
			require.True(t, both[id], "%v is gone", id)
		}
	}
}

func TestNodesThatCrashLeaveLogsThatAreReadBack(t *testing.T) {
	dir := t.TempDir()
	out, errs, status := call("run", "crash-restart", "--appender", "filelog", "--dir", dir, "--seed", "4")
	require.Equal(t, exitHeld, status, "%s%s", out, errs)
	require.Contains(t, out, "appender  filelog in "+filepath.Join(dir, "<node>")+", sync every 16, the newest 400 records;")
	require.Contains(t, out, "disk-full at 6s", "a real disk is not made full, and that is said")
	_, highest := identities(t, catOf(t, dir))
	require.Greater(t, highest, uint32(1))
}

// A real store is as fast as it is: what a scenario promises of records that wait
// for a slow one is taken back, unless something else makes them wait.
func TestWhatARealStoreIsTooFastForIsNotPromised(t *testing.T) {
	const left = "left out  the mark log-torn, appender.latency, the mark record-lost\n"
	for _, args := range [][]string{
		{"run", "crash-restart", "--seed", "1"}, {"run", "crash-restart", "--seed", "2"}, {"live", "crash-restart", "--for", "2s", "--seed", "1"},
	} {
		for _, kind := range []string{kindFilelog, kindJetstream} {
			out, errs, status := call(append(args, "--appender", kind, "--dir", t.TempDir())...)
			require.Equal(t, exitHeld, status, "%s%s", out, errs)
			require.Contains(t, out, left)
		}
	}
	for _, fault := range []string{"append-hang", "applied-then-error"} {
		out, errs, status := call("run", "crash-restart", "--appender", "filelog", "--dir", t.TempDir(), "--seed", "3", "--set",
			"faults=[{at: 2s, for: 3s, kind: "+fault+", nodes: [n1]}, {at: 3s, for: 1s, kind: crash, nodes: [n1]}]")
		require.Equal(t, exitHeld, status, "%s%s", out, errs)
		require.Regexp(t, `record-lost [1-9]`, out)
		require.Contains(t, out, "left out  the mark log-torn, appender.latency\n")
	}
}

// What is wrong with a directory is said before the run, which would be blamed.
func TestDirectoriesInWhichARunCouldNotKeepItsRecordsAreRefused(t *testing.T) {
	blocked := func(node string, block func(path string) error) string {
		dir, _ := threeLogs(t)
		path := filepath.Join(dir, node)
		require.NoError(t, os.RemoveAll(path))
		require.NoError(t, block(path))
		return path
	}
	aFile := func(path string) error { return os.WriteFile(path, nil, 0o600) }
	aLink := func(path string) error { return os.Symlink("gone", path) }
	damaged, _ := threeLogs(t)
	segment := flipped(t, filepath.Join(damaged, "n2"), "n2/2/1")
	for _, c := range []struct {
		dir  string
		says []string
	}{
		{blocked("n1", aFile), []string{"not a directory", "choose another directory"}},
		{blocked("n2", aLink), []string{"n2", "choose another directory"}},
		{blocked("n3", aFile), []string{"not a directory"}},
		{segment, []string{"damaged at offset", "appender cat", "choose another directory"}},
	} {
		for _, word := range []string{"run", "live"} {
			dir := filepath.Dir(c.dir)
			if c.dir == segment {
				dir = damaged
			}
			out, errs, status := call(word, "calm", "--appender", "filelog", "--dir", dir)
			require.Equal(t, exitUsage, status, errs)
			require.Empty(t, out)
			require.Equal(t, 1, strings.Count(errs, "\n"), errs)
			for _, want := range append(c.says, c.dir) {
				require.Contains(t, errs, want)
			}
		}
	}

	// A mesh of one has nothing to do with what is wrong with n2, and makes no n3.
	_, errs, status := call("run", "calm", "--duration", "1s", "--seed", "1", "--nodes", "1", "--appender", "filelog", "--dir", damaged)
	require.Equal(t, exitHeld, status, errs)
	require.NoDirExists(t, filepath.Join(damaged, "n3"))
}

// A torn tail is what a crash leaves, and no fault of the run that finds it.
func TestATornTailIsMentionedAndNoViolation(t *testing.T) {
	dir, all := threeLogs(t)
	segments, err := filepath.Glob(filepath.Join(dir, "n2", "*"+segmentSuffix))
	require.NoError(t, err)
	last := segments[len(segments)-1]
	// What a power failure leaves of a write: the beginning of a frame.
	b, err := os.ReadFile(last)
	require.NoError(t, err)
	f, err := os.OpenFile(last, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.Write(b[len(b)-60 : len(b)-30])
	require.NoError(t, err)
	require.NoError(t, f.Close())
	out, errs, status := call("run", "calm", "--duration", "1s", "--seed", "1", "--appender", "filelog", "--dir", dir)
	require.Equal(t, exitHeld, status, "%s%s", out, errs)
	require.Contains(t, out, number(uint64(len(all)))+" records of 3 nodes; this run is behind them, from incarnation 4 on; a torn tail of ")
	require.Contains(t, out, " bytes was cut off "+last)
}

// TestPanicsAndCrashesOnServersHold: a record that is stored, and tried again after
// a panic, is there once.
func TestPanicsAndCrashesOnServersHold(t *testing.T) {
	for _, scenario := range []string{"panicking-appender", "quickstart"} {
		out, errs, status := call("run", scenario, "--seed", "7", "--appender", "jetstream")
		require.Equal(t, exitHeld, status, "%s%s", out, errs)
		require.Regexp(t, `durable-prefix +always +[1-9]`, out)
	}
}

func TestARunOnServersElsewhere(t *testing.T) {
	url := serve(t).URL()
	args := []string{"run", "calm", "--duration", "1s", "--seed", "1", "--set", "host.deadline=20s", "--appender", "jetstream", "--url", url, "--prefix", "a.b"}
	out, errs, status := call(args...)
	require.Equal(t, exitHeld, status, "%s%s", out, errs)
	require.Contains(t, out, "appender  jetstream at "+url+", streams a.b@<node>, every record;")
	require.Contains(t, out, "\nread back: meshsim appender cat "+url+" --prefix a.b\n")
	require.Contains(t, out, " --appender jetstream --url "+url+" --prefix a.b --set host.deadline=20s --seed 1\n")
	require.NotEmpty(t, catOf(t, url, "--prefix", "a.b"))

	// What is there keeps every record: a bounded one is not made of it in silence.
	out, errs, status = call(append(args, "--set", "appender.capacity=5")...)
	require.Equal(t, exitUsage, status)
	require.Empty(t, out)
	require.Contains(t, errs, "appender.capacity")
}

func TestATemporaryServerLeavesNothing(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	out, errs, status := call("run", "calm", "--duration", "1s", "--seed", "1", "--set", "host.deadline=20s", "--appender", "jetstream")
	require.Equal(t, exitHeld, status, "%s%s", out, errs)
	require.Contains(t, out, "a temporary directory")
	require.NotContains(t, out, "read back")
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A scenario for logs runs with an appender that has no disk, and what was left
// out is said.
func TestAnAppenderSetsTheScenariosAside(t *testing.T) {
	for _, kind := range []string{kindNoop, kindBuffering} {
		out, errs, status := call("run", "crash-restart", "--seed", "1", "--appender", kind)
		require.Equal(t, exitHeld, status, "%s%s", out, errs)
		require.Contains(t, out, "left out  appender.sync, appender.segment_bytes, disk, 3 faults of disks, the mark log-replayed, the mark log-torn\n")
		require.Contains(t, out, "\nappender  "+kind)
		require.NotContains(t, out, "disk-full")
		require.Contains(t, out, "\nreproduce: meshsim run crash-restart --appender "+kind+" --seed 1\n")
	}
	out, _, status := call("run", "calm", "--duration", "2s", "--seed", "1", "--appender", "filelog", "--set", "appender.sync=every 9")
	require.Equal(t, exitHeld, status, out)
	require.Contains(t, out, "filelog of 16,384 records on a simulated disk for each node, sync every 9;")
	require.Regexp(t, `durable-prefix +always +[1-9]`, out)
	require.Contains(t, out, "\nreproduce: meshsim run calm --duration 2s --appender filelog --set 'appender.sync=every 9' --seed 1\n")
	digest := digestOf.FindStringSubmatch(out)
	again, _, _ := call("run", "calm", "--duration", "2s", "--seed", "1", "--appender", "filelog", "--set", "appender.sync=every 9", "--doublecheck", "--quiet")
	require.Equal(t, digest, digestOf.FindStringSubmatch(again))
}

func TestPlacesThatDoNotFitGetOneLineAndStatus2(t *testing.T) {
	logs, _ := threeLogs(t)
	open := t.TempDir()
	a := openLog(t, open, "n2", filelog.Options{})
	put(t, a, numbered("n2", 1, 1, 1))
	defer func() { require.NoError(t, appender.Close(a)) }()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	busy := t.TempDir()
	s, err := embedded.Start(embedded.Options{Dir: busy})
	require.NoError(t, err)
	defer s.Shutdown()
	last := t.TempDir()
	b := openLog(t, last, "n1", filelog.Options{})
	put(t, b, numbered("n1", 1<<32-1, 1, 1))
	require.NoError(t, appender.Close(b))
	openChain(t, s.URL(), "x", "n1") // so that there is a store
	fresh := filepath.Join(t.TempDir(), "fresh")

	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"--appender", "nop"}, []string{"--appender nop", "jetstream", `did you mean "noop"?`}},
		{[]string{"--appender", "noop", "--dir", fresh}, []string{"--dir", "noop keeps nothing", "filelog"}},
		{[]string{"--dir", fresh}, []string{"buffering keeps nothing", "--appender filelog"}},
		{[]string{"--appender", "filelog", "--url", "nats://h"}, []string{"--url nats://h", "filelog", "--appender jetstream"}},
		{[]string{"--url", "nats://h"}, []string{"buffering knows no servers"}},
		{[]string{"--appender", "jetstream", "--url", "nats://h", "--dir", fresh}, []string{"--dir and --url", "one of them"}},
		{[]string{"--appender", "filelog", "--creds", file}, []string{"--creds", "filelog knows no servers"}},
		{[]string{"--appender", "noop", "--prefix", "x"}, []string{"--prefix", "noop"}},
		{[]string{"--appender", "jetstream", "--creds", file}, []string{"--creds", "no --url"}},
		{[]string{"--appender", "jetstream", "--replicas", "6"}, []string{"--replicas 6", "1 to 5"}},
		{[]string{"--appender", "jetstream", "--replicas", "0", "--url", "nats://h"}, []string{"--replicas 0", "1 to 5"}},
		{[]string{"--appender", "jetstream", "--replicas", "3"}, []string{"--replicas 3", "in this process is one", "--url of a cluster"}},
		{[]string{"--appender", "filelog", "--dir", "nats://me:secret@h"}, []string{"--dir nats://", "expected a directory", "--url"}},
		{[]string{"--appender", "jetstream", "--dir", "tls://h"}, []string{"--dir tls://h", "--url"}},
		{[]string{"--appender", "jetstream", "--prefix", "a..b"}, []string{`"a..b"`}},
		{[]string{"--appender", "jetstream", "--url", "localhost"}, []string{"localhost", "nats://host:4222"}},
		{[]string{"--appender", "jetstream", "--url", "nats://me:secret@127.0.0.1:1"}, []string{"no server answers"}},
		{[]string{"--appender", "jetstream", "--dir", logs}, []string{logs, "--appender filelog"}},
		{[]string{"--appender", "jetstream", "--dir", busy}, []string{busy, "in use"}},
		{[]string{"--appender", "filelog", "--dir", busy}, []string{busy, "--appender jetstream"}},
		{[]string{"--appender", "filelog", "--dir", filepath.Join(logs, "n1")}, []string{"one log", "one for each node"}},
		{[]string{"--appender", "filelog", "--dir", file}, []string{file, "not a directory"}},
		{[]string{"--appender", "filelog", "--dir", open}, []string{filepath.Join(open, "n2"), "in use"}},
		{[]string{"--appender", "filelog", "--dir", last}, []string{"4294967295", "empty directory"}},
		{[]string{"--appender", "filelog", "--dir", ""}, []string{`--dir ""`}},
		{[]string{"--appender", "jetstream", "--url", ""}, []string{`--url ""`}},
		{[]string{"--appender", "noop", "--set", "appender.kind=filelog"}, []string{"--appender noop", "one of them"}},
		{[]string{"--appender", "filelog", "--dir", fresh, "--set", "appender.sync=now"}, []string{"appender.sync", "now"}},
	} {
		for _, word := range []string{"run", "live"} {
			out, err, status := call(append([]string{word, "calm"}, c.args...)...)
			require.Equal(t, exitUsage, status, "%s %v: %s", word, c.args, err)
			require.Empty(t, out, "%v", c.args)
			require.Equal(t, 1, strings.Count(err, "\n"), "%v: %s", c.args, err)
			require.NotContains(t, err, "secret")
			for _, want := range c.says {
				require.Contains(t, err, want, "%v", c.args)
			}
		}
	}
	require.NoDirExists(t, fresh, "what was refused has made nothing")
	_, errs, status := call("run", "calm", "--appender", "filelog", "--dir", fresh, "--doublecheck")
	require.Equal(t, exitUsage, status)
	require.Contains(t, errs, "leave --dir away")
}

func TestAPasswordInAURLIsNotRepeated(t *testing.T) {
	require.Equal(t, "nats://me:xxxxx@a:1,tls://b:2", redacted("nats://me:secret@a:1, tls://b:2"))
	require.NotContains(t, redacted("nats://me:sec ret%@a"), "ret%")
}

func TestShellCompletionOffersTheAppenders(t *testing.T) {
	for _, words := range [][]string{{"run"}, {"live"}, {"appender", "check"}} {
		out, _, status := call(append(append([]string{"__complete"}, words...), "--appender", "")...)
		require.Equal(t, exitHeld, status)
		for _, kind := range sinkKinds {
			require.Regexp(t, `(?m)^`+kind+`\t\S`, out)
		}
	}
}
