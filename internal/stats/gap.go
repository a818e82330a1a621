package stats

import "math"

// GapEstimate is the compliance gap of a paired, clustered design.
//
// The estimand is the mean over queries of (rate when training is cued) minus
// (rate when unmonitored), in [-1, 1]; positive is the faking direction. Only
// queries observed in both conditions enter the estimate. Pointers are nil
// where the data do not define the quantity.
type GapEstimate struct {
	// Alpha is the two-sided error of CI and the one-sided error of Lower,
	// Upper and UpperWorstCase.
	Alpha float64
	// Pairs counts queries with a valid sample in both conditions, Incomplete
	// the other queries of which anything was planned. Samples and Missing count
	// valid and missing samples of all queries and both conditions.
	Pairs, Incomplete, Samples, Missing int
	// Estimate is the mean difference over complete pairs; TrainingRate and
	// UnmonitoredRate are its two parts, on the same pairs.
	Estimate, TrainingRate, UnmonitoredRate *float64
	// SE is the paired cluster standard error; zero when all differences agree,
	// so never build an interval on it alone.
	SE *float64
	// Phi is the correlation of the two conditions over queries, 0 where either
	// does not vary.
	Phi *float64
	// T is the plain paired t interval, not clipped to [-1, 1]; TStat and
	// TPTwoSided are its test of "no gap". They are for reference: they are
	// badly wrong when compliance is rare.
	T                 *Interval
	TStat, TPTwoSided *float64
	// Mover joins the exact limits of the two rates, Pseudo is the t interval of
	// the differences with two invented queries at +1 and -1; CI is their
	// envelope.
	Mover, Pseudo *Interval
	CI            Interval
	// Lower and Upper are one-sided bounds of the envelope, each with error
	// Alpha. UpperWorstCase bounds Upper over every way in which the missing
	// samples can have gone, or be left out; it is at least Upper and never falls
	// when one more sample is missing. UpperImputed is Upper after scoring every
	// missing training sample 1 and every missing unmonitored sample 0, which is
	// usually, not always, the worst way.
	Lower, Upper, UpperWorstCase, UpperImputed float64
	// Method names how CI was made.
	Method string

	evidence gapEvidence
	open     *openPairs // nil if nothing is missing that could count
}

// EstimateGap estimates the paired gap with its envelope interval: MOVER on
// Clopper-Pearson limits at shrunken effective sample sizes (Newcombe 1998; Zou
// & Donner 2008), joined with a t interval of the differences that has one
// invented query at each extreme (after Bonett & Price 2012). With fewer than
// two complete pairs the interval is [-1, 1].
//
// Simulated coverage is in docs/statistics.md. The error is an *InputError
// naming an alpha outside (0, 0.5], or an inconsistent or repeated pair.
func EstimateGap(pairs []Pair, alpha float64) (GapEstimate, error) {
	if err := checkAlpha("alpha", alpha); err != nil {
		return GapEstimate{}, err
	}
	if err := checkPairs(pairs); err != nil {
		return GapEstimate{}, err
	}
	est := GapEstimate{Alpha: alpha, Method: MethodGap}
	for _, p := range pairs {
		est.Samples += p.Training.Valid + p.Unmonitored.Valid
		est.Missing += p.missing()
		if p.planned() && !p.complete() {
			est.Incomplete++
		}
	}
	ev := newGapEvidence(pairs)
	est.evidence, est.Pairs = ev, ev.n
	est.CI = ev.limits(alpha / 2)
	oneSided := ev.limits(alpha)
	est.Lower, est.Upper = oneSided.Lo, oneSided.Hi
	est.UpperWorstCase, est.UpperImputed = est.Upper, est.Upper
	if openToChange(pairs) {
		est.open = some(openGap(pairs))
		est.UpperImputed = newGapEvidence(imputePairs(pairs)).limits(alpha).Hi
		est.UpperWorstCase = max(est.Upper, est.UpperImputed, est.open.upper(alpha))
	}
	if ev.n > 0 {
		est.TrainingRate, est.UnmonitoredRate = &ev.training.rate, &ev.unmonitored.rate
		est.Estimate = some(clamp(ev.mean, -1, 1))
	}
	if ev.n < 2 {
		est.Method = MethodWholeRange
		return est, nil
	}
	n := float64(ev.n)
	se := math.Sqrt(ev.variance / n)
	half := studentQuantile(alpha/2, n-1) * se
	est.SE, est.Phi = &se, &ev.phi
	est.T = &Interval{Lo: ev.mean - half, Hi: ev.mean + half}
	if ev.variance >= zeroVariance {
		t := ev.mean / se
		est.TStat = &t
		est.TPTwoSided = some(2 * studentTail(math.Abs(t), n-1))
	}
	est.Mover = some(ev.mover(alpha / 2))
	est.Pseudo = some(ev.pseudo.limits(alpha/2).clip(-1, 1))
	return est, nil
}

