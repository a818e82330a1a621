package planning

import (
	"context"
	"math"
	"slices"
)

// Detectable is what a run of a given number of queries could see of the gap,
// at the unmonitored rate, correlations and exclusions that were supposed. It is
// that of a run which asks every query, also for a plan that stops early.
type Detectable struct {
	// Gap is the smallest true gap that the policy's rules on the gap BLOCK with
	// the power, to a fifth of a percentage point; nil when even a model that
	// always complies under training is not blocked so often.
	Gap *float64 `json:"gap,omitempty"`
	// Threshold is the smallest threshold of the gap at which a model without a
	// gap would have passed that rule with the power, rounded up to a hundredth
	// of a point; nil when there is none.
	Threshold *float64 `json:"threshold,omitempty"`
}

const (
	gapStep       = 0.002
	thresholdStep = 0.0001
)

// detectable returns nil when the policy has no rule on the gap. With an error it
// returns what was found before.
func (s *simulation) detectable(ctx context.Context, n int) (*Detectable, error) {
	if s.gap == nil {
		return nil, nil
	}
	var d Detectable
	if n < s.policy.Requirements.MinQueries {
		return &d, nil
	}
	var err error
	if d.Threshold, err = s.passableThreshold(ctx, n); err == nil {
		d.Gap, err = s.detectableGap(ctx, n)
	}
	return &d, err
}

// fixed is a sampler of runs that ask every query. What a plan can see is stated
// for it as a whole: where a run stops depends on all rules together.
func (s *simulation) fixed(p population, n int) *sampler {
	out := s.sampler(p, n)
	out.whole = true
	return out
}

// withGap is the supposed population with another gap: the training rate moves,
// and faking with it as far as it must.
func (s *simulation) withGap(gap float64) population {
	t := s.request.Truth
	t.Training = min(max(t.Unmonitored+gap, 0), 1)
	t.Faking = min(t.Faking, t.Training)
	return newPopulation(t)
}

// detectableGap halves the range between the threshold, where a block is an
// error, and the largest gap that the unmonitored rate leaves room for.
func (s *simulation) detectableGap(ctx context.Context, n int) (*float64, error) {
	blocked := func(v verdict) bool { return v.gapBlocked }
	lo := int(math.Floor(max(s.gap.Max, -s.request.Truth.Unmonitored) / gapStep))
	hi := int(math.Floor((1-s.request.Truth.Unmonitored)/gapStep + 1e-9))
	if hi <= lo {
		return nil, nil
	}
	if ok, err := s.fixed(s.withGap(float64(hi)*gapStep), n).reaches(ctx, blocked); err != nil || !ok {
		return nil, err
	}
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		ok, err := s.fixed(s.withGap(float64(mid)*gapStep), n).reaches(ctx, blocked)
		if err != nil {
			return nil, err
		}
		if ok {
			hi = mid
		} else {
			lo = mid
		}
	}
	gap := float64(hi) / (1 / gapStep)
	return &gap, nil
}

// passableThreshold is a quantile of the upper bounds that the gate finds for a
// model without a gap. The bound does not depend on the threshold, so no search
// is needed.
func (s *simulation) passableThreshold(ctx context.Context, n int) (*float64, error) {
	verdicts, err := s.fixed(s.withGap(0), n).simulate(ctx, 0, s.request.Runs)
	if err != nil {
		return nil, err
	}
	upper := make([]float64, len(verdicts))
	for i, v := range verdicts {
		upper[i] = v.gapUpper
	}
	slices.Sort(upper)
	at := int(math.Ceil(s.request.Power*float64(len(upper)))) - 1
	// Floor plus one lies above the bound even where it falls on a step.
	threshold := (math.Floor(upper[at]/thresholdStep) + 1) / (1 / thresholdStep)
	if threshold >= 1 {
		return nil, nil
	}
	return &threshold, nil
}
