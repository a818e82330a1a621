package stats

import (
	"math"
	"slices"
	"sort"
)

// curve is a piecewise linear function of a sum: it starts at (x0, y0) and is
// flat outside its points.
type curve struct{ x, y []float64 }

func (c curve) at(x float64) float64 {
	last := len(c.x) - 1
	switch i := sort.SearchFloat64s(c.x, x); {
	case i == 0:
		return c.y[0]
	case i > last:
		return c.y[last]
	default:
		return c.y[i-1] + (c.y[i]-c.y[i-1])*(x-c.x[i-1])/(c.x[i]-c.x[i-1])
	}
}

func (c *curve) add(dx, dy float64) {
	last := len(c.x) - 1
	c.x = append(c.x, c.x[last]+dx)
	c.y = append(c.y, c.y[last]+dy)
}

// rateRange is what the exact limits of one rate are made of, as functions of
// the sum over queries.
type rateRange struct {
	least, total       float64 // queries counted at least and at most
	low, high          float64 // range of the sum
	squares            curve   // largest sum of squares
	positive, belowOne curve   // fewest informative queries
	floor, floorLeast  float64 // of the variance ratio
}

func newRateRange(o open) rateRange {
	spans := o.all(0)
	r := rateRange{
		least: float64(len(o.known)), total: o.count(),
		floor: o.inverse / o.count(), floorLeast: o.inverseLeast / o.count(),
	}
	var squares float64
	for _, s := range spans {
		r.low += s.lo
		r.high += s.hi
		squares += s.lo * s.lo
	}
	r.squares = curve{x: []float64{r.low}, y: []float64{squares}}
	for _, s := range steepest(spans) {
		r.squares.add(s.width(), s.hi*s.hi-s.lo*s.lo)
	}
	r.positive = fewest(spans, len(o.known))
	mirrored := make([]span, len(spans))
	for i, s := range spans {
		mirrored[i] = s.complement()
	}
	r.belowOne = fewest(mirrored, len(o.known))
	return r
}

// fewest is the smallest number of known queries with a mean above zero, for
// every sum: those that are above anyway, and of the others as few as can carry
// the rest of the sum. Lost queries carry what they can and never count.
func fewest(spans []span, known int) curve {
	var certain, free float64
	var carry []float64
	for i, s := range spans {
		switch {
		case i >= known:
			free += s.hi
		case s.lo > 0:
			certain++
			free += s.hi
		case s.hi > 0:
			carry = append(carry, s.hi)
		}
	}
	slices.Sort(carry)
	out := curve{x: []float64{free}, y: []float64{certain}}
	for i := len(carry) - 1; i >= 0; i-- {
		out.add(carry[i], 1)
	}
	return out
}

// shrunk is the largest shrunken variance ratio for sums in [a, b].
func (r rateRange) shrunk(a, b float64) float64 {
	p, q := a/r.total, b/r.total
	unit := math.Min(p*(1-p), q*(1-q))
	ratio := 1.0
	if unit >= zeroVariance {
		spread := (r.squares.at(b) - r.total*p*p) / r.least
		ratio = clamp(spread/unit, math.Min(r.floor, 1), 1)
	}
	m := math.Min(r.positive.at(a), r.belowOne.at(r.total-b))
	return (m*ratio + 2) / (m + 2)
}

// reach is how far the upper limit of a rate lies above a rate in a cell of the
// grid: at least short and at most long.
type reach struct{ at, short, long float64 }

// gridCells is the number of cells that rates are cut into for worst cases,
// equally wide on the arcsine scale. The grid does not depend on the data, so
// that one more missing sample only adds to the cells.
const gridCells = 512

// reaches returns the cells that the mean can lie in, with the exact upper limit
// at error a.
func (r rateRange) reaches(a float64) []reach {
	edge := func(i int) float64 {
		s := math.Sin(math.Pi / 2 * float64(i) / gridCells)
		return s * s * r.total
	}
	first := sort.Search(gridCells, func(i int) bool { return edge(i+1) >= r.low })
	var out []reach
	for i := first; i < gridCells; i++ {
		lo, hi := math.Max(edge(i), r.low), math.Min(edge(i+1), r.high)
		if lo > hi {
			break
		}
		rate := clamp(hi/r.total, 0, 1)
		worst := proportion{rate: rate, nEff: r.least / r.shrunk(lo, hi)}
		best := proportion{rate: rate, nEff: r.total / math.Min(r.floorLeast, 1)}
		out = append(out, reach{
			at:    rate,
			short: math.Max(best.upper(a)-rate, 0),
			long:  math.Max(worst.upper(a)-rate, 0),
		})
	}
	return out
}

// worstRate is the largest upper limit of a rate, at error a, over completions.
func worstRate(o open, a float64) float64 {
	if len(o.known) < 2 {
		return 1
	}
	worst := worstPseudo(o, 0, 1, a)
	for _, c := range newRateRange(o).reaches(a) {
		worst = math.Max(worst, c.at+c.long)
	}
	return math.Min(worst, 1)
}
