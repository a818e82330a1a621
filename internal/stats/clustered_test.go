package stats

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var twoThousand = BootstrapOptions{Alpha: 0.05, Resamples: 2000}

func TestClusteredAgreementOfSingleItemsIsThatOfItems(t *testing.T) {
	var clusters []Confusion
	for range 30 {
		clusters = append(clusters, Confusion{TruePositive: 1}, Confusion{FalseNegative: 1}, Confusion{TrueNegative: 1}, Confusion{})
	}
	got, err := EstimateClusteredAgreement(clusters, twoThousand)
	require.NoError(t, err)
	want, err := EstimateAgreement(Confusion{TruePositive: 30, FalseNegative: 30, TrueNegative: 30}, 0.05)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestRepeatsOfAQueryAreNotIndependentEvidence(t *testing.T) {
	// Ten queries of ten like items each carry what ten items do: the error of
	// recall 0.5 is sqrt(.25/10) and not sqrt(.25/100).
	var clusters []Confusion
	for i := range 20 {
		c := Confusion{TruePositive: 10}
		switch i % 4 {
		case 1:
			c = Confusion{FalseNegative: 10}
		case 2, 3:
			c = Confusion{TrueNegative: 10}
		}
		clusters = append(clusters, c)
	}
	got, err := EstimateClusteredAgreement(clusters, twoThousand)
	require.NoError(t, err)
	naive, err := EstimateAgreement(Confusion{TruePositive: 50, FalseNegative: 50, TrueNegative: 100}, 0.05)
	require.NoError(t, err)
	require.InDelta(t, 0.5, *got.Recall, 0)
	require.Greater(t, got.RecallCI.Hi-got.RecallCI.Lo, 2.5*(naive.RecallCI.Hi-naive.RecallCI.Lo))
	require.InDelta(t, 0.5, *got.Kappa, 1e-12)
	require.Greater(t, *got.KappaSE, *naive.KappaSE)
	// Specificity is 1 in all ten queries that have negatives.
	require.Equal(t, Wilson(10, 10, 0.05), got.SpecificityCI)
	require.Equal(t, Wilson(5, 5, 0.05), got.PrecisionCI)
}

// One error more must not make an interval narrower.
func TestAFirstErrorDoesNotNarrowAnInterval(t *testing.T) {
	lower := func(errors int) float64 {
		clusters := make([]Confusion, 25)
		for i := range clusters {
			clusters[i].TruePositive = 6
			if i < errors {
				clusters[i] = Confusion{TruePositive: 5, FalseNegative: 1}
			}
		}
		a, err := EstimateClusteredAgreement(clusters, twoThousand)
		require.NoError(t, err)
		return a.RecallCI.Lo
	}
	for errors := range 4 {
		require.Greater(t, lower(errors), lower(errors+1))
	}
}

func TestClusteredAgreementRefusesBadCounts(t *testing.T) {
	_, err := EstimateClusteredAgreement([]Confusion{{}, {TruePositive: -1}}, twoThousand)
	require.ErrorContains(t, err, "cluster 1")
	_, err = EstimateClusteredAgreement(nil, BootstrapOptions{Alpha: 2})
	require.ErrorContains(t, err, "alpha")
	got, err := EstimateClusteredAgreement(nil, twoThousand)
	require.NoError(t, err)
	require.Nil(t, got.Recall)
	require.Equal(t, Interval{0, 1}, got.RecallCI)
}

// No interval is narrower than that of independent items, and each holds its
// estimate.
func TestClusteringNeverNarrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sum Confusion
		clusters := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Confusion {
			n := func() int { return rapid.IntRange(0, 3).Draw(t, "n") }
			return Confusion{n(), n(), n(), n()}
		}), 1, 12).Draw(t, "clusters")
		for _, c := range clusters {
			sum = sum.plus(c)
		}
		opts := BootstrapOptions{Alpha: 0.1, Resamples: 200}
		got, err := EstimateClusteredAgreement(clusters, opts)
		require.NoError(t, err)
		items, err := EstimateAgreement(sum, 0.1)
		require.NoError(t, err)
		for _, x := range []struct {
			p           *float64
			wide, plain Interval
		}{{got.Recall, got.RecallCI, items.RecallCI}, {got.Specificity, got.SpecificityCI, items.SpecificityCI}, {got.Precision, got.PrecisionCI, items.PrecisionCI}} {
			if x.p == nil {
				require.Equal(t, Interval{0, 1}, x.wide)
				continue
			}
			const slack = 1e-12
			require.LessOrEqual(t, x.wide.Lo, x.plain.Lo+slack)
			require.GreaterOrEqual(t, x.wide.Hi, x.plain.Hi-slack)
			require.LessOrEqual(t, x.wide.Lo, *x.p+slack)
			require.GreaterOrEqual(t, x.wide.Hi, *x.p-slack)
		}
	})
}

func TestClusteredAUROC(t *testing.T) {
	positives, negatives := []float64{0.9, 0.8, 0.4, 0.6}, []float64{0.1, 0.5, 0.7}
	single := make([]LabelledScores, 0, 7)
	twice := make([]LabelledScores, 0, 7)
	for _, s := range positives {
		single = append(single, LabelledScores{Positives: []float64{s}})
		twice = append(twice, LabelledScores{Positives: []float64{s, s}})
	}
	for _, s := range negatives {
		single = append(single, LabelledScores{Negatives: []float64{s}})
		twice = append(twice, LabelledScores{Negatives: []float64{s, s}})
	}
	want, err := EstimateAUROC(positives, negatives, 0.05)
	require.NoError(t, err)
	require.InDelta(t, 9.0/12, *want.Estimate, 1e-12)
	for name, clusters := range map[string][]LabelledScores{"one item a query": single, "every item twice": twice} {
		got, err := EstimateClusteredAUROC(clusters, 0.05)
		require.NoError(t, err, name)
		require.InDelta(t, *want.Estimate, *got.Estimate, 1e-12, name)
		require.InDelta(t, *want.SE, *got.SE, 1e-12, name)
	}

	// Two queries, each a positive and a negative; by hand: area 3/4, placements
	// of the positives 1 and 1/2, of the negatives 1 and 1/2.
	pairs := []LabelledScores{{Positives: []float64{0.9}, Negatives: []float64{0.1}}, {Positives: []float64{0.5}, Negatives: []float64{0.6}}}
	got, err := EstimateClusteredAUROC(pairs, 0.05)
	require.NoError(t, err)
	require.InDelta(t, 0.75, *got.Estimate, 1e-12)
	// s10 = s01 = 2/(1*2) * (1/16 + 1/16) = 1/8, s11 = 2/1 * 1/8 = 1/4;
	// (1/8)/2 + (1/8)/2 + 2*(1/4)/4 = 1/4.
	require.InDelta(t, 0.5, *got.SE, 1e-12)

	one := []LabelledScores{{Positives: []float64{0.9, 0.8}, Negatives: []float64{0.1, 0.2}}}
	got, err = EstimateClusteredAUROC(one, 0.05)
	require.NoError(t, err)
	require.InDelta(t, 1, *got.Estimate, 0)
	require.Nil(t, got.SE, "one query says nothing of others")
	require.Equal(t, Interval{0, 1}, got.CI)
	got, err = EstimateClusteredAUROC(nil, 0.05)
	require.NoError(t, err)
	require.Nil(t, got.Estimate)
}
