package simtest_test

import (
	"context"
	"errors"
	"sync"

	"meshsim/appender"
)

// seam stands between the faults and the medium, as the simulator's recorder
// does, and is where a script's points strike: by record, wherever the run is.
//
//	host -> gate -> Faulty -> seam -> medium
type seam struct {
	p     *play
	env   appender.Env
	inner appender.Appender
}

var (
	_ appender.BatchAppender = (*seam)(nil)
	_ appender.Flusher       = (*seam)(nil)
)

func (p *play) open(ctx context.Context, env appender.Env) (appender.Appender, error) {
	inner, err := p.m.open(ctx, env)
	if err != nil {
		return nil, err
	}
	if p.o.wrap != nil {
		inner = p.o.wrap(inner)
	}
	return &seam{p: p, env: env, inner: inner}, nil
}

func (s *seam) Append(ctx context.Context, rec appender.Record) error {
	_, err := s.AppendBatch(ctx, []appender.Record{rec})
	return err
}

func (s *seam) AppendBatch(ctx context.Context, recs []appender.Record) (n int, err error) {
	first := s.p.lineOf(&recs[0])
	k, pt := s.p.due(first, first+len(recs)-1)
	if pt == nil {
		return s.pass(ctx, recs)
	}
	if pt.when != after && k > first {
		if n, err = s.pass(ctx, recs[:k-first]); err != nil {
			return n, err
		}
	}
	if !s.p.spend() {
		return n, errors.New("the node has crashed") // of a call that outlived its node
	}
	switch {
	case pt.what == crashes && pt.when == amid:
		s.p.soon(s.p.crash)
	case pt.what == crashes:
		if pt.when == after {
			_, _ = s.pass(ctx, recs)
		}
		s.p.stage.after(0, s.p.counted(s.p.crash))
		_ = s.env.Clock.Sleep(ctx, -1)
		return 0, ctx.Err()
	case pt.when == amid:
		s.p.vanish(k, pt.away)
	default:
		s.p.stop(outage{first: s.p.seqOf(k)})
	}
	m, err := s.pass(ctx, recs[n:])
	return n + m, err
}

// pass hands recs to the medium, and notes which of them it may have stored.
func (s *seam) pass(ctx context.Context, recs []appender.Record) (int, error) {
	s.p.took(recs, 1)
	n, err := appender.AppendBatch(ctx, s.inner, recs)
	switch {
	case err == nil:
	case errors.Is(err, appender.ErrUnknownOutcome):
	case n < len(recs):
		s.p.took(recs[n:], -1)
	}
	return n, err
}

func (s *seam) Flush(ctx context.Context) error { return appender.Flush(ctx, s.inner) }
func (s *seam) Close() error                    { return appender.Close(s.inner) }

// gate holds the first call with a line back, so that the lines behind it come
// to the host meanwhile: from then on the batches are the same in every run.
type gate struct {
	mu   sync.Mutex
	text string // of the line; empty: none is held back
	held bool
}

func (g *gate) shut(line int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.text, g.held = lineText(line), false
}

func (g *gate) lift() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.text = ""
}

func (g *gate) holds() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

func (g *gate) pass(ctx context.Context, clock appender.Clock, text string) error {
	for {
		g.mu.Lock()
		stay := g.text == text
		g.held = g.held || stay
		g.mu.Unlock()
		if !stay {
			return nil
		}
		if err := clock.Sleep(ctx, poll); err != nil {
			return err
		}
	}
}

// opener puts the gate in front of what an opener opens.
func (g *gate) opener(open appender.Opener) appender.Opener {
	return func(ctx context.Context, env appender.Env) (appender.Appender, error) {
		inner, err := open(ctx, env)
		if err != nil {
			return nil, err
		}
		return &batches{Appender: inner, batch: func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error) {
			if err := g.pass(ctx, env.Clock, recs[0].Message); err != nil {
				return 0, err
			}
			return appender.AppendBatch(ctx, inner, recs)
		}}, nil
	}
}

// batches is an appender whose batches are appended by a function.
type batches struct {
	appender.Appender
	batch func(ctx context.Context, inner appender.Appender, recs []appender.Record) (int, error)
	last  func(ctx context.Context, inner appender.Appender)
}

func (b *batches) Append(ctx context.Context, rec appender.Record) error {
	_, err := b.AppendBatch(ctx, []appender.Record{rec})
	return err
}

func (b *batches) AppendBatch(ctx context.Context, recs []appender.Record) (int, error) {
	return b.batch(ctx, b.Appender, recs)
}

func (b *batches) Flush(ctx context.Context) error {
	if b.last != nil {
		b.last(ctx, b.Appender)
	}
	return appender.Flush(ctx, b.Appender)
}

func (b *batches) Close() error { return appender.Close(b.Appender) }
