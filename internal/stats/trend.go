package stats

import "math"

// TrendCell is one query at one checkpoint: the sum and number of its valid
// scores.
type TrendCell struct {
	Sum   float64
	Valid int
}

// Trend says whether a rate moves over checkpoints. Nil stands for "not
// defined", as a test without any variation.
type Trend struct {
	// Queries counts those valid at every checkpoint; only they enter.
	Queries int
	// Rates are the mean query means per checkpoint, Isotonic their
	// non-decreasing least-squares fit, for display.
	Rates, Isotonic []float64
	// Slope is the mean of the per-query least-squares slopes in units of x, the
	// primary analysis: valid whatever the correlation of checkpoints (Matthews
	// et al. 1990).
	Slope, SlopeSE, SlopeT         *float64
	SlopePTwoSided, SlopePIncrease *float64
	SlopeCI                        *Interval
	// CochranArmitageZ treats samples as independent and is for reference only.
	CochranArmitageZ *float64
	// LogitSlope and LogitSE are a logistic regression with a sandwich error by
	// query (GEE with independence, Liang & Zeger 1986); nil if it does not
	// converge, as under perfect separation.
	LogitSlope, LogitSE *float64
	// PIncrease tests each later checkpoint against the first (pseudo-query t,
	// one-sided), PHolm adjusts them. OnsetHolm is the index of the first
	// checkpoint above the first one by Holm, OnsetSpending by an alpha-spending
	// rule that needs no end date.
	PIncrease, PHolm         []float64
	OnsetHolm, OnsetSpending *int
	// Change is the most likely single change.
	Change Change
}

// Change is the split of checkpoints into two segments that differ most.
type Change struct {
	// T are the paired t statistics of each split, nil where the queries' shifts
	// do not vary.
	T []*float64
	// After is the index of the last checkpoint before the change, Shift the
	// difference of the later and earlier means, PBonferroni its two-sided
	// p-value over all splits.
	After       *int
	Shift       *float64
	PBonferroni *float64
}

// EstimateTrend analyses repeated measures of the same queries at the
// checkpoints x, which must be finite, strictly increasing and at least two.
// cells holds a row per query with one cell per checkpoint. The error is an
// *InputError.
func EstimateTrend(x []float64, cells [][]TrendCell, alpha float64) (Trend, error) {
	if err := checkTrend(x, cells, alpha); err != nil {
		return Trend{}, err
	}
	complete := make([][]TrendCell, 0, len(cells))
	means := make([][]float64, 0, len(cells))
	for _, row := range cells {
		if m, ok := cellMeans(row); ok {
			complete, means = append(complete, row), append(means, m)
		}
	}
	out := Trend{Queries: len(complete)}
	if out.Queries == 0 {
		return out, nil
	}
	out.Rates = make([]float64, len(x))
	for j := range x {
		for _, m := range means {
			out.Rates[j] += m[j] / float64(len(means))
		}
	}
	out.Isotonic = isotonic(out.Rates)
	out.slopes(x, means, alpha)
	out.CochranArmitageZ = cochranArmitage(x, complete)
	out.LogitSlope, out.LogitSE = logisticTrend(x, complete)
	out.onset(means, alpha)
	out.Change = changePoint(means)
	return out, nil
}

func checkTrend(x []float64, cells [][]TrendCell, alpha float64) error {
	if err := checkAlpha("alpha", alpha); err != nil {
		return err
	}
	if len(x) < 2 {
		return badInput("x", "needs at least two checkpoints, got %d", len(x))
	}
	for j, v := range x {
		if math.IsNaN(v) || math.Abs(v) > 1e15 || (j > 0 && v <= x[j-1]) {
			return badInput("x", "must be finite and strictly increasing")
		}
	}
	for i, row := range cells {
		if len(row) != len(x) {
			return badInput(clusterField("cells", i, ""), "needs %d checkpoints, got %d", len(x), len(row))
		}
		for _, c := range row {
			if c.Valid < 0 || !(c.Sum >= -1e-9 && c.Sum <= float64(c.Valid)+1e-9) {
				return badInput(clusterField("cells", i, ""), "sum of scores must lie in [0, valid samples]")
			}
		}
	}
	return nil
}

