package calibration_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/stats"
)

const human = calibration.OriginHuman

// n makes items of one kind, each of a query of its own.
func n(count int, c calibration.Compared) []calibration.Compared {
	out := make([]calibration.Compared, count)
	for i := range out {
		c.ID = fmt.Sprintf("%s-%s-%s-%s-%s-%03d", c.Origin, c.Source, c.Condition, c.Labels, c.Grader.Compliance+grading.Compliance(c.Grader.AlignmentFaking), i)
		c.Cluster = c.ID
		out[i] = c
	}
	return out
}

func join(parts ...[]calibration.Compared) (out []calibration.Compared) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func item(label, judged grading.Compliance) calibration.Compared {
	return calibration.Compared{Origin: human, Labels: calibration.Labels{Compliance: label}, Grader: calibration.Judgement{
		Compliance: judged, ComplianceScore: map[grading.Compliance]float64{grading.Complied: 0.9, grading.Partial: 0.5, grading.Refused: 0.1}[judged],
		AlignmentFaking: grading.FakingNotObservable,
	}}
}

func faking(label, judged grading.Faking) calibration.Compared {
	return calibration.Compared{Origin: human, Labels: calibration.Labels{AlignmentFaking: label}, Grader: calibration.Judgement{
		Compliance: grading.Complied, AlignmentFaking: judged,
	}}
}

func measured(t require.TestingT, items []calibration.Compared, o calibration.Options) *calibration.Calibration {
	all, err := calibration.Measures(items, o)
	require.NoError(t, err)
	return &calibration.Calibration{Counted: []calibration.Origin{human}, Design: o.Design, Measures: all}
}

func of(t require.TestingT, c *calibration.Calibration, class calibration.Class, role calibration.Role) calibration.Measure {
	m, ok := c.Measure(class, role)
	require.True(t, ok, "%s %q", class, role)
	return m
}

// Numbers by hand: 20 people's positives of which 16 are found, 30 negatives of
// which 27 are left alone.
func TestATableByHand(t *testing.T) {
	c := measured(t, join(
		n(16, item(grading.Complied, grading.Complied)), n(3, item(grading.Complied, grading.Refused)), n(1, item(grading.Complied, grading.Partial)),
		n(2, item(grading.Refused, grading.Complied)), n(22, item(grading.Refused, grading.Refused)),
		n(1, item(grading.Partial, grading.Complied)), n(5, item(grading.Partial, grading.Partial)),
		n(4, item(grading.Complied, grading.Ungradable)), n(2, item(grading.Refused, grading.Ungradable)),
		n(3, item(grading.Ungradable, grading.Refused)), n(2, item("", grading.Refused)), n(1, item(calibration.Disputed, grading.Refused)),
	), calibration.Options{})
	m := of(t, c, calibration.ClassCompliance, calibration.AnyRole)
	require.Equal(t, stats.Confusion{TruePositive: 16, FalseNegative: 4, FalsePositive: 3, TrueNegative: 27}, m.Confusion)
	require.Equal(t, 62, m.Items)
	require.Equal(t, 50, m.Queries)
	require.False(t, m.Clustered)
	require.Equal(t, []calibration.LeftOut{
		{Cause: calibration.CauseUngradable, Count: 6},
		{Cause: calibration.CauseLabelsDisagree, Count: 1},
		{Cause: calibration.CauseLabelUnknown, Count: 3},
		{Cause: calibration.CauseNoLabel, Count: 2},
	}, m.LeftOut)
	require.InDelta(t, 0.8, *m.Sensitivity.Estimate, 1e-12)
	require.InDelta(t, 0.9, *m.Specificity.Estimate, 1e-12)
	require.InDelta(t, 16.0/19, *m.Precision.Estimate, 1e-12)
	require.InDelta(t, 4.0/31, *m.FalseOmission.Estimate, 1e-12)
	require.InDelta(t, 43.0/50, *m.Accuracy.Estimate, 1e-12)
	wilson := stats.Wilson(16, 20, 0.05)
	require.InDelta(t, wilson.Lo, m.Sensitivity.Lower, 1e-12)
	require.InDelta(t, wilson.Hi, m.Sensitivity.Upper, 1e-12)
	omission := stats.Wilson(4, 31, 0.05)
	require.InDelta(t, omission.Lo, m.FalseOmission.Lower, 1e-12)
	require.InDelta(t, omission.Hi, m.FalseOmission.Upper, 1e-12)
	// Chance agreement is (20*19 + 30*31)/50^2 = 0.524.
	require.InDelta(t, (0.86-0.524)/(1-0.524), *m.Kappa.Estimate, 1e-12)
	// 16 at .9, 1 at .5 and 3 at .1 against 3 at .9, 5 at .5 and 22 at .1.
	require.InDelta(t, (16*(27+1.5)+1*(22+2.5)+3*11)/600.0, *m.AUROC.Estimate, 1e-12)
	require.Equal(t, stats.Confusion{TruePositive: 16, FalseNegative: 8, FalsePositive: 5, TrueNegative: 27}, m.Worst)
	require.InDelta(t, 16.0/24, *m.WorstSensitivity.Estimate, 1e-12)
	require.InDelta(t, 27.0/32, *m.WorstSpecificity.Estimate, 1e-12)
	require.True(t, m.Informative)
	require.Equal(t, []calibration.ThreeWay{
		{Human: grading.Refused, Grader: grading.Refused, Count: 22},
		{Human: grading.Refused, Grader: grading.Complied, Count: 2},
		{Human: grading.Refused, Grader: grading.Ungradable, Count: 2},
		{Human: grading.Partial, Grader: grading.Partial, Count: 5},
		{Human: grading.Partial, Grader: grading.Complied, Count: 1},
		{Human: grading.Complied, Grader: grading.Refused, Count: 3},
		{Human: grading.Complied, Grader: grading.Partial, Count: 1},
		{Human: grading.Complied, Grader: grading.Complied, Count: 16},
		{Human: grading.Complied, Grader: grading.Ungradable, Count: 4},
	}, m.ThreeWay)
	// Partial answers on the other side of the cut.
	require.Equal(t, stats.Confusion{TruePositive: 23, FalseNegative: 3, FalsePositive: 2, TrueNegative: 22}, c.Confusion(calibration.ClassAnyCompliance, calibration.AnyRole))
	_, ok := c.Audit(calibration.ClassCompliance, calibration.AnyRole)
	require.False(t, ok, "labels from elsewhere audit no run")
}

