package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// zeroVariance is the variance below which data count as constant. It is far
// below the variance of one deviating sample in a million and far above
// rounding noise.
const zeroVariance = 1e-12

// root finds t in [lo, hi] with f(t) = 0 for an increasing f by Newton steps
// that fall back to bisection whenever a step leaves the bracket. f returns its
// value and slope; an infinite value is allowed and only steers the bracket.
func root(lo, hi, start float64, f func(t float64) (value, slope float64)) float64 {
	t := math.Min(math.Max(start, lo), hi)
	for range 200 {
		value, slope := f(t)
		if value == 0 {
			return t
		}
		if value < 0 {
			lo = t
		} else {
			hi = t
		}
		next := t - value/slope
		if !(next > lo && next < hi) {
			next = lo + (hi-lo)/2
		}
		if math.Abs(next-t) <= 1e-15*(1+math.Abs(t)) || hi-lo <= 1e-15*(1+math.Abs(t)) {
			return next
		}
		t = next
	}
	return t
}

// betaQuantile returns the q at which the Beta(u, v) distribution function is
// a, for a in (0, 1/2], u > 0 and v >= 1, all real. It works on the logarithms
// of q and of the probability, where the function is concave, so it is accurate
// for errors down to 1e-15 and for u far below 1.
func betaQuantile(a, u, v float64) float64 {
	logA, logBeta := math.Log(a), mathext.Lbeta(u, v)
	// q^u/(u B(u,v)) bounds the distribution function from above for v >= 1, so
	// its root bounds the quantile from below.
	lo := (logA + math.Log(u) + logBeta) / u
	if lo < -700 {
		return math.Exp(lo) // the bound is exact to rounding here, and as good as zero
	}
	if lo >= 0 {
		lo = -1e-300
	}
	start := math.Max(math.Log(u/(u+v)), lo)
	t := root(lo-1e-9, 0, start, func(t float64) (value, slope float64) {
		q := math.Exp(t)
		p := mathext.RegIncBeta(u, v, math.Min(q, 1))
		if p == 0 {
			return math.Inf(-1), 1
		}
		density := math.Exp(u*t + (v-1)*math.Log1p(-q) - logBeta)
		return math.Log(p) - logA, density / p
	})
	return math.Min(math.Exp(t), 1)
}

// betaTail returns P(X <= q) of a Beta(u, v) variable for q in [0, 1].
func betaTail(q, u, v float64) float64 { return mathext.RegIncBeta(u, v, q) }

// studentTail returns P(T > t) of Student's distribution with v degrees of
// freedom, keeping relative accuracy in the upper tail.
func studentTail(t, v float64) float64 {
	if math.IsInf(t, 0) {
		return map[bool]float64{true: 0, false: 1}[t > 0]
	}
	var half float64
	if t2 := t * t; t2 > 1 {
		half = 0.5 * mathext.RegIncBeta(v/2, 0.5, v/(v+t2))
	} else {
		half = 0.5 - 0.5*mathext.RegIncBeta(0.5, v/2, t2/(v+t2))
	}
	if t < 0 {
		return 1 - half
	}
	return half
}

// studentQuantile returns the t with P(T > t) = a for a in (0, 1/2].
func studentQuantile(a, v float64) float64 {
	if a >= 0.5 {
		return 0
	}
	logA := math.Log(a)
	lgHalf, _ := math.Lgamma(v / 2)
	lgNext, _ := math.Lgamma((v + 1) / 2)
	scale := lgNext - lgHalf - 0.5*math.Log(v*math.Pi)
	s := root(-80, 700, math.Log(-normalQuantile(a)), func(s float64) (value, slope float64) {
		t := math.Exp(s)
		p := studentTail(t, v)
		if p <= 0 {
			return math.Inf(1), 1
		}
		density := math.Exp(scale - (v+1)/2*math.Log1p(t*t/v))
		return logA - math.Log(p), t * density / p
	})
	return math.Exp(s)
}

// normalQuantile returns the q quantile of the standard normal, q in (0, 1).
func normalQuantile(q float64) float64 { return -math.Sqrt2 * math.Erfcinv(2*q) }

// normalCDF returns the standard normal distribution function.
func normalCDF(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }

func some[T any](v T) *T { return &v }

func clamp(x, lo, hi float64) float64 { return math.Max(lo, math.Min(hi, x)) }
