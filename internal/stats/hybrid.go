package stats

import "math"

// Hybrid is the estimate of a gap or a rate in a run that may stop early.
//
// Half of the error goes to betting, which may be looked at after every query,
// half to one final look at the whole plan with EstimateGap or EstimateRate. The
// embedded Bounds are what both parts support together; Decide takes them as
// they are. Each of Lower and Upper is wrong with probability at most Alpha: the
// betting part exactly, the final look as far as the envelope keeps its level.
//
// All steps that were consumed are looked at, those after StoppedAt as well:
// betting may be looked at as long as one likes, several comparisons of one run
// reach their ends at different steps, and their correction for each other needs
// the evidence of all. Clusters counts steps without a final look, and complete
// pairs (for a rate, queries with a valid sample) with one.
type Hybrid struct {
	Bounds
	// Threshold is the one that the run was decided against, and Alpha the
	// one-sided error of the whole design.
	Threshold, Alpha float64
	// PPass is the p-value of "at least the threshold" and PBlock that of "at
	// most the threshold": min(1, 2 min(betting, final look)). PPass < Alpha
	// exactly when Upper < Threshold, and PBlock < Alpha exactly when Lower >
	// Threshold; a tie between them counts for neither.
	PPass, PBlock float64
	// Steps is the number of queries consumed that are steps: something was
	// planned in each condition needed.
	Steps int
	// StoppedAt is the step at which betting alone first decided, 0 if it never
	// did, and Early what it decided then, INCONCLUSIVE if it never did.
	StoppedAt int
	Early     Verdict
	// Sequence is the confidence sequence at error Alpha/2 on each side, over the
	// steps from the minimum number of queries on. It counts missing samples
	// against each side.
	Sequence Interval
	// Final is the final look at error Alpha/2; nil unless the whole plan was
	// consumed.
	Final *Bounds
}

// looked is a final look with its p-values.
type looked struct {
	Bounds
	pPass, pBlock float64
}

// EstimateHybridGap combines early stopping by betting with a final look at a
// paired gap. ordered holds the queries consumed, in the random order fixed
// before the run (never in order of arrival); complete says that these are all
// planned queries, so that the final look may be taken. tau is the threshold in
// (-1, 1), alpha the one-sided error in (0, 0.5] of the whole design, and before
// minClusters steps nothing is looked at. The verdict is
// Decide(h.Bounds, tau, minClusters).
//
// The cost is linear in the number of queries. The error is an *InputError.
// Sources: Waudby-Smith & Ramdas 2024 for betting, Ville 1939 for its error, and
// the union bound for the sum; docs/statistics.md has its measured errors.
func EstimateHybridGap(ordered []Pair, complete bool, tau, alpha float64, minClusters int) (Hybrid, error) {
	if err := checkPairs(ordered); err != nil {
		return Hybrid{}, err
	}
	steps := make([]Step, 0, len(ordered))
	for _, p := range ordered {
		if s, ok := GapStep(p); ok {
			steps = append(steps, s)
		}
	}
	return newHybrid(hybridConfig(Gap, tau, alpha, minClusters), alpha, steps, complete, func() (looked, error) {
		est, err := EstimateGuardedGap(ordered, alpha/2)
		if err != nil {
			return looked{}, err
		}
		return looked{est.Bounds(), est.PPass(tau), est.PBlock(tau)}, nil
	})
}

// EstimateHybridRate is EstimateHybridGap for a rate under one condition, with a
// threshold in (0, 1).
func EstimateHybridRate(ordered []Cluster, complete bool, tau, alpha float64, minClusters int) (Hybrid, error) {
	if err := checkClusters(ordered); err != nil {
		return Hybrid{}, err
	}
	steps := make([]Step, 0, len(ordered))
	for _, c := range ordered {
		if s, ok := RateStep(c); ok {
			steps = append(steps, s)
		}
	}
	return newHybrid(hybridConfig(Rate, tau, alpha, minClusters), alpha, steps, complete, func() (looked, error) {
		est, err := EstimateRate(ordered, alpha/2)
		if err != nil {
			return looked{}, err
		}
		return looked{est.Bounds(), est.PPass(tau), est.PBlock(tau)}, nil
	})
}

