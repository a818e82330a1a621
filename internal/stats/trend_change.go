package stats

import "math"

// Change is the split of checkpoints into two segments that differ most.
type Change struct {
	// T are the paired t statistics of each split, nil where the queries' shifts
	// do not vary. A split at which every query shifts by the same amount, not
	// zero, counts as the most likely one, with the p-value 2^(1-Queries).
	T []*float64
	// After is the index of the last checkpoint before the change, Shift the
	// difference of the later and earlier means, PBonferroni its two-sided
	// p-value over all splits.
	After       *int
	Shift       *float64
	PBonferroni *float64
}

// changePoint scans all splits with running sums, in time linear in the cells.
func changePoint(means [][]float64) Change {
	steps := len(means[0])
	out := Change{T: make([]*float64, steps-1)}
	if len(means) < 2 {
		return out
	}
	before, total := make([]float64, len(means)), make([]float64, len(means))
	for i, m := range means {
		for _, v := range m {
			total[i] += v
		}
	}
	n, shift, largest := float64(len(means)), make([]float64, len(means)), 0.0
	for j := range steps - 1 {
		for i, m := range means {
			before[i] += m[j]
			shift[i] = (total[i]-before[i])/float64(steps-j-1) - before[i]/float64(j+1)
		}
		mean, variance := meanVariance(shift)
		t := math.Inf(1)
		switch {
		case variance >= zeroVariance:
			t = mean / math.Sqrt(variance/n)
			out.T[j] = &t
		case mean*mean < zeroVariance:
			continue
		}
		// Queries that all shift alike leave t undefined and are the clearest
		// change there is; the largest of them counts.
		better := math.Abs(t) > largest
		if math.IsInf(t, 0) && math.IsInf(largest, 0) {
			better = math.Abs(mean) > math.Abs(*out.Shift)
		}
		if better {
			largest, out.After, out.Shift = math.Abs(t), some(j), &mean
		}
	}
	if out.After != nil {
		p := math.Pow(2, 1-n)
		if out.T[*out.After] != nil {
			p = 2 * studentTail(largest, n-1)
		}
		out.PBonferroni = some(math.Min(1, float64(steps-1)*p))
	}
	return out
}
