package jetstream

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How a stale writer is kept out.
//
// Every record is published with the stream's last sequence as its writer knows
// it (Nats-Expected-Last-Sequence), and the server refuses it if that is wrong.
// The records of a batch are sent without waiting, each expecting the one
// before it: if one is lost, those behind it are refused, so there is never a
// gap. But a message of somebody else in between would take the number of one
// record, have it refused, and let the next one pass. So whoever takes a stream
// over does not put one message there but, in one atomic batch, its name on the
// owner subject (refused if somebody else did so meanwhile) and fillers on the
// gap subject, as many as an earlier writer may have records on their way: each
// writer declares its own number. So the sequence moves past everything that an
// earlier writer still expects, at once, and from then on nothing of it can be
// stored, wherever it is on its way.
//
// An appender does the same to itself after an outcome that it does not know:
// what was on its way then is either stored, and read back, or never will be.
//
// What looks simpler does not work: an expectation about the owner subject in
// every record is refused by a replicated stream while another one is on its
// way (error 10164), and the expected last message id is not kept right by
// servers that catch up.

// claim is the message on the owner subject.
type claim struct {
	Node        string `json:"node"` // escaped
	Incarnation uint32 `json:"incarnation"`
	Epoch       uint64 `json:"epoch"`
	Owner       string `json:"owner"`     // one opening, drawn at random
	InFlight    int    `json:"in_flight"` // the most that this or any earlier opening has on its way
}

// newer reports whether c is of a later opening than o.
func (c *claim) newer(o *claim) bool {
	if c.Incarnation != o.Incarnation {
		return c.Incarnation > o.Incarnation
	}
	return c.Epoch > o.Epoch
}

// owner reads who has the stream; seq is 0 if nobody ever had.
func (l *link) owner(ctx context.Context, s jetstream.Stream, subject string) (c claim, seq uint64, err error) {
	m, ok, err := l.last(ctx, s, subject)
	if err != nil || !ok {
		return c, 0, err
	}
	if err := json.Unmarshal(m.Data, &c); err != nil || c.InFlight < 1 || c.InFlight > MaxInFlight {
		return c, 0, fmt.Errorf("%w: %s says %.60q", ErrForeign, subject, m.Data)
	}
	return c, m.Sequence, nil
}

// takeOver makes the stream ours, again if first is false, and finds out what
// it holds. When it returns nil, nothing that was sent before is on its way any
// more.
func (a *Appender) takeOver(ctx context.Context, first bool) error {
	last, err := a.claim(ctx, first)
	if err != nil {
		return err
	}
	m, ok, err := a.link.last(ctx, a.stream, a.names.subject)
	if err != nil {
		return err
	}
	recent := make(map[identity]struct{})
	var ordinal uint64
	if ok {
		if _, ordinal, err = decode(m.Header, nil); err != nil {
			return err
		}
		from := a.last + 1
		if window := uint64(a.claimed.InFlight); m.Sequence > window {
			from = max(from, m.Sequence-window+1)
		}
		if err := a.readBack(ctx, from, m.Sequence, recent); err != nil {
			return err
		}
	}
	if first {
		retained, err := a.link.retained(ctx, a.stream, a.names.subject)
		if err != nil {
			return err
		}
		a.opened = opened{published: ordinal, retained: retained}
	}
	a.last, a.recent, a.unsure = last, recent, false
	a.ordinal = ordinal
	a.published.Store(ordinal)
	a.mu.Lock()
	a.doubt = a.doubt[:0]
	a.mu.Unlock()
	return nil
}

