package simtest

import (
	"fmt"
	"strings"
	"testing"

	"meshsim/props"
	"meshsim/sim"
	"meshsim/sim/report"
	"meshsim/sim/trace"
)

// Options shape a test. The zero value of each field means its default.
type Options struct {
	// Seeds is how many seeds run, from 1 on, when neither a flag nor the
	// environment says which. Default 10.
	Seeds uint64
	// AllowInconclusive lets a seed pass that violated nothing but did not
	// show what the scenario promises either (a fault that never struck, a
	// sometimes-mark that never occurred): sensible for swarms, where a single
	// seed need not show everything.
	AllowInconclusive bool
	// Tail is how many events a failure shows. Default 20.
	Tail int

	_ struct{}
}

// Run runs cfg once per seed, each in a parallel subtest, judged by the
// checkers; without any, by all that package props has. It is
// Options{}.Run: see there.
func Run(t *testing.T, cfg sim.Config, checkers ...func() trace.Checker) {
	t.Helper()
	Options{}.Run(t, cfg, checkers...)
}

// Run runs cfg once per seed, each in a parallel subtest named seed=N, judged
// by the checkers; without any, by all that package props has. As parallel
// subtests do, they begin once the test function that called Run has returned:
// clean up with t.Cleanup, not with defer. A failing seed is run a second time
// for its trace.
func (o Options) Run(t *testing.T, cfg sim.Config, checkers ...func() trace.Checker) {
	t.Helper()
	if len(checkers) == 0 {
		checkers = props.All()
	}
	if o.Seeds == 0 {
		o.Seeds = 10
	}
	if o.Tail == 0 {
		o.Tail = 20
	}
	seeds, err := chosenSeeds(o.Seeds)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range seeds.All() {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			if msg := o.judge(t, cfg, seed, checkers); msg != "" {
				t.Fatal(msg)
			}
		})
	}
}

// judge runs one seed and returns what is wrong, or "". A panic that no actor
// contained is wrong too: it must not take the other seeds' tests along.
func (o Options) judge(t *testing.T, cfg sim.Config, seed uint64, checkers []func() trace.Checker) (msg string) {
	defer func() {
		if v := recover(); v != nil {
			msg = fmt.Sprintf("seed %d: panic: %v\n%s", seed, v, reproduce(t.Name(), seed))
		}
	}()
	r, err := sim.Run(t.Context(), cfg, seed, checkers...)
	if err != nil {
		return fmt.Sprintf("seed %d could not be run: %v\n%s", seed, err, reproduce(t.Name(), seed))
	}
	if r.Verdict == sim.Held || r.Verdict == sim.Inconclusive && o.AllowInconclusive {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %s\n", seed, r.Verdict)
	for _, why := range r.Why {
		fmt.Fprintf(&b, "  %s\n", why)
	}
	for _, inv := range r.Invariants {
		if inv.ViolatedAt != nil {
			fmt.Fprintf(&b, "invariant %s (%s) violated at step %d: %s\n", inv.Name, inv.Quantifier, *inv.ViolatedAt, inv.Violation)
		}
	}
	if first := r.FirstViolation(); first != nil {
		o.tail(t, &b, cfg, seed, checkers, r, first)
	}
	b.WriteString(reproduce(t.Name(), seed))
	return b.String()
}

// tail runs the seed again, this time watching, and writes down the last
// events before the violation. Most seeds hold, so that only those that do not
// pay for being watched.
func (o Options) tail(t *testing.T, b *strings.Builder, cfg sim.Config, seed uint64, checkers []func() trace.Checker, r *sim.Result, first *sim.Invariant) {
	tail := report.NewTail(o.Tail, *first.ViolatedAt)
	watched := cfg.Observe
	cfg.ObserveKinds = 0
	cfg.Observe = func(e *trace.Event) {
		tail.Observe(e)
		if watched != nil {
			watched(e)
		}
	}
	again, err := sim.Run(t.Context(), cfg, seed, checkers...)
	if err != nil {
		fmt.Fprintf(b, "(no events to show: the second run failed: %v)\n", err)
		return
	}
	if again.Digest != r.Digest {
		fmt.Fprintf(b, "(the second run differs, digest %s, not %s: something in this test is not a function of the seed)\n",
			again.Digest, r.Digest)
	}
	_ = tail.Write(b, first.Violation) // a Builder never fails
}
