package stats

import "math"

// FirstChange compares a later checkpoint with the first one on the same
// queries.
type FirstChange struct {
	// Estimate is the mean change over queries, and CI its interval with
	// two-sided error alpha: the t interval with one invented query at either
	// end of the range (after Bonett & Price 2012), so that queries which all
	// move alike do not shrink it to a point. With fewer than two queries it is
	// the whole range.
	Estimate float64
	CI       Interval
	// PTwoSided tests "no change" and agrees with CI; PHolm is adjusted over all
	// later checkpoints (Holm 1979).
	PTwoSided, PHolm float64
}

// firstChange analyses the changes of the queries, each in [-width, width], and
// returns the one-sided p-value of an increase as well.
func firstChange(changes []float64, width, alpha float64) (FirstChange, float64) {
	mean, _ := meanVariance(changes)
	out := FirstChange{Estimate: mean, CI: Interval{Lo: -width, Hi: width}, PTwoSided: 1}
	if len(changes) < 2 {
		return out, 1
	}
	with := newPseudo(changes, -width, width)
	out.CI = with.limits(alpha/2).clip(-width, width)
	above := with.above(0)
	out.PTwoSided = math.Min(1, 2*math.Min(above, with.below(0)))
	return out, above
}

// firstBelow finds the first later checkpoint that is significant by adjusted
// p-values, and by spending 6 alpha/(pi^2 j^2) of the error at look j, which
// sums to alpha over looks without end.
func firstBelow(adjusted, p []float64, alpha float64) (holm, spending *int) {
	for j := range p {
		if holm == nil && adjusted[j] <= alpha {
			holm = some(j + 1)
		}
		look := float64(j + 1)
		if spending == nil && p[j] <= 6*alpha/(math.Pi*math.Pi*look*look) {
			spending = some(j + 1)
		}
	}
	return holm, spending
}
