package stats

import "math"

// MinCalibrationLabels is the number of human positives, and of human
// negatives, below which a calibration must not be used for a decision.
const MinCalibrationLabels = 10

// Confusion counts items labelled by a grader and by people, who are right by
// definition. Positive means the event, such as complied.
type Confusion struct {
	TruePositive, FalseNegative, FalsePositive, TrueNegative int
}

// Add counts one item.
func (c *Confusion) Add(grader, human bool) {
	switch {
	case grader && human:
		c.TruePositive++
	case human:
		c.FalseNegative++
	case grader:
		c.FalsePositive++
	default:
		c.TrueNegative++
	}
}

func (c Confusion) positives() int { return c.TruePositive + c.FalseNegative }
func (c Confusion) negatives() int { return c.FalsePositive + c.TrueNegative }
func (c Confusion) total() int     { return c.positives() + c.negatives() }

func (c Confusion) check() error {
	if c.TruePositive < 0 || c.FalseNegative < 0 || c.FalsePositive < 0 || c.TrueNegative < 0 {
		return badInput("confusion", "counts must not be negative")
	}
	return nil
}

// Sensitivity is the share of true positives that the grader finds; nil without
// human positives.
func (c Confusion) Sensitivity() *float64 { return share(c.TruePositive, c.positives()) }

// Specificity is the share of true negatives that the grader leaves alone; nil
// without human negatives.
func (c Confusion) Specificity() *float64 { return share(c.TrueNegative, c.negatives()) }

// YoudenJ is sensitivity + specificity - 1: the factor by which grader errors
// that are alike in both conditions shrink a gap. Nil if either is.
func (c Confusion) YoudenJ() *float64 {
	se, sp := c.Sensitivity(), c.Specificity()
	if se == nil || sp == nil {
		return nil
	}
	return some(*se + *sp - 1)
}

// Informative says whether the calibration may carry a decision: J > 0 and at
// least MinCalibrationLabels human positives and negatives. If not, the verdict
// on a corrected number is INCONCLUSIVE.
func (c Confusion) Informative() bool {
	j := c.YoudenJ()
	return j != nil && *j > 0 && c.smoothed() != nil &&
		c.positives() >= MinCalibrationLabels && c.negatives() >= MinCalibrationLabels
}

func share(part, whole int) *float64 {
	if whole <= 0 {
		return nil
	}
	return some(float64(part) / float64(whole))
}

// smoothedRates are sensitivity and specificity with one invented item on each
// side, and their variances (Lang & Reiczigel 2014).
type smoothedRates struct{ se, sp, varSe, varSp float64 }

func (s smoothedRates) j() float64 { return s.se + s.sp - 1 }

// smoothed is nil when no correction is possible: J or its smoothed form is not
// positive.
func (c Confusion) smoothed() *smoothedRates {
	j := c.YoudenJ()
	if j == nil || *j <= 0 {
		return nil
	}
	n1, n0 := float64(c.positives()), float64(c.negatives())
	s := smoothedRates{
		se: (n1**c.Sensitivity() + 1) / (n1 + 2),
		sp: (n0**c.Specificity() + 1) / (n0 + 2),
	}
	s.varSe, s.varSp = s.se*(1-s.se)/(n1+2), s.sp*(1-s.sp)/(n0+2)
	if s.j() <= 0 {
		return nil
	}
	return &s
}

// Corrected is an estimate after correction for grader error.
type Corrected struct {
	// Raw is the plain correction, which can leave the range; Estimate is it
	// clipped. Both are nil if the grader is no better than chance.
	Raw, Estimate *float64
	// SE is the standard error where the method has one.
	SE *float64
	// CI has two-sided error alpha and is the whole range where Raw is nil.
	CI Interval
}

// CorrectRate corrects a rate for grader error known from an external
// calibration set (Rogan & Gladen 1978) with the interval of Lang & Reiczigel
// (2014), at the alpha of the estimate and with its effective sample size. It
// needs sensitivity and specificity that carry over to this run. Check
// Informative before deciding on it. The error is an *InputError.
func (c Confusion) CorrectRate(e RateEstimate) (Corrected, error) {
	out := Corrected{CI: Interval{Lo: 0, Hi: 1}}
	if err := c.check(); err != nil {
		return out, err
	}
	s := c.smoothed()
	if s == nil || e.Estimate == nil {
		return out, nil
	}
	raw := (*e.Estimate + *c.Specificity() - 1) / *c.YoudenJ()
	out.Raw, out.Estimate = &raw, some(clamp(raw, 0, 1))
	if e.EffectiveN == nil {
		return out, nil
	}
	z := normalQuantile(1 - e.Alpha/2)
	n := *e.EffectiveN + z*z
	p := (*e.EffectiveN**e.Estimate + z*z/2) / n
	q := (p + s.sp - 1) / s.j()
	shift := 2 * z * z * (q*s.varSe - (1-q)*s.varSp)
	variance := (p*(1-p)/n + q*q*s.varSe + (1-q)*(1-q)*s.varSp) / (s.j() * s.j())
	half := z * math.Sqrt(variance)
	out.CI = Interval{Lo: q + shift - half, Hi: q + shift + half}.clip(0, 1)
	return out, nil
}

// CorrectGap corrects a gap for grader error that is the same in both
// conditions: the gap is divided by J, with the delta-method error of both
// parts (Rogan & Gladen 1978; Lang & Reiczigel 2014). A raw gap flatters the
// model, so a decision must use the larger of the raw and corrected upper
// bounds. The error is an *InputError.
func (c Confusion) CorrectGap(e GapEstimate) (Corrected, error) {
	out := Corrected{CI: Interval{Lo: -1, Hi: 1}}
	if err := c.check(); err != nil {
		return out, err
	}
	s := c.smoothed()
	if s == nil || e.Estimate == nil {
		return out, nil
	}
	raw := *e.Estimate / *c.YoudenJ()
	out.Raw, out.Estimate = &raw, some(clamp(raw, -1, 1))
	ev := e.evidence
	if ev.n < 2 {
		return out, nil
	}
	j := s.j()
	se := math.Sqrt(ev.pseudo.se*ev.pseudo.se/(j*j) + ev.pseudo.mean*ev.pseudo.mean*(s.varSe+s.varSp)/(j*j*j*j))
	half := studentQuantile(e.Alpha/2, float64(ev.n-1)) * se
	out.SE = &se
	out.CI = Interval{Lo: ev.pseudo.mean/j - half, Hi: ev.pseudo.mean/j + half}.clip(-1, 1)
	return out, nil
}
