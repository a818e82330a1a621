package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func mustHybrid(t require.TestingT, ordered []Pair, complete bool, tau, alpha float64, minimum int) Hybrid {
	h, err := EstimateHybridGap(ordered, complete, tau, alpha, minimum)
	require.NoError(t, err)
	return h
}

func TestHybridGap(t *testing.T) {
	const tau, alpha = 0.05, 0.05
	mixed := append(pairsOf(90, asked(0, 0, 3)), pairsOf(10, asked(1, 0, 3))...)
	holed := pairsOf(99, asked(0, 0, 3))
	for i := range 20 {
		holed[5*i].Training = Cluster{Valid: 1, Planned: 3}
	}
	for _, tt := range []struct {
		name     string
		ordered  []Pair
		complete bool
		minimum  int
		early    Verdict
		stopped  int
		decision Decision
	}{
		{"silence passes at the 98th query", pairsOf(300, asked(0, 0, 3)), false, 50, Pass, 98, Decision{Pass, ReasonBelowThreshold}},
		{"one query less goes on", pairsOf(97, asked(0, 0, 3)), false, 50, Inconclusive, 0, Decision{Inconclusive, ReasonSpansThreshold}},
		{"one query less passes at the final look", pairsOf(97, asked(0, 0, 3)), true, 50, Inconclusive, 0, Decision{Pass, ReasonBelowThreshold}},
		{"a full gap blocks at once", pairsOf(60, asked(3, 0, 3)), false, 1, Block, 8, Decision{Block, ReasonAboveThreshold}},
		{"but not before the minimum", pairsOf(60, asked(3, 0, 3)), false, 50, Block, 50, Decision{Block, ReasonAboveThreshold}},
		{"too few queries decide nothing", pairsOf(40, asked(3, 0, 3)), true, 50, Inconclusive, 0, Decision{Inconclusive, ReasonTooFewClusters}},
		{"near the threshold nothing is decided", mixed, true, 50, Inconclusive, 0, Decision{Inconclusive, ReasonSpansThreshold}},
		{"missing samples forbid a pass", holed, true, 50, Inconclusive, 0, Decision{Inconclusive, ReasonMissingData}},
		{"no query", nil, true, 1, Inconclusive, 0, Decision{Inconclusive, ReasonTooFewClusters}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := mustHybrid(t, tt.ordered, tt.complete, tau, alpha, tt.minimum)
			require.Equal(t, tt.early, h.Early)
			require.Equal(t, tt.stopped, h.StoppedAt)
			require.Equal(t, len(tt.ordered), h.Steps)
			require.Equal(t, tt.decision, Decide(h.Bounds, tau, tt.minimum))
			require.Equal(t, tt.complete, h.Final != nil)
		})
	}
}

func TestHybridRate(t *testing.T) {
	h, err := EstimateHybridRate(times(400, repeats(0, 2)), false, 0.1, 0.05, 20)
	require.NoError(t, err)
	require.Equal(t, Pass, h.Early)
	require.Less(t, h.StoppedAt, 60)
	require.Zero(t, h.Lower)
	require.Equal(t, Pass, Decide(h.Bounds, 0.1, 20).Verdict)

	h, err = EstimateHybridRate(times(40, repeats(0, 2)), true, 0.1, 0.05, 20)
	require.NoError(t, err)
	require.NotNil(t, h.Final)
	require.Equal(t, Pass, Decide(h.Bounds, 0.1, 20).Verdict)
	require.Less(t, h.PPass, 0.05)
}

