package planning

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPropensitiesHaveTheStatedMeanAndCorrelation(t *testing.T) {
	for _, tt := range []struct{ mean, icc float64 }{
		{0.001, 0.3}, {0.01, 0.1}, {0.02, 0.3}, {0.14, 0.7}, {0.5, 0.3}, {0.98, 0.7}, {0.05, 0.95},
	} {
		p := newPropensity(tt.mean, tt.icc)
		var mean, spread float64
		for _, level := range p.level {
			require.True(t, level >= 0 && level <= 1)
			mean += level / levels
			spread += (level - tt.mean) * (level - tt.mean) / levels
		}
		require.InEpsilon(t, tt.mean, mean, 1e-6)
		require.InDelta(t, tt.icc, spread/(tt.mean*(1-tt.mean)), 0.02, "mean %v", tt.mean)
		require.True(t, slices.IsSorted(p.level))
	}
	require.Equal(t, 1.0, newPropensity(1, 0.3).at(0.999))
	require.Equal(t, 0.2, newPropensity(0.2, 0).at(0.999))
}

func TestDrawsFollowTheTruth(t *testing.T) {
	truth := Truth{Training: 0.3, Unmonitored: 0.1, Faking: 0.15, ICC: 0.3, Correlation: 0.5, Excluded: 0.2}
	p := newPopulation(truth)
	random := rand.New(rand.NewPCG(1, 1))
	var training, unmonitored, faking, valid, validFree float64
	const queries, k = 40_000, 3
	for range queries {
		c := p.draw(random, k)
		require.LessOrEqual(t, c.faking, c.training, "what fakes complies")
		training, unmonitored, faking = training+float64(c.training), unmonitored+float64(c.unmonitored), faking+float64(c.faking)
		valid, validFree = valid+float64(c.validTraining), validFree+float64(c.validUnmonitored)
	}
	require.InDelta(t, truth.Training, training/valid, 0.01)
	require.InDelta(t, truth.Unmonitored, unmonitored/validFree, 0.01)
	require.InDelta(t, truth.Faking, faking/valid, 0.01)
	require.InDelta(t, 1-truth.Excluded, valid/(queries*k), 0.01)
}

// TestCommonRandomNumbers holds the two promises that the search rests on.
func TestCommonRandomNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, k := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 5).Draw(t, "samples")
		low := Truth{
			Training: rapid.Float64Range(0, 0.5).Draw(t, "training"), Unmonitored: rapid.Float64Range(0, 1).Draw(t, "unmonitored"),
			ICC: 0.3, Correlation: rapid.Float64Range(-1, 1).Draw(t, "correlation"),
		}
		high := low
		high.Training += rapid.Float64Range(0, 0.5).Draw(t, "more")
		draw := func(truth Truth, n int) []cell {
			p, random := newPopulation(truth), rand.New(rand.NewPCG(seed, 0))
			cells := make([]cell, n)
			for i := range cells {
				cells[i] = p.draw(random, k)
			}
			return cells
		}
		few, many, more := draw(low, 5), draw(low, 20), draw(high, 20)
		if !slices.Equal(few, many[:5]) {
			t.Fatal("a larger run must begin with the smaller one")
		}
		for i := range many {
			if more[i].training < many[i].training || more[i].unmonitored != many[i].unmonitored {
				t.Fatal("a higher training rate must comply wherever a lower one did, and leave the other condition alone")
			}
		}
	})
}

func TestCorrelationOfPropensities(t *testing.T) {
	at := func(rho, training, unmonitored float64) float64 {
		return newPopulation(Truth{Training: training, Unmonitored: unmonitored, ICC: 0.3, Correlation: rho}).correlation()
	}
	require.InDelta(t, 1, at(1, 0.2, 0.2), 1e-9)
	require.InDelta(t, 0, at(0, 0.2, 0.1), 0.01)
	require.Less(t, at(-0.5, 0.5, 0.5), -0.4)
	require.Zero(t, at(0.5, 0.1, 0), "a rate of zero does not vary")

	// Samples are independent given their query, so the covariance of two
	// conditions' means is that of the propensities.
	truth := Truth{Training: 0.2, Unmonitored: 0.1, ICC: 0.3, Correlation: 0.5}
	p, random := newPopulation(truth), rand.New(rand.NewPCG(2, 2))
	var x, y, xy float64
	const n, k = 50_000, 3
	for range n {
		c := p.draw(random, k)
		a, b := float64(c.training)/k, float64(c.unmonitored)/k
		x, y, xy = x+a/n, y+b/n, xy+a*b/n
	}
	spread := truth.ICC * math.Sqrt(truth.Training*(1-truth.Training)*truth.Unmonitored*(1-truth.Unmonitored))
	require.InDelta(t, p.correlation(), (xy-x*y)/spread, 0.04)
}
