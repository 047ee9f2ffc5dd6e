package props

import (
	"meshsim/sim"
	"meshsim/sim/trace"
)

// Marks returns a counter for each mark that a scenario can promise, in the
// order of [sim.Marks].
func Marks() []func() trace.Checker {
	var cs []func() trace.Checker
	for _, name := range sim.Marks() {
		if m, ok := sim.FindMark(name); ok {
			cs = append(cs, Sometimes(m.Name, m.Match, kindsOf(m.Kinds)...))
		}
	}
	return cs
}

func kindsOf(s trace.KindSet) (ks []trace.Kind) {
	for k := range trace.Kind(trace.NumKinds) {
		if s.Has(k) {
			ks = append(ks, k)
		}
	}
	return ks
}
