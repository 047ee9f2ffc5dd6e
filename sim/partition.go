package sim

import "math/bits"

// A partition's shapes.
const (
	shapeSymmetric = "symmetric"
	shapeOneWay    = "one-way"
	shapePartial   = "partial"
)

// partitions says which node cannot reach which, without a row per pair. Each
// cut takes one bit: it stands in the out mask of every node that is cut off
// and in the in mask of every node that they no longer reach, so that
//
//	a cannot reach b  <=>  out[a] & in[b] != 0
//
// costs one comparison per message, whatever the number of nodes and of
// overlapping partitions (more than 64 cuts at once take a second word).
type partitions struct {
	nodes int
	words int
	out   []uint64 // words per node, by (node-1)*words
	in    []uint64
	used  []uint64 // bits given out
	cuts  int      // bits given out, counted: 0 lets the check be skipped
}

// cut is one direction of one partition: from reaches to no longer.
type cut struct {
	bit      int
	from, to []uint32
}

// reset makes every node reach every other.
func (p *partitions) reset(nodes int) {
	p.nodes, p.words, p.cuts = nodes, 1, 0
	p.out = cleared(p.out, nodes)
	p.in = cleared(p.in, nodes)
	p.used = cleared(p.used, 1)
}

// cleared returns n zeroed words, in s if they fit.
func cleared(s []uint64, n int) []uint64 {
	if cap(s) < n {
		return make([]uint64, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// blocked reports whether a message from a to b is cut. O(1).
func (p *partitions) blocked(a, b uint32) bool {
	if p.cuts == 0 {
		return false
	}
	i, j := int(a-1)*p.words, int(b-1)*p.words
	for w := range p.words {
		if p.out[i+w]&p.in[j+w] != 0 {
			return true
		}
	}
	return false
}

// begin cuts from off from to. O(len(from) + len(to)).
func (p *partitions) begin(from, to []uint32) cut {
	c := cut{bit: p.take(), from: from, to: to}
	w, m := c.bit/64, uint64(1)<<(c.bit%64)
	for _, n := range from {
		p.out[int(n-1)*p.words+w] |= m
	}
	for _, n := range to {
		p.in[int(n-1)*p.words+w] |= m
	}
	p.cuts++
	return c
}

// end heals a cut.
func (p *partitions) end(c cut) {
	w, m := c.bit/64, uint64(1)<<(c.bit%64)
	for _, n := range c.from {
		p.out[int(n-1)*p.words+w] &^= m
	}
	for _, n := range c.to {
		p.in[int(n-1)*p.words+w] &^= m
	}
	p.used[w] &^= m
	p.cuts--
}

// separates reports whether c itself cuts a from b. O(1).
func (p *partitions) separates(c cut, a, b uint32) bool {
	w, m := c.bit/64, uint64(1)<<(c.bit%64)
	return p.out[int(a-1)*p.words+w]&p.in[int(b-1)*p.words+w]&m != 0
}

// take gives out the lowest free bit, and a further word when there is none.
func (p *partitions) take() int {
	for w, u := range p.used {
		if b := bits.TrailingZeros64(^u); b < 64 {
			p.used[w] |= 1 << b
			return w*64 + b
		}
	}
	p.widen()
	p.used[p.words-1] |= 1
	return (p.words - 1) * 64
}

func (p *partitions) widen() {
	w := p.words + 1
	out, in := make([]uint64, p.nodes*w), make([]uint64, p.nodes*w)
	for n := range p.nodes {
		copy(out[n*w:], p.out[n*p.words:(n+1)*p.words])
		copy(in[n*w:], p.in[n*p.words:(n+1)*p.words])
	}
	p.out, p.in, p.words = out, in, w
	p.used = append(p.used, 0)
}

// cutsOf lists the directions that a partition of the given shape cuts, as
// (from, to) pairs of groups:
//
//   - symmetric: no group reaches another;
//   - one-way: the first group no longer reaches the others, they reach it;
//   - partial: only the first and the second group are cut from one another.
//
// A partition of one group is that group against every other node.
func cutsOf(shape string, groups [][]uint32, nodes int) [][2][]uint32 {
	if len(groups) == 0 {
		return nil
	}
	if len(groups) == 1 {
		groups = [][]uint32{groups[0], others(groups[0], nodes)}
	}
	switch shape {
	case shapeOneWay:
		return [][2][]uint32{{groups[0], join(groups[1:])}}
	case shapePartial:
		return [][2][]uint32{{groups[0], groups[1]}, {groups[1], groups[0]}}
	default:
		var cs [][2][]uint32
		for i, g := range groups {
			rest := append(append([][]uint32(nil), groups[:i]...), groups[i+1:]...)
			cs = append(cs, [2][]uint32{g, join(rest)})
		}
		return cs
	}
}

func join(groups [][]uint32) []uint32 {
	var all []uint32
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// others is every node of 1..nodes that is not in g.
func others(g []uint32, nodes int) []uint32 {
	in := make([]bool, nodes+1)
	for _, n := range g {
		in[n] = true
	}
	var rest []uint32
	for n := 1; n <= nodes; n++ {
		if !in[n] {
			rest = append(rest, uint32(n))
		}
	}
	return rest
}
