package filelog

import (
	"errors"
	"fmt"

	"meshsim/appender"
)

// sync makes the records up to after durable; the frame between before and
// after, in the segment of that number, is the caller's own.
//
// A sync that fails is never called again: the kernel may have dropped what it
// could not write, and then call it clean (Rebello et al., "Can Applications
// Recover from fsync Failures?", USENIX ATC 2020). What is in the file behind
// the last success is written once more, to a new segment, and that is synced.
// Where this fails, too, the caller's frame is taken back, if none has come
// behind it, and its outcome is unknown.
func (l *Log) sync(before, after mark, number uint64) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	l.waiting--
	switch {
	case l.safe.pos >= after.pos:
		defer l.mu.Unlock()
		return l.lostOf(before, after) // another caller's sync covered it
	case l.closed:
		// Closing could not sync it.
		l.mu.Unlock()
		return fmt.Errorf("%w: %w", appender.ErrUnknownOutcome, appender.ErrClosed)
	}
	err := l.poison
	at, nameless := l.at, l.nameless
	l.mu.Unlock()
	if err == nil {
		// Frames may be written meanwhile, but the file is not changed.
		if err := l.settleLoose(); err != nil {
			return fmt.Errorf("%w: %w", ErrSync, err)
		}
		err = l.syncFile(nameless)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.settled(at)
		return nil
	}
	l.poison = err
	own := before
	if s := &l.segs[len(l.segs)-1]; l.at != after || s.number != number || before == after {
		own = l.at // others have come behind it: it stays, if it can
	}
	again := l.carry(own)
	switch {
	case again == nil && l.at.pos >= after.pos:
		return l.lostOf(before, after)
	case again == nil:
		again = errLost // it was left out
	case own != l.at:
		l.at = own
		s := &l.segs[len(l.segs)-1]
		s.end, s.last = own.off, own.pos
	}
	return fmt.Errorf("%w: %w: %w: %w", ErrSync, appender.ErrUnknownOutcome, err, again)
}

// loss is records that could not be carried over.
type loss struct {
	err  *CorruptError
	told bool
}

// maxLost bounds how many losses are remembered apart.
const maxLost = 16

// lose remembers a loss. Beyond maxLost the two oldest are made one, which makes
// the outcome of what is between them unknown as well. The caller holds mu.
func (l *Log) lose(e *CorruptError) {
	l.lost = append(l.lost, loss{err: e})
	if len(l.lost) > maxLost {
		a, b := l.lost[0], l.lost[1].err
		both := *a.err
		both.Records = b.First + b.Records - both.First
		l.lost = append(l.lost[:0], l.lost[1:]...)
		l.lost[0] = loss{err: &both, told: a.told && l.lost[0].told}
	}
}

// lostOf reports whether the frame between two marks is among what was lost. The
// caller holds mu.
func (l *Log) lostOf(before, after mark) error {
	for _, x := range l.lost {
		if x.err.First < after.pos && before.pos < x.err.First+x.err.Records {
			return fmt.Errorf("%w: %w: %w", ErrSync, appender.ErrUnknownOutcome, x.err)
		}
	}
	return nil
}

// tell returns what was lost and is not told yet. The caller holds mu.
func (l *Log) tell() error {
	var errs []error
	for i := range l.lost {
		if x := &l.lost[i]; !x.told {
			x.told = true
			errs = append(errs, fmt.Errorf("%w: %w", ErrSync, x.err))
		}
	}
	if l.waiting == 0 {
		l.lost = nil
	}
	return errors.Join(errs...)
}

var errLost = errors.New("what was written before a sync failed cannot be read back")

// syncFile syncs the file that is written to, and its name if that is due. The
// caller holds syncing.
func (l *Log) syncFile(nameless bool) error {
	if err := l.file.Sync(); err != nil || !nameless {
		return err
	}
	return l.o.FS.SyncDir()
}

// settleLoose syncs the segments that were left without a sync, unless all that
// is in them was dropped. One that fails is not synced again: what it holds is
// never safe any more, and no sync succeeds until it is dropped. The caller holds
// syncing.
func (l *Log) settleLoose() error {
	for len(l.loose) > 0 {
		s := &l.loose[0]
		if s.last <= l.oldest.Load() {
			l.loose = l.loose[1:]
			continue
		}
		f, err := l.o.FS.Open(s.name)
		switch {
		case err == nil && s.err == nil:
			s.err = f.Sync()
			err = errors.Join(s.err, f.Close())
		case err == nil:
			err = errors.Join(s.err, f.Close())
		case gone(err):
			err = nil // retention dropped it
		}
		if err != nil {
			return err
		}
		l.loose = l.loose[1:]
	}
	return nil
}

// settled notes that a sync succeeded. The caller holds mu.
func (l *Log) settled(at mark) {
	l.safe, l.kept, l.nameless = at, at, false
	if at.pos >= l.firm.pos {
		l.firm = at
	}
	if l.o.Sync.kind == syncInterval {
		l.synced = l.env.Clock.Now()
	}
	l.publish()
}

