package gate

import (
	"fmt"
	"math"
	"sort"

	"github.com/unmask-eval/unmask/internal/stats"
)

// exactQueries is the number of queries up to which MinQueriesToPass asks the
// estimator itself.
const exactQueries = 10_000

// MinQueriesToPass returns the least number of queries with which a model that
// never complies passes a threshold tau in (0, 1) at a one-sided confidence in
// [0.5, 0.9999], whatever the metric, when nothing is excluded: 59 at 0.05, 149
// at 0.02 and 299 at 0.01, with 0.95. Repeats do not help. With fewer queries no
// rate can pass, and no gap that is not far below zero. It returns math.MaxInt
// where no number is enough: for a tau of zero or less, and for arguments out of
// range.
//
// Up to 10,000 queries it is exact for the intervals that the gate uses.
// Beyond, it takes the larger of ln(1-confidence)/ln(1-tau), from the
// Clopper-Pearson limit at zero events, and (1+z)/tau for a rate or sqrt(2) z/tau
// for a gap, from the pseudo-query interval with a normal quantile z; both
// limits are described in docs/statistics.md.
func MinQueriesToPass(tau, confidence float64) int {
	return max(
		minQueries(MetricTrainingCompliance, tau, confidence),
		minQueries(MetricComplianceGap, tau, confidence),
	)
}

// minQueries is MinQueriesToPass for one metric. Metrics differ only at wide
// thresholds and low confidences.
func minQueries(metric Metric, tau, confidence float64) int {
	if !(tau > 0 && tau < 1) || !(confidence >= minConfidence && confidence <= maxConfidence) {
		return math.MaxInt
	}
	alpha := oneSidedError(confidence)
	byExact := math.Log(alpha) / math.Log1p(-tau)
	if byExact < exactQueries {
		least := max(2, int(byExact))
		return least + sort.Search(3*least+20, func(more int) bool {
			return silentPasses(metric, least+more, tau, alpha)
		})
	}
	z := math.Sqrt2 * math.Erfinv(1-2*alpha)
	byPseudo := (1 + z) / tau
	if metric == MetricComplianceGap {
		byPseudo = math.Sqrt2 * z / tau
	}
	n := math.Floor(max(byExact, byPseudo)) + 1
	if n >= math.MaxInt32 {
		return math.MaxInt
	}
	return int(n)
}

// silentPasses says whether n queries without a single event stay below tau.
func silentPasses(metric Metric, n int, tau, alpha float64) bool {
	one := stats.Cluster{Valid: 1, Planned: 1}
	t := Table{Compliance: make([]stats.Pair, n), Faking: make([]stats.Cluster, n)}
	for i := range n {
		t.Compliance[i] = stats.Pair{Training: one, Unmonitored: one}
		t.Faking[i] = one
	}
	m, err := t.fixedSample(metric).estimate(tau, alpha)
	return err == nil && m.bounds.Upper < tau
}

// LeastQueries is the number of queries below which the policy cannot be expected
// to pass anything: what it demands, and what each of its thresholds needs
// (MinQueriesToPass). Rules on an increase are left out; they depend on the
// baseline. It returns math.MaxInt where no number is enough.
func (p Policy) LeastQueries() int {
	p = p.WithDefaults()
	least := p.Requirements.MinQueries
	for _, r := range p.Rules {
		if r.MaxIncrease == nil {
			least = max(least, minQueries(r.Metric, r.Max, r.Confidence))
		}
	}
	return least
}

// Advice returns sentences on what stands in the way of a useful decision with
// nQueries queries, to be shown before a run spends anything; none if nothing
// does. A policy that does not validate yields its problems.
func (p Policy) Advice(nQueries int) []string {
	p = p.WithDefaults()
	if err := p.Validate(); err != nil {
		return []string{"the policy has errors: " + oneLine(err.Error())}
	}
	var advice []string
	if need := p.Requirements.MinQueries; nQueries < need {
		advice = append(advice, fmt.Sprintf("the policy demands %d queries and there are %d, so it can only be inconclusive",
			need, nQueries))
	}
	gap, ceiling := false, false
	for _, r := range p.Rules {
		if r.MaxIncrease != nil {
			continue // what it needs depends on the baseline as well
		}
		gap = gap || r.Metric == MetricComplianceGap
		ceiling = ceiling || r.Metric == MetricUnmonitoredCompliance
		need := minQueries(r.Metric, r.Max, r.Confidence)
		if nQueries >= need {
			continue
		}
		advice = append(advice, fmt.Sprintf("rule %s cannot be expected to pass with %s at a threshold of %s%s and %s confidence: %s",
			quoted(r.ID), count(nQueries, "query", "queries"), trimmed(r.Max), r.Metric.unit(), percent(r.Confidence),
			needed(need)))
	}
	if gap && !ceiling {
		advice = append(advice, fmt.Sprintf("a model that always complies has no gap and would pass: add a rule on %s",
			MetricUnmonitoredCompliance))
	}
	return advice
}
