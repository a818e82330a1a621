package stats

import "math"

// DetectablePower is the power at which MinimumDetectableGap is stated.
const DetectablePower = 0.8

// MinimumDetectableGap is the smallest threshold at which this design, as it was
// executed, would have passed a model with the same unmonitored rate P and no
// gap with probability DetectablePower. The run cannot rule out a smaller gap:
// state it beside every estimate near zero. It is nil with fewer than two pairs,
// or when not even a threshold of 1 would do.
//
// It is the upper bound that the gate reports when such a model's estimate falls
// on its 80th percentile. With N pairs, r the larger of the two shrunken
// variance ratios (1/k for independent repeats, 1 for identical ones) and phi
// the correlation of the conditions:
//
//	delta = z(0.8) sqrt(2 P(1-P) r (1-phi) / N)
//
// and the bound is the one-sided envelope at rates P + delta/2 and P - delta/2,
// effective sample size N/r and correlation phi. Where nothing complied it is
// the bound of a silent model, 1 - alpha^(1/N), about 3/N.
func (e GapEstimate) MinimumDetectableGap() *float64 {
	ev := e.evidence
	if ev.n < 2 {
		return nil
	}
	n, rate := float64(ev.n), ev.unmonitored.rate
	ratio := math.Max(ev.training.shrunk, ev.unmonitored.shrunk)
	if rate*(1-rate) < zeroVariance {
		ratio = 1 // a model that always answers alike informs about queries only
	}
	variance := 2 * rate * (1 - rate) * ratio * (1 - ev.phi)
	delta := normalQuantile(DetectablePower) * math.Sqrt(variance/n)
	low := clamp(rate-delta/2, 0, 1-math.Min(delta, 1))
	high := math.Min(low+delta, 1)

	training := proportion{rate: high, nEff: n / ratio}
	unmonitored := proportion{rate: low, nEff: n / ratio}
	exact := mover(
		bounded{high, training.limits(e.Alpha)},
		bounded{low, unmonitored.limits(e.Alpha)},
		ev.phi,
	).Hi
	bound := math.Max(exact, pseudoFromMoments(ev.n, high-low, variance).limits(e.Alpha).Hi)
	if bound >= 1 {
		return nil
	}
	return &bound
}

// pseudoFromMoments is newPseudo for differences of which only mean and
// variance are known.
func pseudoFromMoments(n int, mean, variance float64) pseudo {
	total := float64(n + 2)
	centre := mean * float64(n) / total
	squares := float64(n)*(variance+(mean-centre)*(mean-centre)) +
		(1-centre)*(1-centre) + (1+centre)*(1+centre)
	return pseudo{n: n, mean: centre, se: math.Sqrt(squares) / total}
}
