package explore

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"meshsim/sim"
)

// MaxKept is how many violated seeds a tally keeps with their findings, and
// how many inconclusive ones: the lowest.
const MaxKept = 100

// Failure is one seed that violated an invariant.
type Failure struct {
	Seed uint64 `json:"seed"`
	// Invariants are those that it violated, with their violations in words.
	Invariants []sim.Invariant `json:"invariants"`
}

// Unshown is one inconclusive seed.
type Unshown struct {
	Seed uint64   `json:"seed"`
	Why  []string `json:"why"`
}

// Judged is what a sweep found out about one invariant.
type Judged struct {
	Name       string `json:"name"`
	Quantifier string `json:"quantifier"`
	Checked    uint64 `json:"checked"`  // summed over the seeds
	Violated   uint64 `json:"violated"` // seeds
}

// Tally sums up a sweep. Its JSON form is the command's.
type Tally struct {
	Scenario     string        `json:"scenario"`
	Verdict      sim.Verdict   `json:"verdict"`
	Seeds        uint64        `json:"seeds"` // run to their end
	Held         uint64        `json:"held"`
	Violated     uint64        `json:"violated"`
	Inconclusive uint64        `json:"inconclusive"`
	Failures     []Failure     `json:"failures"`
	Unshown      []Unshown     `json:"unshown"`
	Steps        uint64        `json:"steps"`
	Delivered    uint64        `json:"delivered"`
	Virtual      time.Duration `json:"virtual_ns"`
	Wall         time.Duration `json:"wall_ns"`
	Records      sim.Records   `json:"records"`
	// Faults and Sometimes are summed over the seeds. A kind at 0 was asked
	// for and never delivered.
	Faults     map[string]uint64 `json:"faults"`
	Invariants []Judged          `json:"invariants"` // sorted by name
	Sometimes  []sim.Mark        `json:"sometimes"`  // sorted by name
}

// add sums one run in. The order of additions makes no difference: all is
// sums, and lists are kept sorted.
func (t *Tally) add(r *sim.Result) {
	t.Seeds++
	t.Steps += r.Steps
	t.Delivered += r.Delivered
	t.Virtual += r.Virtual
	t.Records.Emitted += r.Records.Emitted
	t.Records.Appended += r.Records.Appended
	t.Records.Failed += r.Records.Failed
	t.Records.Unknown += r.Records.Unknown
	t.Records.Dropped += r.Records.Dropped
	t.Records.Lost += r.Records.Lost
	t.Records.Pending += r.Records.Pending
	if t.Faults == nil {
		t.Faults = make(map[string]uint64)
	}
	for kind, n := range r.Faults {
		t.Faults[kind] += n
	}
	for _, inv := range r.Invariants {
		j := named(&t.Invariants, inv.Name, func(j Judged) string { return j.Name },
			Judged{Name: inv.Name, Quantifier: inv.Quantifier})
		j.Checked += inv.Checked
		if inv.ViolatedAt != nil {
			j.Violated++
		}
	}
	for _, m := range r.Sometimes {
		named(&t.Sometimes, m.Name, func(m sim.Mark) string { return m.Name }, sim.Mark{Name: m.Name}).Count += m.Count
	}
	t.judge(r)
}

// named is the element of the sorted list with this name, fresh if there is
// none yet.
func named[T any](list *[]T, name string, of func(T) string, fresh T) *T {
	i, found := slices.BinarySearchFunc(*list, name, func(v T, want string) int {
		return strings.Compare(of(v), want)
	})
	if !found {
		*list = slices.Insert(*list, i, fresh)
	}
	return &(*list)[i]
}

func (t *Tally) judge(r *sim.Result) {
	switch r.Verdict {
	case sim.Held:
		t.Held++
	case sim.Violated:
		t.Violated++
		f := Failure{Seed: r.Seed}
		for _, inv := range r.Invariants {
			if inv.ViolatedAt != nil {
				f.Invariants = append(f.Invariants, inv)
			}
		}
		t.Failures = keep(t.Failures, f, func(f Failure) uint64 { return f.Seed })
	default:
		t.Inconclusive++
		t.Unshown = keep(t.Unshown, Unshown{r.Seed, r.Why}, func(u Unshown) uint64 { return u.Seed })
	}
}

// keep inserts v into s, sorted by seed, and lets go of the highest beyond
// MaxKept.
func keep[T any](s []T, v T, seed func(T) uint64) []T {
	i, _ := slices.BinarySearchFunc(s, seed(v), func(a T, want uint64) int {
		return cmp.Compare(seed(a), want)
	})
	if i == MaxKept {
		return s
	}
	s = slices.Insert(s, i, v)
	return s[:min(len(s), MaxKept)]
}

// Never lists what the whole sweep did not see: sometimes-marks that never
// occurred and fault kinds that were drawn but never delivered, sorted.
func (t *Tally) Never() (marks, faults []string) {
	for _, m := range t.Sometimes {
		if m.Count == 0 {
			marks = append(marks, m.Name)
		}
	}
	for kind, n := range t.Faults {
		if n == 0 {
			faults = append(faults, kind)
		}
	}
	slices.Sort(faults)
	return marks, faults
}

// settle draws the verdict: the worst of the seeds'.
func (t *Tally) settle() {
	switch {
	case t.Violated > 0:
		t.Verdict = sim.Violated
	case t.Inconclusive > 0 || t.Seeds == 0:
		t.Verdict = sim.Inconclusive
	default:
		t.Verdict = sim.Held
	}
}
