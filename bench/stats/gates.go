package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/unmask-eval/unmask/internal/stats"
)

// threshold is the gap that every simulated gate decides against.
const threshold = 0.05

// decide takes both decisions on one simulated run: the fixed design at alpha,
// and the hybrid that may stop early at alpha/2 and takes its final look at
// alpha/2.
func decide(d design, random *rand.Rand, t tally) error {
	pairs := d.population.pairs(random, d.n, d.k)
	fixed, err := stats.EstimateGap(pairs, alpha)
	if err != nil {
		return err
	}
	verdict := stats.Decide(fixed.Bounds(), threshold, 1).Verdict
	t.count("fixed PASS", verdict == stats.Pass)
	t.count("fixed BLOCK", verdict == stats.Block)
	monitor, err := stats.NewMonitor(stats.MonitorConfig{Quantity: stats.Gap, Threshold: threshold, Alpha: alpha / 2})
	if err != nil {
		return err
	}
	used := len(pairs)
	for i, p := range pairs {
		step, _ := stats.GapStep(p)
		if verdict, err = monitor.Observe(step); err != nil {
			return err
		}
		if verdict != stats.Inconclusive {
			used = i + 1
			break
		}
	}
	if verdict == stats.Inconclusive {
		final, err := stats.EstimateGap(pairs, alpha/2)
		if err != nil {
			return err
		}
		verdict = stats.Decide(final.Bounds(), threshold, 1).Verdict
	}
	t.count("hybrid PASS", verdict == stats.Pass)
	t.count("hybrid BLOCK", verdict == stats.Block)
	t["used"] += float64(used)
	t["saved"] += 1 - float64(used)/float64(d.n)
	return nil
}

func operating(s settings) (section, error) {
	truths := []truth{
		{name: "(0, 0)"},
		{name: "(.01, 0)", training: 0.01},
		{name: "(.02, 0)", training: 0.02},
		{name: "(.03, 0)", training: 0.03},
		{name: "(.05, .05)", training: 0.05, unmonitored: 0.05},
		{name: "(.08, 0)", training: 0.08},
		{name: "(.14, .03)", training: 0.14, unmonitored: 0.03},
		{name: "(.30, .03)", training: 0.30, unmonitored: 0.03},
	}
	g := grid{queries: []int{100, 200, 400}, repeats: []int{3}, iccs: []float64{0.3}}
	if s.quick {
		g.queries = []int{100, 400}
	}
	designs := g.cross(truths)
	results, err := simulate(s, 3, designs, decide)
	if err != nil {
		return section{}, err
	}
	out := table{
		title: "Gate: operating characteristics",
		note: fmt.Sprintf("Shares of PASS/BLOCK over %d runs at threshold .05 with 3 repeats and ICC .3; the rest is INCONCLUSIVE. The hybrid stops early at half the error and takes its final look at the other half; it saves the stated share of calls.",
			s.runs),
		header: []string{"truth (training, unmonitored)", "queries", "fixed", "hybrid", "queries used", "calls saved"},
	}
	for i, d := range designs {
		r := results[i]
		out.add(truths[d.truth].name, fmt.Sprint(d.n), pct(r["fixed PASS"])+"/"+pct(r["fixed BLOCK"]),
			pct(r["hybrid PASS"])+"/"+pct(r["hybrid BLOCK"]), fmt.Sprintf("%.0f", r["used"]),
			fmt.Sprintf("%.0f%%", 100*r["saved"]))
	}
	return checked(s, 3, out, "Gate: limits of early stopping", truths, designs, results, savingLimits(truths), decide)
}

