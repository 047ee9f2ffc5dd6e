package appender

// restrike counts how often a record was struck.
type restrike struct {
	subject
	times uint64
}

// restrikes bounds how many struck records of a kind are remembered. Retries
// are in place, so the record that is tried again is among the last ones
// struck; one that was forgotten repeats its first draw.
const restrikes = 64

// draw decides by chance whether r strikes s. The draw is a function of the
// seed, the kind, s, and how often s was struck before, and of nothing else;
// the caller holds c.mu.
func (c *Control) draw(r *rule, s subject) bool {
	if !r.drawn() {
		return true
	}
	if unit(c.key(r.kind, s, 0)) >= r.Prob {
		return false
	}
	if before := c.struckBefore(r.kind, s); before > 0 {
		return unit(c.key(r.kind, s, before)) < r.Prob
	}
	return true
}

// key mixes what a draw depends on.
func (c *Control) key(kind faultKind, s subject, before uint64) uint64 {
	h := Mix(c.seed + uint64(kind))
	h = Mix(h ^ (uint64(s.incarnation)<<8 | uint64(s.stream)))
	h = Mix(h ^ s.number)
	return Mix(h ^ before)
}

// Mix spreads every bit of x over all bits of what it returns: draws from a seed
// and a counter are Mix(seed ^ Mix(counter)). It is the output function of
// SplitMix64 after one step of its sequence (Steele, Lea and Flood, "Fast
// Splittable Pseudorandom Number Generators", OOPSLA 2014, figure 17, with
// Stafford's variant 13 of the constants), and a bijection.
func Mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unit maps 64 random bits to [0, 1), using the 53 that a float64 holds.
func unit(x uint64) float64 { return float64(x>>11) * 0x1p-53 }

func (c *Control) struckBefore(kind faultKind, s subject) uint64 {
	struck := &c.again[kind]
	for i := struck.Len() - 1; i >= 0; i-- {
		if p := struck.Ptr(i); p.subject == s {
			return p.times
		}
	}
	return 0
}

// remember counts a strike on s for later draws.
func (c *Control) remember(kind faultKind, s subject) {
	struck := &c.again[kind]
	for i := struck.Len() - 1; i >= 0; i-- {
		if p := struck.Ptr(i); p.subject == s {
			p.times++
			return
		}
	}
	if struck.Cap() != restrikes {
		struck.init(restrikes)
	}
	struck.Push(restrike{s, 1})
}
