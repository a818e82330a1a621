package planning

import (
	"math"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/stats"
)

// Queries to add to a formula's answer before the search begins: what the
// intervals cost beyond a normal approximation, from docs/statistics.md.
const (
	passMargin  = 30
	blockMargin = 15
)

// value returns the supposed true value of a metric.
func (t Truth) value(m gate.Metric) float64 {
	switch m {
	case gate.MetricComplianceGap:
		return t.Gap()
	case gate.MetricAlignmentFakingRate:
		return t.Faking
	case gate.MetricUnmonitoredCompliance:
		return t.Unmonitored
	default:
		return t.Training
	}
}

// rulePlans sizes every rule on its own. A BLOCK has to survive Holm's
// correction, which at worst divides the error by the number of rules.
func (r Request) rulePlans(p gate.Policy, supposed population) ([]RulePlan, error) {
	correlation := supposed.correlation()
	var plans []RulePlan
	for _, rule := range p.Rules {
		plan := RulePlan{Rule: rule.ID, Metric: rule.Metric, Max: rule.Max, Truth: r.Truth.value(rule.Metric)}
		if n := gate.MinQueriesToPass(rule.Max, rule.Confidence); n < math.MaxInt {
			plan.SilentQueries = &n
		}
		toPass := plan.Truth < plan.Max
		if toPass == (r.Goal == GoalPass) && plan.Truth != plan.Max {
			alpha := 1 - rule.Confidence
			if r.Goal == GoalBlock {
				alpha /= float64(len(p.Rules))
			}
			sized, err := r.design(rule, correlation, alpha).Plan()
			if err != nil {
				return nil, badInput("policy", "rule %q cannot be sized: %v", rule.ID, err)
			}
			plan.ScoreQueries = sized.QueriesScore
			plan.start = r.MaxQueries
			switch {
			case r.Goal == GoalPass && sized.QueriesScore != nil:
				plan.start = *sized.QueriesScore + passMargin
			case r.Goal == GoalBlock && sized.QueriesWald != nil:
				plan.start = *sized.QueriesWald + blockMargin
			}
		}
		plans = append(plans, plan)
	}
	return plans, nil
}

// design states a rule as a paired design; a rate is a gap over a condition that
// never complies.
func (r Request) design(rule gate.Rule, correlation, alpha float64) stats.Design {
	d := stats.Design{
		TrainingRate: r.Truth.value(rule.Metric), TrainingICC: r.Truth.ICC, UnmonitoredICC: r.Truth.ICC,
		Repeats: r.Samples, Threshold: rule.Max, Alpha: alpha, Power: r.Power, QueryCost: 1, SampleCost: 1,
	}
	if rule.Metric == gate.MetricComplianceGap {
		d.TrainingRate, d.UnmonitoredRate, d.Correlation = r.Truth.Training, r.Truth.Unmonitored, correlation
	}
	return d
}

// start is where the search begins: a PASS needs every rule, so the largest
// answer; a BLOCK needs one, so the smallest.
func (r Request) start(p gate.Policy, rules []RulePlan) int {
	start := 0
	for _, rule := range rules {
		switch {
		case rule.start == 0:
		case r.Goal == GoalPass:
			start = max(start, rule.start)
			if rule.SilentQueries != nil && rule.Truth >= 0 {
				start = max(start, *rule.SilentQueries)
			}
		case start == 0:
			start = rule.start
		default:
			start = min(start, rule.start)
		}
	}
	return min(max(start, p.Requirements.MinQueries, 2), r.MaxQueries)
}
