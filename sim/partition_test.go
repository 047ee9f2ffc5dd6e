package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawGroups draws disjoint groups over nodes 1..n; some nodes are in none.
func drawGroups(t *rapid.T, n, atLeast int) [][]uint32 {
	k := rapid.IntRange(atLeast, 4).Draw(t, "groups")
	groups := make([][]uint32, k)
	for node := 1; node <= n; node++ {
		if g := rapid.IntRange(-1, k-1).Draw(t, "group"); g >= 0 {
			groups[g] = append(groups[g], uint32(node))
		}
	}
	return groups
}

func groupOf(groups [][]uint32, n uint32) int {
	for i, g := range groups {
		for _, m := range g {
			if m == n {
				return i
			}
		}
	}
	return -1
}

// cutByDefinition says in words what each shape cuts.
func cutByDefinition(shape string, a, b int) bool {
	if a < 0 || b < 0 || a == b {
		return false
	}
	switch shape {
	case shapeOneWay:
		return a == 0
	case shapePartial:
		return a == 0 && b == 1 || a == 1 && b == 0
	}
	return true
}

// Overlapping partitions of every shape, begun and ended in any order, cut
// exactly what the definition of those in force cuts, in each direction.
func TestPartitionsCutWhatTheirShapeSaysAndHealingHeals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 12).Draw(t, "nodes")
		var p partitions
		p.reset(n)
		type inForce struct {
			shape  string
			groups [][]uint32
			cuts   []cut
		}
		var active []inForce
		check := func() {
			for a := uint32(1); int(a) <= n; a++ {
				for b := uint32(1); int(b) <= n; b++ {
					want := false
					for _, x := range active {
						want = want || cutByDefinition(x.shape, groupOf(x.groups, a), groupOf(x.groups, b))
					}
					require.Equal(t, want, p.blocked(a, b), "n%d to n%d", a, b)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				x := inForce{shape: rapid.SampledFrom([]string{shapeSymmetric, shapeOneWay, shapePartial}).Draw(t, "shape")}
				x.groups = drawGroups(t, n, 2)
				for _, c := range cutsOf(x.shape, x.groups, n) {
					x.cuts = append(x.cuts, p.begin(c[0], c[1]))
				}
				active = append(active, x)
			},
			"end": func(t *rapid.T) {
				if len(active) == 0 {
					return // nothing to heal
				}
				i := rapid.IntRange(0, len(active)-1).Draw(t, "which")
				for _, c := range active[i].cuts {
					p.end(c)
				}
				active = append(active[:i], active[i+1:]...)
			},
			"": func(*rapid.T) { check() },
		})
	})
}

func TestOneGroupIsCutFromAllOtherNodes(t *testing.T) {
	var p partitions
	p.reset(5)
	for _, c := range cutsOf(shapeSymmetric, [][]uint32{{2, 4}}, 5) {
		p.begin(c[0], c[1])
	}
	for a := uint32(1); a <= 5; a++ {
		for b := uint32(1); b <= 5; b++ {
			in := func(n uint32) bool { return n == 2 || n == 4 }
			require.Equal(t, in(a) != in(b), p.blocked(a, b))
		}
	}
}

// More cuts at once than a word has bits take further words; what was cut
// before stays cut, and bits are given out again after a heal.
func TestPartitionsBeyondOneWordOfCuts(t *testing.T) {
	const nodes = 150
	var p partitions
	p.reset(nodes)
	var cuts []cut
	for i := uint32(1); i < nodes; i++ {
		cuts = append(cuts, p.begin([]uint32{i}, []uint32{i + 1}))
	}
	for a := uint32(1); a <= nodes; a++ {
		for b := uint32(1); b <= nodes; b++ {
			require.Equal(t, b == a+1, p.blocked(a, b))
		}
	}
	for _, c := range cuts {
		p.end(c)
	}
	words := p.words
	for i := uint32(1); i < nodes; i++ {
		require.False(t, p.blocked(i, i+1))
		p.begin([]uint32{i}, []uint32{i + 1})
	}
	require.Equal(t, words, p.words)
}

// Skews and jumps move the wall clock alone, nest, and never reach back.
func TestWallClockSkewsAndJumpsNest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c wallclock
		epoch := time.UnixMilli(1_700_000_000_000)
		c.reset(epoch)
		var now, drift time.Duration // what must have been gained over an honest clock
		var rates []float64
		t.Repeat(map[string]func(*rapid.T){
			"pass": func(t *rapid.T) {
				d := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "d"))
				r := 1.0
				for _, x := range rates {
					r *= x
				}
				drift += time.Duration(float64(d)*r) - d
				now += d
			},
			"skew": func(t *rapid.T) {
				x := rapid.SampledFrom([]float64{0.5, 0.99, 1.01, 2}).Draw(t, "rate")
				c.skew(now, x)
				rates = append(rates, x)
			},
			"unskew": func(t *rapid.T) {
				if len(rates) == 0 {
					return // not skewed
				}
				x := rates[rapid.IntRange(0, len(rates)-1).Draw(t, "which")]
				c.unskew(now, x)
				rates = without(rates, x)
			},
			"jump": func(t *rapid.T) {
				by := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "by"))
				c.jump(now, by)
				drift += by
			},
			"": func(t *rapid.T) {
				gained := c.at(now).Sub(epoch) - now
				require.InDelta(t, float64(drift), float64(gained), float64(100*time.Microsecond))
			},
		})
	})
}
