package torture

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

// entry is a record that was acknowledged, at its position.
type entry struct {
	rec appender.Record
	// last: of its batch.
	last bool
	// head is the position of the oldest record retained once it was in.
	head uint64
	// doubt: a sync failed that was to make it durable. It may be lost, if that is
	// reported, until it has been read back.
	doubt bool
	// lost: that it is lost was reported.
	lost bool
}

// ghost is a batch whose outcome is unknown: the position at which it may be, and
// that of the oldest record retained if it is: at least, where retention is by
// bytes.
type ghost struct {
	at    uint64
	recs  []appender.Record
	head  uint64
	bytes bool
}

func (g *ghost) end() uint64 { return g.at + uint64(len(g.recs)) }

// model is what a log must hold.
type model struct {
	entries []entry
	head    uint64 // position of the oldest record retained
	max     int    // how many are, 0 if there is no limit
	bytes   bool   // bytes are limited as well
	durable uint64 // position up to which records survive a power failure
	// ghosts are batches whose outcome is unknown: at the next opening one of
	// them may be found, whole, in the place of entries that were not durable.
	ghosts []ghost
	// shaky: a sync failed, and what was not durable then is not yet.
	shaky bool
	// unread: a sync failed, and what is in doubt has not been read since.
	unread bool
	// power: it failed since the last opening. struck: or something else did.
	power, struck bool
	// told: no opening has ended early since the last that did not: it may have
	// found, cut off and reported what this one does not see any more.
	told bool
	// flipped: a bit turned since the last opening. hurt is the position up to
	// which records may be damaged by earlier ones.
	flipped  bool
	hurt     uint64
	hurtOnce bool // the same, where no record is concerned
	tally    Tally
}

func (m *model) end() uint64 { return uint64(len(m.entries)) }

// headWith is the position of the oldest record retained once n more are in.
func (m *model) headWith(n int) uint64 {
	end := m.end() + uint64(n)
	if c := uint64(m.max); c > 0 && end > c {
		return max(m.head, end-c)
	}
	return m.head
}

// stored notes a batch that is there.
func (m *model) stored(recs []appender.Record) {
	if len(recs) > 0 {
		m.put(recs, m.headWith(len(recs)))
	}
}

func (m *model) put(recs []appender.Record, head uint64) {
	m.head = head
	for i, rec := range recs {
		m.entries = append(m.entries, entry{rec: rec, last: i == len(recs)-1, head: head})
	}
}

// saved notes that records are durable up to a position.
func (m *model) saved(durable uint64) {
	m.durable = durable
	m.ghosts = slices.DeleteFunc(m.ghosts, func(g ghost) bool { return g.at < durable })
}

// unknown notes a batch that may be there.
func (m *model) unknown(recs []appender.Record) {
	m.ghosts = append(m.ghosts, ghost{m.end(), recs, m.headWith(len(recs)), m.bytes})
}

// headAt is the oldest position retained when the log ended at one.
func (m *model) headAt(end uint64) uint64 {
	if end == 0 {
		return 0
	}
	return m.entries[end-1].head
}

// mayBeDamaged reports whether damage of a record may be reported.
func (m *model) mayBeDamaged(pos uint64) bool {
	return m.flipped || pos < m.hurt || pos < m.end() && (m.entries[pos].doubt || m.entries[pos].lost)
}

// mayReport reports whether there may be such a report of damage: one without a
// length may be of a segment that once held something.
func (m *model) mayReport(d *filelog.CorruptError) bool {
	return m.mayBeDamaged(d.First) || m.hurtOnce && d.Records == 0
}

// syncFailed notes that a sync failed: what was not durable may be gone.
func (m *model) syncFailed() {
	m.shaky, m.unread = true, true
	for i := m.durable; i < m.end(); i++ {
		m.entries[i].doubt = true
	}
}

// found is what a reading came to: records by position, and which are missing
// and reported.
type found struct {
	first uint64
	recs  []appender.Record // Seq 0 stands for one that is reported lost
	// blank is damage that was reported without a length, if there is any.
	blank *filelog.CorruptError
}

