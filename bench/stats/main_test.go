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
		require.NoError(t, command(append([]string{"-quick", "-only", "gate", "-runs", "4"}, args...), &out))
		return out.String()
	}
	one := tables("-workers", "1")
	require.Equal(t, one, tables("-workers", "5"))
	require.NotEqual(t, one, tables("-seed", "2"))
	require.Equal(t, 1, strings.Count(one, "### "))
}

func TestEveryTableIsPrinted(t *testing.T) {
	for _, tt := range tables() {
		var out bytes.Buffer
		require.NoError(t, command([]string{"-quick", "-only", tt.name, "-runs", "1"}, &out))
		require.Equal(t, 1, strings.Count(out.String(), "### "), tt.name)
		require.NotContains(t, out.String(), "NaN", tt.name)
	}
}

func TestFlagsAreChecked(t *testing.T) {
	for _, args := range [][]string{{"-runs", "-1"}, {"-workers", "0"}, {"stray"}, {"-only", "guess"}, {"-unknown"}} {
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
