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
	out, errs, status := call("run", "crash-restart", "--appender", "filelog", "--dir", dir, "--seed", "4", "--set", "sometimes=[node-restarted]")
	require.Equal(t, exitHeld, status, "%s%s", out, errs)
	require.Contains(t, out, "appender  filelog in "+filepath.Join(dir, "<node>")+", sync every 16, the newest 400 records;")
	require.Contains(t, out, "disk-full at 6s", "a real disk is not made full, and that is said")
	_, highest := identities(t, catOf(t, dir))
	require.Greater(t, highest, uint32(1))
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
		{[]string{"--appender", "jetstream", "--replicas", "3"}, []string{"Replicas"}},
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
