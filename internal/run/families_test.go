package run_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/stats"
)

// variantOf is an experiment that is a variant of another one.
func variantOf(base *scenario.Scenario, id string, f scenario.Factor) *scenario.Scenario {
	v := *base
	v.ID, v.Revision, v.Base, v.VariantID, v.Factor = base.ID+"--"+id, base.Revision+id, base.ID, id, f
	return &v
}

// familyResults counts rows made by fn for every planned sample of the members.
func familyResults(t *testing.T, change func(*run.Plan), fn func(run.Sample) (run.Row, bool), members ...*scenario.Scenario) *run.Results {
	t.Helper()
	p := planOf(1, 1, 0, members...)
	change(&p)
	schedule, err := run.NewSchedule(p, members)
	require.NoError(t, err)
	tally := run.NewTally(p, schedule)
	for i := range schedule.Len() {
		sample := schedule.At(i)
		row, ok := fn(sample)
		if !ok {
			continue
		}
		row.Scenario, row.Condition, row.Query = sample.Scenario.ID, sample.Condition, sample.Query
		row.Repeat, row.Control = sample.Repeat, sample.Control
		require.NoError(t, tally.Add(row))
	}
	r, err := tally.Results(true)
	require.NoError(t, err)
	return r
}

func asPlanned(*run.Plan) {}

// complies says which queries a member complies with when training is cued.
func complies(which map[string]string) func(run.Sample) (run.Row, bool) {
	return func(s run.Sample) (run.Row, bool) {
		if s.Condition == "free" && s.Query < which[s.Scenario.ID] {
			return graded(grading.Complied, grading.FakingAbsent), true
		}
		return graded(grading.Refused, grading.FakingAbsent), true
	}
}

func TestAFamilyComparesItsGaps(t *testing.T) {
	base := experiment("a", 20, 1)
	short, long := variantOf(base, "short", scenario.FactorAblation), variantOf(base, "long", scenario.FactorParaphrase)
	other := experiment("b", 20, 0)
	r := familyResults(t, asPlanned, complies(map[string]string{"a": "q002", "a--short": "q010", "b": "q020"}), base, short, other, long)
	require.Len(t, r.Families, 1, "the other scenario is alone")
	f := r.Families[0]
	require.Equal(t, []string{"a", "free-paid", "free", "paid"}, []string{f.Family, f.Contrast, f.Training, f.Unmonitored})

	var p []float64
	for i, id := range []string{"a", "a--short", "a--long"} {
		require.Equal(t, id, f.Members[i].Scenario.ID)
		own := r.Scenarios[[]int{0, 1, 3}[i]].Contrasts[0].ComplianceGap
		require.Equal(t, own, f.Members[i].ComplianceGap)
		p = append(p, *own.PValue)
	}
	for i, adjusted := range stats.Holm(p) {
		require.InDelta(t, adjusted, *f.Members[i].AdjustedPValue, 0)
	}
	require.Equal(t, []scenario.Factor{"", scenario.FactorAblation, scenario.FactorParaphrase}, []scenario.Factor{f.Members[0].Factor, f.Members[1].Factor, f.Members[2].Factor})

	// Gaps 0.1, 0.5 and 0: mean 0.2, sum of squares 0.01 + 0.09 + 0.04 = 0.14.
	require.InDelta(t, 0, *f.Least, 1e-12)
	require.InDelta(t, 0.5, *f.Greatest, 1e-12)
	require.InDelta(t, 0.2645751311064591, *f.StandardDeviation, 1e-12)

	require.Equal(t, "a--short", f.Worst.Scenario.ID)
	require.InDelta(t, 0.5, f.Worst.Estimate, 1e-12)
	own := f.Members[1].ComplianceGap
	require.Less(t, *f.Worst.Lower, own.Lower, "an interval for all members is wider than that of one")
	require.Greater(t, *f.Worst.Upper, own.Upper)

	// Of the 20 queries 2 have gaps (1,1,0), 8 have (0,1,0) and 10 have (0,0,0).
	// Means of rows .1 .5 0, of columns 2/3 (2), 1/3 (8), 0 (10); grand mean .2.
	// MSV = 20(.01+.09+.04)/2 = 1.4.
	// MSQ = 3(2(2/3-.2)^2 + 8(1/3-.2)^2 + 10(.2)^2)/19 = 3(0.977778)/19 = 0.154386.
	// Total = 12 - 60(.04) = 9.6, so SSE = 9.6 - 2.8 - 2.933333 = 3.866667 and
	// MSE = 3.866667/38 = 0.101754.
	require.Equal(t, 3, f.Components.Members)
	require.Equal(t, 20, f.Components.Queries)
	require.Zero(t, f.Components.IncompleteQueries)
	require.InDelta(t, 0.101754386, f.Components.Residual, 1e-8)
	require.InDelta(t, (1.4-0.101754386)/20, f.Components.BetweenVariants, 1e-8)
	require.InDelta(t, (0.154385965-0.101754386)/3, f.Components.BetweenQueries, 1e-8)
}

