package stats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// repeats builds a query of k samples of which complied scored 1.
func repeats(complied, k int) Cluster {
	return Cluster{Sum: float64(complied), SumSquares: float64(complied), Valid: k, Planned: k}
}

func times(n int, c Cluster) []Cluster {
	out := make([]Cluster, n)
	for i := range out {
		out[i] = c
	}
	return out
}

func TestRateCountsQueriesUntilRepeatsAreSeenToVary(t *testing.T) {
	const alpha = 0.05
	for _, tt := range []struct {
		name     string
		clusters []Cluster
		nEff     float64
	}{
		{"all refused: ten repeats are worth one query", times(100, repeats(0, 10)), 100},
		{"all complied: the same", times(100, repeats(10, 10)), 100},
		{"queries always answer alike", append(times(30, repeats(10, 10)), times(70, repeats(0, 10))...), 100},
		{"one sample per query", append(times(30, repeats(1, 1)), times(70, repeats(0, 1))...), 100},
		{"repeats vary within every query: nearly every sample counts", times(100, repeats(5, 10)), 100 / ((100*0.1 + 2) / 102)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			est := mustRate(t, tt.clusters, alpha)
			require.InDelta(t, tt.nEff, *est.EffectiveN, 1e-9)
		})
	}
}

func TestRateOfSilenceIsBoundedByTheNumberOfQueries(t *testing.T) {
	for _, n := range []int{2, 20, 59, 500} {
		est := mustRate(t, times(n, repeats(0, 5)), 0.05)
		require.Zero(t, *est.Estimate)
		require.Zero(t, *est.SE)
		require.Nil(t, est.ICC, "a constant has no correlation")
		require.Zero(t, est.Lower)
		require.InDelta(t, 1-math.Pow(0.025, 1/float64(n)), est.Exact.Hi, 1e-9)
		require.GreaterOrEqual(t, est.Upper, 1-math.Pow(0.05, 1/float64(n))-1e-12)
	}
}

func TestRateAtOneIsTheMirrorOfZero(t *testing.T) {
	zero, one := mustRate(t, times(40, repeats(0, 3)), 0.05), mustRate(t, times(40, repeats(3, 3)), 0.05)
	require.InDelta(t, 1-zero.Upper, one.Lower, 1e-12)
	require.Equal(t, 1.0, one.Upper)
	require.InDelta(t, 1-zero.CI.Hi, one.CI.Lo, 1e-12)
}

func TestRateWithoutEnoughQueriesIsTheWholeRange(t *testing.T) {
	for _, tt := range []struct {
		name     string
		clusters []Cluster
		estimate *float64
	}{
		{"no query", nil, nil},
		{"nothing but missing samples", times(5, Cluster{Planned: 3}), nil},
		{"a single query", []Cluster{repeats(3, 4)}, some(0.75)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			est := mustRate(t, tt.clusters, 0.05)
			require.Equal(t, tt.estimate, est.Estimate)
			require.Equal(t, Interval{0, 1}, est.CI)
			require.Equal(t, MethodWholeRange, est.Method)
			require.Equal(t, 1.0, est.Upper)
			require.Nil(t, est.SE)
			require.Nil(t, est.EffectiveN)
			require.Equal(t, 1.0, est.PPass(0.5))
			require.Equal(t, 1.0, est.PBlock(0.5))
		})
	}
}

func TestRateWeighsQueriesNotSamples(t *testing.T) {
	est := mustRate(t, []Cluster{repeats(0, 1), repeats(9, 9)}, 0.05)
	require.InDelta(t, 0.5, *est.Estimate, 1e-12)
	require.InDelta(t, 0.9, *est.Pooled, 1e-12)
	require.Nil(t, est.SEFixedSuite, "one query has a single sample")
}

func TestRateStandardErrorsByHand(t *testing.T) {
	// Means 0, 1/2, 1; within variances 0, 1/2, 0 of two samples each.
	est := mustRate(t, []Cluster{repeats(0, 2), repeats(1, 2), repeats(2, 2)}, 0.05)
	require.InDelta(t, math.Sqrt(0.25/3), *est.SE, 1e-12)
	require.InDelta(t, math.Sqrt(0.25)/3, *est.SEFixedSuite, 1e-12)
	// MSB = 2*(1/4+1/4)/2 = 1/2, MSW = (1/2)/3 = 1/6, size 2.
	require.InDelta(t, (0.5-1.0/6)/(0.5+1.0/6), *est.ICC, 1e-12)
	require.Equal(t, 2, *est.Informative)
}

