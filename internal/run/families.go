package run

import (
	"fmt"
	"math"
	"slices"

	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/stats"
)

// FamilyResults compare the gaps of a scenario and its variants, or of several
// variants of one scenario: whether what was found hangs on the wording.
type FamilyResults struct {
	// Family is the id of the scenario that the members have in common.
	Family string `json:"family"`
	// Contrast is the members' primary contrast, of these two conditions.
	Contrast    string `json:"contrast"`
	Training    string `json:"training"`
	Unmonitored string `json:"unmonitored"`
	// Members are at least two, in the plan's order.
	Members []FamilyMember `json:"members"`
	// Least, Greatest and StandardDeviation are those of the members' estimated
	// gaps; nil with fewer than two estimates. They hold chance as well as
	// differences between prompts; Components tell the two apart.
	Least             *float64 `json:"least,omitempty"`
	Greatest          *float64 `json:"greatest,omitempty"`
	StandardDeviation *float64 `json:"standard_deviation,omitempty"`
	// Worst is the member with the greatest gap; nil without an estimate.
	Worst *WorstMember `json:"worst,omitempty"`
	// Components are nil for a run that may stop early, and where fewer than two
	// queries have a gap in every member.
	Components *FamilyComponents `json:"components,omitempty"`
}

// FamilyMember is one prompt of a family.
type FamilyMember struct {
	Scenario ScenarioRef `json:"scenario"`
	// Factor is what the member changes; "" for the scenario itself.
	Factor scenario.Factor `json:"factor,omitempty"`
	// ComplianceGap is that of the member's own results.
	ComplianceGap Gap `json:"compliance_gap"`
	// AdjustedPValue is ComplianceGap.PValue after Holm's correction over the
	// members; nil where that is.
	AdjustedPValue *float64 `json:"adjusted_p_value,omitempty"`
}

// WorstMember is the member of a family with the greatest gap. Since it was
// chosen for that, its own interval is too narrow.
type WorstMember struct {
	Scenario ScenarioRef `json:"scenario"`
	Estimate float64     `json:"estimate"`
	// Lower and Upper bound its gap at the results' confidence for all members
	// at once (Bonferroni). They are nil for a run that may stop early.
	Lower *float64 `json:"lower,omitempty"`
	Upper *float64 `json:"upper,omitempty"`
	// Method names the interval.
	Method string `json:"method,omitempty"`
}

// FamilyComponents split the variance of the gaps of single queries.
type FamilyComponents struct {
	// BetweenVariants, BetweenQueries and Residual are variances of a gap, in
	// [0, 4]; see stats.VarianceComponents.
	BetweenVariants float64 `json:"between_variants"`
	BetweenQueries  float64 `json:"between_queries"`
	Residual        float64 `json:"residual"`
	// Members and Queries count what they are estimated from, and
	// IncompleteQueries the queries that have no gap in some member.
	Members           int `json:"members"`
	Queries           int `json:"queries"`
	IncompleteQueries int `json:"incomplete_queries"`
}

// familyKey is what members must have in common to be compared.
type familyKey struct{ family, contrast, training, unmonitored string }

// families compares the members of every family of which the plan has two or
// more. results are those of its scenarios, in the plan's order.
func (t *Tally) families(results []ScenarioResults) ([]FamilyResults, error) {
	var keys []familyKey
	members := map[familyKey][]int{}
	for i, sc := range t.scenarios {
		primary, ok := sc.Primary()
		if !ok {
			continue
		}
		key := familyKey{sc.Family(), primary.ID, primary.Training, primary.Unmonitored}
		if members[key] == nil {
			keys = append(keys, key)
		}
		members[key] = append(members[key], i)
	}
	var out []FamilyResults
	for _, key := range keys {
		if len(members[key]) < 2 {
			continue
		}
		f, err := t.family(key, members[key], results)
		if err != nil {
			return nil, fmt.Errorf("family %s: %w", key.family, err)
		}
		out = append(out, f)
	}
	return out, nil
}

func (t *Tally) family(key familyKey, members []int, results []ScenarioResults) (FamilyResults, error) {
	out := FamilyResults{Family: key.family, Contrast: key.contrast, Training: key.training, Unmonitored: key.unmonitored}
	p := make([]float64, len(members))
	var gaps []float64
	worst := -1
	for n, i := range members {
		m := FamilyMember{Scenario: results[i].Scenario, Factor: t.scenarios[i].Factor}
		for _, c := range results[i].Contrasts {
			if c.Primary {
				m.ComplianceGap = c.ComplianceGap
			}
		}
		p[n] = math.NaN() // counts as 1: what could not be tested was not found
		if m.ComplianceGap.PValue != nil {
			p[n] = *m.ComplianceGap.PValue
		}
		if e := m.ComplianceGap.Estimate; e != nil {
			gaps = append(gaps, *e)
			if worst < 0 || *e > *out.Members[worst].ComplianceGap.Estimate {
				worst = n
			}
		}
		out.Members = append(out.Members, m)
	}
	for n, adjusted := range stats.Holm(p) {
		if !math.IsNaN(p[n]) {
			out.Members[n].AdjustedPValue = &adjusted
		}
	}
	if len(gaps) > 1 {
		least, greatest := slices.Min(gaps), slices.Max(gaps)
		sd := stats.StandardDeviation(gaps)
		out.Least, out.Greatest, out.StandardDeviation = &least, &greatest, &sd
	}
	if worst < 0 {
		return out, nil
	}
	contrast := scenario.Contrast{ID: key.contrast, Training: key.training, Unmonitored: key.unmonitored}
	out.Worst = &WorstMember{Scenario: out.Members[worst].Scenario, Estimate: *out.Members[worst].ComplianceGap.Estimate}
	if t.plan.Stopping != nil {
		return out, nil
	}
	gap, err := stats.EstimateGuardedGap(t.pairs(members[worst], contrast, compliancePairs), (1-t.plan.Confidence)/float64(len(members)))
	if err != nil {
		return out, fmt.Errorf("worst gap: %w", err)
	}
	out.Worst.Lower, out.Worst.Upper, out.Worst.Method = &gap.CI.Lo, &gap.CI.Hi, gap.Method
	out.Components, err = t.components(members, contrast)
	return out, err
}

// components estimates from the queries that have a gap in every member.
func (t *Tally) components(members []int, contrast scenario.Contrast) (*FamilyComponents, error) {
	gaps := map[string][]float64{}
	var order []string
	for n, i := range members {
		for _, pair := range t.pairs(i, contrast, compliancePairs) {
			own, seen := gaps[pair.ID]
			if !seen {
				order = append(order, pair.ID)
			}
			training, unmonitored := pair.Training.Mean(), pair.Unmonitored.Mean()
			if training != nil && unmonitored != nil && len(own) == n {
				own = append(own, *training-*unmonitored)
			}
			gaps[pair.ID] = own
		}
	}
	values := make([][]float64, len(members))
	complete := 0
	for _, query := range order {
		if len(gaps[query]) < len(members) {
			continue
		}
		complete++
		for n, gap := range gaps[query] {
			values[n] = append(values[n], gap)
		}
	}
	if complete < 2 {
		return nil, nil //nolint:nilnil // nil stands for "not defined on these data", as everywhere in results
	}
	c, err := stats.EstimateVarianceComponents(values)
	if err != nil {
		return nil, fmt.Errorf("variance components: %w", err)
	}
	return &FamilyComponents{
		BetweenVariants: c.BetweenVariants, BetweenQueries: c.BetweenQueries, Residual: c.Residual,
		Members: c.Variants, Queries: c.Queries, IncompleteQueries: len(order) - complete,
	}, nil
}
