package main

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTablesDependOnTheSeedOnly(t *testing.T) {
	tables := func(args ...string) string {
		var out bytes.Buffer
		require.NoError(t, command(append([]string{"-quick", "-only", "gate", "-runs", "4", "-fresh", "20"}, args...), &out))
		return out.String()
	}
	one := tables("-workers", "1")
	require.Equal(t, one, tables("-workers", "5"))
	require.NotEqual(t, one, tables("-seed", "2"))
	require.Equal(t, 2, strings.Count(one, "### "), "the table and its limits")
}

func TestEveryTableIsPrinted(t *testing.T) {
	for _, tt := range tables() {
		var out bytes.Buffer
		require.NoError(t, command([]string{"-quick", "-only", tt.name, "-runs", "1", "-fresh", "2"}, &out))
		require.GreaterOrEqual(t, strings.Count(out.String(), "### "), 1, tt.name)
		require.NotContains(t, out.String(), "NaN", tt.name)
	}
}

func TestFlagsAreChecked(t *testing.T) {
	for _, args := range [][]string{{"-runs", "-1"}, {"-workers", "0"}, {"-fresh", "-2"}, {"stray"}, {"-only", "guess"}, {"-unknown"}} {
		require.Error(t, command(args, &bytes.Buffer{}))
	}
	require.ErrorIs(t, command([]string{"-h"}, &bytes.Buffer{}), flag.ErrHelp)
}

func TestPropensitiesHaveTheStatedMeanAndCorrelation(t *testing.T) {
	for _, tt := range []struct{ mean, icc float64 }{{0.005, 0.1}, {0.02, 0.3}, {0.14, 0.7}, {0.5, 0.3}, {0.98, 0.7}} {
		p := newPropensity(tt.mean, tt.icc)
		require.InDelta(t, tt.mean, p.mean, 0.02*tt.mean+0.0005)
		var spread float64
		for _, level := range p.level {
			spread += (level - p.mean) * (level - p.mean) / levels
		}
		require.InDelta(t, tt.icc, spread/(p.mean*(1-p.mean)), 0.03)
	}
	require.Equal(t, 1.0, newPropensity(1, 0.3).at(0.999))
	// Shapes of .0004 and .43: nearly every query always refuses, one in a
	// thousand complies nearly always.
	rare := newPropensity(0.001, 0.7)
	require.Zero(t, rare.at(0.9))
	require.Greater(t, rare.at(0.9999), 0.9)
	require.InDelta(t, 0.001, rare.mean, 1e-4)
}

func TestSimulatedModelsShowTheirTrueGap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	p := truth{training: 0.2, unmonitored: 0.05, always: 0.1}.population(0.3)
	require.InDelta(t, 0.1+0.9*0.2-0.05, p.gap(), 0.001)
	var sum, samples float64
	for _, pair := range p.pairs(random, 20_000, 3) {
		sum += pair.Training.Sum - pair.Unmonitored.Sum
		samples += 3
	}
	require.InDelta(t, p.gap(), sum/samples, 0.01)
	moved := truth{training: 0.003, unmonitored: 0.001}.population(0.3).onThreshold()
	require.InDelta(t, threshold, moved.gap(), 1e-12)
}

func TestALimitIsBrokenOnlyBeyondSimulationError(t *testing.T) {
	for _, tt := range []struct {
		name    string
		f       finding
		outcome string
	}{
		{"below", finding{limit: limit{bound: 0.04}, share: 0.03, err: 0.001}, "holds"},
		{"at", finding{limit: limit{bound: 0.04}, share: 0.04, err: 0.001}, "holds"},
		{"a little above", finding{limit: limit{bound: 0.04}, share: 0.0425, err: 0.001}, "within simulation error"},
		{"far above", finding{limit: limit{bound: 0.04}, share: 0.0435, err: 0.001}, "BROKEN"},
		{"a floor kept", finding{limit: limit{bound: 0.55, least: true}, share: 0.6, err: 0.001}, "holds"},
		{"a floor broken", finding{limit: limit{bound: 0.55, least: true}, share: 0.5, err: 0.001}, "BROKEN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.outcome, tt.f.outcome())
		})
	}
}

func TestWorstCellsAreSimulatedAgain(t *testing.T) {
	truths := []truth{{name: "rare", training: 0.1}, {name: "common", training: 0.6}}
	designs := grid{queries: []int{5}, repeats: []int{1, 2, 3}, iccs: []float64{0.3}}.cross(truths)
	seen := make([]tally, len(designs))
	for i := range seen {
		seen[i] = tally{"event": float64(i)}
	}
	s := settings{runs: 10, fresh: 200, seed: 1, workers: 2}
	run := func(d design, random *rand.Rand, t tally) error {
		t.count("event", random.Float64() < truths[d.truth].training)
		return nil
	}
	for _, tt := range []struct {
		name   string
		limit  limit
		first  string
		broken bool
	}{
		{"most", limit{tally: "event", bound: 0.5, of: everyCell}, "common, 5 queries, 3 repeats, ICC 0.3", true},
		{"least", limit{tally: "event", bound: 0.5, least: true, of: everyCell}, "rare, 5 queries, 1 repeats, ICC 0.3", true},
		{"kept", limit{tally: "event", bound: 0.5, of: func(d design) bool { return d.truth == 0 }}, "rare, 5 queries, 3 repeats, ICC 0.3", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, err := recheck(s, 1, truths, designs, seen, []limit{tt.limit}, run)
			require.NoError(t, err)
			require.Equal(t, tt.first, found[0].cell)
			require.LessOrEqual(t, len(found), rechecked)
			_, broken := limitsTable("", found)
			require.Equal(t, tt.broken, broken)
		})
	}
}

func TestTheLargestOfManyReadsHigh(t *testing.T) {
	// Known means of the largest of m standard normals.
	for m, want := range map[int]float64{1: 0, 2: 0.5642, 6: 1.2672, 9: 1.4850} {
		require.InDelta(t, want, expectedLargest(m), 1e-3)
	}
}
