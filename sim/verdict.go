package sim

import (
	"fmt"
	"slices"
)

// result tells what the run showed, after the judgement is over.
func (w *world) result(interrupted bool) *Result {
	r := &Result{
		Scenario: w.cfg.Name, Seed: w.seed, Nodes: w.cfg.Nodes,
		Delivered: w.net.delivered, Skipped: w.skipped, Unheard: w.unheard,
	}
	for i := range w.nodes {
		r.Records.sum(w.nodes[i].records())
	}
	w.settleExpectations()
	r.Faults = w.faults()
	r.Invariants = w.court.invariants()
	r.Sometimes = w.court.occurred()
	r.Verdict = Held
	if r.Why = w.why(interrupted); len(r.Why) > 0 {
		r.Verdict = Inconclusive
	}
	if slices.ContainsFunc(r.Invariants, func(i Invariant) bool { return i.ViolatedAt != nil }) {
		r.Verdict = Violated
	}
	return r
}

// FirstViolation is the violation at the lowest step; nil if nothing was violated.
func (r *Result) FirstViolation() (first *Invariant) {
	for i := range r.Invariants {
		inv := &r.Invariants[i]
		if inv.ViolatedAt != nil && (first == nil || *inv.ViolatedAt < *first.ViolatedAt) {
			first = inv
		}
	}
	return first
}

func (r *Records) sum(s Records) {
	r.Emitted += s.Emitted
	r.Appended += s.Appended
	r.Failed += s.Failed
	r.Unknown += s.Unknown
	r.Dropped += s.Dropped
	r.Lost += s.Lost
	r.Pending += s.Pending
}

// faults counts the strikes by kind: what the nodes' and the mesh's faults
// struck, the messages that link faults struck, the calls that appender
// faults struck.
func (w *world) faults() map[string]uint64 {
	m := map[string]uint64{}
	for _, p := range w.foe.promises {
		if !p.skipped {
			m[p.kind] += p.fired
		}
	}
	n := &w.net
	for kind, base := range map[string]struct {
		prob  float64
		fired uint64
	}{
		kindLoss:      {n.cfg.Loss, n.struck.loss},
		kindDuplicate: {n.cfg.Duplicate, n.struck.duplicate},
		kindReorder:   {n.cfg.Reorder, n.struck.reorder},
	} {
		if base.prob > 0 {
			m[kind] += base.fired
		}
	}
	return m
}

// why lists what the run was meant to show and did not.
func (w *world) why(interrupted bool) []string {
	var why []string
	if interrupted {
		why = append(why, fmt.Sprintf("interrupted at %v, before its end", w.now()))
	}
	if w.court.vacuous() {
		why = append(why, "no invariant had anything to judge")
	}
	for _, p := range append(slices.Clone(w.foe.promises), w.basePromises()...) {
		switch {
		case p.skipped || p.kept():
		case p.scripted:
			why = append(why, p.label+" never struck")
		default:
			why = append(why, fmt.Sprintf("%s never struck, where about %.0f strikes were to be expected", p.label, p.expected))
		}
	}
	for _, name := range w.cfg.Sometimes {
		i := slices.IndexFunc(markRules, func(r MarkRule) bool { return r.Name == name })
		if i >= 0 && w.court.marks[i] == 0 {
			why = append(why, fmt.Sprintf("sometimes %s (%s): never", name, markRules[i].About))
		}
	}
	for _, s := range w.load.Sources {
		if err := s.Err(); err != nil {
			why = append(why, err.Error())
		}
	}
	return why
}

// settleExpectations closes the account of the faults of appenders and disks
// that are still in force.
func (w *world) settleExpectations() {
	for i := range w.nodes {
		n := &w.nodes[i]
		for j := range n.spoils {
			n.expect(&n.spoils[j])
		}
		n.spoils = n.spoils[:0]
	}
}

// basePromises are the probabilities that the network itself carries.
func (w *world) basePromises() []*promise {
	n := &w.net
	return []*promise{
		{label: "network.loss", kind: kindLoss, fired: n.struck.loss, expected: n.cfg.Loss * float64(n.due.loss)},
		{label: "network.duplicate", kind: kindDuplicate, fired: n.struck.duplicate, expected: n.cfg.Duplicate * float64(n.due.duplicate)},
		{label: "network.reorder", kind: kindReorder, fired: n.struck.reorder, expected: n.cfg.Reorder * float64(n.due.reorder)},
	}
}

// occurred lists every mark and how often it occurred, in the marks' order.
func (c *court) occurred() []Mark {
	ms := make([]Mark, len(markRules))
	for i := range markRules {
		ms[i] = Mark{Name: markRules[i].Name, Count: c.marks[i]}
	}
	return ms
}
