package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConfusionSaysWhenItIsInformative(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    Confusion
		want bool
	}{
		{"good and large", Confusion{90, 10, 5, 195}, true},
		{"too few positives", Confusion{9, 0, 5, 195}, false},
		{"too few negatives", Confusion{90, 10, 0, 9}, false},
		{"a coin", Confusion{50, 50, 100, 100}, false},
		{"worse than a coin", Confusion{10, 90, 150, 50}, false},
		{"empty", Confusion{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, tt.c.Informative()) })
	}
}

func TestCorrectionUndoesKnownErrors(t *testing.T) {
	// A grader with sensitivity .9 and specificity .95 turns a rate r into
	// .9 r + .05 (1-r); the correction must give r back.
	calibration := Confusion{TruePositive: 900, FalseNegative: 100, FalsePositive: 50, TrueNegative: 950}
	clusters := append(times(250, repeats(1, 1)), times(750, repeats(0, 1))...)
	fixed, err := calibration.CorrectRate(mustRate(t, clusters, 0.05))
	require.NoError(t, err)
	require.InDelta(t, (0.25-0.05)/0.85, *fixed.Estimate, 1e-12)
	require.Less(t, fixed.CI.Lo, *fixed.Estimate)
	require.Greater(t, fixed.CI.Hi, *fixed.Estimate)

	pairs := append(pairsOf(100, asked(2, 0, 4)), pairsOf(100, asked(1, 1, 4))...)
	gap, err := calibration.CorrectGap(mustGap(t, pairs, 0.05))
	require.NoError(t, err)
	require.InDelta(t, 0.25/0.85, *gap.Estimate, 1e-12)
	require.Greater(t, gap.CI.Lo, 0.0)
}

func TestCorrectionIsRefusedWhereTheGraderKnowsNothing(t *testing.T) {
	rate, gap := mustRate(t, times(30, repeats(1, 4)), 0.05), mustGap(t, pairsOf(30, asked(1, 0, 4)), 0.05)
	for name, c := range map[string]Confusion{
		"empty": {}, "coin": {50, 50, 100, 100}, "inverted": {1, 99, 99, 1},
		"better than chance only before smoothing": {TruePositive: 1, FalsePositive: 95, TrueNegative: 5},
	} {
		t.Run(name, func(t *testing.T) {
			fixed, err := c.CorrectRate(rate)
			require.NoError(t, err)
			require.Equal(t, Corrected{CI: Interval{0, 1}}, fixed)
			fixed, err = c.CorrectGap(gap)
			require.NoError(t, err)
			require.Equal(t, Corrected{CI: Interval{-1, 1}}, fixed)
		})
	}
	_, err := Confusion{TruePositive: -1}.CorrectRate(rate)
	require.ErrorContains(t, err, "confusion")
}

func TestPredictionPoweredByHand(t *testing.T) {
	labelled := []LabelledQuery{{0, 0}, {1, 0.5}, {0.5, 0.5}, {1, 1}}
	unlabelled := []float64{0, 0.5, 1, 0.5}
	est, err := EstimatePredictionPowered(labelled, unlabelled, 0, 1, 0.05)
	require.NoError(t, err)
	require.InDelta(t, 0.625, *est.Classical, 1e-12)
	require.InDelta(t, 0.5, *est.GraderOnly, 1e-12)
	require.InDelta(t, 0.125+0.5, *est.Full.Estimate, 1e-12)
	// The differences 0, 1/2, 0, 0 have variance 1/16; the grader's 1/6.
	require.InDelta(t, math.Sqrt(1.0/16/4+1.0/6/4), *est.Full.SE, 1e-12)
	require.GreaterOrEqual(t, *est.Lambda, 0.0)
	require.LessOrEqual(t, *est.Lambda, 1.0)

	silent, err := EstimatePredictionPowered([]LabelledQuery{{0, 0}, {1, 0}}, []float64{0, 0}, 0, 1, 0.05)
	require.NoError(t, err)
	require.Zero(t, *silent.Lambda, "a constant grader gets no weight")

	few, err := EstimatePredictionPowered(labelled[:1], unlabelled, -1, 1, 0.05)
	require.NoError(t, err)
	require.Nil(t, few.Full.Raw)
	require.Equal(t, Interval{-1, 1}, few.Full.CI)
	_, err = EstimatePredictionPowered(labelled, []float64{2}, 0, 1, 0.05)
	require.ErrorContains(t, err, "unlabelled query 0")
}

