package props_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/props"
	"meshsim/sim"
	"meshsim/sim/trace"
)

// chain is a log in memory that syncs after every few records, one per node. Its
// node's crash loses a part of what it has not synced.
type chain struct {
	recs        []appender.Record
	durable     int
	lost        []appender.Record // at the last crash
	incarnation uint32
	calls       int
	flaw        string
}

// The flaws that a chain may have.
var flaws = map[string]string{ // what durable-prefix says of it
	"the last synced one is lost in a crash":      "though the log had said before the crash that it is safe",
	"a half-written record is accepted":           "is there with another content than it was handed",
	"acknowledged before it is synced":            "though the log had said before the crash that it is safe",
	"two change places after a restart":           "which the log had accepted before it, is missing",
	"the newest is there twice after a restart":   "twice, or out of order",
	"every tenth is acknowledged and not stored":  "is accepted as one that the log has already, and it has none such",
	"every tenth is refused and stored":           "twice, or out of order", // a retry was accepted
	"the oldest is dropped":                       "one of the newest 16384, which it must retain",
	"what a crash took comes back with the next":  "or had lost it before",
	"a level changes on the way":                  "is there with another content than it was handed",
	"a restart begins an empty log":               "is missing",
	"a reopening loses what was not synced":       "though the log had accepted it and its node has not crashed since",
	"one that nobody wrote appears":               "is there, but the log was not handed it",
	"a hole in what was not synced":               "is one of the newest 16384, which it must retain",
	"records of another node are mixed in":        "is there, but the log was not handed it",
	"a reopening reads the newest in place first": "which it must retain",
}

const syncEvery = 7

func (c *chain) has(flaw string) bool { return c.flaw == flaw }

// reopen is what happens to the log between two openings.
func (c *chain) reopen(env appender.Env) {
	crashed := c.incarnation != env.Incarnation && c.incarnation != 0
	if c.incarnation == env.Incarnation && c.has("a reopening loses what was not synced") {
		c.recs = c.recs[:c.durable]
	}
	c.incarnation = env.Incarnation
	if !crashed {
		return
	}
	back := c.lost
	keep := c.durable + int(env.Seed%uint64(len(c.recs)-c.durable+1))
	switch {
	case c.has("the last synced one is lost in a crash"):
		keep = max(c.durable-1, 0)
	case c.has("acknowledged before it is synced"):
		keep = c.durable
	case c.has("a restart begins an empty log"):
		keep = 0
	case c.has("a hole in what was not synced") && len(c.recs) > c.durable+1:
		c.recs = slices.Delete(c.recs, c.durable, c.durable+1)
		keep = len(c.recs)
	}
	c.lost = slices.Clone(c.recs[keep:])
	c.recs = c.recs[:keep:keep]
	n := len(c.recs)
	switch {
	case n < 2:
	case c.has("a half-written record is accepted"):
		c.recs[n-1].Message = c.recs[n-1].Message[:len(c.recs[n-1].Message)/2]
	case c.has("two change places after a restart"):
		c.recs[n-1], c.recs[n-2] = c.recs[n-2], c.recs[n-1]
	case c.has("the newest is there twice after a restart"):
		c.recs = append(c.recs, c.recs[n-1])
	case c.has("the oldest is dropped"):
		c.recs = c.recs[1:]
	case c.has("what a crash took comes back with the next"):
		c.recs = append(c.recs, back...)
	case c.has("one that nobody wrote appears"):
		r := c.recs[n-1]
		r.Seq += 1000
		c.recs = append(c.recs, r)
	case c.has("records of another node are mixed in"):
		c.recs = append(c.recs, appender.Record{Node: "stranger", Seq: 1, Incarnation: 1})
	}
	c.durable = len(c.recs)
}

func (c *chain) Append(_ context.Context, rec appender.Record) error {
	c.calls++
	tenth := c.calls%10 == 0
	if tenth && c.has("every tenth is acknowledged and not stored") {
		return nil
	}
	if c.has("a level changes on the way") && rec.Seq%10 == 0 {
		rec.Level = appender.Error
	}
	c.recs = append(c.recs, rec)
	if len(c.recs)-c.durable >= syncEvery {
		c.durable = len(c.recs)
	}
	if tenth && c.has("every tenth is refused and stored") {
		return errors.New("no")
	}
	return nil
}

