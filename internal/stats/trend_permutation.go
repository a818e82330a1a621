package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// permutationP is the two-sided p-value of "within every query the checkpoints
// are exchangeable", which is what a series without any change is, however
// strongly a query's own level persists. The mean slope is referred to its
// distribution over all orders of each query's values, whose first three moments
// are known exactly; between them the distribution is taken as Pearson type III,
// a shifted gamma (Pearson 1937; Mielke & Berry 2007). Unlike the t test it does
// not mistake the skewness of rare events, on an axis where single checkpoints
// weigh much, for a trend. It is 1 where no query's values vary.
func permutationP(weights []float64, means [][]float64) float64 {
	j := float64(len(weights))
	var w2, w3 float64
	for _, w := range weights {
		w2 += w * w
		w3 += w * w * w
	}
	var sum, variance, third float64
	for _, m := range means {
		centre, a2 := meanVariance(m) // a2 has the divisor j-1 that is wanted here
		variance += w2 * a2
		var a3 float64
		for i, v := range m {
			sum += weights[i] * v
			a3 += (v - centre) * (v - centre) * (v - centre)
		}
		if j > 2 {
			third += w3 * a3 * j / ((j - 1) * (j - 2))
		}
	}
	if variance < zeroVariance*w2 {
		return 1
	}
	sd := math.Sqrt(variance)
	z, skew := sum/sd, third/(sd*sd*sd)
	return math.Min(1, 2*math.Min(pearsonTail(z, skew), pearsonTail(-z, -skew)))
}

// pearsonTail is the chance that a standardised Pearson type III variable of the
// given skewness is at least z.
func pearsonTail(z, skew float64) float64 {
	// So close to the normal distribution the two agree, and the gamma function
	// loses digits.
	if math.Abs(skew) < 1e-3 {
		return 0.5 * math.Erfc(z/math.Sqrt2)
	}
	shape := 4 / (skew * skew)
	g := shape + math.Copysign(z, z*skew)*math.Sqrt(shape)
	switch {
	case g <= 0 && skew > 0:
		return 1
	case g <= 0:
		return 0
	case skew > 0:
		return mathext.GammaIncRegComp(shape, g)
	default:
		return mathext.GammaIncReg(shape, g)
	}
}
