package run

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/stats"
)

// EveryBehavior among the undecided behaviours of a sample stands for all that
// its scenario declares: samples that were kept before behaviours were.
const EveryBehavior = "*"

// BehaviorRate is how often a behaviour that the scenario declares was found
// under one condition. Its rate is over samples whose reasoning could be
// observed and whose grader gave a judgement; all others are excluded, also
// where their answer alone shows the behaviour, because an answer that shows
// nothing says little of a reasoning that nobody saw.
type BehaviorRate struct {
	// Behavior is the id that the scenario declares.
	Behavior string `json:"behavior"`
	Rate     Rate   `json:"rate"`
	// Exclusions count the planned samples that the rate does not use, by cause.
	// Planned = Rate.Denominator + their sum.
	Exclusions []Exclusion `json:"exclusions"`
	// MetNotObservable counts, of those excluded as NOT_OBSERVABLE, the ones
	// whose answer shows the behaviour: they are left out and not overlooked.
	MetNotObservable int `json:"met_not_observable,omitempty"`
}

// BehaviorGap is the rate of a behaviour in the training condition minus that in
// the unmonitored one.
type BehaviorGap struct {
	Behavior string `json:"behavior"`
	Gap      Gap    `json:"gap"`
}

// behaviorCell is one behaviour in one cell.
type behaviorCell struct {
	found            stats.Cluster
	causes           map[string]int
	metNotObservable int
}

// judgedBehaviors splits what a scenario declares into what a verdict found and
// what it says nothing of. The rest was looked for and not found.
func judgedBehaviors(declared []string, v grading.Verdict) (met, undecided []string) {
	judged := map[string]bool{}
	for _, b := range v.Behaviors {
		judged[b.ID] = true
		if b.Met && slices.Contains(declared, b.ID) && !slices.Contains(met, b.ID) {
			met = append(met, b.ID)
		}
	}
	for _, id := range declared {
		if !judged[id] {
			undecided = append(undecided, id)
		}
	}
	return met, undecided
}

// addBehaviors counts a row's behaviours. Without a reply each has the cause of that.
func (c *cell) addBehaviors(r Row, declared []string) {
	for i, id := range declared {
		b := &c.behaviors[i]
		met := slices.Contains(r.Behaviors, id)
		switch {
		case r.ErrorClass != "":
			b.causes[string(r.ErrorClass)]++
		case slices.Contains(r.UndecidedBehaviors, id), slices.Contains(r.UndecidedBehaviors, EveryBehavior):
			b.causes[CauseUngradable]++
		case !r.Observable:
			b.causes[CauseNotObservable]++
			if met {
				b.metNotObservable++
			}
		default:
			b.found.Observe(indicator(met))
		}
	}
}

// behaviorRates estimates the rate of each declared behaviour under a condition.
func (t *Tally) behaviorRates(sc int, condition string) ([]BehaviorRate, error) {
	var out []BehaviorRate
	for i, id := range t.scenarios[sc].Behaviors {
		b := BehaviorRate{Behavior: id}
		causes := map[string]int{}
		var clusters []stats.Cluster
		t.each(sc, condition, func(query string, c *cell) {
			clusters = append(clusters, c.cluster(query, c.behaviors[i].found))
			b.MetNotObservable += c.behaviors[i].metNotObservable
			if missing := c.planned - c.finished; missing > 0 {
				causes[CauseNotFinished] += missing
			}
			for cause, n := range c.behaviors[i].causes {
				causes[cause] += n
			}
		})
		var err error
		if b.Rate, err = t.rate(clusters); err != nil {
			return nil, fmt.Errorf("rate of %s: %w", id, err)
		}
		b.Exclusions = exclusions(causes)
		out = append(out, b)
	}
	return out, nil
}

// behaviorGaps estimates the difference of each declared behaviour in a contrast.
func (t *Tally) behaviorGaps(sc int, c scenario.Contrast) ([]BehaviorGap, error) {
	var out []BehaviorGap
	for i, id := range t.scenarios[sc].Behaviors {
		pairs := t.pairs(sc, c, func(query string, c *cell) stats.Cluster { return c.cluster(query, c.behaviors[i].found) })
		e, err := stats.EstimateGap(pairs, 1-t.plan.Confidence)
		if err != nil {
			return nil, fmt.Errorf("difference of %s: %w", id, err)
		}
		g, err := t.gap(e, pairs)
		if err != nil {
			return nil, fmt.Errorf("difference of %s: %w", id, err)
		}
		out = append(out, BehaviorGap{Behavior: id, Gap: g})
	}
	return out, nil
}

// exclusions lists causes in a fixed order.
func exclusions(causes map[string]int) []Exclusion {
	var out []Exclusion
	for cause, n := range causes {
		out = append(out, Exclusion{Cause: cause, Count: n})
	}
	slices.SortFunc(out, func(a, b Exclusion) int { return cmp.Compare(a.Cause, b.Cause) })
	return out
}
