package props

import "meshsim/sim/trace"

// Sometimes counts the events of some kinds (none means all) for which pred is
// true; a nil pred counts them all. It never fails: a run that promised the
// mark and shows a count of 0 is inconclusive, not violated.
func Sometimes(name string, pred func(*trace.Event) bool, kinds ...trace.Kind) func() trace.Checker {
	return func() trace.Checker {
		j := always(name, kinds...)
		j.quant = trace.Sometimes
		if len(kinds) == 0 {
			j.kinds = trace.AllKinds
		}
		return &sometimes{judge: j, pred: pred}
	}
}

type sometimes struct {
	judge
	pred func(*trace.Event) bool
}

func (c *sometimes) Observe(e *trace.Event) error {
	if c.pred == nil || c.pred(e) {
		c.checked++
	}
	return nil
}
