package sim

import (
	"time"

	"meshsim/sim/kernel"
)

// Every random decision of the world is a pure function of (key, purpose,
// number): the key comes from the seed and from what decides (a link, a fault,
// a node), the number says which occasion it is. No decision consumes
// randomness of another, so that a local change perturbs only its own.

// The roots of the world's keys, one per kind of decider.
const (
	rootLinks uint64 = iota + 1
	rootFaults
	rootChaos
	rootNodes
	rootShadows
	rootSinks
	rootDaemons
	rootSchedule
	rootService
)

// mix folds b into a.
func mix(a, b uint64) uint64 { return kernel.Combine(a, b) }

func linkKey(seed uint64, from, to uint32) uint64 {
	return mix(mix(seed, rootLinks), uint64(from)<<32|uint64(to))
}

// bitsOf are 64 uniform bits for one occasion.
func bitsOf(key, purpose, num uint64) uint64 {
	return mix(key^purpose*0xd1342543de82ef95, num)
}

// unit is a uniform number in [0, 1).
func unit(key, purpose, num uint64) float64 {
	return kernel.Draw(bitsOf(key, purpose, num)).Float64()
}

// chance is true with probability p.
func chance(key, purpose, num uint64, p float64) bool { return unit(key, purpose, num) < p }

// below is uniform in [0, n).
func below(n int, key, purpose, num uint64) int {
	return int(kernel.Draw(bitsOf(key, purpose, num)).Below(uint64(n)))
}

// draw draws from d for one occasion; a constant costs no draw.
func draw(d Dist, key, purpose, num uint64) time.Duration {
	if d.Kind == "" || d.Kind == DistConstant {
		return d.A
	}
	return d.Draw(bitsOf(key, purpose, num))
}

// stray is how much later than due a reordered message lands: up to reach.
func stray(key, num uint64, reach time.Duration) time.Duration {
	return time.Duration(below(int(reach)+1, key, purposeStray, num))
}
