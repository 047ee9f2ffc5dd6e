package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/appender/jetstream"
	"meshsim/appender/jetstream/embedded"
)

// numbered are records from a number on.
func numbered(node string, incarnation uint32, from, n int) []appender.Record {
	recs := make([]appender.Record, n)
	for i := range recs {
		seq := uint64(from + i)
		recs[i] = appender.Record{
			Node: node, Incarnation: incarnation, Seq: seq, TimeMs: 1_700_000_000_000 + seq, Message: fmt.Sprintf("%s/%d/%d", node, incarnation, seq),
		}
	}
	return recs
}

// openLog opens a node's log in dir.
func openLog(t *testing.T, dir, node string, o filelog.Options) appender.Appender {
	t.Helper()
	a, err := filelog.DirOpener(dir, o)(t.Context(), appender.Env{Node: node, Incarnation: 1, Epoch: 1, Seed: 1, Clock: newClock()})
	require.NoError(t, err)
	return a
}

func put(t *testing.T, a appender.Appender, recs []appender.Record) {
	t.Helper()
	_, err := appender.AppendBatch(t.Context(), a, recs)
	require.NoError(t, err)
}

// threeLogs fills a directory with the logs of n1, n2 and n10.
func threeLogs(t *testing.T) (dir string, all []appender.Record) {
	t.Helper()
	dir = t.TempDir()
	for _, node := range []string{"n1", "n2", "n10"} {
		a := openLog(t, dir, node, filelog.Options{})
		for incarnation := range uint32(3) {
			recs := numbered(node, incarnation+1, 1, 5)
			put(t, a, recs)
			all = append(all, recs...)
		}
		require.NoError(t, appender.Close(a))
	}
	return dir, all
}

// recordsOf reads lines back.
func recordsOf(t *testing.T, out string) (recs []appender.Record) {
	t.Helper()
	for line := range strings.Lines(out) {
		recs = append(recs, recordOf(t, line))
	}
	return recs
}

// catOf runs cat, which must succeed without a word.
func catOf(t *testing.T, args ...string) []appender.Record {
	t.Helper()
	out, err, status := call(append([]string{"appender", "cat"}, args...)...)
	require.Equal(t, exitHeld, status, err)
	require.Empty(t, err)
	return recordsOf(t, out)
}

func TestCatPrintsEveryRecordOfEveryNodeInOrder(t *testing.T) {
	dir, all := threeLogs(t)
	require.Equal(t, all, catOf(t, dir), "n10 behind n2")
	require.Equal(t, all[15:30], catOf(t, dir, "--node", "n2"))
	require.Equal(t, all[:15], catOf(t, filepath.Join(dir, "n1")), "one log's directory")
	require.Equal(t, all[:15], catOf(t, filepath.Join(dir, "n1"), "--node", "n1"))
	require.Equal(t, all[8:15], catOf(t, dir, "--node", "n1", "--from", "2/4"))
	require.Equal(t, all[10:15], catOf(t, dir, "--node", "n1", "--from", "3"))
	require.Equal(t, all[:7], catOf(t, dir, "--limit", "7"))
	require.Empty(t, catOf(t, dir, "--from", "9/1"))
}

func TestCatReadsBesideAWriterAndLeavesItAlone(t *testing.T) {
	dir := t.TempDir()
	a := openLog(t, dir, "n1", filelog.Options{})
	defer func() { require.NoError(t, appender.Close(a)) }()
	recs := numbered("n1", 1, 1, 100)
	put(t, a, recs[:60])
	require.Equal(t, recs[:60], catOf(t, dir))
	put(t, a, recs[60:])
	require.Equal(t, recs, catOf(t, dir))
}

// flipped turns a bit of text in the first segment of a log, and returns its path.
func flipped(t *testing.T, log, text string) (segment string) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(log, "*"+segmentSuffix))
	require.NoError(t, err)
	require.NotEmpty(t, segments)
	b, err := os.ReadFile(segments[0])
	require.NoError(t, err)
	at := bytes.Index(b, []byte(text))
	require.Positive(t, at)
	b[at] ^= 1
	require.NoError(t, os.WriteFile(segments[0], b, 0o600))
	return segments[0]
}

