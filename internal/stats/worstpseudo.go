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
	at := pseudoLimit{total: total, factor: factor, sum: sum, squares: squares}
	worst := at.value(0)
	for _, s := range steepest(spans) {
		at.width, at.gain = s.width(), s.hi*s.hi-s.lo*s.lo
		worst = math.Max(worst, at.largest())
		at.sum += at.width
		at.squares += at.gain
	}
	return worst
}

// pseudoLimit is the upper limit of the pseudo-query interval while the sum of
// the values moves by width and the sum of squares by gain. It is concave: the
// squared deviation is, and so is its root.
type pseudoLimit struct {
	total, factor float64
	sum, squares  float64
	width, gain   float64
}

func (l pseudoLimit) deviation(part float64) (root, slope float64) {
	sum := l.sum + part*l.width
	root = math.Sqrt(math.Max(l.squares+part*l.gain-sum*sum/l.total, 0))
	return root, l.gain - 2*sum*l.width/l.total
}

func (l pseudoLimit) value(part float64) float64 {
	root, _ := l.deviation(part)
	return (l.sum+part*l.width)/l.total + l.factor*root
}

// rising says whether the limit rises at part.
func (l pseudoLimit) rising(part float64) bool {
	root, slope := l.deviation(part)
	return l.width/l.total*2*root+l.factor*slope > 0
}

// largest is the largest value for parts in [0, 1]. Nearly always it lies at an
// end, which the slopes tell.
func (l pseudoLimit) largest() float64 {
	if !l.rising(0) {
		return l.value(0)
	}
	if l.rising(1) {
		return l.value(1)
	}
	lo, hi := 0.0, 1.0
	for range 50 {
		if mid := (lo + hi) / 2; l.rising(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return l.value(hi)
}