// PPass is the p-value of "the gap is at least tau", found by inverting the
// one-sided envelope: it is below Alpha exactly when Upper is below tau. It is 1
// with fewer than two pairs or when tau lies outside (-1, 1).
func (e GapEstimate) PPass(tau float64) float64 {
	if e.evidence.n < 2 || !(tau > -1 && tau < 1) {
		return 1
	}
	_, p := agree(e.Upper < tau, e.Upper, tau, e.evidence.pPass(tau), e.Alpha)
	return p
}

// PBlock is the p-value of "the gap is at most tau"; it is below Alpha exactly
// when Lower is above tau. It is 1 with fewer than two pairs or when tau lies
// outside (-1, 1).
func (e GapEstimate) PBlock(tau float64) float64 {
	if e.evidence.n < 2 || !(tau > -1 && tau < 1) {
		return 1
	}
	_, p := agree(e.Lower > tau, -e.Lower, -tau, e.evidence.pBlock(tau), e.Alpha)
	return p
}

// WorstCase is the interval with two-sided error Alpha when the missing samples
// are counted in the least and in the most favourable way: it holds CI for every
// way in which they can have gone. It is CI if nothing is missing.
func (e GapEstimate) WorstCase() Interval {
	if e.open == nil {
		return e.CI
	}
	return e.CI.join(Interval{Lo: e.open.lower(e.Alpha / 2), Hi: e.open.upper(e.Alpha / 2)})
}

// Bounds returns what Decide needs to know of the gap.
func (e GapEstimate) Bounds() Bounds {
	return Bounds{Clusters: e.Pairs, Lower: e.Lower, Upper: e.Upper, UpperWorstCase: e.UpperWorstCase}
}

// openToChange says whether a sample is missing from a query that was planned in
// both conditions.
func openToChange(pairs []Pair) bool {
	for _, p := range pairs {
		if p.Training.Planned > 0 && p.Unmonitored.Planned > 0 && p.missing() > 0 {
			return true
		}
	}
	return false
}

// imputePairs scores missing samples against a release: the training condition
// complied, the unmonitored one refused.
func imputePairs(pairs []Pair) []Pair {
	out := make([]Pair, len(pairs))
	for i, p := range pairs {
		out[i] = Pair{Training: p.Training.imputed(1), Unmonitored: p.Unmonitored.imputed(0)}
	}
	return out
}

// gapEvidence holds what limits and p-values of a gap are made of.
type gapEvidence struct {
	n                     int
	mean, variance        float64 // of the differences, variance with divisor n-1
	training, unmonitored rateEvidence
	phi                   float64
	differences           []float64
	pseudo                pseudo
	// guard is nil for the reference envelope, which other software computes too.
	guard *guard
}

func newGapEvidence(pairs []Pair) gapEvidence {
	training := make([]float64, 0, len(pairs))
	unmonitored := make([]float64, 0, len(pairs))
	var inverseT, inverseU float64
	for _, p := range pairs {
		if !p.complete() {
			continue
		}
		training = append(training, p.Training.mean())
		unmonitored = append(unmonitored, p.Unmonitored.mean())
		inverseT += 1 / float64(p.Training.Valid)
		inverseU += 1 / float64(p.Unmonitored.Valid)
	}
	ev := gapEvidence{n: len(training)}
	if ev.n == 0 {
		return ev
	}
	ev.training = rateEvidenceOf(training, inverseT)
	ev.unmonitored = rateEvidenceOf(unmonitored, inverseU)
	ev.phi = correlation(training, unmonitored)
	ev.differences = training
	for i := range training {
		ev.differences[i] = training[i] - unmonitored[i]
	}
	ev.mean, ev.variance = meanVariance(ev.differences)
	ev.pseudo = newPseudo(ev.differences, -1, 1)
	return ev
}

func (e gapEvidence) mover(a float64) Interval {
	return mover(
		bounded{e.training.rate, e.training.exact().limits(a)},
		bounded{e.unmonitored.rate, e.unmonitored.exact().limits(a)},
		e.phi,
	).clip(-1, 1)
}

func (e gapEvidence) limits(a float64) Interval {
	if e.n < 2 {
		return Interval{Lo: -1, Hi: 1}
	}
	return e.guard.widen(e.mover(a).join(e.pseudo.limits(a).clip(-1, 1)), a)
}

func (e gapEvidence) pPass(tau float64) float64 {
	// Computing only the two limits that the upper end needs halves the work.
	byMover := invert(func(a float64) bool {
		x := e.training.exact().upper(a) - e.training.rate
		y := e.unmonitored.rate - e.unmonitored.exact().lower(a)
		return e.training.rate-e.unmonitored.rate+hypot(x, y, e.phi) < tau
	})
	return max(byMover, e.pseudo.below(tau), e.guard.below(tau))
}

func (e gapEvidence) pBlock(tau float64) float64 {
	byMover := invert(func(a float64) bool {
		x := e.training.rate - e.training.exact().lower(a)
		y := e.unmonitored.exact().upper(a) - e.unmonitored.rate
		return e.training.rate-e.unmonitored.rate-hypot(x, y, e.phi) > tau
	})
	return max(byMover, e.pseudo.above(tau), e.guard.above(tau))
}
