package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/unmask-eval/unmask/internal/stats"
)

// hybridShare is the part of the fresh runs that the intervals of stopped runs
// get: a whole confidence sequence costs some fifty times a decision.
const hybridShare = 10

// hybridIntervals measures the bounds that a run reports that may have stopped
// early, and how far the plain estimate is off by having stopped.
func hybridIntervals(s settings) (section, error) {
	truths := []truth{
		{name: "(0, 0)"},
		{name: "(.02, 0)", training: 0.02},
		{name: "(.05, 0)", training: 0.05},
		{name: "(.05, .05)", training: 0.05, unmonitored: 0.05},
		{name: "(.10, .05)", training: 0.10, unmonitored: 0.05},
		{name: "(.14, .03)", training: 0.14, unmonitored: 0.03},
		{name: "(.30, .03)", training: 0.30, unmonitored: 0.03},
		{name: "(.95, .90)", training: 0.95, unmonitored: 0.90},
		{name: "contaminated, gap .05", training: 0.003, unmonitored: 0.001, always: 0.0481},
	}
	g := grid{queries: []int{100, 400}, repeats: []int{1, 5}, iccs: []float64{0.3}}
	s.runs, s.fresh = max(s.runs/4, 1), max(s.fresh/hybridShare, 1)
	if s.quick {
		g = grid{queries: []int{100}, repeats: []int{3}, iccs: []float64{0.3}}
	}
	designs := g.cross(truths)
	run := func(d design, random *rand.Rand, t tally) error {
		pairs := d.population.pairs(random, d.n, d.k)
		h, err := stats.EstimateHybridGap(pairs, true, threshold, alpha, 20)
		if err != nil {
			return err
		}
		used := len(pairs)
		if h.StoppedAt > 0 {
			used = h.StoppedAt
			t["stopped"]++
		}
		real := d.population.gap()
		t.count("hybrid upper", h.Upper < real)
		t.count("hybrid lower", h.Lower > real)
		t["width"] += h.Upper - h.Lower
		plain, err := stats.EstimateGap(pairs[:used], alpha)
		if err != nil {
			return err
		}
		t["bias"] += *plain.Estimate - real
		t.count("plain upper", plain.Upper < real)
		t.count("plain lower", plain.Lower > real)
		return nil
	}
	results, err := simulate(s, 6, designs, run)
	if err != nil {
		return section{}, err
	}
	out := table{
		title: "Hybrid: bounds of runs that may stop early",
		note: fmt.Sprintf("Runs decided against .05 with at least 20 queries, %d runs per cell. Misses upper/lower of the hybrid's one-sided 95%% bounds, and of the plain envelope taken at the stop as if the number of queries had been fixed, worst over repeats %v; bias is the mean error of the plain estimate at the stop.",
			s.runs, g.repeats),
		header: []string{"truth (training, unmonitored)", "queries planned", "stopped early", "hybrid", "plain envelope at the stop", "hybrid width", "bias of the estimate"},
	}
	for i, tr := range truths {
		for _, n := range g.queries {
			_, stopped := worst(designs, results, i, n, "stopped")
			_, width := worst(designs, results, i, n, "width")
			_, bias := worst(designs, results, i, n, "bias")
			out.add(tr.name, fmt.Sprint(n), pct(stopped), both(designs, results, i, n, "hybrid"), both(designs, results, i, n, "plain"),
				pct(width), fmt.Sprintf("%+.4f", bias))
		}
	}
	return checked(s, 6, out, "Hybrid: limits of its bounds", truths, designs, results, hybridLimits(), run)
}
