//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender/jetstream"
	"meshsim/sim"
)

// exitStatus waits for a subprocess's end.
func exitStatus(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Wait()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// interrupt starts the command, sends sig as soon as it has printed its first
// line, and returns what else it printed.
func interrupt(t *testing.T, sig syscall.Signal, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := subprocess(t, "command", args...)
	var out, errs bytes.Buffer
	// The seed comes on one of the two, depending on --json.
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, w), io.MultiWriter(&errs, w)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(line, "seed"), line)
	go io.Copy(io.Discard, r)
	require.NoError(t, cmd.Process.Signal(sig))
	status = exitStatus(t, cmd)
	require.NoError(t, w.Close())
	return out.String(), errs.String(), status
}

// long would run for hours of wall time.
var long = []string{"--nodes", "200", "--duration", "5000h", "--seed", "1"}

func TestASignalEndsARunWithWhatIsKnownSoFar(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		out, err, status := interrupt(t, sig, append([]string{"run", "calm"}, long...)...)
		require.Equal(t, exitInconclusive, status, err)
		require.Contains(t, err, "interrupt again to exit at once")
		require.Contains(t, out, "interrupted at ")
		require.Contains(t, out, "records   ")
		require.Contains(t, out, "\ninconclusive: ")
	}
}

func TestASignalLeavesOneJSONObject(t *testing.T) {
	out, _, status := interrupt(t, syscall.SIGINT, append([]string{"run", "calm", "--json"}, long...)...)
	require.Equal(t, exitInconclusive, status)
	var r sim.Result
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Equal(t, sim.Inconclusive, r.Verdict)
	require.Equal(t, r.Records.Emitted, r.Records.Appended+r.Records.Failed+r.Records.Unknown+
		r.Records.Dropped+r.Records.Lost+r.Records.Pending)
}

func TestAnInterruptedDoublecheckClaimsNoComparison(t *testing.T) {
	out, _, status := interrupt(t, syscall.SIGINT, append([]string{"run", "calm", "--doublecheck"}, long...)...)
	require.Equal(t, exitInconclusive, status)
	require.NotContains(t, out, "twice")
}

func TestASignalEndsALiveRun(t *testing.T) {
	out, _, status := interrupt(t, syscall.SIGINT, "live", "calm", "--for", "100h", "--seed", "1")
	require.Equal(t, exitInconclusive, status)
	require.Contains(t, out, "interrupted")
}

func TestASignalEndsASweep(t *testing.T) {
	out, _, status := interrupt(t, syscall.SIGINT, "sweep", "calm", "--seeds", "1-1000000000")
	require.Equal(t, exitInconclusive, status)
	require.Contains(t, out, "seeds were not run")
}

func TestASecondSignalExitsAtOnce(t *testing.T) {
	cmd := subprocess(t, "stubborn")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	notice := bufio.NewReader(stderr)
	for line := ""; !strings.Contains(line, "interrupt again"); {
		line, err = notice.ReadString('\n')
		require.NoError(t, err)
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Equal(t, exitInterrupted, exitStatus(t, cmd))
}

// startTail runs tail until its end is asked for.
func startTail(t *testing.T, args ...string) *tailing {
	t.Helper()
	cmd := subprocess(t, "command", append([]string{"appender", "tail"}, args...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	x := &tailing{lines: bufio.NewReader(out)}
	cmd.Stderr = &x.errs
	require.NoError(t, cmd.Start())
	x.end = func() int {
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		rest, err := io.ReadAll(x.lines)
		require.NoError(t, err)
		require.Empty(t, string(rest))
		return exitStatus(t, cmd)
	}
	return x
}

func TestASignalEndsATorture(t *testing.T) {
	out, err, status := interrupt(t, syscall.SIGINT, "appender", "torture", "--cases", "1000000000", "--seed", "1")
	require.Equal(t, exitInconclusive, status, err)
	require.Contains(t, out, "\ninconclusive: interrupted; every log kept its word in the ")
	require.Contains(t, out, "reproduce: ")
}

func TestASignalEndsACheckAndNothingIsLeft(t *testing.T) {
	dir := t.TempDir()
	out, err, status := interrupt(t, syscall.SIGINT, "appender", "check", "--dir", dir, "--cases", "100000000", "--seed", "1")
	require.Equal(t, exitInconclusive, status, err)
	require.Contains(t, out, "interrupted: not every law was asked")
	left, globErr := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, globErr)
	require.Empty(t, left)
}

// A server that accepts and says nothing is waited for, but not when a signal has
// come.
func TestASignalEndsTheWaitForAServer(t *testing.T) {
	for _, args := range [][]string{
		{"run", "calm", "--appender", "jetstream", "--url"}, {"live", "calm", "--appender", "jetstream", "--url"},
		{"appender", "check", "--cases", "1", "--seed", "1", "--url"}, {"appender", "cat"}, {"appender", "tail"},
	} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			silent, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			var out, errs bytes.Buffer
			cmd := subprocess(t, "command", append(args, "nats://"+silent.Addr().String())...)
			cmd.Stdout, cmd.Stderr = &out, &errs
			require.NoError(t, cmd.Start())
			conn, err := silent.Accept()
			require.NoError(t, err)
			require.NoError(t, cmd.Process.Signal(sig))
			began := time.Now()
			status := exitStatus(t, cmd)
			require.Equal(t, exitInconclusive, status, "%v: %s%s", args, &out, &errs)
			require.Less(t, time.Since(began), jetstream.DefaultTimeout-time.Second, "%v", args)
			require.Contains(t, out.String()+errs.String(), "interrupted")
			require.NotContains(t, errs.String(), silent.Addr().String(), "nothing is wrong with it")
			require.NoError(t, conn.Close())
			require.NoError(t, silent.Close())
		}
	}
}
