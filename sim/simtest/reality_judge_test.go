package simtest_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"meshsim/appender"
)

// fateKey is what is compared of a line: what the loop was told, and whether it
// is there.
type fateKey struct {
	outcome appender.Outcome // Pending: it never came to the host
	there   bool
}

func (k fateKey) String() string {
	told := k.outcome.String()
	if k.outcome == appender.Pending {
		told = "never emitted"
	}
	if k.there {
		return told + " and stored"
	}
	return told + " and not stored"
}

// fateSet counts what became of the lines of a class.
type fateSet map[fateKey]int

func (s fateSet) String() string {
	var parts []string
	for _, k := range s.sorted() {
		parts = append(parts, fmt.Sprintf("%v (%d)", k, s[k]))
	}
	return cmp.Or(strings.Join(parts, ", "), "nothing")
}

func (s fateSet) sorted() []fateKey {
	return slices.SortedFunc(maps.Keys(s), func(a, b fateKey) int { return strings.Compare(a.String(), b.String()) })
}

// missing is what is in s and not in other.
func (s fateSet) missing(other fateSet) (keys []fateKey) {
	for _, k := range s.sorted() {
		if other[k] == 0 {
			keys = append(keys, k)
		}
	}
	return keys
}

// findings are what several runs of a script on one medium have shown.
type findings struct {
	medium string
	runs   int
	sets   map[string]fateSet // by class
	whys   map[string]error   // by class and fate: what an attempt said
}

// add judges a run by itself, and adds what it shows.
func (f *findings) add(p *play) error {
	f.runs++
	if f.sets == nil {
		f.sets, f.whys = map[string]fateSet{}, map[string]error{}
	}
	for i := range p.fates {
		class := p.s.class(i + 1)
		if f.sets[class] == nil {
			f.sets[class] = fateSet{}
		}
		k := keyOf(&p.fates[i])
		f.sets[class][k]++
		if at := class + k.String(); f.whys[at] == nil {
			f.whys[at] = p.fates[i].why
		}
	}
	if broken := p.laws(); len(broken) > 0 {
		return fmt.Errorf("%s breaks its word:\n    %s\n  in %v", f.medium, strings.Join(broken[:min(len(broken), 6)], "\n    "), p.s)
	}
	return nil
}

func keyOf(f *fate) fateKey { return fateKey{f.outcome, f.stored > 0} }

// laws lists what holds in every run, simulated or real, and did not in this one.
func (p *play) laws() (broken []string) {
	law := func(holds bool, line int, format string, args ...any) {
		if !holds {
			broken = append(broken, fmt.Sprintf("line %d ", line)+fmt.Sprintf(format, args...))
		}
	}
	// Where an answer gets lost on its way to the host, the host appends again.
	once := true
	switch p.m.repeats() {
	case whatItStored:
		once = !p.s.faulty(appender.FaultAppendPanic, appender.FaultAppendDeaf, appender.FaultAppliedThenError)
	case everything:
		once = !p.s.faulty(appender.FaultAppendPanic, appender.FaultAppendDeaf, appender.FaultAppliedThenError) && !p.goneOnce
	}
	for i := range p.fates {
		f, line := &p.fates[i], i+1
		law(f.settled == 1 || f.settled == 0 && !f.emitted, line, "was settled %d times", f.settled)
		switch f.outcome {
		case appender.Appended:
			law(f.stored > 0, line, "was acknowledged, and is not stored")
		case appender.Unknown:
		default:
			law(f.stored == 0, line, "was told %v, and is stored", f.outcome)
		}
		law(f.stored <= f.taken, line, "is stored %d times; its medium has taken it %d times", f.stored, f.taken)
		law(f.stored <= 1 || !once, line, "is stored %d times", f.stored)
	}
	// Each where it was stored first; what is stored again comes later.
	last := 0
	seen := map[int]bool{}
	for _, line := range p.order {
		law(seen[line] || line > last, line, "is stored behind line %d", last)
		seen[line] = true
		last = max(last, line)
	}
	return broken
}

// compare finds where what was simulated and what is real differ: where
// something races, everything that happens must happen in the simulation, too;
// where nothing does, all must be the same.
func compare(s *script, simulated, actual []*findings) error {
	var errs []error
	for _, class := range s.classes() {
		if why := differ(s, class, simulated, actual); why != "" {
			errs = append(errs, fmt.Errorf("%s: %s\n%s", class, why, shown(class, simulated, actual)))
		}
	}
	if errs == nil {
		return nil
	}
	return fmt.Errorf("simulation and reality differ in %v%w", s, errors.Join(errs[:min(len(errs), 3)]...))
}

// shown is what all media show of a class.
func shown(class string, simulated, actual []*findings) string {
	var b strings.Builder
	for _, f := range slices.Concat(simulated, actual) {
		fmt.Fprintf(&b, "    %-24s %v, in %d runs\n", f.medium+":", f.sets[class], f.runs)
	}
	return b.String()
}

// table is what all media show of a script; lines of which the same is shown
// are one.
func table(s *script, simulated, actual []*findings) string {
	var b strings.Builder
	fmt.Fprint(&b, s)
	first, last, all := "", "", s.classes()
	for i, class := range all {
		is := shown(class, simulated, actual)
		if first == "" {
			first, last = class, class
		}
		if i+1 < len(all) && shown(all[i+1], simulated, actual) == is {
			last = all[i+1]
			continue
		}
		if last != first {
			first += " to " + last
		}
		fmt.Fprintf(&b, "  %s:\n%s", first, is)
		first = ""
		if i+1 < len(all) {
			first, last = all[i+1], all[i+1]
		}
	}
	return b.String()
}

// differ compares a class of lines: a real medium with its simulation, and if
// nothing races all media with each other.
func differ(s *script, class string, simulated, actual []*findings) string {
	for i := range actual {
		r, v := actual[i], simulated[i]
		if m := r.sets[class].missing(v.sets[class]); m != nil {
			return fmt.Sprintf("%s: in %s, never in %s (%v)", m[0], r.medium, v.medium, r.whys[class+m[0].String()])
		}
		if s.races {
			continue
		}
		if m := v.sets[class].missing(r.sets[class]); m != nil {
			return fmt.Sprintf("%s: in %s, never in %s (%v)", m[0], v.medium, r.medium, v.whys[class+m[0].String()])
		}
		if !s.apart && i > 0 {
			first := actual[0]
			if m := slices.Concat(first.sets[class].missing(r.sets[class]), r.sets[class].missing(first.sets[class])); m != nil {
				return fmt.Sprintf("%s: in %s or in %s, never in the other", m[0], first.medium, r.medium)
			}
		}
	}
	return ""
}
