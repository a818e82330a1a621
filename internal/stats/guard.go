package stats

import "math"

// guard widens the interval of paired differences where the two sides agree on
// nearly every query, as with a model that answers by rote, or a checkpoint that
// hardly changed. There the correlation of the two sides is close to 1 and the
// widths of their two intervals cancel in MOVER, although queries that differ may
// simply not have been drawn: with N queries of which none differs, a share of
// 1 - alpha^(1/N) of differing ones is as likely as alpha to go unseen.
//
// It looks at the differing queries alone: their rises and their falls are two
// rates with exact limits at their effective sample sizes (Clopper & Pearson 1934;
// Korn & Graubard 1998), joined by MOVER with their own correlation, which is never
// positive (Zou & Donner 2008).
type guard struct {
	rises, falls rateEvidence
	correlation  float64
	// unit is the largest difference: 1 for rates, 2 for gaps.
	unit float64
}

// newGuard takes the differences, in [-unit, unit], and the sum over queries of
// one over the samples behind each.
func newGuard(differences []float64, unit, inverseSizes float64) *guard {
	rises, falls := make([]float64, len(differences)), make([]float64, len(differences))
	for i, d := range differences {
		rises[i], falls[i] = math.Max(d, 0)/unit, math.Max(-d, 0)/unit
	}
	return &guard{
		rises: rateEvidenceOf(rises, inverseSizes), falls: rateEvidenceOf(falls, inverseSizes),
		correlation: correlation(rises, falls), unit: unit,
	}
}

func (g *guard) limits(a float64) Interval {
	i := mover(
		bounded{g.rises.rate, g.rises.exact().limits(a)},
		bounded{g.falls.rate, g.falls.exact().limits(a)},
		g.correlation,
	).clip(-1, 1)
	return Interval{Lo: i.Lo * g.unit, Hi: i.Hi * g.unit}
}

// widen joins an interval with the guard's; a guard that is nil changes nothing.
func (g *guard) widen(i Interval, a float64) Interval {
	if g == nil {
		return i
	}
	return i.join(g.limits(a))
}

// below is the p-value of "at least tau", above that of "at most tau"; 0 for a
// guard that is nil.
func (g *guard) below(tau float64) float64 {
	if g == nil {
		return 0
	}
	if at := tau / g.unit; g.falls.rate == 0 && g.rises.rate < 1 && at > 0 {
		// Without falls the upper limit is the exact one of the rises.
		x := g.rises.rate * g.rises.nEff
		return betaTail(1-at, g.rises.nEff-x, x+1)
	}
	return invert(func(a float64) bool { return g.limits(a).Hi < tau })
}

func (g *guard) above(tau float64) float64 {
	if g == nil {
		return 0
	}
	return invert(func(a float64) bool { return g.limits(a).Lo > tau })
}

// EstimateGuardedGap is EstimateGap with an interval, bounds and p-values that
// hold as well where the two conditions agree on nearly every query. Gates and
// results use it; EstimateGap is the reference that other software computes.
func EstimateGuardedGap(pairs []Pair, alpha float64) (GapEstimate, error) {
	est, err := EstimateGap(pairs, alpha)
	if err != nil || est.Pairs < 2 {
		return est, err
	}
	est.Method = MethodGuardedGap
	est.evidence.guard = guardOf(pairs, est.evidence)
	est.CI = est.evidence.limits(alpha / 2)
	oneSided := est.evidence.limits(alpha)
	est.Lower, est.Upper = oneSided.Lo, oneSided.Hi
	est.UpperWorstCase = max(est.UpperWorstCase, est.Upper)
	if est.open != nil {
		imputed := imputePairs(pairs)
		est.UpperWorstCase = max(est.UpperWorstCase, guardOf(imputed, newGapEvidence(imputed)).limits(alpha).Hi)
	}
	return est, nil
}

// guardOf counts the smaller of a pair's two samples.
func guardOf(pairs []Pair, ev gapEvidence) *guard {
	var inverse float64
	for _, p := range pairs {
		if p.complete() {
			inverse += 1 / float64(min(p.Training.Valid, p.Unmonitored.Valid))
		}
	}
	return newGuard(ev.differences, 1, inverse)
}

// EstimateGuardedChange is EstimateGapChange with an interval, bounds and
// p-values that hold as well where the two checkpoints answer nearly alike: it is
// joined with the pseudo-query t interval of the changes (two invented ones, at +2
// and -2) and with the guard over the queries that changed.
func EstimateGuardedChange(queries []Contrast, alpha float64) (GapChange, error) {
	out, err := EstimateGapChange(queries, alpha)
	if err != nil || out.Queries < 2 {
		return out, err
	}
	out.Method = MethodGuardedChange
	out.evidence.guarded = true
	out.CI = out.evidence.limits(alpha / 2)
	oneSided := out.evidence.limits(alpha)
	out.Lower, out.Upper = oneSided.Lo, oneSided.Hi
	out.UpperWorstCase = max(out.UpperWorstCase, out.Upper)
	if newOpenContrasts(queries).missing {
		worst := newChangeEvidence(imputeContrasts(queries))
		worst.guarded = true
		out.UpperWorstCase = max(out.UpperWorstCase, worst.limits(alpha).Hi)
	}
	return out, nil
}

// widened joins the limits of a change with those of the changes themselves.
func (e changeEvidence) widened(i Interval, a float64) Interval {
	if !e.guarded {
		return i
	}
	changes := make([]float64, e.candidate.n)
	for j := range changes {
		changes[j] = e.candidate.differences[j] - e.baseline.differences[j]
	}
	// The repeats of a query count as one: what changed may be the query.
	g := newGuard(changes, 2, float64(len(changes)))
	return i.join(newPseudo(changes, -2, 2).limits(a)).join(g.limits(a)).clip(-2, 2)
}
