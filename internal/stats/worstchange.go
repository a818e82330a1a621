package stats

import "math"

// openContrasts are the two gaps of the queries that were planned in all four
// cells of a contrast.
type openContrasts struct {
	missing             bool
	candidate, baseline openPairs
}

func newOpenContrasts(queries []Contrast) openContrasts {
	var candidate, baseline []Pair
	var known []bool
	var out openContrasts
	for _, q := range queries {
		if q.Candidate.Training.Planned == 0 || q.Candidate.Unmonitored.Planned == 0 ||
			q.Baseline.Training.Planned == 0 || q.Baseline.Unmonitored.Planned == 0 {
			continue
		}
		candidate, baseline = append(candidate, q.Candidate), append(baseline, q.Baseline)
		known = append(known, q.Candidate.complete() && q.Baseline.complete())
		out.missing = out.missing || q.Candidate.missing()+q.Baseline.missing() > 0
	}
	if !out.missing {
		return out
	}
	counts := func(i int) bool { return known[i] }
	out.candidate, out.baseline = newOpenPairs(candidate, counts), newOpenPairs(baseline, counts)
	return out
}

// upper is the largest upper limit of the change, at error a, over completions:
// the candidate's gap at its largest with its upper limit at the worst, the
// baseline's at its smallest, and the least correlation of the two.
func (o openContrasts) upper(a float64) float64 {
	if len(o.candidate.difference.known) < 2 {
		return 2
	}
	most := o.candidate.difference.extremeMean(0, func(s span) float64 { return s.hi })
	least := -o.baseline.difference.extremeMean(0, func(s span) float64 { return -s.lo })
	above := reach{long: math.Max(o.candidate.upper(a)-most, 0)}
	below := reach{long: math.Max(least-o.baseline.lower(a), 0)}
	phi := leastCorrelation(o.candidate.differences, o.baseline.differences)
	return math.Min(most-least+farthest(above, below, phi), 2)
}