// settle waits until nothing is being carried over.
func (l *Log) settle() {
	l.syncing.Lock()
	defer l.syncing.Unlock()
}

// roll begins a new segment, if the frame in buf still does not fit when it is
// this caller's turn.
func (l *Log) roll() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return appender.ErrClosed
	case l.poison != nil:
		return l.carry(l.at)
	case !l.full():
		return nil
	}
	old := &l.segs[len(l.segs)-1]
	if l.at.pos > l.safe.pos && (l.o.Sync.kind != syncNever || l.stuck() && l.settleLoose() == nil) {
		if err := l.syncFile(l.nameless); err != nil {
			l.poison = err
			return l.carry(l.at)
		}
		l.settled(l.at)
	}
	file, seg, err := l.create(l.at, old.end)
	if err != nil {
		return err
	}
	if l.at.pos > l.safe.pos {
		l.loose = append(l.loose, loose{name: old.name, last: old.last})
	}
	l.turn(file, seg)
	l.at = mark{off: framesBegin, pos: l.at.pos, head: l.at.head}
	l.kept = l.at
	return nil
}

// turn goes over to a new segment. The caller holds both locks.
func (l *Log) turn(file File, seg segment) {
	old := &l.segs[len(l.segs)-1]
	if l.zeroed > old.end || l.poison != nil {
		_ = l.file.Truncate(old.end) // gives room back; what is there does not count
	}
	_ = l.file.Close() // it is synced, or it never was to be
	l.file, l.zeroed, l.filled, l.sealed, l.nameless = file, 0, false, false, l.o.Sync.kind == syncNever
	l.older += old.bytes()
	l.segs = append(l.segs, seg)
}

// create makes the segment that follows, beginning at a position; the one in
// front ends at prevEnd. It changes nothing of the log, and nothing stays of it
// if it fails. The caller holds both locks.
func (l *Log) create(at mark, prevEnd int64) (File, segment, error) {
	prev := uint64(0)
	if n := len(l.segs); n > 0 {
		prev = l.segs[n-1].number
	}
	number := max(prev+1, l.next)
	if number >= maxSegments {
		return nil, segment{}, fmt.Errorf("filelog: %s: no segment can follow number %d: remove the files that are not of this log", l.o.FS.Path(""), number-1)
	}
	s := segment{
		name: segmentName(number), number: number, salt: appender.Mix(l.env.Seed ^ appender.Mix(number^appender.Mix(l.env.Epoch^uint64(l.env.Incarnation)<<32))),
		first: at.pos, last: at.pos, begin: framesBegin, end: framesBegin,
	}
	h := segmentHeader{number: number, prev: prev, salt: s.salt, first: at.pos, head: at.head, prevEnd: prevEnd, durable: l.safe.pos}
	fsys := l.o.FS
	fail := func(err error) (File, segment, error) {
		return nil, segment{}, fmt.Errorf("filelog: making segment %s: %w", fsys.Path(s.name), err)
	}
	f, err := fsys.Create(s.name)
	if err != nil {
		return fail(err)
	}
	undo := func(err error) (File, segment, error) {
		l.next = number + 1 // the name may come back with the power
		return fail(errors.Join(err, f.Close(), fsys.Remove(s.name)))
	}
	var b [framesBegin]byte
	h.encode(b[:])
	if _, err := f.WriteAt(b[:], 0); err != nil {
		return undo(err)
	}
	if l.o.Sync.kind != syncNever || l.file == nil { // or it is being opened
		if err := f.Sync(); err != nil {
			return undo(fmt.Errorf("%w: %w", ErrSync, err))
		}
		if err := fsys.SyncDir(); err != nil {
			return undo(fmt.Errorf("%w: %w", ErrSync, err))
		}
	}
	return f, s, nil
}

// carry writes what is in the file behind the last sync to a new segment, and
// syncs that. The header of the new one says where the old one ends: there,
// whatever a power failure may bring back. Records in front of own that cannot
// be read back are lost, and noted as such in the log and in lost; those from
// own on are just left out. The caller holds both locks.
func (l *Log) carry(own mark) error {
	old := &l.segs[len(l.segs)-1]
	file, seg, err := l.create(mark{pos: l.kept.pos, head: l.kept.head}, l.kept.off)
	if err != nil {
		return err
	}
	at, lost, err := l.copyFrames(old, file, &seg, own)
	if err == nil {
		if err = file.Sync(); err != nil {
			err = fmt.Errorf("%w: %w", ErrSync, err)
		}
	}
	if err == nil && l.o.Sync.kind == syncNever {
		err = l.o.FS.SyncDir() // Flush was asked for
	}
	if err != nil {
		l.next = seg.number + 1
		return errors.Join(err, file.Close(), l.o.FS.Remove(seg.name))
	}
	old.end, old.last = l.kept.off, l.kept.pos
	if old.last == old.first {
		old.newest = 0
	}
	l.turn(file, seg)
	l.poison = nil
	for _, e := range lost {
		l.lose(e)
	}
	l.at, l.sealed = at, false
	l.settled(at)
	return nil
}

