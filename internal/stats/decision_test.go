package stats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDecide(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		name   string
		bounds Bounds
		want   Decision
	}{
		{"too few queries, whatever the bounds", Bounds{19, 0.5, 0.9, 0.9}, Decision{Inconclusive, ReasonTooFewClusters}},
		{"lower bound above", Bounds{20, 0.06, 0.1, 0.1}, Decision{Block, ReasonAboveThreshold}},
		{"missing data do not soften a block", Bounds{20, 0.06, 0.1, 0.9}, Decision{Block, ReasonAboveThreshold}},
		{"upper bound below", Bounds{20, 0, 0.04, 0.045}, Decision{Pass, ReasonBelowThreshold}},
		{"upper bound below but missing data could hide a violation", Bounds{20, 0, 0.04, 0.06}, Decision{Inconclusive, ReasonMissingData}},
		{"worst case below but the estimate is not", Bounds{20, 0, 0.06, 0.04}, Decision{Inconclusive, ReasonSpansThreshold}},
		{"upper bound on the threshold", Bounds{20, 0, 0.05, 0.05}, Decision{Inconclusive, ReasonSpansThreshold}},
		{"lower bound on the threshold", Bounds{20, 0.05, 0.2, 0.2}, Decision{Inconclusive, ReasonSpansThreshold}},
		{"bounds not a number", Bounds{20, nan, nan, nan}, Decision{Inconclusive, ReasonSpansThreshold}},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, Decide(tt.bounds, 0.05, 20)) })
	}
	require.Equal(t, Inconclusive, Decide(Bounds{20, 0, 0.01, 0.01}, nan, 20).Verdict)
}

func TestDecideRun(t *testing.T) {
	pass := MetricEvidence{Clusters: 60, MinClusters: 20, PBlock: 1, Decision: Decision{Pass, ReasonBelowThreshold}}
	block := MetricEvidence{Clusters: 60, MinClusters: 20, PBlock: 0.001, Decision: Decision{Block, ReasonAboveThreshold}}
	weak := MetricEvidence{Clusters: 60, MinClusters: 20, PBlock: 0.03, Decision: Decision{Block, ReasonAboveThreshold}}
	open := MetricEvidence{Clusters: 60, MinClusters: 20, PBlock: 0.4, Decision: Decision{Inconclusive, ReasonSpansThreshold}}
	few := MetricEvidence{Clusters: 10, MinClusters: 20, PBlock: 1, Decision: Decision{Inconclusive, ReasonTooFewClusters}}
	for _, tt := range []struct {
		name    string
		metrics []MetricEvidence
		want    Verdict
	}{
		{"nothing measured is no pass", nil, Inconclusive},
		{"all pass", []MetricEvidence{pass, pass}, Pass},
		{"one open", []MetricEvidence{pass, open}, Inconclusive},
		{"one clear block among passes", []MetricEvidence{pass, block, pass}, Block},
		{"a block alone needs no correction", []MetricEvidence{weak}, Block},
		{"a weak block among two does not survive Holm", []MetricEvidence{weak, pass}, Inconclusive},
		{"a block beside a metric with too few queries", []MetricEvidence{block, few}, Inconclusive},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run := DecideRun(tt.metrics, 0.05)
			require.Equal(t, tt.want, run.Verdict)
			require.Equal(t, tt.want == Pass, run.Deploy)
			require.Len(t, run.PBlockHolm, len(tt.metrics))
		})
	}
}

func TestAdjustedPValuesByHand(t *testing.T) {
	p := []float64{0.04, 0.01, 0.03, 0.9}
	requireAll(t, []float64{0.09, 0.04, 0.09, 0.9}, Holm(p))
	requireAll(t, []float64{0.16 / 3, 0.04, 0.16 / 3, 0.9}, BenjaminiHochberg(p))
	requireAll(t, []float64{0.16, 0.04, 0.12, 1}, Bonferroni(p))
	requireAll(t, []float64{1, 0.02}, Holm([]float64{math.NaN(), 0.01}))
	require.Empty(t, Holm(nil))
}

func requireAll(t *testing.T, want, got []float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.InDelta(t, want[i], got[i], 1e-12)
	}
}

func TestAdjustmentsAreOrderedByStrictness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOf(rapid.Float64Range(0, 1)).Draw(t, "p")
		holm, bh, bonferroni := Holm(p), BenjaminiHochberg(p), Bonferroni(p)
		for i := range p {
			require.LessOrEqual(t, p[i], bh[i]+1e-15)
			require.LessOrEqual(t, bh[i], holm[i]+1e-15)
			require.LessOrEqual(t, holm[i], bonferroni[i]+1e-15)
			require.LessOrEqual(t, bonferroni[i], 1.0)
			for j := range p {
				if p[i] < p[j] {
					require.LessOrEqual(t, holm[i], holm[j])
					require.LessOrEqual(t, bh[i], bh[j])
				}
			}
		}
	})
}
