package props

import (
	"fmt"
	"slices"

	"meshsim/sim/trace"
)

// DurablePrefix holds when every log, whenever it is opened again, holds what
// it took, as far as it may not have lost it:
//
//   - it holds nothing that it was not handed, nothing that it refused, nothing
//     oftener than it was handed it, and every content is as it was;
//   - in the order in which it took them: a record is there only if every one
//     that the log had accepted before it is, except those that retention has
//     dropped at the front, which are no more than it must;
//   - after a crash, everything is there of which the log had said that it
//     survives a power failure; after any other end of an opening, everything
//     that it had accepted (unless a call had left open what was stored: then
//     as after a crash);
//   - what else is missing, the log reports at the place where it is missing, or
//     at the end to an opening that failed; and what was safe may be missing only
//     after a bit of the disk has flipped (disk-flip), or if a sync had failed
//     before it was. It reports no damage where nothing could have done any.
//
// A record that was handed to the log and neither accepted nor refused (the call
// hung, panicked, or its node crashed) may or may not be there.
//
// A log may store a record once, however often it is handed it: then it accepts it
// again at no new position (SinkStored).
//
// It judges the appenders that can replay what they stored: a filelog, or the
// user's own. It believes a log what it says is safe, and compares contents by
// their hashes.
func DurablePrefix() trace.Checker {
	return &durablePrefix{judge: always("durable-prefix",
		trace.NodeStarted, trace.NodeCrashed, trace.FaultStruck, trace.FaultHealed, trace.WorkerFailed, trace.WorkerAbandoned,
		trace.SinkTried, trace.SinkStored, trace.SinkRefused, trace.SinkSynced,
		trace.ReplayStarted, trace.SinkReplayed, trace.SinkDamaged, trace.ReplayEnded)}
}

const (
	diskFlip      = "disk-flip"
	diskSyncError = "disk-sync-error"
)

// damaging are the faults after which a log may find something damaged.
var damaging = []string{diskFlip, "disk-error", "disk-short", "disk-full", diskSyncError}

type durablePrefix struct {
	judge
	logs []*nodeLog // by node
}

// nodeLog is what the log of one node was seen to be handed and to answer since
// its last replay, and what that replay showed.
type nodeLog struct {
	entries []entry
	hand    int // entries from here on are of the call under way
	next    int // entries before it have been answered, or will not be
	synced  int // entries before it that were accepted are known to be safe
	// adrift are records that were never answered and of which the last replay
	// showed nothing: a call that still hangs may yet store them.
	adrift []entry

	opening     uint32 // incarnation of the opening that appends
	epoch       uint64 // and its epoch
	incarnation uint32 // of the node, the one that started last
	down        bool   // it has crashed

	crashed bool // since the last replay
	unsure  bool // since the last replay, a call has left open what was stored
	flipped bool // ever
	// untold: since the last replay an opening has failed after a bit had flipped. It
	// may have cut off what was damaged at the end, and what it found nobody saw.
	untold  bool
	shaken  bool // ever: something happened that may have damaged the log
	unsyncs int  // faults in force by which syncs fail

	replay replay
}

// entry is a record that the log was handed.
type entry struct {
	seq, hash, position uint64
	incarnation         uint32
	stream              uint8
	state               entryState
	// doubted: it had been accepted and was not safe when a sync failed, or may
	// have. The log may have lost it, whatever becomes safe behind it, if it
	// says so.
	doubted bool
}

type entryState uint8

const (
	tried    entryState = iota // not answered
	accepted                   // the log said that it is stored
	refused                    // the log said that it is not
	gone                       // so many records as seq says, which the log reported as missing
)

func entryOf(e *trace.Event) entry {
	return entry{seq: e.Seq, hash: e.Hash, incarnation: e.Incarnation, stream: e.Stream}
}

func (x *entry) same(y *entry) bool {
	return x.seq == y.seq && x.incarnation == y.incarnation && x.stream == y.stream
}

func (x *entry) String() string {
	if x.state == gone {
		return "what it reported as missing"
	}
	s := fmt.Sprintf("record %d of incarnation %d", x.seq, x.incarnation)
	if x.stream != 0 {
		s += fmt.Sprintf(", stream %d", x.stream)
	}
	return s
}

func (c *durablePrefix) log(node uint32) *nodeLog {
	for int(node) >= len(c.logs) {
		c.logs = append(c.logs, nil)
	}
	if c.logs[node] == nil {
		c.logs[node] = new(nodeLog)
	}
	return c.logs[node]
}

func (c *durablePrefix) Observe(e *trace.Event) error {
	if e.Kind == trace.SinkStored && e.Count == 0 {
		return nil // no log's
	}
	l := c.log(e.Node)
	if err := c.observe(l, e); err != nil {
		return fmt.Errorf("node %d, opening %d of its log: %w", e.Node, l.replay.opening, err)
	}
	return nil
}

