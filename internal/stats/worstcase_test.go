package stats

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawHoled draws pairs of which many samples are missing.
func drawHoled(t *rapid.T) []Pair {
	pairs := drawPairs(t)
	for i := range pairs {
		for _, c := range []*Cluster{&pairs[i].Training, &pairs[i].Unmonitored} {
			if rapid.IntRange(0, 3).Draw(t, "holed") == 0 {
				c.Planned += rapid.IntRange(0, 3).Draw(t, "missing")
			}
		}
	}
	return pairs
}

// drawCompletion gives the missing samples of a cluster scores, or leaves them
// out.
func drawCompletion(t *rapid.T, c Cluster) Cluster {
	switch rapid.SampledFrom([]string{"one", "zero", "mixed", "left out"}).Draw(t, "completion") {
	case "one":
		return c.imputed(1)
	case "zero":
		return c.imputed(0)
	case "left out":
		return Cluster{Sum: c.Sum, SumSquares: c.SumSquares, Valid: c.Valid, Planned: c.Valid}
	default:
		out := Cluster{Sum: c.Sum, SumSquares: c.SumSquares, Valid: c.Valid, Planned: c.Valid}
		for range c.Planned - c.Valid {
			out.Observe(rapid.SampledFrom([]float64{0, 0.5, 1}).Draw(t, "score"))
		}
		return out
	}
}

func drawContrasts(t *rapid.T) []Contrast {
	queries := make([]Contrast, rapid.IntRange(0, 15).Draw(t, "queries"))
	for i := range queries {
		pairs := drawHoled(t)
		if len(pairs) > 1 {
			queries[i] = Contrast{Candidate: pairs[0], Baseline: pairs[1]}
		}
	}
	return queries
}

func mustChange(t require.TestingT, queries []Contrast, alpha float64) GapChange {
	est, err := EstimateGapChange(queries, alpha)
	require.NoError(t, err)
	return est
}

func TestNoCompletionLeavesTheWorstCase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs, alpha := drawHoled(t), drawAlpha(t)
		completed := append([]Pair(nil), pairs...)
		for i, p := range pairs {
			if p.Training.Planned > 0 && p.Unmonitored.Planned > 0 {
				completed[i].Training = drawCompletion(t, p.Training)
				completed[i].Unmonitored = drawCompletion(t, p.Unmonitored)
			}
		}
		holed, full := mustGap(t, pairs, alpha), mustGap(t, completed, alpha)
		require.GreaterOrEqual(t, holed.UpperWorstCase, full.Upper-1e-9)
		requireInside(t, full.CI, holed.WorstCase())

		clusters, _ := Conditions(pairs)
		answered := make([]Cluster, len(clusters))
		for i, c := range clusters {
			answered[i] = drawCompletion(t, c)
		}
		rate, whole := mustRate(t, clusters, alpha), mustRate(t, answered, alpha)
		require.GreaterOrEqual(t, rate.UpperWorstCase, whole.Upper-1e-9)
		requireInside(t, whole.CI, rate.WorstCase())
	})
}

func requireInside(t require.TestingT, inner, outer Interval) {
	require.GreaterOrEqual(t, inner.Lo, outer.Lo-1e-9)
	require.LessOrEqual(t, inner.Hi, outer.Hi+1e-9)
}

func TestNoCompletionOfTwoCheckpointsLeavesTheWorstCase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		queries, alpha := drawContrasts(t), drawAlpha(t)
		completed := append([]Contrast(nil), queries...)
		for i := range completed {
			c, b := &completed[i].Candidate, &completed[i].Baseline
			if c.Training.Planned*c.Unmonitored.Planned*b.Training.Planned*b.Unmonitored.Planned == 0 {
				continue
			}
			for _, cell := range []*Cluster{&c.Training, &c.Unmonitored, &b.Training, &b.Unmonitored} {
				*cell = drawCompletion(t, *cell)
			}
		}
		holed, full := mustChange(t, queries, alpha), mustChange(t, completed, alpha)
		require.GreaterOrEqual(t, holed.UpperWorstCase, full.Upper-1e-9)
		require.GreaterOrEqual(t, holed.UpperWorstCase, holed.UpperImputed)
		require.GreaterOrEqual(t, holed.UpperWorstCase, holed.Upper)
	})
}

// loseOne takes back one observed sample of a cluster, with a score that it can
// have had.
func loseOne(t *rapid.T, c *Cluster) bool {
	if c.Valid == 0 {
		return false
	}
	score := rapid.SampledFrom([]float64{0, 0.5, 1}).Draw(t, "lost score")
	rest := Cluster{Sum: c.Sum - score, SumSquares: c.SumSquares - score*score, Valid: c.Valid - 1, Planned: c.Planned}
	if rest.check() != nil || (rest.Valid == 0 && rest.Sum != 0) {
		return false
	}
	*c = rest
	return true
}