func (f *found) end() uint64 { return f.first + uint64(len(f.recs)) }

// collect goes through a sequence that begins at a position. limit bounds what
// a broken log may yield.
func collect(seq iter.Seq2[appender.Record, error], first uint64, limit int) (*found, error) {
	f := &found{first: first}
	for rec, err := range seq {
		if corrupt := (*filelog.CorruptError)(nil); errors.As(err, &corrupt) {
			if corrupt.First != f.end() {
				return f, fmt.Errorf("reading reports damage from position %d on, where %d comes next: %w", corrupt.First, f.end(), err)
			}
			if corrupt.Records > uint64(limit) {
				return f, fmt.Errorf("reading reports more lost than there ever was: %w", err)
			}
			if corrupt.Records == 0 {
				f.blank = corrupt
			}
			f.recs = append(f.recs, make([]appender.Record, corrupt.Records)...)
			continue
		}
		if err != nil {
			return f, err
		}
		if rec.Seq == 0 {
			return f, fmt.Errorf("reading returns a record without a number: %+v", rec)
		}
		f.recs = append(f.recs, rec)
		if len(f.recs) > limit {
			return f, fmt.Errorf("reading returns more than %d records", limit)
		}
	}
	return f, nil
}

// compare checks what was read against the entries, from the first read on, and
// marks what is lost.
func (m *model) compare(f *found) error {
	if f.blank != nil && !m.mayReport(f.blank) {
		return fmt.Errorf("damage is reported, and none was done: %w", f.blank)
	}
	for i, rec := range f.recs {
		pos := f.first + uint64(i)
		if pos >= m.end() {
			return fmt.Errorf("reading returns a record behind the newest, at position %d: %s", pos, words(&rec))
		}
		e := &m.entries[pos]
		switch {
		case rec.Seq == 0 && !m.mayBeDamaged(pos):
			return fmt.Errorf("damage is reported at position %d, and none was done: %s", pos, words(&e.rec))
		case rec.Seq == 0:
			if !e.lost {
				m.tally.Damaged++
			}
			e.lost = true
			continue
		case rec != e.rec:
			return fmt.Errorf("position %d holds %s, and must hold %s", pos, words(&rec), words(&e.rec))
		}
		e.doubt = e.doubt && m.shaky
		m.tally.Read++
	}
	return nil
}

// words are a record's, short.
func words(r *appender.Record) string {
	msg := r.Message
	if len(msg) > 16 {
		msg = msg[:16] + "..."
	}
	return fmt.Sprintf("%s/%d#%d (%d bytes, %q)", r.Node, r.Incarnation, r.Seq, len(r.Message), msg)
}

// opened checks what an opening found, and takes it over: from here on it is
// what the log holds.
func (m *model) opened(f *found, l log, exact bool) error {
	r := l.Recovery()
	end, durable := l.Position()
	reported := len(r.Damage) > 0 || r.Torn > 0 || !m.told
	switch {
	case r.First != l.Dropped() || r.First+r.Records != end:
		return fmt.Errorf("recovery tells of %d records from %d on, the log of %d to %d", r.Records, r.First, l.Dropped(), end)
	case durable > end:
		return fmt.Errorf("position %d is durable, and the log ends at %d", durable, end)
	case f.end() != end:
		return fmt.Errorf("the log ends at position %d, reading it at %d", end, f.end())
	case !m.flipped && !m.power && !m.struck && r.Torn > 0:
		return fmt.Errorf("recovery tells of a torn tail, and nothing tore it: %s", &r)
	}
	exact = exact && !m.power && end == m.end()
	if err := m.ended(f, end, reported, &r); err != nil {
		return err
	}
	if err := m.begins(f.first, end, exact); err != nil {
		return err
	}
	if m.flipped {
		m.hurt, m.hurtOnce = max(m.hurt, m.end()), true
	}
	m.shaky, m.unread = false, false // what is found has been made safe
	if err := m.compare(f); err != nil {
		return err
	}
	for _, d := range r.Damage {
		if !m.mayReport(d) {
			return fmt.Errorf("recovery tells of damage, and none was done: %w", d)
		}
	}
	if err := m.reportsAgree(f, &r); err != nil {
		return err
	}
	m.head, m.durable, m.ghosts = f.first, durable, nil
	m.flipped, m.power, m.struck, m.told = false, false, false, true
	m.tally.Openings++
	if r.Torn > 0 {
		m.tally.Torn++
	}
	return nil
}

