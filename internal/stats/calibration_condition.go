package stats

// CorrectGapByCondition corrects a gap for grader error that differs between
// the conditions: each rate is corrected by its own confusion (Rogan & Gladen
// 1978) with the interval of Lang & Reiczigel (2014), and the two are joined by
// MOVER with the correlation of the conditions over queries (Zou & Donner 2008).
// It works on the complete pairs of the estimate, at its alpha. Where one of the
// conditions cannot be corrected Raw is nil and the interval the whole range.
// The error is an *InputError.
func CorrectGapByCondition(e GapEstimate, training, unmonitored Confusion) (Corrected, error) {
	out := Corrected{CI: Interval{Lo: -1, Hi: 1}}
	ev := e.evidence
	t, err := training.CorrectRate(ev.training.asEstimate(e.Alpha))
	if err != nil {
		return out, err
	}
	u, err := unmonitored.CorrectRate(ev.unmonitored.asEstimate(e.Alpha))
	if err != nil {
		return out, err
	}
	if t.Raw == nil || u.Raw == nil {
		return out, nil
	}
	out.Raw = some(*t.Raw - *u.Raw)
	out.Estimate = some(*t.Estimate - *u.Estimate)
	if ev.n < 2 {
		return out, nil
	}
	// A clipped estimate can lie outside of its shifted interval.
	at := func(c Corrected) bounded { return bounded{clamp(*c.Estimate, c.CI.Lo, c.CI.Hi), c.CI} }
	out.CI = mover(at(t), at(u), ev.phi).clip(-1, 1)
	return out, nil
}

// asEstimate gives the correction of a rate what it needs.
func (e rateEvidence) asEstimate(alpha float64) RateEstimate {
	out := RateEstimate{Alpha: alpha}
	if e.n > 0 {
		out.Estimate = &e.rate
	}
	if e.n > 1 {
		out.EffectiveN = &e.nEff
	}
	return out
}
