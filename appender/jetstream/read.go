package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"meshsim/appender"
)

// Chain is what the servers hold of one node.
type Chain struct {
	Node        string
	Incarnation uint32 // of its newest opening: the next must be higher, or the same with no lower Epoch
	Epoch       uint64 // of its newest opening
	Published   uint64 // records ever stored
	Retained    uint64 // records held now
	Dropped     uint64 // Published - Retained
	Stream      string // the name of its stream
	Subject     string // of its records
}

// Nodes lists the chains under o.Prefix, by node. It creates nothing. It takes
// three round trips a chain.
func Nodes(ctx context.Context, o Options) ([]Chain, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	l, err := dial(ctx, &o)
	if err != nil {
		return nil, err
	}
	defer l.close()
	var chains []Chain
	lister := l.js.StreamNames(ctx, jetstream.WithStreamListSubject(o.Prefix+".*"))
	for name := range lister.Name() {
		node, ok := streamNode(o.Prefix, name)
		if !ok {
			continue
		}
		c, err := l.chain(ctx, o.Prefix, node)
		if errors.Is(err, ErrNoChain) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		chains = append(chains, c)
	}
	if err := lister.Err(); err != nil {
		return nil, l.explain("listing streams", err)
	}
	slices.SortFunc(chains, func(a, b Chain) int { return cmp.Compare(a.Node, b.Node) })
	return chains, nil
}

// chain asks the servers about one.
func (l *link) chain(ctx context.Context, prefix, node string) (c Chain, err error) {
	n, err := chainNames(prefix, node)
	if err != nil {
		return c, err
	}
	c = Chain{Node: node, Stream: n.stream, Subject: n.subject}
	s, err := l.open(ctx, n)
	if err != nil {
		return c, err
	}
	owner, _, err := l.owner(ctx, s, n.owner)
	if err != nil {
		return c, err
	}
	c.Incarnation, c.Epoch = owner.Incarnation, owner.Epoch
	for {
		before, err := l.published(ctx, s, n.subject)
		if err != nil {
			return c, err
		}
		if c.Retained, err = l.retained(ctx, s, n.subject); err != nil {
			return c, err
		}
		// The two answers belong together if nothing came between them.
		if c.Published, err = l.published(ctx, s, n.subject); err != nil {
			return c, err
		}
		if before == c.Published {
			c.Dropped = c.Published - c.Retained
			return c, nil
		}
	}
}

// open finds the stream of a chain.
func (l *link) open(ctx context.Context, n names) (jetstream.Stream, error) {
	s, err := l.js.Stream(ctx, n.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("%w: %q at %s has no stream %s", ErrNoChain, n.node, l.names, n.stream)
	}
	if err != nil {
		return nil, l.explain("opening stream "+n.stream, err)
	}
	return s, nil
}

// published is the ordinal of the last record.
func (l *link) published(ctx context.Context, s jetstream.Stream, subject string) (uint64, error) {
	m, ok, err := l.last(ctx, s, subject)
	if err != nil || !ok {
		return 0, err
	}
	_, ordinal, err := decode(m.Header, nil)
	return ordinal, err
}

// Read yields the records of a node from a cursor on, oldest first, beside its
// appender or without one: the first record of a higher incarnation, or of the
// same one with Seq at least the cursor's, and all behind it. Without follow it ends behind the last record
// that was there when it began. With follow it goes on until ctx ends, which
// ends it without an error, and waits for servers that are away; a reader that
// is slower than the stream's limit misses records, as the gaps in Seq show.
//
// An error ends it: [ErrNoChain], [ErrForeign], or that of the connection.
func Read(ctx context.Context, o Options, node string, from appender.Cursor, follow bool) iter.Seq2[appender.Record, error] {
	return func(yield func(appender.Record, error) bool) {
		r, err := openReader(ctx, o, node)
		if err != nil {
			yield(appender.Record{}, err)
			return
		}
		defer r.link.close()
		r.read(ctx, from, follow, yield)
	}
}

func openReader(ctx context.Context, o Options, node string) (*reader, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	n, err := chainNames(o.Prefix, node)
	if err != nil {
		return nil, err
	}
	l, err := dial(ctx, &o)
	if err != nil {
		return nil, err
	}
	s, err := l.open(ctx, n)
	if err != nil {
		l.close()
		return nil, err
	}
	return &reader{link: l, stream: s, names: n, timeout: o.Timeout}, nil
}

// reader reads one chain.
type reader struct {
	link    *link
	stream  jetstream.Stream
	names   names
	timeout time.Duration
	next    uint64 // the sequence to go on from
	passed  bool   // the cursor is passed: everything is yielded
}

// retryWait is how long a follower waits before it asks servers again that
// failed.
const retryWait = 100 * time.Millisecond

// read yields, until the end or an error. A follower goes on after errors that
// pass.
func (r *reader) read(ctx context.Context, from appender.Cursor, follow bool, yield func(appender.Record, error) bool) {
	end := uint64(0) // of what is wanted; 0: no end
	if !follow {
		m, ok, err := r.link.last(ctx, r.stream, r.names.subject)
		if err != nil {
			yield(appender.Record{}, err)
			return
		}
		if !ok {
			return
		}
		end = m.Sequence
	}
	for {
		more, err := r.pass(ctx, from, end, yield)
		switch {
		case !more:
			return
		case follow && ctx.Err() != nil:
			return
		case err == nil:
			return
		case !follow || !passes(err):
			yield(appender.Record{}, err)
			return
		}
		timer := time.NewTimer(retryWait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// passes reports whether an error of a reader goes away by itself.
func passes(err error) bool {
	for _, lasting := range []error{ErrForeign, nats.ErrConnectionClosed, jetstream.ErrStreamNotFound, jetstream.ErrConnectionClosed, context.Canceled} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	return true
}

// pass reads with one consumer, up to end. more is false if the caller wants no
// more.
func (r *reader) pass(ctx context.Context, from appender.Cursor, end uint64, yield func(appender.Record, error) bool) (more bool, err error) {
	t, err := r.link.tail(ctx, r.stream, r.names.subject, r.next, false)
	if err != nil {
		return true, err
	}
	defer t.close(min(r.timeout, closeTimeout))
	next := t.messages.Next
	if end > 0 {
		// What is wanted is there: it comes soon, or something is wrong.
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		timer := time.AfterFunc(r.timeout, func() { cancel(errIdle) })
		defer timer.Stop()
		next = func(opts ...jetstream.NextOpt) (jetstream.Msg, error) {
			timer.Reset(r.timeout)
			defer timer.Stop() // the caller may take its time
			return t.messages.Next(opts...)
		}
	}
	for {
		m, err := next(jetstream.NextContext(ctx))
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return true, r.link.explain("reading "+r.names.subject, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return true, r.link.explain("reading "+r.names.subject, err)
		}
		seq := meta.Sequence.Stream
		if end > 0 && seq > end {
			return true, nil
		}
		rec, _, err := decode(m.Headers(), m.Data())
		if err != nil {
			return true, err
		}
		r.next = seq + 1
		if !r.passed {
			r.passed = rec.Incarnation > from.Incarnation || rec.Incarnation == from.Incarnation && rec.Seq >= from.Seq
		}
		if r.passed && !yield(rec, nil) {
			return false, nil
		}
		if end > 0 && seq == end {
			return true, nil
		}
	}
}

// errIdle: the servers send nothing although there is something.
var errIdle = errors.New("the servers send nothing")