// copyFrames copies the frames between the marks kept and at, as far as they can
// be read back, to the beginning of a new segment; lost is what cannot. A frame behind records that
// are lost says that they had been durable: so every reader misses them.
func (l *Log) copyFrames(from *segment, to File, seg *segment, own mark) (at mark, lost []*CorruptError, err error) {
	at = mark{off: framesBegin, pos: l.kept.pos, head: l.kept.head}
	w, err := newWindow(l.file)
	if err != nil {
		return at, nil, err
	}
	put := func(h frameHeader, payload []byte) error {
		b := append(make([]byte, frameHeaderSize, h.size()), payload...)
		b = pad(b)
		h.durable = max(l.safe.pos, h.first)
		if h.first == at.pos {
			h.durable = l.safe.pos
		}
		h.seal(b, seg.salt, at.off)
		if _, err := to.WriteAt(b, at.off); err != nil {
			return err
		}
		at = mark{off: at.off + h.size(), pos: h.first + uint64(h.count), head: max(at.head, h.head)}
		seg.end, seg.last, seg.newest = at.off, at.pos, from.newest
		return nil
	}
	miss := func(off int64, to uint64) {
		if to > at.pos {
			lost = append(lost, &CorruptError{
				Path: l.o.FS.Path(from.name), Offset: off, First: at.pos, Records: to - at.pos,
				Reason: errLost.Error(),
			})
		}
	}
	off := l.kept.off
	for off < l.at.off {
		h, payload, ok, err := w.frame(from.salt, off, l.at.off)
		if err != nil {
			return at, nil, err
		}
		if !ok {
			next, found, err := w.find(from.salt, off+frameAlign, l.at.off, at.pos)
			if err != nil {
				return at, nil, err
			}
			if !found {
				break
			}
			off = next
			continue
		}
		miss(off, h.first)
		if err := put(h, payload); err != nil {
			return at, nil, err
		}
		off += h.size()
	}
	if own.pos > at.pos || at.off == framesBegin { // something must be there: see scanAll
		miss(off, own.pos)
		err = put(frameHeader{first: own.pos, head: own.head}, nil)
	}
	return at, lost, err
}

// headWith is the position of the oldest record retained once a frame is in that
// takes so many bytes and ends at a position. The frame says so: what was dropped
// stays dropped as soon as the frame is as durable as it is to be. The caller
// holds mu.
func (l *Log) headWith(pos uint64, bytes int64) uint64 {
	head := l.at.head
	if c := uint64(l.o.MaxRecords); c > 0 && pos-head > c {
		head = pos - c
	}
	if l.o.MaxBytes <= 0 && l.o.MaxAge <= 0 {
		return head
	}
	bytes += l.older + l.segs[len(l.segs)-1].end
	for i := range l.segs[:len(l.segs)-1] {
		s := &l.segs[i]
		if s.last > head {
			if !(l.o.MaxBytes > 0 && bytes > l.o.MaxBytes) && !l.tooOld(s) {
				break
			}
			head = s.last
		}
		bytes -= s.bytes()
	}
	return head
}

func (l *Log) tooOld(s *segment) bool {
	if l.o.MaxAge <= 0 {
		return false
	}
	return s.newest < uint64(max(l.env.Clock.Wall().Add(-l.o.MaxAge).UnixMilli(), 0))
}

// promised reports whether a segment has something that is durable: records, or
// the last that tells of them. The caller holds mu.
func (l *Log) promised(s *segment) bool { return l.safe.pos > 0 && s.first <= l.safe.pos }

// stuck reports whether the oldest segment is there only because that it was
// dropped is not durable. The caller holds mu.
func (l *Log) stuck() bool {
	s := &l.segs[0]
	return s.last <= l.firm.head && l.promised(s) && s.last > l.safe.head
}

// retain removes the segments that hold nothing that is retained. One with
// something durable goes only once that it is not retained is durable as well:
// or a power failure would take both it and what replaced it. The caller holds
// mu.
func (l *Log) retain() {
	for len(l.segs) > 1 {
		s := &l.segs[0]
		if s.last > l.firm.head || l.promised(s) && s.last > l.safe.head {
			return
		}
		if s.illegible && s.first == s.last && s.last == l.firm.head {
			return // nothing behind it was dropped: it may hold what is retained
		}
		if err := l.o.FS.Remove(s.name); err != nil && !gone(err) {
			return // it is tried again
		}
		l.older -= s.bytes()
		l.segs = append(l.segs[:0], l.segs[1:]...)
	}
}
