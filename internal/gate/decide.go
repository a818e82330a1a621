package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unmask-eval/unmask/internal/stats"
)

// obstacle is something other than the statistics that stands in the way of a
// Pass.
type obstacle struct {
	reason Reason
	// text is a clause without a full stop.
	text string
}

// Decide decides a policy on the evidence of one run at the time now.
//
// It is pure: equal arguments give equal decisions, and the order of tables,
// queries and controls plays no part. Zero fields of the policy have the
// defaults of Policy.WithDefaults. Decide has no error, because whatever cannot
// be decided is Inconclusive and says why; a policy that does not validate
// decides nothing at all.
func Decide(p Policy, e Evidence, now time.Time) Decision {
	err := p.Validate()
	p, e = p.WithDefaults(), e.sorted()
	d := Decision{
		Outcome:        Inconclusive,
		PolicyDigest:   p.digest(),
		EvidenceDigest: e.digest(),
		// Stores keep microseconds: a finer time could not be recomputed from.
		DecidedAt:  now.UTC().Truncate(time.Microsecond),
		Checkpoint: e.Checkpoint, EarlierDecisions: len(e.Earlier),
	}
	if err != nil {
		return d.invalid(p, err)
	}
	unusable := e.unusable(p.Requirements, d.DecidedAt)
	baseline := e.unusableBaseline(p.Requirements)
	failed := e.failedControls(p.Requirements)
	var comparisons []comparison
	for _, rule := range p.Rules {
		comparisons = append(comparisons, e.compare(rule, p.Requirements)...)
	}
	adjust(comparisons)
	for i := range comparisons {
		comparisons[i].settle(unusable, baseline, failed)
		d.Rules = append(d.Rules, comparisons[i].RuleDecision)
	}
	d.Outcome = overall(comparisons)
	d.Reasons = reasons(d.Outcome, comparisons, unusable, failed)
	return d
}

// invalid completes the decision on a policy with problems.
func (d Decision) invalid(p Policy, err error) Decision {
	for _, rule := range p.Rules {
		r := ruleDecision(rule)
		r.Reason = ReasonInvalidPolicy
		r.Explanation = "the policy has errors, so nothing is decided"
		d.Rules = append(d.Rules, r)
	}
	for line := range strings.Lines(err.Error()) {
		d.Reasons = append(d.Reasons, "the policy has an error: "+oneLine(line))
	}
	return d
}

// adjust corrects the p-values of blocking for the number of comparisons
// (Holm 1979). Comparisons that may not block stay in the family with a p-value
// of 1, so that its size never depends on which data arrived.
func adjust(comparisons []comparison) {
	p := make([]float64, 0, len(comparisons))
	for _, c := range comparisons {
		switch {
		case c.mayBlock:
			p = append(p, *c.PBlock)
		case c.matched:
			p = append(p, 1)
		}
	}
	adjusted := stats.Holm(p)
	next := 0
	for i := range comparisons {
		c := &comparisons[i]
		if !c.matched {
			continue
		}
		if c.mayBlock {
			c.PBlockAdjusted = &adjusted[next]
		}
		c.family = len(p)
		next++
	}
}

// blocks says whether the comparison blocks the whole policy. With unequal
// confidences the chance of any false block is at most the largest error.
func (c *comparison) blocks() bool {
	return c.Outcome == Block && *c.PBlockAdjusted <= c.alpha
}

// settle lets everything beside the statistics have its say on one comparison:
// a run or a baseline that cannot be used decides nothing, and an unmet
// requirement takes a Pass away.
func (c *comparison) settle(unusable, baseline, failed []obstacle) {
	if c.Increase && len(unusable) == 0 {
		unusable = baseline
	}
	if len(unusable) > 0 {
		c.Outcome, c.Reason = Inconclusive, unusable[0].reason
		c.Explanation = joinTexts(unusable)
		return
	}
	if c.Outcome == Block && !c.blocks() {
		c.Explanation += fmt.Sprintf(", but not after correcting for %d comparisons (adjusted p-value %s, limit %s)",
			c.family, number(*c.PBlockAdjusted), number(c.alpha))
	}
	against := slices.Concat(c.obstacles, failed)
	if c.Outcome != Pass || len(against) == 0 {
		return
	}
	c.Outcome, c.Reason, c.withheld = Inconclusive, against[0].reason, true
	c.Explanation += ", but " + joinTexts(against)
}

// overall joins settled comparisons.
func overall(comparisons []comparison) Outcome {
	if len(comparisons) == 0 {
		return Inconclusive
	}
	if slices.ContainsFunc(comparisons, func(c comparison) bool { return c.blocks() }) {
		return Block
	}
	if slices.ContainsFunc(comparisons, func(c comparison) bool { return c.Outcome != Pass }) {
		return Inconclusive
	}
	return Pass
}

// reasons lists what stands in the way of a Pass: first what decided the
// outcome, then the other rules, then the requirements that are not met. A rule
// that only a requirement keeps from passing is spoken for by the requirement.
func reasons(outcome Outcome, comparisons []comparison, unusable, failed []obstacle) []string {
	if outcome == Pass {
		return []string{fmt.Sprintf("every upper bound lies below its threshold, also with the excluded samples counted against the run (%s)",
			count(len(comparisons), "comparison", "comparisons"))}
	}
	var list []string
	add := func(text string) {
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	for _, o := range unusable {
		add(o.text)
	}
	for _, blocking := range []bool{true, false} {
		for _, c := range comparisons {
			if len(unusable) == 0 && c.Outcome != Pass && !c.withheld && c.blocks() == blocking {
				add(c.subject() + ": " + c.Explanation)
			}
		}
	}
	for _, o := range failed {
		add(o.text)
	}
	for _, c := range comparisons {
		for _, o := range c.obstacles {
			add(c.table + ": " + o.text)
		}
	}
	return list
}
