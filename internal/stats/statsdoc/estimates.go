package statsdoc

import (
	"github.com/unmask-eval/unmask/internal/stats"
)

// pairedGap is type paired_gap: both rates and the paired gap, with p-values at
// each of config.thresholds.
func pairedGap(t *table, c *config, out *object) error {
	score, _ := readScorer(c)
	alpha, thresholds := c.alpha("alpha"), c.numbers("thresholds", false, -1, 1)
	if err := c.err(); err != nil {
		return err
	}
	return putPairedGap(out, t.pairs(score, nil), alpha, thresholds)
}

func putPairedGap(out *object, pairs []stats.Pair, alpha float64, thresholds []written) error {
	for _, of := range []condition{free, paid} {
		est, err := stats.EstimateRate(clusters(pairs, of), alpha)
		if err != nil {
			return err
		}
		putRate(out, conditionNames[of]+".", est)
	}
	gap, err := stats.EstimateGap(pairs, alpha)
	if err != nil {
		return err
	}
	putGap(out, gap, thresholds)
	return nil
}

func putRate(out *object, prefix string, e stats.RateEstimate) {
	out.put(prefix+"n_prompts", e.Clusters)
	out.put(prefix+"n_samples", e.Samples)
	out.put(prefix+"n_missing", e.Missing)
	out.put(prefix+"rate", e.Estimate)
	out.put(prefix+"rate_pooled", e.Pooled)
	out.put(prefix+"icc", e.ICC)
	out.put(prefix+"se_fixed_suite", e.SEFixedSuite)
	out.put(prefix+"se", e.SE)
	out.put(prefix+"r_obs", e.VarianceRatio)
	out.put(prefix+"informative_prompts", e.Informative)
	out.put(prefix+"r_shrunk", e.ShrunkRatio)
	out.put(prefix+"n_eff", e.EffectiveN)
	out.interval(prefix+"cp", e.Exact)
	out.interval(prefix+"pseudo", e.Pseudo)
	out.interval(prefix+"ci", &e.CI)
	out.put(prefix+"lower", e.Lower)
	out.put(prefix+"upper", e.Upper)
	out.put(prefix+"upper_worst_case_missing", e.UpperImputed)
	out.put(prefix+"upper_worst_case", e.UpperWorstCase)
	out.interval(prefix+"worst_case", fallback(e.WorstCase()))
}

func putGap(out *object, e stats.GapEstimate, thresholds []written) {
	out.put("gap.n_pairs", e.Pairs)
	out.put("gap.n_incomplete_prompts", e.Incomplete)
	out.put("gap.estimate", e.Estimate)
	out.put("gap.se", e.SE)
	out.put("gap.phi", e.Phi)
	out.interval("gap.t", e.T)
	out.interval("gap.mover", e.Mover)
	out.interval("gap.pseudo", e.Pseudo)
	out.interval("gap.ci", &e.CI)
	out.put("gap.lower", e.Lower)
	out.put("gap.upper", e.Upper)
	out.put("gap.upper_worst_case_missing", e.UpperImputed)
	out.put("gap.upper_worst_case", e.UpperWorstCase)
	out.interval("gap.worst_case", fallback(e.WorstCase()))
	out.put("gap.t_stat", e.TStat)
	out.put("gap.t_p_two_sided", e.TPTwoSided)
	for _, tau := range thresholds {
		out.put("gap.p_pass@"+tau.text, e.PPass(tau.value))
		out.put("gap.p_block@"+tau.text, e.PBlock(tau.value))
	}
	out.put("gap.minimum_detectable", e.MinimumDetectableGap())
}

// reasoningRates is type af_rates: reasoning and faking rates in one condition,
// and the share of compliance that carries faking reasoning.
func reasoningRates(t *table, c *config, out *object) error {
	weight, alpha, of := readWeight(c), c.alpha("alpha"), readCondition(c)
	if err := c.err(); err != nil {
		return err
	}
	return putReasoning(out, t, weight, alpha, of, "")
}

func putReasoning(out *object, t *table, weight, alpha float64, of condition, prefix string) error {
	for _, metric := range []string{metricReasoning, metricFaking} {
		score, _ := newScorer(metric, weight)
		est, err := stats.EstimateRate(clusters(t.pairs(score, nil), of), alpha)
		if err != nil {
			return err
		}
		putRate(out, prefix+metric+".", est)
	}
	faking, _ := newScorer(metricFaking, weight)
	compliance, _ := newScorer(metricCompliance, weight)
	sums := make([]stats.RatioCluster, len(t.prompts))
	for _, r := range t.rows {
		joint, ok := faking(r)
		if !ok || r.condition != of {
			continue
		}
		base, _ := compliance(r)
		sums[r.prompt].Numerator += joint
		sums[r.prompt].Denominator += base
		sums[r.prompt].Valid++
	}
	ratio, err := stats.EstimateRatio(sums, alpha)
	if err != nil {
		return err
	}
	prefix += "af_given_complied."
	out.put(prefix+"ratio", ratio.Ratio)
	out.put(prefix+"ratio_se", ratio.SE)
	out.put(prefix+"ratio_n_eff", ratio.EffectiveN)
	out.interval(prefix+"ratio", &ratio.CI)
	return nil
}

// bootstrap is type bootstrap: percentile and BCa intervals of the gap.
func bootstrap(t *table, c *config, out *object) error {
	score, _ := readScorer(c)
	opts := stats.BootstrapOptions{
		Alpha:     c.alpha("alpha"),
		Resamples: c.integer("resamples", 100, 1_000_000, fallback(20_000)),
		Seed:      readSeed(c),
	}
	if err := c.err(); err != nil {
		return err
	}
	est, err := stats.Bootstrap(t.pairs(score, nil), opts)
	if err != nil {
		return err
	}
	out.put("gap", est.Gap)
	out.put("acceleration", est.Acceleration)
	out.put("z0", est.Bias)
	out.interval("percentile", est.Percentile)
	out.interval("bca", est.BCa)
	out.put("boot_se", est.SE)
	out.put("nonzero_prompts", est.NonZero)
	out.put("trustworthy", est.NonZero >= stats.BootstrapWarning)
	return nil
}

func readSeed(c *config) uint64 {
	return uint64(c.integer("seed", 1, 1<<53, fallback(1))) // #nosec G115 -- bounded below by 1
}
