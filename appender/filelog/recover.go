package filelog

import (
	"fmt"
	"slices"
)

// Recovery is what opening a log found besides whole records.
type Recovery struct {
	// Records is how many the log holds, First the position of the oldest, and
	// Segments how many files they are in.
	Records, First uint64
	Segments       int
	// Torn is how many bytes behind the last whole record were cut off: what
	// was being written when the process died, or was not yet synced when the
	// power failed. TornPath and TornOffset say where.
	Torn       int64
	TornPath   string
	TornOffset int64
	// Damage lists what is lost though it had been made durable. Never part of
	// it is a record that was merely not synced.
	Damage []*CorruptError
}

// Clean reports whether the log was found as it had been left.
func (r *Recovery) Clean() bool { return r.Torn == 0 && len(r.Damage) == 0 }

// String is the recovery on one line, for people.
func (r *Recovery) String() string {
	s := fmt.Sprintf("%d records in %d segments", r.Records, r.Segments)
	if r.Torn > 0 {
		s += fmt.Sprintf("; torn tail: %d bytes cut off %s at offset %d", r.Torn, r.TornPath, r.TornOffset)
	}
	for _, d := range r.Damage {
		s += "; " + d.Error()
	}
	return s
}

// chain is a directory's log, as far as it is to be believed.
type chain struct {
	segs       []*scanned // with their spans cut to what counts
	head, last uint64     // positions of the oldest record, and behind the newest
	durable    uint64     // position that something that counts knows to be durable
	told       uint64     // position of the oldest record, as far as what counts tells
	lastSeq    uint64
	report     Recovery
	// upTo is, for reports without a length, the position up to which records that
	// are dropped take the report with them.
	upTo map[*CorruptError]uint64
	// surplus are those behind a torn end, and blank ones.
	surplus []*scanned
}

// judge decides what of the segments counts. Going from the oldest span to the
// newest, each must begin where the one before ended. In front of a gap, what
// is behind it says whether the missing records had been durable: if so they
// are damaged, and what is behind the gap counts; if not, the gap is where the
// power failed, and nothing behind it counts, so that what counts is always a
// prefix of what was appended.
//
// lax says that not even the headers of segments were synced before frames were
// written behind them.
func judge(fsys FS, all []*scanned, lax bool) *chain {
	c := &chain{upTo: map[*CorruptError]uint64{}}
	all = slices.DeleteFunc(all, func(s *scanned) bool {
		none := s.blank || s.unmade
		if none {
			// The machine stopped while the segment was being made, or it could not
			// be made.
			c.surplus = append(c.surplus, s)
		}
		return none
	})
	known, most := know(all, lax)
	c.last = c.walk(fsys, all, known, lax)
	c.front(fsys, most)
	c.report.First, c.report.Records, c.report.Segments = c.head, c.last-c.head, len(c.segs)
	return c
}

// know goes from the newest to the oldest: what does everything from a span on
// know? most is all of it.
func know(all []*scanned, lax bool) (known [][]knowledge, most knowledge) {
	known = make([][]knowledge, len(all))
	var k knowledge
	var behind *span
	hidden := false // a segment that nobody can read is in between
	for i, s := range slices.Backward(all) {
		known[i] = make([]knowledge, len(s.spans))
		hidden = hidden || s.unreadable
		for j := len(s.spans) - 1; j >= 0; j-- {
			sp := &s.spans[j]
			if behind != nil && behind.first > max(sp.last, k.head) && k.durable <= sp.last && (lax || !hidden) {
				k.head = 0 // it will be cut off, and what it dropped is dropped no more
			}
			k.durable, k.head = max(k.durable, sp.durable), max(k.head, sp.head)
			most.durable, most.head = max(most.durable, sp.durable), max(most.head, sp.head)
			known[i][j] = k
			behind, hidden = sp, false
		}
	}
	return known, most
}

// walk goes from span to span, and returns the position behind the last that
// counts.
func (c *chain) walk(fsys FS, all []*scanned, known [][]knowledge, lax bool) (pos uint64) {
	var lost *CorruptError // in front of pos, of a length not known yet
	begun := false
	for i, s := range all {
		if s.unreadable {
			e, ended := c.headless(fsys, all, i, pos, knownBehind(known, i), lax)
			if ended {
				return pos
			}
			if e != nil {
				lost = e
			}
			continue
		}
		if begun && !s.entered() && s.header.first < pos {
			s.unmade = true
			c.surplus = append(c.surplus, s)
			continue
		}
		s.mend = s.hurt
		unsynced := lax && known[i][0].durable <= s.header.first ||
			s.last().last == s.header.first && nothingMissed(all[i+1:], s.header.first) ||
			!s.entered() && s.ends < 0 // it was being made
		if s.hurt && !unsynced {
			e := c.damaged(&CorruptError{
				Path: fsys.Path(s.name), First: s.header.first, Seq: c.lastSeq,
				Reason: "one of the two copies of the segment's header is not whole; nothing is lost by it",
			})
			c.upTo[e] = max(s.last().last, 1)
		}
		for j := range s.spans {
			sp := &s.spans[j]
			switch {
			case sp.first < pos:
				continue // what a failed sync left behind: it was carried over
			case lost != nil:
				lost.Records = sp.first - pos
			case !begun || sp.first == pos:
			case known[i][j].head >= sp.first:
				// Retention removed what is missing, and not yet, or not for
				// good, what is in front of it.
				c.head = max(c.head, sp.first)
			case known[i][j].durable > pos:
				c.gap(fsys, all, i, j, pos, sp)
			default:
				c.cutAt(all, i, j)
				return pos
			}
			begun, lost = true, nil
			pos = sp.last
			c.head, c.durable, c.told = max(c.head, sp.head), max(c.durable, sp.durable), max(c.told, sp.head)
			if sp.last > sp.first {
				c.lastSeq = sp.lastSeq
			}
		}
		c.segs = append(c.segs, s)
	}
	return pos
}

