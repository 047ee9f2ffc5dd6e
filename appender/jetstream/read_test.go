package jetstream

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"meshsim/appender"
)

func TestAFollowerSeesWhatIsAppendedAndSurvivesTheServersRestart(t *testing.T) {
	srv := startRestartable(t)
	o := Options{URL: srv.url, MaxRecords: 1000}
	a := open(t, testEnv(1), o)
	_, err := a.AppendBatch(context.Background(), numbered(1, 10))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	got := make(chan uint64, 100)
	done := make(chan error, 1)
	go func() {
		for rec, err := range Read(ctx, o, "n1", appender.Cursor{Incarnation: 1, Seq: 4}, true) {
			if err != nil {
				done <- err
				return
			}
			got <- rec.Seq
		}
		done <- nil
	}()
	expect := func(first, last uint64) {
		for seq := first; seq <= last; seq++ {
			select {
			case s := <-got:
				require.Equal(t, seq, s)
			case <-time.After(20 * time.Second):
				require.FailNow(t, "the follower stopped", "before %d", seq)
			}
		}
	}
	expect(4, 10)
	_, err = a.AppendBatch(context.Background(), numbered(11, 20))
	require.NoError(t, err)
	expect(11, 20)
	srv.stop()
	srv.start()
	require.Eventually(t, func() bool {
		n, _ := a.AppendBatch(context.Background(), numbered(21, 30))
		return n == 10
	}, 10*time.Second, 10*time.Millisecond)
	expect(21, 30)
	cancel()
	require.NoError(t, <-done)
}

func TestReadingEndsWithTheRecordsThatWereThere(t *testing.T) {
	o := Options{URL: startServer(t).URL(), MaxRecords: 1000}
	a := open(t, testEnv(1), o)
	_, err := a.AppendBatch(context.Background(), numbered(1, 300))
	require.NoError(t, err)
	next := uint64(301)
	var got []appender.Record
	for rec, err := range a.Replay(context.Background(), appender.Cursor{}, false) {
		require.NoError(t, err)
		got = append(got, rec)
		require.NoError(t, a.Append(context.Background(), numbered(next, next)[0]))
		next++
	}
	require.Equal(t, numbered(1, 300), got)
	// And with the consumer's interest.
	for rec := range a.Replay(context.Background(), appender.Cursor{Incarnation: 1, Seq: 17}, false) {
		require.EqualValues(t, 17, rec.Seq)
		break
	}
	// Nothing is left behind at the server.
	s, err := a.link.js.Stream(context.Background(), a.names.stream)
	require.NoError(t, err)
	require.Zero(t, s.CachedInfo().State.Consumers)
}

func TestAReaderMayTakeItsTime(t *testing.T) {
	o := Options{URL: startServer(t).URL(), MaxRecords: 1000}
	_, err := open(t, testEnv(1), o).AppendBatch(context.Background(), numbered(1, 3))
	require.NoError(t, err)
	o.Timeout = soon
	n := 0
	for _, err := range Read(context.Background(), o, "n1", appender.Cursor{}, false) {
		require.NoError(t, err)
		time.Sleep(2 * soon)
		n++
	}
	require.Equal(t, 3, n)
}

func TestReadingWhatIsNotThereFails(t *testing.T) {
	o := Options{URL: startServer(t).URL(), MaxRecords: 10}
	_, err := collect(Read(context.Background(), o, "n1", appender.Cursor{}, false))
	require.ErrorIs(t, err, ErrNoChain)
	_, err = collect(Read(context.Background(), o, "n1", appender.Cursor{}, true))
	require.ErrorIs(t, err, ErrNoChain)
	chains, err := Nodes(context.Background(), o)
	require.NoError(t, err)
	require.Empty(t, chains)
	open(t, testEnv(1), o)
	require.Empty(t, content(t, o, "n1"))
}

func TestAForeignMessageIsReportedNotSkipped(t *testing.T) {
	o := Options{URL: startServer(t).URL(), MaxRecords: 10}
	a := open(t, testEnv(1), o)
	require.NoError(t, a.Append(context.Background(), numbered(1, 1)[0]))
	_, err := a.link.js.PublishMsg(context.Background(), &nats.Msg{Subject: a.names.subject, Data: []byte("hello")})
	require.NoError(t, err)
	got, err := collect(a.Replay(context.Background(), appender.Cursor{}, false))
	require.ErrorIs(t, err, ErrForeign)
	require.Equal(t, numbered(1, 1), got)
}

func TestAReaderWhoseContextEndsSaysSoUnlessItFollows(t *testing.T) {
	o := Options{URL: startServer(t).URL(), MaxRecords: 1000}
	a := open(t, testEnv(1), o)
	_, err := a.AppendBatch(context.Background(), numbered(1, 100))
	require.NoError(t, err)
	for _, follow := range []bool{false, true} {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		n := 0
		var last error
		for _, err := range a.Replay(ctx, appender.Cursor{}, follow) {
			if err != nil {
				last = err
				break
			}
			if n++; n == 1 {
				cancel()
			}
		}
		if !follow {
			require.ErrorIs(t, last, context.Canceled)
		} else {
			require.NoError(t, last)
		}
		require.Less(t, n, 101)
	}
}

func TestNodesListsChainsOfItsPrefixByNode(t *testing.T) {
	url := startServer(t).URL()
	o := Options{URL: url, Prefix: "prod.log", MaxRecords: 3}
	other := Options{URL: url, Prefix: "prod", MaxRecords: 3}
	for i, node := range []string{"b.2", "a *>", ""} {
		env := appender.Env{Node: node, Incarnation: 4, Epoch: uint64(i + 1)}
		a := open(t, env, o)
		_, err := a.AppendBatch(context.Background(), numbered(1, uint64(i+2)))
		require.NoError(t, err)
		open(t, env, other)
	}
	chains, err := Nodes(context.Background(), o)
	require.NoError(t, err)
	require.Equal(t, []Chain{
		{Node: "", Incarnation: 4, Epoch: 3, Published: 4, Retained: 3, Dropped: 1, Stream: "prod%2Elog@%", Subject: "prod.log.%"},
		{Node: "a *>", Incarnation: 4, Epoch: 2, Published: 3, Retained: 3, Stream: "prod%2Elog@a%20%2A%3E", Subject: "prod.log.a%20%2A%3E"},
		{Node: "b.2", Incarnation: 4, Epoch: 1, Published: 2, Retained: 2, Stream: "prod%2Elog@b%2E2", Subject: "prod.log.b%2E2"},
	}, chains)
}
