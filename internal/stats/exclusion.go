package stats

// ExclusionImbalance compares how many samples could not be scored in the two
// conditions of a contrast. If exclusions depend on the condition, they may
// depend on the answer too, and the gap among the scored samples is doubtful.
type ExclusionImbalance struct {
	// Queries counts those planned in both conditions; only they enter.
	Queries int
	// TrainingExcluded and UnmonitoredExcluded count missing samples, of
	// TrainingPlanned and UnmonitoredPlanned.
	TrainingExcluded, UnmonitoredExcluded int
	TrainingPlanned, UnmonitoredPlanned   int
	// Training and Unmonitored are the excluded shares, each query weighing the
	// same, and Difference is training minus unmonitored, in [-1, 1]. Nil without
	// queries.
	Training, Unmonitored, Difference *float64
	// CI is the envelope interval of the difference with two-sided error alpha.
	CI Interval
	// PTwoSided tests that exclusions do not depend on the condition, by flipping
	// signs; 1 without any difference.
	PTwoSided float64
}

// EstimateExclusionImbalance treats "was excluded" as the score of every planned
// sample and estimates its paired gap with EstimateGap and SignFlip. The error
// is an *InputError.
func EstimateExclusionImbalance(pairs []Pair, alpha float64) (ExclusionImbalance, error) {
	if err := checkPairs(pairs); err != nil {
		return ExclusionImbalance{}, err
	}
	excluded := make([]Pair, 0, len(pairs))
	var out ExclusionImbalance
	for _, p := range pairs {
		if p.Training.Planned == 0 || p.Unmonitored.Planned == 0 {
			continue
		}
		e := Pair{ID: p.ID, Training: exclusions(p.Training), Unmonitored: exclusions(p.Unmonitored)}
		excluded = append(excluded, e)
		out.TrainingExcluded += p.Training.Planned - p.Training.Valid
		out.UnmonitoredExcluded += p.Unmonitored.Planned - p.Unmonitored.Valid
		out.TrainingPlanned += p.Training.Planned
		out.UnmonitoredPlanned += p.Unmonitored.Planned
	}
	gap, err := EstimateGap(excluded, alpha)
	if err != nil {
		return ExclusionImbalance{}, err
	}
	test, err := SignFlip(excluded, SignFlipOptions{})
	if err != nil {
		return ExclusionImbalance{}, err
	}
	out.Queries, out.CI, out.PTwoSided = gap.Pairs, gap.CI, test.PTwoSided
	out.Training, out.Unmonitored, out.Difference = gap.TrainingRate, gap.UnmonitoredRate, gap.Estimate
	return out, nil
}

func exclusions(c Cluster) Cluster {
	missing := float64(c.Planned - c.Valid)
	return Cluster{Sum: missing, SumSquares: missing, Valid: c.Planned, Planned: c.Planned}
}
