package jetstream

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
)

// soon is more than a healthy server needs, and little for a test that waits
// for it to pass.
const soon = 150 * time.Millisecond

func within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

// awaitStored waits until the chain holds n records.
func awaitStored(tb testing.TB, o Options, n int) {
	require.Eventually(tb, func() bool { return len(content(tb, o, "n1")) == n }, 5*time.Second, 5*time.Millisecond)
}

func TestAnAcknowledgementThatIsLostMakesTheOutcomeUnknownAndARetryStoresOnce(t *testing.T) {
	srv := startServer(t)
	p := startProxy(t, srv.URL())
	o := Options{URL: p.URL(), MaxRecords: 1000}
	direct := Options{URL: srv.URL()}
	a := open(t, testEnv(1), o)
	require.NoError(t, a.Append(context.Background(), numbered(1, 1)[0]))

	p.set(func() { p.deaf = true })
	recs := numbered(2, 11)
	ctx, cancel := within(soon)
	defer cancel()
	n, err := a.AppendBatch(ctx, recs)
	require.Zero(t, n)
	require.ErrorIs(t, err, appender.ErrUnknownOutcome)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var ae *appender.AppendError
	require.ErrorAs(t, err, &ae)
	require.EqualValues(t, 2, ae.Seq)
	awaitStored(t, direct, 11)

	// Still deaf: the outcome stays unknown, also of a retry.
	ctx, cancel = within(soon)
	defer cancel()
	_, err = a.AppendBatch(ctx, recs)
	require.ErrorIs(t, err, appender.ErrUnknownOutcome)

	p.set(func() { p.deaf = false })
	n, err = a.AppendBatch(context.Background(), append(recs, numbered(12, 13)...))
	require.NoError(t, err)
	require.Equal(t, 12, n)
	require.Equal(t, numbered(1, 13), content(t, direct, "n1"))
	end, _ := a.Position()
	require.EqualValues(t, 13, end)
}

func TestALostAcknowledgementIsFoundOutWhileTimeIsLeft(t *testing.T) {
	srv := startServer(t)
	p := startProxy(t, srv.URL())
	a := open(t, testEnv(1), Options{URL: p.URL(), MaxRecords: 1000})
	direct := Options{URL: srv.URL()}
	require.NoError(t, a.Append(context.Background(), numbered(1, 1)[0]))

	p.set(func() { p.deaf = true })
	done := make(chan error)
	go func() {
		_, err := a.AppendBatch(context.Background(), numbered(2, 60))
		done <- err
	}()
	awaitStored(t, direct, 60)
	p.set(func() { p.deaf = false })
	p.cut()
	require.NoError(t, <-done)
	require.Equal(t, numbered(1, 60), content(t, direct, "n1"))
}

func TestWithoutAConnectionAnAppendFailsAtOnceAndNothingIsStoredLater(t *testing.T) {
	srv := startServer(t)
	p := startProxy(t, srv.URL())
	a := open(t, testEnv(1), Options{URL: p.URL(), MaxRecords: 1000})
	require.NoError(t, a.Append(context.Background(), numbered(1, 1)[0]))

	p.set(func() { p.refuse = true })
	p.cut()
	require.Eventually(t, func() bool { return !a.link.conn.IsConnected() }, 5*time.Second, time.Millisecond)
	for range 3 {
		n, err := a.AppendBatch(context.Background(), numbered(2, 5))
		require.Zero(t, n)
		require.ErrorIs(t, err, ErrNotConnected)
		require.NotErrorIs(t, err, appender.ErrUnknownOutcome)
	}
	p.set(func() { p.refuse = false })
	require.Eventually(t, a.link.conn.IsConnected, 5*time.Second, time.Millisecond)
	require.NoError(t, a.Append(context.Background(), numbered(6, 6)[0]))
	require.Equal(t, []uint64{1, 6}, seqs(content(t, Options{URL: srv.URL()}, "n1")))
}

func TestARecordThatIsTooLargeFailsAlone(t *testing.T) {
	a := open(t, testEnv(1), Options{URL: startServer(t).URL(), MaxRecords: 1000})
	recs := numbered(1, 9)
	recs[4].Message = string(make([]byte, 2<<20))
	n, err := a.AppendBatch(context.Background(), recs)
	require.Equal(t, 4, n)
	require.ErrorIs(t, err, ErrTooLarge)
	require.NotErrorIs(t, err, appender.ErrUnknownOutcome)
	recs[6].Node = string(make([]byte, 1<<16))
	n, err = a.AppendBatch(context.Background(), recs[5:])
	require.Equal(t, 1, n)
	require.ErrorIs(t, err, ErrTooLarge)
	n, err = a.AppendBatch(context.Background(), recs[7:])
	require.Equal(t, 2, n)
	require.NoError(t, err)
	got, err := collect(a.Replay(context.Background(), appender.Cursor{}, false))
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 2, 3, 4, 6, 8, 9}, seqs(got))
	require.EqualValues(t, 2, a.Stats().Failed)
}

