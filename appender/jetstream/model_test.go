package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
)

// chain is what the model's property sees of an appender, so that it can judge
// broken ones too.
type chain interface {
	appender.Appender
	appender.BatchAppender
	appender.Replayer
	appender.Positioner
	Dropped() uint64
	Close() error
}

type opener func(context.Context, appender.Env, Options) (chain, error)

func sound(ctx context.Context, env appender.Env, o Options) (chain, error) {
	a, err := Open(ctx, env, o)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// chainOp is one step; n is its argument where it takes one.
type chainOp struct {
	kind string
	n    int
}

// chainScript is a limit and what is done to a chain with it.
type chainScript struct {
	limit    int // unlimited below -1
	inFlight int
	ops      []chainOp
	records  []appender.Record // what is appended looks like these, by turns
}

var chainScripts = rapid.Custom(func(t *rapid.T) chainScript {
	kinds := []string{"batch", "batch", "single", "again", "again", "reopen", "abandon", "restart", "cursor"}
	return chainScript{
		limit:    rapid.SampledFrom([]int{-2, -1, 0, 1, 2, 7, 40}).Draw(t, "limit"),
		inFlight: rapid.SampledFrom([]int{1, 3, 128}).Draw(t, "in flight"),
		ops: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) chainOp {
			return chainOp{rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.IntRange(0, 12).Draw(t, "n")}
		}), 1, 12).Draw(t, "ops"),
		records: rapid.SliceOfN(anyRecord(), 1, 8).Draw(t, "records"),
	}
})

// chainModel is what a chain must be: a list that forgets its beginning.
type chainModel struct {
	script chainScript
	o      Options
	open   opener
	env    appender.Env
	seq    uint64            // of this incarnation
	made   []appender.Record // by this incarnation
	all    []appender.Record // ever stored
	now    chain
	old    []chain // abandoned
}

// agreesWithModel runs a script against a server.
func agreesWithModel(s chainScript, url string, change func(*Options), open opener) (err error) {
	o := Options{URL: url, Prefix: freshPrefix(), MaxRecords: s.limit, Unlimited: s.limit < -1, InFlight: s.inFlight, Timeout: patient}
	if change != nil {
		change(&o)
	}
	m := &chainModel{script: s, o: o, open: open, env: appender.Env{Node: "a node", Incarnation: 1, Epoch: 1}}
	defer func() {
		for _, c := range append(m.old, m.now) {
			if c != nil {
				err = errors.Join(err, c.Close())
			}
		}
	}()
	if err := m.reopen(); err != nil {
		return err
	}
	for i, op := range s.ops {
		if err := m.step(op); err != nil {
			return fmt.Errorf("step %d, %v: %w", i, op, err)
		}
		if err := m.compare(); err != nil {
			return fmt.Errorf("after step %d, %v: %w", i, op, err)
		}
	}
	return m.compareChain()
}

func (m *chainModel) limit() int {
	if m.script.limit < -1 {
		return len(m.all)
	}
	return max(m.script.limit, 1)
}

// make makes the next records of this incarnation.
func (m *chainModel) make(n int) []appender.Record {
	var recs []appender.Record
	for range n {
		m.seq++
		rec := m.script.records[m.seq%uint64(len(m.script.records))]
		rec.Seq, rec.Incarnation = m.seq, m.env.Incarnation
		recs = append(recs, rec)
	}
	m.made = append(m.made, recs...)
	return recs
}

