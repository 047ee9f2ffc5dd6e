package disk

import (
	"slices"
	"strings"
)

// rule is a Rule in force.
type rule struct {
	Rule
	passed, struck uint64
}

// Inject puts a rule into force; the function returned takes it back. Of
// several that would strike a call, the oldest does.
func (d *Disk) Inject(r Rule) (remove func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := &rule{Rule: r}
	d.rules = append(d.rules, p)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.rules = slices.DeleteFunc(d.rules, func(q *rule) bool { return q == p })
	}
}

// strike returns the kind of the rule that strikes this call. The caller holds
// mu.
func (d *Disk) strike(op Op, name string) (Kind, bool) {
	for _, r := range d.rules {
		if r.Op != op && !r.Any || !strings.HasPrefix(name, r.Prefix) || r.Times > 0 && r.struck >= r.Times {
			continue
		}
		if p := r.Prob; p < 0 || p > 0 && float64(d.draw()>>11)/(1<<53) >= p {
			continue
		}
		if r.passed < r.After {
			r.passed++
			continue
		}
		r.struck++
		d.struck[r.Kind]++
		return r.Kind, true
	}
	return 0, false
}
