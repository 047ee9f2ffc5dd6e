package sim

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// The kinds of a [Dist].
const (
	DistConstant = "constant"
	DistUniform  = "uniform"
	DistExp      = "exp"
	DistNormal   = "normal"
	DistPareto   = "pareto"
)

// DistMax bounds every draw: the tail of a heavy distribution is cut there, so
// that adding a few draws to a time never overflows.
const DistMax = 24 * time.Hour

// ErrDist is wrapped by every error of [ParseDist].
var ErrDist = errors.New("sim: not a distribution")

// distForms is what an error says was expected.
const distForms = `a distribution such as "10ms", "uniform 1ms 5ms", "exp 5ms", "normal 10ms 2ms" or "pareto 1ms 1.5"`

// Constant is the distribution that always draws d.
func Constant(d time.Duration) Dist {
	if d == 0 {
		return Dist{}
	}
	return Dist{Kind: DistConstant, A: d}
}

// Uniform draws evenly from lo to hi, both included.
func Uniform(lo, hi time.Duration) Dist { return Dist{Kind: DistUniform, A: lo, B: hi} }

// Exponential draws gaps of a memoryless process: mean is their mean.
func Exponential(mean time.Duration) Dist { return Dist{Kind: DistExp, A: mean} }

// Normal draws from a bell curve; what falls below 0 is drawn as 0.
func Normal(mean, deviation time.Duration) Dist { return Dist{Kind: DistNormal, A: mean, B: deviation} }

// Pareto draws from a heavy tail: never below scale, and P(X > x) falls as
// (scale/x)^shape. A shape above 1 gives it a mean.
func Pareto(scale time.Duration, shape float64) Dist {
	return Dist{Kind: DistPareto, A: scale, Shape: shape}
}

// ParseDist reads the text form of a distribution, the one that [Dist.String]
// writes. Its errors wrap [ErrDist] and say what was found and expected.
func ParseDist(text string) (Dist, error) {
	f := strings.Fields(text)
	fail := func() (Dist, error) {
		return Dist{}, fmt.Errorf("%w: found %q, expected %s", ErrDist, text, distForms)
	}
	if len(f) == 0 {
		return fail()
	}
	d := Dist{Kind: f[0]}
	args := f[1:]
	want := map[string]int{DistUniform: 2, DistExp: 1, DistNormal: 2, DistPareto: 2}[d.Kind]
	if want == 0 {
		d.Kind, want, args = DistConstant, 1, f
	}
	if len(args) != want {
		return fail()
	}
	var err error
	if d.A, err = time.ParseDuration(args[0]); err != nil {
		return fail()
	}
	switch {
	case want == 1:
	case d.Kind == DistPareto:
		if d.Shape, err = strconv.ParseFloat(args[1], 64); err != nil {
			return fail()
		}
	default:
		if d.B, err = time.ParseDuration(args[1]); err != nil {
			return fail()
		}
	}
	if expected := d.fault(); expected != "" {
		return Dist{}, fmt.Errorf("%w: found %q, expected %s", ErrDist, text, expected)
	}
	if d.Kind == DistConstant && d.A == 0 {
		return Dist{}, nil // one form for "nothing", so that texts and values match one to one
	}
	return d, nil
}

// fault says what was expected of an invalid d, or nothing.
func (d Dist) fault() string {
	bounded := func(v time.Duration) bool { return v >= 0 && v <= DistMax }
	switch {
	case !bounded(d.A) || !bounded(d.B):
		return "durations from 0s to " + DistMax.String()
	case d.Kind == "" && d != Dist{}:
		return distForms
	case d.Kind != DistPareto && d.Shape != 0:
		return "no shape but pareto's"
	case (d.Kind == DistConstant || d.Kind == DistExp || d.Kind == DistPareto) && d.B != 0:
		return "one duration for " + d.Kind
	}
	switch d.Kind {
	case "", DistConstant, DistNormal:
	case DistUniform:
		if d.A > d.B {
			return "the smaller duration of uniform first"
		}
	case DistExp:
		if d.A == 0 {
			return "a mean above 0s"
		}
	case DistPareto:
		if d.A == 0 {
			return "a scale above 0s"
		}
		if !(d.Shape > 1 && d.Shape <= 100) {
			return "a shape above 1 (below it a pareto has no mean), at most 100"
		}
	default:
		return distForms
	}
	return ""
}