// claim puts our name on the owner subject and moves the sequence past whatever
// is on its way. It returns the stream's last sequence.
func (a *Appender) claim(ctx context.Context, first bool) (last uint64, err error) {
	for {
		prev, at, err := a.link.owner(ctx, a.stream, a.names.owner)
		if err != nil {
			return 0, err
		}
		mine := a.claimed
		switch {
		case at > 0 && prev.Owner != mine.Owner && (!first || prev.newer(&mine)):
			a.fenced.Store(true)
			return 0, fmt.Errorf("%w: %s is with incarnation %d, epoch %d", ErrFenced, a.names.stream, prev.Incarnation, prev.Epoch)
		case at == 0 && !first:
			a.fenced.Store(true)
			return 0, fmt.Errorf("%w: the owner of %s was purged", ErrFenced, a.names.stream)
		}
		mine.InFlight = max(mine.InFlight, prev.InFlight)
		gap := mine.InFlight
		if at == 0 {
			gap = 0 // nobody was here before
		}
		last, err := a.publishClaim(ctx, &mine, at, gap)
		if err == nil {
			a.claimed = mine
			return last, nil
		}
		if !isWrongLast(err) || ctx.Err() != nil {
			return 0, a.link.explain("taking over "+a.names.stream, err)
		}
		// Somebody else was quicker: see who.
	}
}

// Headers of an atomic batch, which the client package has no names for.
const (
	batchIDHeader     = "Nats-Batch-Id"
	batchSeqHeader    = "Nats-Batch-Sequence"
	batchCommitHeader = "Nats-Batch-Commit"
)

// publishClaim stores c and gap fillers behind it, all of it or nothing, if the
// claim before it is still the one at sequence at.
func (a *Appender) publishClaim(ctx context.Context, c *claim, at uint64, gap int) (last uint64, err error) {
	data, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings and numbers
	}
	m := &nats.Msg{Subject: a.names.owner, Data: data, Header: nats.Header{
		jetstream.MsgRollup:                 {jetstream.MsgRollupSubject}, // only the newest claim stays
		jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(at, 10)},
	}}
	if gap > 0 {
		id := []string{rand.Text()}
		m.Header[batchIDHeader] = id
		for i := range gap {
			m.Header[batchSeqHeader] = []string{strconv.Itoa(i + 1)}
			if err := a.link.conn.PublishMsg(m); err != nil {
				return 0, err
			}
			m = &nats.Msg{Subject: a.names.gap, Header: nats.Header{batchIDHeader: id}}
			if i == 0 {
				m.Header[jetstream.MsgRollup] = []string{jetstream.MsgRollupSubject} // and the fillers of one takeover
			}
		}
		m.Header[batchSeqHeader] = []string{strconv.Itoa(gap + 1)}
		m.Header[batchCommitHeader] = []string{"1"}
	}
	ack, err := a.link.js.PublishMsg(ctx, m)
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// readBack collects the identities of the records from one sequence to another.
func (a *Appender) readBack(ctx context.Context, from, to uint64, into map[identity]struct{}) error {
	if from > to {
		return nil
	}
	t, err := a.link.tail(ctx, a.stream, a.names.subject, from, true)
	if err != nil {
		return err
	}
	defer t.close(a.o.Timeout)
	for {
		m, err := t.messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return a.link.explain(fmt.Sprintf("reading %s back from %d to %d", a.names.subject, from, to), err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return a.link.explain("reading "+a.names.subject, err)
		}
		if meta.Sequence.Stream <= to {
			rec, _, err := decode(m.Headers(), nil)
			if err != nil {
				return err
			}
			into[identityOf(&rec)] = struct{}{}
		}
		if meta.Sequence.Stream >= to {
			return nil
		}
	}
}

// isWrongLast: the server refused a message because the stream is not where its
// sender believed. Nothing was stored.
func isWrongLast(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// isRefused: the server refused a message before anything else; nothing was
// stored. An error that is not among these may come from one server of several
// while the others stored the message.
func isRefused(err error) bool {
	if isWrongLast(err) || errors.Is(err, errNoResponders) {
		return true
	}
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case jetstream.JSErrCodeStreamMessageExceedsMaximum, codeHeaderTooLarge, codeSealed:
		return true
	}
	return false
}
