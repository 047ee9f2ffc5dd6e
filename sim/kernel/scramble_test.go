package kernel_test

import (
	"slices"
	"time"

	"meshsim/sim/kernel"
)

// scramble is a strategy whose picks depend on the steps alone, not on the
// history of Add and Remove, so that two implementations can share it.
type scramble struct {
	key   uint64 // 0: the default order
	hold  time.Duration
	steps []kernel.Step
}

func (s *scramble) Reset(uint64)           { s.steps = nil }
func (s *scramble) Add(x kernel.Step)      { s.steps = append(s.steps, x) }
func (s *scramble) HoldMax() time.Duration { return s.hold }
func (s *scramble) rank(order uint64) uint64 {
	if s.key == 0 {
		return order
	}
	return kernel.Mix(order ^ s.key)
}

func (s *scramble) Remove(ref uint32) {
	s.steps = slices.DeleteFunc(s.steps, func(x kernel.Step) bool { return x.Ref == ref })
}

func (s *scramble) Pick() uint32 {
	x := slices.MinFunc(s.steps, func(a, b kernel.Step) int {
		if s.rank(a.Order) < s.rank(b.Order) {
			return -1
		}
		return 1
	})
	s.Remove(x.Ref)
	return x.Ref
}

func (s *scramble) Hold(x kernel.Step) time.Duration {
	if s.hold == 0 || x.Cause%2 == 0 {
		return 0
	}
	return time.Duration(x.Cause>>32) % (s.hold + 1)
}
