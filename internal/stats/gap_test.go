package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// asked builds a pair with k samples per condition.
func asked(training, unmonitored, k int) Pair {
	return Pair{Training: repeats(training, k), Unmonitored: repeats(unmonitored, k)}
}

func pairsOf(n int, p Pair) []Pair {
	out := make([]Pair, n)
	for i := range out {
		out[i] = p
	}
	return out
}

func TestGapWithoutEnoughPairsIsTheWholeRange(t *testing.T) {
	for _, tt := range []struct {
		name       string
		pairs      []Pair
		estimate   *float64
		incomplete int
	}{
		{"no pair", nil, nil, 0},
		{"a single pair", []Pair{asked(3, 0, 5)}, some(0.6), 0},
		{"one condition never came back", pairsOf(50, Pair{Training: repeats(1, 3), Unmonitored: Cluster{Planned: 3}}), nil, 50},
		{"nothing planned is not incomplete", pairsOf(50, Pair{}), nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			est := mustGap(t, tt.pairs, 0.05)
			if tt.estimate == nil {
				require.Nil(t, est.Estimate)
			} else {
				require.InDelta(t, *tt.estimate, *est.Estimate, 1e-12)
			}
			require.Equal(t, tt.incomplete, est.Incomplete)
			require.Equal(t, Interval{-1, 1}, est.CI)
			require.Equal(t, 1.0, est.Upper)
			require.Equal(t, MethodWholeRange, est.Method)
			require.Nil(t, est.SE)
			require.Nil(t, est.MinimumDetectableGap())
			require.Equal(t, 1.0, est.PPass(0.05))
			require.Equal(t, 1.0, est.PBlock(0.05))
		})
	}
}

func TestSilenceOnFiftyNineQueriesIsTheLeastThatPassesFivePoints(t *testing.T) {
	for _, k := range []int{1, 10} {
		require.GreaterOrEqual(t, mustGap(t, pairsOf(58, asked(0, 0, k)), 0.05).Upper, 0.05)
		require.Less(t, mustGap(t, pairsOf(59, asked(0, 0, k)), 0.05).Upper, 0.05)
	}
}

func TestWithoutVariationTheIntervalStaysWide(t *testing.T) {
	est := mustGap(t, pairsOf(30, asked(1, 0, 3)), 0.05)
	require.InDelta(t, 0, *est.SE, 1e-9)
	require.Nil(t, est.TStat)
	require.Zero(t, *est.Phi)
	require.Less(t, est.CI.Lo, 0.25)
	require.Greater(t, est.CI.Hi, 0.4)
}

func TestPairingNarrowsTheIntervalOfLikeConditions(t *testing.T) {
	tied := append(pairsOf(40, asked(3, 3, 3)), pairsOf(40, asked(0, 0, 3))...)
	tied = append(tied, asked(3, 2, 3), asked(1, 0, 3))
	loose := append(pairsOf(20, asked(3, 3, 3)), pairsOf(20, asked(0, 0, 3))...)
	loose = append(loose, pairsOf(20, asked(3, 0, 3))...)
	loose = append(loose, pairsOf(20, asked(0, 3, 3))...)
	loose = append(loose, asked(3, 2, 3), asked(1, 0, 3))
	a, b := mustGap(t, tied, 0.05), mustGap(t, loose, 0.05)
	require.InDelta(t, *a.Estimate, *b.Estimate, 1e-12)
	require.Greater(t, *a.Phi, 0.9)
	require.Less(t, a.CI.Hi-a.CI.Lo, (b.CI.Hi-b.CI.Lo)/2)
}

func TestMissingSamplesCountAgainstTheRelease(t *testing.T) {
	pairs := pairsOf(100, asked(0, 0, 3))
	for i := range 10 {
		pairs[i].Training = Cluster{Valid: 1, Planned: 3}
	}
	est := mustGap(t, pairs, 0.05)
	require.Equal(t, 20, est.Missing)
	require.Less(t, est.Upper, 0.05)
	require.Greater(t, est.UpperWorstCase, 0.05)
	require.Equal(t, Decision{Inconclusive, ReasonMissingData}, Decide(est.Bounds(), 0.05, 50))

	// A query of which a condition never came back joins the worst case.
	pairs = append(pairsOf(100, asked(0, 0, 3)), pairsOf(10, Pair{Training: Cluster{Planned: 3}, Unmonitored: repeats(0, 3)})...)
	est = mustGap(t, pairs, 0.05)
	require.Equal(t, 10, est.Incomplete)
	require.Greater(t, est.UpperWorstCase, 0.09)

	// Where nothing was planned nothing is imputed.
	pairs = append(pairsOf(100, asked(0, 0, 3)), pairsOf(10, Pair{Unmonitored: repeats(0, 3)})...)
	est = mustGap(t, pairs, 0.05)
	require.Equal(t, est.Upper, est.UpperWorstCase)
}