func (m *chainModel) step(op chainOp) error {
	ctx := context.Background()
	switch op.kind {
	case "single":
		rec := m.make(1)[0]
		m.all = append(m.all, rec)
		return m.now.Append(ctx, rec)
	case "batch":
		recs := m.make(op.n)
		m.all = append(m.all, recs...)
		return m.append(recs)
	case "again":
		// The end of what was stored, and more: as somebody does who does not
		// know how far it got.
		recs := slices.Clone(m.made[len(m.made)-min(op.n, len(m.made)):])
		fresh := m.make(op.n / 2)
		m.all = append(m.all, fresh...)
		return m.append(append(recs, fresh...))
	case "reopen":
		m.env.Epoch++
		return m.reopen()
	case "restart":
		m.env.Incarnation++
		m.env.Epoch, m.seq, m.made = 1, 0, nil
		return m.reopen()
	case "abandon":
		m.old, m.now = append(m.old, m.now), nil
		m.env.Epoch++
		if err := m.reopen(); err != nil {
			return err
		}
		stale := m.old[len(m.old)-1]
		rec := m.script.records[0]
		rec.Seq, rec.Incarnation = 1<<40, m.env.Incarnation
		if err := stale.Append(ctx, rec); !errors.Is(err, ErrFenced) || errors.Is(err, appender.ErrUnknownOutcome) {
			return fmt.Errorf("a stale epoch was told %w", err)
		}
	case "cursor":
		return m.cursor(op.n)
	}
	return nil
}

func (m *chainModel) append(recs []appender.Record) error {
	n, err := m.now.AppendBatch(context.Background(), recs)
	if err == nil && n != len(recs) {
		err = fmt.Errorf("%d of %d stored without an error", n, len(recs))
	}
	return err
}

func (m *chainModel) reopen() error {
	if m.now != nil {
		if err := m.now.Close(); err != nil {
			return err
		}
		if err := m.now.Append(context.Background(), m.script.records[0]); !errors.Is(err, appender.ErrClosed) {
			return fmt.Errorf("an append after Close was told %w", err)
		}
	}
	c, err := m.open(context.Background(), m.env, m.o)
	if err == nil {
		m.now = c
	}
	return err
}

// retained is what the model holds.
func (m *chainModel) retained() []appender.Record {
	return m.all[max(0, len(m.all)-m.limit()):]
}

// compare looks at what the appender says.
func (m *chainModel) compare() error {
	if dropped, want := m.now.Dropped(), len(m.all)-len(m.retained()); dropped != uint64(want) {
		return fmt.Errorf("dropped %d, not %d", dropped, want)
	}
	if end, durable := m.now.Position(); end != uint64(len(m.all)) || durable != 0 {
		return fmt.Errorf("position %d, %d after %d records", end, durable, len(m.all))
	}
	got, err := collect(m.now.Replay(context.Background(), appender.Cursor{}, false))
	if err != nil {
		return err
	}
	if !slices.Equal(got, m.retained()) {
		return fmt.Errorf("replayed %v, not %v", got, m.retained())
	}
	return nil
}

// cursor replays from the i-th record retained.
func (m *chainModel) cursor(i int) error {
	want := m.retained()
	if i >= len(want) {
		return nil
	}
	from := appender.Cursor{Incarnation: want[i].Incarnation, Seq: want[i].Seq}
	got, err := collect(m.now.Replay(context.Background(), from, false))
	if err != nil {
		return err
	}
	if !slices.Equal(got, want[i:]) {
		return fmt.Errorf("replayed from %v: %v, not %v", from, got, want[i:])
	}
	return nil
}

// compareChain looks at what the servers say.
func (m *chainModel) compareChain() error {
	chains, err := Nodes(context.Background(), m.o)
	if err != nil {
		return err
	}
	if len(chains) != 1 {
		return fmt.Errorf("%d chains", len(chains))
	}
	published, retained := uint64(len(m.all)), uint64(len(m.retained()))
	want := Chain{
		Node: m.env.Node, Incarnation: m.env.Incarnation, Epoch: m.env.Epoch,
		Published: published, Retained: retained, Dropped: published - retained,
		Stream: m.o.Prefix + "@a%20node", Subject: m.o.Prefix + ".a%20node",
	}
	if chains[0] != want {
		return fmt.Errorf("chain %+v, not %+v", chains[0], want)
	}
	return nil
}

func TestAChainIsAListThatForgetsItsBeginning(t *testing.T) {
	t.Parallel()
	url := startServer(t).URL()
	rapid.Check(t, func(t *rapid.T) {
		require.NoError(t, agreesWithModel(chainScripts.Draw(t, "script"), url, nil, sound))
	})
}