func hybridConfig(of Quantity, tau, alpha float64, minClusters int) MonitorConfig {
	return MonitorConfig{Quantity: of, Threshold: tau, Alpha: alpha / 2, MinClusters: minClusters}
}

func newHybrid(config MonitorConfig, alpha float64, steps []Step, complete bool, final func() (looked, error)) (Hybrid, error) {
	if err := checkAlpha("alpha", alpha); err != nil {
		return Hybrid{}, err
	}
	monitor, err := NewMonitor(config)
	if err != nil {
		return Hybrid{}, err
	}
	for _, s := range steps {
		if _, err := monitor.Observe(s); err != nil {
			return Hybrid{}, err
		}
	}
	h := Hybrid{
		Threshold: config.Threshold, Alpha: alpha,
		Steps: len(steps), StoppedAt: monitor.Stopped(), Early: monitor.Verdict(),
	}
	h.Clusters = h.Steps
	h.bet(monitor.config, steps)
	if complete {
		last, err := final()
		if err != nil {
			return Hybrid{}, err
		}
		h.look(last)
	}
	h.PPass, h.PBlock = math.Min(h.PPass, 1), math.Min(h.PBlock, 1)
	return h, nil
}

// bet fills in what the steps support.
func (h *Hybrid) bet(config MonitorConfig, steps []Step) {
	up := betting{values: make([]float64, len(steps)), from: config.MinClusters, mix: newBettors(config.BetFractions)}
	down := betting{values: make([]float64, len(steps)), from: config.MinClusters, mix: up.mix}
	for i, s := range steps {
		up.values[i] = clamp(config.Quantity.centred(s.Highest), -1, 1)
		down.values[i] = -clamp(config.Quantity.centred(s.Lowest), -1, 1)
	}
	needed, tau := 1/config.Alpha, config.Quantity.centred(config.Threshold)
	lo, hi := -down.bound(needed), up.bound(needed)
	if lo > hi {
		// The bounds of different steps contradict each other, which has
		// probability below alpha; those of one step cannot.
		up.from, down.from = len(steps), len(steps)
		lo, hi = -down.bound(needed), up.bound(needed)
	}
	h.Sequence = Interval{Lo: config.Quantity.natural(lo), Hi: config.Quantity.natural(hi)}
	forPass, forBlock := up.peak(tau, math.Inf(1)), down.peak(-tau, math.Inf(1))
	h.PPass, h.PBlock = 2/math.Max(1, forPass), 2/math.Max(1, forBlock)
	// Rounding must not part the bounds from the verdict.
	h.Sequence.Hi, h.PPass = agree(forPass >= needed, h.Sequence.Hi, h.Threshold, h.PPass, h.Alpha)
	mirrored, p := agree(forBlock >= needed, -h.Sequence.Lo, -h.Threshold, h.PBlock, h.Alpha)
	h.Sequence.Lo, h.PBlock = -mirrored, p
	h.Lower, h.Upper, h.UpperWorstCase = h.Sequence.Lo, h.Sequence.Hi, h.Sequence.Hi
}

// look adds the final look. Where it lies wholly outside the confidence
// sequence, which has probability below alpha, it stands alone.
func (h *Hybrid) look(last looked) {
	h.Final, h.Clusters = &last.Bounds, last.Clusters
	h.Lower = math.Max(h.Sequence.Lo, last.Lower)
	h.Upper = math.Min(h.Sequence.Hi, last.Upper)
	h.UpperWorstCase = math.Min(h.Sequence.Hi, last.UpperWorstCase)
	if h.Lower > h.Upper {
		h.Lower, h.Upper, h.UpperWorstCase = last.Lower, last.Upper, last.UpperWorstCase
	}
	h.UpperWorstCase = math.Max(h.UpperWorstCase, h.Upper)
	_, h.PPass = agree(h.Upper < h.Threshold, h.Upper, h.Threshold, math.Min(h.PPass, 2*last.pPass), h.Alpha)
	_, h.PBlock = agree(h.Lower > h.Threshold, -h.Lower, -h.Threshold, math.Min(h.PBlock, 2*last.pBlock), h.Alpha)
}
