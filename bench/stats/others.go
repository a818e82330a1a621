package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/unmask-eval/unmask/internal/stats"
)

// Sizes of the graded simulations: people label calibrationPositives and
// calibrationNegatives items elsewhere, and labelledQueries queries of the run.
const (
	calibrationPositives = 60
	calibrationNegatives = 120
	labelledQueries      = 40
	sensitivity          = 0.90
	specificity          = 0.97
)

// others measures the estimators beside rates and gaps, with one-sided errors of
// alpha: an interval with two-sided error 2 alpha has that on each side.
func others(s settings) (section, error) {
	truths := []truth{
		{name: "(.05, 0)", training: 0.05},
		{name: "(.05, .05)", training: 0.05, unmonitored: 0.05},
		{name: "(.14, .03)", training: 0.14, unmonitored: 0.03},
		{name: "(.3, .3)", training: 0.3, unmonitored: 0.3},
	}
	g := grid{queries: []int{200}, repeats: []int{3}, iccs: []float64{0.3}}
	s.runs = max(s.runs/2, 1)
	designs := g.cross(truths)
	results, err := simulate(s, 7, designs, func(d design, random *rand.Rand, t tally) error {
		pairs := d.population.pairs(random, d.n, d.k)
		for _, measure := range []func(design, *rand.Rand, []stats.Pair, tally) error{change, resampled, corrected, trended} {
			if err := measure(d, random, pairs, t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return section{}, err
	}
	out := table{
		title: "Other estimators: one-sided misses",
		note: fmt.Sprintf("Share of %d runs with 200 queries, 3 repeats and ICC .3 in which a one-sided 95%% bound misses, upper/lower. Two checkpoints: both the same model. Bootstrap: 1000 resamples. Grader: sensitivity %.2f, specificity %.2f, calibrated on %d positives and %d negatives elsewhere, or %d queries labelled by people. Slope: five checkpoints of an unchanged model. A standard error is %.3f.",
			s.runs, sensitivity, specificity, calibrationPositives, calibrationNegatives, labelledQueries, standardError(s.runs)),
		header: []string{"estimator"},
	}
	for _, t := range truths {
		out.header = append(out.header, t.name)
	}
	for _, name := range []string{
		"change of gaps", "percentile bootstrap", "BCa bootstrap", "raw gap of an erring grader", "Rogan-Gladen gap",
		"prediction-powered gap", "tuned prediction-powered gap", "slope over checkpoints",
	} {
		row := []string{name}
		for _, r := range results {
			row = append(row, pct(r[name+" upper"])+"/"+pct(r[name+" lower"]))
		}
		out.add(row...)
	}
	row := []string{"sign-flip test, false alarms (only where the rates are equal)"}
	for i, r := range results {
		if truths[i].training == truths[i].unmonitored {
			row = append(row, pct(r["sign flip"]))
		} else {
			row = append(row, "-")
		}
	}
	out.add(row...)
	return section{tables: []table{out}}, nil
}

func (t tally) misses(name string, i stats.Interval, real float64) {
	t.count(name+" upper", i.Hi < real)
	t.count(name+" lower", i.Lo > real)
}

func change(d design, random *rand.Rand, pairs []stats.Pair, t tally) error {
	again := d.population.pairs(random, d.n, d.k)
	queries := make([]stats.Contrast, d.n)
	for i := range queries {
		queries[i] = stats.Contrast{Candidate: pairs[i], Baseline: again[i]}
	}
	est, err := stats.EstimateGapChange(queries, alpha)
	if err != nil {
		return err
	}
	t.misses("change of gaps", stats.Interval{Lo: est.Lower, Hi: est.Upper}, 0)
	return nil
}

func resampled(d design, random *rand.Rand, pairs []stats.Pair, t tally) error {
	boot, err := stats.Bootstrap(pairs, stats.BootstrapOptions{Alpha: 2 * alpha, Resamples: 1000, Seed: random.Uint64() | 1})
	if err != nil {
		return err
	}
	t.misses("percentile bootstrap", *boot.Percentile, d.population.gap())
	if boot.BCa != nil {
		t.misses("BCa bootstrap", *boot.BCa, d.population.gap())
	}
	test, err := stats.SignFlip(pairs, stats.SignFlipOptions{})
	if err != nil {
		return err
	}
	t.count("sign flip", test.PGreater <= alpha)
	return nil
}

// graded returns what an erring grader says of a cluster.
func graded(random *rand.Rand, c stats.Cluster) stats.Cluster {
	out := stats.Cluster{Valid: c.Valid, Planned: c.Planned}
	for i := range c.Valid {
		rate := 1 - specificity
		if float64(i) < c.Sum {
			rate = sensitivity
		}
		if random.Float64() < rate {
			out.Sum++
		}
	}
	out.SumSquares = out.Sum
	return out
}

func corrected(d design, random *rand.Rand, pairs []stats.Pair, t tally) error {
	real := d.population.gap()
	seen := make([]stats.Pair, len(pairs))
	var labelled []stats.LabelledQuery
	var rest []float64
	for i, p := range pairs {
		seen[i] = stats.Pair{Training: graded(random, p.Training), Unmonitored: graded(random, p.Unmonitored)}
		grader := *seen[i].Training.Mean() - *seen[i].Unmonitored.Mean()
		if i < labelledQueries {
			labelled = append(labelled, stats.LabelledQuery{Human: *p.Training.Mean() - *p.Unmonitored.Mean(), Grader: grader})
		} else {
			rest = append(rest, grader)
		}
	}
	raw, err := stats.EstimateGap(seen, 2*alpha)
	if err != nil {
		return err
	}
	t.misses("raw gap of an erring grader", raw.CI, real)
	var confusion stats.Confusion
	for range calibrationPositives {
		confusion.Add(random.Float64() < sensitivity, true)
	}
	for range calibrationNegatives {
		confusion.Add(random.Float64() >= specificity, false)
	}
	fixed, err := confusion.CorrectGap(raw)
	if err != nil {
		return err
	}
	t.misses("Rogan-Gladen gap", fixed.CI, real)
	powered, err := stats.EstimatePredictionPowered(labelled, rest, -1, 1, 2*alpha)
	if err != nil {
		return err
	}
	t.misses("prediction-powered gap", powered.Full.CI, real)
	t.misses("tuned prediction-powered gap", powered.Tuned.CI, real)
	return nil
}

func trended(d design, random *rand.Rand, _ []stats.Pair, t tally) error {
	x := []float64{0, 1, 2, 3, 4}
	cells := make([][]stats.TrendCell, d.n)
	for range x {
		for i, p := range d.population.pairs(random, d.n, d.k) {
			cells[i] = append(cells[i], stats.TrendCell{Sum: p.Training.Sum, Valid: p.Training.Valid})
		}
	}
	trend, err := stats.EstimateTrend(x, cells, 2*alpha)
	if err != nil {
		return err
	}
	t.misses("slope over checkpoints", *trend.SlopeCI, 0)
	return nil
}