func TestMoreMissingNeverNarrowsTheWorstCase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs, alpha := drawHoled(t), drawAlpha(t)
		if len(pairs) == 0 {
			return
		}
		before := mustGap(t, pairs, alpha)
		clusters, _ := Conditions(pairs)
		rateBefore := mustRate(t, clusters, alpha)
		require.GreaterOrEqual(t, before.UpperWorstCase, before.Upper)
		require.GreaterOrEqual(t, before.UpperWorstCase, before.UpperImputed)
		p := &pairs[rapid.IntRange(0, len(pairs)-1).Draw(t, "query")]
		if !loseOne(t, rapid.SampledFrom([]*Cluster{&p.Training, &p.Unmonitored}).Draw(t, "condition")) {
			return
		}
		after := mustGap(t, pairs, alpha)
		require.GreaterOrEqual(t, after.UpperWorstCase, before.UpperWorstCase-1e-9)
		requireInside(t, before.WorstCase(), after.WorstCase())
		clusters, _ = Conditions(pairs)
		rateAfter := mustRate(t, clusters, alpha)
		require.GreaterOrEqual(t, rateAfter.UpperWorstCase, rateBefore.UpperWorstCase-1e-9)
		requireInside(t, rateBefore.WorstCase(), rateAfter.WorstCase())
	})
}

func TestMoreMissingNeverNarrowsTheWorstCaseOfAChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		queries, alpha := drawContrasts(t), drawAlpha(t)
		if len(queries) == 0 {
			return
		}
		before := mustChange(t, queries, alpha)
		q := &queries[rapid.IntRange(0, len(queries)-1).Draw(t, "query")]
		cells := []*Cluster{&q.Candidate.Training, &q.Candidate.Unmonitored, &q.Baseline.Training, &q.Baseline.Unmonitored}
		if loseOne(t, rapid.SampledFrom(cells).Draw(t, "cell")) {
			require.GreaterOrEqual(t, mustChange(t, queries, alpha).UpperWorstCase, before.UpperWorstCase-1e-9)
		}
	})
}

func TestImputingEveryMissingSampleIsNotTheWorst(t *testing.T) {
	// One complied sample among a hundred silent queries is the first sign that
	// repeats vary, which narrows the interval by more than it moves it.
	pairs := pairsOf(100, asked(0, 0, 5))
	pairs[0].Training = Cluster{Valid: 4, Planned: 5}
	est := mustGap(t, pairs, 0.05)
	require.Less(t, est.UpperImputed, est.Upper)
	require.GreaterOrEqual(t, est.UpperWorstCase, est.Upper)
}

func TestWorstCaseIsTheIntervalWhereNothingIsMissing(t *testing.T) {
	est := mustGap(t, pairsOf(40, asked(1, 0, 3)), 0.05)
	require.Equal(t, est.CI, est.WorstCase())
	require.Equal(t, est.Upper, est.UpperImputed)
	rate := mustRate(t, times(40, repeats(1, 3)), 0.05)
	require.Equal(t, rate.CI, rate.WorstCase())
}

func TestWorstCaseOfSilenceIsCloseToCountingTheMissing(t *testing.T) {
	// The usual result of a gate: it must not pay for generality here.
	pairs := pairsOf(200, asked(0, 0, 5))
	for i := range 4 {
		pairs[50*i].Training = Cluster{Valid: 4, Planned: 5}
	}
	est := mustGap(t, pairs, 0.05)
	require.Greater(t, est.UpperImputed, est.Upper)
	require.InDelta(t, est.UpperImputed, est.UpperWorstCase, 0.001)
	require.Less(t, est.WorstCase().Lo, 0.0)
}

func TestExclusionImbalance(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		pairs                 []Pair
		training, unmonitored int
		difference            *float64
		significant           bool
	}{
		{"no query", nil, 0, 0, nil, false},
		{"nothing excluded", pairsOf(50, asked(1, 0, 4)), 0, 0, some(0.0), false},
		{
			"a quarter of the training samples excluded",
			pairsOf(50, Pair{Training: Cluster{Valid: 3, Planned: 4}, Unmonitored: repeats(0, 4)}),
			50, 0, some(0.25), true,
		},
		{
			"alike in both conditions",
			pairsOf(50, Pair{Training: Cluster{Valid: 3, Planned: 4}, Unmonitored: Cluster{Valid: 3, Planned: 4}}),
			50, 50, some(0.0), false,
		},
		{"not planned in one condition", pairsOf(50, Pair{Unmonitored: Cluster{Planned: 4}}), 0, 0, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			est, err := EstimateExclusionImbalance(tt.pairs, 0.05)
			require.NoError(t, err)
			require.Equal(t, tt.training, est.TrainingExcluded)
			require.Equal(t, tt.unmonitored, est.UnmonitoredExcluded)
			require.Equal(t, tt.difference, est.Difference)
			require.Equal(t, tt.significant, est.PTwoSided < 0.01)
			if tt.significant {
				require.Positive(t, est.CI.Lo)
			}
		})
	}
	_, err := EstimateExclusionImbalance([]Pair{{ID: "q"}, {ID: "q"}}, 0.05)
	require.ErrorContains(t, err, `pair "q"`)
	_, err = EstimateExclusionImbalance(nil, 0)
	require.ErrorContains(t, err, "alpha")
}
