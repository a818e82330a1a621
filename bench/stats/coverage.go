package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/unmask-eval/unmask/internal/stats"
)

// alpha is the one-sided error of every bound in these tables.
const alpha = 0.05

// grid is what a truth is crossed with.
type grid struct {
	queries, repeats []int
	iccs             []float64
}

func (s settings) grid() grid {
	if s.quick {
		return grid{queries: []int{50, 200}, repeats: []int{1, 5}, iccs: []float64{0.3}}
	}
	return grid{queries: []int{20, 50, 100, 200, 500}, repeats: []int{1, 3, 10}, iccs: []float64{0.1, 0.3, 0.7}}
}

// design is one cell of a coverage table.
type design struct {
	truth, n, k int
	icc         float64
	population  population
}

func (g grid) cross(truths []truth) []design {
	var out []design
	for i, t := range truths {
		for _, icc := range g.iccs {
			p := t.population(icc)
			for _, n := range g.queries {
				for _, k := range g.repeats {
					out = append(out, design{truth: i, n: n, k: k, icc: icc, population: p})
				}
			}
		}
	}
	return out
}

// worst finds the largest value of a tally over the cells of a truth and n, and
// mean its average.
func worst(designs []design, results []tally, truth, n int, name string) (largest, mean float64) {
	var count float64
	for i, d := range designs {
		if d.truth == truth && d.n == n {
			largest = math.Max(largest, results[i][name])
			mean += results[i][name]
			count++
		}
	}
	return largest, mean / count
}

func rateCoverage(s settings) (section, error) {
	var truths []truth
	for _, rate := range []float64{0, 0.005, 0.02, 0.05, 0.14, 0.5, 0.98} {
		truths = append(truths, truth{name: fmt.Sprintf("%.3g", rate), training: rate})
	}
	truths = append(truths, truth{name: "contaminated .04", training: 0.002, always: 0.038})
	g := s.grid()
	designs := g.cross(truths)
	run := func(d design, random *rand.Rand, t tally) error {
		clusters, _ := stats.Conditions(d.population.pairs(random, d.n, d.k))
		est, err := stats.EstimateRate(clusters, alpha)
		if err != nil {
			return err
		}
		real := d.population.trainingRate()
		t.count("envelope upper", est.Upper < real)
		t.count("envelope lower", est.Lower > real)
		t["width"] += est.Upper - est.Lower
		half := quantileT(d.n) * *est.SE
		t.count("t upper", *est.Estimate+half < real)
		t.count("t lower", *est.Estimate-half > real)
		var sum int
		for _, c := range clusters {
			sum += int(c.Sum)
		}
		wilson := stats.Wilson(sum, d.n*d.k, 2*alpha)
		t.count("wilson upper", wilson.Hi < real)
		t.count("wilson lower", wilson.Lo > real)
		return nil
	}
	results, err := simulate(s, 1, designs, run)
	if err != nil {
		return section{}, err
	}
	out := table{
		title: "One rate: worst one-sided misses",
		note: fmt.Sprintf("Share of %d runs in which a one-sided 95%% bound misses the true rate (nominal .050), upper/lower, worst over repeats %v and ICC %v. The width is that of the 90%% envelope, mean over the same cells. %s",
			s.runs, g.repeats, g.iccs, s.bias(len(g.repeats)*len(g.iccs))),
		header: []string{"true rate", "queries", "samples as units (Wilson)", "cluster t", "envelope", "envelope width"},
	}
	for i, tr := range truths {
		for _, n := range g.queries {
			_, width := worst(designs, results, i, n, "width")
			out.add(tr.name, fmt.Sprint(n), both(designs, results, i, n, "wilson"), both(designs, results, i, n, "t"),
				both(designs, results, i, n, "envelope"), pct(width))
		}
	}
	return checked(s, 1, out, "Rate: limits", truths, designs, results, rateLimits(), run)
}

func both(designs []design, results []tally, truth, n int, method string) string {
	upper, _ := worst(designs, results, truth, n, method+" upper")
	lower, _ := worst(designs, results, truth, n, method+" lower")
	return pct(upper) + "/" + pct(lower)
}

func quantileT(n int) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 1)}.Quantile(1 - alpha)
}

func gapCoverage(s settings) (section, error) {
	truths := []truth{
		{name: "(0, 0)"},
		{name: "(.005, 0)", training: 0.005},
		{name: "(.02, 0)", training: 0.02},
		{name: "(.05, 0)", training: 0.05},
		{name: "(.055, .005)", training: 0.055, unmonitored: 0.005},
		{name: "(.05, .05)", training: 0.05, unmonitored: 0.05},
		{name: "(.14, .03)", training: 0.14, unmonitored: 0.03},
		{name: "(.3, .3)", training: 0.3, unmonitored: 0.3},
		{name: "(.35, .05)", training: 0.35, unmonitored: 0.05},
		{name: "(.3, 0)", training: 0.3},
		{name: "contaminated, gap .025", training: 0.002, unmonitored: 0.001, always: 0.024},
		{name: "contaminated, gap .05", training: 0.01, unmonitored: 0.005, always: 0.0454},
		{name: "contaminated, gap .04", training: 0.004, unmonitored: 0.002, always: 0.038},
	}
	g := s.grid()
	designs := g.cross(truths)
	run := func(d design, random *rand.Rand, t tally) error {
		est, err := stats.EstimateGap(d.population.pairs(random, d.n, d.k), alpha)
		if err != nil {
			return err
		}
		real := d.population.gap()
		t.count("envelope upper", est.Upper < real)
		t.count("envelope lower", est.Lower > real)
		half := quantileT(d.n) * *est.SE
		t.count("t upper", *est.Estimate+half < real)
		t.count("t lower", *est.Estimate-half > real)
		t["above"] += est.Upper - *est.Estimate
		return nil
	}
	results, err := simulate(s, 2, designs, run)
	if err != nil {
		return section{}, err
	}
	out := table{
		title: "Paired gap: worst one-sided misses",
		note: fmt.Sprintf("Share of %d runs in which a one-sided 95%% bound misses the true gap, upper/lower, worst over repeats %v and ICC %v. An upper miss is what lets a bad model pass. The last column is the mean distance of the envelope's upper bound from the estimate. %s",
			s.runs, g.repeats, g.iccs, s.bias(len(g.repeats)*len(g.iccs))),
		header: []string{"truth (training, unmonitored)", "queries", "cluster t", "envelope", "upper - estimate"},
	}
	for i, tr := range truths {
		for _, n := range g.queries {
			_, above := worst(designs, results, i, n, "above")
			out.add(tr.name, fmt.Sprint(n), both(designs, results, i, n, "t"), both(designs, results, i, n, "envelope"), pct(above))
		}
	}
	return checked(s, 2, out, "Paired gap: limits", truths, designs, results, gapLimits(truths), run)
}
