package filelog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"meshsim/appender"
)

// followEvery is how often a reader that follows looks for more. It doubles
// while nothing comes, up to followMax.
const (
	followEvery = 5 * time.Millisecond
	followMax   = 200 * time.Millisecond
)

// errStop: the consumer has had enough.
var errStop = errors.New("filelog: stop")

// Replay yields what the log holds from a cursor on, oldest first: the first
// record of the cursor's incarnation, or of a later one, whose number is not
// below the cursor's, and all behind it. Records appended after the call began
// are not part of it unless it follows; then it waits for more by the clock of
// the Env until ctx ends, which is not an error.
//
// Where records are damaged, a *[CorruptError] is yielded in their place, and
// the sequence goes on behind it; any other error ends it. What is yielded has
// the right checksum. The strings of a frame's records share memory.
func (l *Log) Replay(ctx context.Context, from appender.Cursor, follow bool) iter.Seq2[appender.Record, error] {
	end := l.end.Load()
	return func(yield func(appender.Record, error) bool) {
		r := reader{fs: l.o.FS, clock: l.env.Clock, from: from, yield: yield, upTo: end, log: l}
		r.run(ctx, follow)
	}
}

// Read is [Log.Replay] of a log that is not open, or open elsewhere, even in
// another process that is writing to it: it takes no lock and changes nothing.
// It sees what the writer has written, which may not be acknowledged yet. clock
// may be nil if it does not follow.
func Read(ctx context.Context, fsys FS, clock appender.Clock, from appender.Cursor, follow bool) iter.Seq2[appender.Record, error] {
	return func(yield func(appender.Record, error) bool) {
		r := reader{fs: fsys, clock: clock, from: from, yield: yield}
		r.run(ctx, follow)
	}
}

// reader reads a log in rounds: each looks at the directory anew, and goes on
// at the position where the last one ended.
type reader struct {
	fs      FS
	clock   appender.Clock
	from    appender.Cursor
	yield   func(appender.Record, error) bool
	pos     uint64 // of the next record
	begun   bool   // pos is known
	passed  bool   // the cursor is passed: everything is yielded
	lastSeq uint64
	log     *Log   // if it is the log's own, and
	upTo    uint64 // where it ends, for this round
	// in is the number of the segment read last, off where its last whole frame
	// ends, and last the position behind that.
	in   uint64
	off  int64
	last uint64
	// illegible is the number of the last segment without a whole header that was
	// reported.
	illegible uint64
	// again: what is missing is being looked for once more.
	again bool
}

func (r *reader) run(ctx context.Context, follow bool) {
	wait := followEvery
	for {
		before := r.pos
		if r.log != nil && follow {
			r.upTo = r.log.end.Load()
		}
		if err := r.round(ctx); err != nil {
			if !errors.Is(err, errStop) && !(follow && ctx.Err() != nil) {
				r.yield(appender.Record{}, err)
			}
			return
		}
		if !follow {
			return
		}
		if r.pos > before {
			wait = followEvery
		}
		if err := r.clock.Sleep(ctx, wait); err != nil {
			return
		}
		wait = min(2*wait, followMax)
	}
}

// round reads what there is now.
func (r *reader) round(ctx context.Context) error {
	extents, head, err := r.extents()
	if err != nil {
		return err
	}
	if !r.begun && len(extents) > 0 {
		r.begun = true
		r.pos = head
	}
	for i := range extents {
		x := &extents[i]
		switch {
		case x.unreadable && x.number <= r.illegible:
			continue
		case x.unreadable && x.limit < 0 && r.log != nil:
			continue // it is being written to, and the log knows what is in it
		case x.unreadable && x.limit <= 0:
			// Nothing tells how much was in it, see scanned.ends: it is reported,
			// once, though none seems to be missing.
			r.illegible = x.number
		case x.limit >= 0 && x.next <= r.pos:
			continue
		}
		if err := r.segment(ctx, x); err != nil {
			if gone(err) {
				continue // retention was here first: the next begins further on
			}
			return err
		}
		if r.log != nil && r.pos >= r.upTo && !slices.ContainsFunc(extents[i+1:], func(x extent) bool { return x.unreadable && x.limit == 0 }) {
			return nil
		}
	}
	return r.rest(ctx, extents)
}

// rest reports what an open log has that was not found in its files. Retention may
// have dropped it meanwhile, or a sync that failed have taken it back, or moved it:
// then it is looked for once more.
func (r *reader) rest(ctx context.Context, extents []extent) error {
	if r.log == nil {
		return nil
	}
	r.pos = max(r.pos, r.log.oldest.Load())
	to := min(r.upTo, r.log.end.Load())
	switch {
	case r.pos >= to:
		return nil
	case !r.again:
		r.log.settle()
		r.again = true
		defer func() { r.again = false }()
		return r.round(ctx)
	}
	x, offset := &extent{}, int64(0)
	if n := len(extents); n > 0 {
		x, offset = &extents[n-1], max(r.off, framesBegin)
	}
	return r.damaged(x, offset, to, "no whole frame is there")
}

