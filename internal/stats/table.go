package stats

import "math"

// PairedTable counts queries that were sampled once per condition, by outcome.
type PairedTable struct {
	// Both complied in both conditions, TrainingOnly only when training was
	// cued, UnmonitoredOnly only when unmonitored, Neither in none.
	Both, TrainingOnly, UnmonitoredOnly, Neither int
}

// McNemar holds the tests of "no gap" on a paired table (McNemar 1947).
//
// The exact test is conservative and never wrong; the mid-p version has better
// power and rarely exceeds its level (Fagerland, Lydersen & Laake 2013). Greater
// is one-sided toward a positive gap.
type McNemar struct {
	ExactTwoSided, ExactGreater float64
	MidPTwoSided, MidPGreater   float64
	// Chi2 is the asymptotic statistic with one degree of freedom, for reference.
	Chi2, AsymptoticP float64
}

func (t PairedTable) n() int { return t.Both + t.TrainingOnly + t.UnmonitoredOnly + t.Neither }

func (t PairedTable) check() error {
	if t.Both < 0 || t.TrainingOnly < 0 || t.UnmonitoredOnly < 0 || t.Neither < 0 {
		return badInput("table", "counts must not be negative")
	}
	if t.n() == 0 {
		return badInput("table", "must hold at least one pair")
	}
	return nil
}

// Gap returns the difference of the two compliance rates, nil for an empty table.
func (t PairedTable) Gap() *float64 {
	if t.n() == 0 {
		return nil
	}
	return some(float64(t.TrainingOnly-t.UnmonitoredOnly) / float64(t.n()))
}

// McNemar tests whether the discordant pairs lean to one side. Without
// discordant pairs every test says 1, except the one-sided mid-p of 1/2.
func (t PairedTable) McNemar() (McNemar, error) {
	if err := t.check(); err != nil {
		return McNemar{}, err
	}
	b, c := float64(t.TrainingOnly), float64(t.UnmonitoredOnly)
	m := b + c
	if m == 0 {
		return McNemar{ExactTwoSided: 1, ExactGreater: 1, MidPTwoSided: 1, MidPGreater: 0.5, AsymptoticP: 1}, nil
	}
	greater := fairCoinAtLeast(b, m)
	less := 1.0 // P(X <= min(b, c)) = P(X >= max(b, c)) for a fair coin
	if b != c {
		less = 2 * fairCoinAtLeast(math.Max(b, c), m)
	}
	out := McNemar{
		ExactTwoSided: math.Min(1, less),
		ExactGreater:  greater,
		MidPTwoSided:  less - fairCoinExactly(math.Min(b, c), m),
		MidPGreater:   greater - fairCoinExactly(b, m)/2,
		Chi2:          (b - c) * (b - c) / m,
	}
	if b == c {
		out.MidPTwoSided = 1 - fairCoinExactly(b, m)/2
	}
	out.AsymptoticP = math.Erfc(math.Sqrt(out.Chi2 / 2))
	return out, nil
}

// fairCoinAtLeast is P(X >= x) for X ~ Bin(m, 1/2).
func fairCoinAtLeast(x, m float64) float64 {
	if x <= 0 {
		return 1
	}
	return betaTail(0.5, x, m-x+1)
}

func fairCoinExactly(x, m float64) float64 {
	a, _ := math.Lgamma(m + 1)
	b, _ := math.Lgamma(x + 1)
	c, _ := math.Lgamma(m - x + 1)
	return math.Exp(a - b - c - m*math.Ln2)
}

// Newcombe returns the interval of the gap by Newcombe's method 10: MOVER on
// Wilson limits (Newcombe 1998, Stat Med 17:2635). With corrected, the
// correlation is continuity-corrected, as in the paper.
func (t PairedTable) Newcombe(alpha float64, corrected bool) (Interval, error) {
	if err := t.checkWith(alpha); err != nil {
		return Interval{}, err
	}
	a, b, c, d := float64(t.Both), float64(t.TrainingOnly), float64(t.UnmonitoredOnly), float64(t.Neither)
	n, z := a+b+c+d, normalQuantile(1-alpha/2)
	product := (a + b) * (c + d) * (a + c) * (b + d)
	numerator := a*d - b*c
	if corrected && numerator > 0 {
		numerator = math.Max(numerator-n/2, 0)
	}
	phi := 0.0
	if product > 0 {
		phi = numerator / math.Sqrt(product)
	}
	return mover(
		bounded{(a + b) / n, wilson(a+b, n, z)},
		bounded{(a + c) / n, wilson(a+c, n, z)},
		phi,
	), nil
}

// BonettPrice returns the adjusted Wald interval of the gap (Bonett & Price
// 2012), one invented pair in each discordant cell. It is not clipped.
func (t PairedTable) BonettPrice(alpha float64) (Interval, error) {
	if err := t.checkWith(alpha); err != nil {
		return Interval{}, err
	}
	n := float64(t.n()) + 2
	q1, q2 := float64(t.TrainingOnly+1)/n, float64(t.UnmonitoredOnly+1)/n
	half := normalQuantile(1-alpha/2) * math.Sqrt((q1+q2-(q1-q2)*(q1-q2))/n)
	return Interval{Lo: q1 - q2 - half, Hi: q1 - q2 + half}, nil
}

// Tango returns the score interval of the gap (Tango 1998, Stat Med 17:891).
func (t PairedTable) Tango(alpha float64) (Interval, error) {
	if err := t.checkWith(alpha); err != nil {
		return Interval{}, err
	}
	n, b, c := float64(t.n()), float64(t.TrainingOnly), float64(t.UnmonitoredOnly)
	z := normalQuantile(1 - alpha/2)
	// outside is positive for gaps that the score test rejects.
	outside := func(gap float64) float64 {
		qa, qb, qc := 2*n, -b-c+(2*n-b+c)*gap, -c*gap*(1-gap)
		q := (math.Sqrt(math.Max(qb*qb-4*qa*qc, 0)) - qb) / (2 * qa)
		miss := b - c - n*gap
		return miss*miss - z*z*n*math.Max(2*q+gap*(1-gap), 0)
	}
	centre := (b - c) / n
	return Interval{Lo: tangoLimit(outside, -1, centre), Hi: tangoLimit(outside, 1, centre)}, nil
}

// tangoLimit finds where the test stops rejecting between the end of the range
// and the estimate. The estimate itself can be a root too, so it only serves as
// the inner end of the bracket.
func tangoLimit(outside func(float64) float64, end, centre float64) float64 {
	out, in := end, centre
	if !(outside(end) > 0) {
		return end
	}
	for range 100 {
		mid := out + (in-out)/2
		if outside(mid) > 0 {
			out = mid
		} else {
			in = mid
		}
	}
	return out
}

func (t PairedTable) checkWith(alpha float64) error {
	if err := checkAlpha("alpha", alpha); err != nil {
		return err
	}
	return t.check()
}
