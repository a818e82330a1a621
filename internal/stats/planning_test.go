package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func plain() Design {
	return Design{
		TrainingRate: 0.02, TrainingICC: 0.3, UnmonitoredICC: 0.3, Repeats: 3,
		Threshold: 0.05, Alpha: 0.05, Power: 0.9, QueryCost: 1, SampleCost: 1,
	}
}

func TestPlanOfASparseModel(t *testing.T) {
	plan, err := plain().Plan()
	require.NoError(t, err)
	require.InDelta(t, 0.02*0.98*1.6/3, plan.Variance, 1e-12)
	require.InDelta(t, 0.05*0.95*1.6/3, plan.ThresholdVariance, 1e-12)
	require.Equal(t, 59, *plan.QueriesZeroEvents)
	require.Greater(t, *plan.QueriesScore, *plan.QueriesWald)
	require.Greater(t, *plan.QueriesT, *plan.QueriesWald)
	require.InDelta(t, 0.9, *plan.PowerNormal, 0.01)
	require.InDelta(t, math.Sqrt(0.7/0.3), *plan.OptimalRepeats, 1e-12)
}

func TestPlanWhereAnAnswerIsNotDefined(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(d *Design)
		check  func(t *testing.T, p SamplePlan)
	}{
		{"truth on the threshold", func(d *Design) { d.TrainingRate = 0.05 }, func(t *testing.T, p SamplePlan) {
			require.Nil(t, p.QueriesWald)
			require.Nil(t, p.QueriesT)
		}},
		{"no variance at all", func(d *Design) { d.TrainingRate = 0 }, func(t *testing.T, p SamplePlan) {
			require.Zero(t, *p.QueriesWald)
			require.Positive(t, *p.QueriesScore)
			require.Nil(t, p.PowerT)
		}},
		{"threshold of zero", func(d *Design) { d.Threshold = 0 }, func(t *testing.T, p SamplePlan) {
			require.Nil(t, p.QueriesZeroEvents)
			require.NotNil(t, p.QueriesWald)
		}},
		{"independent repeats", func(d *Design) { d.TrainingICC = 0 }, func(t *testing.T, p SamplePlan) {
			require.Nil(t, p.OptimalRepeats)
			require.Equal(t, 1.0, p.DesignEffect)
		}},
		{"almost on the threshold", func(d *Design) { d.TrainingRate = 0.05 + 1e-9 }, func(t *testing.T, p SamplePlan) {
			require.Nil(t, p.QueriesWald)
			require.Nil(t, p.QueriesT)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := plain()
			tt.change(&d)
			plan, err := d.Plan()
			require.NoError(t, err)
			tt.check(t, plan)
		})
	}
}

func TestPlanNamesTheFieldAtFault(t *testing.T) {
	for field, change := range map[string]func(d *Design){
		"rate_training":   func(d *Design) { d.TrainingRate = 1.2 },
		"icc_training":    func(d *Design) { d.TrainingICC = math.NaN() },
		"repeats":         func(d *Design) { d.Repeats = 0 },
		"correlation":     func(d *Design) { d.Correlation = 2 },
		"threshold":       func(d *Design) { d.Threshold = 1 },
		"alpha":           func(d *Design) { d.Alpha = 0 },
		"power":           func(d *Design) { d.Power = 1 },
		"cost_query":      func(d *Design) { d.QueryCost = 0 },
		"cost_sample":     func(d *Design) { d.SampleCost = math.Inf(1) },
		"icc_unmonitored": func(d *Design) { d.UnmonitoredICC = -0.1 },
	} {
		t.Run(field, func(t *testing.T) {
			d := plain()
			change(&d)
			_, err := d.Plan()
			var input *InputError
			require.ErrorAs(t, err, &input)
			require.Equal(t, field, input.Field)
		})
	}
}

func TestPowerOfANoncentralT(t *testing.T) {
	// Reference values by 30-digit quadrature.
	require.InDelta(t, 0.695149338244, powerT(20, 0.5, 0.05), 1e-8)
	require.InDelta(t, 0.179562487557, powerT(2, 1, 0.05), 1e-8)
	require.InDelta(t, 0.05, powerT(30, 0, 0.05), 1e-8, "without an effect the power is the level")
	require.InDelta(t, normalCDF(3-normalQuantile(0.95)), powerT(1_000_000, 0.003, 0.05), 1e-4)
}

func cellsOf(rates ...[]int) [][]TrendCell {
	out := make([][]TrendCell, len(rates))
	for i, row := range rates {
		for _, complied := range row {
			out[i] = append(out[i], TrendCell{Sum: float64(complied), Valid: 4})
		}
	}
	return out
}

