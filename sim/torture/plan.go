package torture

import (
	"fmt"
	"strings"
	"time"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// source is a stream of numbers from a seed.
type source uint64

func (s *source) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	return appender.Mix(uint64(*s))
}

// below draws from 0 to n-1.
func (s *source) below(n int) int { return int(s.next() % uint64(n)) }

// oneIn reports true once in n times.
func (s *source) oneIn(n int) bool { return s.below(n) == 0 }

func pick[T any](s *source, of ...T) T { return of[s.below(len(of))] }

// plan is a history to be gone through: a function of its seed. A part of its
// steps is a plan as well: what a step does by itself it draws from its own
// seed.
type plan struct {
	seed   uint64
	kind   Kind
	sector int
	tear   bool
	o      settings
	steps  []step
}

// settings are the options of the log that histories vary.
type settings struct {
	sync      filelog.SyncPolicy
	every     int           // of the policy, 0 if it is another
	interval  time.Duration // of the policy, 0 if it is another
	segment   int64
	max       int
	maxBytes  int64
	maxRecord int
}

func (o *settings) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sync %s, segments of %d bytes, records up to %d", o.sync, o.segment, o.maxRecord)
	if o.max > 0 {
		fmt.Fprintf(&b, ", retains %d records", o.max)
	}
	if o.maxBytes > 0 {
		fmt.Fprintf(&b, ", retains %d bytes", o.maxBytes)
	}
	return b.String()
}

func (p *plan) options() string {
	tear := "whole or not at all"
	if p.tear {
		tear = "also in part"
	}
	return fmt.Sprintf("%s; sectors of %d bytes, written %s", &p.o, p.sector, tear)
}

// act is what a step does.
type act uint8

const (
	actAppend   act = iota
	actFlush        // and all must be durable then
	actClose        // in order, and open again
	actKill         // the process, and open again
	actPower        // fails, and open again
	actTrap         // lets the power fail in front of a later call of the file system
	actInject       // a rule of the disk
	actHeal         // takes back every rule and gives space without bound
	actCapacity     // sets the room that is left
	actFlip         // turns a bit
	actReplay       // and compare
	actTail         // reads beside the log, and compares
	actIntrude      // opens a second log
	actAdvance      // moves the clock
	actSettings     // changes the options that the next opening is with
	numActs     = int(actSettings) + 1
)

// cutting is how a power failure treats what was not synced.
type cutting uint8

const (
	cutDraw  cutting = iota // each piece is kept, lost or torn
	cutByte                 // kept up to some byte
	cutLose                 // all is lost
	cutKeep                 // all is kept
	cutNames                // names are lost, content is kept
	cutAt                   // the first so many bytes are kept, and of sizes those that they need
	cutSized                // the same, and every size
	cutMask                 // pieces are kept by the bits of a mask
)

var cuttingWords = [...]string{
	"of what was not synced some is kept", "what was not synced is kept up to some byte", "all that was not synced is lost",
	"all that was not synced is kept", "of what was not synced content is kept, and names are lost",
	"of what was not synced some bytes are kept", "of what was not synced some bytes are kept, and every size",
	"of what was not synced pieces are kept by a mask",
}

// step is one of a history.
type step struct {
	act  act
	n    int    // records of a batch, bytes of room, milliseconds, calls that pass, the bit that turns
	seed uint64 // of what the step draws; the number of bytes, or the mask, of a power failure
	rule disk.Rule
	how  cutting
	o    settings
	size int // of messages, at most; 0 means drawn
}

// String tells it in words.
func (s *step) String() string {
	switch s.act {
	case actAppend:
		return fmt.Sprintf("append a batch of %d (content from %#x)", s.n, s.seed)
	case actFlush:
		return "flush"
	case actClose:
		return "close, and open again"
	case actKill:
		return "kill the process, and open again"
	case actPower:
		return fmt.Sprintf("the power fails: %s (by %#x); open again", cuttingWords[s.how], s.seed)
	case actTrap:
		return fmt.Sprintf("%d calls of the file system from here the power fails: %s (by %#x)", s.n, cuttingWords[s.how], s.seed)
	case actInject:
		return "from here on, " + ruleWords(&s.rule)
	case actHeal:
		return "every fault of the disk ends, there is space"
	case actCapacity:
		return fmt.Sprintf("the disk has room for %d bytes more", s.n)
	case actFlip:
		if s.n > 0 {
			return fmt.Sprintf("bit %d of all on the disk turns", s.n-1)
		}
		return "a bit on the disk turns"
	case actReplay:
		return fmt.Sprintf("replay (from a cursor by %#x)", s.seed)
	case actTail:
		return "read beside the log"
	case actIntrude:
		return "open a second log"
	case actAdvance:
		return fmt.Sprintf("%d ms pass", s.n)
	}
	return "options of the next opening: " + s.o.String()
}