// segment reads one from pos on.
func (r *reader) segment(ctx context.Context, x *extent) error {
	if x.unreadable {
		if x.limit < 0 {
			return r.damaged(x, 0, r.pos, "the segment's header is not whole")
		}
		return r.damaged(x, 0, max(x.next, r.pos), "the segment's header is not whole")
	}
	if x.header.first > r.pos {
		// Retention may have removed what was in front since the last round.
		if lost, err := r.missing(x); lost || err != nil {
			if err == nil {
				err = r.damaged(x, framesBegin, x.header.first, "the segment in front is gone")
			}
			if err != nil {
				return err
			}
		}
		r.pos = max(r.pos, x.header.first)
	}
	f, w, err := x.open(r.fs)
	if err != nil {
		return err
	}
	defer f.Close()
	limit := x.limit
	if limit < 0 {
		limit = w.size
	}
	off, last := int64(framesBegin), x.header.first
	if x.number == r.in {
		off, last = r.off, r.last
	}
	defer func() {
		if off > framesBegin || x.limit >= 0 { // or it may be one that is not made
			r.in, r.off, r.last = x.number, off, last
		}
	}()
	for {
		if r.log != nil && r.pos >= r.upTo {
			return nil
		}
		h, payload, ok, err := w.frame(x.header.salt, off, limit)
		if err != nil {
			return fmt.Errorf("filelog: reading %s: %w", r.fs.Path(x.name), err)
		}
		if ok && x.limit >= 0 && h.first >= x.next {
			ok, limit = false, off // it was taken back, by a segment that was dropped
		}
		if ok && h.first <= r.pos {
			end := h.first + uint64(h.count)
			if end > r.pos {
				if err := r.frame(ctx, &h, payload); err != nil || r.pos < end {
					return err
				}
			}
			off, last = off+h.size(), end
			continue
		}
		// No frame that follows. At the end of the segment that is written to it
		// is yet to come, or is being written.
		next := off
		if !ok {
			if next, ok, err = w.find(x.header.salt, off+frameAlign, limit, last); err != nil {
				return fmt.Errorf("filelog: reading %s: %w", r.fs.Path(x.name), err)
			}
		}
		switch {
		case ok:
			if h, _, _, err = w.frame(x.header.salt, next, limit); err != nil {
				return err
			}
			if h.first > r.pos {
				if x.limit < 0 && r.log == nil {
					// The writer may have written what was not there a moment ago.
					now, err := newWindow(f)
					if err != nil {
						return err
					}
					late, _, there, err := now.frame(x.header.salt, off, now.size)
					if err != nil {
						return err
					}
					if there && late.first <= r.pos {
						w, limit = now, now.size
						continue
					}
					if known, err := x.knows(r.fs, now.size); err != nil || known <= r.pos {
						return err // not known to be more than torn
					}
				}
				if err := r.damaged(x, off, h.first, "no whole frame is there"); err != nil {
					return err
				}
			}
			off = next
		case x.next > r.pos && x.parted:
			return r.damaged(x, off, x.next, "the segment that follows is gone")
		case x.next > r.pos:
			return r.damaged(x, off, x.next, "no whole frame is there")
		default:
			return nil
		}
	}
}

// missing reports whether the records in front of a segment are lost, rather
// than dropped.
func (r *reader) missing(x *extent) (bool, error) {
	if r.log != nil {
		return r.log.oldest.Load() < x.header.first, nil
	}
	// The segment may have been dropped meanwhile, too: what says so is newer.
	list, head, err := r.extents()
	if err != nil {
		return false, err
	}
	k, err := r.told(list)
	for gone(err) {
		if list, head, err = r.extents(); err != nil {
			return false, err
		}
		k, err = r.told(list)
	}
	if err != nil {
		return false, err
	}
	return max(head, k.head) < x.header.first && k.durable > r.pos, nil
}

func (r *reader) damaged(x *extent, offset int64, to uint64, reason string) error {
	e := &CorruptError{
		Path: r.fs.Path(x.name), Offset: offset, First: r.pos, Records: to - r.pos, Seq: r.lastSeq, Reason: reason,
	}
	r.pos = to
	if !r.yield(appender.Record{}, e) {
		return errStop
	}
	return nil
}

// frame yields the records of a frame from pos on.
func (r *reader) frame(ctx context.Context, h *frameHeader, payload []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d := decoder{text: string(payload)}
	for i := range uint64(h.count) {
		rec, ok := d.next()
		if !ok {
			return fmt.Errorf("filelog: the frame at position %d is of an unknown format", h.first)
		}
		if h.first+i < r.pos {
			continue
		}
		if r.log != nil && h.first+i >= r.upTo {
			return nil
		}
		r.pos = h.first + i + 1
		r.lastSeq = rec.Seq
		if !r.passed {
			r.passed = rec.Incarnation > r.from.Incarnation ||
				rec.Incarnation == r.from.Incarnation && rec.Seq >= r.from.Seq
			if !r.passed {
				continue
			}
		}
		if !r.yield(rec, nil) {
			return errStop
		}
	}
	return nil
}
