package actors_test

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"meshsim/actors"
	"meshsim/appender"
	"meshsim/loop"
	"meshsim/props"
	"meshsim/sim"
)

// breakage is a defect of this package, a scenario that brings it out, and the
// invariants that it violates: the first is the one that it was made for.
type breakage struct {
	mutant   string
	scenario func(*sim.Config)
	user     func(*sim.Config) // instead of a mutant: code of the user that is broken
	violates []string
	why      string // what makes others trip, too, where they do
}

// strike is a fault of n1's appender, from the second second on.
func strike(kind string, last time.Duration) sim.Fault {
	return sim.Fault{At: time.Second, For: last, Kind: kind, Nodes: []string{"n1"}}
}

// slowSink fills a small inbox.
func slowSink(c *sim.Config) {
	c.Host.Inbox, c.Host.Batch = 4, 2
	c.Appender.Latency = sim.Constant(100 * time.Millisecond)
}

// oneHang lets the append of record 150 hang until 2.2 s, and what is tried in
// its place fail for long enough that it waits for a retry when the call that
// hung comes back.
func oneHang(c *sim.Config) {
	c.Host.Deadline, c.Host.Grace = 200*time.Millisecond, 50*time.Millisecond
	c.Host.Attempts, c.Host.Backoff = 8, 400*time.Millisecond
	hang, fail := strike("append-deaf", 1200*time.Millisecond), strike("append-error", 2*time.Second)
	hang.Record = 150
	fail.At = 1600 * time.Millisecond
	c.Faults = []sim.Fault{hang, fail}
}

// hungBatch lets a call hang in the middle of a batch, and go on with it when
// everything heals.
func hungBatch(c *sim.Config) {
	c.Load = []sim.Load{{Kind: sim.LoadBurst, Size: 20, Every: 100 * time.Millisecond}}
	c.Host.Deadline, c.Host.Grace = 200*time.Millisecond, 50*time.Millisecond
	c.Appender.Latency = sim.Constant(5 * time.Millisecond) // so that batches form
	hang := strike("append-deaf", 2*time.Second)
	hang.Record = 250
	c.Faults = []sim.Fault{hang}
}

// openCircuit hangs for long enough for the circuit to open, and heals.
func openCircuit(c *sim.Config) {
	c.Host.Abandoned, c.Host.Deadline, c.Host.Grace = 2, 200*time.Millisecond, 50*time.Millisecond
	c.Faults = []sim.Fault{strike("append-deaf", 2*time.Second)}
}

func faults(fs ...sim.Fault) func(*sim.Config) {
	return func(c *sim.Config) { c.Faults = fs }
}

// oneError refuses record 150 once.
func oneError(c *sim.Config) {
	f := strike("append-error", 2*time.Second)
	f.Record = 150
	c.Faults = []sim.Fault{f}
}

// flaky refuses half of what it is to append.
func flaky(c *sim.Config) {
	f := strike("append-error", 2*time.Second)
	f.Prob = 0.5
	c.Faults = []sim.Fault{f}
}

var breakages = []breakage{
	{mutant: "retry-to-the-back", scenario: oneError, violates: []string{"order"}},
	{mutant: "batch-reused", scenario: hungBatch, violates: []string{"order"}},
	{mutant: "inbox-drops-newest", scenario: slowSink, violates: []string{"fifo-drop"}},
	{mutant: "appended-twice", scenario: flaky, violates: []string{"accounting"}},
	{mutant: "pending-by-remainder", scenario: flaky, violates: []string{"accounting"}},
	{
		mutant: "evicted-never-settled", scenario: slowSink,
		violates: []string{"accounting", "order", "bounded", "recovery"},
		why:      "a record that vanishes stays pending for ever: it is skipped, it takes room, and it never settles",
	},
	{
		mutant: "in-hand-lost-on-panic", scenario: faults(strike("append-panic", time.Second)),
		violates: []string{"accounting", "order", "recovery"},
		why:      "the same",
	},
	{mutant: "tick-waits-for-host", scenario: faults(strike("append-deaf", 2*time.Second)), violates: []string{"never-wedged"}},
	{mutant: "loop-waits", scenario: faults(strike("append-deaf", 2*time.Second)), violates: []string{"never-wedged"}},
	{mutant: "settle-reaches-model", scenario: flaky, violates: []string{"non-interference"}},
	{mutant: "restart-at-once", scenario: faults(strike("append-panic", time.Second)), violates: []string{"supervised"}},
	{
		mutant: "backoff-without-cap", violates: []string{"supervised"},
		scenario: func(c *sim.Config) {
			c.Host.MaxBackoff = 100 * time.Millisecond
			c.Faults = []sim.Fault{strike("append-panic", 2*time.Second)}
		},
	},
	{mutant: "escalates", scenario: faults(strike("append-panic", time.Second)), violates: []string{"supervised"}},
	{mutant: "stale-answer-accepted", scenario: oneHang, violates: []string{"no-stale-ack"}},
	{mutant: "circuit-never-closes", scenario: openCircuit, violates: []string{"recovery"}},
	{mutant: "settlements-lie", scenario: flaky, violates: []string{"snapshot"}},
	{mutant: "inbox-unbounded", scenario: slowSink, violates: []string{"bounded"}},
	{
		scenario: func(*sim.Config) {}, violates: []string{"sound-model"},
		user: func(c *sim.Config) {
			c.Model = func(uint64, any) loop.Model { return &fragile{} }
		},
	},
	{
		scenario: faults(sim.Fault{At: 2 * time.Second, For: time.Second, Kind: "crash", Nodes: []string{"n1"}}),
		violates: []string{"durable-prefix"}, user: forgets,
	},
}

