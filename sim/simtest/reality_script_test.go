package simtest_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"meshsim/appender"
)

// script is what befalls one node and the medium that its records go to. Lines
// are numbered from 1 over the whole script; a record is its line.
type script struct {
	name     string
	batch    int // records in hand, default 4
	attempts int // per record, default 3
	inbox    int // of the host, default room for all lines
	// deadline is that of a call. Where none is set it is so long that no
	// machine is slow enough to reach it: see patience.
	deadline time.Duration
	sync     string // of a filelog, default always
	acts     []act
	// races says that a point strikes while a call is under way, so that what
	// becomes of the lines from there on is not one thing only.
	races bool
	// apart says that a log on a disk and a store elsewhere must differ here.
	apart bool
}

// act is one thing that is done to the node once the act before is over.
type act struct {
	do     verb
	lines  int     // handed over at once, behind one that is held back until all have reached the host
	faults []fault // in force from just before
	at     *point
	within time.Duration // of an end
}

type verb string

const (
	doHand  verb = "hand over"
	doClear verb = "end all faults, let hanging calls go"
	doBack  verb = "the medium is back"
	doCrash verb = "crash"
	doEnd   verb = "stop, while a call hangs" // the last
)

// fault is one that package appender injects, in front of the medium.
type fault struct {
	kind     string
	from, to int // lines; of open faults nothing
	times    int // 0: always
}

// point is what happens as a line comes to the medium: the first call in which
// there is this line, or a later one.
type point struct {
	line int
	when moment
	what happening
	// away is within what time the medium comes back by itself; 0: it does not.
	away time.Duration
}

type moment string

const (
	before moment = "just before it stores" // lines in front of it are stored
	amid   moment = "as it is storing"
	after  moment = "just after it stored, and before it answers,"
)

type happening string

const (
	stops   happening = "the medium is gone"
	crashes happening = "the node crashes"
)

func hand(lines int, faults ...fault) act { return act{do: doHand, lines: lines, faults: faults} }

func (a act) until(when moment, line int, what happening) act {
	a.at = &point{line: line, when: when, what: what}
	return a
}

// flickers has the medium come back by itself.
func (a act) flickers(away time.Duration) act {
	a.at.away = away
	return a
}

// Faults of lines.

func always(kind string, from, to int) fault { return fault{kind: kind, from: from, to: to} }
func once(kind string, line int) fault       { return fault{kind: kind, from: line, to: line, times: 1} }

func (f fault) String() string {
	var b strings.Builder
	b.WriteString(f.kind)
	switch {
	case f.from == 0:
	case f.from == f.to:
		fmt.Fprintf(&b, " at line %d", f.from)
	default:
		fmt.Fprintf(&b, " at lines %d to %d", f.from, f.to)
	}
	if f.times > 0 {
		fmt.Fprintf(&b, ", %d time(s)", f.times)
	}
	return b.String()
}

// strikes reports whether it may strike one of some lines.
func (f fault) strikes(first, last int) bool { return f.from <= last && f.to >= first }

func (a act) text(first int) string {
	var b strings.Builder
	b.WriteString(string(a.do))
	if a.lines > 0 {
		fmt.Fprintf(&b, " lines %d to %d", first, first+a.lines-1)
	}
	for _, f := range a.faults {
		fmt.Fprintf(&b, "; %v", f)
	}
	if p := a.at; p != nil {
		fmt.Fprintf(&b, "; %s line %d %s", p.when, p.line, p.what)
		if p.away > 0 {
			fmt.Fprintf(&b, ", for at most %v", p.away)
		}
	}
	return b.String()
}