func TestAStreamThatIsGoneIsAFailureNotAnUnknownOutcome(t *testing.T) {
	a := open(t, testEnv(1), Options{URL: startServer(t).URL(), MaxRecords: 1000})
	require.NoError(t, a.Append(context.Background(), numbered(1, 1)[0]))
	require.NoError(t, a.link.js.DeleteStream(context.Background(), a.names.stream))
	n, err := a.AppendBatch(context.Background(), numbered(2, 9))
	require.Zero(t, n)
	require.ErrorIs(t, err, errNoResponders)
	require.NotErrorIs(t, err, appender.ErrUnknownOutcome)
}

// strategy is how a writer goes on after an unknown outcome.
type strategy func(*Appender, context.Context, []appender.Record) (int, error)

// ghosts lets what was sent before a connection broke reach the server late, in
// front of or behind what the appender sends next, and compares what is stored
// with what the writer was told. change may break the appender or the network
// before.
func ghosts(url string, proxied func(testing.TB) *proxy, tb testing.TB, appendBatch strategy, change func(*proxy)) error {
	p := proxied(tb)
	o := Options{URL: p.URL(), Prefix: freshPrefix(), MaxRecords: 1000}
	if change != nil {
		change(p)
	}
	a := open(tb, testEnv(1), o)
	h := history{}
	write := func(d time.Duration, recs []appender.Record) {
		ctx, cancel := within(d)
		defer cancel()
		n, err := appendBatch(a, ctx, recs)
		h.tell(recs, n, err)
	}
	write(5*time.Second, numbered(1, 5))
	// What the client says now is under way for long.
	p.set(func() { p.hold = true })
	write(soon, numbered(6, 15))
	old := p.strand()
	p.set(func() { p.hold = false })
	for a.link.conn.Stats().Reconnects == 0 {
		time.Sleep(time.Millisecond)
	}
	// The caller does not want 6 to 15 any more: it goes on.
	write(5*time.Second, numbered(16, 25))
	old.release()
	time.Sleep(soon)
	write(5*time.Second, numbered(26, 30))
	stored := content(tb, Options{URL: url, Prefix: o.Prefix}, "n1")
	if len(h) != 30 {
		return errors.New("not everything was told")
	}
	for seq := uint64(16); seq <= 30; seq++ {
		if h[seq] != appender.Appended {
			return fmt.Errorf("record %d is %v after everything healed", seq, h[seq])
		}
	}
	return h.judge(stored)
}

func TestWhatIsStillOnItsWayIsNeverStoredBehindALaterRecord(t *testing.T) {
	srv := startServer(t)
	proxied := func(tb testing.TB) *proxy { return startProxy(tb, srv.URL()) }
	require.NoError(t, ghosts(srv.URL(), proxied, t, (*Appender).AppendBatch, nil))

	t.Run("and this is seen", func(t *testing.T) {
		err := ghosts(srv.URL(), proxied, t, (*Appender).AppendBatch, expectNothing)
		require.Error(t, err)
		t.Log(err)
	})
}

// expectNothing makes the server see records without their expectations.
func expectNothing(p *proxy) {
	p.mangle = map[string]string{"Nats-Expected-Last-Sequence:": "Xats-Expected-Last-Sequence:"}
}

// lostAcks makes some acknowledgements get lost, and compares what is stored
// with what the writer was told.
func lostAcks(url string, tb testing.TB, appendBatch strategy) error {
	p := startProxy(tb, url)
	o := Options{URL: p.URL(), Prefix: freshPrefix(), MaxRecords: 1000}
	a := open(tb, testEnv(1), o)
	h := history{}
	for i, deaf := range []bool{false, true, false, true, true, false} {
		p.set(func() { p.deaf = deaf })
		ctx, cancel := within(soon)
		recs := numbered(uint64(10*i+1), uint64(10*i+10))
		n, err := appendBatch(a, ctx, recs)
		cancel()
		h.tell(recs, n, err)
		for !deaf && n < len(recs) && errors.Is(err, appender.ErrUnknownOutcome) {
			n, err = appendBatch(a, context.Background(), recs)
			h.tell(recs, n, err)
		}
	}
	return h.judge(content(tb, Options{URL: url, Prefix: o.Prefix}, "n1"))
}

func TestWhatWasToldToHaveFailedIsNotStored(t *testing.T) {
	url := startServer(t).URL()
	require.NoError(t, lostAcks(url, t, (*Appender).AppendBatch))

	t.Run("and this is seen", func(t *testing.T) {
		for name, broken := range map[string]strategy{
			"an unknown outcome is told as a failure": func(a *Appender, ctx context.Context, recs []appender.Record) (int, error) {
				n, err := a.AppendBatch(ctx, recs)
				if err != nil {
					err = errors.New("failed")
				}
				return n, err
			},
			"an unknown outcome is told as a success": func(a *Appender, ctx context.Context, recs []appender.Record) (int, error) {
				a.end() // so that it is not stored
				_, _ = a.AppendBatch(ctx, recs)
				return len(recs), nil
			},
		} {
			t.Run(name, func(t *testing.T) {
				err := lostAcks(url, t, broken)
				require.Error(t, err)
				t.Log(err)
			})
		}
	})
}
