package trace

import (
	"errors"
	"fmt"
	"math"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Judgement is what one checker found.
type Judgement struct {
	Name       string
	Quantifier Quantifier
	// Checked is how often the checker had something to judge; 0 where it does
	// not count, see [Counter].
	Checked uint64
	// Counts says that the checker is a [Counter], so that Checked 0 means
	// that it had nothing to judge.
	Counts   bool
	Violated bool
	// Step and Time say when it was violated: at the event, or at the
	// deadline that passed, after the event of that step.
	Step uint64
	Time time.Duration
	Err  error // what was wrong; nil unless Violated
}

// Fanout shows events to the checkers that want them, reminds each of what it
// is owed, and keeps the first violation of each, after which that checker is
// spared. It is the judge that simulated and live runs share. One goroutine
// at a time may call it.
type Fanout struct {
	seats  []seat
	byKind [NumKinds][]int32 // seats that want a kind
	kinds  KindSet
	// soonest is no later than any deadline.
	soonest time.Duration
	step    uint64 // of the last event
	done    bool
}

// seat is one checker's.
type seat struct {
	Checker
	kinds KindSet
	next  time.Duration // its deadline, never if it has none
	out   bool          // it is violated
	step  uint64
	at    time.Duration
	err   error
}

// ErrCheckerPanic is the violation of a checker that panicked.
var ErrCheckerPanic = errors.New("trace: the checker panicked")

const never = time.Duration(math.MaxInt64)

// NewFanout makes a Fanout for checkers, which see each event in the order
// given here.
func NewFanout(checkers ...Checker) *Fanout {
	f := &Fanout{soonest: never, seats: make([]seat, len(checkers))}
	for i, c := range checkers {
		kinds := AllKinds
		if in, ok := c.(Interested); ok {
			kinds = in.Kinds() & AllKinds
		}
		f.seats[i] = seat{Checker: c, kinds: kinds, next: never}
		f.kinds |= kinds
		for k := range f.byKind {
			if kinds.Has(Kind(k)) {
				f.byKind[k] = append(f.byKind[k], int32(i))
			}
		}
		f.ask(&f.seats[i])
	}
	return f
}

// Kinds are the kinds that some checker wanted at first. A producer need not
// build events of others. To show one costs a table look-up.
func (f *Fanout) Kinds() KindSet { return f.kinds }

// SetSlack passes the slack on to the checkers that are [Bounded]. Call it
// before the run.
func (f *Fanout) SetSlack(d time.Duration) {
	for i := range f.seats {
		if b, ok := f.seats[i].Checker.(Bounded); ok {
			b.SetSlack(d)
			f.ask(&f.seats[i])
		}
	}
}

// A checker that panics is a checker that cannot tell: that counts as its
// violation. Events are shown in the middle of an actor's step, whose
// supervisor would otherwise take the panic for the actor's own and go on.

func (s *seat) observe(e *Event) (err error) {
	defer rescue(&err)
	return s.Observe(e)
}

func (s *seat) expire(at time.Duration) (err error) {
	defer rescue(&err)
	return s.Expire(at)
}

func (s *seat) finish(now time.Duration) (err error) {
	defer rescue(&err)
	return s.Finish(now)
}

// rescue makes a panic an error that says where it began.
func rescue(err *error) {
	v := recover()
	if v == nil {
		return
	}
	where := "an unknown place"
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for f, more := frames.Next(); ; f, more = frames.Next() {
		if f.Function != "" && !strings.HasPrefix(f.Function, "runtime.") {
			where = fmt.Sprintf("%s:%d", path.Base(f.File), f.Line)
			break
		}
		if !more {
			break
		}
	}
	*err = fmt.Errorf("%w at %s: %v", ErrCheckerPanic, where, v)
}

// Observe shows an event to the checkers that want its kind. It does not look
// at deadlines: time moves by Advance alone.
func (f *Fanout) Observe(e *Event) {
	f.step = e.Step
	for _, i := range f.byKind[e.Kind] {
		s := &f.seats[i]
		if err := s.observe(e); err != nil {
			f.violate(s, e.Time, err)
			continue
		}
		f.ask(s)
	}
}

// ask learns when a checker is owed its next wake-up.
func (f *Fanout) ask(s *seat) {
	at, ok := s.Next()
	if !ok {
		at = never
	}
	s.next = at
	if at < f.soonest {
		f.soonest = at
	}
}

// Due reports whether Advance to now might wake a checker. It costs one
// comparison, and may be true once for a deadline that was put off.
func (f *Fanout) Due(now time.Duration) bool { return now >= f.soonest }

// Advance wakes every checker whose deadline is at or before to, in the order
// of the deadlines, each with the time of its own. Call it as time moves from
// from to to, before any event of to. Without a deadline it costs one
// comparison. A checker that Expire leaves owed at once is a bug and panics.
func (f *Fanout) Advance(_, to time.Duration) {
	for f.Due(to) && !f.done {
		f.soonest = never
		first := -1
		for i := range f.seats {
			s := &f.seats[i]
			if s.out || s.next == never {
				continue
			}
			if s.next < f.soonest {
				f.soonest, first = s.next, i
			}
		}
		if first < 0 || f.soonest > to {
			return
		}
		f.expire(&f.seats[first])
	}
}

// expire wakes one checker at its deadline.
func (f *Fanout) expire(s *seat) {
	at := s.next
	if err := s.expire(at); err != nil {
		f.violate(s, at, err)
		return
	}
	if f.ask(s); s.next <= at {
		panic(fmt.Sprintf("trace: checker %s woken at %v is owed a wake-up at %v", s.Name(), at, s.next))
	}
}

// violate records a checker's violation, and spares it the rest.
func (f *Fanout) violate(s *seat, at time.Duration, err error) {
	s.out, s.step, s.at, s.err, s.next = true, f.step, at, err, never
	for k := range f.byKind {
		if s.kinds.Has(Kind(k)) {
			// A copy: Observe may be walking the old list.
			f.byKind[k] = slices.DeleteFunc(slices.Clone(f.byKind[k]), func(i int32) bool { return &f.seats[i] == s })
		}
	}
}

// Finish ends the run at now: deadlines up to now expire, then every checker
// judges what is still owed. Later calls of Observe, Advance and Finish do nothing.
func (f *Fanout) Finish(now time.Duration) {
	if f.done {
		return
	}
	f.Advance(now, now)
	for i := range f.seats {
		s := &f.seats[i]
		if s.out {
			continue
		}
		if err := s.finish(now); err != nil {
			f.violate(s, now, err)
		}
	}
	f.done = true
	f.byKind = [NumKinds][]int32{}
}

// Judgements tells what each checker has found so far, in the order given to
// NewFanout.
func (f *Fanout) Judgements() []Judgement {
	js := make([]Judgement, len(f.seats))
	for i := range f.seats {
		s := &f.seats[i]
		j := Judgement{Name: s.Name(), Quantifier: Always, Violated: s.out, Step: s.step, Time: s.at, Err: s.err}
		if q, ok := s.Checker.(Quantified); ok {
			j.Quantifier = q.Quantifier()
		}
		if c, ok := s.Checker.(Counter); ok {
			j.Checked, j.Counts = c.Checked(), true
		}
		js[i] = j
	}
	return js
}
