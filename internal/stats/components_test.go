package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/stats"
)

func TestVarianceComponentsByHand(t *testing.T) {
	for _, tt := range []struct {
		name                      string
		values                    [][]float64
		variants, queries, rest   float64
		msVariants, msQueries, ms float64
	}{
		{
			// Row means 2, 4; column means 2, 3, 4; grand mean 3. The residuals are
			// 0 -1 1 / 0 1 -1: MSE = 4/2 = 2. MSV = 3(1+1)/1 = 6, MSQ = 2(1+0+1)/2 = 2.
			name:   "two variants, three queries",
			values: [][]float64{{1, 1, 4}, {3, 5, 4}},
			// (6-2)/3, (2-2)/2
			variants: 4.0 / 3, queries: 0, rest: 2, msVariants: 6, msQueries: 2, ms: 2,
		},
		{
			// Additive: d = row + column with rows 0, 1, 5 and columns 0, 0.5.
			// Row means 0.25, 1.25, 5.25 (variance 7), MSV = 2*7 = 14; column
			// means 2, 2.5 (variance 1/8), MSQ = 3/8; no residual.
			name:     "effects that add up leave no residual",
			values:   [][]float64{{0, 0.5}, {1, 1.5}, {5, 5.5}},
			variants: 7, queries: 0.125, rest: 0, msVariants: 14, msQueries: 0.375, ms: 0,
		},
		{
			// All means are 0, so MSV = MSQ = 0 and MSE = 4/1: both components
			// would be -2 and are cut at 0.
			name:     "pure interaction is cut at nothing",
			values:   [][]float64{{1, -1}, {-1, 1}},
			variants: 0, queries: 0, rest: 4, msVariants: 0, msQueries: 0, ms: 4,
		},
		{name: "constant", values: [][]float64{{0.5, 0.5}, {0.5, 0.5}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := stats.EstimateVarianceComponents(tt.values)
			require.NoError(t, err)
			require.InDelta(t, tt.variants, got.BetweenVariants, 1e-12)
			require.InDelta(t, tt.queries, got.BetweenQueries, 1e-12)
			require.InDelta(t, tt.rest, got.Residual, 1e-12)
			require.InDelta(t, tt.msVariants, got.MeanSquareVariants, 1e-12)
			require.InDelta(t, tt.msQueries, got.MeanSquareQueries, 1e-12)
			require.InDelta(t, tt.ms, got.MeanSquareResidual, 1e-12)
			require.Equal(t, len(tt.values), got.Variants)
			require.Equal(t, len(tt.values[0]), got.Queries)
		})
	}
}

func TestVarianceComponentsRefuse(t *testing.T) {
	for name, values := range map[string][][]float64{
		"nothing": nil, "one variant": {{1, 2}}, "one query": {{1}, {2}}, "rows of different length": {{1, 2}, {1}},
		"not a number": {{1, math.NaN()}, {1, 2}}, "infinite": {{1, 2}, {math.Inf(1), 2}}, "too large": {{1e308, -1e308}, {-1e308, 1e308}},
	} {
		_, err := stats.EstimateVarianceComponents(values)
		var bad *stats.InputError
		require.ErrorAs(t, err, &bad, name)
		require.Equal(t, "values", bad.Field, name)
	}
}

// The sums of squares add up to the total one, and the order of variants and of
// queries does not matter.
func TestVarianceComponentsDecomposeTheTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.IntRange(2, 6).Draw(t, "variants"), rapid.IntRange(2, 12).Draw(t, "queries")
		values, swapped := make([][]float64, a), make([][]float64, a)
		var flat []float64
		for i := range values {
			values[i] = rapid.SliceOfN(rapid.Float64Range(-1, 1), b, b).Draw(t, "row")
			swapped[a-1-i] = values[i]
			flat = append(flat, values[i]...)
		}
		mean, total := 0.0, 0.0
		for _, v := range flat {
			mean += v / float64(len(flat))
		}
		for _, v := range flat {
			total += (v - mean) * (v - mean)
		}
		got, err := stats.EstimateVarianceComponents(values)
		require.NoError(t, err)
		sum := float64(a-1)*got.MeanSquareVariants + float64(b-1)*got.MeanSquareQueries + float64((a-1)*(b-1))*got.MeanSquareResidual
		require.InDelta(t, total, sum, 1e-9)
		again, err := stats.EstimateVarianceComponents(swapped)
		require.NoError(t, err)
		require.InDelta(t, got.BetweenVariants, again.BetweenVariants, 1e-9)
		require.InDelta(t, got.BetweenQueries, again.BetweenQueries, 1e-9)
	})
}

// On average over many tables the estimates are the truth.
func TestVarianceComponentsAreUnbiased(t *testing.T) {
	const tables, a, b = 2000, 8, 20
	const variants, queries, rest = 0.09, 0.25, 0.5
	r := rand.New(rand.NewPCG(1, 2))
	var v, q, e float64
	for range tables {
		effects := make([]float64, b)
		for j := range effects {
			effects[j] = math.Sqrt(queries) * r.NormFloat64()
		}
		values := make([][]float64, a)
		for i := range values {
			own := math.Sqrt(variants) * r.NormFloat64()
			for j := range b {
				values[i] = append(values[i], own+effects[j]+math.Sqrt(rest)*r.NormFloat64())
			}
		}
		got, err := stats.EstimateVarianceComponents(values)
		require.NoError(t, err)
		v, q, e = v+got.BetweenVariants/tables, q+got.BetweenQueries/tables, e+got.Residual/tables
	}
	require.InDelta(t, variants, v, 0.006)
	require.InDelta(t, queries, q, 0.01)
	require.InDelta(t, rest, e, 0.005)
}
