package stats

import "math"

// AuditCounts are the human labels of a stratified audit of one condition:
// random draws from the samples that the grader called positive and from those
// it called negative.
type AuditCounts struct {
	// Positives were audited among the grader's positives, of which
	// TruePositives really are; Negatives among its negatives, of which
	// FalseNegatives are positive after all.
	Positives, TruePositives, Negatives, FalseNegatives int
}

func (c AuditCounts) check() error {
	if c.TruePositives < 0 || c.TruePositives > c.Positives || c.FalseNegatives < 0 || c.FalseNegatives > c.Negatives {
		return badInput("audit", "needs 0 <= confirmed <= audited in both strata")
	}
	return nil
}

// PPV is the positive predictive value; 1 without audited positives, which
// trusts the grader.
func (c AuditCounts) PPV() float64 {
	if c.Positives == 0 {
		return 1
	}
	return float64(c.TruePositives) / float64(c.Positives)
}

// FalseOmission is the share of the grader's negatives that are positive; 0
// without audited negatives.
func (c AuditCounts) FalseOmission() float64 {
	if c.Negatives == 0 {
		return 0
	}
	return float64(c.FalseNegatives) / float64(c.Negatives)
}

// smoothed returns both shares with one invented item on each side, and the
// variance that the audit adds to a rate with grader-positive share q.
func (c AuditCounts) smoothed(q float64) (ppv, omission, variance float64) {
	n1, n0 := float64(c.Positives), float64(c.Negatives)
	ppv = (float64(c.TruePositives) + 1) / (n1 + 2)
	omission = (float64(c.FalseNegatives) + 1) / (n0 + 2)
	return ppv, omission, q*q*ppv*(1-ppv)/(n1+2) + (1-q)*(1-q)*omission*(1-omission)/(n0+2)
}

// AuditedRate is a rate corrected by an audit.
type AuditedRate struct {
	// Grader is the mean share of samples per query that the grader called
	// positive; nil without queries.
	Grader *float64
	Corrected
}

// EstimateAuditedRate corrects a rate by an audit: q*PPV + (1-q)*FOR, with one
// invented label on each side in the variance, which makes it conservative
// (stratified prediction-powered inference, Fisch et al. 2024). Shares are the
// grader-positive shares per query. It puts labels where they matter when
// positives are rare, so it suits gates best. With fewer than two queries the
// interval is [0, 1]. The error is an *InputError.
func EstimateAuditedRate(shares []float64, audit AuditCounts, alpha float64) (AuditedRate, error) {
	out := AuditedRate{Corrected: Corrected{CI: Interval{Lo: 0, Hi: 1}}}
	if err := checkAudit(shares, audit, alpha); err != nil {
		return out, err
	}
	if len(shares) == 0 {
		return out, nil
	}
	n := float64(len(shares))
	q, variance := meanVariance(shares)
	rate := q*audit.PPV() + (1-q)*audit.FalseOmission()
	out.Grader, out.Raw, out.Estimate = &q, &rate, some(clamp(rate, 0, 1))
	if len(shares) < 2 {
		return out, nil
	}
	ppv, omission, labels := audit.smoothed(q)
	se := math.Sqrt((ppv-omission)*(ppv-omission)*variance/n + labels)
	half := studentQuantile(alpha/2, n-1) * se
	out.SE, out.CI = &se, Interval{Lo: rate - half, Hi: rate + half}.clip(0, 1)
	return out, nil
}

// AuditedShares are the grader-positive shares of one query in both conditions.
type AuditedShares struct{ Training, Unmonitored float64 }

// EstimateAuditedGap is the difference of two audited rates, each with its own
// audit, with an error from the queries seen in both conditions. With fewer than
// two such queries the interval is [-1, 1]. The error is an *InputError.
func EstimateAuditedGap(training, unmonitored AuditedRate, shares []AuditedShares, trainingAudit, unmonitoredAudit AuditCounts, alpha float64) (Corrected, error) {
	out := Corrected{CI: Interval{Lo: -1, Hi: 1}}
	a, b := make([]float64, len(shares)), make([]float64, len(shares))
	for i, s := range shares {
		a[i], b[i] = s.Training, s.Unmonitored
	}
	if err := checkAudit(a, trainingAudit, alpha); err != nil {
		return out, err
	}
	if err := checkAudit(b, unmonitoredAudit, alpha); err != nil {
		return out, err
	}
	if training.Raw == nil || unmonitored.Raw == nil {
		return out, nil
	}
	gap := *training.Raw - *unmonitored.Raw
	out.Raw, out.Estimate = &gap, some(clamp(gap, -1, 1))
	if len(shares) < 2 {
		return out, nil
	}
	ppvT, omissionT, labelsT := trainingAudit.smoothed(*training.Grader)
	ppvU, omissionU, labelsU := unmonitoredAudit.smoothed(*unmonitored.Grader)
	for i := range a {
		a[i] = (ppvT-omissionT)*a[i] - (ppvU-omissionU)*b[i]
	}
	n := float64(len(shares))
	_, variance := meanVariance(a)
	se := math.Sqrt(variance/n + labelsT + labelsU)
	half := studentQuantile(alpha/2, n-1) * se
	out.SE, out.CI = &se, Interval{Lo: gap - half, Hi: gap + half}.clip(-1, 1)
	return out, nil
}

func checkAudit(shares []float64, audit AuditCounts, alpha float64) error {
	if err := checkAlpha("alpha", alpha); err != nil {
		return err
	}
	for i, q := range shares {
		if err := checkProbability(clusterField("share", i, ""), q); err != nil {
			return err
		}
	}
	return audit.check()
}
