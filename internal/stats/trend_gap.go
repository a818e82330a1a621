package stats

// EstimateGapTrend analyses the paired gap of the same queries at the
// checkpoints x, as EstimateTrend does a rate: each query's value at a
// checkpoint is its rate when training is cued minus its rate when unmonitored,
// in [-1, 1], so the pairing within the query is kept and only the variation of
// queries enters the error. queries holds a row per query with one pair per
// checkpoint; a query counts where both conditions have a valid sample at every
// checkpoint. What treats scores as shares of samples (CochranArmitageZ,
// LogitSlope) is nil. The error is an *InputError.
func EstimateGapTrend(x []float64, queries [][]Pair, alpha float64) (Trend, error) {
	if err := checkAxis(x, alpha); err != nil {
		return Trend{}, err
	}
	means := make([][]float64, 0, len(queries))
	for i, row := range queries {
		if len(row) != len(x) {
			return Trend{}, badInput(clusterField("queries", i, ""), "needs %d checkpoints, got %d", len(x), len(row))
		}
		differences := make([]float64, len(x))
		whole := true
		for j, p := range row {
			for _, c := range []Cluster{p.Training, p.Unmonitored} {
				if err := c.check(); err != nil {
					return Trend{}, badInput(clusterField("queries", i, p.ID), "%v", err)
				}
			}
			if whole = whole && p.complete(); whole {
				differences[j] = p.Training.mean() - p.Unmonitored.mean()
			}
		}
		if whole {
			means = append(means, differences)
		}
	}
	return trendOf(x, means, 2, alpha), nil
}
