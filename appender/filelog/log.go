package filelog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"meshsim/appender"
)

// Log is an open log. It takes records of any node, incarnation and stream, in
// the order in which they are appended.
//
// It is safe for concurrent use; callers that wait for the disk at the same
// time share a sync. Stats, Position, Dropped and Recovery never wait for the
// disk, all else does: an FS call that hangs keeps every later call waiting.
type Log struct {
	o    Options
	env  appender.Env
	lock io.Closer
	// found is what opening found.
	found Recovery

	// syncing is held while the file is synced or changed for another; it
	// comes before mu. It guards loose.
	syncing sync.Mutex
	loose   []loose
	// mu is held while a frame is written. It guards what follows.
	mu     sync.Mutex
	closed bool
	segs   []segment // oldest first; the last is the one written to
	file   File      // its file
	zeroed int64     // up to where the file is filled with zeros
	filled bool      // it is not to be filled any further
	older  int64     // bytes of the segments in front of it
	// buf is the next frame, with its padding; payload of it are records.
	buf     []byte
	payload int
	at      mark // where the next frame goes
	safe    mark // up to where records survive a power failure
	// firm is up to where no frame is taken back any more: at, without those whose
	// sync is on its way.
	firm mark
	// kept is up to where what is in the file is synced: safe, unless that is
	// in a segment before.
	kept   mark
	synced time.Duration
	next   uint64 // least number of the next segment
	// sealed: behind the last frame stands a seal.
	sealed bool
	// nameless: the name of the segment that is written to is not durable yet.
	nameless bool
	// poison is the failure of a sync: nothing is written to the file any more,
	// and what is in it behind safe is carried over to a new one first.
	poison error
	// lost is what carrying over has lost, until a Flush or Close tells it and
	// no append is left that it may concern.
	lost    []loss
	waiting int // appends and flushes in sync

	end, durable, oldest atomic.Uint64 // positions
	accepted, failed     atomic.Uint64
}

// mark is a place between two frames of the segment that is written to.
type mark struct {
	off  int64
	pos  uint64
	head uint64
}

// segment is what is known of one without looking.
type segment struct {
	name   string
	number uint64
	salt   uint64
	first  uint64 // positions
	last   uint64
	begin  int64
	end    int64
	newest uint64 // TimeMs of its last record
	// illegible: its header is damaged, and nothing tells what was in it.
	illegible bool
	size      int64 // of the file, where the header is damaged: end is 0
}

// bytes is what retention counts.
func (s *segment) bytes() int64 { return max(s.end, s.size) }

// loose is a segment that was left without a sync, under [SyncNever].
type loose struct {
	name string
	last uint64 // position behind its last record
	err  error  // its sync has failed
}

var (
	_ appender.BatchAppender = (*Log)(nil)
	_ appender.Flusher       = (*Log)(nil)
	_ appender.Replayer      = (*Log)(nil)
	_ appender.Positioner    = (*Log)(nil)
	_ appender.Statser       = (*Log)(nil)
	_ io.Closer              = (*Log)(nil)
)

// Append stores rec, as durably as the sync policy says.
func (l *Log) Append(ctx context.Context, rec appender.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// The array stays on the stack: nothing keeps it.
	one := [1]appender.Record{rec}
	_, err := l.append(one[:])
	return err
}

// AppendBatch stores recs as one frame, all or none of it. A batch of some
// megabytes is several frames. A record that is too large fails alone: those
// before it are stored.
//
// An error with [appender.ErrUnknownOutcome] in it says that a sync failed:
// records from recs[n] on may be found at the next opening. To try them again
// on this log stores them once.
func (l *Log) AppendBatch(ctx context.Context, recs []appender.Record) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return l.append(recs)
}

func (l *Log) append(recs []appender.Record) (n int, err error) {
	for n < len(recs) && err == nil {
		var stored int
		stored, err = l.appendFrame(recs[n:])
		n += stored
	}
	l.accepted.Add(uint64(n))
	if err != nil {
		l.failed.Add(1)
		return n, &appender.AppendError{Sink: "filelog", Node: recs[n].Node, Seq: recs[n].Seq, Err: err}
	}
	return n, nil
}

