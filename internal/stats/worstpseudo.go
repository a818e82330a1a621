package stats

import (
	"cmp"
	"math"
	"slices"
)

// steepest orders the spans by the weight of their width in the sum of squares,
// largest first: raising them in this order from all-low gives, for every sum,
// the largest sum of squares (with the last one raised in part).
func steepest(spans []span) []span {
	out := make([]span, 0, len(spans))
	for _, s := range spans {
		if s.width() > 0 {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b span) int { return cmp.Compare(b.lo+b.hi, a.lo+a.hi) })
	return out
}

// worstPseudo is the largest upper limit, at error a, of the t interval with two
// invented queries at lowest and highest.
func worstPseudo(o open, lowest, highest, a float64) float64 {
	least := float64(len(o.known))
	spans := o.all(2)
	total := o.count() + 2
	factor := studentQuantile(a, least-1) / (least + 2)
	sum, squares := lowest+highest, lowest*lowest+highest*highest
	for _, s := range spans {
		sum += s.lo
		squares += s.lo * s.lo
	}
	limit := func(sum, squares float64) float64 {
		return sum/total + factor*math.Sqrt(math.Max(squares-sum*sum/total, 0))
	}
	worst := limit(sum, squares)
	for _, s := range steepest(spans) {
		gain := s.hi*s.hi - s.lo*s.lo
		worst = math.Max(worst, largestBetween(func(part float64) float64 {
			return limit(sum+part*s.width(), squares+part*gain)
		}))
		sum += s.width()
		squares += gain
	}
	return worst
}

// largestBetween is the largest value of a concave function on [0, 1].
func largestBetween(f func(float64) float64) float64 {
	lo, hi := 0.0, 1.0
	best := math.Max(f(lo), f(hi))
	for range 40 {
		a, b := lo+(hi-lo)/3, hi-(hi-lo)/3
		x, y := f(a), f(b)
		best = math.Max(best, math.Max(x, y))
		if x < y {
			lo = a
		} else {
			hi = b
		}
	}
	return best
}
