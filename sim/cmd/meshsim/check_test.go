package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/jetstream"
	"meshsim/props"
	"meshsim/props/laws"
)

// checkingWith runs the command with other subjects than the built-in ones.
func checkingWith(subjects func(string, *checking) ([]subject, error), args ...string) (stdout, stderr string, status int) {
	var out, err bytes.Buffer
	a := &app{out: bufio.NewWriter(&out), err: &err, program: "meshsim", checkers: props.All(), subjects: subjects}
	status = a.execute(append([]string{"appender", "check"}, args...))
	return out.String(), err.String(), status
}

// newestDropped is an appender that drops the newest at capacity instead of the
// oldest.
type newestDropped struct {
	*appender.Buffering
	held int
}

func (d *newestDropped) Append(ctx context.Context, rec appender.Record) error {
	if d.held == bufferingCapacity {
		return nil
	}
	d.held++
	return d.Buffering.Append(ctx, rec)
}

func (d *newestDropped) AppendBatch(ctx context.Context, recs []appender.Record) (int, error) {
	for _, rec := range recs {
		if err := d.Append(ctx, rec); err != nil {
			return 0, err
		}
	}
	return len(recs), nil
}

func plantedSubjects(kind string, c *checking) ([]subject, error) {
	if kind != kindBuffering {
		return subjectsOf(kind, c)
	}
	open := opener(func() appender.Appender {
		return &newestDropped{Buffering: appender.NewBuffering(bufferingCapacity)}
	})
	return []subject{{Config: laws.Config{Name: "planted", New: open, Capacity: bufferingCapacity}, kind: kind, close: noClose}}, nil
}

var checkLine = regexp.MustCompile(`(?m)^ +reproduce: meshsim appender check (.*--law fifo-drop .*)$`)

func TestABrokenLawIsToldInWordsWithACaseAndACommand(t *testing.T) {
	out, errs, status := checkingWith(plantedSubjects, "--appender", "buffering", "--appender", "noop", "--seed", "17")
	require.Equal(t, exitViolated, status, errs)
	require.Contains(t, out, "seed 17\n")
	require.Regexp(t, `\n  fifo-drop +\d+  BROKEN   at capacity c exactly the newest`, out)
	require.Regexp(t, `\n  cancelled-first +100  held     `, out)
	require.Contains(t, out, "\nBROKEN fifo-drop of planted\n")
	require.Contains(t, out, "the smallest case found:\n")
	require.Regexp(t, `\n +1\. append #1`, out)
	require.Contains(t, out, "\n  wrong: ")
	require.Regexp(t, `\nviolated: \d+ held, [1-9]\d* broken, \d+ skipped; 2 subjects`, out)

	line := checkLine.FindStringSubmatch(out)
	require.NotNil(t, line, out)
	again, _, status := checkingWith(plantedSubjects, strings.Fields(line[1])...)
	require.Equal(t, exitViolated, status)
	told := func(out string) string {
		_, story, _ := strings.Cut(out, "\nBROKEN fifo-drop of planted\n")
		story, _, _ = strings.Cut(story, "\n  reproduce:")
		return story
	}
	require.NotEmpty(t, told(out))
	require.Equal(t, told(out), told(again))

	out, errs, status = checkingWith(plantedSubjects, "--appender", "buffering", "--seed", "17", "--json")
	require.Equal(t, exitViolated, status, errs)
	var r checkJSON
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Equal(t, "violated", string(r.Verdict))
	for _, l := range r.Subjects[0].Laws {
		if l.Name == "fifo-drop" {
			require.Equal(t, "broken", l.Verdict)
			require.NotEmpty(t, l.Case)
			require.NotEmpty(t, l.Wrong)
			require.Contains(t, l.Reproduce, "--law fifo-drop")
		}
	}
}

func TestTheBuiltInAppendersKeepEveryLaw(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	out, errs, status := call("appender", "check", "--cases", "2", "--seed", "1", "--json")
	require.Equal(t, exitHeld, status, "%s%s", out, errs)
	require.Equal(t, "seed 1\n", errs)
	var r checkJSON
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.EqualValues(t, 1, r.Seed)
	require.Len(t, r.Subjects, 6)
	held := make(map[string]bool)
	for _, s := range r.Subjects {
		require.Len(t, s.Laws, len(laws.All()))
		for _, l := range s.Laws {
			require.NotEqual(t, "broken", l.Verdict)
			require.Equal(t, l.Verdict == "skipped", l.Why != "", "%s of %s: who skips says why", l.Name, s.Name)
			require.Equal(t, l.Verdict == "held", l.Cases == 2)
			held[s.Appender+" "+l.Name] = held[s.Appender+" "+l.Name] || l.Verdict == "held"
		}
	}
	for _, must := range []string{
		"noop cancelled-first", "buffering fifo-drop", "buffering snapshot",
		"filelog survives-crash", "filelog failed-sync", "filelog full-survived", "filelog flip-reported", "filelog second-opener",
		"filelog oversized-alone", "filelog fifo-drop", "jetstream order", "jetstream fifo-drop", "jetstream survives-crash",
	} {
		require.True(t, held[must], must)
	}
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left, "what was made is removed")
}