// appendFrame stores as many of recs as go into one frame.
func (l *Log) appendFrame(recs []appender.Record) (int, error) {
	l.mu.Lock()
	if err := l.ready(); err != nil {
		l.mu.Unlock()
		return 0, err
	}
	n, err := l.encode(recs)
	for n > 0 && err == nil && l.full() {
		// Another caller may come in between, and fill the next as well.
		l.mu.Unlock()
		err = l.roll()
		l.mu.Lock()
		if err == nil {
			if err = l.ready(); err == nil {
				n, err = l.encode(recs)
			}
		}
	}
	if n == 0 || err != nil {
		l.mu.Unlock()
		return 0, err
	}
	before, number := l.at, l.segs[len(l.segs)-1].number
	if err = l.write(recs[:n]); err != nil {
		l.mu.Unlock()
		return 0, err
	}
	after, due := l.at, l.due()
	if due {
		l.waiting++
	} else {
		l.firm = after
		l.publish()
	}
	l.mu.Unlock()
	if due {
		if err := l.sync(before, after, number); err != nil {
			return 0, err
		}
	}
	l.mu.Lock()
	l.retain()
	l.mu.Unlock()
	return n, nil
}

// ready reports what keeps the log from taking anything. The caller holds mu.
func (l *Log) ready() error {
	if l.closed {
		return appender.ErrClosed
	}
	return nil
}

// encode lays a frame of recs, or of the first of them, out in buf. The caller
// holds mu.
func (l *Log) encode(recs []appender.Record) (n int, err error) {
	var zero appender.Record
	b := append(l.buf[:0], zeros[:frameHeaderSize]...)
	prev := &zero
	for i := range recs {
		rec := &recs[i]
		if size := len(rec.Node) + len(rec.Message); size > l.o.MaxRecordBytes {
			err = fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, size, l.o.MaxRecordBytes)
			break
		}
		if i > 0 && len(b)+len(rec.Node)+len(rec.Message) > splitPayload {
			break
		}
		b = appendRecord(b, rec, prev)
		prev = rec
		n++
	}
	if n > 0 {
		err = nil // it concerns a later one
	}
	l.payload = len(b) - frameHeaderSize
	l.buf = pad(b)
	return n, err
}

// full reports whether the frame in buf belongs into a new segment. The caller
// holds mu.
func (l *Log) full() bool {
	return l.poison != nil || l.at.off > framesBegin && l.at.off+int64(len(l.buf)) > l.o.SegmentBytes
}

// write puts the frame in buf, of recs, into the file. The caller holds mu.
func (l *Log) write(recs []appender.Record) error {
	s := &l.segs[len(l.segs)-1]
	after := mark{off: l.at.off + int64(len(l.buf)), pos: l.at.pos + uint64(len(recs)), head: l.at.head}
	after.head = l.headWith(after.pos, int64(len(l.buf)))
	h := frameHeader{
		payload: uint32(l.payload), count: uint32(len(recs)), first: l.at.pos, head: after.head, durable: l.safe.pos,
		firstSeq: recs[0].Seq,
	}
	h.seal(l.buf, s.salt, l.at.off)
	// A frame that is written in part is not one: its checksum says so. The
	// next goes to the same place.
	if n, err := l.file.WriteAt(l.buf, l.at.off); err != nil || n < len(l.buf) {
		switch {
		case err == nil:
			err = io.ErrShortWrite
		case n == len(l.buf):
			err = fmt.Errorf("%w: %w", appender.ErrUnknownOutcome, err) // it is whole, until the next is written
		}
		return fmt.Errorf("filelog: writing %s at %d: %w", l.o.FS.Path(s.name), l.at.off, err)
	}
	l.at, l.sealed = after, false
	s.end, s.last, s.newest = after.off, after.pos, recs[len(recs)-1].TimeMs
	l.fill()
	return nil
}

// publish shows the positions to whoever does not take mu.
func (l *Log) publish() {
	l.oldest.Store(l.firm.head)
	l.end.Store(l.firm.pos)
	l.durable.Store(min(l.safe.pos, l.firm.pos))
}

// fillBytes is how far ahead a file is filled with zeros.
const fillBytes = 1 << 20

