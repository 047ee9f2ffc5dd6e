package props

import "meshsim/sim/trace"

// Always returns the invariants that hold at every step, in the order of the
// design's table: everything but what a run owes only in the end.
func Always() []func() trace.Checker {
	return []func() trace.Checker{
		Order,
		FIFODrop,
		Accounting,
		NeverWedged(0),
		NonInterference,
		Supervised(0),
		NoStaleAck,
		DurablePrefix,
		Snapshot,
		Bounded,
		SoundModel,
	}
}

// All returns every invariant: what the command, simtest and a sweep judge a
// run by. Each function makes a fresh checker, so that one slice serves any
// number of runs.
func All() []func() trace.Checker {
	return append(Always(), Recovery)
}

// Names returns the names of what All returns, in its order.
func Names() []string {
	var names []string
	for _, c := range All() {
		names = append(names, c().Name())
	}
	return names
}