// String tells the script in words, an act a line.
func (s *script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (batches of %d, %d attempts", s.name, s.batch, s.attempts)
	if s.inbox > 0 {
		fmt.Fprintf(&b, ", inbox %d", s.inbox)
	}
	if s.deadline > 0 {
		fmt.Fprintf(&b, ", deadline %v", s.deadline)
	}
	if s.sync != "" {
		fmt.Fprintf(&b, ", sync %s", s.sync)
	}
	b.WriteString(")\n")
	line := 1
	for _, a := range s.acts {
		fmt.Fprintf(&b, "    %s\n", a.text(line))
		line += a.lines
	}
	return b.String()
}

func (s *script) lines() (n int) {
	for _, a := range s.acts {
		n += a.lines
	}
	return n
}

// faulty reports whether one of some kinds is in the script.
func (s *script) faulty(kinds ...string) bool {
	for _, a := range s.acts {
		for _, f := range a.faults {
			for _, k := range kinds {
				if f.kind == k {
					return true
				}
			}
		}
	}
	return false
}

// class says with which others a line is compared. Where nothing races that is
// with itself alone; else all that stand on the same side of the point of their
// act have the same to expect.
func (s *script) class(line int) string {
	if !s.races {
		return fmt.Sprintf("line %d", line)
	}
	first := 1
	for _, a := range s.acts {
		last := first + a.lines - 1
		if line >= first && line <= last {
			switch {
			case a.at == nil:
				return fmt.Sprintf("lines %d to %d", first, last)
			case line < a.at.line:
				return fmt.Sprintf("lines %d to %d, in front of the point", first, a.at.line-1)
			}
			return fmt.Sprintf("lines %d to %d, from the point on", a.at.line, last)
		}
		first = last + 1
	}
	panic("a line beyond the script")
}

// classes lists all of them, in the order of their lines.
func (s *script) classes() (all []string) {
	for line := range s.lines() {
		if c := s.class(line + 1); !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// hanging is the deadline of scripts in which calls hang: it is waited out, so
// it is short, and a run that a busy machine has kept waiting as long counts as
// disturbed.
const hanging = 300 * time.Millisecond

// fixedScripts cover every fault and every point.
func fixedScripts() []*script {
	const (
		appendError = appender.FaultAppendError
		hang        = appender.FaultAppendHang
		deaf        = appender.FaultAppendDeaf
		panics      = appender.FaultAppendPanic
		applied     = appender.FaultAppliedThenError
	)
	clear, back, crash := act{do: doClear}, act{do: doBack}, act{do: doCrash}
	all := []*script{
		{name: "errors use all attempts up", acts: []act{hand(12, always(appendError, 5, 6)), clear, hand(4)}},
		{name: "an error goes away", acts: []act{hand(12, once(appendError, 5), once(appendError, 9))}},
		{name: "a slow append", acts: []act{hand(12, once(appender.FaultAppendLatency, 5))}},
		{name: "a record hangs until its deadline, whenever it is tried", deadline: hanging, attempts: 2,
			acts: []act{hand(12, always(hang, 6, 6)), clear, hand(4)}},
		{name: "a record hangs until its deadline once", deadline: hanging, acts: []act{hand(12, once(hang, 6))}},
		{name: "a call never returns", deadline: hanging, apart: true, acts: []act{hand(12, once(deaf, 6)), clear, hand(4)}},
		{name: "a record makes the appender panic, whenever it is tried", acts: []act{hand(12, always(panics, 6, 6))}},
		{name: "an appender panics once", acts: []act{hand(12, once(panics, 6))}},
		{name: "records are stored, and reported as errors", acts: []act{hand(12, always(applied, 5, 6))}},
		{name: "a record is stored, and reported as an error once", acts: []act{hand(12, once(applied, 6))}},
		{name: "nothing can be opened", acts: []act{hand(6, fault{kind: appender.FaultOpenError}), clear, hand(6)}},
		{name: "opening fails once", acts: []act{hand(6, fault{kind: appender.FaultOpenError, times: 1})}},
		{name: "the inbox overflows", inbox: 4, batch: 2, acts: []act{hand(12), hand(2)}},
		{name: "the medium goes and comes back", acts: []act{hand(12).until(before, 7, stops), hand(3), back, hand(6)}},
		{name: "a crash before a record is stored", acts: []act{hand(14).until(before, 7, crashes), hand(6)}},
		{name: "a crash before a record is acknowledged", acts: []act{hand(14).until(after, 7, crashes), hand(6)}},
		{name: "crashes at rest", acts: []act{hand(9), crash, hand(5), crash, crash, hand(3)}},
		{name: "crashes at rest of what never syncs", sync: "never", acts: []act{hand(9), crash, hand(5), crash, hand(3)}},
		{name: "a crash while the medium is gone", acts: []act{hand(12).until(before, 5, stops), crash, hand(4), back, hand(4)}},
		{name: "the end comes while a call hangs", acts: []act{hand(12, always(hang, 6, 6)), {do: doEnd, within: hanging}}},

		{name: "the medium goes in the middle", races: true, batch: 8, attempts: 2, deadline: hanging,
			acts: []act{hand(60).until(amid, 20, stops), back, hand(10)}},
		{name: "the medium goes in the middle, and soon is back", races: true, batch: 8, deadline: 4 * hanging,
			acts: []act{hand(60).until(amid, 20, stops).flickers(hanging), hand(10)}},
		{name: "a crash in the middle", races: true, batch: 8, acts: []act{hand(40).until(amid, 20, crashes), hand(10)}},
		{name: "the medium goes in the middle, then the node", races: true, batch: 8, attempts: 2, deadline: hanging,
			acts: []act{hand(40).until(amid, 20, stops), crash, back, hand(10)}},
	}
	for _, s := range all {
		s.complete()
	}
	return all
}

// complete fills in the defaults.
func (s *script) complete() {
	if s.batch == 0 {
		s.batch = 4
	}
	if s.attempts == 0 {
		s.attempts = 3
	}
}
