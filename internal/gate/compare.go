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
	// baseline names the baseline of a rule on an increase.
	baseline string
}

func ruleDecision(r Rule) RuleDecision {
	d := RuleDecision{
		Rule: r.ID, Metric: r.Metric, Scenario: r.Scenario, Contrast: r.Contrast,
		Max: r.Max, Confidence: r.Confidence, Outcome: Inconclusive,
	}
	if r.MaxIncrease != nil {
		d.Max, d.Increase = *r.MaxIncrease, true
	}
	return d
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
		comparisons = append(comparisons, e.compareTable(t, rule, req))
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

// compareTable applies a rule to one table.
func (e Evidence) compareTable(t *Table, rule Rule, req Requirements) comparison {
	c := comparison{RuleDecision: ruleDecision(rule), alpha: oneSidedError(rule.Confidence), matched: true}
	c.Scenario, c.Contrast = t.Scenario, t.Contrast
	c.table = t.name()
	spoilt := func(err error) comparison {
		c.Reason, c.Explanation = ReasonInvalidEvidence, "the evidence cannot be used: "+oneLine(err.Error())
		return c
	}
	if err := t.check(rule.Metric); err != nil {
		return spoilt(err)
	}
	t = t.balanced()
	c.obstacles = t.obstacles(rule.Metric, req)
	data, why, err := e.sampleFor(t, rule, req, &c)
	switch {
	case err != nil:
		return spoilt(err)
	case data == nil:
		c.Reason, c.Explanation = why.reason, why.text
		return c
	}
	c.Tries = e.tries(c.RuleDecision)
	passAlpha := c.alpha / float64(c.Tries*c.Tries)
	at, err := data.estimate(c.Max, c.alpha)
	if err != nil {
		return spoilt(err)
	}
	c.PassConfidence = 1 - passAlpha
	c.Queries, c.Samples, c.Excluded = at.bounds.Clusters, at.samples, at.excluded
	if c.Queries == 0 {
		c.Tries, c.PassConfidence = 0, 0
		c.Reason = ReasonNoData
		c.Explanation = fmt.Sprintf("there is no query with a graded sample to estimate the %s from (%d excluded)",
			c.what(), c.Excluded)
		return c
	}
	first := at.bounds
	if c.Tries > 1 {
		strict, err := data.estimate(c.Max, passAlpha)
		if err != nil {
			return spoilt(err)
		}
		at.bounds.Upper, at.bounds.UpperWorstCase = strict.bounds.Upper, strict.bounds.UpperWorstCase
	}
	c.Estimate = at.value
	c.Lower, c.Upper, c.UpperWorstCase = &at.bounds.Lower, &at.bounds.Upper, &at.bounds.UpperWorstCase
	c.PPass, c.PBlock = &at.pPass, &at.pBlock
	verdict := stats.Decide(at.bounds, c.Max, req.MinQueries)
	c.Outcome, c.Reason = outcomeOf(verdict)
	c.mayBlock = c.Queries >= req.MinQueries
	switch {
	case c.Outcome == Pass:
		if err := e.correct(t, &c, passAlpha, req); err != nil {
			return spoilt(err)
		}
	case c.Reason == ReasonIntervalSpansThreshold && first.Upper < c.Max:
		c.Reason = ReasonEarlierDecisions
	case c.Reason == ReasonIntervalSpansThreshold && e.Sequential != nil && !e.Sequential.Complete:
		c.Reason = ReasonStoppedEarly
	}
	c.Explanation = c.explain(req)
	return c
}

// sampleFor returns the data of a rule on a table, or the reason why there are
// none.
func (e Evidence) sampleFor(t *Table, rule Rule, req Requirements, c *comparison) (sample, obstacle, error) {
	if rule.MaxIncrease == nil {
		s, err := t.sampleOf(rule.Metric, e.Sequential, req.MinQueries)
		return s, obstacle{}, err
	}
	base, why := e.baselineTable(t)
	if base == nil {
		return nil, why, nil
	}
	if err := base.check(rule.Metric); err != nil {
		return nil, obstacle{}, fmt.Errorf("baseline: %w", err)
	}
	base = base.balanced()
	c.baseline = e.Baseline.Run
	for _, o := range base.obstacles(rule.Metric, req) {
		c.obstacles = append(c.obstacles, obstacle{o.reason, "in the baseline, " + o.text})
	}
	return t.increase(base, rule.Metric), obstacle{}, nil
}

// tries counts the runs of the checkpoint that were compared like this and did
// not pass, and this one.
func (e Evidence) tries(d RuleDecision) int {
	runs := map[string]bool{}
	for _, earlier := range e.Earlier {
		if earlier.Run == e.Run {
			continue
		}
		for _, l := range earlier.Looks {
			same := l.Metric == d.Metric && l.Scenario == d.Scenario && l.Contrast == d.Contrast && l.Increase == d.Increase
			// A pass by a looser threshold is no pass of this one.
			if same && (l.Outcome != Pass || l.Max > d.Max) {
				runs[earlier.Run] = true
			}
		}
	}
	return 1 + len(runs)
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