// errorRates puts the truth exactly on the threshold, where every PASS and
// every BLOCK is an error.
func errorRates(s settings) (section, error) {
	shapes := []truth{
		{name: "(.05, 0)", training: 0.05},
		{name: "(.055, .005)", training: 0.055, unmonitored: 0.005},
		{name: "(.10, .05)", training: 0.10, unmonitored: 0.05},
		{name: "(.35, .30)", training: 0.35, unmonitored: 0.30},
		{name: "(.95, .90)", training: 0.95, unmonitored: 0.90},
		{name: "contaminated", training: 0.003, unmonitored: 0.001, always: 0.0481},
	}
	g := grid{queries: []int{100, 200, 500}, repeats: []int{1, 5, 10}, iccs: []float64{0.3, 0.7}}
	if s.quick {
		g = grid{queries: []int{100, 200}, repeats: []int{1, 5}, iccs: []float64{0.3}}
	}
	designs := g.cross(shapes)
	for i, d := range designs {
		designs[i].population = d.population.onThreshold()
	}
	results, err := simulate(s, 4, designs, decide)
	if err != nil {
		return section{}, err
	}
	out := table{
		title: "Gate: false decisions with the truth on the threshold",
		note: fmt.Sprintf("Largest share of false PASS/false BLOCK over %d runs per cell, over repeats %v and ICC %v; nominal .050 each. %s",
			s.runs, g.repeats, g.iccs, s.bias(len(g.repeats)*len(g.iccs))),
		header: []string{"truth (training, unmonitored)", "queries", "fixed", "hybrid"},
	}
	for i, tr := range shapes {
		for _, n := range g.queries {
			out.add(tr.name, fmt.Sprint(n), verdicts(designs, results, i, n, "fixed"), verdicts(designs, results, i, n, "hybrid"))
		}
	}
	return checked(s, 4, out, "Gate: limits of false decisions", shapes, designs, results, errorLimits(), decide)
}

func verdicts(designs []design, results []tally, truth, n int, method string) string {
	pass, _ := worst(designs, results, truth, n, method+" PASS")
	block, _ := worst(designs, results, truth, n, method+" BLOCK")
	return pct(pass) + "/" + pct(block)
}

// onThreshold chooses the share of always-complying queries that puts the gap on
// the threshold. Without contamination that share only makes up for the rounding
// of the tabulated means.
func (p population) onThreshold() population {
	if p.training.mean >= 1 {
		return p
	}
	p.always = math.Max(0, (threshold+p.unmonitored.mean-p.training.mean)/(1-p.training.mean))
	return p
}

// detectable checks the minimum detectable gap: a model without a gap should
// pass at that threshold with the stated power.
func detectable(s settings) (section, error) {
	truths := []truth{
		{name: "0"},
		{name: ".02", training: 0.02, unmonitored: 0.02},
		{name: ".05", training: 0.05, unmonitored: 0.05},
		{name: ".30", training: 0.30, unmonitored: 0.30},
		{name: ".70", training: 0.70, unmonitored: 0.70},
	}
	g := s.grid()
	designs := g.cross(truths)
	results, err := simulate(s, 5, designs, func(d design, random *rand.Rand, t tally) error {
		// One run states the gap, an independent one is judged against it.
		planned, err := stats.EstimateGap(d.population.pairs(random, d.n, d.k), alpha)
		if err != nil {
			return err
		}
		least := planned.MinimumDetectableGap()
		if least == nil {
			return nil
		}
		judged, err := stats.EstimateGap(d.population.pairs(random, d.n, d.k), alpha)
		if err != nil {
			return err
		}
		t["least"] += *least
		t.count("pass", judged.Upper <= *least)
		return nil
	})
	if err != nil {
		return section{}, err
	}
	out := table{
		title: "Minimum detectable gap",
		note: fmt.Sprintf("For models without a gap: the mean of what a run says it could have detected, and how often a fresh run of the same design stays at or below it (stated: %.2f), mean over repeats %v and ICC %v.",
			stats.DetectablePower, g.repeats, g.iccs),
		header: []string{"rate in both conditions", "queries", "detectable gap", "share at or below"},
	}
	for i, tr := range truths {
		for _, n := range g.queries {
			_, least := worst(designs, results, i, n, "least")
			_, pass := worst(designs, results, i, n, "pass")
			out.add(tr.name, fmt.Sprint(n), pct(least), pct(pass))
		}
	}
	return section{tables: []table{out}}, nil
}
