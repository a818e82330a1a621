package stats

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkMillionSamples summarises one million labelled samples of 50,000
// queries under two conditions, from single scores to the gap with its bounds.
func BenchmarkMillionSamples(b *testing.B) {
	const queries, repeats = 50_000, 10
	random := rand.New(rand.NewPCG(1, 1))
	scores := make([]float64, queries*repeats*2)
	for i := range scores {
		if random.Float64() < 0.1 {
			scores[i] = 1
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		pairs := make([]Pair, queries)
		next := scores
		for i := range pairs {
			for range repeats {
				pairs[i].Training.Observe(next[0])
				pairs[i].Unmonitored.Observe(next[1])
				next = next[2:]
			}
		}
		gap, err := EstimateGap(pairs, 0.05)
		if err != nil || gap.Pairs != queries {
			b.Fatal(gap.Pairs, err)
		}
		training, unmonitored := Conditions(pairs)
		for _, clusters := range [][]Cluster{training, unmonitored} {
			if _, err := EstimateRate(clusters, 0.05); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(scores))*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
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
