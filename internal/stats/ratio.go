package stats

import "math"

// RatioCluster is one query's contribution to a ratio of two rates, such as
// alignment-faking reasoning given compliance.
type RatioCluster struct {
	// Numerator and Denominator are sums of scores over the Valid samples, with
	// 0 <= Numerator <= Denominator <= Valid.
	Numerator, Denominator float64
	// Valid is the number of samples for which both scores are known.
	Valid int
}

// RatioEstimate is the share of one event among the occurrences of another.
type RatioEstimate struct {
	// Ratio is nil if the conditioning event never occurred.
	Ratio *float64
	// SE is the linearised cluster standard error; nil with fewer than two
	// queries or without a ratio.
	SE *float64
	// EffectiveN is the number of independent occurrences the data are worth.
	EffectiveN *float64
	// CI is two-sided with error alpha; [0, 1] unless the conditioning event
	// occurred in at least two queries.
	CI Interval
}

// EstimateRatio estimates sum(numerator)/sum(denominator) over query means. Both
// counts are random, so the standard error is Taylor-linearised (Cochran 1977)
// and turned into an effective sample size for a Clopper-Pearson interval (Korn
// & Graubard 1998). The error is an *InputError.
func EstimateRatio(clusters []RatioCluster, alpha float64) (RatioEstimate, error) {
	if err := checkAlpha("alpha", alpha); err != nil {
		return RatioEstimate{}, err
	}
	whole := RatioEstimate{CI: Interval{Lo: 0, Hi: 1}}
	var queries, occurring int
	var top, bottom, events float64
	for i, c := range clusters {
		if !(c.Valid >= 0 && c.Numerator >= 0 && c.Numerator <= c.Denominator+1e-9 && c.Denominator <= float64(c.Valid)+1e-9) {
			return RatioEstimate{}, badInput(clusterField("cluster", i, ""), "needs 0 <= numerator <= denominator <= valid samples")
		}
		if c.Valid == 0 {
			continue
		}
		queries++
		top += c.Numerator / float64(c.Valid)
		bottom += c.Denominator / float64(c.Valid)
		events += c.Denominator
		if c.Denominator > 0 {
			occurring++
		}
	}
	if occurring == 0 {
		return whole, nil
	}
	ratio := clamp(top/bottom, 0, 1)
	whole.Ratio = &ratio
	if queries < 2 {
		return whole, nil
	}
	n, level := float64(queries), bottom/float64(queries)
	var squares float64
	for _, c := range clusters {
		if c.Valid > 0 {
			z := (c.Numerator - ratio*c.Denominator) / float64(c.Valid) / level
			squares += z * z
		}
	}
	variance, unit := squares/(n*(n-1)), ratio*(1-ratio)
	nEff := float64(occurring)
	if variance >= zeroVariance && unit >= zeroVariance {
		nEff = clamp(unit/variance, 1, math.Max(events, 1))
	}
	whole.SE, whole.EffectiveN = some(math.Sqrt(variance)), &nEff
	if occurring >= 2 {
		whole.CI = proportion{rate: ratio, nEff: nEff}.limits(alpha / 2)
	}
	return whole, nil
}
