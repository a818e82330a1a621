package stats

import "math"

// cochranArmitage is the trend statistic over samples (Armitage 1955), nil when
// all samples agree.
func cochranArmitage(x []float64, rows [][]TrendCell) *float64 {
	sums, counts := make([]float64, len(x)), make([]float64, len(x))
	var total, samples, weighted float64
	for _, row := range rows {
		for j, c := range row {
			sums[j] += c.Sum
			counts[j] += float64(c.Valid)
			total += c.Sum
			samples += float64(c.Valid)
			weighted += float64(c.Valid) * x[j]
		}
	}
	rate, centre := total/samples, weighted/samples
	unit := rate * (1 - rate)
	if unit < zeroVariance {
		return nil
	}
	var score, spread float64
	for j, v := range x {
		score += (sums[j] - counts[j]*rate) * (v - centre)
		spread += counts[j] * (v - centre) * (v - centre)
	}
	return some(score / math.Sqrt(unit*spread))
}

// logisticTrend fits logit(rate) = a + b x by Newton's method, with a sandwich
// error clustered by query. x is standardised first, so that raw step numbers do
// not spoil the arithmetic.
func logisticTrend(x []float64, rows [][]TrendCell) (slope, se *float64) {
	centre, variance := meanVariance(x)
	scale := math.Sqrt(variance)
	z := make([]float64, len(x))
	for j, v := range x {
		z[j] = (v - centre) / scale
	}
	sums, counts := make([]float64, len(x)), make([]float64, len(x))
	for _, row := range rows {
		for j, c := range row {
			sums[j] += c.Sum
			counts[j] += float64(c.Valid)
		}
	}
	a, b, info, ok := fitLogistic(z, sums, counts)
	if !ok {
		return nil, nil
	}
	var meat symmetric
	for _, row := range rows {
		var ua, ub float64
		for j, c := range row {
			residual := c.Sum - float64(c.Valid)*logistic(a+b*z[j])
			ua += residual
			ub += residual * z[j]
		}
		meat.aa += ua * ua
		meat.ab += ua * ub
		meat.bb += ub * ub
	}
	bread, ok := info.inverse()
	if !ok {
		return nil, nil
	}
	v := bread.ab*(bread.ab*meat.aa+bread.bb*meat.ab) + bread.bb*(bread.ab*meat.ab+bread.bb*meat.bb)
	return some(b / scale), some(math.Sqrt(math.Max(v, 0)) / scale)
}

// symmetric is a symmetric 2x2 matrix.
type symmetric struct{ aa, ab, bb float64 }

func (m symmetric) inverse() (symmetric, bool) {
	det := m.aa*m.bb - m.ab*m.ab
	if !(det > 1e-12*m.aa*m.bb) || math.IsInf(det, 0) {
		return symmetric{}, false
	}
	return symmetric{aa: m.bb / det, ab: -m.ab / det, bb: m.aa / det}, true
}

func logistic(t float64) float64 { return 1 / (1 + math.Exp(-t)) }

// fitLogistic maximises the binomial likelihood; ok is false if there is no
// finite maximum, which shows as a linear predictor that runs away.
func fitLogistic(z, sums, counts []float64) (a, b float64, info symmetric, ok bool) {
	for range 100 {
		var ua, ub float64
		info = symmetric{}
		for j := range z {
			p := logistic(a + b*z[j])
			w := counts[j] * p * (1 - p)
			r := sums[j] - counts[j]*p
			ua += r
			ub += r * z[j]
			info.aa += w
			info.ab += w * z[j]
			info.bb += w * z[j] * z[j]
		}
		inv, invertible := info.inverse()
		if !invertible {
			return 0, 0, info, false
		}
		da, db := inv.aa*ua+inv.ab*ub, inv.ab*ua+inv.bb*ub
		if size := math.Abs(da) + math.Abs(db); size > 5 {
			da, db = da*5/size, db*5/size
		}
		a, b = a+da, b+db
		if math.Abs(a)+math.Abs(b) > 60 {
			return 0, 0, info, false
		}
		if math.Abs(da)+math.Abs(db) < 1e-12*(1+math.Abs(a)+math.Abs(b)) {
			return a, b, info, true
		}
	}
	return 0, 0, info, false
}
