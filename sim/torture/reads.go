package torture

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// maxBatch bounds a batch, in records.
const maxBatch = 64

// text is what messages are parts of: bytes of every value, zeros, and what
// looks like the beginning of a segment.
var text = func() string {
	var b strings.Builder
	s := source(1)
	for b.Len() < 16<<10 {
		switch s.below(8) {
		case 0:
			b.Write(make([]byte, s.below(600)))
		case 1:
			b.WriteString("meshlog\x01")
		default:
			for range s.below(600) {
				b.WriteByte(byte(s.next()))
			}
		}
	}
	return b.String()
}()

// batch draws the records of a step. Each has a number that no other ever had.
func (w *world) batch(st *step) []appender.Record {
	s := source(st.seed)
	size := pick(&s, 40, 40, 300, 300, 1200, 2500)
	if st.size > 0 {
		size = st.size
	}
	recs := make([]appender.Record, max(st.n, 1))
	for i := range recs {
		w.seq += 1 + uint64(s.below(2))
		n := s.below(size)
		switch x := s.below(40); {
		case x < 3:
			n = 0
		case x == 3 && st.size == 0:
			n = w.o.maxRecord - 4 + s.below(6) // about the limit
		}
		from := s.below(len(text) - n)
		recs[i] = appender.Record{
			Seq: w.seq, Incarnation: w.incarnation(), Node: pick(&s, "n1", "n1", "n1", "", "n\x00"), Message: text[from : from+n],
			TimeMs: s.next() >> s.below(64), Daemon: s.next() >> s.below(64) >> 1, Level: appender.Level(s.below(5)), Stream: uint8(s.below(3)),
			Flags: uint8(s.below(3)),
		}
	}
	return recs
}

// replay reads the log from its beginning and from a cursor.
func (w *world) replay(s *step) error {
	f, err := w.read(w.l)
	switch {
	case errors.Is(err, errStruck):
		return nil
	case err != nil:
		return fmt.Errorf("replay: %w", err)
	case f.end() != w.m.end() && !(w.m.shaky && f.end() >= w.m.durable):
		return fmt.Errorf("replay ends at position %d instead of %d", f.end(), w.m.end())
	}
	if err := w.m.compare(f); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if w.dead() || w.m.end() == w.m.head {
		return nil
	}
	src := source(s.seed)
	at := w.m.entries[w.m.head+uint64(src.below(int(w.m.end()-w.m.head)))].rec
	from := appender.Cursor{Incarnation: at.Incarnation, Seq: at.Seq + uint64(src.below(2))}
	want := slices.DeleteFunc(f.recs, func(r appender.Record) bool {
		return r.Seq == 0 || r.Incarnation < from.Incarnation || r.Incarnation == from.Incarnation && r.Seq < from.Seq
	})
	var got []appender.Record
	struck := w.within(func() {
		for rec, e := range w.l.Replay(background, from, false) {
			if e == nil {
				got = append(got, rec)
			} else if !errors.As(e, new(*filelog.CorruptError)) {
				err = e
			}
		}
	})
	if err = w.excuse(struck, err); errors.Is(err, errStruck) {
		return nil
	}
	if err != nil || !slices.Equal(got, want) {
		return fmt.Errorf("replay from incarnation %d, number %d, yields %d records, and must yield %d: %v", from.Incarnation, from.Seq, len(got), len(want), err)
	}
	return nil
}

// tail reads beside the log, without its lock and without what it knows.
func (w *world) tail() error {
	m := &w.m
	pos, known, hurt, unknown := uint64(0), false, false, false
	var bad, err error
	one := func(rec *appender.Record) error {
		at, ok := slices.BinarySearchFunc(m.entries, rec.Seq, func(e entry, seq uint64) int {
			if e.rec.Seq < seq {
				return -1
			}
			return min(int(e.rec.Seq-seq), 1)
		})
		switch {
		case !ok && m.ghost(rec):
			unknown = true // and it may drop what is in front of it
			return nil
		case !ok:
			return fmt.Errorf("it returns a record that was never stored: %s", words(rec))
		case m.entries[at].rec != *rec:
			return fmt.Errorf("it returns %s, and was given %s", words(rec), words(&m.entries[at].rec))
		case known && uint64(at) != pos:
			return fmt.Errorf("it returns position %d, where %d comes next", at, pos)
		case !known && !hurt && uint64(at) > m.head && len(m.ghosts) == 0:
			return fmt.Errorf("it begins at position %d instead of %d", at, m.head)
		}
		pos, known = uint64(at)+1, true
		return nil
	}
	struck := w.within(func() {
		for rec, e := range filelog.Read(background, &w.fs, nil, appender.Cursor{}, false) {
			corrupt := (*filelog.CorruptError)(nil)
			switch {
			case errors.As(e, &corrupt):
				hurt = true
				if !m.mayReport(corrupt) {
					bad = fmt.Errorf("it reports damage, and none was done: %w", e)
				}
				pos, known = corrupt.First+corrupt.Records, corrupt.Records > 0
			case e != nil:
				err = e
			case bad == nil:
				bad = one(&rec)
			}
		}
	})
	err = w.excuse(struck, err)
	switch {
	case errors.Is(err, errStruck) || w.dead():
		return nil
	case bad == nil && err == nil && !hurt && !unknown && !m.shaky && !m.flipped && pos < m.end() && m.head < m.end():
		bad = fmt.Errorf("it ends at position %d instead of %d", pos, m.end())
	}
	if err = errors.Join(bad, err); err != nil {
		return fmt.Errorf("reading beside the log: %w", err)
	}
	return nil
}

// ghost reports whether a record is of a batch whose outcome is unknown.
func (m *model) ghost(rec *appender.Record) bool {
	return slices.ContainsFunc(m.ghosts, func(g ghost) bool { return slices.Contains(g.recs, *rec) })
}

// intrude opens a second log, which must be refused.
func (w *world) intrude() error {
	var err error
	struck := w.within(func() {
		var l log
		if l, err = w.opener(background, w.options(), w.env()); err == nil {
			err = errors.Join(errors.New("it opens"), l.Close())
		}
	})
	if struck || errors.Is(err, filelog.ErrLocked) {
		return nil
	}
	return fmt.Errorf("a second log where one is open: %w", err)
}
