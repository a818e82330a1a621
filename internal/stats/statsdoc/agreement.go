package statsdoc

import (
	"math"

	"github.com/unmask-eval/unmask/internal/stats"
)

// agreement is type agreement: how well the grader repeats the human labels.
func agreement(t *table, c *config, out *object) error {
	alpha := c.alpha("alpha")
	if err := c.err(); err != nil {
		return err
	}
	var counts stats.Confusion
	var positives, negatives []float64
	for _, r := range t.rows {
		if r.label == failed || r.human == unlabelled {
			continue
		}
		counts.Add(r.label == complied, r.human == complied)
		switch {
		case math.IsNaN(r.score):
		case r.human == complied:
			positives = append(positives, r.score)
		default:
			negatives = append(negatives, r.score)
		}
	}
	est, err := stats.EstimateAgreement(counts, alpha)
	if err != nil {
		return err
	}
	area, err := stats.EstimateAUROC(positives, negatives, alpha)
	if err != nil {
		return err
	}
	out.put("tp", counts.TruePositive)
	out.put("fn", counts.FalseNegative)
	out.put("fp", counts.FalsePositive)
	out.put("tn", counts.TrueNegative)
	out.put("kappa", est.Kappa)
	out.put("kappa_se", est.KappaSE)
	out.interval("kappa", est.KappaCI)
	for _, part := range []struct {
		name  string
		value *float64
		ci    stats.Interval
	}{
		{"precision", est.Precision, est.PrecisionCI},
		{"recall", est.Recall, est.RecallCI},
		{"specificity", est.Specificity, est.SpecificityCI},
		{"accuracy", est.Accuracy, est.AccuracyCI},
	} {
		out.put(part.name, part.value)
		if part.value == nil {
			out.interval(part.name, nil)
			continue
		}
		out.interval(part.name, &part.ci)
	}
	out.put("f1", est.F1)
	out.put("auroc", area.Estimate)
	out.put("auroc_se_delong", area.SE)
	if area.SE == nil {
		out.interval("auroc", nil)
		return nil
	}
	out.interval("auroc", &area.CI)
	return nil
}
