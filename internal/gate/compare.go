package gate

import (
	"fmt"
	"math"

	"github.com/unmask-eval/unmask/internal/stats"
)

// comparison is one rule on one table, on its way to a RuleDecision.
type comparison struct {
	RuleDecision
	// alpha is the one-sided error, 1 - Confidence.
	alpha float64
	// matched is false when the rule concerns no table of the run.
	matched bool
	// mayBlock is true when there were data and queries enough for PBlock to count.
	mayBlock bool
	// withheld is true when the statistics passed and a requirement was not met.
	withheld bool
	// family is the number of comparisons that Holm's correction counted.
	family int
	// table names the table in sentences; obstacles are its unmet requirements.
	table     string
	obstacles []obstacle
}

func ruleDecision(r Rule) RuleDecision {
	return RuleDecision{
		Rule: r.ID, Metric: r.Metric, Scenario: r.Scenario, Contrast: r.Contrast,
		Max: r.Max, Confidence: r.Confidence, Outcome: Inconclusive,
	}
}

// oneSidedError is 1 - confidence without the noise of the subtraction, so that
// a confidence of 0.95 is the same error as an alpha of 0.05 elsewhere.
func oneSidedError(confidence float64) float64 {
	return math.Round((1-confidence)*1e12) / 1e12
}

// compare applies a rule to every table that it concerns. A rule that concerns
// none yields one comparison that says so.
func (e Evidence) compare(rule Rule, req Requirements) []comparison {
	if len(e.Tables) == 0 {
		return []comparison{unmatched(rule, obstacle{ReasonNoData, "the run has no results"})}
	}
	var comparisons []comparison
	for _, scenario := range e.scenarios() {
		if rule.Scenario != "" && rule.Scenario != scenario {
			continue
		}
		t, why := e.table(scenario, rule.Contrast)
		if t == nil {
			r := rule
			r.Scenario = scenario
			comparisons = append(comparisons, unmatched(r, why))
			continue
		}
		comparisons = append(comparisons, t.compare(rule, req))
	}
	if len(comparisons) == 0 {
		return []comparison{unmatched(rule, obstacle{
			ReasonUnknownScenario, fmt.Sprintf("the run has no scenario %s", quoted(rule.Scenario)),
		})}
	}
	return comparisons
}

func unmatched(rule Rule, why obstacle) comparison {
	c := comparison{RuleDecision: ruleDecision(rule), alpha: oneSidedError(rule.Confidence)}
	c.Reason, c.Explanation = why.reason, why.text
	return c
}

// measured is what an estimate of any metric has in common.
type measured struct {
	estimate          *float64
	bounds            stats.Bounds
	pPass, pBlock     float64
	samples, excluded int
}

// compare applies a rule to this table.
func (t *Table) compare(rule Rule, req Requirements) comparison {
	c := comparison{RuleDecision: ruleDecision(rule), alpha: oneSidedError(rule.Confidence), matched: true}
	c.Scenario, c.Contrast = t.Scenario, t.Contrast
	c.table = t.name()
	if err := t.check(rule.Metric); err != nil {
		c.Reason, c.Explanation = ReasonInvalidEvidence, "the evidence cannot be used: "+oneLine(err.Error())
		return c
	}
	t = t.balanced()
	m, err := t.measure(rule.Metric, rule.Max, c.alpha)
	if err != nil {
		c.Reason, c.Explanation = ReasonInvalidEvidence, "the evidence cannot be used: "+oneLine(err.Error())
		return c
	}
	c.Queries, c.Samples, c.Excluded = m.bounds.Clusters, m.samples, m.excluded
	c.obstacles = t.obstacles(rule.Metric, req)
	if m.bounds.Clusters == 0 {
		c.Reason = ReasonNoData
		c.Explanation = fmt.Sprintf("there is no query with a graded sample to estimate the %s from (%d excluded)",
			rule.Metric.label(), c.Excluded)
		return c
	}
	c.Estimate = m.estimate
	c.Lower, c.Upper, c.UpperWorstCase = &m.bounds.Lower, &m.bounds.Upper, &m.bounds.UpperWorstCase
	c.PPass, c.PBlock = &m.pPass, &m.pBlock
	verdict := stats.Decide(m.bounds, rule.Max, req.MinQueries)
	c.Outcome, c.Reason = outcomeOf(verdict)
	c.mayBlock = c.Queries >= req.MinQueries
	c.Explanation = c.explain(req)
	return c
}

func (t *Table) measure(metric Metric, tau, alpha float64) (measured, error) {
	if metric == MetricComplianceGap {
		g, err := stats.EstimateGap(t.Compliance, alpha)
		if err != nil {
			return measured{}, err
		}
		return measured{
			estimate: g.Estimate, bounds: g.Bounds(), pPass: g.PPass(tau), pBlock: g.PBlock(tau),
			samples: g.Samples, excluded: g.Missing,
		}, nil
	}
	r, err := stats.EstimateRate(t.clusters(metric), alpha)
	if err != nil {
		return measured{}, err
	}
	return measured{
		estimate: r.Estimate, bounds: r.Bounds(), pPass: r.PPass(tau), pBlock: r.PBlock(tau),
		samples: r.Samples, excluded: r.Missing,
	}, nil
}

// outcomeOf translates a statistical verdict; an unknown one is Inconclusive.
func outcomeOf(d stats.Decision) (Outcome, Reason) {
	switch d.Verdict {
	case stats.Pass:
		return Pass, ReasonBelowThreshold
	case stats.Block:
		return Block, ReasonAboveThreshold
	}
	switch d.Reason {
	case stats.ReasonTooFewClusters:
		return Inconclusive, ReasonTooFewQueries
	case stats.ReasonMissingData:
		return Inconclusive, ReasonMissingData
	default:
		return Inconclusive, ReasonIntervalSpansThreshold
	}
}
