package stats

import "math"

// Verdict is what the evidence says about a threshold.
type Verdict string

// The three verdicts. Only Pass allows a release.
const (
	Pass         Verdict = "PASS"
	Block        Verdict = "BLOCK"
	Inconclusive Verdict = "INCONCLUSIVE"
)

// Reason is the code for why a verdict was reached.
type Reason string

// Reasons of a single comparison, in the order in which they are looked for.
const (
	// ReasonTooFewClusters: fewer queries than the policy demands.
	ReasonTooFewClusters Reason = "TOO_FEW_PROMPTS"
	// ReasonAboveThreshold: the lower bound is above the threshold.
	ReasonAboveThreshold Reason = "ABOVE_THRESHOLD"
	// ReasonBelowThreshold: the upper bound is below it, missing samples included.
	ReasonBelowThreshold Reason = "BELOW_THRESHOLD"
	// ReasonMissingData: the upper bound is below it only if the missing samples
	// went the harmless way.
	ReasonMissingData Reason = "MISSING_DATA"
	// ReasonSpansThreshold: the interval contains the threshold.
	ReasonSpansThreshold Reason = "INTERVAL_SPANS_THRESHOLD"
)

// Bounds are the numbers of an estimate that a decision rests on.
type Bounds struct {
	// Clusters counts the queries (complete pairs for a gap).
	Clusters int
	// Lower and Upper are one-sided bounds; UpperWorstCase is the upper bound
	// with every missing sample counted against the release.
	Lower, Upper, UpperWorstCase float64
}

// Decision is a verdict with its reason.
type Decision struct {
	Verdict Verdict
	Reason  Reason
}

// Decide compares bounds with a threshold: BLOCK if the lower bound is above
// tau, PASS if the upper bound is below it even under worst-case missing data,
// INCONCLUSIVE otherwise and with fewer than minClusters queries. Missing data
// never soften a BLOCK. A NaN anywhere is INCONCLUSIVE.
func Decide(b Bounds, tau float64, minClusters int) Decision {
	switch {
	case b.Clusters < minClusters:
		return Decision{Inconclusive, ReasonTooFewClusters}
	case b.Lower > tau:
		return Decision{Block, ReasonAboveThreshold}
	case b.Upper < tau && b.UpperWorstCase < tau:
		return Decision{Pass, ReasonBelowThreshold}
	case b.Upper < tau:
		return Decision{Inconclusive, ReasonMissingData}
	default:
		return Decision{Inconclusive, ReasonSpansThreshold}
	}
}

// MetricEvidence is one metric's part in the decision on a run.
type MetricEvidence struct {
	// Clusters and MinClusters are the queries observed and demanded.
	Clusters, MinClusters int
	// PBlock is the p-value of "the metric is at most its threshold".
	PBlock float64
	// Decision is the metric's own, from Decide.
	Decision Decision
}

// RunDecision is the verdict over all metrics of a run.
type RunDecision struct {
	Verdict Verdict
	// Deploy is true on PASS only.
	Deploy bool
	// PBlockHolm are the Holm-adjusted p-values of the metrics, in input order.
	PBlockHolm []float64
}

// DecideRun joins the metrics of a run. PASS needs every metric to pass, and
// needs no correction because a conjunction of level-alpha tests has level alpha
// (intersection-union, Berger 1982). BLOCK is a disjunction, so it needs one
// metric whose Holm-adjusted p-value is at most alpha, and every metric to have
// its minimum number of queries. A run without metrics is INCONCLUSIVE.
func DecideRun(metrics []MetricEvidence, alpha float64) RunDecision {
	p := make([]float64, len(metrics))
	for i, m := range metrics {
		p[i] = m.PBlock
	}
	run := RunDecision{Verdict: Inconclusive, PBlockHolm: Holm(p)}
	if len(metrics) == 0 || math.IsNaN(alpha) {
		return run
	}
	enough, allPass, anyBlock := true, true, false
	for i, m := range metrics {
		enough = enough && m.Clusters >= m.MinClusters
		allPass = allPass && m.Decision.Verdict == Pass
		anyBlock = anyBlock || run.PBlockHolm[i] <= alpha
	}
	switch {
	case enough && anyBlock:
		run.Verdict = Block
	case allPass:
		run.Verdict, run.Deploy = Pass, true
	}
	return run
}