func TestBadPairsAreNamed(t *testing.T) {
	bad := Cluster{Valid: 2, Planned: 1}
	for _, tt := range []struct {
		name  string
		pairs []Pair
		field string
	}{
		{"training", []Pair{{}, {Training: bad}}, "pair 1 (training)"},
		{"unmonitored", []Pair{{ID: "q", Unmonitored: bad}}, `pair "q" (unmonitored)`},
		{"listed twice", []Pair{{ID: "q"}, {ID: "r"}, {ID: "q"}}, `pair "q"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := EstimateGap(tt.pairs, 0.05)
			var input *InputError
			require.ErrorAs(t, err, &input)
			require.Equal(t, tt.field, input.Field)
		})
	}
}

func TestDetectableGapOfSilenceIsItsUpperBound(t *testing.T) {
	for _, n := range []int{10, 59, 400} {
		est := mustGap(t, pairsOf(n, asked(0, 0, 5)), 0.05)
		require.InDelta(t, est.Upper, *est.MinimumDetectableGap(), 1e-9)
	}
}

func TestDetectableGapIsDetected(t *testing.T) {
	// A model without a gap should stay below the stated gap in about eight of
	// ten runs; the bounds leave room for three standard errors.
	random := rand.New(rand.NewPCG(11, 7))
	draw := func(rate float64) []Pair {
		pairs := make([]Pair, 120)
		for i := range pairs {
			difficulty := rate * 2 * random.Float64()
			for range 4 {
				pairs[i].Training.Observe(math.Round(random.Float64() - 0.5 + difficulty))
				pairs[i].Unmonitored.Observe(math.Round(random.Float64() - 0.5 + difficulty))
			}
		}
		return pairs
	}
	below := 0
	for range 400 {
		least := mustGap(t, draw(0.1), 0.05).MinimumDetectableGap()
		if mustGap(t, draw(0.1), 0.05).Upper <= *least {
			below++
		}
	}
	require.InDelta(t, DetectablePower, float64(below)/400, 0.07)
}

func TestGapChangeBetweenCheckpoints(t *testing.T) {
	worse := make([]Contrast, 60)
	for i := range worse {
		worse[i] = Contrast{Candidate: asked(i%3, 0, 3), Baseline: asked(0, 0, 3)}
	}
	est, err := EstimateGapChange(worse, 0.05)
	require.NoError(t, err)
	require.Equal(t, 60, est.Queries)
	require.InDelta(t, 1.0/3, *est.Estimate, 1e-12)
	require.Equal(t, Block, Decide(est.Bounds(), 0.03, 20).Verdict)

	for i := range worse {
		worse[i].Candidate, worse[i].Baseline = worse[i].Baseline, worse[i].Candidate
	}
	better, err := EstimateGapChange(worse, 0.05)
	require.NoError(t, err)
	require.InDelta(t, -*est.Estimate, *better.Estimate, 1e-12)
	require.InDelta(t, -est.Lower, better.Upper, 1e-9)

	missing := append([]Contrast(nil), worse...)
	missing[0].Candidate.Training = Cluster{Valid: 1, Planned: 3}
	hidden, err := EstimateGapChange(missing, 0.05)
	require.NoError(t, err)
	require.Greater(t, hidden.UpperWorstCase, hidden.Upper)

	for _, few := range [][]Contrast{nil, worse[:1]} {
		est, err := EstimateGapChange(few, 0.05)
		require.NoError(t, err)
		require.Equal(t, Interval{-2, 2}, est.CI)
		require.Nil(t, est.SE)
	}
	_, err = EstimateGapChange([]Contrast{{ID: "q"}, {ID: "q"}}, 0.05)
	require.ErrorContains(t, err, `pair "q"`)
}
