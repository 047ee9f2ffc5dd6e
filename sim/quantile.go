package sim

import "math"

// A run must be the same on every machine, but package math is not: its Log
// and Exp are assembly on some architectures, and compilers fuse x*y+z into
// one rounding on others. What a draw goes through is therefore written here
// with every product rounded by an explicit conversion, which the language
// says prevents fusion; additions, divisions and square roots are exact to
// IEEE 754 everywhere.

// ln is the natural logarithm of x > 0, after FreeBSD's e_log.c (as is
// math.Log's portable form); its error is below 1 ulp.
func ln(x float64) float64 {
	const (
		ln2Hi = 6.93147180369123816490e-01
		ln2Lo = 1.90821492927058770002e-10
		l1    = 6.666666666666735130e-01
		l2    = 3.999999999940941908e-01
		l3    = 2.857142874366239149e-01
		l4    = 2.222219843214978396e-01
		l5    = 1.818357216161805012e-01
		l6    = 1.531383769920937332e-01
		l7    = 1.479819860511658591e-01
	)
	f1, ki := math.Frexp(x)
	if f1 < math.Sqrt2/2 {
		f1 *= 2
		ki--
	}
	f := f1 - 1
	k := float64(ki)
	s := f / (2 + f)
	s2 := float64(s * s)
	s4 := float64(s2 * s2)
	t1 := float64(s2 * poly4(s4, l7, l5, l3, l1))
	t2 := float64(s4 * poly3(s4, l6, l4, l2))
	r := t1 + t2
	hfsq := float64(float64(0.5*f) * f)
	return float64(k*ln2Hi) - ((hfsq - (float64(s*(hfsq+r)) + float64(k*ln2Lo))) - f)
}

// exp is e to the x, after FreeBSD's e_exp.c; its error is below 1 ulp.
func exp(x float64) float64 {
	const (
		ln2Hi = 6.93147180369123816490e-01
		ln2Lo = 1.90821492927058770002e-10
		log2e = 1.44269504088896338700e+00
		p1    = 1.66666666666666657415e-01
		p2    = -2.77777777770155933842e-03
		p3    = 6.61375632143793436117e-05
		p4    = -1.65339022054652515390e-06
		p5    = 4.13813679705723846039e-08
	)
	switch {
	case x > 709:
		return math.Inf(1)
	case x < -745:
		return 0
	}
	k := int(float64(log2e*x) + math.Copysign(0.5, x))
	hi := x - float64(float64(k)*ln2Hi)
	lo := float64(float64(k) * ln2Lo)
	r := hi - lo
	t := float64(r * r)
	c := r - float64(t*poly5(t, p5, p4, p3, p2, p1))
	y := 1 - ((lo - float64(r*c)/(2-c)) - hi)
	return math.Ldexp(y, k)
}

// probit is the standard normal quantile at the uniform bits u, by Wichura's
// AS 241 ("The Percentage Points of the Normal Distribution", Applied
// Statistics 37, 1988), routine PPND16: about 1 part in 10^16.
func probit(u uint64) float64 {
	p := (float64(u>>11) + 0.5) * 0x1p-53
	q := p - 0.5
	if math.Abs(q) <= 0.425 {
		r := 0.180625 - float64(q*q)
		return q * poly8(r, 2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
			4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
			1.3314166789178437745e2, 3.3871328727963666080) /
			poly8(r, 5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
				2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
				4.2313330701600911252e1, 1)
	}
	tail := p
	if q > 0 {
		tail = upperTail(u)
	}
	r := math.Sqrt(-ln(tail))
	var z float64
	if r <= 5 {
		r -= 1.6
		z = poly8(r, 7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
			1.27045825245236838258, 3.64784832476320460504, 5.76949722146069140550,
			4.63033784615654529590, 1.42343711074968357734) /
			poly8(r, 1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
				1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940,
				2.05319162663775882187, 1)
	} else {
		r -= 5
		z = poly8(r, 2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
			2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580,
			5.46378491116411436990, 6.65790464350110377720) /
			poly8(r, 2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
				7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
				5.99832206555887937690e-1, 1)
	}
	return math.Copysign(z, q)
}

// poly3 and its like are polynomials by Horner's rule, the highest power's
// coefficient first.
func poly3(x, a, b, c float64) float64 { return float64((float64(a*x)+b)*x) + c }

func poly4(x, a, b, c, d float64) float64 { return float64(poly3(x, a, b, c)*x) + d }

func poly5(x, a, b, c, d, e float64) float64 { return float64(poly4(x, a, b, c, d)*x) + e }

func poly8(x, a, b, c, d, e, f, g, h float64) float64 {
	return float64((float64((float64(poly5(x, a, b, c, d, e)*x)+f)*x)+g)*x) + h
}
