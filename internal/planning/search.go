package planning

import (
	"context"
	"math"
)

// batch is the number of runs after which a simulation may stop because the
// answer is clear. It is fixed, so that results do not depend on the workers.
const batch = 100

// decisive is how many standard errors a share lies from the power when the
// remaining runs are not worth their time.
const decisive = 3

// reaches says whether the share of runs that do what is wanted is at least the
// power. It is the share of all runs unless it is far from it.
func (s *sampler) reaches(ctx context.Context, wanted func(verdict) bool) (bool, error) {
	count := 0
	for from := 0; from < s.perLook; from += batch {
		to := min(from+batch, s.perLook)
		verdicts, err := s.simulate(ctx, from, to)
		if err != nil {
			return false, err
		}
		for _, v := range verdicts {
			if wanted(v) {
				count++
			}
		}
		share := shareOf(count, to)
		if math.Abs(share.Estimate-s.request.Power) > decisive*share.StandardError {
			return share.Estimate >= s.request.Power, nil
		}
	}
	return float64(count) >= s.request.Power*float64(s.perLook), nil
}

// smallest finds the least number of queries that reaches the power, from the
// bracket around start. The chance of a verdict rises with the queries but for
// small teeth, where one event more begins to be allowed, so it is a number that
// reaches the power next to one that does not; above 200 queries the two may lie
// half a percent apart. reached is false when not even MaxQueries do.
func (s *simulation) smallest(ctx context.Context, start int, wanted func(verdict) bool) (n int, reached bool, err error) {
	least := max(s.policy.Requirements.MinQueries, 2)
	if least > s.request.MaxQueries {
		return s.request.MaxQueries, false, nil
	}
	// lo does not reach the power, hi does.
	lo, hi := least-1, 0
	for n := start; ; {
		ok, err := s.of(n).reaches(ctx, wanted)
		if err != nil {
			return 0, false, err
		}
		if ok {
			hi = n
			n = max(n*4/5, lo+1)
		} else {
			lo = n
			if lo == s.request.MaxQueries {
				return lo, false, nil
			}
			n = min(n+n/4+1, s.request.MaxQueries)
		}
		if hi > 0 && (lo >= least || hi == lo+1) {
			break
		}
	}
	for hi-lo > max(1, hi/200) {
		mid := lo + (hi-lo)/2
		ok, err := s.of(mid).reaches(ctx, wanted)
		if err != nil {
			return 0, false, err
		}
		if ok {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi, true, nil
}