func ruleWords(r *disk.Rule) string {
	op := r.Op.String()
	if r.Any {
		op = "call"
	}
	times := "each"
	if r.Times > 0 {
		times = fmt.Sprintf("%d", r.Times)
	}
	return fmt.Sprintf("%s %s of the disk meets with %q, after %d that pass", times, op, r.Kind, r.After)
}

// weights say how often each act is drawn, by kind.
var weights = func() (w [NumKinds][numActs]int) {
	for k := range w {
		w[k] = [numActs]int{
			actAppend: 24, actFlush: 4, actClose: 2, actKill: 2, actPower: 2, actReplay: 2, actTail: 1, actIntrude: 1,
			actAdvance: 2, actSettings: 1, actInject: 2, actTrap: 1, actCapacity: 1, actHeal: 1,
		}
	}
	w[Torn][actInject], w[Torn][actTrap], w[Torn][actPower] = 4, 3, 4
	w[Cut][actTrap], w[Cut][actPower] = 5, 6
	w[Flipped][actFlip], w[Flipped][actKill], w[Flipped][actClose] = 5, 4, 4
	w[Full][actInject], w[Full][actCapacity], w[Full][actHeal] = 5, 5, 6
	w[Killed][actInject], w[Killed][actKill] = 6, 4
	w[Fsync][actInject], w[Fsync][actHeal] = 6, 4
	return w
}()

// stepsMin and stepsMax bound a history's length.
const (
	stepsMin = 6
	stepsMax = 36
)

// draw makes the plan of a seed.
func draw(seed uint64) *plan {
	s := source(seed)
	p := &plan{seed: seed, kind: Kind(s.below(NumKinds))}
	p.sector = pick(&s, 64, 512, 512, 4096)
	p.tear = s.oneIn(2)
	p.o = drawSettings(&s)
	total := 0
	for _, w := range weights[p.kind] {
		total += w
	}
	for range stepsMin + s.below(stepsMax-stepsMin) {
		x, a := s.below(total), act(0)
		for x >= weights[p.kind][a] {
			x -= weights[p.kind][a]
			a++
		}
		p.steps = append(p.steps, drawStep(&s, a, p))
	}
	return p
}

func drawSettings(s *source) settings {
	o := settings{segment: 4096, maxRecord: 3000}
	switch s.below(6) {
	case 0, 1:
		o.sync = filelog.SyncAlways()
	case 2, 3:
		o.every = 2 + s.below(20)
		o.sync = filelog.SyncEvery(o.every)
	case 4:
		o.interval = time.Duration(1+s.below(50)) * time.Millisecond
		o.sync = filelog.SyncInterval(o.interval)
	case 5:
		o.sync = filelog.SyncNever()
	}
	if s.oneIn(4) {
		o.segment += int64(s.below(8192))
	}
	if s.oneIn(2) {
		o.max = 1 + s.below(40)
	}
	if s.oneIn(8) {
		o.maxBytes = 1 + int64(s.below(20_000))
	}
	if s.oneIn(4) {
		o.maxRecord = 100 + s.below(9000)
	}
	return o
}

func drawStep(s *source, a act, p *plan) step {
	t := step{act: a, seed: s.next()}
	switch a {
	case actAppend:
		t.n = pick(s, 1, 1, 1, 2, 3, 5, 8, 16)
	case actPower, actTrap:
		if a == actTrap {
			t.n = s.below(30)
		}
		t.how = pick(s, cutDraw, cutDraw, cutByte, cutLose, cutKeep, cutNames)
		if p.kind == Cut && !s.oneIn(4) {
			t.how = cutByte
		}
	case actCapacity:
		t.n = pick(s, 0, s.below(200), s.below(1000), s.below(10_000))
	case actAdvance:
		t.n = 1 + s.below(60)
	case actSettings:
		t.o = drawSettings(s)
	case actInject:
		k := p.kind
		if k == Flipped || k == Cut || s.oneIn(4) {
			k = pick(s, Torn, Full, Killed, Fsync)
		}
		t.rule = drawRule(s, k)
	}
	return t
}

func drawRule(s *source, k Kind) disk.Rule {
	r := disk.Rule{Times: uint64(1 + s.below(3)), After: uint64(s.below(6))}
	switch k {
	case Full:
		r.Kind = pick(s, disk.Full, disk.Short, disk.Short, disk.Fail)
		r.Op = pick(s, disk.OpWrite, disk.OpWrite, disk.OpWrite, disk.OpCreate, disk.OpTruncate)
		if s.oneIn(6) {
			r.Any, r.Kind = true, disk.Fail
		}
	case Fsync:
		r.Kind = disk.Fail
		r.Op = pick(s, disk.OpSync, disk.OpSync, disk.OpSync, disk.OpSyncDir)
	default:
		r.Kind = disk.PowerFailure
		if k == Killed {
			r.Kind = disk.Death
		}
		r.Times = 1
		r.Op = pick(s, disk.OpWrite, disk.OpSync, disk.OpSyncDir, disk.OpCreate, disk.OpRemove)
		if s.oneIn(2) {
			r.Any, r.After = true, uint64(s.below(30))
		}
	}
	return r
}
