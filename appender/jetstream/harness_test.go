package jetstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/jetstream/embedded"
)

// startServer runs a server for a test.
func startServer(tb testing.TB) *embedded.Server {
	srv, err := embedded.Start(embedded.Options{Dir: tb.TempDir()})
	require.NoError(tb, err)
	tb.Cleanup(srv.Shutdown)
	return srv
}

// restartable is a server that can be stopped, and come back with what it had.
type restartable struct {
	tb  testing.TB
	o   embedded.Options
	srv *embedded.Server
	url string
}

func startRestartable(tb testing.TB) *restartable {
	r := &restartable{tb: tb, o: embedded.Options{Dir: tb.TempDir()}}
	r.start()
	r.url = r.srv.URL()
	u, err := url.Parse(r.url)
	require.NoError(tb, err)
	r.o.Port, err = strconv.Atoi(u.Port())
	require.NoError(tb, err)
	tb.Cleanup(r.stop)
	return r
}

func (r *restartable) start() {
	var err error
	// The port may still be held by connections that go down.
	for range 100 {
		if r.srv, err = embedded.Start(r.o); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	require.NoError(r.tb, err)
}

func (r *restartable) stop() { r.srv.Shutdown() }

// freshPrefix is one that no other test case uses.
func freshPrefix() string { return "t" + strconv.FormatUint(prefixes.Add(1), 10) }

var prefixes atomic.Uint64

func testEnv(epoch uint64) appender.Env {
	return appender.Env{Node: "n1", Incarnation: 1, Epoch: epoch}
}

// patient is enough on a machine that is busy with other tests.
const patient = 30 * time.Second

func open(tb testing.TB, env appender.Env, o Options) *Appender {
	o.Timeout = orElse(o.Timeout, patient)
	a, err := Open(context.Background(), env, o)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, a.Close()) })
	return a
}

// numbered makes records from seq first to last.
func numbered(first, last uint64) []appender.Record {
	var recs []appender.Record
	for seq := first; seq <= last; seq++ {
		recs = append(recs, appender.Record{Node: "n1", Incarnation: 1, Seq: seq, TimeMs: 1000 + seq, Message: fmt.Sprintf("line %d", seq)})
	}
	return recs
}

// content is what a chain holds, read through a connection of its own.
func content(tb testing.TB, o Options, node string) []appender.Record {
	o.Timeout = patient
	recs, err := collect(Read(context.Background(), o, node, appender.Cursor{}, false))
	require.NoError(tb, err)
	return recs
}

func collect(seq func(func(appender.Record, error) bool)) (recs []appender.Record, err error) {
	for rec, e := range seq {
		if e != nil {
			return recs, e
		}
		recs = append(recs, rec)
	}
	return recs, nil
}

func seqs(recs []appender.Record) []uint64 {
	out := []uint64{}
	for i := range recs {
		out = append(out, recs[i].Seq)
	}
	return out
}

// history is what a writer was told about its records, by number. It calls
// again after an unknown outcome, if told to, so that the last answer counts.
type history map[uint64]appender.Outcome

// tell writes down what a call said. What is behind the record that an error
// concerns was not stored, unless that record's outcome is unknown.
func (h history) tell(recs []appender.Record, n int, err error) {
	for i := range recs {
		seq := recs[i].Seq
		switch {
		case i < n:
			h[seq] = appender.Appended
		case errors.Is(err, appender.ErrUnknownOutcome):
			h[seq] = appender.Unknown
		default:
			h[seq] = appender.Failed
		}
	}
}

// judge compares what a writer was told with what is stored, of a chain that
// has dropped nothing.
func (h history) judge(stored []appender.Record) error {
	there := map[uint64]bool{}
	var errs []error
	last := uint64(0)
	for i := range stored {
		seq := stored[i].Seq
		switch {
		case there[seq]:
			errs = append(errs, fmt.Errorf("record %d is stored twice", seq))
		case seq < last:
			errs = append(errs, fmt.Errorf("record %d is stored behind %d", seq, last))
		case h[seq] == appender.Failed:
			errs = append(errs, fmt.Errorf("record %d failed and is stored", seq))
		}
		there[seq] = true
		last = max(last, seq)
	}
	for _, seq := range slices.Sorted(maps.Keys(h)) {
		if h[seq] == appender.Appended && !there[seq] {
			errs = append(errs, fmt.Errorf("record %d was acknowledged and is lost", seq))
		}
	}
	return errors.Join(errs[:min(len(errs), 5)]...)
}

// freeAddress is one that nobody listens on.
func freeAddress(tb testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	defer l.Close()
	return l.Addr().String()
}