func TestDamageIsNamedInOneLineAndTheRestIsPrinted(t *testing.T) {
	dir := t.TempDir()
	a := openLog(t, dir, "n1", filelog.Options{})
	recs := numbered("n1", 1, 1, 30)
	for i := range recs {
		put(t, a, recs[i:i+1])
	}
	require.NoError(t, appender.Close(a))
	segment := flipped(t, filepath.Join(dir, "n1"), "n1/1/10")

	for _, of := range []string{dir, filepath.Join(dir, "n1")} {
		out, errs, status := call("appender", "cat", of)
		require.Equal(t, exitViolated, status)
		require.Equal(t, append(numbered("n1", 1, 1, 9), numbered("n1", 1, 11, 20)...), recordsOf(t, out))
		require.Equal(t, 1, strings.Count(errs, "\n"), errs)
		require.Contains(t, errs, segment)
		require.Regexp(t, `offset \d+, after seq 9: 1 record lost`, errs)
	}
}

// TestALogThatCannotBeLookedIntoIsNotPassedOver: a link to itself stands for a
// directory without permission, which a test that runs as root does not have.
func TestALogThatCannotBeLookedIntoIsNotPassedOver(t *testing.T) {
	dir, all := threeLogs(t)
	n3 := filepath.Join(dir, "n3")
	require.NoError(t, os.Symlink("n3", n3))
	for _, args := range [][]string{{}, {"--node", "n3"}} {
		out, errs, status := call(append([]string{"appender", "cat", dir}, args...)...)
		require.Equal(t, exitInternal, status, errs)
		require.Equal(t, 1, strings.Count(errs, "\n"), errs)
		require.Contains(t, errs, "reading failed: ")
		require.Contains(t, errs, n3)
		if len(args) == 0 {
			require.Equal(t, all[:30], recordsOf(t, out), "n1 and n2")
		}
	}
	require.Equal(t, all[15:30], catOf(t, dir, "--node", "n2"), "it is in nobody's way")
	for _, word := range []string{"run", "live"} {
		_, errs, status := call(word, "calm", "--appender", "filelog", "--dir", dir)
		require.Equal(t, exitUsage, status, errs)
		require.Equal(t, 1, strings.Count(errs, "\n"), errs)
		require.Contains(t, errs, n3)
	}
}

func TestWhatIsNoLogIsPassedOver(t *testing.T) {
	dir, all := threeLogs(t)
	for name, file := range map[string]string{"n3": "y" + segmentSuffix, "n4": strings.Repeat("0", 20) + segmentSuffix, "n5": "1" + segmentSuffix} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, file), nil, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "y"+segmentSuffix), nil, 0o600), "beside the logs")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "n6"), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "n6", fmt.Sprintf("%020d%s", 1, segmentSuffix)), 0o700))
	require.NoError(t, os.Symlink("gone", filepath.Join(dir, "n7")))
	require.NoError(t, os.Symlink("lost+found", filepath.Join(dir, "lost+found")), "no node has such a directory")
	require.NoError(t, os.Symlink("n1", filepath.Join(dir, "n8")), "a link to a log is one")
	require.Equal(t, append(all[:30:30], append(all[:15:15], all[30:]...)...), catOf(t, dir))
	for _, name := range []string{"n3", "n4", "n5", "n6"} {
		_, errs, status := call("appender", "cat", filepath.Join(dir, name))
		require.Equal(t, exitUsage, status)
		require.Contains(t, errs, "holds no log")
	}
}

func TestNamesOfNodesThatAreNoFileNamesAreFound(t *testing.T) {
	dir := t.TempDir()
	for _, node := range []string{"a/b", "", ".x", "%41", "\xff"} {
		a := openLog(t, dir, node, filelog.Options{})
		put(t, a, numbered(node, 1, 1, 1))
		require.NoError(t, appender.Close(a))
		require.Equal(t, numbered(node, 1, 1, 1), catOf(t, dir, "--node", node))
	}
}

// serve runs a NATS server.
func serve(t *testing.T) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(s.Shutdown)
	return s
}

