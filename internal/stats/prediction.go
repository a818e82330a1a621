package stats

import "math"

// LabelledQuery is a query whose samples were all judged by a person: its mean
// by the human labels and by the grader.
type LabelledQuery struct{ Human, Grader float64 }

// PredictionPowered combines a few human labels with many grader labels of the
// same run.
type PredictionPowered struct {
	// Classical uses the human labels only, GraderOnly the grader's labels of
	// all queries. Nil without any.
	Classical, GraderOnly *float64
	// Full gives the grader weight 1, Tuned the weight Lambda that minimises the
	// estimated variance. Full is the default: tuning on few labels breaks
	// sparse data. Tuned needs about 120 labelled queries with 20 positives.
	Full, Tuned Corrected
	Lambda      *float64
}

// EstimatePredictionPowered estimates a mean over queries by prediction-powered
// inference, with the query as unit (Angelopoulos et al. 2023, Science 382; PPI++
// arXiv:2311.01453). The labelled queries must be a random draw from this run;
// unlabelled holds the grader means of the others. Values lie in [lowest,
// highest], which is also where the intervals are clipped: 0 and 1 for a rate,
// -1 and 1 for a gap. With fewer than two queries on either side nothing but
// Classical and GraderOnly is defined. The error is an *InputError.
func EstimatePredictionPowered(labelled []LabelledQuery, unlabelled []float64, lowest, highest, alpha float64) (PredictionPowered, error) {
	whole := Interval{Lo: lowest, Hi: highest}
	out := PredictionPowered{Full: Corrected{CI: whole}, Tuned: Corrected{CI: whole}}
	if err := checkAlpha("alpha", alpha); err != nil {
		return out, err
	}
	human, grader := make([]float64, len(labelled)), make([]float64, len(labelled))
	for i, q := range labelled {
		human[i], grader[i] = q.Human, q.Grader
		if !within(q.Human, lowest, highest) || !within(q.Grader, lowest, highest) {
			return out, badInput(clusterField("labelled query", i, ""), "must lie in [%v, %v]", lowest, highest)
		}
	}
	for i, v := range unlabelled {
		if !within(v, lowest, highest) {
			return out, badInput(clusterField("unlabelled query", i, ""), "must lie in [%v, %v]", lowest, highest)
		}
	}
	all := append(append(make([]float64, 0, len(grader)+len(unlabelled)), grader...), unlabelled...)
	if len(all) > 0 {
		mean, _ := meanVariance(all)
		out.GraderOnly = &mean
	}
	if len(labelled) > 0 {
		mean, _ := meanVariance(human)
		out.Classical = &mean
	}
	if len(labelled) < 2 || len(unlabelled) < 2 {
		return out, nil
	}
	out.Lambda = some(tunedWeight(human, grader, all, len(unlabelled)))
	out.Full = predictionPowered(human, grader, unlabelled, 1, whole, alpha)
	out.Tuned = predictionPowered(human, grader, unlabelled, *out.Lambda, whole, alpha)
	return out, nil
}

func within(v, lowest, highest float64) bool { return v >= lowest-1e-9 && v <= highest+1e-9 }

func tunedWeight(human, grader, all []float64, unlabelled int) float64 {
	_, variance := meanVariance(all)
	if variance < zeroVariance {
		return 0
	}
	ratio := float64(len(human)) / float64(unlabelled)
	return clamp(covariance(human, grader)/((1+ratio)*variance), 0, 1)
}

func predictionPowered(human, grader, unlabelled []float64, weight float64, whole Interval, alpha float64) Corrected {
	rest := make([]float64, len(human))
	for i := range human {
		rest[i] = human[i] - weight*grader[i]
	}
	restMean, restVariance := meanVariance(rest)
	meanU, varianceU := meanVariance(unlabelled)
	n := float64(len(human))
	raw := restMean + weight*meanU
	se := math.Sqrt(restVariance/n + weight*weight*varianceU/float64(len(unlabelled)))
	half := studentQuantile(alpha/2, n-1) * se
	return Corrected{
		Raw:      &raw,
		Estimate: some(clamp(raw, whole.Lo, whole.Hi)),
		SE:       &se,
		CI:       Interval{Lo: raw - half, Hi: raw + half}.clip(whole.Lo, whole.Hi),
	}
}