// mutant is an appender with one behaviour replaced.
type mutant struct {
	*Appender
	batch   func(*Appender, context.Context, []appender.Record) (int, error)
	dropped func(*Appender) uint64
}

func (m mutant) AppendBatch(ctx context.Context, recs []appender.Record) (int, error) {
	if m.batch != nil {
		return m.batch(m.Appender, ctx, recs)
	}
	return m.Appender.AppendBatch(ctx, recs)
}

func (m mutant) Dropped() uint64 {
	if m.dropped != nil {
		return m.dropped(m.Appender)
	}
	return m.Appender.Dropped()
}

func mutated(m mutant) opener {
	return func(ctx context.Context, env appender.Env, o Options) (chain, error) {
		a, err := Open(ctx, env, o)
		if err != nil {
			return nil, err
		}
		m := m
		m.Appender = a
		return m, nil
	}
}

func TestTheModelFailsEveryBrokenAppender(t *testing.T) {
	url := startServer(t).URL()
	tweak := func(f func(*jetstream.StreamConfig)) func(*Options) {
		return func(o *Options) { o.tweak = f }
	}
	for name, broken := range map[string]struct {
		change func(*Options)
		open   opener
	}{
		"drops the newest": {change: tweak(func(c *jetstream.StreamConfig) {
			if c.MaxMsgsPerSubject > 0 {
				c.MaxMsgs, c.MaxMsgsPerSubject = c.MaxMsgsPerSubject+1, -1
			}
			c.Discard = jetstream.DiscardNew
		})},
		"lets the owner count": {change: tweak(func(c *jetstream.StreamConfig) {
			c.MaxMsgs, c.MaxMsgsPerSubject = c.MaxMsgsPerSubject, -1
		})},
		"holds one too many": {change: tweak(func(c *jetstream.StreamConfig) {
			if c.MaxMsgsPerSubject > 0 {
				c.MaxMsgsPerSubject++
			}
		})},
		"takes 0 for a limit": {change: tweak(func(c *jetstream.StreamConfig) {
			if c.MaxMsgsPerSubject == 1 {
				c.MaxMsgsPerSubject = 0
			}
		})},
		"forgets too early what it has": {change: func(o *Options) { o.DedupeWindow = dedupeWindowMin },
			open: mutated(mutant{batch: func(a *Appender, ctx context.Context, recs []appender.Record) (int, error) {
				time.Sleep(2 * dedupeWindowMin)
				return a.AppendBatch(ctx, recs)
			}})},
		"counts drops since opening": {open: mutated(mutant{dropped: func(a *Appender) uint64 {
			return a.Dropped() - (a.opened.published - a.opened.retained)
		}})},
		"reverses batches": {open: mutated(mutant{batch: func(a *Appender, ctx context.Context, recs []appender.Record) (int, error) {
			recs = slices.Clone(recs)
			slices.Reverse(recs)
			return a.AppendBatch(ctx, recs)
		}})},
		"acknowledges what it loses": {open: mutated(mutant{batch: func(a *Appender, ctx context.Context, recs []appender.Record) (int, error) {
			_, err := a.AppendBatch(ctx, recs[:len(recs)/2])
			return len(recs), err
		}})},
		"lets the node's name go": {open: mutated(mutant{batch: func(a *Appender, ctx context.Context, recs []appender.Record) (int, error) {
			recs = slices.Clone(recs)
			for i := range recs {
				recs[i].Node = "n"
			}
			return a.AppendBatch(ctx, recs)
		}})},
	} {
		t.Run(name, func(t *testing.T) {
			if broken.open == nil {
				broken.open = sound
			}
			var err error
			for seed := 0; seed < 200 && err == nil; seed++ {
				err = agreesWithModel(chainScripts.Example(seed), url, broken.change, broken.open)
			}
			require.Error(t, err)
			t.Log(err)
		})
	}
}
