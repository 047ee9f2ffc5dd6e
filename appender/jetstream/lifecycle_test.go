package jetstream

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"meshsim/appender"
)

func TestNothingRunsOnBehindCloseAndReaders(t *testing.T) {
	srv := startServer(t)
	o := Options{URL: srv.URL(), MaxRecords: 100}
	// The server runs goroutines for a stream from its creation on, and starts
	// and ends some with a connection, in its own time.
	require.NoError(t, open(t, testEnv(1), o).Close())
	before := goleak.IgnoreCurrent()
	for range 3 {
		a, err := Open(context.Background(), testEnv(1), o)
		require.NoError(t, err)
		require.NoError(t, a.Append(context.Background(), numbered(1, 1)[0]))
		for range a.Replay(context.Background(), appender.Cursor{}, true) {
			break
		}
		require.NoError(t, a.Close())
		require.NoError(t, a.Close())
	}
	content(t, o, "n1")
	_, err := Nodes(context.Background(), o)
	require.NoError(t, err)
	_, err = Open(context.Background(), testEnv(0), o)
	require.ErrorIs(t, err, ErrFenced)
	goleak.VerifyNone(t, before)
}

func TestACallAfterCloseIsRefused(t *testing.T) {
	o := Options{URL: startServer(t).URL(), MaxRecords: 100}
	a := open(t, testEnv(1), o)
	require.NoError(t, a.Append(context.Background(), numbered(1, 1)[0]))
	require.NoError(t, a.Close())
	n, err := a.AppendBatch(context.Background(), numbered(2, 3))
	require.Zero(t, n)
	require.ErrorIs(t, err, appender.ErrClosed)
	require.NotErrorIs(t, err, appender.ErrUnknownOutcome)
	require.Equal(t, []uint64{1}, seqs(content(t, o, "n1")))
	require.Equal(t, appender.Stats{Accepted: 1, Delivered: 1}, a.Stats())
	_, err = collect(a.Replay(context.Background(), appender.Cursor{}, true))
	require.ErrorIs(t, err, appender.ErrClosed)
}

func TestACallWhoseContextHasEndedStoresAndCountsNothing(t *testing.T) {
	o := Options{URL: startServer(t).URL(), MaxRecords: 100}
	a := open(t, testEnv(1), o)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.Equal(t, context.Canceled, a.Append(ctx, numbered(1, 1)[0]))
	_, err := a.AppendBatch(ctx, numbered(1, 3))
	require.Equal(t, context.Canceled, err)
	require.Equal(t, context.Canceled, a.Flush(ctx))
	require.Empty(t, content(t, o, "n1"))
	require.Equal(t, appender.Stats{}, a.Stats())
	n, err := a.AppendBatch(context.Background(), nil)
	require.Zero(t, n)
	require.NoError(t, err)
	require.NoError(t, a.Flush(context.Background()))
	_, err = Open(ctx, testEnv(2), o)
	require.ErrorIs(t, err, context.Canceled)
}

func TestCloseEndsACallThatHangs(t *testing.T) {
	p := startProxy(t, startServer(t).URL())
	a := open(t, testEnv(1), Options{URL: p.URL(), MaxRecords: 100, Timeout: time.Minute})
	p.set(func() { p.deaf = true })
	done := make(chan error)
	go func() { done <- a.Append(context.Background(), numbered(1, 1)[0]) }()
	require.Eventually(t, func() bool { return len(a.busy) == 1 }, 5*time.Second, time.Millisecond)
	time.Sleep(20 * time.Millisecond) // so that it is sent, most of the time: both ends are right
	require.NoError(t, a.Close())
	require.ErrorIs(t, <-done, appender.ErrClosed)
}

func TestTheTimeoutEndsACallWhateverItsContextAllows(t *testing.T) {
	p := startProxy(t, startServer(t).URL())
	a := open(t, testEnv(1), Options{URL: p.URL(), MaxRecords: 100, Timeout: soon})
	p.set(func() { p.deaf = true })
	err := a.Append(context.Background(), numbered(1, 1)[0])
	require.ErrorIs(t, err, appender.ErrUnknownOutcome)
	require.ErrorIs(t, err, errTimeout)
}

func TestConcurrentCallsAreServedOneByOne(t *testing.T) {
	o := Options{URL: startServer(t).URL(), MaxRecords: 10_000}
	a := open(t, testEnv(1), o)
	var wg sync.WaitGroup
	const writers, each = 4, 50
	for w := range uint64(writers) {
		wg.Go(func() {
			for i := range uint64(each) {
				rec := numbered(i+1, i+1)[0]
				rec.Stream = uint8(w)
				if err := a.Append(context.Background(), rec); err != nil {
					t.Error(err)
				}
				a.Stats()
				a.Position()
				a.Dropped()
			}
		})
	}
	wg.Wait()
	last := [writers]uint64{}
	for _, rec := range content(t, o, "n1") {
		require.Equal(t, last[rec.Stream]+1, rec.Seq)
		last[rec.Stream]++
	}
	require.Equal(t, [writers]uint64{each, each, each, each}, last)
	require.EqualValues(t, writers*each, a.Stats().Delivered)
}

func TestAConnectionOfTheCallersIsUsedAndLeftOpen(t *testing.T) {
	srv := startServer(t)
	conn, err := srv.Connect()
	require.NoError(t, err)
	defer conn.Close()
	o := Options{Conn: conn, MaxRecords: 100}
	a := open(t, testEnv(1), o)
	require.NoError(t, a.Append(context.Background(), numbered(1, 1)[0]))
	require.NoError(t, a.Close())
	require.True(t, conn.IsConnected())
	require.Equal(t, []uint64{1}, seqs(content(t, o, "n1")))

	buffered, err := nats.Connect(srv.URL())
	require.NoError(t, err)
	defer buffered.Close()
	_, err = Open(context.Background(), testEnv(2), Options{Conn: buffered})
	require.ErrorContains(t, err, "ReconnectBufSize(-1)")
}