func TestTrendByHand(t *testing.T) {
	est, err := EstimateTrend([]float64{0, 1, 2}, cellsOf([]int{0, 2, 4}, []int{0, 1, 2}, []int{1, 1, 1}), 0.05)
	require.NoError(t, err)
	require.Equal(t, 3, est.Queries)
	requireAll(t, []float64{1.0 / 12, 4.0 / 12, 7.0 / 12}, est.Rates)
	require.InDelta(t, 0.25, *est.Slope, 1e-12)
	require.InDelta(t, 0.25/math.Sqrt(3), *est.SlopeSE, 1e-12)
	require.InDelta(t, math.Sqrt(3), *est.SlopeT, 1e-12)
	require.Len(t, est.PIncrease, 2)
	require.Len(t, est.Change.T, 2)
}

func TestTrendIsolatesIncompleteQueries(t *testing.T) {
	cells := cellsOf([]int{0, 2}, []int{0, 1}, []int{4, 0})
	cells[2][1].Valid, cells[2][1].Sum = 0, 0
	est, err := EstimateTrend([]float64{0, 10}, cells, 0.05)
	require.NoError(t, err)
	require.Equal(t, 2, est.Queries)
	require.InDelta(t, 0.0375, *est.Slope, 1e-12)
}

func TestIsotonicFit(t *testing.T) {
	requireAll(t, []float64{1, 2, 3}, isotonic([]float64{1, 2, 3}))
	requireAll(t, []float64{2, 2, 2}, isotonic([]float64{3, 2, 1}))
	requireAll(t, []float64{1, 2.5, 2.5, 4}, isotonic([]float64{1, 3, 2, 4}))
}

func TestTrendFindsOnsetAndChange(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	cells := make([][]TrendCell, 60)
	for i := range cells {
		cells[i] = make([]TrendCell, 6)
		for j := range cells[i] {
			rate := 0.1
			if j >= 3 {
				rate = 0.7
			}
			for range 4 {
				cells[i][j].Valid++
				if random.Float64() < rate {
					cells[i][j].Sum++
				}
			}
		}
	}
	est, err := EstimateTrend([]float64{0, 1, 2, 3, 4, 5}, cells, 0.05)
	require.NoError(t, err)
	require.Equal(t, 2, *est.Change.After)
	require.InDelta(t, 0.6, *est.Change.Shift, 0.08)
	require.Equal(t, 3, *est.OnsetHolm)
	require.Equal(t, 3, *est.OnsetSpending)
	require.Less(t, *est.SlopePIncrease, 1e-6)
	require.Greater(t, *est.LogitSlope / *est.LogitSE, 5.0)
	require.Greater(t, *est.CochranArmitageZ, 5.0)
}

func TestTrendScaleDoesNotMatter(t *testing.T) {
	cells := cellsOf([]int{0, 1, 3}, []int{1, 1, 2}, []int{0, 2, 2}, []int{1, 0, 4})
	near, err := EstimateTrend([]float64{0, 1, 2}, cells, 0.05)
	require.NoError(t, err)
	far, err := EstimateTrend([]float64{0, 1e9, 2e9}, cells, 0.05)
	require.NoError(t, err)
	require.InDelta(t, *near.SlopeT, *far.SlopeT, 1e-9)
	require.InDelta(t, *near.LogitSlope, *far.LogitSlope*1e9, 1e-6)
	require.InDelta(t, *near.LogitSE, *far.LogitSE*1e9, 1e-6)
}

func TestTrendWithoutVariation(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cells [][]TrendCell
	}{
		{"no query", nil},
		{"one query", cellsOf([]int{0, 2})},
		{"all refused", cellsOf([]int{0, 0}, []int{0, 0})},
		{"all complied", cellsOf([]int{4, 4}, []int{4, 4})},
		{"perfectly separated", cellsOf([]int{0, 4}, []int{0, 4})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			est, err := EstimateTrend([]float64{0, 1}, tt.cells, 0.05)
			require.NoError(t, err)
			require.Nil(t, est.SlopeT)
			require.Nil(t, est.LogitSlope)
			requireFinite(t, est)
		})
	}
	for _, x := range [][]float64{nil, {1}, {1, 1}, {2, 1}, {0, math.NaN()}, {0, math.Inf(1)}} {
		_, err := EstimateTrend(x, nil, 0.05)
		require.Error(t, err)
	}
	_, err := EstimateTrend([]float64{0, 1}, [][]TrendCell{{{Sum: 2, Valid: 1}, {}}}, 0.05)
	require.Error(t, err)
	_, err = EstimateTrend([]float64{0, 1}, [][]TrendCell{{{}}}, 0.05)
	require.Error(t, err)
}
