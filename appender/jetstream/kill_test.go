package jetstream

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"meshsim/appender/jetstream/embedded"
)

// childDir and childPort are in the environment of a child process that is a
// server until it is killed, or its standard input ends.
const (
	childDir  = "JETSTREAM_CHILD_DIR"
	childPort = "JETSTREAM_CHILD_PORT"
)

// TestMain: no goroutine of a server, a connection, an appender or a reader
// outlives its Close.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, serve(dir, os.Getenv(childPort)))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// serve runs a server, and writes its URL to the output.
func serve(dir, port string) error {
	o := embedded.Options{Dir: dir}
	var err error
	if o.Port, err = strconv.Atoi(port); err != nil {
		return err
	}
	srv, err := embedded.Start(o)
	if err != nil {
		return err
	}
	fmt.Println(srv.URL())
	_, err = io.Copy(io.Discard, os.Stdin)
	srv.Shutdown()
	return err
}

// mortal is a server in a process of its own, which stop kills.
type mortal struct {
	tb    testing.TB
	dir   string
	port  string
	url   string
	cmd   *exec.Cmd
	stdin io.Closer
}

func startMortal(tb testing.TB) *mortal {
	m := &mortal{tb: tb, dir: tb.TempDir(), port: "0"}
	m.start()
	u, err := url.Parse(m.url)
	require.NoError(tb, err)
	m.port = u.Port()
	tb.Cleanup(m.stop)
	return m
}

func (m *mortal) start() {
	self, err := os.Executable()
	require.NoError(m.tb, err)
	m.cmd = exec.Command(self)
	m.cmd.Env = append(os.Environ(), childDir+"="+m.dir, childPort+"="+m.port)
	m.cmd.Stderr = os.Stderr
	m.stdin, err = m.cmd.StdinPipe()
	require.NoError(m.tb, err)
	out, err := m.cmd.StdoutPipe()
	require.NoError(m.tb, err)
	require.NoError(m.tb, m.cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(m.tb, err)
	m.url = strings.TrimSpace(line)
}

func (m *mortal) stop() {
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
	_ = m.stdin.Close()
}
