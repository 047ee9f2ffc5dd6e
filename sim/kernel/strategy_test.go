package kernel_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/sim/kernel"
)

// strategies are those that come with the kernel.
var strategies = map[string]func() kernel.Strategy{
	"default": func() kernel.Strategy { return kernel.NewDefaultOrder() },
	"zero":    func() kernel.Strategy { return &kernel.DefaultOrder{} },
	"random":  func() kernel.Strategy { return kernel.NewRandomWalk(5) },
}

// runStrategy drives a strategy with drawn Adds, Removes and Picks, and checks
// that it picks each enabled step once and nothing else. It returns the picks,
// by Order.
func runStrategy(t *rapid.T, s kernel.Strategy, seed uint64, fifo bool) (picked []uint64) {
	s.Reset(seed)
	var enabled []kernel.Step // in Order
	var free []uint32
	order, refs := uint64(0), uint32(0)
	forget := func(i int) {
		free = append(free, enabled[i].Ref)
		enabled = slices.Delete(enabled, i, i+1)
	}
	for _, op := range rapid.SliceOfN(rapid.IntRange(0, 99), 0, 200).Draw(t, "ops") {
		switch {
		case op < 50 || len(enabled) == 0:
			ref := refs
			if n := len(free); n > 0 { // reuse, as the kernel does
				ref, free = free[n-1], free[:n-1]
			} else {
				refs++
			}
			order++
			step := kernel.Step{Ref: ref, Kind: kernel.Handle, Order: order}
			enabled = append(enabled, step)
			s.Add(step)
		case op < 65:
			i := op % len(enabled)
			s.Remove(enabled[i].Ref)
			forget(i)
		default:
			ref := s.Pick()
			i := slices.IndexFunc(enabled, func(x kernel.Step) bool { return x.Ref == ref })
			require.GreaterOrEqual(t, i, 0, "picked a step that is not enabled")
			if fifo {
				require.Zero(t, i, "the one enabled first comes first")
			}
			picked = append(picked, enabled[i].Order)
			forget(i)
		}
	}
	for len(enabled) > 0 {
		ref := s.Pick()
		i := slices.IndexFunc(enabled, func(x kernel.Step) bool { return x.Ref == ref })
		require.GreaterOrEqual(t, i, 0)
		picked = append(picked, enabled[i].Order)
		forget(i)
	}
	return picked
}

func TestStrategiesPickEachEnabledStepOnce(t *testing.T) {
	for name, mk := range strategies {
		t.Run(name, func(t *testing.T) {
			s := mk() // used again and again, so that Reset is tested too
			rapid.Check(t, func(t *rapid.T) { runStrategy(t, s, 1, name != "random") })
		})
	}
}

func TestRandomWalkPicksUniformly(t *testing.T) {
	s := kernel.NewRandomWalk(0)
	s.Reset(1)
	const steps, rounds = 10, 20_000
	var count [steps]float64
	for range rounds {
		for i := range uint32(steps) {
			s.Add(kernel.Step{Ref: i})
		}
		count[s.Pick()]++
		for range steps - 1 {
			s.Pick()
		}
	}
	chi := 0.0
	for _, c := range count {
		d := c - rounds/steps
		chi += d * d / (rounds / steps)
	}
	require.Less(t, chi, 27.9, "chi-squared, 9 degrees of freedom, 0.1 %%")
}

func TestHoldingStaysWithinItsBoundAndOccurs(t *testing.T) {
	const bound = 100 * time.Microsecond
	late, onTime := 0, 0
	k := newKernel(t, kernel.Options{})
	for seed := range uint64(20) {
		k.Reset(kernel.Options{Strategy: kernel.NewRandomWalk(bound), Seed: seed})
		s := kernel.NewStream(seed, "test", 0, 0)
		for i := range uint64(500) {
			at := time.Duration(s.Next().Below(uint64(time.Second)))
			kind := []kernel.StepKind{kernel.Arrival, kernel.Timer, kernel.Fault}[i%3]
			k.Schedule(at, kind, 1, 0, fireFunc(func(uint64) {
				require.GreaterOrEqual(t, k.Now(), at, "never early")
				require.LessOrEqual(t, k.Now(), at+bound)
				switch {
				case kind == kernel.Fault:
					require.Equal(t, at, k.Now(), "faults are not held")
				case k.Now() > at:
					late++
				default:
					onTime++
				}
			}), 0)
		}
		require.NoError(t, k.Run(2*time.Second))
		require.EqualValues(t, 500, k.Steps())
	}
	require.Greater(t, late, 2000)
	require.Greater(t, onTime, 2000)
}

func TestAHoldDependsOnItsEventAlone(t *testing.T) {
	s := kernel.NewRandomWalk(time.Second)
	s.Reset(9)
	e := kernel.Step{Kind: kernel.Arrival, Cause: 77}
	held := s.Hold(e)
	for i := range uint32(100) {
		s.Add(kernel.Step{Ref: i})
		s.Pick()
		s.Hold(kernel.Step{Kind: kernel.Timer, Cause: uint64(i)})
	}
	require.Equal(t, held, s.Hold(e))
	require.Zero(t, kernel.NewRandomWalk(-5).HoldMax())
	require.Zero(t, kernel.NewRandomWalk(0).Hold(e))
	require.Zero(t, kernel.NewDefaultOrder().Hold(e))
}
