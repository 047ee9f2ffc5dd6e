package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// openTerminal makes a pseudo-terminal: what is written to tty is read from
// screen.
func openTerminal(t *testing.T) (screen, tty *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { screen.Close() })
	var n uint32
	var unlock int32
	for _, c := range []struct {
		req uintptr
		arg unsafe.Pointer
	}{{syscall.TIOCSPTLCK, unsafe.Pointer(&unlock)}, {syscall.TIOCGPTN, unsafe.Pointer(&n)}} {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, screen.Fd(), c.req, uintptr(c.arg))
		require.Zero(t, errno)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	return screen, tty
}

// watched runs the command on a terminal and returns what a watcher sees.
func watched(t *testing.T, env []string, args ...string) string {
	t.Helper()
	screen, tty := openTerminal(t)
	cmd := subprocess(t, "command", args...)
	cmd.Env = append(cmd.Env, append([]string{"TERM=xterm", "NO_COLOR="}, env...)...)
	cmd.Stdout, cmd.Stderr = tty, tty
	require.NoError(t, cmd.Start())
	require.NoError(t, tty.Close())
	var seen bytes.Buffer
	_, err := io.Copy(&seen, screen)
	require.ErrorIs(t, err, syscall.EIO) // how Linux says that the other end is closed
	require.Equal(t, exitHeld, exitStatus(t, cmd), seen.String())
	return seen.String()
}

const (
	escape   = "\x1b[32m"
	barStart = "calm, safety phase"
)

func TestATerminalGetsABarAndColours(t *testing.T) {
	args := []string{"run", "calm", "--nodes", "3", "--duration", "60s", "--seed", "1"}
	seen := watched(t, nil, args...)
	require.Contains(t, seen, barStart)
	require.Contains(t, seen, escape)
	require.Contains(t, seen, "held")

	plain := watched(t, []string{"NO_COLOR=1"}, args...)
	require.Contains(t, plain, barStart)
	require.NotContains(t, plain, escape)
	require.NotContains(t, watched(t, []string{"TERM=dumb"}, args...), escape)

	// The bar is gone when the results come.
	_, results, _ := strings.Cut(plain, "what happened")
	require.NotContains(t, results, barStart)
}

func TestAPipeGetsNeitherBarNorColours(t *testing.T) {
	cmd := subprocess(t, "command", "run", "calm", "--nodes", "3", "--duration", "60s", "--seed", "1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Run())
	require.Empty(t, errs.String())
	require.NotContains(t, out.String(), "\x1b")
	require.Contains(t, out.String(), "held")
}
