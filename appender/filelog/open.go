package filelog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"meshsim/appender"
)

// Open opens the log in o.FS, and makes one where there is none. It reads all
// of it, checks every checksum, and cuts a torn tail off; [Log.Recovery] says
// what was found. Damage elsewhere is a [CorruptError], in Recovery or, with
// [Refuse], as the error. A log that is open already fails with [ErrLocked].
//
// env's Seed salts the checksums. Its Clock is needed for [SyncInterval],
// Options.MaxAge and for following a replay.
func Open(ctx context.Context, o Options, env appender.Env) (_ *Log, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if env.Clock == nil && (o.Sync.kind == syncInterval || o.MaxAge > 0) {
		panic("filelog: an interval or an age is asked for, and Env.Clock is nil")
	}
	lock, err := o.FS.Lock()
	if err != nil {
		return nil, fmt.Errorf("filelog: opening %s: %w", o.FS.Path(""), err)
	}
	l := &Log{o: o, env: env, lock: lock}
	defer func() {
		if err != nil {
			if !l.found.Clean() && o.Damage != Refuse {
				// The next opening may not see it any more.
				err = fmt.Errorf("%w; it had found %s", err, &l.found)
			}
			if l.file != nil {
				err = errors.Join(err, l.file.Close())
			}
			err = errors.Join(err, lock.Close())
		}
	}()
	all, err := scanAll(o.FS)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if s.number-l.next <= math.MaxUint32 { // or it is none of the log's
			l.next = s.number + 1
		}
	}
	lax, err := l.wasLax()
	if err != nil {
		return nil, err
	}
	c := judge(o.FS, all, lax)
	l.found = c.report
	if len(l.found.Damage) > 0 && o.Damage == Refuse {
		return nil, l.found.Damage[0]
	}
	if err := l.declare(lax); err != nil {
		return nil, err
	}
	if err := l.adopt(c); err != nil {
		return nil, err
	}
	if lax && o.Sync.kind != syncNever {
		// All is safe now.
		if err := errors.Join(o.FS.Remove(laxName), o.FS.SyncDir()); err != nil {
			return nil, fmt.Errorf("filelog: opening %s: %w", o.FS.Path(""), err)
		}
	}
	if l.env.Clock != nil {
		l.synced = l.env.Clock.Now()
	}
	l.publish()
	return l, nil
}

// Opener opens the log in o.FS, whatever the node.
func Opener(o Options) appender.Opener {
	return func(ctx context.Context, env appender.Env) (appender.Appender, error) {
		l, err := Open(ctx, o, env)
		if err != nil {
			return nil, err // not a nil *Log
		}
		return l, nil
	}
}

// DirOpener opens a log per node, in the directory of its name in dir; o.FS is
// not used.
func DirOpener(dir string, o Options) appender.Opener {
	return func(ctx context.Context, env appender.Env) (appender.Appender, error) {
		fsys, err := NodeDir(dir, env.Node)
		if err != nil {
			return nil, err
		}
		o := o
		o.FS = fsys
		return Opener(o)(ctx, env)
	}
}

// laxName is a file that is there while a log is written that does not sync: then
// not even the headers of segments are durable before frames are written behind
// them, whatever the policy of the log that finds them after a power failure.
const laxName = "nosync"

// wasLax reports whether the log was written without syncs.
func (l *Log) wasLax() (bool, error) {
	names, err := l.o.FS.List()
	if err != nil {
		return false, fmt.Errorf("filelog: listing %s: %w", l.o.FS.Path(""), err)
	}
	return slices.Contains(names, laxName), nil
}

// declare makes the file of that name, if there is to be one. It is durable with
// the names of segments.
func (l *Log) declare(lax bool) error {
	if lax || l.o.Sync.kind != syncNever {
		return nil
	}
	f, err := l.o.FS.Create(laxName)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return fmt.Errorf("filelog: opening %s: %w", l.o.FS.Path(""), err)
	}
	return nil
}

// adopt makes what was found the log's, and leaves nothing behind that does not
// count.
func (l *Log) adopt(c *chain) error {
	for _, s := range c.segs {
		seg := segment{name: s.name, number: s.number, salt: s.header.salt, newest: s.newest, begin: framesBegin, illegible: s.unreadable && s.ends <= 0}
		if !s.unreadable {
			seg.first, seg.last, seg.end = s.header.first, s.last().last, s.last().end
		} else {
			// It is as old as the next that tells.
			seg.size, seg.newest = s.size, math.MaxUint64
			if n := len(l.segs); n > 0 {
				seg.first, seg.last = l.segs[n-1].last, l.segs[n-1].last
			}
		}
		if n := len(l.segs); n > 0 && !s.unreadable {
			// What is lost at the end of a segment belongs to it.
			l.segs[n-1].last = max(l.segs[n-1].last, seg.first)
			for i := n - 1; i >= 0 && l.segs[i].newest == math.MaxUint64; i-- {
				l.segs[i].newest, l.segs[i].last = seg.newest, l.segs[n-1].last
			}
		}
		l.segs = append(l.segs, seg)
	}
	damaged := len(c.report.Damage) > 0
	if !damaged {
		if err := l.clear(c); err != nil { // first, for the room
			return err
		}
	}
	l.at = mark{pos: c.last, head: c.head}
	if err := l.secure(c); err != nil {
		return err
	}
	if n := len(c.segs); n > 0 {
		if err := l.resume(c, c.segs[n-1]); err != nil {
			return err
		}
	}
	made := l.file == nil
	if made {
		prevEnd := int64(0)
		if n := len(l.segs); n > 0 {
			prevEnd = l.segs[n-1].end
		}
		l.safe = mark{off: framesBegin, pos: c.last, head: c.head}
		l.at.off = framesBegin
		file, seg, err := l.create(l.at, prevEnd)
		if err != nil {
			return err
		}
		l.file, l.segs = file, append(l.segs, seg)
	}
	l.safe, l.kept, l.firm = l.at, l.at, l.at
	for i := range l.segs[:len(l.segs)-1] {
		l.older += l.segs[i].bytes()
	}
	if made && len(l.segs) > 1 || !made && l.at.off > framesBegin && !l.sealed {
		// So that a new segment counts from here on, and that all that was found is
		// known to be durable, whatever becomes of the segments that told of it.
		if err := l.seal(); err != nil && (made || damaged || errors.Is(err, ErrSync)) {
			return err
		}
	}
	if damaged {
		if err := l.clear(c); err != nil {
			return err
		}
	}
	l.found.Segments = len(l.segs)
	return nil
}