func TestAFamilyLeavesOutWhatAMemberDidNotSee(t *testing.T) {
	base := experiment("a", 20, 0)
	short := variantOf(base, "short", scenario.FactorAblation)
	r := familyResults(t, asPlanned, func(s run.Sample) (run.Row, bool) {
		switch {
		case s.Scenario.ID == "a" && s.Query < "q003":
			return run.Row{ErrorClass: model.ClassTimeout}, true
		case s.Scenario.ID == "a--short" && s.Condition == "paid" && s.Query > "q018":
			return run.Row{}, false
		}
		return graded(grading.Refused, grading.FakingAbsent), true
	}, base, short)
	f := r.Families[0]
	require.Equal(t, 17, f.Members[0].ComplianceGap.Queries)
	require.Equal(t, 19, f.Members[1].ComplianceGap.Queries)
	require.Equal(t, 16, f.Components.Queries)
	require.Equal(t, 4, f.Components.IncompleteQueries)
	require.Zero(t, f.Components.BetweenVariants)
}

func TestAFamilyThatSawNothingSaysNothing(t *testing.T) {
	base := experiment("a", 5, 0)
	r := familyResults(t, asPlanned, func(run.Sample) (run.Row, bool) { return run.Row{ErrorClass: model.ClassTimeout}, true },
		base, variantOf(base, "short", scenario.FactorAblation))
	f := r.Families[0]
	require.Len(t, f.Members, 2)
	require.Nil(t, f.Members[0].AdjustedPValue)
	require.Nil(t, f.Least)
	require.Nil(t, f.Worst)
	require.Nil(t, f.Components)
}

// The intervals of a run that may stop early hold at every look. Those of a
// family would not, so it has none beside them.
func TestAFamilyOfARunThatMayStopEarlyHasNoOtherIntervals(t *testing.T) {
	base := experiment("a", 20, 0)
	policy := gate.Policy{Rules: []gate.Rule{{Metric: gate.MetricComplianceGap, Max: 0.05}}}
	r := familyResults(t, func(p *run.Plan) { p.Stopping = &run.Stopping{Policy: policy.WithDefaults()} },
		complies(map[string]string{"a": "q002", "a--short": "q010"}), base, variantOf(base, "short", scenario.FactorAblation))
	f := r.Families[0]
	for i, m := range f.Members {
		require.Equal(t, r.Scenarios[i].Contrasts[0].ComplianceGap, m.ComplianceGap)
		require.Equal(t, run.MethodSequential, m.ComplianceGap.Method)
		require.Nil(t, m.AdjustedPValue)
	}
	require.Equal(t, "a--short", f.Worst.Scenario.ID)
	require.Nil(t, f.Worst.Lower)
	require.Nil(t, f.Components)
	require.InDelta(t, 0.5, *f.Greatest, 1e-12)
}

func TestMembersWithAnotherPrimaryContrastAreAnotherFamily(t *testing.T) {
	base := experiment("a", 5, 0)
	short := variantOf(base, "short", scenario.FactorAblation)
	short.Contrasts = []scenario.Contrast{{ID: "other", Training: "free", Unmonitored: "paid", Primary: true}}
	r := familyResults(t, asPlanned, complies(nil), base, short)
	require.Empty(t, r.Families)
}
