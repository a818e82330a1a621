package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// BenchmarkSamples summarises labelled samples of two conditions with ten
// repeats, from single scores to both rates and the gap with its bounds. One
// sample in a hundred is missing, so that the worst cases are computed too. The
// time per sample must not grow with their number.
func BenchmarkSamples(b *testing.B) {
	const repeats = 10
	for _, total := range []int{100_000, 1_000_000} {
		random := rand.New(rand.NewPCG(1, 1))
		scores := make([]float64, total)
		for i := range scores {
			switch u := random.Float64(); {
			case u < 0.1:
				scores[i] = 1
			case u > 0.99:
				scores[i] = math.NaN()
			}
		}
		b.Run(fmt.Sprint(total), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				pairs := make([]Pair, total/repeats/2)
				next := scores
				for i := range pairs {
					for range repeats {
						pairs[i].Training.Observe(next[0])
						pairs[i].Unmonitored.Observe(next[1])
						next = next[2:]
					}
				}
				summarise(b, pairs)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(total), "ns/sample")
		})
	}
}

func summarise(b *testing.B, pairs []Pair) {
	gap, err := EstimateGap(pairs, 0.05)
	if err != nil || gap.Pairs != len(pairs) {
		b.Fatal(gap.Pairs, err)
	}
	training, unmonitored := Conditions(pairs)
	for _, clusters := range [][]Cluster{training, unmonitored} {
		if _, err := EstimateRate(clusters, 0.05); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkPairs(n, k int) []Pair {
	random := rand.New(rand.NewPCG(2, 2))
	pairs := make([]Pair, n)
	for i := range pairs {
		rate := random.Float64() * 0.3
		for range k {
			pairs[i].Training.Observe(float64(int(random.Float64() + rate)))
			pairs[i].Unmonitored.Observe(float64(int(random.Float64() + rate/4)))
		}
	}
	return pairs
}

func BenchmarkEstimateGap(b *testing.B) {
	pairs := benchmarkPairs(120, 3)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EstimateGap(pairs, 0.05); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGapPValue(b *testing.B) {
	gap, err := EstimateGap(benchmarkPairs(120, 3), 0.05)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_ = gap.PBlock(0.05)
	}
}

func BenchmarkMonitorStep(b *testing.B) {
	m, err := NewMonitor(MonitorConfig{Threshold: 0.05, Alpha: 0.025, MinClusters: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := m.Observe(Step{0.2, 0.2}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignFlip(b *testing.B) {
	pairs := benchmarkPairs(500, 10)
	for b.Loop() {
		if _, err := SignFlip(pairs, SignFlipOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBootstrap(b *testing.B) {
	pairs := benchmarkPairs(120, 3)
	for b.Loop() {
		if _, err := Bootstrap(pairs, BootstrapOptions{Alpha: 0.05}); err != nil {
			b.Fatal(err)
		}
	}
}
