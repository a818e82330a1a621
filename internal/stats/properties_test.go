package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawCluster draws a query with scores of 0, 1/2 and 1, some of them missing.
func drawCluster(t *rapid.T, propensity float64) Cluster {
	var c Cluster
	for range rapid.IntRange(0, 6).Draw(t, "planned") {
		switch u := rapid.Float64Range(0, 1).Draw(t, "u"); {
		case u < propensity:
			c.Observe(1)
		case u < propensity+0.05:
			c.Observe(0.5)
		case u > 0.95:
			c.Miss()
		default:
			c.Observe(0)
		}
	}
	return c
}

func drawPairs(t *rapid.T) []Pair {
	f := rapid.SampledFrom([]float64{0, 0.02, 0.2, 0.5, 0.9, 1}).Draw(t, "training rate")
	u := rapid.SampledFrom([]float64{0, 0.02, 0.2, 0.5, 0.9, 1}).Draw(t, "unmonitored rate")
	pairs := make([]Pair, rapid.IntRange(0, 25).Draw(t, "queries"))
	for i := range pairs {
		// Half of the queries always answer alike, which ties the conditions.
		if rapid.Bool().Draw(t, "tied") {
			pairs[i] = Pair{Training: drawCluster(t, f), Unmonitored: drawCluster(t, u)}
			continue
		}
		pairs[i].Training = drawCluster(t, math.Round(f))
		pairs[i].Unmonitored = drawCluster(t, math.Round(u))
	}
	return pairs
}

func drawAlpha(t *rapid.T) float64 {
	return rapid.SampledFrom([]float64{0.001, 0.01, 0.025, 0.05, 0.1, 0.5}).Draw(t, "alpha")
}

func mustGap(t require.TestingT, pairs []Pair, alpha float64) GapEstimate {
	est, err := EstimateGap(pairs, alpha)
	require.NoError(t, err)
	return est
}

func mustRate(t require.TestingT, clusters []Cluster, alpha float64) RateEstimate {
	est, err := EstimateRate(clusters, alpha)
	require.NoError(t, err)
	return est
}

func TestGapChangesSignWhenConditionsAreSwapped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs, alpha := drawPairs(t), drawAlpha(t)
		swapped := make([]Pair, len(pairs))
		for i, p := range pairs {
			swapped[i] = Pair{Training: p.Unmonitored, Unmonitored: p.Training}
		}
		a, b := mustGap(t, pairs, alpha), mustGap(t, swapped, alpha)
		require.InDelta(t, -a.CI.Hi, b.CI.Lo, 1e-9)
		require.InDelta(t, -a.CI.Lo, b.CI.Hi, 1e-9)
		require.InDelta(t, -a.Lower, b.Upper, 1e-9)
		if a.Estimate != nil {
			require.InDelta(t, -*a.Estimate, *b.Estimate, 1e-12)
		}
		tau := rapid.Float64Range(-0.9, 0.9).Draw(t, "tau")
		require.InDelta(t, a.PPass(tau), b.PBlock(-tau), 1e-9)
	})
}

func TestEstimatesDoNotDependOnTheOrderOfQueries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs, alpha := drawPairs(t), drawAlpha(t)
		shuffled := append([]Pair(nil), pairs...)
		seed := rapid.Uint64().Draw(t, "seed")
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		a, b := mustGap(t, pairs, alpha), mustGap(t, shuffled, alpha)
		require.InDelta(t, a.CI.Lo, b.CI.Lo, 1e-9)
		require.InDelta(t, a.CI.Hi, b.CI.Hi, 1e-9)
		require.InDelta(t, a.UpperWorstCase, b.UpperWorstCase, 1e-9)
	})
}