func (c *chain) Position() (end, durable uint64) {
	if c.has("acknowledged before it is synced") {
		return uint64(len(c.recs)), uint64(len(c.recs))
	}
	return uint64(len(c.recs)), uint64(c.durable)
}

func (c *chain) Replay(_ context.Context, from appender.Cursor, _ bool) iter.Seq2[appender.Record, error] {
	recs := c.recs
	if n := len(recs); n > 1 && c.has("a reopening reads the newest in place first") {
		recs = append([]appender.Record{recs[n-1]}, recs...)
	}
	return func(yield func(appender.Record, error) bool) {
		for _, rec := range recs {
			if rec.Incarnation >= from.Incarnation && !yield(rec, nil) {
				return
			}
		}
	}
}

// chains opens the chain of a node.
func chains(flaw string) appender.Opener {
	of := make(map[string]*chain)
	return func(_ context.Context, env appender.Env) (appender.Appender, error) {
		c := of[env.Node]
		if c == nil {
			c = &chain{flaw: flaw}
			of[env.Node] = c
		}
		c.reopen(env)
		return c, nil
	}
}

func TestEachBrokenLogTripsDurablePrefix(t *testing.T) {
	c := sim.Config{
		Nodes: 2, Duration: 8 * time.Second,
		Load:  []sim.Load{{Kind: sim.LoadPoisson, Rate: 20}},
		Chaos: []sim.Chaos{{Kind: "crash", Every: time.Second, For: sim.Constant(100 * time.Millisecond)}, {Kind: "append-panic", Every: 2 * time.Second, For: sim.Constant(50 * time.Millisecond)}},
	}
	run := func(flaw string) []string {
		c.Open = chains(flaw)
		res, err := sim.Run(context.Background(), c, 1, props.All()...)
		require.NoError(t, err)
		var broken []string
		for _, i := range res.Invariants {
			if i.ViolatedAt != nil {
				broken = append(broken, i.Name+": "+i.Violation)
			}
			if i.Name == "durable-prefix" {
				require.Positive(t, i.Checked)
			}
		}
		return broken
	}
	require.Empty(t, run(""), "without a flaw")
	for flaw, says := range flaws {
		t.Run(flaw, func(t *testing.T) {
			broken := run(flaw)
			require.Len(t, broken, 1)
			require.Contains(t, broken[0], "durable-prefix: node ")
			require.Contains(t, broken[0], says)
		})
	}
}

// TestARunGoesOnAboveTheRecordsOfEarlierOnes: a store that outlives runs is
// judged by each for its own records, if that begins above the incarnations
// that the store holds; else it finds the earlier ones mixed in.
func TestARunGoesOnAboveTheRecordsOfEarlierOnes(t *testing.T) {
	store := chains("")
	run := func(first uint32) *sim.Result {
		c := sim.Config{
			Nodes: 1, Duration: 3 * time.Second, Open: store, Incarnation: first,
			Load:   []sim.Load{{Kind: sim.LoadConstant, Rate: 20}},
			Faults: []sim.Fault{{At: time.Second, For: 500 * time.Millisecond, Kind: "crash", Nodes: []string{"n1"}}},
		}
		restarts := 0
		c.Observe = func(e *trace.Event) {
			switch e.Kind {
			case trace.NodeStarted:
				restarts++
				require.Equal(t, first+uint32(restarts)-1, e.Incarnation)
				require.EqualValues(t, restarts, e.Attempt)
			case trace.SinkReplayed, trace.SinkTried:
				require.GreaterOrEqual(t, e.Incarnation, first)
			}
		}
		res, err := sim.Run(context.Background(), c, 1, props.All()...)
		require.NoError(t, err)
		require.Equal(t, 2, restarts)
		for _, m := range res.Sometimes {
			if m.Name == "node-restarted" {
				require.EqualValues(t, 1, m.Count)
			}
		}
		return res
	}
	require.Equal(t, sim.Held, run(1).Verdict)
	require.Equal(t, sim.Held, run(3).Verdict)
	res := run(3)
	require.Equal(t, sim.Violated, res.Verdict)
	require.Equal(t, "durable-prefix", res.FirstViolation().Name)
}
