package jetstream

import (
	"errors"
	"math"
	"strconv"

	"meshsim/appender"
)

// fate is what is known of a record that was sent.
type fate uint8

const (
	unresolved fate = iota // no answer, or one that says nothing for certain
	stored
	duplicate // stored before
	refused   // not stored, and it never will be
)

// errAgain: a burst ends because the stream is not where it was believed to be;
// what follows must be sent with other expectations.
var errAgain = errors.New("the stream is not where it was believed to be")

// headerMax leaves some room below the 64 KiB that a server takes.
const headerMax = 1<<16 - 512

// burst is a sequence of records on their way. Each expects the one before it
// as the last of the stream, so what is stored of them by their own expectation
// is a prefix.
type burst struct {
	a     *Appender
	recs  []appender.Record
	first uint64 // the token of recs[0]
	fates []fate // of the records sent
	open  int    // sent without an answer
	done  int    // the stored prefix
	// err is why no more are sent, and at the record that it concerns; of
	// several the lowest counts, because the others may follow from it.
	err error
	at  int
}

// burst sends recs, at most a.window of them unacknowledged, until all are
// stored or one is not. n is the stored prefix and err concerns recs[n]. If it
// is not certain what became of some, they are in a.doubt then and a.unsure is
// set.
func (a *Appender) burst(c *call, recs []appender.Record) (n int, err error) {
	if !a.pipe.reset() {
		return 0, ErrNotConnected
	}
	b := burst{a: a, recs: recs, first: a.pipe.next, fates: a.fates[:0], at: math.MaxInt}
	for {
		for b.err == nil && len(b.fates) < len(recs) && len(b.fates)-b.done < a.window {
			b.send()
		}
		if b.open == 0 {
			break
		}
		ans, err := a.pipe.wait(c)
		if err != nil {
			b.stop(b.done, err)
			break
		}
		b.take(ans)
	}
	a.fates = b.fates
	return b.done, b.conclude()
}

// send publishes the next record.
func (b *burst) send() {
	a, i := b.a, len(b.fates)
	rec := &b.recs[i]
	a.text = appendID(a.text[:0], rec)
	a.id[0] = string(a.text)
	a.text = appendFields(a.text[:0], rec, a.ordinal+uint64(i)+1)
	a.fields[0] = string(a.text)
	a.text = strconv.AppendUint(a.text[:0], a.last+uint64(i), 10)
	a.expect[0] = string(a.text)
	a.body = append(a.body[:0], rec.Message...)
	if len(a.id[0])+len(a.fields[0]) > headerMax {
		b.stop(i, ErrTooLarge)
		return
	}
	if _, err := a.pipe.send(a.names.subject, a.header, a.body); err != nil {
		b.stop(i, err)
		return
	}
	b.fates = append(b.fates, unresolved)
	b.open++
}

// stop sends no more, because of recs[at].
func (b *burst) stop(at int, err error) {
	if at < b.at {
		b.err, b.at = err, at
	}
}

// take takes an answer.
func (b *burst) take(ans answer) {
	i := int(ans.token - b.first)
	if ans.token < b.first || i >= len(b.fates) || b.fates[i] != unresolved {
		return // late, of an earlier call
	}
	b.open--
	switch {
	case ans.err == nil && ans.duplicate:
		b.fates[i] = duplicate
		b.stop(i+1, errAgain)
	case ans.err == nil:
		b.fates[i] = stored
		if ans.seq != b.a.last+uint64(i)+1 {
			// Stored, but not where it was to be: the stream is not ours.
			b.a.unsure = true
			b.stop(i+1, errAgain)
		}
	case isRefused(ans.err):
		b.fates[i] = refused
		b.stop(i, ans.err)
	default:
		b.stop(i, ans.err)
	}
	for b.done < len(b.fates) && (b.fates[b.done] == stored || b.fates[b.done] == duplicate) {
		b.done++
	}
}

// conclude says what the stream is believed to be now, and why recs[done] is
// not stored.
func (b *burst) conclude() error {
	a := b.a
	var fresh uint64
	duplicates := false
	for _, f := range b.fates[:b.done] {
		switch f {
		case stored:
			fresh++
		case duplicate:
			duplicates = true
		}
	}
	a.mu.Lock()
	for i := b.done; i < len(b.fates); i++ {
		switch b.fates[i] {
		case unresolved:
			a.doubt = append(a.doubt, identityOf(&b.recs[i]))
			a.unsure = true
		case stored:
			a.unsure = true // behind one that is not
		}
	}
	a.mu.Unlock()
	a.last += fresh
	a.advance(fresh)
	// A single server looks at the expectation before it looks for a duplicate,
	// and so refuses what follows one: among duplicates, ask one by one.
	a.window = a.o.InFlight
	if duplicates {
		a.window = 1
	}
	if b.done == len(b.recs) {
		return nil
	}
	if isWrongLast(b.err) && !duplicates {
		a.unsure = true // somebody else has written to the stream: see who
	}
	return b.err
}