// clear removes the segments that do not count. The newest first: what a crash
// leaves of this is a log that is torn at the same place.
func (l *Log) clear(c *chain) error {
	fsys := l.o.FS
	for _, s := range slices.Backward(c.surplus) {
		if !s.unmade {
			l.found.torn(fsys.Path(s.name), 0, s.size)
		}
		if err := fsys.Remove(s.name); err != nil {
			return fmt.Errorf("filelog: removing what is torn: %w", err)
		}
	}
	if len(c.surplus) == 0 {
		return nil
	}
	if err := fsys.SyncDir(); err != nil {
		return fmt.Errorf("filelog: removing what is torn: %w", err)
	}
	return nil
}

// secure makes what was found safe, and with it every name: it may be in the
// page cache alone.
func (l *Log) secure(c *chain) error {
	if len(c.segs) == 0 {
		return nil
	}
	for _, s := range c.segs[:len(c.segs)-1] {
		if s.unreadable || s.last().last <= c.durable && !s.mend {
			continue
		}
		f, err := l.o.FS.Open(s.name)
		if err == nil {
			err = errors.Join(l.rewrite(f, s, c.durable), f.Close())
		}
		if err != nil {
			return fmt.Errorf("filelog: opening %s: %w", l.o.FS.Path(s.name), err)
		}
	}
	if err := l.o.FS.SyncDir(); err != nil {
		return fmt.Errorf("filelog: opening %s: %w: %w", l.o.FS.Path(""), ErrSync, err)
	}
	return nil
}

// rewrite writes the frames of a segment that are not known to be durable once
// more, and syncs them. A sync alone would not do: one that failed, before the
// last process died, has left pages that are clean, and not on the disk.
func (l *Log) rewrite(f File, s *scanned, durable uint64) error {
	w, err := newWindow(f)
	if err != nil {
		return err
	}
	if s.mend {
		var b [framesBegin]byte
		s.header.encode(b[:])
		if _, err := f.WriteAt(b[:], 0); err != nil {
			return err
		}
	}
	off := int64(0)
	if durable > s.header.first {
		for off = framesBegin; off < s.last().end; {
			h, _, ok, err := w.frame(s.header.salt, off, s.last().end)
			if err != nil {
				return err
			}
			if !ok || h.first+uint64(h.count) > durable {
				break // or damaged: what follows is written as it is
			}
			off += h.size()
		}
	}
	for end := s.last().end; off < end; {
		b, err := w.at(off, min(windowBytes, end-off))
		if err == nil && len(b) == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			_, err = f.WriteAt(b, off)
		}
		if err != nil {
			return err
		}
		off += int64(len(b))
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("%w: %w", ErrSync, err)
	}
	return nil
}

// resume makes the last segment safe, and the one written to. Nothing is appended
// to one that is damaged, nor to one with something torn behind its last frame: to
// cut it off would not do, it might come back. The next segment says where this
// one ends. Nor is it resumed where nothing that counts tells what was dropped: the
// header of the next will.
func (l *Log) resume(c *chain, s *scanned) error {
	if s.unreadable {
		return nil
	}
	fsys, end := l.o.FS, s.last().end
	f, err := fsys.Open(s.name)
	if err != nil {
		return fmt.Errorf("filelog: opening %s: %w", fsys.Path(s.name), err)
	}
	fail := func(err error) error {
		return fmt.Errorf("filelog: opening %s: %w", fsys.Path(s.name), errors.Join(err, f.Close()))
	}
	w, err := newWindow(f)
	if err != nil {
		return fail(err)
	}
	torn, err := w.garbage(end)
	if err != nil {
		return fail(err)
	}
	l.found.torn(fsys.Path(s.name), end, torn-end)
	ended := s.gapped() || torn > end || c.head > c.told
	if w.size > end && !ended {
		if err := f.Truncate(end); err != nil {
			return fail(err)
		}
	}
	if err := l.rewrite(f, s, c.durable); err != nil {
		return fail(err)
	}
	if ended {
		return f.Close()
	}
	l.file, l.at.off = f, end
	l.sealed = s.last().records < end
	return nil
}

// gapped reports whether records are missing within it.
func (s *scanned) gapped() bool {
	for i := 1; i < len(s.spans); i++ {
		if s.spans[i].first != s.spans[i-1].last {
			return true
		}
	}
	return false
}

// torn adds to what was cut off.
func (r *Recovery) torn(path string, offset, bytes int64) {
	if bytes > 0 {
		r.Torn += bytes
		r.TornPath, r.TornOffset = path, offset
	}
}