func TestIntervalsAreOrderedInsideTheRangeAndHoldTheEstimate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs, alpha := drawPairs(t), drawAlpha(t)
		gap := mustGap(t, pairs, alpha)
		requireOrdered(t, -1, gap.CI.Lo, gap.Lower, gap.Estimate, gap.Upper, gap.CI.Hi, 1)
		training, unmonitored := Conditions(pairs)
		for _, clusters := range [][]Cluster{training, unmonitored} {
			rate := mustRate(t, clusters, alpha)
			requireOrdered(t, 0, rate.CI.Lo, rate.Lower, rate.Estimate, rate.Upper, rate.CI.Hi, 1)
			if rate.EffectiveN != nil {
				require.GreaterOrEqual(t, *rate.EffectiveN, float64(rate.Clusters)-1e-9)
				require.LessOrEqual(t, *rate.EffectiveN, float64(rate.Samples)+1e-9)
			}
		}
	})
}

// requireOrdered demands floor <= lo <= lower <= estimate <= upper <= hi <= ceil.
func requireOrdered(t require.TestingT, floor, lo, lower float64, estimate *float64, upper, hi, ceil float64) {
	middle := (lower + upper) / 2
	if estimate != nil {
		middle = *estimate
	}
	chain := []float64{floor, lo, lower, middle, upper, hi, ceil}
	for i := 1; i < len(chain); i++ {
		require.False(t, math.IsNaN(chain[i]), "%v", chain)
		require.GreaterOrEqual(t, chain[i], chain[i-1]-1e-9, "%v", chain)
	}
}

func TestPooledRateIsTheWeightedMeanOfItsParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs := drawPairs(t)
		clusters, _ := Conditions(pairs)
		cut := rapid.IntRange(0, len(clusters)).Draw(t, "cut")
		whole := mustRate(t, clusters, 0.05)
		a, b := mustRate(t, clusters[:cut], 0.05), mustRate(t, clusters[cut:], 0.05)
		require.Equal(t, whole.Samples, a.Samples+b.Samples)
		require.Equal(t, whole.Missing, a.Missing+b.Missing)
		if whole.Pooled == nil {
			return
		}
		sum := value(a.Pooled)*float64(a.Samples) + value(b.Pooled)*float64(b.Samples)
		require.InDelta(t, *whole.Pooled, sum/float64(whole.Samples), 1e-12)
		mean := value(a.Estimate)*float64(a.Clusters) + value(b.Estimate)*float64(b.Clusters)
		require.InDelta(t, *whole.Estimate, mean/float64(whole.Clusters), 1e-12)
	})
}

func value(p *float64) float64 {
	if p == nil {
		return 0
	}
	return *p
}

// tie is the rounding that values computed in two ways may differ by.
const tie = 1e-8

func TestBoundsAndPValuesDecideAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs, alpha := drawPairs(t), drawAlpha(t)
		gap := mustGap(t, pairs, alpha)
		clusters, _ := Conditions(pairs)
		rate := mustRate(t, clusters, alpha)
		for _, tau := range []float64{
			rapid.Float64Range(-0.99, 0.99).Draw(t, "tau"),
			// On the bounds themselves, where rounding would decide.
			gap.Upper, gap.Lower, rate.Upper, rate.Lower,
		} {
			if tau > -1 && tau < 1 {
				require.Equal(t, gap.Upper < tau, gap.PPass(tau) < alpha)
				require.Equal(t, gap.Lower > tau, gap.PBlock(tau) < alpha)
			}
			if tau > 0 && tau < 1 {
				require.Equal(t, rate.Upper < tau, rate.PPass(tau) < alpha)
				require.Equal(t, rate.Lower > tau, rate.PBlock(tau) < alpha)
			}
		}
	})
}

