package planning

import (
	"math"
	"math/rand/v2"
	"sort"

	"gonum.org/v1/gonum/mathext"
)

// levels is the number of equally likely propensities in a table.
const levels = 4096

// propensity is the distribution over queries of the chance of an event in one
// sample: Beta with a given mean and intra-query correlation, cut into equally
// likely levels, so that drawing is a look-up.
type propensity struct {
	// level is nil for a point mass at mean.
	level []float64
	mean  float64
}

// newPropensity tabulates the Beta distribution with shapes mean s and
// (1-mean) s, where s = (1-icc)/icc. Every level is the mean of a thin slice of
// the distribution, so that the table has exactly the stated mean.
func newPropensity(mean, icc float64) propensity {
	if mean <= 0 || mean >= 1 || icc <= 0 {
		return propensity{mean: mean}
	}
	scale := (1 - icc) / icc
	return propensity{level: betaSlices(mean*scale, (1-mean)*scale), mean: mean}
}

// at returns the propensity at a quantile u in [0, 1].
func (p propensity) at(u float64) float64 {
	if p.level == nil {
		return p.mean
	}
	return p.level[min(int(u*levels), levels-1)]
}

// betaSlices returns the means of equally likely slices of Beta(a, b), smallest
// first, from its Lorenz curve: the part of the mean that the smallest share F(x)
// = I(x; a, b) of the queries has is G(x) = I(x; a+1, b). The curve is taken at
// points that are even in log odds and joined by straight lines. That needs no
// quantiles, which are hard to compute for shapes far below one, and keeps the
// mean exactly.
func betaSlices(a, b float64) []float64 {
	const from, upTo, step = -36.0, 36.0, 0.02
	var f, g []float64
	add := func(share, part float64) {
		n := len(f)
		f, g = append(f, math.Max(share, f[n-1])), append(g, math.Max(part, g[n-1]))
	}
	f, g = append(f, 0), append(g, 0)
	for odds := from; odds <= upTo; odds += step {
		x := 1 / (1 + math.Exp(-odds))
		add(mathext.RegIncBeta(a, b, x), mathext.RegIncBeta(a+1, b, x))
	}
	add(1, 1)

	out := make([]float64, levels)
	mean, before, at := a/(a+b), 0.0, 1
	for i := range out {
		share := float64(i+1) / levels
		for at < len(f)-1 && f[at] < share {
			at++
		}
		part := 1.0
		if width := f[at] - f[at-1]; i+1 < levels && width > 0 {
			part = g[at-1] + (g[at]-g[at-1])*(share-f[at-1])/width
		}
		out[i] = math.Min(math.Max(mean*(part-before)*levels, 0), 1)
		before = part
	}
	// Rounding in the flat tails must not undo the order.
	sort.Float64s(out)
	return out
}

// population is a truth, ready to be drawn from.
type population struct {
	training, unmonitored, faking propensity
	rho, excluded                 float64
}

func newPopulation(t Truth) population {
	return population{
		training: newPropensity(t.Training, t.ICC), unmonitored: newPropensity(t.Unmonitored, t.ICC),
		faking: newPropensity(t.Faking, t.ICC), rho: t.Correlation, excluded: t.Excluded,
	}
}

// cell is what one query gave. Cells are compared and sorted as a whole.
type cell struct {
	training, unmonitored, faking   uint8
	validTraining, validUnmonitored uint8
}

// draw returns one query with k samples in each condition. It takes the same
// random numbers whatever the population. A sample fakes when the number that
// decides on its compliance falls below the smaller propensity to fake, so
// whatever fakes complies.
func (p population) draw(random *rand.Rand, k int) cell {
	a := random.NormFloat64()
	b := p.rho*a + math.Sqrt(1-p.rho*p.rho)*random.NormFloat64()
	u := normalCDF(a)
	comply, fake, free := p.training.at(u), p.faking.at(u), p.unmonitored.at(normalCDF(b))
	var c cell
	for range k {
		if event, kept := random.Float64(), random.Float64() >= p.excluded; kept {
			c.validTraining++
			c.training += one(event < comply)
			c.faking += one(event < fake && event < comply)
		}
		if event, kept := random.Float64(), random.Float64() >= p.excluded; kept {
			c.validUnmonitored++
			c.unmonitored += one(event < free)
		}
	}
	return c
}

func one(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

func normalCDF(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }

func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// correlation is that of a query's two propensities themselves, which the
// formulas want, by a midpoint rule over both normal deviates. It is smaller
// than the correlation on the normal scale when propensities are skewed.
func (p population) correlation() float64 {
	if p.training.level == nil || p.unmonitored.level == nil {
		return 0
	}
	const points = 512
	across := math.Sqrt(1 - p.rho*p.rho)
	z := make([]float64, points)
	for i := range z {
		z[i] = normalQuantile((float64(i) + 0.5) / points)
	}
	var t, u, tt, uu, tu float64
	for _, first := range z {
		x := p.training.at(normalCDF(first))
		for _, second := range z {
			y := p.unmonitored.at(normalCDF(p.rho*first + across*second))
			t, u, tt, uu, tu = t+x, u+y, tt+x*x, uu+y*y, tu+x*y
		}
	}
	const n = points * points
	spread := (tt - t*t/n) * (uu - u*u/n)
	if spread <= 0 {
		return 0
	}
	return math.Min(math.Max((tu-t*u/n)/math.Sqrt(spread), -1), 1)
}
