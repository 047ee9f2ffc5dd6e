package simtest_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
)

// breakage makes a simulated medium a wrong one. nil is none.
type breakage struct {
	name string
	in   string // a script that shows it
	says string // what is found out about it
	wrap func(appender.Appender) appender.Appender
	of   func(medium) medium
}

func (b *breakage) wraps() func(appender.Appender) appender.Appender {
	if b == nil {
		return nil
	}
	return b.wrap
}

func (b *breakage) medium(m medium) medium {
	if b == nil || b.of == nil {
		return m
	}
	return b.of(m)
}

var errBroken = errors.New("a broken appender")

// answering breaks what an appender answers, or does, batch by batch.
func answering(name, in, says string, batch func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error)) *breakage {
	return &breakage{name: name, in: in, says: says, wrap: func(inner appender.Appender) appender.Appender {
		return &batches{Appender: inner, batch: batch}
	}}
}

var breakages = []*breakage{
	answering("an unknown outcome is told as a failure",
		"the medium goes in the middle, then the node", "was told failed, and is stored",
		func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
			n, err := appender.AppendBatch(ctx, inner, recs)
			if errors.Is(err, appender.ErrUnknownOutcome) {
				err = errBroken
			}
			return n, err
		}),
	answering("an unknown outcome is told as a success",
		"the medium goes in the middle", "was acknowledged, and is not stored",
		func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
			n, err := appender.AppendBatch(ctx, inner, recs)
			if errors.Is(err, appender.ErrUnknownOutcome) {
				return len(recs), nil
			}
			return n, err
		}),
	answering("a failure is told as a success",
		"the medium goes and comes back", "was acknowledged, and is not stored",
		func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
			_, _ = appender.AppendBatch(ctx, inner, recs)
			return len(recs), nil
		}),
	answering("a failure is told as an unknown outcome",
		"the medium goes and comes back", "failed and not stored: in filelog, real disk, never in filelog, simulated disk",
		func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
			n, err := appender.AppendBatch(ctx, inner, recs)
			if err != nil {
				err = errors.Join(appender.ErrUnknownOutcome, err)
			}
			return n, err
		}),
	answering("a success is told as a failure",
		"errors use all attempts up", "was told failed, and is stored",
		func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
			n, err := appender.AppendBatch(ctx, inner, recs)
			if err == nil && recs[0].Seq%5 == 0 {
				return 0, errBroken
			}
			return n, err
		}),
	answering("a failure is a panic",
		"the medium goes and comes back", "failed and not stored: in filelog, real disk, never in filelog, simulated disk",
		func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
			n, err := appender.AppendBatch(ctx, inner, recs)
			if err != nil {
				panic(err)
			}
			return n, err
		}),
	answering("a batch is stored from its end",
		"errors use all attempts up", "line 3 is stored behind line 4",
		func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
			recs = slices.Clone(recs)
			slices.Reverse(recs)
			return appender.AppendBatch(ctx, inner, recs)
		}),
	answering("a record is stored twice",
		"errors use all attempts up", "stored 2 times",
		func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
			n, err := appender.AppendBatch(ctx, inner, recs)
			if n > 0 && recs[0].Seq%5 == 0 {
				_ = inner.Append(ctx, recs[0])
			}
			return n, err
		}),
	{name: "records are acknowledged before they are stored", in: "crashes at rest", says: "was acknowledged, and is not stored", wrap: func(inner appender.Appender) appender.Appender {
		var held []appender.Record
		store := func(ctx context.Context, inner appender.Appender) {
			_, _ = appender.AppendBatch(ctx, inner, held)
			held = nil
		}
		return &batches{Appender: inner, last: store, batch: func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
			store(ctx, inner)
			held = slices.Clone(recs)
			return len(recs), nil
		}}
	}},
	{name: "what was refused is stored later", in: "the medium goes and comes back", says: "was told failed, and is stored", wrap: func(inner appender.Appender) appender.Appender {
		var refused []appender.Record
		return &batches{Appender: inner, batch: func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
			n, err := appender.AppendBatch(ctx, inner, recs)
			if err != nil {
				refused = append(refused, recs[n])
				return n, err
			}
			for _, rec := range refused {
				_ = inner.Append(ctx, rec)
			}
			refused = nil
			return n, err
		}}
	}},
	{name: "a restart loses the last record", in: "crashes at rest", says: "was acknowledged, and is not stored", of: func(m medium) medium { return &forgetful{medium: m} }},
	{name: "a medium that is to go stays", in: "the medium goes and comes back", says: "failed and not stored: in filelog, real disk, never in filelog, simulated disk", of: func(m medium) medium { return &steady{m} }},
	{name: "no outcome is ever open while a node crashes", in: "a crash in the middle", says: "unknown and stored: in JetStream, real server, never in store, simulated", of: func(m medium) medium {
		if s, ok := m.(*simStore); ok {
			s.prompt = true
		}
		return m
	}},
}

// forgetful does not show what was stored last before a process died.
type forgetful struct {
	medium
	forgotten []appender.Record
}

func (f *forgetful) kill() {
	f.medium.kill()
	if recs, err := f.medium.content(); err == nil && len(recs) > 0 {
		f.forgotten = append(f.forgotten, recs[len(recs)-1])
	}
}

func (f *forgetful) content() ([]appender.Record, error) {
	recs, err := f.medium.content()
	return slices.DeleteFunc(recs, func(rec appender.Record) bool { return slices.Contains(f.forgotten, rec) }), err
}

// steady is never gone.
type steady struct{ medium }

func (steady) stop(outage) {}
func (steady) back() error { return nil }

func TestASimulationThatIsWrongIsNoticed(t *testing.T) {
	for _, b := range breakages {
		t.Run(b.name, func(t *testing.T) {
			all := fixedReports()
			i := slices.IndexFunc(all, func(r *report) bool { return r.name == b.in })
			require.GreaterOrEqual(t, i, 0, "no script %q", b.in)
			require.NoError(t, all[i].err)
			_, err := all[i].settle(b)
			require.ErrorContains(t, err, b.says)
			t.Log(err)
		})
	}
}
