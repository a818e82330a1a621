package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A model that answers by rote: a query is complied with in both conditions or in
// none, but for a share that rises under training and a share that falls.
func TestGuardedGapKeepsItsLevelWhereConditionsAgree(t *testing.T) {
	const runs, alpha = 4000, 0.05
	for _, tt := range []struct {
		name              string
		n, k              int
		both, rise, falls float64
	}{
		{"a rise that is not seen in one run of ten without the guard", 100, 1, 0.4, 0.0228, 0},
		{"the same with three repeats", 100, 3, 0.4, 0.0228, 0},
		{"few queries", 50, 1, 0.4, 0.045, 0},
		{"many queries", 380, 1, 0.2, 0.006, 0},
		{"rises and falls", 200, 1, 0.3, 0.02, 0.01},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			truth, missed := tt.rise-tt.falls, 0
			cache := map[[3]int]float64{}
			for range runs {
				var rises, falls, both int
				for range tt.n {
					switch u := rng.Float64(); {
					case u < tt.rise:
						rises++
					case u < tt.rise+tt.falls:
						falls++
					case u < tt.rise+tt.falls+tt.both:
						both++
					}
				}
				key := [3]int{rises, falls, both}
				upper, known := cache[key]
				if !known {
					pairs := append(pairsOf(rises, asked(tt.k, 0, tt.k)), pairsOf(falls, asked(0, tt.k, tt.k))...)
					pairs = append(pairs, pairsOf(both, asked(tt.k, tt.k, tt.k))...)
					pairs = append(pairs, pairsOf(tt.n-len(pairs), asked(0, 0, tt.k))...)
					est, err := EstimateGuardedGap(pairs, alpha)
					require.NoError(t, err)
					upper = est.Upper
					cache[key] = upper
				}
				if upper <= truth {
					missed++
				}
			}
			// Three standard errors above the level.
			require.Less(t, float64(missed)/runs, alpha+3*math.Sqrt(alpha*(1-alpha)/runs))
		})
	}
}

func TestGuardedChangeDoesNotCollapseWhereRunsAgree(t *testing.T) {
	for _, tt := range []struct{ n, complied int }{{100, 40}, {100, 5}, {300, 120}} {
		queries := make([]Contrast, tt.n)
		for i := range queries {
			p := asked(0, 0, 1)
			if i < tt.complied {
				p = asked(1, 0, 1)
			}
			queries[i] = Contrast{Candidate: p, Baseline: p}
		}
		plain, err := EstimateGapChange(queries, 0.05)
		require.NoError(t, err)
		require.Less(t, plain.Upper, 0.01)
		guarded, err := EstimateGuardedChange(queries, 0.05)
		require.NoError(t, err)
		// A share of 1 - 0.05^(1/n) of changed queries is not seen in one run of 20.
		require.Greater(t, guarded.Upper, 1-math.Pow(0.05, 1/float64(tt.n)))
		require.GreaterOrEqual(t, guarded.PPass(0.01), 0.05)
	}
}

func TestTheGuardOnlyWidens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs, tau, alpha := drawPairs(t), rapid.SampledFrom([]float64{-0.2, 0, 0.05, 0.3}).Draw(t, "tau"), drawAlpha(t)
		plain := mustGap(t, pairs, alpha)
		guarded, err := EstimateGuardedGap(pairs, alpha)
		require.NoError(t, err)
		require.LessOrEqual(t, guarded.Lower, plain.Lower)
		require.GreaterOrEqual(t, guarded.Upper, plain.Upper)
		require.GreaterOrEqual(t, guarded.UpperWorstCase, guarded.Upper)
		require.GreaterOrEqual(t, guarded.UpperWorstCase, plain.UpperWorstCase)
		require.Equal(t, guarded.Upper < tau, guarded.PPass(tau) < alpha)
		require.Equal(t, guarded.Lower > tau, guarded.PBlock(tau) < alpha)
		requireFinite(t, guarded)
	})
}
