package explore

import (
	"slices"
	"strings"
	"time"

	"meshsim/sim"
)

// MaxFailures is how many failing seeds a tally keeps with their findings.
const MaxFailures = 100

// Failure is one seed that violated an invariant.
type Failure struct {
	Seed uint64 `json:"seed"`
	// Invariants are those that it violated, with their violations in words.
	Invariants []sim.Invariant `json:"invariants"`
}

// Reason is why runs were inconclusive, and how many gave that reason.
type Reason struct {
	Why   string `json:"why"`
	Seeds uint64 `json:"seeds"`
	// First is the lowest seed that gave it.
	First uint64 `json:"first"`
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
	Reasons      []Reason      `json:"reasons"`
	Steps        uint64        `json:"steps"`
	Delivered    uint64        `json:"delivered"`
	Virtual      time.Duration `json:"virtual_ns"`
	Wall         time.Duration `json:"wall_ns"`
	Records      sim.Records   `json:"records"`
	// Faults, Invariants and Sometimes are summed over the seeds: Checked of
	// an invariant is, and its ViolatedAt is nil.
	Faults     map[string]uint64 `json:"faults"`
	Invariants []sim.Invariant   `json:"invariants"`
	Sometimes  []sim.Mark        `json:"sometimes"`
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
		i, found := slices.BinarySearchFunc(t.Invariants, inv.Name, func(a sim.Invariant, name string) int {
			return strings.Compare(a.Name, name)
		})
		if !found {
			t.Invariants = slices.Insert(t.Invariants, i, sim.Invariant{Name: inv.Name, Quantifier: inv.Quantifier})
		}
		t.Invariants[i].Checked += inv.Checked
	}
	for _, m := range r.Sometimes {
		i, found := slices.BinarySearchFunc(t.Sometimes, m.Name, func(a sim.Mark, name string) int {
			return strings.Compare(a.Name, name)
		})
		if !found {
			t.Sometimes = slices.Insert(t.Sometimes, i, sim.Mark{Name: m.Name})
		}
		t.Sometimes[i].Count += m.Count
	}
	t.judge(r)
}

func (t *Tally) judge(r *sim.Result) {
	switch r.Verdict {
	case sim.Held:
		t.Held++
	case sim.Violated:
		t.Violated++
		t.fail(r)
	default:
		t.Inconclusive++
		for _, why := range r.Why {
			t.reason(why, r.Seed)
		}
	}
}

func (t *Tally) fail(r *sim.Result) {
	f := Failure{Seed: r.Seed}
	for _, inv := range r.Invariants {
		if inv.ViolatedAt != nil {
			f.Invariants = append(f.Invariants, inv)
		}
	}
	i, _ := slices.BinarySearchFunc(t.Failures, f.Seed, func(a Failure, seed uint64) int {
		if a.Seed < seed {
			return -1
		}
		return 1
	})
	if i == MaxFailures {
		return
	}
	t.Failures = slices.Insert(t.Failures, i, f)
	t.Failures = t.Failures[:min(len(t.Failures), MaxFailures)]
}

func (t *Tally) reason(why string, seed uint64) {
	i, found := slices.BinarySearchFunc(t.Reasons, why, func(a Reason, why string) int {
		return strings.Compare(a.Why, why)
	})
	if !found {
		t.Reasons = slices.Insert(t.Reasons, i, Reason{Why: why, First: seed})
	}
	t.Reasons[i].Seeds++
	t.Reasons[i].First = min(t.Reasons[i].First, seed)
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
