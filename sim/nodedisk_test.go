package sim_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/props"
	"meshsim/sim"
	"meshsim/sim/trace"
)

// onDisk is a mesh whose nodes append to a filelog each.
func onDisk(change func(*sim.Config)) sim.Config {
	c := sim.Config{
		Nodes: 2, Duration: 8 * time.Second, Mesh: sim.Mesh{Heartbeat: sim.None},
		Appender: sim.Appender{Kind: "filelog"},
		Load:     []sim.Load{{Kind: sim.LoadConstant, Rate: 20}},
	}
	change(&c)
	return c
}

func crashAt(at time.Duration) sim.Fault {
	return sim.Fault{At: at, For: 500 * time.Millisecond, Kind: "crash", Nodes: []string{"n1"}}
}

// TestACrashIsAPowerFailureOfTheDisk: what was not synced is lost where the
// scenario says so, and nothing is where it says that; what was, never is.
func TestACrashIsAPowerFailureOfTheDisk(t *testing.T) {
	for _, x := range []struct {
		sync, loss string
		lost       bool
	}{
		{"never", "all", true}, {"never", "none", false}, {"always", "all", false}, {"always", "draw", false},
	} {
		c := onDisk(func(c *sim.Config) {
			c.Appender.Sync, c.Disk.Loss = x.sync, x.loss
			c.Faults = []sim.Fault{crashAt(4 * time.Second)}
		})
		var es events
		es.watch(&c, trace.SinkStored, trace.NodeCrashed, trace.ReplayEnded)
		held(t, c, 1)
		stored, replayed := uint64(0), uint64(0)
		for _, e := range es {
			switch {
			case e.Node != 1:
			case e.Kind == trace.SinkStored && e.Incarnation == 1:
				stored++
			case e.Kind == trace.ReplayEnded && e.Incarnation == 2:
				replayed = e.Count
			}
		}
		require.Greater(t, stored, uint64(50))
		if x.lost {
			require.Less(t, replayed, stored, x)
		} else {
			require.GreaterOrEqual(t, replayed, stored, x)
		}
	}
}

// TestACallThatHangsInTheDiskKeepsItLocked: no other log can be opened before it
// comes back; the circuit opens meanwhile, and closes then.
func TestACallThatHangsInTheDiskKeepsItLocked(t *testing.T) {
	c := onDisk(func(c *sim.Config) {
		c.Host = sim.Host{Deadline: 100 * time.Millisecond, Grace: 50 * time.Millisecond, Probe: 200 * time.Millisecond}
		c.Disk.Write = sim.Constant(time.Millisecond)
		c.Faults = []sim.Fault{{At: time.Second, For: 100 * time.Millisecond, Kind: "disk-slow", Factor: 3000, Nodes: []string{"n1"}}}
		c.Sometimes = []string{"append-hang", "open-failed", "circuit-opened", "worker-returned", "circuit-closed", "log-replayed"}
	})
	var es events
	es.watch(&c, trace.WorkerFailed, trace.CircuitOpened, trace.CircuitClosed, trace.WorkerReturned)
	r := held(t, c, 1)
	require.Positive(t, r.Faults["disk-slow"])
	require.Positive(t, r.Records.Failed)
	locked, returned, closed := 0, time.Duration(0), time.Duration(0)
	for _, e := range es {
		require.EqualValues(t, 1, e.Node)
		switch e.Kind {
		case trace.WorkerFailed:
			require.ErrorIs(t, e.Err, filelog.ErrLocked)
			require.Zero(t, returned, "it was free by then")
			locked++
		case trace.WorkerReturned:
			returned = e.Time
		case trace.CircuitClosed:
			closed = e.Time
		}
	}
	require.Positive(t, locked)
	require.GreaterOrEqual(t, returned, 4*time.Second, "3000 times as slow")
	require.GreaterOrEqual(t, closed, returned)
}

// TestEachDiskFaultStrikesAndIsCounted: alone, with something to strike; and a
// run in which it found nothing has not shown what it promised.
func TestEachDiskFaultStrikesAndIsCounted(t *testing.T) {
	for _, kind := range sim.FaultKinds() {
		if !strings.HasPrefix(kind, "disk-") {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			f := sim.Fault{At: 2 * time.Second, Kind: kind, Nodes: []string{"n1"}}
			if kind == "disk-slow" {
				f.Factor = 10
			}
			if kind != "disk-flip" {
				f.For = 2 * time.Second
			}
			c := onDisk(func(c *sim.Config) {
				// The crash comes first: the flip is for the second to show.
				c.Faults = []sim.Fault{crashAt(time.Second), f, crashAt(5 * time.Second)}
			})
			var es events
			es.watch(&c, trace.FaultStruck)
			r := held(t, c, 1)
			require.Positive(t, r.Faults[kind])
			told := 0
			for _, e := range es {
				if e.Name == kind {
					require.EqualValues(t, 1, e.Node)
					told++
				}
			}
			require.Equal(t, 1, told)

			if kind == "disk-flip" {
				return // there is always something on the disk
			}
			c.Load = []sim.Load{{Kind: sim.LoadConstant, Rate: 20, Until: time.Second}}
			c.Mesh.Daemons = sim.None
			c.Faults = []sim.Fault{f}
			r = run(t, c, 1, props.All()...)
			require.Equal(t, sim.Inconclusive, r.Verdict)
			require.Equal(t, []string{"faults[0] (" + kind + " at 2s) never struck"}, r.Why)
		})
	}
}

