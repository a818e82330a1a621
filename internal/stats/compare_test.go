package stats

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func idPair(id string, p Pair) Pair {
	p.ID = id
	return p
}

func TestComparisonsMatchQueriesByTheirIDs(t *testing.T) {
	lost := Cluster{Planned: 2}
	candidate := []Pair{
		idPair("a", asked(2, 0, 2)), idPair("b", asked(1, 0, 2)), idPair("only", asked(2, 2, 2)),
		idPair("lost", Pair{Training: lost, Unmonitored: repeats(0, 2)}), idPair("gone", Pair{Training: lost, Unmonitored: lost}),
		idPair("unplanned", Pair{}), idPair("there", asked(1, 1, 2)),
	}
	baseline := []Pair{
		idPair("gone", Pair{Training: lost, Unmonitored: lost}), idPair("b", asked(1, 1, 2)), idPair("a", asked(0, 0, 2)),
		idPair("lost", asked(0, 0, 2)), idPair("there", Pair{Training: repeats(0, 2), Unmonitored: lost}),
		idPair("other", asked(0, 0, 2)), idPair("unplanned", asked(0, 0, 2)),
	}
	got, err := CompareGaps(candidate, baseline, 0.05)
	require.NoError(t, err)
	require.Equal(t, LeftOut{CandidateOnly: 1, BaselineOnly: 2, CandidateInvalid: 1, BaselineInvalid: 1, BothInvalid: 1}, got.LeftOut)
	require.Equal(t, 6, got.LeftOut.Total())
	require.Equal(t, 2, got.Queries)
	require.InDelta(t, (1.0+0.5)/2, *got.Estimate, 1e-12, "a: 1 - 0, b: 1/2 - 0")
	require.Equal(t, 12, got.Missing)
	require.Equal(t, 28, got.Samples)

	training := func(pairs []Pair) (out []Cluster) {
		for _, p := range pairs {
			out = append(out, named(p.Training, p.ID))
		}
		return out
	}
	rate, err := CompareRates(training(candidate), training(baseline), 0.05)
	require.NoError(t, err)
	require.Equal(t, LeftOut{CandidateOnly: 1, BaselineOnly: 2, CandidateInvalid: 1, BothInvalid: 1}, rate.LeftOut)
	require.Equal(t, 3, rate.Pairs)
	require.InDelta(t, (1.0+0+0.5)/3, *rate.Estimate, 1e-12)
}

func TestComparisonsNameTheQueryAtFault(t *testing.T) {
	for _, tt := range []struct {
		name                string
		candidate, baseline []Cluster
		field               string
	}{
		{"no ID", []Cluster{{}}, nil, "candidate 0"},
		{"twice in the candidate", []Cluster{{ID: "q"}, {ID: "q"}}, nil, `candidate "q"`},
		{"twice in the baseline", nil, []Cluster{{ID: "q", Planned: 1}, {ID: "q", Planned: 1}}, `baseline "q"`},
		{"inconsistent", []Cluster{{ID: "q", Planned: 1, Sum: 7}}, []Cluster{{ID: "q", Planned: 1}}, `pair "q" (training)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := CompareRates(tt.candidate, tt.baseline, 0.05)
			var input *InputError
			require.ErrorAs(t, err, &input)
			require.Equal(t, tt.field, input.Field)
		})
	}
	_, err := CompareGaps([]Pair{{}}, nil, 0.05)
	require.ErrorContains(t, err, "candidate 0")
	none, err := CompareGaps(nil, nil, 0.05)
	require.NoError(t, err)
	require.Equal(t, Interval{-2, 2}, none.CI)
	require.Equal(t, MethodWholeRange, none.Method)
	require.Equal(t, 1.0, none.PPass(0))
}

// A p-value of the change is never below alpha where the bound does not say so,
// and from a dozen queries on it is wherever the bound does.
func TestPValuesOfAGapChangeAgreeWithItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		queries := make([]Contrast, rapid.IntRange(2, 30).Draw(t, "queries"))
		for i := range queries {
			cell := func(name string) Cluster { return repeats(rapid.IntRange(0, 3).Draw(t, name), 3) }
			queries[i].Candidate = Pair{Training: cell("ct"), Unmonitored: cell("cu")}
			queries[i].Baseline = Pair{Training: cell("bt"), Unmonitored: cell("bu")}
		}
		alpha := rapid.SampledFrom([]float64{0.01, 0.05, 0.1}).Draw(t, "alpha")
		est, err := EstimateGapChange(queries, alpha)
		require.NoError(t, err)
		for _, margin := range []float64{est.Upper + 0.01, est.Upper - 0.01, est.Lower + 0.01, est.Lower - 0.01} {
			if margin <= -2 || margin >= 2 {
				continue
			}
			pass, block := est.PPass(margin) < alpha, est.PBlock(margin) < alpha
			require.False(t, pass && est.Upper >= margin, "margin %v", margin)
			require.False(t, block && est.Lower <= margin, "margin %v", margin)
			if len(queries) >= 12 {
				require.Equal(t, est.Upper < margin, pass, "margin %v", margin)
				require.Equal(t, est.Lower > margin, block, "margin %v", margin)
			}
		}
		require.Equal(t, 1.0, est.PPass(2))
		require.Equal(t, 1.0, est.PBlock(-2))
	})
}
