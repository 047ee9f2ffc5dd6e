package kernel

import (
	"math"
	"math/bits"
)

// Draw is 64 random bits. Its methods turn them into other distributions; each
// gives the same bits on every platform, and uses the whole draw: two methods
// of one Draw are dependent, so take Again for another.
type Draw uint64

// Again derives another draw from this one.
func (d Draw) Again() Draw { return Draw(Mix(uint64(d) + golden)) }

// Float64 is uniform in [0, 1), a multiple of 2^-53.
func (d Draw) Float64() float64 { return float64(d>>11) * 0x1p-53 }

// open is uniform in (0, 1), never an end: an odd multiple of 2^-53.
func (d Draw) open() float64 { return (float64(d>>12) + 0.5) * 0x1p-52 }

// Below is uniform in [0, n); the bias is below n/2^64. It panics if n is 0.
func (d Draw) Below(n uint64) uint64 {
	if n == 0 {
		panic("kernel: Below(0)")
	}
	hi, _ := bits.Mul64(uint64(d), n)
	return hi
}

// Hit is true with probability p: never if p <= 0, always if p >= 1.
func (d Draw) Hit(p float64) bool { return d.Float64() < p }

// Exp is exponentially distributed with mean 1, in (0, 37).
func (d Draw) Exp() float64 { return -ln(d.open()) }

// Norm is normally distributed with mean 0 and standard deviation 1, in
// (-9, 9).
func (d Draw) Norm() float64 { return probit(d.open()) }

// Pareto is Pareto distributed with scale 1 and the shape given: at least 1,
// and above x with probability x^-shape. It panics unless shape is above 0.
func (d Draw) Pareto(shape float64) float64 {
	if !(shape > 0) {
		panic("kernel: Pareto needs a shape above 0")
	}
	return exp(d.Exp() / shape)
}

// The functions below stand in for package math's, which differ in their last
// bits from one architecture to another: some are written in assembly, and
// in the others a compiler may fuse x*y + z into one operation with one rounding.
// The language forbids to fuse across an explicit conversion, so every
// product is converted.

const (
	ln2Hi = 6.93147180369123816490e-01 // its low 32 bits are 0
	ln2Lo = 1.90821492927058770002e-10
)

// ln is the natural logarithm of a positive normal number, by FreeBSD's
// e_log.c (Sun Microsystems, 1993). Its error is below 1 ulp.
func ln(x float64) float64 {
	b := math.Float64bits(x)
	e := int(b>>52) - 1022
	m := math.Float64frombits(b&(1<<52-1) | 1022<<52) // in [0.5, 1)
	if m < math.Sqrt2/2 {
		m *= 2
		e--
	}
	f, k := m-1, float64(e)
	s := f / (2 + f)
	s2 := float64(s * s)
	s4 := float64(s2 * s2)
	r := float64(s2*poly(s4, 6.666666666666735130e-01, 2.857142874366239149e-01, 1.818357216161805012e-01, 1.479819860511658591e-01)) +
		float64(s4*poly(s4, 3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01))
	h := float64(float64(0.5*f) * f)
	return float64(k*ln2Hi) - ((h - (float64(s*(h+r)) + float64(k*ln2Lo))) - f)
}

// exp is e to the x for x >= 0, by FreeBSD's e_exp.c, at most MaxFloat64.
// Its error is below 1 ulp.
func exp(x float64) float64 {
	if x > 709 {
		return math.MaxFloat64
	}
	k := int(float64(math.Log2E*x) + 0.5)
	hi := x - float64(float64(k)*ln2Hi)
	lo := float64(float64(k) * ln2Lo)
	r := hi - lo
	t := float64(r * r)
	c := r - float64(t*poly(t, 1.66666666666666657415e-01, -2.77777777770155933842e-03, 6.61375632143793436117e-05,
		-1.65339022054652515390e-06, 4.13813679705723846039e-08))
	y := 1 - ((lo - float64(r*c)/(2-c)) - hi)
	return y * math.Float64frombits(uint64(1023+k)<<52)
}

// probit is the inverse of the standard normal distribution function, for p
// in (0, 1), by algorithm AS 241, PPND16 (Wichura, Applied Statistics 37, 1988).
// Its relative error is about 1e-16.
func probit(p float64) float64 {
	q := p - 0.5
	if q >= -0.425 && q <= 0.425 {
		r := 0.180625 - float64(q*q)
		return float64(q*poly(r, 3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
			4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3)) /
			poly(r, 1, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
				2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3)
	}
	var v float64
	if r := math.Sqrt(-ln(min(p, 1-p))); r <= 5 {
		r -= 1.6
		v = poly(r, 1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
			1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4) /
			poly(r, 1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
				1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9)
	} else {
		r -= 5
		v = poly(r, 6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
			2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7) /
			poly(r, 1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
				7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15)
	}
	return math.Copysign(v, q)
}

// poly is c[0] + c[1] x + c[2] x^2 + ...
func poly(x float64, c ...float64) float64 {
	v := c[len(c)-1]
	for i := len(c) - 2; i >= 0; i-- {
		v = c[i] + float64(v*x)
	}
	return v
}