// TestDiskFaultsStrikeAtTheirRates: by chance, as often as was to be expected.
func TestDiskFaultsStrikeAtTheirRates(t *testing.T) {
	for _, kind := range []string{"disk-error", "disk-short", "disk-sync-error"} {
		c := onDisk(func(c *sim.Config) {
			c.Duration, c.Load[0].Rate = 20*time.Second, 100
			c.Host.Attempts = 1
			c.Faults = []sim.Fault{{Kind: kind, Nodes: []string{"n1"}, Prob: 0.1}}
		})
		r := run(t, c, 1)
		require.InDelta(t, 200, r.Faults[kind], 100, kind)
	}
}

// TestAUsersLogOnARealDiskIsReopenedAfterACrash: what a dead incarnation left
// open is closed in time for the next, and everything at the end; faults of a
// disk are skipped, because that is not a simulated one.
func TestAUsersLogOnARealDiskIsReopenedAfterACrash(t *testing.T) {
	dir := t.TempDir()
	c := onDisk(func(c *sim.Config) {
		c.Open = filelog.DirOpener(dir, filelog.Options{Sync: filelog.SyncNever()})
		c.Faults = []sim.Fault{
			{At: time.Second, For: time.Second, Kind: "disk-full", Nodes: []string{"n1"}},
			{At: 2 * time.Second, For: 100 * time.Millisecond, Kind: "append-panic", Nodes: []string{"n1"}},
			crashAt(3 * time.Second), crashAt(5 * time.Second),
		}
		c.Sometimes = []string{"log-replayed"}
	})
	for first := uint32(1); first < 10; first += 5 {
		c.Incarnation = first
		r := held(t, c, 1)
		require.Len(t, r.Skipped, 1)
		require.Contains(t, r.Skipped[0], "faults[0] (disk-full at 1s): the appender is the user's own")
	}
	l, err := filelog.DirOpener(dir, filelog.Options{})(context.Background(), appender.Env{Node: "n1"})
	require.NoError(t, err, "the lock is free after a run")
	require.NoError(t, appender.Close(l))
}

// closing is an appender that notes when it is closed.
type closing struct {
	appender.NoOp
	closed *int
}

func (c closing) Close() error {
	*c.closed++
	panic("that changes nothing")
}

// TestEveryAppenderThatWasOpenedIsClosedOnce: whatever ended its epoch.
func TestEveryAppenderThatWasOpenedIsClosedOnce(t *testing.T) {
	opened, closed := 0, 0
	c := onDisk(func(c *sim.Config) {
		c.Open = func(context.Context, appender.Env) (appender.Appender, error) {
			opened++
			return closing{closed: &closed}, nil
		}
		c.Faults = []sim.Fault{
			crashAt(time.Second), {At: 3 * time.Second, For: time.Second, Kind: "append-panic", Nodes: []string{"n1"}},
			{At: 3 * time.Second, For: 3 * time.Second, Kind: "append-deaf", Nodes: []string{"n2"}},
		}
	})
	held(t, c, 1)
	require.Greater(t, opened, 6)
	require.Equal(t, opened, closed)
}

// TestADiskIsItsNodesAlone: what happens to the disk of one node leaves the
// operations of another as they were.
func TestADiskIsItsNodesAlone(t *testing.T) {
	of := func(faults ...sim.Fault) []time.Duration {
		c := onDisk(func(c *sim.Config) { c.Faults = faults })
		var es events
		es.watch(&c, trace.SinkSynced)
		run(t, c, 1)
		var at []time.Duration
		for _, e := range es {
			if e.Node == 2 {
				at = append(at, e.Time)
			}
		}
		return at
	}
	want := of()
	require.NotEmpty(t, want)
	require.Equal(t, want, of(crashAt(2*time.Second),
		sim.Fault{At: 3 * time.Second, For: time.Second, Kind: "disk-slow", Factor: 50, Nodes: []string{"n1"}},
		sim.Fault{At: 5 * time.Second, For: time.Second, Kind: "disk-error", Nodes: []string{"n1"}}))
}

// TestLiveRunsAFilelogOnASimulatedDisk: with the faults of its disk, on the real
// clock.
func TestLiveRunsAFilelogOnASimulatedDisk(t *testing.T) {
	c := onDisk(func(c *sim.Config) {
		c.Load[0].Rate = 200
		c.Faults = []sim.Fault{
			{At: time.Second, For: time.Second, Kind: "disk-full", Nodes: []string{"n1"}},
			{At: 3 * time.Second, For: time.Second, Kind: "disk-sync-error", Prob: 0.5, Nodes: []string{"n2"}},
			crashAt(4 * time.Second), crashAt(6 * time.Second),
		}
		c.Sometimes = []string{"log-replayed"}
	})
	r, err := sim.Live(context.Background(), c, 1, sim.LiveOptions{For: time.Second}, props.All()...)
	require.NoError(t, err)
	require.Equal(t, sim.Held, r.Verdict, "%v %+v", r.Why, r.Invariants)
	require.Empty(t, r.Skipped)
	require.Positive(t, r.Faults["disk-full"])
}
