package kernel

// golden is 2^64 divided by the golden ratio: the increment of splitmix64.
const golden = 0x9e3779b97f4a7c15

// Mix is a bijection of 64-bit words that spreads every input bit over all
// output bits: the finalizer of splitmix64 (Steele, Lea and Flood, "Fast
// Splittable Pseudorandom Number Generators", OOPSLA 2014, variant 13 of
// Stafford). Mix(0) is 0.
func Mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Combine mixes an ordered pair of words into one. A causal id is
// Combine(parent's id, index among its children).
func Combine(a, b uint64) uint64 { return Mix(Mix(a+golden) + (b+1)*golden) }

// fold mixes v into the digest h. For a fixed v it is a bijection of h, so
// that a difference once there never vanishes by folding equal things.
func fold(h, v uint64) uint64 {
	h = (h ^ v) * 0x9fb21c651e98df25
	return h ^ h>>32
}