func TestACheckTouchesNothingElse(t *testing.T) {
	dir, all := threeLogs(t)
	out, errs, status := call("appender", "check", "--appender", "filelog", "--dir", dir, "--cases", "2", "--seed", "1")
	require.Equal(t, exitHeld, status, "%s%s", out, errs)
	require.Contains(t, out, "\nfilelog in "+dir+"\n")
	require.Equal(t, all, catOf(t, dir))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 3)

	made := filepath.Join(t.TempDir(), "made")
	_, errs, status = call("appender", "check", "--appender", "filelog", "--dir", made, "--cases", "1", "--law", "order")
	require.Equal(t, exitHeld, status, errs)
	require.NoDirExists(t, made)

	url := serve(t).URL()
	recs := numbered("n1", 1, 1, 9)
	put(t, openChain(t, url, "log", "n1"), recs)
	out, errs, status = call("appender", "check", "--url", url, "--cases", "2", "--seed", "1", "--law", "order", "--law", "fifo-drop")
	require.Equal(t, exitHeld, status, "%s%s", out, errs)
	require.Contains(t, out, "\njetstream at "+url+"\n")
	require.Contains(t, out, "\nreproduce: meshsim appender check --appender jetstream --url "+url+" --law order --law fifo-drop --cases 2 --seed 1\n")
	require.Equal(t, recs, catOf(t, url))
	chains, err := jetstream.Nodes(t.Context(), jetstream.Options{URL: url})
	require.NoError(t, err)
	require.Len(t, chains, 1)
}

func TestWhatIsToBeCheckedButIsNotThereGetsOneLineAndStatus2(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"--appender", "filog"}, []string{"--appender filog", `did you mean "filelog"?`}},
		{[]string{"--law", "fifo"}, []string{"--law fifo", "no such law"}},
		{[]string{"--law", "oder"}, []string{`did you mean "order"?`}},
		{[]string{"--cases", "0"}, []string{"--cases 0", "at least 1"}},
		{[]string{"--seed", "x"}, []string{"--seed x"}},
		{[]string{"--appender", "noop", "--dir", "d"}, []string{"noop keeps nothing"}},
		{[]string{"--appender", "filelog", "--url", "nats://h"}, []string{"filelog knows no servers"}},
		{[]string{"--appender", "filelog", "--replicas", "3"}, []string{"filelog knows no servers"}},
		{[]string{"--replicas", "0"}, []string{"--replicas 0", "1 to 5"}},
		{[]string{"--appender", "filelog", "--dir", "nats://h"}, []string{"--dir nats://h", "expected a directory", "--url"}},
		{[]string{"--appender", "jetstream", "--creds", file}, []string{"no --url"}},
		{[]string{"--url", "nats://h", "--dir", "d"}, []string{"--dir and --url"}},
		{[]string{"--url", "h:4222"}, []string{"h:4222", "nats://host:4222"}},
		{[]string{"--dir", ""}, []string{`--dir ""`}},
		{[]string{"more"}, []string{"no argument", "more"}},
	} {
		out, err, status := call(append([]string{"appender", "check"}, c.args...)...)
		require.Equal(t, exitUsage, status, "%v: %s", c.args, err)
		require.Empty(t, out, "%v", c.args)
		require.Equal(t, 1, strings.Count(err, "\n"), "%v: %s", c.args, err)
		for _, want := range c.says {
			require.Contains(t, err, want, "%v", c.args)
		}
	}
	// What shows only when it is opened: the seed was printed by then.
	for _, args := range [][]string{
		{"--appender", "filelog", "--dir", file},
		{"--url", "nats://127.0.0.1:1"},
	} {
		_, err, status := call(append([]string{"appender", "check", "--cases", "1"}, args...)...)
		require.Equal(t, exitUsage, status, "%v: %s", args, err)
		require.Equal(t, 1, strings.Count(err, "\n"), "%v: %s", args, err)
	}
}

func TestACheckWhoseReaderHasHadEnoughLeavesNothing(t *testing.T) {
	temp := t.TempDir()
	cmd := subprocess(t, "command", "appender", "check", "--appender", "noop", "--appender", "filelog", "--cases", "1")
	cmd.Env = append(cmd.Env, "TMPDIR="+temp)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &errs
	require.Error(t, cmd.Run(), "what could not be told is no pass")
	require.NoError(t, w.Close())
	require.Equal(t, exitInternal, cmd.ProcessState.ExitCode())
	require.Empty(t, errs.String())
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestASubjectThatCannotBeRemovedIsTold(t *testing.T) {
	removed := errors.New("planted: it stays")
	_, errs, status := checkingWith(func(kind string, c *checking) ([]subject, error) {
		s, err := subjectsOf(kind, c)
		s[0].close = func() error { return removed }
		return s, err
	}, "--appender", "noop", "--cases", "1")
	require.Equal(t, exitInternal, status)
	require.Contains(t, errs, removed.Error())
}

func TestShellCompletionOffersTheLaws(t *testing.T) {
	out, _, status := call("__complete", "appender", "check", "--law", "")
	require.Equal(t, exitHeld, status)
	for _, l := range laws.All() {
		require.Contains(t, out, l.Name+"\t")
	}
}