// fill keeps the file filled with zeros behind the last frame, where it is going
// to be synced: a sync that need not make a new size durable as well costs about
// half. It is done for speed alone, and behind the frame, so that what it takes of
// the last room comes to the frames that follow. The caller holds mu.
func (l *Log) fill() {
	end := l.at.off
	if l.o.Sync.kind == syncNever || end <= l.zeroed || l.filled {
		return
	}
	to := min(end+fillBytes, l.o.SegmentBytes)
	if to <= end {
		return
	}
	n, err := l.file.WriteAt(zeros[:to-end], end)
	l.zeroed, l.filled = end+int64(n), err != nil
}

var zeros [fillBytes]byte

// due reports whether the policy asks for a sync now. The caller holds mu.
func (l *Log) due() bool {
	switch l.o.Sync.kind {
	case syncAlways:
		return true
	case syncEvery:
		return l.at.pos-l.safe.pos >= l.o.Sync.every
	case syncInterval:
		return l.env.Clock.Now()-l.synced >= l.o.Sync.after
	}
	return false
}

// Flush makes every record acknowledged so far durable, whatever the policy.
func (l *Log) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil // closing flushed it
	}
	after, number := l.firm, l.segs[len(l.segs)-1].number
	l.waiting++
	l.mu.Unlock()
	if err := l.sync(after, after, number); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retain()
	return l.tell()
}

// Close syncs, closes the file and lets other logs in. It is idempotent. An
// error says that what was not synced may not be durable, see [ErrSync]; the
// log is closed all the same.
func (l *Log) Close() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var err error
	switch {
	case l.poison != nil:
		err = errors.Join(l.carry(l.at), l.tell())
	default:
		err = errors.Join(l.finish(), l.tell())
	}
	if err == nil && l.sealed && !l.nameless && l.o.Sync.kind == syncNever {
		// All is safe now, and says so: what is damaged from here on is no torn tail.
		if e := l.o.FS.Remove(laxName); e == nil {
			_ = l.o.FS.SyncDir()
		}
	}
	return errors.Join(err, l.file.Close(), l.lock.Close())
}

// finish makes everything durable, for the last time. The caller holds both
// locks.
func (l *Log) finish() error {
	s := &l.segs[len(l.segs)-1]
	var err error
	if l.zeroed > s.end {
		err = l.file.Truncate(s.end)
	}
	if l.at.pos > l.safe.pos || l.zeroed > s.end {
		if err = errors.Join(err, l.settleLoose()); err == nil {
			err = l.syncFile(l.nameless)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrSync, err)
		}
		l.settled(l.at)
	}
	if !l.sealed {
		_ = l.seal() // without it, all is as durable
	}
	return nil
}

// seal notes in the file that all of it is durable, so that damage to the last
// frames is told from a torn tail. The caller holds both locks.
func (l *Log) seal() error {
	s := &l.segs[len(l.segs)-1]
	h := frameHeader{first: l.at.pos, head: l.at.head, durable: l.safe.pos}
	b := pad(make([]byte, frameHeaderSize, h.size()))
	h.seal(b, s.salt, l.at.off)
	n, err := l.file.WriteAt(b, l.at.off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return errors.Join(fmt.Errorf("filelog: writing %s at %d: %w", l.o.FS.Path(s.name), l.at.off, err), l.file.Truncate(l.at.off))
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("filelog: sealing %s: %w: %w", l.o.FS.Path(s.name), ErrSync, err)
	}
	l.at.off += h.size()
	l.kept.off, s.end, l.sealed = l.at.off, l.at.off, true
	return nil
}

// Stats counts since the log was opened. Delivered is what was acknowledged;
// what retention drops later was delivered all the same, see [Log.Dropped].
func (l *Log) Stats() appender.Stats {
	n := l.accepted.Load()
	return appender.Stats{Accepted: n, Delivered: n, Failed: l.failed.Load()}
}

// Position counts the records of the log from its very first.
func (l *Log) Position() (end, durable uint64) {
	// durable first: the other only grows meanwhile.
	durable = l.durable.Load()
	end = l.end.Load()
	return end, min(durable, end)
}

// Dropped counts the records that retention dropped, over all openings of the
// log. The log holds those from there to Position.
func (l *Log) Dropped() uint64 { return l.oldest.Load() }

// Recovery is what opening found.
func (l *Log) Recovery() Recovery { return l.found }
