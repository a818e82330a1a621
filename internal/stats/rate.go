package stats

import "math"

// Names of the interval methods, as reported in the Method fields.
const (
	// MethodRate is the default interval of one rate.
	MethodRate = "clopper-pearson at shrunk effective n, joined with pseudo-query t"
	// MethodGap is the default interval of a paired gap.
	MethodGap = "MOVER on clopper-pearson at shrunk effective n, joined with pseudo-query t on differences"
	// MethodGuardedGap is MethodGap joined with the interval of the queries that
	// differ.
	MethodGuardedGap = MethodGap + " and with exact limits of the differing queries"
	// MethodWholeRange marks an interval that covers every possible value
	// because fewer than two clusters were observed.
	MethodWholeRange = "whole range: fewer than two clusters"
)

// RateEstimate is one rate under one condition.
//
// The estimand is the mean over queries like these of the probability of the
// event, in [0, 1]; each query weighs the same, however many of its samples
// arrived. Pointers are nil where the data do not define the quantity.
type RateEstimate struct {
	// Alpha is the two-sided error of CI and the one-sided error of Lower,
	// Upper and UpperWorstCase.
	Alpha float64
	// Clusters counts queries with at least one valid sample, Samples the valid
	// samples, Missing the planned samples without a score.
	Clusters, Samples, Missing int
	// Estimate is the mean of the query means; nil without any valid sample.
	Estimate *float64
	// Pooled is the mean over samples, for reports only: talkative queries
	// dominate it.
	Pooled *float64
	// SE is the cluster standard error (Miller 2024, arXiv:2411.00640); it is
	// zero when all queries agree, so never build an interval on it alone.
	SE *float64
	// SEFixedSuite is the standard error for exactly these queries, sampling of
	// queries left out; nil unless every query has two valid samples.
	SEFixedSuite *float64
	// ICC is the ANOVA intra-query correlation, at most 1; it may be negative.
	ICC *float64
	// VarianceRatio compares the variance of query means with that of single
	// samples: 1/k when samples are independent, 1 when a query always answers
	// alike. ShrunkRatio pulls it toward 1 with the weight of two queries
	// against Informative, the number of queries that carry information on it.
	// EffectiveN is Clusters/ShrunkRatio (after Franco et al. 2019).
	VarianceRatio, ShrunkRatio, EffectiveN *float64
	Informative                            *int
	// Exact is the Clopper-Pearson interval at EffectiveN, Pseudo the t interval
	// with two invented queries; CI is their envelope.
	Exact, Pseudo *Interval
	CI            Interval
	// Lower and Upper are one-sided bounds of the envelope, each with error
	// Alpha. UpperWorstCase bounds Upper over every way in which the missing
	// samples can have gone, or be left out; it is at least Upper and never falls
	// when one more sample is missing. UpperImputed is Upper after scoring every
	// missing sample 1, which is usually, not always, the worst way.
	Lower, Upper, UpperWorstCase, UpperImputed float64
	// Method names how CI was made.
	Method string

	evidence rateEvidence
	open     *open // nil if nothing is missing
}

// EstimateRate estimates a rate with its envelope interval: Clopper-Pearson
// limits at a shrunken effective sample size, joined with a t interval that has
// one invented all-zero and one all-one query. With fewer than two observed
// clusters the interval is [0, 1].
//
// Simulated coverage is in docs/statistics.md. The error is an *InputError
// naming an alpha outside (0, 0.5], or an inconsistent or repeated cluster.
func EstimateRate(clusters []Cluster, alpha float64) (RateEstimate, error) {
	if err := checkAlpha("alpha", alpha); err != nil {
		return RateEstimate{}, err
	}
	if err := checkClusters(clusters); err != nil {
		return RateEstimate{}, err
	}
	est := describeRate(clusters)
	est.Alpha = alpha
	est.evidence = newRateEvidence(clusters)
	est.Method, est.CI = MethodRate, est.evidence.limits(alpha/2)
	oneSided := est.evidence.limits(alpha)
	est.Lower, est.Upper = oneSided.Lo, oneSided.Hi
	est.UpperWorstCase, est.UpperImputed = est.Upper, est.Upper
	if est.Missing > 0 {
		est.open = some(newOpenRate(clusters))
		est.UpperImputed = newRateEvidence(impute(clusters, 1)).limits(alpha).Hi
		est.UpperWorstCase = max(est.Upper, est.UpperImputed, worstRate(*est.open, alpha))
	}
	if est.Clusters < 2 {
		est.Method = MethodWholeRange
		return est, nil
	}
	ev := est.evidence
	est.VarianceRatio, est.ShrunkRatio, est.EffectiveN = &ev.ratio, &ev.shrunk, &ev.nEff
	est.Informative = &ev.informative
	est.Exact = some(ev.exact().limits(alpha / 2))
	est.Pseudo = some(ev.pseudo.limits(alpha/2).clip(0, 1))
	return est, nil
}

// PPass is the p-value of "the rate is at least tau": it is below Alpha exactly
// when Upper is below tau. It is 1 with fewer than two clusters, or when tau
// lies outside (0, 1).
func (e RateEstimate) PPass(tau float64) float64 {
	if e.evidence.n < 2 || !(tau > 0 && tau < 1) {
		return 1
	}
	_, p := agree(e.Upper < tau, e.Upper, tau, e.evidence.pPass(tau), e.Alpha)
	return p
}

// PBlock is the p-value of "the rate is at most tau": it is below Alpha exactly
// when Lower is above tau. It is 1 with fewer than two clusters, or when tau
// lies outside [0, 1).
func (e RateEstimate) PBlock(tau float64) float64 {
	if e.evidence.n < 2 || !(tau >= 0 && tau < 1) {
		return 1
	}
	_, p := agree(e.Lower > tau, -e.Lower, -tau, e.evidence.pBlock(tau), e.Alpha)
	return p
}