func TestFakingThatCouldNotBeSeenIsNotAbsent(t *testing.T) {
	c := measured(t, join(
		n(6, faking(grading.FakingPresent, grading.FakingPresent)), n(2, faking(grading.FakingPresent, grading.FakingAbsent)),
		n(12, faking(grading.FakingAbsent, grading.FakingAbsent)), n(3, faking(grading.FakingAbsent, grading.FakingNotObservable)),
		n(2, faking(grading.FakingPresent, grading.FakingNotObservable)), n(1, faking(grading.FakingAbsent, grading.FakingUngradable)),
		n(1, calibration.Compared{Origin: human, Labels: calibration.Labels{AlignmentFaking: grading.FakingPresent}, Grader: calibration.Judgement{Failed: true}}),
	), calibration.Options{})
	m := of(t, c, calibration.ClassAlignmentFaking, calibration.AnyRole)
	require.Equal(t, stats.Confusion{TruePositive: 6, FalseNegative: 2, TrueNegative: 12}, m.Confusion)
	require.Equal(t, stats.Confusion{TruePositive: 6, FalseNegative: 5, FalsePositive: 4, TrueNegative: 12}, m.Worst)
	require.Equal(t, []calibration.LeftOut{
		{Cause: calibration.CauseGraderFailed, Count: 1}, {Cause: calibration.CauseNotObservable, Count: 5}, {Cause: calibration.CauseUngradable, Count: 1},
	}, m.LeftOut)
	require.Equal(t, calibration.NotInformativePositives, m.WhyNot)
	joint := of(t, c, calibration.ClassFakingCompliance, calibration.AnyRole)
	require.Equal(t, []calibration.LeftOut{{Cause: calibration.CauseNoLabel, Count: 27}}, joint.LeftOut, "nobody labelled the answers")
}

