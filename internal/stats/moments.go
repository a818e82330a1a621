package stats

import "math"

// meanVariance returns the mean and the variance with divisor n-1 (0 for n < 2).
func meanVariance(values []float64) (mean, variance float64) {
	if len(values) == 0 {
		return 0, 0
	}
	n := float64(len(values))
	for _, v := range values {
		mean += v
	}
	mean /= n
	if len(values) < 2 {
		return mean, 0
	}
	for _, v := range values {
		variance += (v - mean) * (v - mean)
	}
	return mean, variance / (n - 1)
}

// StandardDeviation has divisor n-1; it is 0 for fewer than two values, which
// must be finite.
func StandardDeviation(values []float64) float64 {
	_, variance := meanVariance(values)
	return math.Sqrt(variance)
}

// covariance has divisor n-1; the slices have equal length of at least 2.
func covariance(x, y []float64) float64 {
	mx, _ := meanVariance(x)
	my, _ := meanVariance(y)
	var sum float64
	for i := range x {
		sum += (x[i] - mx) * (y[i] - my)
	}
	return sum / float64(len(x)-1)
}

// correlation is Pearson's, or 0 if either variance counts as zero.
func correlation(x, y []float64) float64 {
	if len(x) < 2 {
		return 0
	}
	_, vx := meanVariance(x)
	_, vy := meanVariance(y)
	if vx < zeroVariance || vy < zeroVariance {
		return 0
	}
	return clamp(covariance(x, y)/math.Sqrt(vx*vy), -1, 1)
}