// WorstCase is the interval with two-sided error Alpha when the missing samples
// are counted in the least and in the most favourable way: it holds CI for every
// way in which they can have gone. It is CI if nothing is missing.
func (e RateEstimate) WorstCase() Interval {
	if e.open == nil {
		return e.CI
	}
	return e.CI.join(Interval{Lo: 1 - worstRate(e.open.complement(), e.Alpha/2), Hi: worstRate(*e.open, e.Alpha/2)})
}

// Bounds returns what Decide needs to know of the rate.
func (e RateEstimate) Bounds() Bounds {
	return Bounds{Clusters: e.Clusters, Lower: e.Lower, Upper: e.Upper, UpperWorstCase: e.UpperWorstCase}
}

// describeRate fills the counts and the descriptive quantities, in one pass
// over the means and one over the squares.
func describeRate(clusters []Cluster) RateEstimate {
	var est RateEstimate
	var sum, means, sizes2, fixed, within float64
	fixedDefined := true
	for _, c := range clusters {
		est.Missing += c.Planned - c.Valid
		if c.Valid == 0 {
			continue
		}
		est.Clusters++
		est.Samples += c.Valid
		n := float64(c.Valid)
		sum += c.Sum
		means += c.mean()
		sizes2 += n * n
		within += c.within()
		if c.Valid < 2 {
			fixedDefined = false
			continue
		}
		fixed += c.within() / (n - 1) / n
	}
	if est.Clusters == 0 {
		return est
	}
	clustersN, samples := float64(est.Clusters), float64(est.Samples)
	rate, pooled := clamp(means/clustersN, 0, 1), clamp(sum/samples, 0, 1)
	est.Estimate, est.Pooled = &rate, &pooled
	if fixedDefined {
		est.SEFixedSuite = some(math.Sqrt(fixed) / clustersN)
	}
	if est.Clusters < 2 {
		return est
	}
	var spread, between float64
	for _, c := range clusters {
		if c.Valid == 0 {
			continue
		}
		m := c.mean()
		spread += (m - rate) * (m - rate)
		between += float64(c.Valid) * (m - pooled) * (m - pooled)
	}
	est.SE = some(math.Sqrt(spread / (clustersN - 1) / clustersN))
	est.ICC = anovaICC(between, within, clustersN, samples, sizes2)
	return est
}

// anovaICC is the one-way analysis-of-variance estimate of the intra-cluster
// correlation for unequal cluster sizes.
func anovaICC(between, within, clusters, samples, sizes2 float64) *float64 {
	if samples <= clusters {
		return nil
	}
	msb := between / (clusters - 1)
	msw := within / (samples - clusters)
	size := (samples - sizes2/samples) / (clusters - 1)
	denominator := msb + (size-1)*msw
	if denominator < zeroVariance {
		return nil
	}
	return some((msb - msw) / denominator)
}

func impute(clusters []Cluster, score float64) []Cluster {
	out := make([]Cluster, len(clusters))
	for i, c := range clusters {
		out[i] = c.imputed(score)
	}
	return out
}

// rateEvidence holds what limits and p-values of a rate are made of.
type rateEvidence struct {
	n             int
	ratio, shrunk float64
	informative   int
	nEff          float64
	rate          float64
	pseudo        pseudo
}

func newRateEvidence(clusters []Cluster) rateEvidence {
	means := make([]float64, 0, len(clusters))
	var inverse float64
	for _, c := range clusters {
		if c.Valid > 0 {
			means = append(means, c.mean())
			inverse += 1 / float64(c.Valid)
		}
	}
	return rateEvidenceOf(means, inverse)
}

// rateEvidenceOf takes the cluster means and the sum of 1/n over clusters.
func rateEvidenceOf(means []float64, inverseSizes float64) rateEvidence {
	ev := rateEvidence{n: len(means)}
	if ev.n == 0 {
		return ev
	}
	n := float64(ev.n)
	var sum float64
	var positive, belowOne int
	for _, m := range means {
		sum += m
		if m > 0 {
			positive++
		}
		if m < 1 {
			belowOne++
		}
	}
	ev.rate = clamp(sum/n, 0, 1)
	ev.informative = min(positive, belowOne)
	var squares float64
	for _, m := range means {
		squares += (m - ev.rate) * (m - ev.rate)
	}
	ev.ratio = 1
	if unit := ev.rate * (1 - ev.rate); unit >= zeroVariance {
		ev.ratio = clamp(squares/n/unit, inverseSizes/n, 1)
	}
	m := float64(ev.informative)
	ev.shrunk = (m*ev.ratio + 2) / (m + 2)
	ev.nEff = n / ev.shrunk
	ev.pseudo = newPseudo(means, 0, 1)
	return ev
}

func (e rateEvidence) exact() proportion { return proportion{rate: e.rate, nEff: e.nEff} }

func (e rateEvidence) limits(a float64) Interval {
	if e.n < 2 {
		return Interval{Lo: 0, Hi: 1}
	}
	return e.exact().limits(a).join(e.pseudo.limits(a).clip(0, 1))
}

func (e rateEvidence) pPass(tau float64) float64 {
	if e.rate >= 1 {
		return 1
	}
	x := e.rate * e.nEff
	return math.Max(betaTail(1-tau, e.nEff-x, x+1), e.pseudo.below(tau))
}

func (e rateEvidence) pBlock(tau float64) float64 {
	if e.rate <= 0 {
		return 1
	}
	x := e.rate * e.nEff
	return math.Max(betaTail(tau, x, math.Max(e.nEff-x, 0)+1), e.pseudo.above(tau))
}