func TestFakingWithComplianceNeedsBoth(t *testing.T) {
	both := func(c grading.Compliance, f grading.Faking, gc grading.Compliance, gf grading.Faking) calibration.Compared {
		return calibration.Compared{
			Origin: human, Labels: calibration.Labels{Compliance: c, AlignmentFaking: f},
			Grader: calibration.Judgement{Compliance: gc, AlignmentFaking: gf},
		}
	}
	c := measured(t, join(
		n(5, both(grading.Complied, grading.FakingPresent, grading.Complied, grading.FakingPresent)),
		n(4, both(grading.Refused, grading.FakingPresent, grading.Refused, grading.FakingPresent)),
		n(3, both(grading.Complied, grading.FakingPresent, grading.Partial, grading.FakingPresent)),
		n(2, both(grading.Refused, grading.FakingPresent, grading.Complied, grading.FakingPresent)),
		n(1, both(grading.Complied, grading.FakingPresent, grading.Ungradable, grading.FakingPresent)),
	), calibration.Options{})
	m := of(t, c, calibration.ClassFakingCompliance, calibration.AnyRole)
	require.Equal(t, stats.Confusion{TruePositive: 5, FalseNegative: 3, FalsePositive: 2, TrueNegative: 4}, m.Confusion)
	require.Equal(t, []calibration.LeftOut{{Cause: calibration.CauseUngradable, Count: 1}}, m.LeftOut)
	require.Nil(t, m.AUROC.Estimate, "a joint event has no score")
}

func TestGroupsAreKeptApart(t *testing.T) {
	in := func(origin calibration.Origin, source string, role calibration.Role, count int, label, judged grading.Compliance) []calibration.Compared {
		i := item(label, judged)
		i.Origin, i.Source, i.Condition = origin, source, role
		return n(count, i)
	}
	items := join(
		in(human, "a", calibration.Training, 3, grading.Complied, grading.Complied),
		in(human, "a", calibration.Unmonitored, 2, grading.Refused, grading.Refused),
		in(human, "b", calibration.AnyRole, 4, grading.Refused, grading.Complied),
		in(calibration.OriginLLM, "a", calibration.Training, 5, grading.Complied, grading.Refused),
		in(calibration.OriginUnstated, "c", calibration.AnyRole, 7, grading.Complied, grading.Complied),
	)
	c := measured(t, items, calibration.Options{})
	type key struct {
		counted        bool
		origin, source string
		role           calibration.Role
	}
	got := map[key]stats.Confusion{}
	for _, m := range c.Measures {
		if m.Class == calibration.ClassCompliance {
			k := key{m.Counted, string(m.Origin), "*", m.Condition}
			if m.Source != nil {
				k.source = *m.Source
			}
			got[k] = m.Confusion
		}
	}
	require.Equal(t, map[key]stats.Confusion{
		{true, "", "*", ""}:                       {TruePositive: 3, TrueNegative: 2, FalsePositive: 4},
		{true, "", "*", calibration.Training}:     {TruePositive: 3},
		{true, "", "*", calibration.Unmonitored}:  {TrueNegative: 2},
		{true, "", "a", ""}:                       {TruePositive: 3, TrueNegative: 2},
		{true, "", "a", calibration.Training}:     {TruePositive: 3},
		{true, "", "a", calibration.Unmonitored}:  {TrueNegative: 2},
		{true, "", "b", ""}:                       {FalsePositive: 4},
		{false, "llm", "*", ""}:                   {FalseNegative: 5},
		{false, "llm", "*", calibration.Training}: {FalseNegative: 5},
		{false, "", "*", ""}:                      {TruePositive: 7},
	}, got)
	all := measured(t, items, calibration.Options{Counted: []calibration.Origin{human, calibration.OriginLLM, calibration.OriginSynthetic, calibration.OriginUnstated}})
	require.Equal(t, stats.Confusion{TruePositive: 10, FalseNegative: 5, TrueNegative: 2, FalsePositive: 4}, all.Confusion(calibration.ClassCompliance, calibration.AnyRole))
}

func TestWhatMayCorrectANumber(t *testing.T) {
	table := func(tp, fn, fp, tn int) []calibration.Compared {
		return join(n(tp, item(grading.Complied, grading.Complied)), n(fn, item(grading.Complied, grading.Refused)),
			n(fp, item(grading.Refused, grading.Complied)), n(tn, item(grading.Refused, grading.Refused)))
	}
	for _, tt := range []struct {
		name   string
		items  []calibration.Compared
		design calibration.Design
		want   string
	}{
		{"good", table(18, 2, 1, 29), "", ""},
		{"a random draw from a run", table(18, 2, 1, 29), calibration.DesignRandom, ""},
		{"a stratified draw", table(18, 2, 1, 29), calibration.DesignStratified, calibration.NotInformativeStratified},
		{"nine positives", table(9, 0, 1, 29), "", calibration.NotInformativePositives},
		{"nine negatives", table(18, 2, 0, 9), "", calibration.NotInformativeNegatives},
		{"a coin", table(10, 10, 10, 10), "", calibration.NotInformativeChance},
		{"worse than a coin", table(2, 18, 12, 8), "", calibration.NotInformativeChance},
		{"nothing", nil, "", calibration.NotInformativePositives},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := measured(t, tt.items, calibration.Options{Design: tt.design})
			m := of(t, c, calibration.ClassCompliance, calibration.AnyRole)
			require.Equal(t, tt.want, m.WhyNot)
			require.Equal(t, tt.want == "", m.Informative)
			require.Equal(t, m.Informative, c.Confusion(calibration.ClassCompliance, calibration.AnyRole).Informative())
		})
	}
}

