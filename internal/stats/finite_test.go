package stats

import (
	"math"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// requireFinite walks every exported number of a result.
func requireFinite(t require.TestingT, result any) { requireFiniteValue(t, reflect.ValueOf(result)) }

func requireFiniteValue(t require.TestingT, v reflect.Value) {
	switch v.Kind() {
	case reflect.Float64:
		require.False(t, math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0))
	case reflect.Pointer:
		if !v.IsNil() {
			requireFiniteValue(t, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			requireFiniteValue(t, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				requireFiniteValue(t, v.Field(i))
			}
		}
	default:
	}
}

// drawHostile draws clusters that are mostly inconsistent.
func drawHostile(t *rapid.T) Cluster {
	number := rapid.OneOf(
		rapid.SampledFrom([]float64{0, 1, 2, 0.5, 1e-300, 1 - 1e-16, -1e-12, math.NaN(), math.Inf(1), math.MaxFloat64}),
		rapid.Float64Range(0, 3),
	)
	c := Cluster{
		Sum:     number.Draw(t, "sum"),
		Valid:   rapid.SampledFrom([]int{-1, 0, 1, 2, 3, math.MaxInt}).Draw(t, "valid"),
		Planned: rapid.SampledFrom([]int{-1, 0, 1, 2, 3, math.MaxInt}).Draw(t, "planned"),
	}
	c.SumSquares = c.Sum
	if rapid.Bool().Draw(t, "other squares") {
		c.SumSquares = number.Draw(t, "squares")
	}
	return c
}

func TestHostileClustersAreRefusedOrGiveFiniteResults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs := make([]Pair, rapid.IntRange(0, 6).Draw(t, "pairs"))
		var clusters []Cluster
		for i := range pairs {
			pairs[i] = Pair{Training: drawHostile(t), Unmonitored: drawHostile(t)}
			clusters = append(clusters, pairs[i].Training)
		}
		alpha := rapid.SampledFrom([]float64{1e-12, 0.05, 0.5}).Draw(t, "alpha")
		if gap, err := EstimateGap(pairs, alpha); err == nil {
			requireFinite(t, gap)
			requireFinite(t, gap.MinimumDetectableGap())
			for _, tau := range []float64{-1, -0.5, 0, 0.05, 1, math.NaN(), math.Inf(1)} {
				requireFinite(t, []float64{gap.PPass(tau), gap.PBlock(tau)})
			}
		}
		if rate, err := EstimateRate(clusters, alpha); err == nil {
			requireFinite(t, rate)
			requireFinite(t, []float64{rate.PPass(0.05), rate.PBlock(0.05), rate.PPass(math.NaN())})
		}
	})
}

func TestEstimatesAreFinite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs, alpha := drawPairs(t), drawAlpha(t)
		gap := mustGap(t, pairs, alpha)
		requireFinite(t, gap)
		if least := gap.MinimumDetectableGap(); least != nil {
			require.Greater(t, *least, 0.0)
			require.Less(t, *least, 1.0)
		}
		test, err := SignFlip(pairs, SignFlipOptions{ScoreDenominator: 2})
		require.NoError(t, err)
		requireFinite(t, test)
		boot, err := Bootstrap(pairs, BootstrapOptions{Alpha: alpha, Resamples: 100})
		require.NoError(t, err)
		requireFinite(t, boot)
		c := Confusion{}
		for _, count := range []*int{&c.TruePositive, &c.FalseNegative, &c.FalsePositive, &c.TrueNegative} {
			*count = rapid.IntRange(0, 30).Draw(t, "count")
		}
		fixed, err := c.CorrectGap(gap)
		require.NoError(t, err)
		requireFinite(t, fixed)
		agreement, err := EstimateAgreement(c, alpha)
		require.NoError(t, err)
		requireFinite(t, agreement)
		training, unmonitored := Conditions(pairs)
		for _, clusters := range [][]Cluster{training, unmonitored} {
			rate := mustRate(t, clusters, alpha)
			requireFinite(t, rate)
			fixed, err := c.CorrectRate(rate)
			require.NoError(t, err)
			requireFinite(t, fixed)
		}
	})
}

func TestPlansAreFinite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.Float64Range(0, 1)
		plan, err := Design{
			TrainingRate: unit.Draw(t, "training"), UnmonitoredRate: unit.Draw(t, "unmonitored"),
			TrainingICC: unit.Draw(t, "icc"), UnmonitoredICC: unit.Draw(t, "icc"),
			Repeats: rapid.IntRange(1, 1000).Draw(t, "k"), Correlation: rapid.Float64Range(-1, 1).Draw(t, "correlation"),
			Threshold: rapid.Float64Range(-0.99, 0.99).Draw(t, "threshold"), Alpha: drawAlpha(t),
			Power: rapid.Float64Range(0.01, 0.99).Draw(t, "power"), QueryCost: 2, SampleCost: 1,
		}.Plan()
		require.NoError(t, err)
		requireFinite(t, plan)
	})
}

func TestExtremesKeepTheirOrder(t *testing.T) {
	for _, n := range []int{1, 2, 3, 1000} {
		for _, k := range []int{1, 2, 1_000_000} {
			for _, complied := range []int{0, 1, k / 2, k - 1, k} {
				for _, alpha := range []float64{0.5, 0.05, 1e-4, 1e-12} {
					pairs := pairsOf(n, asked(complied, 0, k))
					pairs[0] = asked(min(complied+1, k), 0, k)
					requireExtreme(t, pairs, alpha)
					pairs[n-1].Training = Cluster{Valid: 1, Planned: k}
					pairs[0].Unmonitored = Cluster{Planned: k}
					requireExtreme(t, pairs, alpha)
				}
			}
		}
	}
}

func requireExtreme(t *testing.T, pairs []Pair, alpha float64) {
	t.Helper()
	gap := mustGap(t, pairs, alpha)
	requireFinite(t, gap)
	requireFinite(t, gap.WorstCase())
	requireFinite(t, gap.MinimumDetectableGap())
	requireOrdered(t, -1, gap.CI.Lo, gap.Lower, gap.Estimate, gap.Upper, gap.CI.Hi, 1)
	require.GreaterOrEqual(t, gap.UpperWorstCase, gap.Upper)
	training, unmonitored := Conditions(pairs)
	for _, clusters := range [][]Cluster{training, unmonitored} {
		rate := mustRate(t, clusters, alpha)
		requireFinite(t, rate)
		requireFinite(t, rate.WorstCase())
		requireOrdered(t, 0, rate.CI.Lo, rate.Lower, rate.Estimate, rate.Upper, rate.CI.Hi, 1)
		require.GreaterOrEqual(t, rate.UpperWorstCase, rate.Upper)
	}
	for _, tau := range []float64{-1 + 1e-12, 0, 1e-9, 0.05, 1 - 1e-12} {
		requireFinite(t, []float64{gap.PPass(tau), gap.PBlock(tau)})
	}
	if alpha > 1e-11 {
		h := mustHybrid(t, pairs, true, 0.05, alpha, 1)
		requireFinite(t, h)
		require.Equal(t, h.Upper < 0.05, h.PPass < alpha)
		require.Equal(t, h.Lower > 0.05, h.PBlock < alpha)
	}
	exclusions, err := EstimateExclusionImbalance(pairs, alpha)
	require.NoError(t, err)
	requireFinite(t, exclusions)
}
