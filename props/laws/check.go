package laws

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"meshsim/appender"
)

// Options shape a [Check]. The zero value of each field means its default.
type Options struct {
	// Seed is what the cases are drawn from. Default 1.
	Seed uint64
	// Cases is how many of each law are tried. Default 100.
	Cases int
	// Only, if set, names the laws that are asked.
	Only []string
	// Progress, if set, is told of each law before it is asked.
	Progress func(law Law, done, of int)
}

// Verdict is what became of one law.
type Verdict struct {
	Law    Law
	Cases  int     // tried
	Lacks  string  // why it does not apply; "" if it does
	Broken *Broken // nil if it holds
}

// Report is what a [Check] found.
type Report struct {
	Verdicts []Verdict
	// Interrupted: its context ended before every law was asked.
	Interrupted bool
}

// Err joins the laws that are broken; nil if none is.
func (r *Report) Err() error {
	var errs []error
	for _, v := range r.Verdicts {
		if v.Broken != nil {
			errs = append(errs, v.Broken)
		}
	}
	return errors.Join(errs...)
}

// Skipped lists the laws that were not asked, as "name: why".
func (r *Report) Skipped() []string {
	var list []string
	for _, v := range r.Verdicts {
		if v.Lacks != "" {
			list = append(list, v.Law.Name+": "+v.Lacks)
		}
	}
	return list
}

// Check asks every law that applies of the subject, in as many cases, from small
// to large, and makes a case that fails as small as it can. The error is for a
// subject that cannot be opened at all, or for a wrong name in Only.
func Check(ctx context.Context, cfg Config, o Options) (*Report, error) {
	if o.Cases <= 0 {
		o.Cases = 100
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if (cfg.New == nil) == (cfg.Wrap == nil) {
		return nil, errors.New("laws: either Config.New or Config.Wrap is to be set")
	}
	laws, err := Select(o.Only)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	for i, l := range laws {
		if ctx.Err() != nil {
			r.Interrupted = true
			break
		}
		if o.Progress != nil {
			o.Progress(l, i, len(laws))
		}
		v := Verdict{Law: l}
		if v.Lacks, err = l.Lacks(cfg); err != nil {
			return nil, fmt.Errorf("laws: opening %s: %w", cfg.Name, err)
		}
		for v.Lacks == "" && v.Cases < o.Cases && v.Broken == nil && ctx.Err() == nil {
			t := &tape{seed: appender.Mix(o.Seed^appender.Mix(hash(l.Name))) + uint64(v.Cases), size: 1 + 100*v.Cases/o.Cases}
			v.Cases++
			if v.Broken = broken(l.Check(cfg, t)); v.Broken != nil {
				v.Broken = shrink(l, cfg, t.drawn, v.Broken)
			}
		}
		r.Verdicts = append(r.Verdicts, v)
	}
	return r, nil
}

// Select returns the laws of these names, all if there are none.
func Select(names []string) ([]Law, error) {
	if len(names) == 0 {
		return All(), nil
	}
	var some []Law
	for _, name := range names {
		n := len(some)
		for _, l := range All() {
			if l.Name == name {
				some = append(some, l)
			}
		}
		if len(some) == n {
			return nil, fmt.Errorf("%w: %q", errLaw, name)
		}
	}
	return some, nil
}

func broken(err error) *Broken {
	var b *Broken
	if err != nil && !errors.As(err, &b) {
		b = &Broken{Err: err}
	}
	return b
}

// tape is a Draw from a seed, or of what was drawn before.
type tape struct {
	seed, n uint64
	size    int // from 1 to 101: how much of each range is used
	play    []uint64
	playing bool
	drawn   []uint64
}

func (t *tape) next() uint64 {
	var x uint64
	switch {
	case !t.playing:
		t.n++
		x = appender.Mix(t.seed ^ appender.Mix(t.n))
	case len(t.drawn) < len(t.play):
		x = t.play[len(t.drawn)]
	}
	return x
}

// Int implements [Draw].
func (t *tape) Int(_ string, lo, hi int) int {
	if hi < lo {
		panic(fmt.Sprintf("laws: drawing from %d to %d", lo, hi))
	}
	width := uint64(hi - lo)
	x := t.next()
	if !t.playing {
		// What has few values is a kind rather than a size: all of them come from
		// the first case on.
		x %= min(width, max(width*uint64(t.size)/100, 8)) + 1
	}
	x = min(x, width)
	t.drawn = append(t.drawn, x)
	return lo + int(x)
}

// Uint64 implements [Draw].
func (t *tape) Uint64(string) uint64 {
	x := t.next()
	t.drawn = append(t.drawn, x)
	return x
}

// shrinkTries bounds how often a case is run again to make it smaller.
const shrinkTries = 300

// shrink makes the numbers of a failing case fewer and smaller, one after the
// other, as long as it fails (delta debugging, Zeller and Hildebrandt, TSE
// 2002, on the draws).
func shrink(l Law, cfg Config, drawn []uint64, b *Broken) *Broken {
	if l.slow || errors.Is(b, errHangs) {
		return b // each try would take its time
	}
	tries := 0
	try := func(play []uint64) bool {
		if tries++; tries > shrinkTries {
			return false
		}
		t := &tape{play: play, playing: true}
		smaller := broken(l.Check(cfg, t))
		if smaller == nil || !simpler(t.drawn, drawn) {
			return false
		}
		drawn, b = t.drawn, smaller
		return true
	}
	for again := true; again && tries < shrinkTries; {
		again = false
		for size := len(drawn) / 2; size > 0; size /= 2 {
			for i := 0; i+size <= len(drawn); {
				shorter := append(append([]uint64(nil), drawn[:i]...), drawn[i+size:]...)
				if try(shorter) {
					again = true
				} else {
					i += size
				}
			}
		}
		for i := 0; i < len(drawn); i++ {
			for _, x := range []uint64{0, drawn[i] / 2, drawn[i] - 1} {
				if i >= len(drawn) || drawn[i] == 0 || x >= drawn[i] {
					continue
				}
				lower := append([]uint64(nil), drawn...)
				lower[i] = x
				if try(lower) {
					again = true
				}
			}
		}
		if tries >= shrinkTries {
			break
		}
		again = again && tries < shrinkTries
	}
	return b
}

// simpler orders cases by the sum of their draws, and those of one sum by how
// many there are: ten plain calls are simpler than three elaborate ones. Sums are
// rounded, which leaves small draws as they are until the large ones are small.
func simpler(a, b []uint64) bool {
	sum := func(draws []uint64) (s float64) {
		for _, x := range draws {
			s += float64(x)
		}
		return s
	}
	x, y := sum(a), sum(b)
	return x < y || x == y && len(a) < len(b)
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}