// headless decides what the i-th segment is, whose header is not whole: what is in
// front of it ends at pos. It returns what it reports, and whether nothing from it
// on counts.
func (c *chain) headless(fsys FS, all []*scanned, i int, pos uint64, behind knowledge, lax bool) (_ *CorruptError, ended bool) {
	s := all[i]
	unsynced := lax && s.ends != 0 && behind.durable <= pos
	switch {
	case s.ends >= framesBegin && nothingMissed(all[i+1:], pos):
		c.segs = append(c.segs, s) // a failed sync has left nothing of it
		return nil, false
	case unsynced && nothingMissed(all[i+1:], behind.head):
		s.unmade = true // it was dropped before it was synced
		c.surplus = append(c.surplus, s)
		return nil, false
	case unsynced:
		c.surplus = append(c.surplus, all[i:]...)
		return nil, true
	}
	e := c.damaged(&CorruptError{
		Path: fsys.Path(s.name), First: pos, Seq: c.lastSeq, Reason: "the segment's header is not whole",
	})
	c.upTo[e] = pos + 1
	c.segs = append(c.segs, s)
	return e, false
}

// front compares where the log begins with where it is to begin.
func (c *chain) front(fsys FS, known knowledge) {
	c.head = min(c.head, c.last)
	// What was lost, but would be dropped by now, is not missed.
	c.report.Damage = slices.DeleteFunc(c.report.Damage, func(e *CorruptError) bool {
		if e.Records == 0 {
			return c.upTo[e] <= c.head
		}
		if dropped := min(max(c.head, e.First)-e.First, e.Records); dropped > 0 {
			e.First, e.Records = e.First+dropped, e.Records-dropped
		}
		return e.Records == 0
	})
	i := slices.IndexFunc(c.segs, func(s *scanned) bool { return !s.unreadable })
	if i < 0 {
		return
	}
	switch first := c.segs[i].header.first; {
	case i > 0 || first <= c.head:
	case known.durable > c.head:
		c.report.Damage = slices.Insert(c.report.Damage, 0, &CorruptError{
			Path: fsys.Path(c.segs[0].name), Offset: framesBegin, First: c.head, Records: first - c.head, Reason: "the segment in front is gone",
		})
	case known.head >= first:
		c.head = first // the oldest were dropped, and it was not durable which
	default:
		// Nothing says that what was in front was dropped, so the power failed
		// before it was durable: what is here does not count either.
		c.surplus, c.segs = append(c.segs, c.surplus...), nil
		c.head, c.last, c.lastSeq = 0, 0, 0
	}
}

// nothingMissed reports whether the first segment that counts goes on at or in
// front of a position.
func nothingMissed(behind []*scanned, pos uint64) bool {
	for _, s := range behind {
		if !s.unreadable && s.entered() {
			return s.header.first <= pos
		}
	}
	return false
}

// knowledge is the most that anything from a span on says.
type knowledge struct{ durable, head uint64 }

// knownBehind is what the segments behind the i-th know.
func knownBehind(known [][]knowledge, i int) knowledge {
	for _, k := range known[i+1:] {
		if len(k) > 0 {
			return k[0]
		}
	}
	return knowledge{}
}

func (c *chain) damaged(e *CorruptError) *CorruptError {
	c.report.Damage = append(c.report.Damage, e)
	return e
}

// gap reports that the records from pos up to a span are lost.
func (c *chain) gap(fsys FS, all []*scanned, i, j int, pos uint64, sp *span) {
	at := all[i]
	offset := int64(framesBegin)
	switch {
	case j > 0:
		offset = at.spans[j-1].end
	case i > 0 && !all[i-1].unreadable:
		at = all[i-1]
		offset = at.last().end
	}
	reason := "no whole frame is there"
	if j == 0 && i > 0 && all[i-1].number != all[i].header.prev {
		reason = "the segment that follows is gone"
	} else if j == 0 && i == 0 {
		reason = "the segment in front is gone"
	}
	c.damaged(&CorruptError{
		Path: fsys.Path(at.name), Offset: offset, First: pos, Records: sp.first - pos, Seq: c.lastSeq, Reason: reason,
	})
}

// cutAt ends the chain in front of a span.
func (c *chain) cutAt(all []*scanned, i, j int) {
	if j > 0 {
		all[i].spans = all[i].spans[:j]
		c.segs = append(c.segs, all[i])
		i++
	}
	c.surplus = append(c.surplus, all[i:]...)
}
