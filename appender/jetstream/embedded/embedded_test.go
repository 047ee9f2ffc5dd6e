package embedded_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"meshsim/appender/jetstream/embedded"
)

// TestMain: nothing of a server outlives its Shutdown.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func stream(t *testing.T, conn *nats.Conn, replicas int) jetstream.JetStream {
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	_, err = js.CreateOrUpdateStream(context.Background(), jetstream.StreamConfig{Name: "s", Subjects: []string{"s"}, Replicas: replicas})
	require.NoError(t, err)
	return js
}

func TestAServerKeepsItsStreamsWhenItComesBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on", "demand")
	for round := range 3 {
		srv, err := embedded.Start(embedded.Options{Dir: dir})
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(srv.URL(), "nats://127.0.0.1:"), srv.URL())
		info, err := os.Stat(dir)
		require.NoError(t, err)
		require.EqualValues(t, 0o700, info.Mode().Perm())

		through, err := nats.Connect(srv.URL())
		require.NoError(t, err)
		inside, err := srv.Connect()
		require.NoError(t, err)
		require.EqualValues(t, -1, inside.Opts.ReconnectBufSize)
		for i, conn := range []*nats.Conn{through, inside} {
			ack, err := stream(t, conn, 1).Publish(context.Background(), "s", nil)
			require.NoError(t, err)
			require.EqualValues(t, 2*round+i+1, ack.Sequence)
			conn.Close()
		}
		srv.Shutdown()
		srv.Shutdown()
		_, err = nats.Connect(through.Opts.Url, nats.Timeout(100*time.Millisecond))
		require.Error(t, err)
	}
}

func TestTwoServersNeverShareADirectory(t *testing.T) {
	dir := t.TempDir()
	srv, err := embedded.Start(embedded.Options{Dir: dir})
	require.NoError(t, err)
	_, err = embedded.Start(embedded.Options{Dir: dir})
	require.ErrorIs(t, err, embedded.ErrDirInUse)
	srv.Shutdown()
	srv, err = embedded.Start(embedded.Options{Dir: dir})
	require.NoError(t, err)
	srv.Shutdown()
}

func TestAServerThatCannotStartSaysWhyAndLeavesNothing(t *testing.T) {
	_, err := embedded.Start(embedded.Options{})
	require.ErrorContains(t, err, "no directory")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = embedded.Start(embedded.Options{Dir: file})
	require.ErrorContains(t, err, "not a directory")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	dir := t.TempDir()
	_, err = embedded.Start(embedded.Options{Dir: dir, Port: l.Addr().(*net.TCPAddr).Port})
	require.ErrorContains(t, err, "address already in use")
	srv, err := embedded.Start(embedded.Options{Dir: dir})
	require.NoError(t, err, "the failed start kept the directory")
	srv.Shutdown()
}

func TestTheOptionsReachTheServer(t *testing.T) {
	srv, err := embedded.Start(embedded.Options{Dir: t.TempDir(), MaxPayload: 1000, User: "u", Password: "p"})
	require.NoError(t, err)
	defer srv.Shutdown()
	_, err = nats.Connect(srv.URL())
	require.ErrorIs(t, err, nats.ErrAuthorization)
	conn, err := srv.Connect(nats.UserInfo("u", "p"))
	require.NoError(t, err)
	defer conn.Close()
	require.EqualValues(t, 1000, conn.MaxPayload())
}

func TestAClusterReplicatesAndItsServersComeBack(t *testing.T) {
	c, err := embedded.StartCluster(3, embedded.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	defer c.Shutdown()
	require.Equal(t, 3, c.Len())
	require.Equal(t, -1, c.Leader("s"))
	require.Equal(t, -1, c.StopLeader("s"))
	conn, err := nats.Connect(c.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	require.NoError(t, err)
	defer conn.Close()
	js := stream(t, conn, 3)
	publish := func(id int) {
		require.Eventually(t, func() bool {
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			_, err := js.Publish(ctx, "s", nil, jetstream.WithMsgID(strconv.Itoa(id)))
			return err == nil
		}, 20*time.Second, 10*time.Millisecond)
	}
	publish(1)
	i := c.StopLeader("s")
	require.GreaterOrEqual(t, i, 0)
	require.Nil(t, c.Server(i))
	c.Stop(i)
	publish(2)
	require.NoError(t, c.Start(i))
	require.NoError(t, c.Start(i))
	require.NotNil(t, c.Server(i))
	require.NoError(t, c.AwaitCurrent("s"))
	require.NoError(t, c.AwaitLeader("s"))
	c.Stop((i + 1) % 3)
	publish(3)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var info *jetstream.StreamInfo
	require.Eventually(t, func() bool {
		s, err := js.Stream(ctx, "s")
		if err == nil {
			info = s.CachedInfo()
		}
		return err == nil
	}, 20*time.Second, 50*time.Millisecond)
	require.EqualValues(t, 3, info.State.Msgs)
}

func TestAClusterOfOneIsRefused(t *testing.T) {
	_, err := embedded.StartCluster(1, embedded.Options{Dir: t.TempDir()})
	require.ErrorContains(t, err, "a cluster of 1")
	_, err = embedded.StartCluster(3, embedded.Options{})
	require.ErrorContains(t, err, "no directory")
}

func ExampleStart() {
	dir, err := os.MkdirTemp("", "embedded")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	srv, err := embedded.Start(embedded.Options{Dir: dir})
	if err != nil {
		panic(err)
	}
	defer srv.Shutdown()
	conn, err := nats.Connect(srv.URL())
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Println("connected:", conn.IsConnected())
	// Output:
	// connected: true
}
