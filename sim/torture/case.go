package torture

import (
	"slices"
	"strings"
)

// runCase runs the case of a seed. If it fails, a smaller one that fails as well
// is looked for.
func runCase(seed uint64, opener openLog) (outcome, *Failure) {
	c, f := runPlan(draw(seed), opener)
	if f != nil {
		f.Seed = seed
	}
	return c, f
}

func runPlan(p *plan, opener openLog) (outcome, *Failure) {
	w := newWorld(p, opener)
	err := w.run()
	w.m.tally.Cases = 1
	o := outcome{kind: p.kind, tally: w.m.tally, digest: w.digest}
	if err == nil {
		return o, nil
	}
	p, err = shrink(p, w.step, err, opener)
	f := &Failure{Kind: p.kind, Options: p.options(), Err: err}
	for i := range p.steps {
		f.Steps = append(f.Steps, p.steps[i].String())
	}
	return o, f
}

// tries bounds how often a failing history is run to make it smaller.
const tries = 2000

// class is an error's beginning without its numbers: failures are of one kind if
// it is the same.
func class(err error) string {
	s := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, err.Error())
	s = strings.TrimPrefix(s, healed)
	return s[:min(len(s), classBytes)]
}

const classBytes = 40

// shrink takes steps away as long as what is left fails in the same way: first
// many at a time, then fewer (Zeller and Hildebrandt, "Simplifying and Isolating
// Failure-Inducing Input", IEEE TSE 2002, without the tests of complements).
// Then it makes batches smaller. failed is the step at which the history failed.
func shrink(p *plan, failed int, err error, opener openLog) (*plan, error) {
	best := *p
	best.steps = slices.Clone(p.steps[:min(failed+1, len(p.steps))])
	what, left := class(err), tries
	attempt := func(steps []step) bool {
		left--
		q := best
		q.steps = steps
		w := newWorld(&q, opener)
		e := w.run()
		if e == nil || class(e) != what {
			return false
		}
		best.steps, err = steps[:min(w.step+1, len(steps))], e
		return true
	}
	for size := max(len(best.steps)/2, 1); left > 0; {
		smaller := false
		for from := 0; from < len(best.steps) && left > 0; {
			to := min(from+size, len(best.steps))
			if attempt(slices.Concat(best.steps[:from], best.steps[to:])) {
				smaller = true
			} else {
				from = to
			}
		}
		if !smaller && size == 1 {
			break
		}
		if !smaller {
			size /= 2
		}
	}
	for i := 0; i < len(best.steps) && left > 0; i++ {
		for n := 1; i < len(best.steps) && best.steps[i].act == actAppend && n < best.steps[i].n && left > 0; n *= 2 {
			steps := slices.Clone(best.steps)
			steps[i].n = n
			if attempt(steps) {
				break
			}
		}
	}
	return &best, err
}