// ended takes over where the log ends now.
func (m *model) ended(f *found, end uint64, reported bool, r *filelog.Recovery) error {
	least := m.end()
	if m.power || m.shaky {
		least = m.durable
	}
	switch plain := end <= m.end() && (len(f.recs) == 0 || m.holds(end-1, &f.recs[len(f.recs)-1])); {
	case !plain:
		i := slices.IndexFunc(m.ghosts, func(g ghost) bool {
			from := max(f.first, g.at) // what is before may have been dropped at once
			return g.at >= least && g.end() == end && slices.Equal(g.recs[from-g.at:], f.recs[from-f.first:])
		})
		if i < 0 && end <= m.end() {
			return nil // compare tells what is wrong
		}
		if i < 0 {
			return fmt.Errorf("%d records that were refused, or part of a batch, are there: the log ends at %d instead of %d", end-m.end(), end, m.end())
		}
		g := m.ghosts[i]
		m.tally.Lost += m.end() - g.at
		m.entries = m.entries[:g.at]
		if g.bytes && f.first <= g.at {
			g.head = max(g.head, f.first) // it dropped whole segments in front of it
		}
		m.put(g.recs, g.head)
		return nil
	case end < least && !m.flipped:
		return fmt.Errorf("%d acknowledged records are gone: the log ends at %d, and up to %d they were durable: %s", least-end, end, least, r)
	case end < least && !reported:
		return fmt.Errorf("%d records are gone without a word: the log ends at %d instead of %d: %s", least-end, end, least, r)
	case end > 0 && end < m.end() && !m.entries[end-1].last && !m.mayBeDamaged(end-1):
		return fmt.Errorf("part of a batch is there: the log ends at %d, in the middle of it", end)
	}
	if end < m.durable {
		m.tally.Damaged += m.durable - end
	}
	m.tally.Lost += m.end() - max(end, m.durable)
	m.entries = m.entries[:end]
	return nil
}

// holds reports whether a record read at a position is the one there, or is
// reported lost.
func (m *model) holds(pos uint64, rec *appender.Record) bool {
	return rec.Seq == 0 || m.entries[pos].rec == *rec
}

// begins checks which record is the oldest; exact says that it is known.
func (m *model) begins(first, end uint64, exact bool) error {
	if first > end {
		return fmt.Errorf("the log begins at %d and ends at %d", first, end)
	}
	low := m.headAt(end)
	if exact {
		low = max(low, m.head)
	}
	switch {
	case first < low:
		return fmt.Errorf("records that retention dropped are back: the log begins at %d instead of %d", first, low)
	case first > m.head && first < end && !m.flipped:
		return fmt.Errorf("records that were retained are gone: the log begins at %d instead of %d", first, m.head)
	case first > m.head && first == end && m.head < min(m.durable, end) && !m.flipped:
		return fmt.Errorf("every record that was retained is gone: the log begins and ends at %d", first)
	}
	return nil
}

// reportsAgree checks that what reading reports as lost, recovery does as well.
func (m *model) reportsAgree(f *found, r *filelog.Recovery) error {
	for i, rec := range f.recs {
		pos := f.first + uint64(i)
		if rec.Seq != 0 || slices.ContainsFunc(r.Damage, func(d *filelog.CorruptError) bool {
			return d.First <= pos && (d.Records == 0 || pos < d.First+d.Records)
		}) {
			continue
		}
		return fmt.Errorf("reading reports position %d as lost, and recovery does not: %s", pos, r)
	}
	return nil
}