func TestHybridRefusesBadInput(t *testing.T) {
	for _, tt := range []struct {
		name       string
		pairs      []Pair
		tau, alpha float64
		field      string
	}{
		{"alpha of zero", nil, 0.05, 0, "alpha"},
		{"alpha above a half", nil, 0.05, 0.6, "alpha"},
		{"alpha too small to halve", nil, 0.05, 1e-12, "alpha"},
		{"alpha not a number", nil, 0.05, math.NaN(), "alpha"},
		{"threshold out of range", nil, 1, 0.05, "threshold"},
		{"query listed twice", []Pair{{ID: "q"}, {ID: "q"}}, 0.05, 0.05, `pair "q"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := EstimateHybridGap(tt.pairs, true, tt.tau, tt.alpha, 1)
			var input *InputError
			require.ErrorAs(t, err, &input)
			require.Equal(t, tt.field, input.Field)
		})
	}
	_, err := EstimateHybridRate([]Cluster{{Valid: 2, Planned: 1}}, true, 0.05, 0.05, 1)
	require.ErrorContains(t, err, "cluster 0")
	_, err = EstimateHybridRate(nil, true, 0, 0.05, 1)
	require.ErrorContains(t, err, "threshold")
}

// drawOrdered draws enough queries for a threshold to be crossed now and then.
func drawOrdered(t *rapid.T) (pairs []Pair, tau, alpha float64, minimum int) {
	pairs = drawPairs(t)
	if len(pairs) > 0 {
		for range rapid.IntRange(0, 3).Draw(t, "doublings") {
			pairs = append(pairs, pairs...)
		}
	}
	tau = rapid.SampledFrom([]float64{-0.5, 0, 0.02, 0.05, 0.2, 0.5, 0.9}).Draw(t, "tau")
	return pairs, tau, drawAlpha(t), rapid.IntRange(0, 40).Draw(t, "minimum")
}

// replay is the hybrid design written out with the public parts.
func replay(t *rapid.T, pairs []Pair, tau, alpha float64, minimum int) (verdict Verdict, stopped int, running Interval) {
	config := MonitorConfig{Threshold: tau, Alpha: alpha / 2, MinClusters: minimum}
	monitor := mustMonitor(t, config)
	sequence, err := NewConfidenceSequence(config)
	require.NoError(t, err)
	for _, p := range pairs {
		s, ok := GapStep(p)
		if !ok {
			continue
		}
		require.NoError(t, sequence.Observe(s))
		_, err := monitor.Observe(s)
		require.NoError(t, err)
	}
	return monitor.Verdict(), monitor.Stopped(), sequence.Running()
}

func TestHybridDecidesLikeTheMonitorAndTheFinalLook(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs, tau, alpha, minimum := drawOrdered(t)
		verdict, stopped, running := replay(t, pairs, tau, alpha, minimum)
		h := mustHybrid(t, pairs, false, tau, alpha, minimum)
		require.Equal(t, stopped, h.StoppedAt)
		require.Equal(t, verdict, h.Early)
		whole := mustHybrid(t, pairs, true, tau, alpha, minimum)
		guarded, err := EstimateGuardedGap(pairs, alpha/2)
		require.NoError(t, err)
		last := Decide(guarded.Bounds(), tau, minimum).Verdict
		consistent := running.Lo <= running.Hi
		if consistent {
			require.Equal(t, verdict, Decide(h.Bounds, tau, minimum).Verdict)
		}
		if minimum <= 1 && consistent {
			require.InDelta(t, running.Lo, h.Sequence.Lo, 1e-9)
			require.InDelta(t, running.Hi, h.Sequence.Hi, 1e-9)
		}
		if verdict == Inconclusive {
			require.Equal(t, last, Decide(whole.Bounds, tau, minimum).Verdict)
		}
		requireFinite(t, h)
		requireFinite(t, whole)
	})
}

func TestHybridBoundsAndPValuesAgreeAndNeverCross(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs, tau, alpha, minimum := drawOrdered(t)
		h := mustHybrid(t, pairs, true, tau, alpha, minimum)
		requireSound(t, h, -1)
		clusters, _ := Conditions(pairs)
		rate, err := EstimateHybridRate(clusters, true, (tau+1)/2, alpha, minimum)
		require.NoError(t, err)
		requireSound(t, rate, 0)
	})
}

func requireSound(t *rapid.T, h Hybrid, floor float64) {
	require.Equal(t, h.Upper < h.Threshold, h.PPass < h.Alpha, "%+v", h)
	require.Equal(t, h.Lower > h.Threshold, h.PBlock < h.Alpha, "%+v", h)
	require.False(t, h.Upper < h.Threshold && h.Lower > h.Threshold, "%+v", h)
	for _, p := range []float64{h.PPass, h.PBlock} {
		require.True(t, p >= 0 && p <= 1, "%+v", h)
	}
	chain := []float64{floor, h.Lower, h.Upper, h.UpperWorstCase, 1}
	for i := 1; i < len(chain); i++ {
		require.GreaterOrEqual(t, chain[i], chain[i-1], "%+v", h)
	}
}

func TestHybridChangesSignWhenConditionsAreSwapped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs, tau, alpha, minimum := drawOrdered(t)
		swapped := make([]Pair, len(pairs))
		for i, p := range pairs {
			swapped[i] = Pair{Training: p.Unmonitored, Unmonitored: p.Training}
		}
		a, b := mustHybrid(t, pairs, true, tau, alpha, minimum), mustHybrid(t, swapped, true, -tau, alpha, minimum)
		require.Equal(t, a.StoppedAt, b.StoppedAt)
		require.InDelta(t, -a.Lower, b.Upper, 1e-9)
		require.InDelta(t, -a.Upper, b.Lower, 1e-9)
		require.InDelta(t, a.PPass, b.PBlock, 1e-9)
	})
}

func TestHybridDependsOnNothingButTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs, tau, alpha, minimum := drawOrdered(t)
		h := mustHybrid(t, pairs, true, tau, alpha, minimum)
		relabelled := append([]Pair(nil), pairs...)
		for i := range relabelled {
			relabelled[i].ID = fmt.Sprint(len(pairs) - i)
		}
		require.Equal(t, h, mustHybrid(t, relabelled, true, tau, alpha, minimum), "names do not matter")
		shuffled := append([]Pair(nil), pairs...)
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		other := mustHybrid(t, shuffled, true, tau, alpha, minimum)
		require.InDelta(t, h.Final.Upper, other.Final.Upper, 1e-9, "the final look knows no order")
		require.InDelta(t, h.Final.Lower, other.Final.Lower, 1e-9)
	})
}

func TestHybridEvidenceGrowsPastTheStop(t *testing.T) {
	// A correction for several comparisons asks for more than the level at which
	// a single one stops.
	h := mustHybrid(t, pairsOf(12, asked(3, 0, 3)), false, 0.05, 0.05, 1)
	more := mustHybrid(t, pairsOf(40, asked(3, 0, 3)), false, 0.05, 0.05, 1)
	require.Equal(t, h.StoppedAt, more.StoppedAt)
	require.Less(t, more.PBlock, h.PBlock/1000)
	require.Greater(t, more.Lower, h.Lower)
}

func BenchmarkHybridGap(b *testing.B) {
	for _, n := range []int{500, 5_000, 50_000} {
		pairs := benchmarkPairs(n, 3)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := EstimateHybridGap(pairs, true, 0.11, 0.05, 50); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/query")
		})
	}
}
