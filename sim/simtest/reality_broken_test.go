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
func answering(name string, batch func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error)) *breakage {
	return &breakage{name: name, wrap: func(inner appender.Appender) appender.Appender {
		return &batches{Appender: inner, batch: batch}
	}}
}

var breakages = []*breakage{
	answering("an unknown outcome is told as a failure", func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
		n, err := appender.AppendBatch(ctx, inner, recs)
		if errors.Is(err, appender.ErrUnknownOutcome) {
			err = errBroken
		}
		return n, err
	}),
	answering("an unknown outcome is told as a success", func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
		n, err := appender.AppendBatch(ctx, inner, recs)
		if errors.Is(err, appender.ErrUnknownOutcome) {
			return len(recs), nil
		}
		return n, err
	}),
	answering("a failure is told as a success", func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
		_, _ = appender.AppendBatch(ctx, inner, recs)
		return len(recs), nil
	}),
	answering("a failure is told as an unknown outcome", func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
		n, err := appender.AppendBatch(ctx, inner, recs)
		if err != nil {
			err = errors.Join(appender.ErrUnknownOutcome, err)
		}
		return n, err
	}),
	answering("a success is told as a failure", func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
		n, err := appender.AppendBatch(ctx, inner, recs)
		if err == nil && recs[0].Seq%5 == 0 {
			return 0, errBroken
		}
		return n, err
	}),
	answering("a failure is a panic", func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
		n, err := appender.AppendBatch(ctx, inner, recs)
		if err != nil {
			panic(err)
		}
		return n, err
	}),
	answering("a batch is stored from its end", func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
		recs = slices.Clone(recs)
		slices.Reverse(recs)
		return appender.AppendBatch(ctx, inner, recs)
	}),
	answering("a record is stored twice", func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
		n, err := appender.AppendBatch(ctx, inner, recs)
		if n > 0 && recs[0].Seq%5 == 0 {
			_ = inner.Append(ctx, recs[0])
		}
		return n, err
	}),
	{name: "records are acknowledged before they are stored", wrap: func(inner appender.Appender) appender.Appender {
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
	{name: "what was refused is stored later", wrap: func(inner appender.Appender) appender.Appender {
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
	{name: "a restart loses the last record", of: func(m medium) medium { return &forgetful{medium: m} }},
	{name: "a medium that is to go stays", of: func(m medium) medium { return &steady{m} }},
	{name: "no outcome is ever open while a node crashes", of: func(m medium) medium {
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
			for _, r := range fixedReports() {
				require.NoError(t, r.err)
				if _, err := r.settle(b); err != nil {
					t.Log(err)
					return
				}
			}
			require.Fail(t, "nothing tells it from a right one")
		})
	}
}