// fragile is a model that panics at its third tick.
type fragile struct{ ticks int }

func (m *fragile) Step(loop.Input, *loop.Ready) error { return nil }
func (m *fragile) Tick(time.Duration, *loop.Ready) {
	if m.ticks++; m.ticks == 3 {
		panic("a bug in a model")
	}
}

// forgetful is a log in memory, which says that everything in it is safe and
// loses the newest record whenever it is opened.
type forgetful struct{ recs []appender.Record }

func (l *forgetful) Append(_ context.Context, rec appender.Record) error {
	l.recs = append(l.recs, rec)
	return nil
}

func (l *forgetful) Position() (end, durable uint64) {
	return uint64(len(l.recs)), uint64(len(l.recs))
}

func (l *forgetful) Replay(context.Context, appender.Cursor, bool) iter.Seq2[appender.Record, error] {
	return func(yield func(appender.Record, error) bool) {
		for _, rec := range l.recs {
			if !yield(rec, nil) {
				return
			}
		}
	}
}

func forgets(c *sim.Config) {
	logs := make(map[string]*forgetful)
	c.Open = func(_ context.Context, env appender.Env) (appender.Appender, error) {
		l := logs[env.Node]
		if l == nil {
			l = new(forgetful)
			logs[env.Node] = l
		}
		l.recs = l.recs[:max(len(l.recs)-1, 0)]
		return l, nil
	}
}

// underLoad is what every breakage starts from.
func underLoad(scenario func(*sim.Config)) sim.Config {
	c := sim.Config{
		Nodes: 2, Duration: 4 * time.Second, Shadows: 1, Loop: sim.Loop{Tick: 100 * time.Millisecond},
		Load: []sim.Load{{Kind: sim.LoadConstant, Rate: 100}},
	}
	scenario(&c)
	return c
}

// violated runs a scenario and returns the names of the invariants that did not
// hold, sorted.
func violated(t *testing.T, c sim.Config) []string {
	t.Helper()
	res, err := sim.Run(context.Background(), c, 1, props.All()...)
	require.NoError(t, err)
	var names []string
	for _, inv := range res.Invariants {
		if inv.ViolatedAt != nil {
			t.Logf("%s: %s", inv.Name, inv.Violation)
			names = append(names, inv.Name)
		}
	}
	slices.Sort(names)
	return names
}

// TestEachInvariantCatchesWhatItIsThereFor breaks this package in every way that
// it knows, and finds exactly the invariants violated that the breakage is
// listed with. Without it the same scenario violates none.
func TestEachInvariantCatchesWhatItIsThereFor(t *testing.T) {
	for _, b := range breakages {
		t.Run(cmp.Or(b.mutant, "user's "+b.violates[0]), func(t *testing.T) {
			c := underLoad(b.scenario)
			require.Empty(t, violated(t, c), "without the breakage")
			if b.user != nil {
				b.user(&c)
			} else {
				defer actors.SetMutant(b.mutant)()
			}
			require.ElementsMatch(t, b.violates, violated(t, c))
		})
	}
}

// TestEachInvariantHasABreakageOfItsOwn: each of props.All trips alone on one.
func TestEachInvariantHasABreakageOfItsOwn(t *testing.T) {
	alone, mutants := map[string]bool{}, map[string]bool{}
	for _, b := range breakages {
		if b.mutant != "" {
			mutants[b.mutant] = true
		}
		if len(b.violates) == 1 {
			alone[b.violates[0]] = true
		} else {
			require.NotEmpty(t, b.why, b.mutant)
		}
	}
	require.Len(t, mutants, actors.NumMutants)
	for _, name := range props.Names() {
		require.True(t, alone[name], "no breakage that violates %s alone", name)
	}
}
