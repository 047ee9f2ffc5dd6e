package appendertest_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/jetstream"
	"meshsim/appender/jetstream/embedded"
	"meshsim/props/laws"
)

// chains opens JetStream appenders: each fresh one has a prefix, and with it a
// stream, of its own.
type chains struct{ o jetstream.Options }

// prefixes counts those that were given out.
var prefixes atomic.Uint64

func (c *chains) fresh(o jetstream.Options) appender.Opener {
	return func(ctx context.Context, env appender.Env) (appender.Appender, error) {
		c.o = o
		c.o.Prefix = fmt.Sprintf("laws%d", prefixes.Add(1))
		return c.again(ctx, env)
	}
}

func (c *chains) again(ctx context.Context, env appender.Env) (appender.Appender, error) {
	return jetstream.Opener(c.o)(ctx, env)
}

// stream is the name of the latest one's.
func (c *chains) stream() string { return c.o.Prefix + "@n1" }

// onJetStream is what every JetStream appender promises.
func onJetStream(name string, o jetstream.Options) (laws.Config, *chains) {
	c := &chains{}
	o.Timeout = 20 * time.Second // of a machine that is busy with other tests
	cfg := laws.Config{
		Name: name, New: c.fresh(o), Reopen: c.again, Capacity: o.MaxRecords,
		Concurrent: true, OneNode: true, TakesOver: true, Ids: true, RealClock: true, Hang: time.Minute,
	}
	if !o.Unlimited {
		cfg.NewOf = func(capacity int) appender.Opener {
			o := o
			o.MaxRecords = capacity
			return c.fresh(o)
		}
	}
	return cfg, c
}

// fewCases is how many of each law servers are asked.
func fewCases() int {
	if raceEnabled {
		return 3
	}
	return 8
}

func TestJetStreamKeepsEveryLaw(t *testing.T) {
	srv, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(srv.Shutdown)
	for name, o := range map[string]jetstream.Options{
		"jetstream":                 {URL: srv.URL(), Unlimited: true},
		"jetstream of 7":            {URL: srv.URL(), MaxRecords: 7},
		"jetstream, one in flight":  {URL: srv.URL(), Unlimited: true, InFlight: 1},
		"jetstream of 7, in memory": {URL: srv.URL(), MaxRecords: 7, Memory: true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := onJetStream(name, o)
			r, err := laws.Check(t.Context(), cfg, laws.Options{Cases: fewCases()})
			require.NoError(t, err)
			require.NoError(t, r.Err())
			require.NotContains(t, asked(r), "survives-crash", "nothing crashes here")
			require.Subset(t, asked(r), []string{"order", "round-trip", "replay-cursor", "follow", "survives-close", "closed-refuses"})
		})
	}
}

// asked lists the laws that applied.
func asked(r *laws.Report) []string {
	var names []string
	for _, v := range r.Verdicts {
		if v.Lacks == "" {
			names = append(names, v.Law.Name)
		}
	}
	return names
}

// TestJetStreamKeepsEveryLawWhileItsLeadersStop: a cluster of three, of which the
// one that leads the stream stops again and again; it comes back once another
// leads.
func TestJetStreamKeepsEveryLawWhileItsLeadersStop(t *testing.T) {
	t.Parallel() // it waits for elections most of the time
	cluster, err := embedded.StartCluster(3, embedded.Options{Dir: t.TempDir(), SyncAlways: true})
	require.NoError(t, err)
	t.Cleanup(cluster.Shutdown)
	// SyncAlways: an acknowledgement means the disks of two, and Position says so.
	cfg, c := onJetStream("jetstream in a cluster", jetstream.Options{URL: cluster.URL(), Unlimited: true, Replicas: 3, SyncAlways: true})
	cfg.Acks = laws.AckQuorum
	// The servers learn of one that has come back a moment after it has.
	fresh := cfg.New
	cfg.New = func(ctx context.Context, env appender.Env) (a appender.Appender, err error) {
		for range 400 {
			if a, err = fresh(ctx, env); err == nil || !strings.Contains(err.Error(), "no suitable peers") {
				break
			}
			time.Sleep(25 * time.Millisecond)
		}
		return a, err
	}
	stopped := 0
	cfg.Crash = func() {
		i := cluster.StopLeader(c.stream())
		if i < 0 {
			panic("no server leads " + c.stream())
		}
		stopped++
		require.NoError(t, cluster.AwaitLeader(c.stream()))
		require.NoError(t, cluster.Start(i))
		require.NoError(t, cluster.AwaitCurrent(c.stream()))
	}
	r, err := laws.Check(t.Context(), cfg, laws.Options{
		Cases: 3, Only: []string{"order", "position", "survives-close", "survives-crash"},
	})
	require.NoError(t, err)
	require.NoError(t, r.Err())
	require.Contains(t, asked(r), "survives-crash")
	require.NotZero(t, stopped, "no leader was stopped")
}

// TestABrokenJetStreamIsFound: the suite sees through a server as well: a stream
// that forgets, and an appender that answers for what it did not send.
func TestABrokenJetStreamIsFound(t *testing.T) {
	srv, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(srv.Shutdown)
	sound, _ := onJetStream("sound", jetstream.Options{URL: srv.URL(), MaxRecords: 5})
	sound.NewOf = nil

	small := sound
	small.Capacity = 6
	require.Contains(t, brokenBy(t, small, "fifo-drop"), "fifo-drop", "a stream that holds fewer than it is said to")

	deaf := sound
	deaf.New = func(ctx context.Context, env appender.Env) (appender.Appender, error) {
		a, err := sound.New(ctx, env)
		if err != nil {
			return nil, err
		}
		return &skips{Appender: a.(*jetstream.Appender)}, nil
	}
	require.Contains(t, brokenBy(t, deaf, "order"), "order", "an appender that does not send every record")
}

// brokenBy is what the laws of these names say of a subject.
func brokenBy(t *testing.T, cfg laws.Config, only ...string) string {
	r, err := laws.Check(t.Context(), cfg, laws.Options{Cases: 12, Only: only})
	require.NoError(t, err)
	require.Error(t, r.Err())
	return r.Err().Error()
}

// skips acknowledges the last record of every batch of two or more, and every
// second that is appended alone, without storing it.
type skips struct {
	*jetstream.Appender
	n int
}

func (s *skips) Append(ctx context.Context, rec appender.Record) error {
	if s.n++; s.n%2 == 0 {
		return nil
	}
	return s.Appender.Append(ctx, rec)
}

func (s *skips) AppendBatch(ctx context.Context, recs []appender.Record) (int, error) {
	if len(recs) < 2 {
		return s.Appender.AppendBatch(ctx, recs)
	}
	n, err := s.Appender.AppendBatch(ctx, recs[:len(recs)-1])
	if err == nil {
		n++
	}
	return n, err
}
