package stats

import "math"

// Interval is a closed interval of a rate or a gap.
type Interval struct{ Lo, Hi float64 }

func (i Interval) join(j Interval) Interval {
	return Interval{Lo: math.Min(i.Lo, j.Lo), Hi: math.Max(i.Hi, j.Hi)}
}

func (i Interval) clip(lo, hi float64) Interval {
	return Interval{Lo: clamp(i.Lo, lo, hi), Hi: clamp(i.Hi, lo, hi)}
}

// proportion is a rate with the number of independent observations that it is
// worth.
type proportion struct{ rate, nEff float64 }

// lower is the Clopper-Pearson lower limit with error a at a real-valued
// effective sample size (Clopper & Pearson 1934; Korn & Graubard 1998).
func (p proportion) lower(a float64) float64 {
	if p.rate <= 0 {
		return 0
	}
	x := p.rate * p.nEff
	return betaQuantile(a, x, math.Max(p.nEff-x, 0)+1)
}

// upper mirrors lower. It solves for the complement, which keeps its accuracy
// when the limit is close to one.
func (p proportion) upper(a float64) float64 {
	if p.rate >= 1 {
		return 1
	}
	x := p.rate * p.nEff
	return 1 - betaQuantile(a, math.Max(p.nEff-x, math.SmallestNonzeroFloat64), x+1)
}

func (p proportion) limits(a float64) Interval { return Interval{Lo: p.lower(a), Hi: p.upper(a)} }

// pseudo is a sample of n values to which one invented value at each end of the
// range was added: mean and variance are those of all n+2, so the variance is
// never zero. The degrees of freedom stay n-1 (after Agresti & Coull 1998;
// Bonett & Price 2012).
type pseudo struct {
	n        int
	mean, se float64
}

func newPseudo(values []float64, lowest, highest float64) pseudo {
	total := float64(len(values) + 2)
	sum := lowest + highest
	for _, v := range values {
		sum += v
	}
	mean := sum / total
	squares := (lowest-mean)*(lowest-mean) + (highest-mean)*(highest-mean)
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return pseudo{n: len(values), mean: mean, se: math.Sqrt(squares) / total}
}

func (p pseudo) limits(a float64) Interval {
	half := studentQuantile(a, float64(p.n-1)) * p.se
	return Interval{Lo: p.mean - half, Hi: p.mean + half}
}

// above is the p-value of "the mean is at most tau".
func (p pseudo) above(tau float64) float64 {
	return studentTail((p.mean-tau)/p.se, float64(p.n-1))
}

// below is the p-value of "the mean is at least tau".
func (p pseudo) below(tau float64) float64 {
	return studentTail((tau-p.mean)/p.se, float64(p.n-1))
}

// bounded is an estimate with an interval around it.
type bounded struct {
	at float64
	Interval
}

// mover gives the limits of a difference a - b from the separate limits of two
// quantities with correlation phi (Newcombe 1998; Zou & Donner 2008).
func mover(a, b bounded, phi float64) Interval {
	below := hypot(a.at-a.Lo, b.Hi-b.at, phi)
	over := hypot(a.Hi-a.at, b.at-b.Lo, phi)
	return Interval{Lo: a.at - b.at - below, Hi: a.at - b.at + over}
}

func hypot(x, y, phi float64) float64 {
	return math.Sqrt(math.Max(x*x-2*phi*x*y+y*y, 0))
}

// invert finds the smallest error a in [1e-15, 1/2] at which excluded(a) holds,
// by bisection on the logarithm of a: 1 if it does not hold even at 1/2, and 0
// if it holds already at 1e-15.
func invert(excluded func(a float64) bool) float64 {
	const least, most = 1e-15, 0.5
	if !excluded(most) {
		return 1
	}
	if excluded(least) {
		return 0
	}
	lo, hi := math.Log(least), math.Log(most)
	for hi-lo > 1e-12 {
		mid := lo + (hi-lo)/2
		if excluded(math.Exp(mid)) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return math.Exp(hi)
}

// agree moves an upper bound and its p-value by rounding errors, so that both
// lie below tau and alpha where it is known that tau is rejected, and neither
// does where it is not.
func agree(rejected bool, upper, tau, p, alpha float64) (bound, pValue float64) {
	if rejected {
		return math.Min(upper, math.Nextafter(tau, math.Inf(-1))), math.Min(p, math.Nextafter(alpha, 0))
	}
	return math.Max(upper, tau), math.Max(p, alpha)
}
