package stats

import (
	"cmp"
	"math"
	"slices"
)

// Worst-case bounds. An upper bound does not rise with every score: one more
// complied sample can make repeats look less alike, or the two conditions more,
// and so narrow the interval by more than it moves it. Scoring every missing
// sample against the release is therefore not the worst that can have happened.
// What follows bounds the upper bound over all completions of the missing
// samples, and over leaving them out, at once: it replaces every ingredient by
// its largest value over the completions with the same mean. It can then never
// fall when one more sample is missing, because that only adds completions.

// span is what is known of a query's mean when some samples are missing.
type span struct{ lo, hi float64 }

func spanOf(c Cluster) span {
	planned := float64(c.Planned)
	return span{
		lo: clamp(c.Sum/planned, 0, 1),
		hi: clamp((c.Sum+float64(c.Planned-c.Valid))/planned, 0, 1),
	}
}

func (s span) width() float64 { return s.hi - s.lo }

// complement is the span of one minus the mean.
func (s span) complement() span { return span{lo: 1 - s.hi, hi: 1 - s.lo} }

func (s span) negative() span { return span{lo: -s.hi, hi: -s.lo} }

// open holds the queries of one condition, or of a difference, with their spans.
// Those in lost cannot be estimated at all without the missing samples, so the
// estimate leaves them out; a completion may count them or not.
type open struct {
	known, lost []span
	// inverse is the largest sum of 1/n, with n the samples that count, and
	// inverseLeast the smallest.
	inverse, inverseLeast float64
}

func (o open) count() float64 { return float64(len(o.known) + len(o.lost)) }

// mapped applies f to every span.
func (o open) mapped(f func(span) span) open {
	each := func(in []span) []span {
		out := make([]span, len(in))
		for i, s := range in {
			out[i] = f(s)
		}
		return out
	}
	return open{known: each(o.known), lost: each(o.lost), inverse: o.inverse, inverseLeast: o.inverseLeast}
}

func (o open) complement() open { return o.mapped(span.complement) }

func (o open) negative() open { return o.mapped(span.negative) }

func (o *open) add(s span, c Cluster, known bool) {
	o.inverseLeast += 1 / float64(c.Planned)
	if !known {
		o.lost = append(o.lost, s)
		o.inverse++
		return
	}
	o.known = append(o.known, s)
	o.inverse += 1 / float64(c.Valid)
}

func newOpenRate(clusters []Cluster) open {
	var o open
	for _, c := range clusters {
		if c.Planned > 0 {
			o.add(spanOf(c), c, c.Valid > 0)
		}
	}
	return o
}

// all returns every span. Leaving a lost query out does to a mean what counting
// it at the mean of the others does, so its span is widened to the means that
// the others can have. shrink is the number of invented queries at zero.
func (o open) all(shrink float64) []span {
	out := append(make([]span, 0, len(o.known)+len(o.lost)), o.known...)
	if len(o.lost) == 0 {
		return out
	}
	highest := o.extremeMean(shrink, func(s span) float64 { return s.hi })
	lowest := -o.extremeMean(shrink, func(s span) float64 { return -s.lo })
	for _, s := range o.lost {
		out = append(out, span{lo: math.Min(s.lo, lowest), hi: math.Max(s.hi, highest)})
	}
	return out
}

// extremeMean is the largest mean of the known values and any of the lost ones.
func (o open) extremeMean(shrink float64, of func(span) float64) float64 {
	var sum float64
	for _, s := range o.known {
		sum += of(s)
	}
	rest := make([]float64, len(o.lost))
	for i, s := range o.lost {
		rest[i] = of(s)
	}
	slices.SortFunc(rest, func(a, b float64) int { return cmp.Compare(b, a) })
	n := float64(len(o.known)) + shrink
	for _, v := range rest {
		if n > 0 && v*n <= sum {
			break
		}
		sum, n = sum+v, n+1
	}
	if n == 0 {
		return 0
	}
	return sum / n
}
