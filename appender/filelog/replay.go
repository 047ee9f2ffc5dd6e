package filelog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
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
	off     int64  // where the last whole frame ends, in the segment read last
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

// extent is a segment as far as a round reads it.
type extent struct {
	scanned
	limit int64  // where it ends; -1: where its last whole frame does
	next  uint64 // position at which the next segment begins, if one is whole
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
		if x.limit >= 0 && x.next <= r.pos {
			continue
		}
		if err := r.segment(ctx, x); err != nil {
			if gone(err) {
				continue // retention was here first: the next begins further on
			}
			return err
		}
		if r.log != nil && r.pos >= r.upTo {
			return nil
		}
	}
	return r.rest(extents)
}

// rest reports what an open log has that was not found in its files. Retention may
// have dropped it, or a sync that failed have taken it back, meanwhile.
func (r *reader) rest(extents []extent) error {
	if r.log == nil {
		return nil
	}
	r.pos = max(r.pos, r.log.oldest.Load())
	to := min(r.upTo, r.log.end.Load())
	if r.pos >= to {
		return nil
	}
	x, offset := &extent{}, int64(0)
	if n := len(extents); n > 0 {
		x, offset = &extents[n-1], max(r.off, framesBegin)
	}
	return r.damaged(x, offset, to, "no whole frame is there")
}

// extents lists the segments, and finds the oldest record retained.
func (r *reader) extents() ([]extent, uint64, error) {
	names, err := r.fs.List()
	if err != nil {
		return nil, 0, fmt.Errorf("filelog: listing %s: %w", r.fs.Path(""), err)
	}
	var list []extent
	head := uint64(0)
	for _, name := range names {
		n, ok := segmentNumber(name)
		if !ok {
			continue
		}
		x := extent{scanned: scanned{name: name, number: n}, limit: -1}
		if err := x.readHeader(r.fs); err != nil {
			if gone(err) {
				continue
			}
			return nil, 0, err
		}
		if x.blank || x.unreadable && x.size < framesBegin {
			continue // it is being made
		}
		head = max(head, x.header.head)
		list = append(list, x)
	}
	if list, err = r.link(list); err != nil {
		return nil, 0, err
	}
	if r.log != nil {
		head = r.log.oldest.Load()
	} else if !r.begun {
		k, err := r.told(list)
		if err != nil {
			return nil, 0, err
		}
		head = max(head, k.head)
	}
	return list, head, nil
}

// link tells every segment where it ends, by the one that follows. Segments that
// were never made are left out, see scanAll, unless nothing is behind: the newest
// may have been begun just now.
func (r *reader) link(list []extent) ([]extent, error) {
	var behind, next *extent // the next that is whole, and the next
	linked := list[len(list):]
	for i := len(list) - 1; i >= 0; i-- {
		x := &list[i]
		made := behind != nil && behind.header.prev == x.number
		if !made && !x.unreadable {
			var err error
			if made, err = x.begun(r.fs); err != nil && !gone(err) {
				return nil, err
			}
			if !made && behind != nil {
				continue
			}
		}
		if next != nil && !next.unreadable {
			x.next = next.header.first
			if behind != nil || x.unreadable {
				x.limit = x.size
			}
		}
		if behind != nil && behind.header.prev == x.number {
			x.limit, x.next = behind.header.prevEnd, behind.header.first
		}
		if made && !x.unreadable {
			behind = x
		}
		next = x
		linked = append(linked, *x)
	}
	slices.Reverse(linked)
	return linked, nil
}

// told is what the newest frames of a log say, and the headers of segments.
func (r *reader) told(list []extent) (k knowledge, err error) {
	for i := len(list) - 1; i >= 0; i-- {
		s := list[i].scanned
		if err := s.readFrames(r.fs, s.size, math.MaxUint64); err != nil && !gone(err) {
			return k, err
		}
		for j := range s.spans {
			k.durable, k.head = max(k.durable, s.spans[j].durable), max(k.head, s.spans[j].head)
		}
		if s.entered() {
			break // those in front are older
		}
	}
	return k, nil
}

// begun reports whether there is a frame in a segment: until then it says nothing
// about the one in front, see scanAll.
func (x *extent) begun(fsys FS) (bool, error) {
	f, w, err := x.open(fsys)
	if err != nil {
		return false, err
	}
	defer f.Close()
	_, ok, err := w.find(x.header.salt, framesBegin, w.size, 0)
	return ok, err
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
	off, last := int64(framesBegin), x.header.first // behind the last frame
	defer func() { r.off = off }()
	for {
		h, payload, ok, err := w.frame(x.header.salt, off, limit)
		if err != nil {
			return fmt.Errorf("filelog: reading %s: %w", r.fs.Path(x.name), err)
		}
		if ok && x.limit >= 0 && h.first >= x.next {
			ok, limit = false, off // it was taken back, by a segment that was dropped
		}
		if ok && r.log != nil && h.first >= r.upTo {
			return nil
		}
		if ok && h.first <= r.pos {
			off += h.size()
			last = h.first + uint64(h.count)
			if h.first+uint64(h.count) > r.pos {
				if err := r.frame(ctx, &h, payload); err != nil {
					return err
				}
			}
			continue
		}
		// No frame that follows. At the end of the segment that is written to it
		// is yet to come, or is being written.
		begin := off
		if !ok {
			if off, ok, err = w.find(x.header.salt, off+frameAlign, limit, last); err != nil {
				return fmt.Errorf("filelog: reading %s: %w", r.fs.Path(x.name), err)
			}
		}
		switch {
		case ok:
			if h, _, _, err = w.frame(x.header.salt, off, limit); err != nil {
				return err
			}
			if h.first <= r.pos {
				continue // nothing is missing that is wanted
			}
			if x.limit < 0 && max(h.durable, x.next) <= r.pos {
				return nil // not known to be more than torn
			}
			if err := r.damaged(x, begin, h.first, "no whole frame is there"); err != nil {
				return err
			}
		case x.next > r.pos:
			return r.damaged(x, begin, x.next, "no whole frame is there")
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
