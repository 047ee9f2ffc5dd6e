package torture

import (
	"errors"
	"fmt"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// errStruck: a fault kept the log from reading.
var errStruck = errors.New("torture: a fault struck")

// openings bounds how often opening is tried again; before the last times every
// fault ends.
const openings = 6

// open opens the log, each time as a new process, until no fault keeps it from
// that.
func (w *world) open() error {
	for try := range openings {
		if try == openings/2 {
			w.heal()
		}
		if opened, err := w.tryOpen(); err != nil || opened {
			return err
		}
	}
	return errors.New("opening fails, whatever is tried")
}

// tryOpen opens the log once. An error says what was wrong; that a fault made
// opening fail is not.
func (w *world) tryOpen() (opened bool, err error) {
	w.lives = w.deaths()
	w.o, w.m.max, w.m.bytes = w.next, w.next.max, w.next.maxBytes > 0
	w.epoch++
	w.fs.FS = w.d.Mount(&w.clock)
	env := w.env()
	o := w.options()
	var l log
	var struck, strict, refused bool
	if w.m.flipped && w.epoch%2 == 0 {
		strict, o.Damage = true, filelog.Refuse
		struck = w.within(func() { l, err = w.opener(background, o, env) })
		refused = errors.As(err, new(*filelog.CorruptError))
		o.Damage = filelog.Quarantine
	}
	if l == nil && (refused || !struck) {
		struck = w.within(func() { l, err = w.opener(background, o, env) })
	}
	switch {
	case w.dead():
		w.m.told = false
		return false, nil // it died, if only in a last call that it did not need
	case err != nil && !struck:
		return false, fmt.Errorf("opening fails, and no fault struck: %w", err)
	case err != nil:
		w.m.told = false
		return false, nil
	case strict && !refused && !struck && len(l.Recovery().Damage) > 0:
		return false, errors.New("opening is to refuse damage, finds some, and opens")
	case refused && len(l.Recovery().Damage) == 0:
		return false, errors.New("opening refuses for damage, and then finds none")
	}
	f, err := w.read(l)
	switch {
	case errors.Is(err, errStruck):
		_ = l.Close() // as good as it can
		w.m.told = false
		return false, nil
	case err != nil:
		return false, fmt.Errorf("opened: %w", err)
	}
	w.m.power = w.d.Counts().Crashes != w.crashes
	if err := w.m.opened(f, l, w.exact); err != nil {
		return false, fmt.Errorf("opened: %w", err)
	}
	w.l = l
	w.crashes, w.exact, w.settled = w.d.Counts().Crashes, w.o.maxBytes == 0, w.clock.Now()
	r := l.Recovery()
	w.note(w.m.head, w.m.end(), w.m.durable, uint64(r.Torn), uint64(len(r.Damage)))
	return true, w.positions()
}

func (w *world) env() appender.Env {
	return appender.Env{
		Node: "n1", Incarnation: w.incarnation(), Epoch: w.epoch, Seed: appender.Mix(w.p.seed ^ purposeSalt), Clock: &w.clock,
	}
}

// incarnation is the process's: some openings belong to one.
func (w *world) incarnation() uint32 { return uint32(1 + w.epoch/3) }

func (w *world) options() filelog.Options {
	return filelog.Options{
		FS: &w.fs, Sync: w.o.sync, SegmentBytes: w.o.segment, MaxRecords: w.o.max, MaxBytes: w.o.maxBytes,
		MaxRecordBytes: w.o.maxRecord,
	}
}

// read reads all that a log holds.
func (w *world) read(l log) (f *found, err error) {
	struck := w.within(func() {
		f, err = collect(l.Replay(background, appender.Cursor{}, false), l.Dropped(), len(w.m.entries)+maxBatch)
	})
	return f, w.excuse(struck, err)
}

// excuse makes errStruck of an error that a fault explains.
func (w *world) excuse(struck bool, err error) error {
	if struck && (errors.Is(err, disk.ErrInjected) || errors.Is(err, disk.ErrCrashed)) {
		return errStruck
	}
	return err
}

// append appends a batch.
func (w *world) append(s *step) error {
	recs := w.batch(s)
	limit := len(recs) // of those in front of the first that is too large
	for i := range recs {
		if len(recs[i].Node)+len(recs[i].Message) > w.o.maxRecord {
			limit = i
			break
		}
	}
	sent := append([]appender.Record(nil), recs...)
	n, err, was := 0, error(nil), w.m.shaky
	struck := w.within(func() {
		if len(sent) == 1 && s.seed%2 == 0 {
			if err = w.l.Append(background, sent[0]); err == nil {
				n = 1
			}
			return
		}
		n, err = w.l.AppendBatch(background, sent)
	})
	clear(sent) // the caller may do with it what it likes
	unknown := errors.Is(err, appender.ErrUnknownOutcome)
	switch {
	case n < 0 || n > limit || n == len(recs) != (err == nil):
		return fmt.Errorf("append returns %d of %d, of which %d are short enough, and %v", n, len(recs), limit, err)
	case err != nil && n == limit && !unknown && !w.dead():
		if !errors.Is(err, filelog.ErrTooLarge) {
			return fmt.Errorf("append fails with a record that is too large, and does not say so: %w", err)
		}
	case err != nil && !struck && !was:
		return fmt.Errorf("append fails, and no fault struck: %w", err)
	}
	w.m.stored(recs[:n])
	w.m.tally.Stored += uint64(n)
	switch {
	case err != nil && (unknown || w.dead()):
		w.m.unknown(recs[n:limit])
		w.m.tally.Unknown += uint64(len(recs) - n)
	case err != nil:
		w.m.tally.Failed += uint64(len(recs) - n)
	default:
		return w.policy()
	}
	return nil
}

// policy checks that the sync policy was kept, after an append that succeeded.
func (w *world) policy() error {
	end, durable := w.l.Position()
	unsynced := end - durable
	switch {
	case w.dead():
		return nil
	case w.o.every > 0 && unsynced >= uint64(w.o.every),
		// A new segment may have been begun just before, and that was a sync.
		w.o.interval > 0 && unsynced > 0 && w.clock.Now()-w.settled >= w.o.interval && durable == w.m.durable,
		w.o.sync == filelog.SyncAlways() && unsynced > 0:
		return fmt.Errorf("an append succeeds, and %d records are not durable under the policy %q", unsynced, w.o.sync)
	}
	return nil
}

func (w *world) flush() error {
	var err error
	was := w.m.shaky
	struck := w.within(func() { err = w.l.Flush(background) })
	if err != nil {
		if !struck && !was && !w.costs(err) {
			return fmt.Errorf("flush fails, and no fault struck: %w", err)
		}
		return nil
	}
	if end, durable := w.l.Position(); end != durable {
		return fmt.Errorf("flush succeeds, and %d records are not durable", end-durable)
	}
	return nil
}

// costs reports whether an error tells what a sync that failed before has cost.
func (w *world) costs(err error) bool {
	corrupt := (*filelog.CorruptError)(nil)
	return errors.As(err, &corrupt) && w.m.mayBeDamaged(corrupt.First)
}

// close closes the log, in order.
func (w *world) close() error {
	var err error
	was := w.m.shaky
	l := w.l
	struck := w.within(func() { err = l.Close() })
	if perr := w.positions(); perr != nil {
		return perr
	}
	w.l = nil
	switch {
	case err != nil && !struck && !was && !w.costs(err):
		return fmt.Errorf("closing fails, and no fault struck: %w", err)
	case err == nil:
		w.m.saved(w.m.end())
		w.m.shaky = false
	}
	if err := l.Close(); err != nil && !w.dead() {
		return fmt.Errorf("closing once more fails: %w", err)
	}
	if err := l.Append(background, appender.Record{Seq: 1}); !errors.Is(err, appender.ErrClosed) {
		return fmt.Errorf("an append to a log that is closed: %v", err)
	}
	return nil
}

// positions takes over what the log says of itself, and checks it. That holds
// for one whose process died in the call as well: it is what it would have
// said.
func (w *world) positions() error {
	if w.l == nil {
		return nil
	}
	end, durable := w.l.Position()
	head := w.l.Dropped()
	m := &w.m
	if w.o.maxBytes > 0 && head >= m.head && head <= end {
		m.head = head // by whole segments: only the log knows
	}
	switch {
	case w.dead():
		m.saved(max(m.durable, min(durable, m.end())))
		return nil
	case end != m.end():
		return fmt.Errorf("the log ends at position %d, and acknowledged up to %d", end, m.end())
	case durable > end || durable < m.durable:
		return fmt.Errorf("position %d is durable, %d was, and the log ends at %d", durable, m.durable, end)
	case head != m.head:
		return fmt.Errorf("%d records are dropped instead of %d, of %d, where %d are retained", head, m.head, end, m.max)
	}
	if durable > m.durable || durable == end {
		w.settled = w.clock.Now()
	}
	m.saved(durable)
	m.shaky = m.shaky && durable < end
	return nil
}
