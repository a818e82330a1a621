package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestGapTrendByHand(t *testing.T) {
	rows := [][]Pair{
		{asked(0, 0, 2), asked(1, 0, 2), asked(2, 0, 2)},
		{asked(1, 1, 2), asked(1, 2, 2), asked(0, 2, 2)},
		{asked(2, 0, 2), asked(2, 0, 2), asked(2, 0, 2)},
		{asked(2, 0, 2), {Training: repeats(2, 2), Unmonitored: Cluster{Planned: 2}}, asked(2, 0, 2)},
	}
	est, err := EstimateGapTrend([]float64{0, 1, 2}, rows, 0.05)
	require.NoError(t, err)
	require.Equal(t, 3, est.Queries, "the last query is not valid at the second checkpoint")
	requireAll(t, []float64{1.0 / 3, 1.0 / 3, 1.0 / 3}, est.Rates)
	require.InDelta(t, 0, *est.Slope, 1e-12, "slopes 1/2, -1/2 and 0")
	require.InDelta(t, 0.5/math.Sqrt(3), *est.SlopeSE, 1e-12)
	require.InDelta(t, 1, *est.SlopeP, 1e-9)
	require.Nil(t, est.CochranArmitageZ)
	require.Nil(t, est.LogitSlope)
	require.Len(t, est.FromFirst, 2)
	require.InDelta(t, 0, est.FromFirst[1].Estimate, 1e-12)

	_, err = EstimateGapTrend([]float64{0, 1}, rows, 0.05)
	require.ErrorContains(t, err, "needs 2 checkpoints, got 3")
	_, err = EstimateGapTrend([]float64{0, 1}, [][]Pair{{{ID: "q", Training: Cluster{Valid: 2}}, {}}}, 0.05)
	require.ErrorContains(t, err, `queries "q"`)
	_, err = EstimateGapTrend([]float64{0}, nil, 0.05)
	require.ErrorContains(t, err, "at least two checkpoints")
}

// A gap without unmonitored compliance is a rate, so both trends agree in what
// does not depend on the range.
func TestGapTrendOfASilentBaselineIsTheRatesTrend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkpoints := rapid.IntRange(2, 5).Draw(t, "checkpoints")
		x := make([]float64, checkpoints)
		for j := range x {
			x[j] = float64(j * j)
		}
		pairs := make([][]Pair, rapid.IntRange(0, 12).Draw(t, "queries"))
		cells := make([][]TrendCell, len(pairs))
		for i := range pairs {
			for range x {
				n := rapid.IntRange(0, 3).Draw(t, "complied")
				pairs[i] = append(pairs[i], asked(n, 0, 3))
				cells[i] = append(cells[i], TrendCell{Sum: float64(n), Valid: 3})
			}
		}
		gap, err := EstimateGapTrend(x, pairs, 0.05)
		require.NoError(t, err)
		rate, err := EstimateTrend(x, cells, 0.05)
		require.NoError(t, err)
		require.Equal(t, rate.Rates, gap.Rates)
		require.Equal(t, rate.Slope, gap.Slope)
		require.Equal(t, rate.SlopeP, gap.SlopeP)
		require.Equal(t, rate.Change, gap.Change)
		for j, c := range gap.FromFirst {
			require.InDelta(t, rate.FromFirst[j].Estimate, c.Estimate, 1e-12)
			require.LessOrEqual(t, c.CI.Lo, c.Estimate+1e-12)
			require.GreaterOrEqual(t, c.CI.Hi, c.Estimate-1e-12)
			require.Equal(t, c.PTwoSided < 0.05, c.CI.Lo > 0 || c.CI.Hi < 0, "interval and test agree")
			require.GreaterOrEqual(t, c.PHolm, c.PTwoSided)
		}
		requireFinite(t, gap)
		requireFinite(t, rate)
	})
}

func TestReversingTheSeriesMirrorsTheTrend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := []float64{0, 1, 2, 3}
		rows := make([][]Pair, rapid.IntRange(2, 12).Draw(t, "queries"))
		mirrored := make([][]Pair, len(rows))
		for i := range rows {
			for range x {
				p := asked(rapid.IntRange(0, 2).Draw(t, "training"), rapid.IntRange(0, 2).Draw(t, "unmonitored"), 2)
				rows[i] = append(rows[i], p)
				mirrored[i] = append(mirrored[i], Pair{Training: p.Unmonitored, Unmonitored: p.Training})
			}
		}
		a, err := EstimateGapTrend(x, rows, 0.05)
		require.NoError(t, err)
		b, err := EstimateGapTrend(x, mirrored, 0.05)
		require.NoError(t, err)
		require.InDelta(t, -*a.Slope, *b.Slope, 1e-12)
		require.InDelta(t, *a.SlopeP, *b.SlopeP, 1e-9)
		require.Equal(t, a.ShiftHolm, b.ShiftHolm, "a fall is found as a rise is")
		require.Equal(t, a.ShiftSpending, b.ShiftSpending)
	})
}

