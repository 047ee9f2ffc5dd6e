package props

// phase is where an unsettled record is.
type phase uint8

const (
	settled phase = iota // or never emitted
	queued
	inHand
	retrying

	numPhases
)

// record is what a checker knows of one unsettled record.
type record struct {
	phase phase
	// stored: the sink was seen to store it.
	stored bool
	// doubtful: an attempt on it ended in a way that leaves open whether it
	// was stored, so that it must never settle as not stored.
	doubtful bool
	// uncertain: some attempt that it was part of did, though perhaps not on
	// its account, so that it may settle as unknown.
	uncertain bool
}

// window follows the unsettled records of one stream from its events alone:
// from the oldest unsettled one to the newest emitted. It makes no assumption
// on the order in which records are attempted or settled, so that a checker of
// something else stays silent when the order is broken. Its size is bounded by
// what the host may hold; all its operations take O(1) amortised time.
type window struct {
	recs   []record // recs[off] is record base+1
	off    int
	base   uint64 // every record up to it is settled
	head   uint64 // no record before it is queued
	counts [numPhases]uint64
}

// next is the number of the next record to be emitted.
func (w *window) next() uint64 { return w.first() + uint64(len(w.recs)-w.off) }

// first is the oldest unsettled record; next() if there is none.
func (w *window) first() uint64 { return w.base + 1 }

// at returns record seq, nil when it is settled or was never emitted.
func (w *window) at(seq uint64) *record {
	if seq < w.first() || seq >= w.next() {
		return nil
	}
	if r := &w.recs[w.off+int(seq-w.first())]; r.phase != settled {
		return r
	}
	return nil
}

// emit adds record seq to the queue. It reports false when seq was emitted
// before. A gap is closed with records that count as settled.
func (w *window) emit(seq uint64) bool {
	if seq < w.next() {
		return false
	}
	if seq-w.next() > maxGap {
		seq = w.next() // far beyond what a gap can be: do not allocate for it
	}
	for w.next() < seq {
		w.recs = append(w.recs, record{})
	}
	w.recs = append(w.recs, record{phase: queued})
	w.counts[queued]++
	w.trim()
	return true
}

// maxGap bounds what a nonsensical sequence number can make a checker allocate.
const maxGap = 1 << 16

// move puts an unsettled record into another phase.
func (w *window) move(r *record, to phase) {
	w.counts[r.phase]--
	w.counts[to]++
	r.phase = to
}

// settle removes record seq and returns what was known of it; ok is false when
// it was not there.
func (w *window) settle(seq uint64) (was record, ok bool) {
	r := w.at(seq)
	if r == nil {
		return record{}, false
	}
	was = *r
	w.counts[r.phase]--
	*r = record{}
	w.trim()
	return was, true
}

// trim forgets settled records at the front.
func (w *window) trim() {
	for w.off < len(w.recs) && w.recs[w.off].phase == settled {
		w.off++
		w.base++
	}
	switch {
	case w.off == len(w.recs):
		w.recs, w.off = w.recs[:0], 0
	case w.off > 64 && w.off > len(w.recs)/2:
		n := copy(w.recs, w.recs[w.off:])
		w.recs, w.off = w.recs[:n], 0
	}
}

// oldestQueued returns the oldest record in the queue.
func (w *window) oldestQueued() (seq uint64, ok bool) {
	if w.counts[queued] == 0 {
		return 0, false
	}
	if w.head < w.first() {
		w.head = w.first()
	}
	for {
		if r := w.at(w.head); r != nil && r.phase == queued {
			return w.head, true
		}
		w.head++
	}
}

// start puts the records of an attempt in hand; it returns the first one that
// is not there to be attempted, 0 if all are.
func (w *window) start(first, count uint64) (missing uint64) {
	if first >= w.next() || count > w.next()-first {
		return max(first, w.next())
	}
	for seq := first; seq < first+count; seq++ {
		r := w.at(seq)
		if r == nil {
			return seq
		}
		w.move(r, inHand)
	}
	return 0
}

// end takes the records of an attempt out of hand.
func (w *window) end(first, count uint64) {
	first = max(first, w.first())
	for seq := first; seq < first+count && seq < w.next(); seq++ {
		if r := w.at(seq); r != nil && r.phase == inHand {
			w.move(r, retrying)
		}
	}
}

// pending is how many records are unsettled.
func (w *window) pending() uint64 {
	return w.counts[queued] + w.counts[inHand] + w.counts[retrying]
}