func TestBoundsAreInvertedByPValues(t *testing.T) {
	// Agreement on the verdict must not hide that the inversion is wrong: away
	// from the bounds the p-values are those of the raw inversion.
	rapid.Check(t, func(t *rapid.T) {
		pairs, alpha := drawPairs(t), rapid.SampledFrom([]float64{0.001, 0.025, 0.05, 0.1}).Draw(t, "alpha")
		gap := mustGap(t, pairs, alpha)
		tau := rapid.Float64Range(-0.99, 0.99).Draw(t, "tau")
		if gap.Pairs < 3 {
			return
		}
		if math.Abs(gap.Upper-tau) > tie {
			require.InDelta(t, gap.evidence.pPass(tau), gap.PPass(tau), tie)
		}
		if math.Abs(gap.Lower-tau) > tie {
			require.InDelta(t, gap.evidence.pBlock(tau), gap.PBlock(tau), tie)
		}
	})
}

func TestPValuesFallAsTheThresholdLeavesTheEstimate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gap := mustGap(t, drawPairs(t), 0.05)
		a := rapid.Float64Range(-0.99, 0.99).Draw(t, "a")
		b := rapid.Float64Range(a, 0.99).Draw(t, "b")
		require.GreaterOrEqual(t, gap.PPass(a), gap.PPass(b)-tie)
		require.LessOrEqual(t, gap.PBlock(a), gap.PBlock(b)+tie)
	})
}

func TestOneMoreRefusedQueryNeverRaisesTheUpperBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Silence is the case that the gate lives on: nothing but refusals.
		n := rapid.IntRange(2, 400).Draw(t, "queries")
		k := rapid.IntRange(1, 10).Draw(t, "repeats")
		alpha := drawAlpha(t)
		pairs := make([]Pair, n+1)
		for i := range pairs {
			pairs[i].Training = Cluster{Valid: k, Planned: k}
			pairs[i].Unmonitored = Cluster{Valid: k, Planned: k}
		}
		require.LessOrEqual(t, mustGap(t, pairs, alpha).Upper, mustGap(t, pairs[:n], alpha).Upper+1e-12)
	})
}

func TestOneMoreCompliedTrainingSampleNeverLowersTheGap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs := drawPairs(t)
		if len(pairs) == 0 {
			return
		}
		i := rapid.IntRange(0, len(pairs)-1).Draw(t, "query")
		c := pairs[i].Training
		if !pairs[i].complete() || c.Sum > float64(c.Valid)-1 || c.SumSquares != c.Sum {
			return
		}
		before := mustGap(t, pairs, 0.05)
		pairs[i].Training.Sum++
		pairs[i].Training.SumSquares++
		after := mustGap(t, pairs, 0.05)
		require.Greater(t, *after.Estimate, *before.Estimate)
	})
}

func TestNamesAndOrderDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs, alpha := drawHoled(t), drawAlpha(t)
		other := make([]Pair, len(pairs))
		contrasts, reversed := make([]Contrast, len(pairs)), make([]Contrast, len(pairs))
		for i, p := range pairs {
			j := len(pairs) - 1 - i
			other[j] = p
			other[j].ID = fmt.Sprintf("renamed %d", i)
			contrasts[i] = Contrast{Candidate: p, Baseline: pairs[j]}
			reversed[j] = contrasts[i]
			reversed[j].ID = other[j].ID
		}
		a, b := mustGap(t, pairs, alpha), mustGap(t, other, alpha)
		require.InDelta(t, a.CI.Hi, b.CI.Hi, 1e-9)
		require.InDelta(t, a.UpperWorstCase, b.UpperWorstCase, 1e-9)
		require.InDelta(t, a.WorstCase().Lo, b.WorstCase().Lo, 1e-9)
		clusters, _ := Conditions(pairs)
		renamed, _ := Conditions(other)
		x, y := mustRate(t, clusters, alpha), mustRate(t, renamed, alpha)
		require.InDelta(t, x.CI.Lo, y.CI.Lo, 1e-9)
		require.InDelta(t, x.CI.Hi, y.CI.Hi, 1e-9)
		require.InDelta(t, x.UpperWorstCase, y.UpperWorstCase, 1e-9)
		change, again := mustChange(t, contrasts, alpha), mustChange(t, reversed, alpha)
		require.InDelta(t, change.Upper, again.Upper, 1e-9)
		require.InDelta(t, change.UpperWorstCase, again.UpperWorstCase, 1e-9)
		first, err := SignFlip(pairs, SignFlipOptions{ScoreDenominator: 2})
		require.NoError(t, err)
		second, err := SignFlip(other, SignFlipOptions{ScoreDenominator: 2})
		require.NoError(t, err)
		require.InDelta(t, first.PGreater, second.PGreater, 1e-12)
	})
}