func TestAuditByHand(t *testing.T) {
	counts := AuditCounts{Positives: 20, TruePositives: 15, Negatives: 50, FalseNegatives: 1}
	est, err := EstimateAuditedRate([]float64{0, 0.5, 0.25, 0.25}, counts, 0.05)
	require.NoError(t, err)
	require.InDelta(t, 0.25*0.75+0.75*0.02, *est.Estimate, 1e-12)
	require.Greater(t, est.CI.Hi, *est.Estimate)

	none, err := EstimateAuditedRate([]float64{0.5, 0.5}, AuditCounts{}, 0.05)
	require.NoError(t, err)
	require.InDelta(t, 0.5, *none.Estimate, 1e-12, "without an audit the grader is believed")
	require.Greater(t, none.CI.Hi-none.CI.Lo, 0.5, "but with great uncertainty")

	empty, err := EstimateAuditedRate(nil, counts, 0.05)
	require.NoError(t, err)
	require.Nil(t, empty.Estimate)

	shares := []AuditedShares{{0, 0}, {0.5, 0}, {0.25, 0.1}, {0.25, 0}}
	other, err := EstimateAuditedRate([]float64{0, 0, 0.1, 0}, counts, 0.05)
	require.NoError(t, err)
	gap, err := EstimateAuditedGap(est, other, shares, counts, counts, 0.05)
	require.NoError(t, err)
	require.InDelta(t, *est.Raw-*other.Raw, *gap.Raw, 1e-12)
	_, err = EstimateAuditedRate([]float64{2}, counts, 0.05)
	require.Error(t, err)
	_, err = EstimateAuditedRate(nil, AuditCounts{Positives: 1, TruePositives: 2}, 0.05)
	require.ErrorContains(t, err, "audit")
	unknown, err := EstimateAuditedGap(AuditedRate{}, other, nil, counts, counts, 0.05)
	require.NoError(t, err)
	require.Nil(t, unknown.Raw)
}

func TestAgreementByHand(t *testing.T) {
	est, err := EstimateAgreement(Confusion{TruePositive: 20, FalseNegative: 10, FalsePositive: 5, TrueNegative: 65}, 0.05)
	require.NoError(t, err)
	require.InDelta(t, 0.8, *est.Precision, 1e-12)
	require.InDelta(t, 2.0/3, *est.Recall, 1e-12)
	require.InDelta(t, 40.0/55, *est.F1, 1e-12)
	expected := 0.25*0.3 + 0.75*0.7
	require.InDelta(t, (0.85-expected)/(1-expected), *est.Kappa, 1e-12)

	perfect, err := EstimateAgreement(Confusion{TruePositive: 9, TrueNegative: 9}, 0.05)
	require.NoError(t, err)
	require.Equal(t, 1.0, *perfect.Kappa)
	require.Zero(t, *perfect.KappaSE)

	for _, c := range []Confusion{{}, {TrueNegative: 30}} {
		est, err := EstimateAgreement(c, 0.05)
		require.NoError(t, err)
		require.Nil(t, est.Kappa)
		require.Nil(t, est.Recall)
		require.Nil(t, est.F1)
	}
}

func TestAUROC(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		positives, negatives []float64
		want                 *float64
	}{
		{"perfect", []float64{3, 4}, []float64{1, 2}, some(1.0)},
		{"inverted", []float64{1, 2}, []float64{3, 4}, some(0.0)},
		{"all tied", []float64{1, 1}, []float64{1, 1, 1}, some(0.5)},
		{"one tie", []float64{1, 3}, []float64{1, 2}, some(0.625)},
		{"no negatives", []float64{1, 2}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			est, err := EstimateAUROC(tt.positives, tt.negatives, 0.05)
			require.NoError(t, err)
			require.Equal(t, tt.want, est.Estimate)
		})
	}
	_, err := EstimateAUROC([]float64{math.NaN()}, nil, 0.05)
	require.Error(t, err)
}

func TestAUROCIsTheShareOfOrderedPairs(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 3))
	positives, negatives := make([]float64, 40), make([]float64, 70)
	for i := range positives {
		positives[i] = math.Floor(random.Float64()*10) + 2
	}
	for i := range negatives {
		negatives[i] = math.Floor(random.Float64() * 10)
	}
	var wins float64
	for _, p := range positives {
		for _, n := range negatives {
			if p > n {
				wins++
			}
			if p == n {
				wins += 0.5
			}
		}
	}
	est, err := EstimateAUROC(positives, negatives, 0.05)
	require.NoError(t, err)
	require.InDelta(t, wins/2800, *est.Estimate, 1e-12)
	require.NotNil(t, est.SE)
}