func openChain(t *testing.T, url, prefix, node string) appender.Appender {
	t.Helper()
	a, err := jetstream.Open(t.Context(), appender.Env{Node: node, Incarnation: 1, Epoch: 1, Clock: newClock()},
		jetstream.Options{URL: url, Prefix: prefix, Unlimited: true, Timeout: checkTimeout})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func TestCatReadsStreamsFromServers(t *testing.T) {
	url := serve(t).URL()
	all := append(numbered("n2", 1, 1, 40), numbered("n10", 1, 1, 3)...)
	put(t, openChain(t, url, "mine", "n10"), all[40:])
	put(t, openChain(t, url, "mine", "n2"), all[:40])
	require.Equal(t, all, catOf(t, url, "--prefix", "mine"))
	require.Equal(t, all[40:], catOf(t, url, "--prefix", "mine", "--node", "n10"))
	require.Equal(t, all[20:25], catOf(t, url, "--prefix", "mine", "--from", "1/21", "--limit", "5"))
	_, errs, status := call("appender", "cat", url)
	require.Equal(t, exitUsage, status)
	require.Contains(t, errs, `prefix "log"`)
	_, errs, status = call("appender", "cat", url, "--prefix", "mine", "--node", "n3")
	require.Equal(t, exitUsage, status)
	require.Contains(t, errs, "it has n2, n10")
}

func TestWhatCannotBeReadGetsOneLineAndStatus2(t *testing.T) {
	dir, _ := threeLogs(t)
	one := filepath.Join(dir, "n1")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	segments, err := filepath.Glob(filepath.Join(one, "*"+segmentSuffix))
	require.NoError(t, err)
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"cat", filepath.Join(dir, "n3")}, []string{"n3", "does not exist", "nats://"}},
		{[]string{"tail", filepath.Join(dir, "n3")}, []string{"n3", "does not exist"}},
		{[]string{"cat", file}, []string{file, "is a file"}},
		{[]string{"cat", segments[0]}, []string{"one segment", one}},
		{[]string{"cat", t.TempDir()}, []string{"holds no log", segmentSuffix}},
		{[]string{"cat", dir, "--node", "n3"}, []string{"n3", "it has n1, n2, n10"}},
		{[]string{"tail", dir, "--node", "n3"}, []string{"n3", "it has n1, n2, n10"}},
		{[]string{"cat", one, "--node", "n3"}, []string{one, "n3"}},
		{[]string{"cat", dir, "--from", "x/1"}, []string{"--from x/1", "INCARNATION/SEQ"}},
		{[]string{"cat", dir, "--from", "1/x"}, []string{"--from 1/x"}},
		{[]string{"cat", dir, "--limit", "0"}, []string{"--limit 0", "at least 1"}},
		{[]string{"tail", dir, "--last", "-1"}, []string{"--last -1"}},
		{[]string{"tail", dir, "--last", "1", "--from", "1/1"}, []string{"--from", "--last"}},
		{[]string{"cat", dir, "--creds", file}, []string{"--creds", "no URL"}},
		{[]string{"cat", dir, "--prefix", "x"}, []string{"--prefix", dir, "holds none"}},
		{[]string{"tail", one, "--prefix", "log"}, []string{"--prefix", one, "holds none"}},
		{[]string{"cat", ""}, []string{`"": expected a directory`, "nats://host:4222"}},
		{[]string{"tail", ""}, []string{`"": expected a directory`}},
		{[]string{"cat", "http://host"}, []string{"http", "nats://"}},
		{[]string{"cat", "nats://"}, []string{"no URL of a server"}},
		{[]string{"cat", "nats://127.0.0.1:1"}, []string{"nats://127.0.0.1:1", "no server answers"}},
		{[]string{"cat", "nats://me:secret@127.0.0.1:1"}, []string{"no server answers"}},
		{[]string{"cat", "nats://127.0.0.1:1", "--tls-cert", file}, []string{"--tls-cert", "--tls-key"}},
		{[]string{"cat", "nats://127.0.0.1:1", "--tls-ca", file + "x"}, []string{"--tls-ca", "does not exist"}},
	} {
		out, err, status := call(append([]string{"appender"}, c.args...)...)
		require.Equal(t, exitUsage, status, "%v: %s", c.args, err)
		require.Empty(t, out, "%v", c.args)
		require.Equal(t, 1, strings.Count(err, "\n"), "%v: %s", c.args, err)
		require.NotContains(t, err, "secret")
		for _, want := range c.says {
			require.Contains(t, err, want, "%v", c.args)
		}
	}
}

// tailing is a tail in a process of its own.
type tailing struct {
	lines *bufio.Reader
	errs  bytes.Buffer // to be read when it has ended
	end   func() int   // interrupts it
}

func (x *tailing) next(t *testing.T) appender.Record {
	t.Helper()
	line, err := x.lines.ReadString('\n')
	require.NoError(t, err)
	return recordOf(t, line)
}

