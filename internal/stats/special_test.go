package stats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mathext"
	"pgregory.net/rapid"
)

func TestBetaQuantileInvertsDistribution(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := math.Pow(10, rapid.Float64Range(-15, math.Log10(0.5)).Draw(t, "log10 a"))
		u := math.Pow(10, rapid.Float64Range(-2, 5).Draw(t, "log10 u"))
		v := 1 + math.Pow(10, rapid.Float64Range(-3, 5).Draw(t, "log10 v"))
		q := betaQuantile(a, u, v)
		require.GreaterOrEqual(t, q, 0.0)
		require.LessOrEqual(t, q, 1.0)
		if q < 1e-290 || 1-q < 1e-9 {
			return // the distribution function is not resolved there
		}
		require.InEpsilon(t, a, mathext.RegIncBeta(u, v, q), 1e-6)
	})
}

func TestStudentQuantileInvertsTail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := math.Pow(10, rapid.Float64Range(-12, math.Log10(0.499)).Draw(t, "log10 a"))
		v := float64(rapid.IntRange(1, 100000).Draw(t, "v"))
		require.InEpsilon(t, a, studentTail(studentQuantile(a, v), v), 1e-7)
	})
}

// Reference values come from 30-digit arithmetic.
func TestKnownQuantiles(t *testing.T) {
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"t, 1 degree of freedom, 2.5%", studentQuantile(0.025, 1), 12.706204736174698},
		{"t, 9 degrees of freedom, 5%", studentQuantile(0.05, 9), 1.8331129326562368},
		{"t, one million degrees of freedom is nearly normal", studentQuantile(0.05, 1e6), 1.6448551},
		{"t at one half", studentQuantile(0.5, 7), 0},
		{"beta with u = 1 has a closed form", betaQuantile(0.05, 1, 59), 1 - math.Pow(0.95, 1.0/59)},
		{"beta with v = 1 has a closed form", betaQuantile(0.05, 59, 1), math.Pow(0.05, 1.0/59)},
		{"beta far below one event", betaQuantile(0.05, 0.01, 1), math.Pow(0.05, 100)},
		{"beta at error 1e-15", betaQuantile(1e-15, 20, 1), math.Pow(1e-15, 1.0/20)},
		{"beta with real parameters", betaQuantile(0.025, 3.7, 59.4), 0.015370919342442},
		{"beta in the far tail", betaQuantile(1e-10, 250.5, 12.25), 0.82602589867044},
		{"beta with a singular density", betaQuantile(0.05, 0.3, 80), 4.0314059777846e-7},
		{"normal", normalQuantile(0.975), 1.959963984540054},
		{"lower tail of t", studentTail(-2, 5), 1 - studentTail(2, 5)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.InDelta(t, tt.want, tt.got, 1e-7*math.Max(math.Abs(tt.want), 1e-100)+1e-300)
		})
	}
}

// betaSeries is the Beta(u, n) distribution function for a whole n, a finite sum
// of positive terms.
func betaSeries(q, u float64, n int) float64 {
	term, sum := 1.0, 0.0
	for j := range n {
		sum += term
		term *= (u + float64(j)) / float64(j+1) * (1 - q)
	}
	return math.Pow(q, u) * sum
}

// Quantile functions that iterate on q fail at shapes far below 1, which rates of
// one sample in a million reach.
func TestBetaQuantileAtTinyShapes(t *testing.T) {
	for _, u := range []float64{1e-9, 1e-6, 4e-4, 2e-3, 3e-3, 0.02, 0.3, 1} {
		for _, n := range []int{1, 2, 7, 60, 500} {
			for _, q := range []float64{1e-250, 1e-30, 1e-3, 0.2, 0.9} {
				require.InEpsilon(t, betaSeries(q, u, n), betaTail(q, u, float64(n)), 1e-9, "u %v, v %v, q %v", u, n, q)
			}
			for _, a := range []float64{0.5, 0.05, 1e-4, 1e-12} {
				q := betaQuantile(a, u, float64(n))
				if q > 1e-290 {
					require.InEpsilon(t, a, betaSeries(q, u, n), 1e-7, "u %v, v %v, a %v", u, n, a)
					continue
				}
				require.GreaterOrEqual(t, betaSeries(1e-290, u, n), a*(1-1e-6), "the quantile is as good as zero")
			}
		}
	}
}