// Validate reports whether d is a distribution; its error wraps [ErrDist].
func (d Dist) Validate() error {
	if expected := d.fault(); expected != "" {
		return fmt.Errorf("%w: found %q, expected %s", ErrDist, d.String(), expected)
	}
	return nil
}

// IsZero reports whether d is the zero Dist, which draws nothing but 0.
func (d Dist) IsZero() bool { return d == Dist{} }

// String is d's text form, which [ParseDist] reads back.
func (d Dist) String() string {
	switch d.Kind {
	case "", DistConstant:
		return d.A.String()
	case DistExp:
		return d.Kind + " " + d.A.String()
	case DistPareto:
		return d.Kind + " " + d.A.String() + " " + strconv.FormatFloat(d.Shape, 'g', -1, 64)
	}
	return d.Kind + " " + d.A.String() + " " + d.B.String()
}

// MarshalText is [Dist.String] for encoders.
func (d Dist) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is [ParseDist] for decoders.
func (d *Dist) UnmarshalText(text []byte) error {
	v, err := ParseDist(string(text))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// Draw is the quantile function of d at u: u is 64 uniform random bits, and a
// larger u never draws a smaller duration. One u is one draw, so that a stream
// keyed by message number gives each message its own, whatever others took.
// The result is the same on every machine, because the transcendental
// functions under it are (see [ln]); it is between 0 and [Dist.Max]. It does
// not allocate. d must be valid.
func (d Dist) Draw(u uint64) time.Duration {
	switch d.Kind {
	case "", DistConstant:
		return d.A
	case DistUniform:
		// Multiply-shift (Lemire, "Fast random integer generation in an
		// interval", 2019) without its rejection: the bias is below
		// (B-A)/2^64, and one draw stays one draw.
		hi, _ := bits.Mul64(u, uint64(d.B-d.A)+1)
		return d.A + time.Duration(hi)
	case DistExp:
		return clampDraw(float64(d.A) * -ln(upperTail(u)))
	case DistNormal:
		return clampDraw(float64(d.A) + float64(float64(d.B)*probit(u)))
	case DistPareto:
		return clampDraw(float64(d.A) * exp(-ln(upperTail(u))/d.Shape))
	}
	panic("sim: Draw of an invalid distribution " + d.String())
}

// Max is the largest duration that d can draw.
func (d Dist) Max() time.Duration { return d.Draw(math.MaxUint64) }

// Min is the smallest duration that d can draw.
func (d Dist) Min() time.Duration { return d.Draw(0) }

// Mean is d's mean: the one that its draws tend to, the cut at [DistMax] left
// out of account. It is for display and planning.
func (d Dist) Mean() time.Duration {
	switch d.Kind {
	case DistUniform:
		return d.A + (d.B-d.A)/2
	case DistNormal:
		if d.B == 0 {
			return d.A
		}
		// E max(0, X): the part below 0 counts as 0.
		a := float64(d.A) / float64(d.B)
		phi := math.Exp(-a*a/2) / math.Sqrt(2*math.Pi)
		cdf := 0.5 * math.Erfc(-a/math.Sqrt2)
		return time.Duration(float64(d.A)*cdf + float64(d.B)*phi)
	case DistPareto:
		return clampDraw(float64(d.A) * d.Shape / (d.Shape - 1))
	}
	return d.A
}

func clampDraw(ns float64) time.Duration {
	switch {
	case !(ns > 0):
		return 0
	case ns >= float64(DistMax):
		return DistMax
	}
	return time.Duration(ns)
}

// upperTail maps u to 1-p, in (0, 1), for the p-quantile: falling in u.
func upperTail(u uint64) float64 {
	return (float64(^u>>11) + 0.5) * 0x1p-53
}
