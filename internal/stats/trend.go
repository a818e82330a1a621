package stats

import "math"

// TrendCell is one query at one checkpoint: the sum and number of its valid
// scores.
type TrendCell struct {
	Sum   float64
	Valid int
}

// Trend says whether a rate, or a gap, moves over checkpoints. Nil stands for
// "not defined", as a test without any variation.
type Trend struct {
	// Queries counts those valid at every checkpoint; only they enter.
	Queries int
	// Rates are the mean query means per checkpoint (of a gap, the mean
	// differences), Isotonic their non-decreasing least-squares fit, for display.
	Rates, Isotonic []float64
	// Slope is the mean of the per-query least-squares slopes in units of x, the
	// primary analysis: valid whatever the correlation of checkpoints (Matthews
	// et al. 1990).
	Slope, SlopeSE, SlopeT         *float64
	SlopePTwoSided, SlopePIncrease *float64
	SlopeCI                        *Interval
	// SlopeP is the two-sided p-value of "no change" for decisions, defined
	// whenever there are two queries: the largest of SlopePTwoSided, which holds
	// under any correlation of checkpoints but trusts the normal distribution; of
	// a test that reorders checkpoints within queries, which needs no
	// distribution but takes the order as all that could differ; and of
	// 2^(1-Queries), the least that the signs of that many slopes can say.
	SlopeP *float64
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
	// FromFirst compares each later checkpoint with the first one in both
	// directions. ShiftHolm is the index of the first checkpoint that differs
	// from the first one by Holm, ShiftSpending by the same alpha-spending rule;
	// each errs in at most alpha of the series without any change.
	FromFirst                []FirstChange
	ShiftHolm, ShiftSpending *int
	// Change is the most likely single change.
	Change Change
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
	out := trendOf(x, means, 1, alpha)
	if out.Queries > 0 {
		out.CochranArmitageZ = cochranArmitage(x, complete)
		out.LogitSlope, out.LogitSE = logisticTrend(x, complete)
	}
	return out, nil
}

// trendOf analyses a value per query and checkpoint; width is the length of the
// range that the values lie in, so that their changes lie in [-width, width].
func trendOf(x []float64, means [][]float64, width, alpha float64) Trend {
	out := Trend{Queries: len(means)}
	if out.Queries == 0 {
		return out
	}
	out.Rates = make([]float64, len(x))
	for j := range x {
		for _, m := range means {
			out.Rates[j] += m[j] / float64(len(means))
		}
	}
	out.Isotonic = isotonic(out.Rates)
	out.slopes(x, means, alpha)
	out.onset(means, width, alpha)
	out.Change = changePoint(means)
	return out
}

func checkAxis(x []float64, alpha float64) error {
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
	return nil
}

func checkTrend(x []float64, cells [][]TrendCell, alpha float64) error {
	if err := checkAxis(x, alpha); err != nil {
		return err
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
	weights := make([]float64, len(x))
	for j, v := range x {
		weights[j] = (v - centre) / spread
	}
	slopes := make([]float64, len(means))
	for i, m := range means {
		for j, w := range weights {
			slopes[i] += w * m[j]
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
	out.SlopeP = some(math.Max(permutationP(weights, means), math.Pow(2, 1-n)))
	// Slopes have the unit of 1/x, so "no variance" is judged in units of the
	// rate.
	if variance*spread < zeroVariance {
		if mean*mean*spread < zeroVariance {
			out.SlopeP = some(1.0)
		}
		return
	}
	t := mean / se
	out.SlopeT = &t
	out.SlopePTwoSided = some(2 * studentTail(math.Abs(t), n-1))
	out.SlopePIncrease = some(studentTail(t, n-1))
	out.SlopeP = some(math.Max(*out.SlopeP, *out.SlopePTwoSided))
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

func (out *Trend) onset(means [][]float64, width, alpha float64) {
	later := len(out.Rates) - 1
	out.PIncrease = make([]float64, later)
	out.FromFirst = make([]FirstChange, later)
	twoSided := make([]float64, later)
	d := make([]float64, len(means))
	for j := range later {
		for i, m := range means {
			d[i] = m[j+1] - m[0]
		}
		out.FromFirst[j], out.PIncrease[j] = firstChange(d, width, alpha)
		twoSided[j] = out.FromFirst[j].PTwoSided
	}
	out.PHolm = Holm(out.PIncrease)
	out.OnsetHolm, out.OnsetSpending = firstBelow(out.PHolm, out.PIncrease, alpha)
	adjusted := Holm(twoSided)
	for j, p := range adjusted {
		out.FromFirst[j].PHolm = p
	}
	out.ShiftHolm, out.ShiftSpending = firstBelow(adjusted, twoSided, alpha)
}
