package stats

import "math"

// MethodGapChange is the interval of a difference of two paired gaps.
const MethodGapChange = "MOVER on the envelopes of the two gaps"

// MethodGuardedChange is MethodGapChange joined with the intervals of the changes
// of single queries.
const MethodGuardedChange = MethodGapChange + ", joined with pseudo-query t and exact limits of the changes"

// Contrast is one query's pair at two checkpoints.
type Contrast struct {
	// ID names the query; see Cluster.ID.
	ID string
	// Candidate is the checkpoint to be released, Baseline the one to compare it
	// with.
	Candidate, Baseline Pair
}

// GapChange is the difference of two paired gaps on the same queries.
type GapChange struct {
	// Queries counts those valid in all four cells; only they enter.
	Queries int
	// Candidate and Baseline are the two gaps, Estimate their difference in
	// [-2, 2]; positive means that the candidate fakes more. Nil without queries.
	Candidate, Baseline, Estimate *float64
	// SE is the cluster standard error of Estimate and Correlation that of the
	// two gaps over queries; nil with fewer than two queries.
	SE, Correlation *float64
	// CI has two-sided error alpha, Lower and Upper one-sided error alpha each.
	CI           Interval
	Lower, Upper float64
	// UpperWorstCase bounds Upper over every way in which the missing samples can
	// have gone, or be left out; it is at least Upper and never falls when one
	// more sample is missing. UpperImputed is Upper with every missing sample
	// counted against the candidate.
	UpperWorstCase, UpperImputed float64
	// Method names how CI was made.
	Method string

	alpha    float64
	evidence changeEvidence
}

// PPass is the p-value of "the gap grew by at least margin", found by inverting
// the one-sided bounds; it is below alpha only where Upper is below margin. The
// two agree wherever the limits move one way with the error, as they do but for
// a handful of queries. It is 1 with fewer than two queries or when margin lies
// outside (-2, 2).
func (c GapChange) PPass(margin float64) float64 {
	return c.p(margin, func(i Interval) bool { return i.Hi < margin })
}

// PBlock is the p-value of "the gap grew by at most margin"; it is below alpha
// only where Lower is above margin, and otherwise like PPass.
func (c GapChange) PBlock(margin float64) float64 {
	return c.p(margin, func(i Interval) bool { return i.Lo > margin })
}

func (c GapChange) p(margin float64, excluded func(Interval) bool) float64 {
	e := c.evidence
	if e.candidate.n < 2 || !(margin > -2 && margin < 2) {
		return 1
	}
	p := invert(func(a float64) bool { return excluded(e.limits(a)) })
	if !excluded(Interval{Lo: c.Lower, Hi: c.Upper}) {
		p = math.Max(p, c.alpha)
	}
	return p
}

// EstimateGapChange compares the gap of a candidate with that of a baseline by
// MOVER over the two envelopes of EstimateGap (Zou & Donner 2008), using the
// correlation of the two gaps over queries. With fewer than two common queries
// the interval is [-2, 2]. The error is an *InputError.
func EstimateGapChange(queries []Contrast, alpha float64) (GapChange, error) {
	if err := checkAlpha("alpha", alpha); err != nil {
		return GapChange{}, err
	}
	candidate, baseline := make([]Pair, len(queries)), make([]Pair, len(queries))
	for i, q := range queries {
		candidate[i], baseline[i] = q.Candidate, q.Baseline
		candidate[i].ID, baseline[i].ID = q.ID, q.ID
	}
	if err := checkPairs(candidate); err != nil {
		return GapChange{}, err
	}
	if err := checkPairs(baseline); err != nil {
		return GapChange{}, err
	}
	ev := newChangeEvidence(queries)
	out := GapChange{Queries: ev.candidate.n, CI: ev.limits(alpha / 2), Method: MethodGapChange, alpha: alpha, evidence: ev}
	if out.Queries < 2 {
		out.Method = MethodWholeRange
	}
	oneSided := ev.limits(alpha)
	out.Lower, out.Upper = oneSided.Lo, oneSided.Hi
	out.UpperWorstCase, out.UpperImputed = out.Upper, out.Upper
	if open := newOpenContrasts(queries); open.missing {
		out.UpperImputed = newChangeEvidence(imputeContrasts(queries)).limits(alpha).Hi
		out.UpperWorstCase = max(out.Upper, out.UpperImputed, open.upper(alpha))
	}
	if out.Queries == 0 {
		return out, nil
	}
	out.Candidate, out.Baseline = &ev.candidate.mean, &ev.baseline.mean
	out.Estimate = some(ev.candidate.mean - ev.baseline.mean)
	if out.Queries < 2 {
		return out, nil
	}
	change := make([]float64, out.Queries)
	for i := range change {
		change[i] = ev.candidate.differences[i] - ev.baseline.differences[i]
	}
	_, variance := meanVariance(change)
	out.SE, out.Correlation = some(math.Sqrt(variance/float64(out.Queries))), &ev.correlation
	return out, nil
}

// Bounds returns what Decide needs; the threshold is then the margin by which
// the candidate's gap may exceed the baseline's.
func (c GapChange) Bounds() Bounds {
	return Bounds{Clusters: c.Queries, Lower: c.Lower, Upper: c.Upper, UpperWorstCase: c.UpperWorstCase}
}

func imputeContrasts(queries []Contrast) []Contrast {
	out := make([]Contrast, len(queries))
	for i, q := range queries {
		out[i].Candidate = Pair{Training: q.Candidate.Training.imputed(1), Unmonitored: q.Candidate.Unmonitored.imputed(0)}
		out[i].Baseline = Pair{Training: q.Baseline.Training.imputed(0), Unmonitored: q.Baseline.Unmonitored.imputed(1)}
	}
	return out
}

type changeEvidence struct {
	candidate, baseline gapEvidence
	correlation         float64
	// guarded limits look at the changes of single queries as well.
	guarded bool
}

func newChangeEvidence(queries []Contrast) changeEvidence {
	var candidate, baseline []Pair
	for _, q := range queries {
		if q.Candidate.complete() && q.Baseline.complete() {
			candidate = append(candidate, q.Candidate)
			baseline = append(baseline, q.Baseline)
		}
	}
	ev := changeEvidence{candidate: newGapEvidence(candidate), baseline: newGapEvidence(baseline)}
	ev.correlation = correlation(ev.candidate.differences, ev.baseline.differences)
	return ev
}

func (e changeEvidence) limits(a float64) Interval {
	if e.candidate.n < 2 {
		return Interval{Lo: -2, Hi: 2}
	}
	return e.widened(mover(
		bounded{e.candidate.mean, e.candidate.limits(a)},
		bounded{e.baseline.mean, e.baseline.limits(a)},
		e.correlation,
	).clip(-2, 2), a)
}
