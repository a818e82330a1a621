package stats

import (
	"math"
	"slices"
)

// Holm returns step-down adjusted p-values in input order (Holm 1979). They
// control the chance of any false rejection under every dependence, so they suit
// release decisions. A value outside [0, 1], or NaN, counts as 1.
func Holm(p []float64) []float64 {
	m := len(p)
	return adjust(p, func(ordered []float64) {
		running := 0.0
		for rank, v := range ordered {
			running = math.Max(running, math.Min(1, float64(m-rank)*v))
			ordered[rank] = running
		}
	})
}

// BenjaminiHochberg returns step-up adjusted p-values in input order (Benjamini
// & Hochberg 1995). They control the share of false discoveries under positive
// dependence: for exploring scenarios, not for clearing a release. A value
// outside [0, 1], or NaN, counts as 1.
func BenjaminiHochberg(p []float64) []float64 {
	m := len(p)
	return adjust(p, func(ordered []float64) {
		running := 1.0
		for rank := m - 1; rank >= 0; rank-- {
			running = math.Min(running, float64(m)*ordered[rank]/float64(rank+1))
			ordered[rank] = running
		}
	})
}

// Bonferroni returns the p-values times their number, capped at 1. A value
// outside [0, 1], or NaN, counts as 1.
func Bonferroni(p []float64) []float64 {
	m := float64(len(p))
	return adjust(p, func(ordered []float64) {
		for i, v := range ordered {
			ordered[i] = math.Min(1, m*v)
		}
	})
}

// adjust sorts the values, lets step rewrite them and restores the input order.
func adjust(p []float64, step func(ordered []float64)) []float64 {
	order := make([]int, len(p))
	clean := make([]float64, len(p))
	for i, v := range p {
		order[i] = i
		clean[i] = v
		if !(v >= 0 && v <= 1) {
			clean[i] = 1
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case clean[a] < clean[b]:
			return -1
		case clean[a] > clean[b]:
			return 1
		default:
			return 0
		}
	})
	ordered := make([]float64, len(p))
	for rank, i := range order {
		ordered[rank] = clean[i]
	}
	step(ordered)
	out := make([]float64, len(p))
	for rank, i := range order {
		out[i] = ordered[rank]
	}
	return out
}
