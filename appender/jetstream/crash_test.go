package jetstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/jetstream/embedded"
)

// writer appends records in batches, again as long as an outcome is unknown,
// and sometimes gives up on what failed.
type writer struct {
	a       *Appender
	rng     *rand.Rand
	told    history
	seq     uint64
	timeout time.Duration
	giveUp  bool
}

// run appends until the record numbered last was told about, and goes on
// afterwards until one is acknowledged.
func (w *writer) run(last uint64) {
	for acknowledged := false; w.seq < last || !acknowledged; {
		size := 1 + w.rng.Uint64N(40)
		recs := numbered(w.seq+1, w.seq+size)
		w.seq += size
		acknowledged = w.append(recs)
	}
}

func (w *writer) append(recs []appender.Record) bool {
	for len(recs) > 0 {
		ctx, cancel := within(w.timeout)
		n, err := w.a.AppendBatch(ctx, recs)
		cancel()
		w.told.tell(recs, n, err)
		if err == nil {
			return true
		}
		recs = recs[n:]
		if w.giveUp && !errors.Is(err, appender.ErrUnknownOutcome) && w.rng.IntN(4) == 0 {
			return false
		}
		time.Sleep(time.Duration(w.rng.IntN(10)) * time.Millisecond)
	}
	return true
}

// outage is a server that goes down, and comes back with what it had.
type outage interface {
	start()
	stop()
}

func TestServersThatStopAndComeBackLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		srv := startRestartable(t)
		losesNothing(t, seed, srv, srv.url, 3)
	}
}

// TestServersThatAreKilledLoseAndDoubleNothing: what one server has acknowledged
// survives its process, though it synced nothing.
func TestServersThatAreKilledLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		srv := startMortal(t)
		losesNothing(t, seed, srv, srv.url, 7)
	}
}

// losesNothing appends while a server goes down and comes back so many times.
func losesNothing(t *testing.T, seed uint64, srv outage, url string, outages int) {
	const records = 3000
	rng := rand.New(rand.NewPCG(seed, 0))
	o := Options{URL: url, MaxRecords: 1_000_000}
	w := &writer{a: open(t, testEnv(1), o), rng: rng, told: history{}, timeout: 300 * time.Millisecond, giveUp: seed > 0}
	pauses := rand.New(rand.NewPCG(seed, 1))
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for range outages {
			time.Sleep(time.Duration(pauses.IntN(60)) * time.Millisecond)
			srv.stop()
			time.Sleep(time.Duration(pauses.IntN(200)) * time.Millisecond)
			srv.start()
		}
	}()
	for w.run(records); ; w.run(w.seq + 1) {
		select {
		case <-stopped:
		default:
			continue
		}
		break
	}
	stored := content(t, o, "n1")
	require.NoError(t, w.told.judge(stored))
	end, _ := w.a.Position()
	require.EqualValues(t, len(stored), end)
	require.Zero(t, w.a.Dropped())
	require.NoError(t, w.a.Close())
}

func TestALeaderThatDiesLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	c, err := embedded.StartCluster(3, embedded.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	defer c.Shutdown()
	o := Options{URL: c.URL(), MaxRecords: 1_000_000, Replicas: 3, Timeout: 10 * time.Second}
	a := open(t, testEnv(1), o)
	w := &writer{a: a, rng: rand.New(rand.NewPCG(7, 7)), told: history{}, timeout: 500 * time.Millisecond}
	w.run(500)
	for round := range 2 {
		stopped := make(chan int)
		go func() {
			time.Sleep(time.Duration(5+20*round) * time.Millisecond)
			stopped <- c.StopLeader(a.names.stream)
		}()
		w.run(w.seq + 800)
		i := <-stopped
		require.GreaterOrEqual(t, i, 0, "nobody led the stream")
		w.run(w.seq + 500)
		require.NoError(t, c.Start(i))
		require.NoError(t, c.AwaitCurrent(a.names.stream))
	}
	// A takeover by the next epoch, in the middle of a cluster that just healed.
	b := open(t, testEnv(2), o)
	require.ErrorIs(t, a.Append(context.Background(), numbered(w.seq+1, w.seq+1)[0]), ErrFenced)
	w.a = b
	w.run(w.seq + 100)
	stored := content(t, o, "n1")
	require.NoError(t, w.told.judge(stored))
	require.Len(t, stored, int(w.seq), "the writer does not give up")
	chains, err := Nodes(context.Background(), o)
	require.NoError(t, err)
	require.Len(t, chains, 1)
	require.Equal(t, w.seq, chains[0].Published)
}
