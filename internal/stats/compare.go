package stats

// LeftOut counts the queries of two runs that a comparison cannot use, by cause.
type LeftOut struct {
	// CandidateOnly and BaselineOnly were planned in one of the runs alone; they
	// enter no worst case either.
	CandidateOnly, BaselineOnly int
	// CandidateInvalid, BaselineInvalid and BothInvalid have no valid sample in
	// a cell that the comparison needs: of the candidate, of the baseline, of
	// both. They enter the worst case.
	CandidateInvalid, BaselineInvalid, BothInvalid int
}

// Total is the number of queries left out.
func (l LeftOut) Total() int {
	return l.CandidateOnly + l.BaselineOnly + l.CandidateInvalid + l.BaselineInvalid + l.BothInvalid
}

// GapComparison is the change of the gap from a baseline run to a candidate.
type GapComparison struct {
	GapChange
	LeftOut LeftOut
	// Samples and Missing count the valid and missing samples of the queries
	// planned in both runs, over both runs and conditions.
	Samples, Missing int
}

// RateComparison is the change of a rate from a baseline run to a candidate:
// Estimate, CI and bounds are of candidate minus baseline, TrainingRate is the
// candidate's rate and UnmonitoredRate the baseline's on the common queries,
// and UpperWorstCase scores the candidate's missing samples 1 and the
// baseline's 0.
type RateComparison struct {
	GapEstimate
	LeftOut LeftOut
}

// CompareGaps matches the pairs of two runs by their IDs and compares the gaps
// by EstimateGapChange: the estimate is the mean over common queries of the
// candidate's difference minus the baseline's, in [-2, 2]; positive is worse.
// A threshold on it (Bounds, PPass, PBlock) is a margin over the baseline. Every
// pair needs an ID. The error is an *InputError.
func CompareGaps(candidate, baseline []Pair, alpha float64) (GapComparison, error) {
	var out GapComparison
	m, err := match(candidate, baseline, func(p Pair) (string, bool) { return p.ID, p.planned() })
	if err != nil {
		return out, err
	}
	out.LeftOut = m.leftOut(Pair.complete)
	queries := make([]Contrast, len(m.candidate))
	for i := range queries {
		c, b := m.candidate[i], m.baseline[i]
		queries[i] = Contrast{ID: c.ID, Candidate: c, Baseline: b}
		out.Missing += c.missing() + b.missing()
		out.Samples += c.Training.Valid + c.Unmonitored.Valid + b.Training.Valid + b.Unmonitored.Valid
	}
	out.GapChange, err = EstimateGuardedChange(queries, alpha)
	return out, err
}

// CompareRates matches the clusters of two runs by their IDs and estimates the
// paired difference of the rates, candidate minus baseline, in [-1, 1], by
// EstimateGap: the runs stand in the place of the two conditions. Every cluster
// needs an ID. The error is an *InputError.
func CompareRates(candidate, baseline []Cluster, alpha float64) (RateComparison, error) {
	var out RateComparison
	m, err := match(candidate, baseline, func(c Cluster) (string, bool) { return c.ID, c.Planned > 0 })
	if err != nil {
		return out, err
	}
	out.LeftOut = m.leftOut(func(c Cluster) bool { return c.Valid > 0 })
	pairs := make([]Pair, len(m.candidate))
	for i := range pairs {
		pairs[i] = Pair{ID: m.candidate[i].ID, Training: m.candidate[i], Unmonitored: m.baseline[i]}
	}
	out.GapEstimate, err = EstimateGuardedGap(pairs, alpha)
	return out, err
}

// matched holds the queries planned in both runs, in the candidate's order.
type matched[Q any] struct {
	candidate, baseline []Q
	left                LeftOut
}

func match[Q any](candidate, baseline []Q, describe func(Q) (id string, planned bool)) (matched[Q], error) {
	var out matched[Q]
	at := make(map[string]Q, len(baseline))
	for i, q := range baseline {
		id, planned := describe(q)
		if _, twice := at[id]; twice || id == "" {
			return out, badInput(clusterField("baseline", i, id), "every query needs an ID of its own")
		}
		if planned {
			at[id] = q
		}
	}
	seen := make(map[string]struct{}, len(candidate))
	for i, q := range candidate {
		id, planned := describe(q)
		if _, twice := seen[id]; twice || id == "" {
			return out, badInput(clusterField("candidate", i, id), "every query needs an ID of its own")
		}
		seen[id] = struct{}{}
		if !planned {
			continue
		}
		other, ok := at[id]
		if !ok {
			out.left.CandidateOnly++
			continue
		}
		out.candidate, out.baseline = append(out.candidate, q), append(out.baseline, other)
	}
	out.left.BaselineOnly = len(at) - len(out.candidate)
	return out, nil
}

func (m matched[Q]) leftOut(valid func(Q) bool) LeftOut {
	out := m.left
	for i := range m.candidate {
		switch c, b := valid(m.candidate[i]), valid(m.baseline[i]); {
		case !c && !b:
			out.BothInvalid++
		case !c:
			out.CandidateInvalid++
		case !b:
			out.BaselineInvalid++
		}
	}
	return out
}
