package props

import (
	"fmt"

	"meshsim/sim/trace"
)

// replay follows one replay of a log through the entries that it may show. As
// a record may have been handed over more than once, and some entries may or
// may not be there, several places are possible at a time: those of a
// nondeterministic automaton (Thompson, CACM 11(6), 1968), one state per entry,
// kept as runs of states.
type replay struct {
	on      bool
	opening uint32 // its number at the node
	end     uint64 // the log's position when it began
	retain  uint64 // how many of its newest records the log must hold; 0: all
	// places are the numbers of entries that may have been passed so far, as
	// disjoint runs in ascending order, both ends included.
	places, spare []run
	shown         []entry
}

type run struct{ lo, hi int }

// begin starts to follow a replay. It may start with any entry that has, or may
// have, as many behind it as the log must retain.
func (l *nodeLog) begin(e *trace.Event) {
	r := &l.replay
	r.on, r.opening, r.end, r.retain = true, e.Attempt, e.Count, e.Cap
	r.shown = r.shown[:0]
	first := 0
	if r.retain > 0 {
		left := r.retain
		for first = len(l.entries); first > 0 && left > 0; first-- {
			switch x := &l.entries[first-1]; {
			case x.state == gone:
				left -= min(x.seq, left)
			case x.state != refused:
				left--
			}
		}
	}
	r.places = append(r.places[:0], run{0, first})
}

// replayed moves on to the next record that the log holds.
func (l *nodeLog) replayed(x entry) error {
	r := &l.replay
	r.spare = r.spare[:0]
	done := 0 // entries before it were looked at
	for _, p := range r.places {
		i := max(p.lo, done)
		for ; i < len(l.entries); i++ {
			y := &l.entries[i]
			if y.state <= accepted && y.hash == x.hash && y.same(&x) {
				r.spare = addRun(r.spare, run{i + 1, i + 1})
			}
			if i >= p.hi && y.state == accepted {
				i++
				break // it cannot be left out
			}
		}
		done = i
	}
	if len(r.spare) == 0 && !l.drifted(&x) {
		return l.wrong(&x)
	}
	if len(r.spare) > 0 {
		r.places, r.spare = r.spare, r.places
	}
	x.state = accepted
	r.shown = append(r.shown, x)
	return nil
}

// addRun appends a run to ascending ones, and joins what touches.
func addRun(runs []run, p run) []run {
	if n := len(runs); n > 0 && p.lo <= runs[n-1].hi+1 {
		runs[n-1].hi = max(runs[n-1].hi, p.hi)
		return runs
	}
	return append(runs, p)
}

// drifted takes x from what is adrift, if it is.
func (l *nodeLog) drifted(x *entry) bool {
	for i := range l.adrift {
		if l.adrift[i].same(x) && l.adrift[i].hash == x.hash {
			l.adrift = append(l.adrift[:i], l.adrift[i+1:]...)
			return true
		}
	}
	return false
}

// damaged lets the replay go on behind what the log reports as missing: up to
// the next entry that was safe and never in doubt, or anywhere if a bit has
// flipped.
func (l *nodeLog) damaged(e *trace.Event) error {
	if !l.shaken {
		return fmt.Errorf("the log reports %s (%v), but nothing has happened that could damage it", e.Name, e.Err)
	}
	r := &l.replay
	r.spare = r.spare[:0]
	for _, p := range r.places {
		hi := p.hi
		for hi < len(l.entries) && (l.flipped || !l.safe(hi) || l.entries[hi].doubted) {
			hi++
		}
		r.spare = addRun(r.spare, run{p.lo, hi})
	}
	r.places, r.spare = r.spare, r.places
	if e.Count > 0 { // to retention they are as if they were there
		r.shown = append(r.shown, entry{state: gone, seq: e.Count})
	}
	return nil
}

func (l *nodeLog) safe(i int) bool { return i < l.synced && l.entries[i].state == accepted }

// needed reports whether entry i may not have been lost at the end.
func (l *nodeLog) needed(i int) bool {
	return l.safe(i) || l.entries[i].state == accepted && !l.crashed && !l.unsure
}