// A model that answers the same on every query and changes everywhere at once
// leaves the t test undefined; it must not go unseen.
func TestQueriesThatAllMoveAlikeAreSeen(t *testing.T) {
	x := []float64{0, 1, 2, 3}
	for _, tt := range []struct {
		name    string
		queries int
		row     []int
		slopeP  float64
		after   *int
	}{
		{"a hundred queries flip", 100, []int{0, 0, 4, 4}, math.Pow(2, -99), some(1)},
		{"three queries flip: too few to say", 3, []int{0, 0, 4, 4}, 0.25, some(1)},
		{"nothing moves", 100, []int{4, 4, 4, 4}, 1, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows := make([][]int, tt.queries)
			for i := range rows {
				rows[i] = tt.row
			}
			est, err := EstimateTrend(x, cellsOf(rows...), 0.05)
			require.NoError(t, err)
			require.Nil(t, est.SlopeT)
			require.InEpsilon(t, tt.slopeP, *est.SlopeP, 1e-9)
			require.Equal(t, tt.after, est.Change.After)
			if tt.after != nil {
				require.InDelta(t, 1, *est.Change.Shift, 1e-12)
			}
			requireFinite(t, est)
		})
	}
}

func TestTheTTestClaimsNoMoreThanSignsCan(t *testing.T) {
	est, err := EstimateTrend([]float64{0, 1, 2}, cellsOf([]int{0, 2, 4}, []int{0, 2, 4}, []int{0, 2, 4}, []int{0, 1, 4}, []int{0, 2, 3}), 0.05)
	require.NoError(t, err)
	require.Less(t, *est.SlopePTwoSided, 0.001)
	require.InDelta(t, math.Pow(2, -4), *est.SlopeP, 1e-12)
}

// The moments of the permutation distribution are exact: they are compared with
// all orders of two queries' values.
func TestPermutationMomentsEqualEnumeration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := []float64{-0.5, -0.25, -0.05, 0.8}
		values := make([]float64, len(weights))
		for j := range values {
			values[j] = float64(rapid.IntRange(0, 5).Draw(t, "value"))
		}
		var sums []float64
		var permute func(k int)
		permute = func(k int) {
			if k == len(values) {
				var s float64
				for j, w := range weights {
					s += w * values[j]
				}
				sums = append(sums, s)
				return
			}
			for i := k; i < len(values); i++ {
				values[k], values[i] = values[i], values[k]
				permute(k + 1)
				values[k], values[i] = values[i], values[k]
			}
		}
		observed := [][]float64{append([]float64(nil), values...)}
		permute(0)
		var variance, third, s float64
		for _, v := range sums {
			variance += v * v / float64(len(sums))
			third += v * v * v / float64(len(sums))
		}
		for j, w := range weights {
			s += w * observed[0][j]
		}
		p := permutationP(weights, observed)
		if variance < 1e-9 {
			require.Equal(t, 1.0, p)
			return
		}
		sd := math.Sqrt(variance)
		z, skew := s/sd, third/(sd*sd*sd)
		require.InDelta(t, math.Min(1, 2*math.Min(pearsonTail(z, skew), pearsonTail(-z, -skew))), p, 1e-9)
	})
}

func TestPearsonTailIsADistribution(t *testing.T) {
	for _, skew := range []float64{-2, -0.5, -1.1e-3, -1e-4, 0, 1e-4, 1.1e-3, 0.5, 2} {
		last := 1.0
		for z := -8.0; z <= 8; z += 0.25 {
			p := pearsonTail(z, skew)
			require.LessOrEqual(t, p, last+1e-12)
			require.GreaterOrEqual(t, p, 0.0)
			require.InDelta(t, 1, p+pearsonTail(-z, -skew), 1e-9, "the other tail mirrors it")
			last = p
		}
	}
	require.InDelta(t, math.Exp(-3), pearsonTail(2, 2), 1e-12, "skewness 2 is the exponential distribution")
	require.InDelta(t, pearsonTail(2, 1e-4), pearsonTail(2, 1.1e-3), 1e-4)
}

func TestAFallIsFoundFromTheFirstCheckpoint(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 9))
	rows := make([][]int, 80)
	for i := range rows {
		for j := range 5 {
			n := 0
			for range 4 {
				if rate := []float64{0.7, 0.7, 0.7, 0.2, 0.2}[j]; random.Float64() < rate {
					n++
				}
			}
			rows[i] = append(rows[i], n)
		}
	}
	est, err := EstimateTrend([]float64{0, 1, 2, 3, 4}, cellsOf(rows...), 0.05)
	require.NoError(t, err)
	require.Nil(t, est.OnsetHolm, "no rise")
	require.Equal(t, 3, *est.ShiftHolm)
	require.Equal(t, 3, *est.ShiftSpending)
	require.Less(t, est.FromFirst[2].CI.Hi, -0.3)
	require.Equal(t, 2, *est.Change.After)
}
