package trace

import "time"

// Checker judges a run as it goes. One goroutine at a time calls it. An error
// from any method is a violation: the run records the first per checker and
// goes on without it. Package props implements these.
type Checker interface {
	// Name is the invariant's name, as in "fifo-drop".
	Name() string
	// Observe sees every event of the kinds wanted, in order.
	Observe(*Event) error
	// Next says when Expire is owed, if at all: an event that fails to
	// happen raises nothing by itself.
	Next() (time.Duration, bool)
	// Expire is called as soon as time has reached what Next said.
	Expire(now time.Duration) error
	// Finish judges what was owed at the end of the run.
	Finish(now time.Duration) error
}

// Quantifier says how often what a checker looks for must be so.
type Quantifier string

// The three quantifiers.
const (
	Always     Quantifier = "always"
	Eventually Quantifier = "eventually"
	Sometimes  Quantifier = "sometimes"
)

// Quantified is an optional interface of checkers; without it a checker is
// [Always]. A Sometimes checker never returns an error: Count tells.
type Quantified interface {
	Quantifier() Quantifier
}

// Counter is an optional interface of checkers: how often the checker had
// something to judge (or, for Sometimes, how often its mark occurred).
type Counter interface {
	Checked() uint64
}

// KindSet is a set of event kinds.
type KindSet uint64

// Kinds makes a set.
func Kinds(ks ...Kind) KindSet {
	var s KindSet
	for _, k := range ks {
		s |= 1 << k
	}
	return s
}

// AllKinds holds every kind.
const AllKinds = KindSet(1<<NumKinds - 1)

// Has reports whether k is in s.
func (s KindSet) Has(k Kind) bool { return s>>k&1 != 0 }

// Interested is an optional interface of checkers that want only some kinds;
// the runner spares them the rest, which is most of a run's cost.
type Interested interface {
	Kinds() KindSet
}

// Bounded is an optional interface of checkers with bounds on time: the runner
// calls it once before the run with the slack that the runtime adds to every
// bound (the strategy's holding in simulation, the machine's in a live run).
type Bounded interface {
	SetSlack(time.Duration)
}