func TestRateCountsMissingSamplesAgainstTheRelease(t *testing.T) {
	clusters := times(80, repeats(0, 3))
	clusters[0].Planned, clusters[1].Planned = 9, 9
	est := mustRate(t, clusters, 0.05)
	require.Equal(t, 12, est.Missing)
	require.Zero(t, *est.Estimate)
	require.Greater(t, est.UpperWorstCase, est.Upper)
	clusters = append(clusters, Cluster{Planned: 3})
	again := mustRate(t, clusters, 0.05)
	require.Equal(t, 80, again.Clusters)
	require.Greater(t, again.UpperWorstCase, est.UpperWorstCase)
}

func TestBadClustersAreNamed(t *testing.T) {
	for _, tt := range []struct {
		name     string
		clusters []Cluster
		alpha    float64
		field    string
	}{
		{"alpha of zero", nil, 0, "alpha"},
		{"alpha above a half", nil, 0.6, "alpha"},
		{"alpha not a number", nil, math.NaN(), "alpha"},
		{"more valid than planned", []Cluster{{Valid: 2, Planned: 1}}, 0.05, "cluster 0"},
		{"negative count", []Cluster{{Valid: -1, Planned: 1}}, 0.05, "cluster 0"},
		{"sum above the number", []Cluster{{}, {ID: "q7", Sum: 2, SumSquares: 2, Valid: 1, Planned: 1}}, 0.05, `cluster "q7"`},
		{"sum not a number", []Cluster{{Sum: math.NaN(), Valid: 1, Planned: 1}}, 0.05, "cluster 0"},
		{"squares above the sum", []Cluster{{Sum: 1, SumSquares: 2, Valid: 3, Planned: 3}}, 0.05, "cluster 0"},
		{"squares too small", []Cluster{{Sum: 3, SumSquares: 1, Valid: 3, Planned: 3}}, 0.05, "cluster 0"},
		{"listed twice", []Cluster{{ID: "a"}, {ID: "a"}}, 0.05, `cluster "a"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := EstimateRate(tt.clusters, tt.alpha)
			var input *InputError
			require.ErrorAs(t, err, &input)
			require.Equal(t, tt.field, input.Field)
		})
	}
}

func TestObserveRefusesWhatIsNoScore(t *testing.T) {
	var c Cluster
	for _, score := range []float64{1, 0.5, math.NaN(), -0.1, 1.1, math.Inf(1)} {
		c.Observe(score)
	}
	c.Miss()
	require.Equal(t, Cluster{Sum: 1.5, SumSquares: 1.25, Valid: 2, Planned: 7}, c)
	require.InDelta(t, 0.75, *c.Mean(), 1e-12)
	require.Nil(t, Cluster{Planned: 3}.Mean())
}

func TestRatioOfTwoRates(t *testing.T) {
	_, err := EstimateRatio([]RatioCluster{{Numerator: 2, Denominator: 1, Valid: 3}}, 0.05)
	require.Error(t, err)

	never, err := EstimateRatio([]RatioCluster{{Valid: 3}, {Valid: 3}}, 0.05)
	require.NoError(t, err)
	require.Nil(t, never.Ratio)
	require.Equal(t, Interval{0, 1}, never.CI)

	once, err := EstimateRatio([]RatioCluster{{Numerator: 1, Denominator: 1, Valid: 3}, {Valid: 3}}, 0.05)
	require.NoError(t, err)
	require.Equal(t, 1.0, *once.Ratio)
	require.Equal(t, Interval{0, 1}, once.CI, "one query that complied says nothing about others")

	always, err := EstimateRatio([]RatioCluster{{2, 2, 4}, {1, 1, 4}, {4, 4, 4}, {0, 0, 4}}, 0.05)
	require.NoError(t, err)
	require.Equal(t, 3.0, *always.EffectiveN, "without variation the queries that complied are counted")
	require.InDelta(t, math.Pow(0.025, 1.0/3), always.CI.Lo, 1e-9)
}

func TestWilsonKeepsExactEnds(t *testing.T) {
	require.Equal(t, 0.0, Wilson(0, 20, 0.05).Lo)
	require.Equal(t, 1.0, Wilson(20, 20, 0.05).Hi)
	require.Equal(t, Interval{0, 1}, Wilson(0, 0, 0.05))
	require.Equal(t, Interval{0, 1}, Wilson(5, 3, 0.05))
	z := normalQuantile(0.975)
	for _, limit := range []float64{Wilson(7, 30, 0.05).Lo, Wilson(7, 30, 0.05).Hi} {
		// The score test is exactly on its level at the limit.
		require.InDelta(t, z, math.Abs(7.0/30-limit)/math.Sqrt(limit*(1-limit)/30), 1e-9)
	}
}