// end judges what the replay did not show, and takes what it showed for what
// the log holds.
func (l *nodeLog) end(e *trace.Event) error {
	r := &l.replay
	r.on = false
	if e.Err != nil {
		// It was cut short: the next one tells. What the crash before it may
		// have taken, it may have taken before anything that comes now.
		if l.crashed || l.unsure {
			for i := range l.entries {
				if x := &l.entries[i]; x.state == accepted && !l.safe(i) {
					x.state = tried
				}
			}
		}
		return nil
	}
	passed := r.places[len(r.places)-1].hi
	if l.untold {
		passed = len(l.entries)
	}
	for i := len(l.entries) - 1; i >= passed; i-- {
		if !l.needed(i) {
			continue
		}
		for !l.needed(passed) {
			passed++
		}
		return l.lost(passed)
	}
	l.drift()
	l.entries = append(l.entries[:0], r.shown...)
	end := r.end
	for i := len(l.entries) - 1; i >= 0; i-- {
		x := &l.entries[i]
		x.position = end
		if x.state == gone {
			end -= min(x.seq, end)
		} else if end > 1 {
			end--
		}
	}
	l.hand, l.next, l.synced = len(l.entries), len(l.entries), 0
	l.crashed, l.unsure, l.untold = false, false, false
	return nil
}

func (l *nodeLog) lost(i int) error {
	x := &l.entries[i]
	switch {
	case l.safe(i) && l.crashed:
		return fmt.Errorf("%s is missing, though the log had said before the crash that it is safe", x)
	case l.safe(i):
		return fmt.Errorf("%s is missing, though the log had said that it is safe", x)
	}
	return fmt.Errorf("%s is missing, though the log had accepted it and its node has not crashed since", x)
}

// drift keeps what was handed over, never answered and not shown: it may still
// be stored.
func (l *nodeLog) drift() {
	left := make(map[entry]int)
	key := func(x *entry) entry {
		return entry{seq: x.seq, hash: x.hash, incarnation: x.incarnation, stream: x.stream}
	}
	for i := range l.entries {
		if l.entries[i].state == tried {
			left[key(&l.entries[i])]++
		}
	}
	if len(left) == 0 {
		return
	}
	count := func(xs []entry, by int, which func(*entry) bool) {
		for i := range xs {
			if k := key(&xs[i]); which(&xs[i]) {
				if _, ok := left[k]; ok {
					left[k] += by
				}
			}
		}
	}
	count(l.entries, 1, func(x *entry) bool { return x.state == accepted })
	count(l.replay.shown, -1, func(*entry) bool { return true })
	for i := range l.entries {
		if k := key(&l.entries[i]); l.entries[i].state == tried && left[k] > 0 {
			left[k]--
			l.adrift = append(l.adrift, k)
		}
	}
}

// wrong says why x may not come next.
func (l *nodeLog) wrong(x *entry) error {
	r := &l.replay
	least := r.places[0].lo
	most := r.places[len(r.places)-1].hi
	var altered, turnedDown, before, ahead bool
	at := 0
	for i := range l.entries {
		y := &l.entries[i]
		switch {
		case y.state == gone || !y.same(x):
		case y.hash != x.hash:
			altered = true
		case y.state == refused:
			turnedDown = true
		case i < least:
			before = true
		case !ahead:
			ahead, at = true, i
		}
	}
	switch {
	case ahead && len(r.shown) == 0 && r.retain == 0:
		return fmt.Errorf("it begins with %s, but %s, the oldest, is missing", x, l.gap(most, at))
	case ahead && len(r.shown) == 0:
		return fmt.Errorf("it begins with %s, but %s is one of the newest %d, which it must retain",
			x, l.gap(most, at), r.retain)
	case ahead:
		return fmt.Errorf("%s is there, but %s, which the log had accepted before it, is missing", x, l.gap(most, at))
	case before:
		return fmt.Errorf("%s is there after %s: twice, or out of order", x, &r.shown[len(r.shown)-1])
	case turnedDown:
		return fmt.Errorf("%s is there, though the log had said that it did not store it", x)
	case altered:
		return fmt.Errorf("%s is there with another content than it was handed", x)
	}
	for i := range r.shown {
		if r.shown[i].state == accepted && r.shown[i].same(x) {
			return fmt.Errorf("%s is there twice, but the log was handed it once", x)
		}
	}
	return fmt.Errorf("%s is there, but the log was not handed it, or had lost it before", x)
}

// gap is the first entry from one place to another that had been accepted.
func (l *nodeLog) gap(from, to int) *entry {
	for from < to && l.entries[from].state != accepted {
		from++
	}
	return &l.entries[from]
}
