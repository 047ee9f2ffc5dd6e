package explore

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
)

// ErrSeeds is wrapped by every error about how seeds are written.
var ErrSeeds = errors.New("explore: not seeds")

// Range is the seeds From to To, both included; From is at most To.
type Range struct{ From, To uint64 }

// Seeds is a list of ranges of seeds, in the order in which they are run. A
// seed named twice is run twice.
type Seeds []Range

// ParseSeed reads one seed: a 64-bit number, decimal or hexadecimal with 0x.
func ParseSeed(s string) (uint64, error) {
	base, digits := 10, s
	if len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		base, digits = 16, s[2:]
	}
	// ParseUint takes underscores only in base 0, and a sign never.
	v, err := strconv.ParseUint(digits, base, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%w: %q is more than 64 bits", ErrSeeds, s)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %q, expected a number such as 17 or 0x11", ErrSeeds, s)
	}
	return v, nil
}

// ParseSeeds reads a list such as "1-500", "17" or "3,9,0x10-0x1f".
func ParseSeeds(s string) (Seeds, error) {
	var seeds Seeds
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, err := ParseSeed(from)
		if err != nil {
			return nil, fmt.Errorf("%w, or a list such as 1-500 or 3,9,17", err)
		}
		b := a
		if isRange {
			if b, err = ParseSeed(to); err != nil {
				return nil, fmt.Errorf("%w, or a list such as 1-500 or 3,9,17", err)
			}
		}
		if b < a {
			return nil, fmt.Errorf("%w: %q goes backwards", ErrSeeds, part)
		}
		seeds = append(seeds, Range{a, b})
	}
	return seeds, nil
}

// FirstSeeds is the seeds 1 to n.
func FirstSeeds(n uint64) Seeds {
	if n == 0 {
		return nil
	}
	return Seeds{{1, n}}
}

// All yields the seeds in order.
func (s Seeds) All() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for _, r := range s {
			for seed := r.From; ; seed++ {
				if !yield(seed) {
					return
				}
				if seed == r.To { // not in the loop's head: To may be the largest number
					break
				}
			}
		}
	}
}

// Len is the number of seeds, or the largest uint64 if there are more.
func (s Seeds) Len() (n uint64) {
	for _, r := range s {
		size := r.To - r.From
		if size == math.MaxUint64 || n > math.MaxUint64-size-1 {
			return math.MaxUint64
		}
		n += size + 1
	}
	return n
}

// String is the form that [ParseSeeds] reads; empty for no seeds.
func (s Seeds) String() string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d", r.From)
		if r.To != r.From {
			fmt.Fprintf(&b, "-%d", r.To)
		}
	}
	return b.String()
}