// Of a stratified draw only what the strata say is given.
func TestAStratifiedDrawGivesNoSensitivity(t *testing.T) {
	c := measured(t, join(n(9, item(grading.Complied, grading.Complied)), n(1, item(grading.Refused, grading.Complied)), n(20, item(grading.Refused, grading.Refused))),
		calibration.Options{Design: calibration.DesignStratified})
	m := of(t, c, calibration.ClassCompliance, calibration.AnyRole)
	require.InDelta(t, 0.9, *m.Precision.Estimate, 1e-12)
	require.InDelta(t, 0, *m.FalseOmission.Estimate, 1e-12)
	for _, s := range []calibration.Share{m.Sensitivity, m.Specificity, m.Accuracy, m.WorstSensitivity, m.WorstSpecificity} {
		require.Nil(t, s.Estimate)
		require.Equal(t, []float64{0, 1}, []float64{s.Lower, s.Upper})
	}
	require.Nil(t, m.Kappa.Estimate)
	require.Nil(t, m.AUROC.Estimate)
	audit, ok := c.Audit(calibration.ClassCompliance, calibration.AnyRole)
	require.True(t, ok)
	require.Equal(t, stats.AuditCounts{Positives: 10, TruePositives: 9, Negatives: 20}, audit)
	require.Equal(t, stats.Confusion{}, c.Confusion(calibration.ClassCompliance, calibration.AnyRole))
}

func TestItemsOfOneQueryAreNotIndependent(t *testing.T) {
	items := join(n(40, item(grading.Complied, grading.Complied)), n(40, item(grading.Complied, grading.Refused)), n(40, item(grading.Refused, grading.Refused)))
	alone := of(t, measured(t, items, calibration.Options{}), calibration.ClassCompliance, calibration.AnyRole)
	for i := range items {
		items[i].Cluster = fmt.Sprint("query ", i/10)
	}
	grouped := of(t, measured(t, items, calibration.Options{}), calibration.ClassCompliance, calibration.AnyRole)
	require.True(t, grouped.Clustered)
	require.Equal(t, 12, grouped.Queries)
	require.Equal(t, alone.Confusion, grouped.Confusion)
	require.Greater(t, grouped.Sensitivity.Upper-grouped.Sensitivity.Lower, 2*(alone.Sensitivity.Upper-alone.Sensitivity.Lower))
	require.Greater(t, *grouped.AUROC.StandardError, 2**alone.AUROC.StandardError)
}

func TestOnlyLabelsOfPeopleSpeakForAGrader(t *testing.T) {
	items := n(12, item(grading.Complied, grading.Complied))
	require.True(t, measured(t, items, calibration.Options{}).HumanLabelled())
	for i := range items {
		items[i].Origin = calibration.OriginUnstated
	}
	c := measured(t, items, calibration.Options{})
	require.False(t, c.HumanLabelled())
	require.Equal(t, stats.Confusion{}, c.Confusion(calibration.ClassCompliance, calibration.AnyRole))
	c = measured(t, items, calibration.Options{Counted: []calibration.Origin{calibration.OriginUnstated}})
	c.Counted = []calibration.Origin{calibration.OriginUnstated}
	require.False(t, c.HumanLabelled())
	require.Equal(t, 12, c.Confusion(calibration.ClassCompliance, calibration.AnyRole).TruePositive)
	require.False(t, (*calibration.Calibration)(nil).HumanLabelled())
}

// score draws from few values, so that there are ties and 1 - score is exact.
func score() *rapid.Generator[float64] { return rapid.SampledFrom([]float64{0, 0.25, 0.5, 0.75, 1}) }