func TestRateMirrorsWhenTheEventIsReversed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clusters, _ := Conditions(drawHoled(t))
		alpha := drawAlpha(t)
		reversed := make([]Cluster, len(clusters))
		for i, c := range clusters {
			n := float64(c.Valid)
			reversed[i] = Cluster{Sum: n - c.Sum, SumSquares: n - 2*c.Sum + c.SumSquares, Valid: c.Valid, Planned: c.Planned}
		}
		a, b := mustRate(t, clusters, alpha), mustRate(t, reversed, alpha)
		require.InDelta(t, 1-a.CI.Hi, b.CI.Lo, 1e-9)
		require.InDelta(t, 1-a.Upper, b.Lower, 1e-9)
		require.InDelta(t, 1-a.WorstCase().Hi, b.WorstCase().Lo, 1e-9)
	})
}

func TestASmallerErrorNeverNarrowsAnInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs := drawHoled(t)
		// MOVER limits can wobble at errors beyond 0.3 with a handful of queries.
		wide := rapid.Float64Range(1e-6, 0.2).Draw(t, "alpha")
		narrow := rapid.Float64Range(wide, 0.2).Draw(t, "larger alpha")
		a, b := mustGap(t, pairs, wide), mustGap(t, pairs, narrow)
		requireInside(t, b.CI, a.CI)
		requireInside(t, b.WorstCase(), a.WorstCase())
		require.GreaterOrEqual(t, a.UpperWorstCase, b.UpperWorstCase-1e-9)
		clusters, _ := Conditions(pairs)
		x, y := mustRate(t, clusters, wide), mustRate(t, clusters, narrow)
		requireInside(t, y.CI, x.CI)
		requireInside(t, y.WorstCase(), x.WorstCase())
	})
}

func TestTheSameEvidenceAgainNarrowsTheInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs, alpha := drawPairs(t), rapid.SampledFrom([]float64{0.01, 0.05, 0.1}).Draw(t, "alpha")
		width := func(i Interval) float64 { return i.Hi - i.Lo }
		once, twice := mustGap(t, pairs, alpha), mustGap(t, append(append([]Pair(nil), pairs...), pairs...), alpha)
		require.LessOrEqual(t, width(twice.CI), width(once.CI)+1e-9)
		clusters, _ := Conditions(pairs)
		a, b := mustRate(t, clusters, alpha), mustRate(t, append(append([]Cluster(nil), clusters...), clusters...), alpha)
		require.LessOrEqual(t, width(b.CI), width(a.CI)+1e-9)
	})
}

func TestEvidenceForAPassFallsWithEveryHigherStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1, 1), 1, 40).Draw(t, "d")
		i := rapid.IntRange(0, len(values)-1).Draw(t, "query")
		higher := rapid.Float64Range(values[i], 1).Draw(t, "higher")
		a, b := mustMonitor(t, fivePoints), mustMonitor(t, fivePoints)
		for j, d := range values {
			_, err := a.Observe(Step{d, d})
			require.NoError(t, err)
			if j == i {
				d = higher
			}
			_, err = b.Observe(Step{d, d})
			require.NoError(t, err)
		}
		require.LessOrEqual(t, b.LogEPass(), a.LogEPass()+1e-9)
		require.GreaterOrEqual(t, b.LogEBlock(), a.LogEBlock()-1e-9)
	})
}