func (c *durablePrefix) observe(l *nodeLog, e *trace.Event) error {
	switch e.Kind {
	case trace.NodeStarted:
		l.incarnation, l.down = e.Incarnation, false
	case trace.NodeCrashed:
		l.down, l.crashed, l.shaken = true, true, true
		l.replay.on = false
	case trace.FaultStruck:
		l.shaken = l.shaken || slices.Contains(damaging, e.Name)
		l.flipped = l.flipped || e.Name == diskFlip
		if e.Name == diskSyncError {
			l.unsyncs++
			l.doubt()
		}
	case trace.FaultHealed:
		if e.Name == diskSyncError {
			l.unsyncs--
		}
	case trace.WorkerFailed, trace.WorkerAbandoned:
		l.untold = l.untold || l.flipped && !l.current(e)
	case trace.SinkTried:
		l.try(e)
	case trace.SinkStored:
		c.checked++
		return l.store(e)
	case trace.SinkRefused:
		l.refuse(e)
	case trace.SinkSynced:
		if l.current(e) {
			l.sync(e.Count)
		}
	case trace.ReplayStarted:
		if e.Incarnation == l.incarnation && !l.down {
			l.opening, l.epoch = e.Incarnation, e.Epoch
			l.hand, l.next = len(l.entries), len(l.entries)
			l.begin(e)
		}
	default:
		if !l.replay.on || e.Attempt != l.replay.opening {
			return nil // of an opening that is over
		}
		c.checked++
		switch e.Kind {
		case trace.SinkReplayed:
			return l.replayed(entryOf(e))
		case trace.SinkDamaged:
			return l.damaged(e)
		default:
			return l.end(e)
		}
	}
	return nil
}

// current reports whether an event belongs to the opening that was replayed
// last, of a node that is up.
func (l *nodeLog) current(e *trace.Event) bool {
	return !l.down && e.Incarnation == l.opening && e.Epoch == l.epoch
}

func (l *nodeLog) try(e *trace.Event) {
	if !l.current(e) {
		l.adrift = append(l.adrift, entryOf(e))
		return
	}
	if l.next > l.hand { // the call before was answered
		l.hand, l.next = len(l.entries), len(l.entries)
		if l.unsyncs > 0 {
			l.doubt()
		}
	}
	l.prune()
	l.entries = append(l.entries, entryOf(e))
}

// answered is the entry that an answer is about; nil if the log was not handed
// it in the call under way.
func (l *nodeLog) answered(e *trace.Event) *entry {
	x := entryOf(e)
	for i := l.next; i < len(l.entries); i++ {
		if l.entries[i].same(&x) {
			l.next = i + 1
			return &l.entries[i]
		}
	}
	return nil
}

func (l *nodeLog) store(e *trace.Event) error {
	if l.current(e) {
		if a := l.answered(e); a != nil {
			if i := l.next - 1; e.Count <= l.endBefore(i) {
				a.state = refused // it is no record more
				return l.had(i)
			}
			a.state, a.position = accepted, e.Count
			return nil
		}
	}
	x := entryOf(e)
	// What a dead node or an opening that is over stored late may be there.
	for _, xs := range [][]entry{l.entries, l.adrift} {
		for i := range xs {
			if xs[i].same(&x) && xs[i].state == tried {
				return nil
			}
		}
	}
	return fmt.Errorf("%s stored, but the log was not handed it", &x)
}

// endBefore is the position of the last record accepted in front of entry i.
func (l *nodeLog) endBefore(i int) uint64 {
	for i--; i >= 0; i-- {
		if x := &l.entries[i]; x.state == accepted {
			return x.position
		}
	}
	return l.replay.end
}

// had takes the word of a log that stores each record once: that it had the record
// of entry i when that was handed over.
func (l *nodeLog) had(i int) error {
	x := &l.entries[i]
	for j := i - 1; j >= 0; j-- {
		y := &l.entries[j]
		if !y.same(x) || y.hash != x.hash || y.state > accepted {
			continue
		}
		if y.state == tried {
			y.state, y.position = accepted, l.endBefore(j)+1
		}
		return nil
	}
	if slices.ContainsFunc(l.adrift, func(y entry) bool { return y.same(x) && y.hash == x.hash }) {
		return nil
	}
	return fmt.Errorf("%s is accepted as one that the log has already, and it has none such", x)
}

func (l *nodeLog) refuse(e *trace.Event) {
	open := e.Result == trace.ResultUnknown
	if open && l.current(e) {
		l.unsure = true
		l.doubt()
	}
	if e.Seq == 0 {
		return
	}
	if !l.current(e) {
		if x := entryOf(e); !open {
			l.adrift = slices.DeleteFunc(l.adrift, func(y entry) bool { return y.same(&x) })
		}
		return
	}
	if a := l.answered(e); a != nil && !open {
		a.state = refused
	}
}

// doubt notes that a sync has failed, or may have: of what was accepted and not
// safe by then, anything may be lost.
func (l *nodeLog) doubt() {
	for i := len(l.entries) - 1; i >= l.synced; i-- {
		if x := &l.entries[i]; x.state == accepted {
			if x.doubted {
				return
			}
			x.doubted = true
		}
	}
}

// sync marks what was accepted up to a position as safe.
func (l *nodeLog) sync(position uint64) {
	for ; l.synced < l.next && l.synced < len(l.entries); l.synced++ {
		if x := &l.entries[l.synced]; x.state == accepted && x.position > position {
			return
		}
	}
}

// prune forgets entries at the front that retention has dropped for good: those
// with as many safe ones behind them as the log retains, and pruneMin more. A
// log that drops whole files may still have these, and show them again when
// what told it that they were dropped is damaged.
func (l *nodeLog) prune() {
	retain, safe := l.replay.retain, uint64(l.synced)
	if retain == 0 || safe < pruneMin || retain > (safe-pruneMin)/2 {
		return
	}
	keep := retain + pruneMin/2
	i := l.synced
	for ; i > 0 && keep > 0; i-- {
		if l.entries[i-1].state == accepted {
			keep--
		}
	}
	if keep > 0 || i == 0 {
		return
	}
	l.entries = append(l.entries[:0], l.entries[i:]...)
	l.hand, l.next, l.synced = l.hand-i, l.next-i, l.synced-i
}

const pruneMin = 16 << 10