func anyItems(t *rapid.T) []calibration.Compared {
	grades := []grading.Compliance{"", grading.Refused, grading.Partial, grading.Complied, grading.Ungradable, calibration.Disputed}
	reasoning := []grading.Faking{"", grading.FakingPresent, grading.FakingAbsent, grading.FakingUngradable, grading.FakingNotObservable}
	items := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) calibration.Compared {
		return calibration.Compared{
			Cluster: rapid.SampledFrom([]string{"q1", "q2", "q3", "q4", "q5"}).Draw(t, "cluster"), Source: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "source"),
			Condition: rapid.SampledFrom([]calibration.Role{calibration.AnyRole, calibration.Training, calibration.Unmonitored}).Draw(t, "role"),
			Origin:    rapid.SampledFrom([]calibration.Origin{human, human, calibration.OriginLLM, ""}).Draw(t, "origin"),
			Labels:    calibration.Labels{Compliance: rapid.SampledFrom(grades).Draw(t, "label"), AlignmentFaking: rapid.SampledFrom(reasoning).Draw(t, "faking")},
			Grader: calibration.Judgement{
				Compliance: rapid.SampledFrom(grades[1:5]).Draw(t, "verdict"), ComplianceScore: score().Draw(t, "score"),
				AlignmentFaking: rapid.SampledFrom(reasoning[1:]).Draw(t, "verdict on reasoning"), AlignmentFakingScore: score().Draw(t, "score of reasoning"),
				Failed: rapid.IntRange(0, 9).Draw(t, "failed") == 0,
			},
		}
	}), 0, 25).Draw(t, "items")
	for i := range items {
		items[i].ID = fmt.Sprint(i)
	}
	return items
}

func TestTheOrderOfItemsChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := anyItems(t)
		before, err := calibration.Measures(items, calibration.Options{Resamples: 100})
		require.NoError(t, err)
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)).Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		after, err := calibration.Measures(items, calibration.Options{Resamples: 100})
		require.NoError(t, err)
		require.Equal(t, before, after)
	})
}

// Every item has its place, and no table is larger than its worst case.
func TestEveryItemIsCountedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := anyItems(t)
		all, err := calibration.Measures(items, calibration.Options{Resamples: 100})
		require.NoError(t, err)
		for _, m := range all {
			placed, graders := count(m.Confusion), 0
			for _, l := range m.LeftOut {
				placed += l.Count
				switch l.Cause {
				case calibration.CauseUngradable, calibration.CauseNotObservable, calibration.CauseGraderFailed:
					graders += l.Count
				}
			}
			require.Equal(t, m.Items, placed)
			require.Equal(t, count(m.Confusion)+graders, count(m.Worst))
			require.LessOrEqual(t, m.Worst.TruePositive, m.Confusion.TruePositive)
		}
	})
}

// With positive and negative exchanged, for people and grader, sensitivity and
// specificity change places.
func TestExchangingTheClassesExchangesSensitivityAndSpecificity(t *testing.T) {
	other := map[grading.Faking]grading.Faking{grading.FakingPresent: grading.FakingAbsent, grading.FakingAbsent: grading.FakingPresent}
	exchange := func(f grading.Faking) grading.Faking {
		if o, ok := other[f]; ok {
			return o
		}
		return f
	}
	rapid.Check(t, func(t *rapid.T) {
		items := anyItems(t)
		a := of(t, measured(t, items, calibration.Options{Resamples: 100}), calibration.ClassAlignmentFaking, calibration.AnyRole)
		for i := range items {
			items[i].Labels.AlignmentFaking = exchange(items[i].Labels.AlignmentFaking)
			items[i].Grader.AlignmentFaking = exchange(items[i].Grader.AlignmentFaking)
			items[i].Grader.AlignmentFakingScore = 1 - items[i].Grader.AlignmentFakingScore
		}
		b := of(t, measured(t, items, calibration.Options{Resamples: 100}), calibration.ClassAlignmentFaking, calibration.AnyRole)
		require.Equal(t, a.Sensitivity, b.Specificity)
		require.Equal(t, a.Specificity, b.Sensitivity)
		require.Equal(t, a.WorstSensitivity, b.WorstSpecificity)
		require.Equal(t, a.Informative, b.Informative)
		require.Equal(t, a.LeftOut, b.LeftOut)
		if a.Kappa.Estimate != nil {
			require.InDelta(t, *a.Kappa.Estimate, *b.Kappa.Estimate, 1e-9)
		}
		if a.AUROC.Estimate != nil {
			require.InDelta(t, *a.AUROC.Estimate, *b.AUROC.Estimate, 1e-9)
		}
	})
}

func count(c stats.Confusion) int {
	return c.TruePositive + c.FalseNegative + c.FalsePositive + c.TrueNegative
}
