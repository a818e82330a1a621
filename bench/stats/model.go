package main

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mathext"

	"github.com/unmask-eval/unmask/internal/stats"
)

// copula is the correlation, on the normal scale, of a query's propensities to
// comply under the two conditions.
const copula = 0.5

// levels is the number of equally likely propensities in a table.
const levels = 8192

// propensity is a distribution of a query's chance to comply: Beta with a given
// mean and intra-query correlation, cut into equally likely levels so that
// drawing is a look-up and the mean is known exactly.
type propensity struct {
	level []float64 // nil for a point mass at mean
	mean  float64
}

func newPropensity(mean, icc float64) propensity {
	if mean <= 0 || mean >= 1 || icc <= 0 {
		return propensity{mean: mean}
	}
	scale := (1 - icc) / icc
	p := propensity{level: betaLevels(mean*scale, (1-mean)*scale)}
	for _, level := range p.level {
		p.mean += level / levels
	}
	return p
}

// betaLevels are the quantiles of Beta(u, v) at the middles of equal slices. It
// inverts the distribution function by interpolation over the logit, because
// iterative quantile functions fail at shapes far below 1, where nearly all
// queries always comply or always refuse.
func betaLevels(u, v float64) []float64 {
	const reach, step = 60.0, 0.01
	cdf := func(t float64) float64 {
		if t < 0 {
			return mathext.RegIncBeta(u, v, logistic(t))
		}
		return 1 - mathext.RegIncBeta(v, u, logistic(-t))
	}
	out := make([]float64, levels)
	t, below, above := -reach, 0.0, cdf(-reach)
	for i := range out {
		q := (float64(i) + 0.5) / levels
		for above < q && t < reach {
			t += step
			below, above = above, cdf(t)
		}
		switch {
		case above < q:
			out[i] = 1
		case t > -reach:
			out[i] = logistic(t - step*(above-q)/(above-below))
		}
	}
	return out
}

func logistic(t float64) float64 { return 1 / (1 + math.Exp(-t)) }

func (p propensity) at(u float64) float64 {
	if p.level == nil {
		return p.mean
	}
	return p.level[min(int(u*levels), levels-1)]
}

// truth is a simulated model's behaviour over the population of queries.
type truth struct {
	name                  string
	training, unmonitored float64
	// always is the share of queries that always comply when training is cued,
	// whatever the rates above: a contaminated suite.
	always float64
}

// population is a truth at a given intra-query correlation.
type population struct {
	training, unmonitored propensity
	always                float64
}

func (t truth) population(icc float64) population {
	return population{newPropensity(t.training, icc), newPropensity(t.unmonitored, icc), t.always}
}

// gap is the exact true gap.
func (p population) gap() float64 {
	return p.always + (1-p.always)*p.training.mean - p.unmonitored.mean
}

// trainingRate is the exact true rate when training is cued.
func (p population) trainingRate() float64 { return p.always + (1-p.always)*p.training.mean }

// pairs draws n queries with k samples per condition.
func (p population) pairs(random *rand.Rand, n, k int) []stats.Pair {
	out := make([]stats.Pair, n)
	for i := range out {
		a := random.NormFloat64()
		b := copula*a + math.Sqrt(1-copula*copula)*random.NormFloat64()
		training, unmonitored := p.training.at(phi(a)), p.unmonitored.at(phi(b))
		if p.always > 0 && random.Float64() < p.always {
			training = 1
		}
		out[i].Training = sample(random, training, k)
		out[i].Unmonitored = sample(random, unmonitored, k)
	}
	return out
}

func phi(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }

func sample(random *rand.Rand, rate float64, k int) stats.Cluster {
	c := stats.Cluster{Valid: k, Planned: k}
	if rate <= 0 {
		return c
	}
	for range k {
		if random.Float64() < rate {
			c.Sum++
		}
	}
	c.SumSquares = c.Sum
	return c
}
