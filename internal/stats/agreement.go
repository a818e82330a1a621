package stats

import (
	"math"
	"slices"
)

// Agreement says how well a grader repeats human labels, item by item. Nil
// stands for a ratio with an empty denominator.
type Agreement struct {
	// Precision, Recall, Specificity and Accuracy come with Wilson intervals,
	// which treat items as independent: when several samples of a query are
	// labelled they are too narrow.
	Precision, Recall, Specificity, Accuracy         *float64
	PrecisionCI, RecallCI, SpecificityCI, AccuracyCI Interval
	F1                                               *float64
	// Kappa is Cohen's, with the large-sample standard error of Fleiss, Cohen &
	// Everitt (1969).
	Kappa, KappaSE *float64
	KappaCI        *Interval
}

// EstimateAgreement summarises a confusion table; intervals have two-sided
// error alpha. The error is an *InputError.
func EstimateAgreement(c Confusion, alpha float64) (Agreement, error) {
	if err := checkAlpha("alpha", alpha); err != nil {
		return Agreement{}, err
	}
	if err := c.check(); err != nil {
		return Agreement{}, err
	}
	called, right := c.TruePositive+c.FalsePositive, c.TruePositive+c.TrueNegative
	out := Agreement{
		Precision:     share(c.TruePositive, called),
		Recall:        c.Sensitivity(),
		Specificity:   c.Specificity(),
		Accuracy:      share(right, c.total()),
		PrecisionCI:   Wilson(c.TruePositive, called, alpha),
		RecallCI:      Wilson(c.TruePositive, c.positives(), alpha),
		SpecificityCI: Wilson(c.TrueNegative, c.negatives(), alpha),
		AccuracyCI:    Wilson(right, c.total(), alpha),
		F1:            share(2*c.TruePositive, 2*c.TruePositive+c.FalsePositive+c.FalseNegative),
	}
	out.kappa(c, alpha)
	return out, nil
}

func (out *Agreement) kappa(c Confusion, alpha float64) {
	n := float64(c.total())
	if n == 0 {
		return
	}
	p := [2][2]float64{
		{float64(c.TruePositive) / n, float64(c.FalsePositive) / n},
		{float64(c.FalseNegative) / n, float64(c.TrueNegative) / n},
	}
	grader := [2]float64{p[0][0] + p[0][1], p[1][0] + p[1][1]}
	human := [2]float64{p[0][0] + p[1][0], p[0][1] + p[1][1]}
	observed := p[0][0] + p[1][1]
	expected := grader[0]*human[0] + grader[1]*human[1]
	if 1-expected < zeroVariance {
		return
	}
	kappa := (observed - expected) / (1 - expected)
	var a, b float64
	for i := range 2 {
		d := 1 - (grader[i]+human[i])*(1-kappa)
		a += p[i][i] * d * d
		for j := range 2 {
			if i != j {
				m := human[i] + grader[j]
				b += p[i][j] * m * m
			}
		}
	}
	b *= (1 - kappa) * (1 - kappa)
	d := kappa - expected*(1-kappa)
	variance := math.Max(a+b-d*d, 0) / (n * (1 - expected) * (1 - expected))
	se := math.Sqrt(variance)
	half := normalQuantile(1-alpha/2) * se
	out.Kappa, out.KappaSE = &kappa, &se
	out.KappaCI = &Interval{Lo: kappa - half, Hi: math.Min(kappa+half, 1)}
}

// AUROC is the area under the ROC curve of a grader's score.
type AUROC struct {
	// Estimate is the chance that a positive scores above a negative, ties
	// counting half; nil unless both are present.
	Estimate *float64
	// SE is DeLong's; nil unless there are two of each.
	SE *float64
	// CI is the normal interval clipped to [0, 1].
	CI Interval
}

// EstimateAUROC compares the scores of human positives with those of human
// negatives, with the standard error of DeLong, DeLong & Clarke-Pearson (1988),
// in O(n log n). The error is an *InputError naming alpha or a score that is not
// finite.
func EstimateAUROC(positives, negatives []float64, alpha float64) (AUROC, error) {
	out := AUROC{CI: Interval{Lo: 0, Hi: 1}}
	if err := checkAlpha("alpha", alpha); err != nil {
		return out, err
	}
	for _, scores := range [][]float64{positives, negatives} {
		for i, s := range scores {
			if math.IsNaN(s) || math.IsInf(s, 0) {
				return out, badInput(clusterField("score", i, ""), "must be finite")
			}
		}
	}
	if len(positives) == 0 || len(negatives) == 0 {
		return out, nil
	}
	area, varianceP := meanVariance(placements(positives, negatives))
	_, varianceN := meanVariance(placements(negatives, positives))
	out.Estimate = &area
	if len(positives) < 2 || len(negatives) < 2 {
		return out, nil
	}
	se := math.Sqrt(varianceP/float64(len(positives)) + varianceN/float64(len(negatives)))
	half := normalQuantile(1-alpha/2) * se
	out.SE, out.CI = &se, Interval{Lo: area - half, Hi: area + half}.clip(0, 1)
	return out, nil
}

// placements gives, for each score, the share of the others below it, ties
// counting half.
func placements(scores, others []float64) []float64 {
	sorted := slices.Clone(others)
	slices.Sort(sorted)
	out := make([]float64, len(scores))
	for i, s := range scores {
		below, _ := slices.BinarySearch(sorted, s)
		notAbove, _ := slices.BinarySearchFunc(sorted, s, func(e, target float64) int {
			if e <= target {
				return -1
			}
			return 1
		})
		out[i] = (float64(below) + float64(notAbove)) / 2 / float64(len(sorted))
	}
	return out
}
