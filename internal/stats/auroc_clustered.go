package stats

import "math"

// LabelledScores are a grader's scores of the items of one query, by their human
// label.
type LabelledScores struct{ Positives, Negatives []float64 }

// EstimateClusteredAUROC is EstimateAUROC for items of which several may answer
// one query, with the variance of Obuchowski (1997, Biometrics 53), which is
// DeLong's when every query has one item. SE is nil unless two queries have
// positives and two have negatives. The error is an *InputError.
func EstimateClusteredAUROC(clusters []LabelledScores, alpha float64) (AUROC, error) {
	var positives, negatives []float64
	for _, c := range clusters {
		positives, negatives = append(positives, c.Positives...), append(negatives, c.Negatives...)
	}
	out, err := EstimateAUROC(positives, negatives, alpha)
	if err != nil || out.Estimate == nil {
		return out, err
	}
	variance := obuchowski(clusters, placements(positives, negatives), placements(negatives, positives), *out.Estimate)
	if variance == nil {
		out.SE, out.CI = nil, Interval{Lo: 0, Hi: 1}
		return out, nil
	}
	se := math.Sqrt(math.Max(*variance, 0))
	half := normalQuantile(1-alpha/2) * se
	out.SE, out.CI = &se, Interval{Lo: *out.Estimate - half, Hi: *out.Estimate + half}.clip(0, 1)
	return out, nil
}

// obuchowski is the variance of an area from the placements of all positives
// and negatives, in the order of the clusters; nil without two clusters of each.
func obuchowski(clusters []LabelledScores, x, y []float64, area float64) *float64 {
	m, n := float64(len(x)), float64(len(y))
	var withPositives, withNegatives, all, s10, s01, s11 float64
	for _, c := range clusters {
		mi, ni := len(c.Positives), len(c.Negatives)
		if mi+ni == 0 {
			continue
		}
		// A negative is placed by the share of positives above it: one less
		// those below.
		dx, dy := deviation(x[:mi], area), -deviation(y[:ni], 1-area)
		x, y = x[mi:], y[ni:]
		all++
		if mi > 0 {
			withPositives++
		}
		if ni > 0 {
			withNegatives++
		}
		s10 += dx * dx
		s01 += dy * dy
		s11 += dx * dy
	}
	if withPositives < 2 || withNegatives < 2 {
		return nil
	}
	s10 *= withPositives / ((withPositives - 1) * m)
	s01 *= withNegatives / ((withNegatives - 1) * n)
	s11 *= all / (all - 1)
	return some(s10/m + s01/n + 2*s11/(m*n))
}

// deviation is the sum of placements less what it would be at the mean.
func deviation(placed []float64, mean float64) (sum float64) {
	for _, v := range placed {
		sum += v - mean
	}
	return sum
}
