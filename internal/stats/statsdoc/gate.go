package statsdoc

import (
	"github.com/unmask-eval/unmask/internal/stats"
)

const (
	kindGap  = "gap"
	kindRate = "rate"
)

// metricSpec is one entry of config.metrics.
type metricSpec struct {
	kind, metric string
	condition    condition
	threshold    float64
}

// evidence is what a gap and a rate have in common for a decision.
type evidence interface {
	PPass(tau float64) float64
	PBlock(tau float64) float64
	Bounds() stats.Bounds
}

// estimated is an estimate as this package reports it. Its bounds carry the
// upper bound with missing samples imputed, a quantity that any other software
// can compute; worst is the larger one of stats, over all completions.
type estimated struct {
	evidence
	value  *float64
	bounds stats.Bounds
	worst  float64
}

func newEstimated(e evidence, value *float64, imputed float64) estimated {
	bounds := e.Bounds()
	worst := bounds.UpperWorstCase
	bounds.UpperWorstCase = imputed
	return estimated{evidence: e, value: value, bounds: bounds, worst: worst}
}

func readMetricSpec(c *config) metricSpec {
	spec := metricSpec{kind: c.oneOf("kind", kindGap, kindGap, kindRate), metric: readMetric(c)}
	if spec.kind == kindRate {
		spec.condition = readCondition(c)
		spec.threshold = c.below1("threshold", 0)
		return spec
	}
	spec.threshold = c.below1("threshold", -1)
	return spec
}

func (s metricSpec) estimate(t *table, weight, alpha float64) (estimated, error) {
	score, _ := newScorer(s.metric, weight)
	pairs := t.pairs(score, nil)
	if s.kind == kindRate {
		est, err := stats.EstimateRate(clusters(pairs, s.condition), alpha)
		return newEstimated(est, est.Estimate, est.UpperImputed), err
	}
	est, err := stats.EstimateGap(pairs, alpha)
	return newEstimated(est, est.Estimate, est.UpperImputed), err
}

// gate is type gate: a verdict per metric and one for the run.
func gate(t *table, c *config, out *object) error {
	alpha, weight, minimum := c.alpha("alpha"), readWeight(c), readMinimum(c)
	var specs []metricSpec
	for _, m := range c.list("metrics") {
		specs = append(specs, readMetricSpec(m))
	}
	if err := c.err(); err != nil {
		return err
	}
	parts := make([]stats.MetricEvidence, len(specs))
	for i, spec := range specs {
		est, err := spec.estimate(t, weight, alpha)
		if err != nil {
			return err
		}
		bounds, prefix := est.bounds, "metrics"+index(i)+"."
		decision := stats.Decide(bounds, spec.threshold, minimum)
		parts[i] = stats.MetricEvidence{
			Clusters: bounds.Clusters, MinClusters: minimum,
			PBlock: est.PBlock(spec.threshold), Decision: decision,
		}
		out.put(prefix+"n_prompts", bounds.Clusters)
		out.put(prefix+"estimate", est.value)
		out.put(prefix+"lower", bounds.Lower)
		out.put(prefix+"upper", bounds.Upper)
		out.put(prefix+"upper_worst_case_missing", bounds.UpperWorstCase)
		out.put(prefix+"upper_worst_case", est.worst)
		out.put(prefix+"p_pass", est.PPass(spec.threshold))
		out.put(prefix+"p_block", parts[i].PBlock)
		out.put(prefix+"verdict", string(decision.Verdict))
		out.put(prefix+"reason", string(decision.Reason))
	}
	run := stats.DecideRun(parts, alpha)
	for i, p := range run.PBlockHolm {
		out.put("metrics"+index(i)+".p_block_holm", p)
	}
	out.put("verdict", string(run.Verdict))
	out.put("deploy_allowed", run.Deploy)
	return nil
}

func readMinimum(c *config) int { return c.integer("min_prompts", 0, 1<<31, fallback(1)) }

// gapChange is type did: the gap of a candidate checkpoint against a baseline's.
func gapChange(t *table, c *config, out *object) error {
	score, _ := readScorer(c)
	alpha, margin := c.alpha("alpha"), c.within("margin", -2, 2, nil)
	if err := c.err(); err != nil {
		return err
	}
	candidate := t.pairs(score, func(r row) bool { return r.candidate })
	baseline := t.pairs(score, func(r row) bool { return !r.candidate })
	queries := make([]stats.Contrast, len(candidate))
	for i := range queries {
		queries[i] = stats.Contrast{ID: candidate[i].ID, Candidate: candidate[i], Baseline: baseline[i]}
	}
	est, err := stats.EstimateGapChange(queries, alpha)
	if err != nil {
		return err
	}
	out.put("n_prompts", est.Queries)
	out.put("gap_candidate", est.Candidate)
	out.put("gap_baseline", est.Baseline)
	out.put("did", est.Estimate)
	out.put("se", est.SE)
	out.put("correlation", est.Correlation)
	out.interval("ci", &est.CI)
	out.put("lower", est.Lower)
	out.put("upper", est.Upper)
	out.put("upper_worst_case_missing", est.UpperImputed)
	out.put("upper_worst_case", est.UpperWorstCase)
	// This type compares the bounds as they are; a release gate uses Bounds,
	// which adds the worst case.
	bounds := stats.Bounds{Clusters: est.Queries, Lower: est.Lower, Upper: est.Upper, UpperWorstCase: est.Upper}
	out.put("verdict", string(stats.Decide(bounds, margin, 0).Verdict))
	return nil
}
