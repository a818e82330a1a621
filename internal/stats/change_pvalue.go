package stats

// PPass is the p-value of "the change is at least tau", found by inverting the
// one-sided bound: it is below alpha exactly when Upper is below tau. It is 1
// with fewer than two common queries or when tau lies outside (-2, 2).
func (c GapChange) PPass(tau float64) float64 {
	return c.invert(tau, func(i Interval) bool { return i.Hi < tau })
}

// PBlock is the p-value of "the change is at most tau"; it is below alpha
// exactly when Lower is above tau. It is 1 where PPass is not defined.
func (c GapChange) PBlock(tau float64) float64 {
	return c.invert(tau, func(i Interval) bool { return i.Lo > tau })
}

func (c GapChange) invert(tau float64, excluded func(Interval) bool) float64 {
	if c.evidence.candidate.n < 2 || !(tau > -2 && tau < 2) {
		return 1
	}
	return invert(func(a float64) bool { return excluded(c.evidence.limits(a)) })
}