func (x *tailing) expect(t *testing.T, recs []appender.Record) {
	t.Helper()
	for _, rec := range recs {
		require.Equal(t, rec, x.next(t))
	}
}

func TestTailFollowsALogAndItsNeighbours(t *testing.T) {
	dir := t.TempDir()
	a := openLog(t, dir, "n1", filelog.Options{SegmentBytes: filelog.MinSegmentBytes})
	defer func() { require.NoError(t, appender.Close(a)) }()
	recs := numbered("n1", 1, 1, 400)
	put(t, a, recs[:100])
	x := startTail(t, dir, "--last", "3")
	x.expect(t, recs[97:100])
	for i := 100; i < len(recs); i += 50 {
		put(t, a, recs[i:i+50])
		x.expect(t, recs[i:i+50])
	}
	// A node that comes later is read from its beginning.
	b := openLog(t, dir, "n2", filelog.Options{})
	put(t, b, numbered("n2", 1, 1, 20))
	require.NoError(t, appender.Close(b))
	x.expect(t, numbered("n2", 1, 1, 20))
	require.Equal(t, exitHeld, x.end())
	require.Empty(t, x.errs.String())
}

func TestTailWaitsForTheFirstLogOfADirectory(t *testing.T) {
	dir := t.TempDir()
	x := startTail(t, dir, "--last", "20")
	a := openLog(t, dir, "n1", filelog.Options{})
	put(t, a, numbered("n1", 1, 1, 20))
	require.NoError(t, appender.Close(a))
	x.expect(t, numbered("n1", 1, 1, 20))
	require.Equal(t, exitHeld, x.end())
}

func TestTailFollowsStreams(t *testing.T) {
	url := serve(t).URL()
	a := openChain(t, url, jetstream.DefaultPrefix, "n1")
	recs := numbered("n1", 1, 1, 30)
	put(t, a, recs[:20])
	x := startTail(t, url)
	x.expect(t, recs[10:20])
	put(t, a, recs[20:])
	x.expect(t, recs[20:])
	require.Equal(t, exitHeld, x.end())
	require.Empty(t, x.errs.String())
}

func TestTailEndsWithItsLimit(t *testing.T) {
	dir, all := threeLogs(t)
	for _, c := range []struct {
		args []string
		want []appender.Record
	}{
		{[]string{"--node", "n1", "--last", "4", "--limit", "4"}, all[11:15]},
		{[]string{"--node", "n2", "--limit", "10"}, all[20:30]},
		{[]string{"--node", "n2", "--from", "1/1", "--limit", "9"}, all[15:24]},
	} {
		out, err, status := call(append([]string{"appender", "tail", dir}, c.args...)...)
		require.Equal(t, exitHeld, status, err)
		require.Equal(t, c.want, recordsOf(t, out))
	}
}

func TestAReaderThatHasHadEnoughIsNoFailure(t *testing.T) {
	dir := t.TempDir()
	a := openLog(t, dir, "n1", filelog.Options{Sync: filelog.SyncNever()})
	for i := range 100 {
		put(t, a, numbered("n1", 1, 1+200*i, 200))
	}
	require.NoError(t, appender.Close(a))
	for _, word := range []string{"cat", "tail"} {
		args := []string{"appender", word, dir}
		if word == "tail" {
			args = append(args, "--from", "1/1")
		}
		cmd := subprocess(t, "command", args...)
		r, w, err := os.Pipe()
		require.NoError(t, err)
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = w, &errs
		require.NoError(t, cmd.Start())
		require.NoError(t, w.Close())
		_, err = io.ReadFull(r, make([]byte, 10))
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.NoError(t, cmd.Wait(), word)
		require.Empty(t, errs.String())
	}
}

func TestClocksSleepUntilTheirContextEnds(t *testing.T) {
	clock := newClock()
	ctx, cancel := context.WithCancel(t.Context())
	stop := clock.AfterFunc(1, cancel)
	require.ErrorIs(t, clock.Sleep(ctx, -1), context.Canceled)
	require.False(t, stop())
	require.ErrorIs(t, clock.Sleep(ctx, 0), context.Canceled, "ended before")
	before := clock.Now()
	require.NoError(t, clock.Sleep(t.Context(), 1))
	require.Greater(t, clock.Now(), before)
	late, cancelLate := clock.WithTimeout(t.Context(), 1)
	defer cancelLate()
	require.ErrorIs(t, clock.Sleep(late, -1), context.DeadlineExceeded)
}