func cellMeans(row []TrendCell) ([]float64, bool) {
	out := make([]float64, len(row))
	for j, c := range row {
		if c.Valid == 0 {
			return nil, false
		}
		out[j] = c.Sum / float64(c.Valid)
	}
	return out, true
}

func (out *Trend) slopes(x []float64, means [][]float64, alpha float64) {
	centre, _ := meanVariance(x)
	var spread float64
	for _, v := range x {
		spread += (v - centre) * (v - centre)
	}
	slopes := make([]float64, len(means))
	for i, m := range means {
		for j, v := range x {
			slopes[i] += (v - centre) * m[j] / spread
		}
	}
	mean, variance := meanVariance(slopes)
	out.Slope = &mean
	n := float64(len(means))
	if len(means) < 2 {
		return
	}
	se := math.Sqrt(variance / n)
	half := studentQuantile(alpha/2, n-1) * se
	out.SlopeSE, out.SlopeCI = &se, &Interval{Lo: mean - half, Hi: mean + half}
	// Slopes have the unit of 1/x, so "no variance" is judged in units of the
	// rate.
	if variance*spread < zeroVariance {
		return
	}
	t := mean / se
	out.SlopeT = &t
	out.SlopePTwoSided = some(2 * studentTail(math.Abs(t), n-1))
	out.SlopePIncrease = some(studentTail(t, n-1))
}

// isotonic pools adjacent violators with equal weights (Barlow et al. 1972).
func isotonic(y []float64) []float64 {
	type block struct {
		mean float64
		size int
	}
	var blocks []block
	for _, v := range y {
		blocks = append(blocks, block{v, 1})
		for len(blocks) > 1 && blocks[len(blocks)-2].mean >= blocks[len(blocks)-1].mean {
			a, b := blocks[len(blocks)-2], blocks[len(blocks)-1]
			size := a.size + b.size
			mean := (a.mean*float64(a.size) + b.mean*float64(b.size)) / float64(size)
			blocks = append(blocks[:len(blocks)-2], block{mean, size})
		}
	}
	out := make([]float64, 0, len(y))
	for _, b := range blocks {
		for range b.size {
			out = append(out, b.mean)
		}
	}
	return out
}

func (out *Trend) onset(means [][]float64, alpha float64) {
	later := len(out.Rates) - 1
	out.PIncrease = make([]float64, later)
	for j := range later {
		out.PIncrease[j] = 1
		if len(means) < 2 {
			continue
		}
		d := make([]float64, len(means))
		for i, m := range means {
			d[i] = m[j+1] - m[0]
		}
		out.PIncrease[j] = newPseudo(d, -1, 1).above(0)
	}
	out.PHolm = Holm(out.PIncrease)
	for j := range later {
		if out.OnsetHolm == nil && out.PHolm[j] <= alpha {
			out.OnsetHolm = some(j + 1)
		}
		look := float64(j + 1)
		if out.OnsetSpending == nil && out.PIncrease[j] <= 6*alpha/(math.Pi*math.Pi*look*look) {
			out.OnsetSpending = some(j + 1)
		}
	}
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
	n, shift := float64(len(means)), make([]float64, len(means))
	for j := range steps - 1 {
		for i, m := range means {
			before[i] += m[j]
			shift[i] = (total[i]-before[i])/float64(steps-j-1) - before[i]/float64(j+1)
		}
		mean, variance := meanVariance(shift)
		if variance < zeroVariance {
			continue
		}
		t := mean / math.Sqrt(variance/n)
		out.T[j] = &t
		if out.After == nil || math.Abs(t) > math.Abs(*out.T[*out.After]) {
			out.After, out.Shift = some(j), &mean
		}
	}
	if out.After != nil {
		p := 2 * studentTail(math.Abs(*out.T[*out.After]), n-1)
		out.PBonferroni = some(math.Min(1, float64(steps-1)*p))
	}
	return out
}
