package stats

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestResamplingDependsOnTheSeedAlone(t *testing.T) {
	pairs := benchmarkPairs(200, 3)
	measure := func(workers int, seed uint64) (BootstrapGap, float64, float64) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(workers))
		boot, err := Bootstrap(pairs, BootstrapOptions{Alpha: 0.05, Resamples: 3210, Seed: seed})
		require.NoError(t, err)
		greater, twoSided := drawnSignFlip([]float64{0.3, 0.2, -0.1, 0.25, 0.3, -0.3}, SignFlipOptions{Resamples: 7_777, Seed: seed})
		return boot, greater, twoSided
	}
	boot, greater, twoSided := measure(1, 5)
	for _, workers := range []int{2, 3, 8} {
		b, g, s := measure(workers, 5)
		require.Equal(t, boot, b)
		require.Equal(t, greater, g)
		require.Equal(t, twoSided, s)
	}
	other, _, _ := measure(2, 6)
	require.NotEqual(t, boot.Percentile, other.Percentile)
}

func TestEveryResampleIsDrawnOnce(t *testing.T) {
	for _, total := range []int{0, 1, blockDraws - 1, blockDraws, blockDraws + 1, 5*blockDraws + 3} {
		drawn := make([]int, total)
		resample(total, 1, 2, func(from, to int, _ *rand.Rand) {
			for i := from; i < to; i++ {
				drawn[i]++
			}
		})
		for _, n := range drawn {
			require.Equal(t, 1, n)
		}
	}
}

func TestCoinsAreFair(t *testing.T) {
	tosses := coins{random: rand.New(rand.NewPCG(1, 1))}
	var heads, total int
	for i := range 2_000 {
		n := i % 200
		got := tosses.heads(n)
		require.LessOrEqual(t, got, n)
		heads += got
		total += n
	}
	require.InDelta(t, 0.5, float64(heads)/float64(total), 0.005)
}

func TestDrawnSignFlipAgreesWithTheExactTest(t *testing.T) {
	moving := []float64{0.5, 0.5, 0.5, -0.5, 1, 1, -1, 0.5, 0.5, 1}
	steps := make([]int64, len(moving))
	for i, d := range moving {
		steps[i] = int64(2 * d)
	}
	greater, twoSided, ok := exactSignFlip(steps)
	require.True(t, ok)
	drawnGreater, drawnTwoSided := drawnSignFlip(moving, SignFlipOptions{})
	require.InDelta(t, greater, drawnGreater, 0.005)
	require.InDelta(t, twoSided, drawnTwoSided, 0.006)
}
