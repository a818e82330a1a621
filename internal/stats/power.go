package stats

import "math"

// Design is a planned paired design with the truth that it should be able to
// tell from a threshold.
type Design struct {
	// TrainingRate and UnmonitoredRate are the supposed true rates in [0, 1].
	TrainingRate, UnmonitoredRate float64
	// TrainingICC and UnmonitoredICC are the correlations of repeats of one
	// query, in [0, 1]; 0.3 is a fair guess.
	TrainingICC, UnmonitoredICC float64
	// Repeats is the number of samples per query and condition, at least 1.
	Repeats int
	// Correlation is that of the two conditions' query propensities, in [-1, 1].
	Correlation float64
	// Threshold is the gap to decide against, in (-1, 1).
	Threshold float64
	// Alpha is the one-sided error in (0, 0.5], Power the wanted chance of the
	// right verdict in (0, 1).
	Alpha, Power float64
	// QueryCost and SampleCost are relative prices of one more query and of one
	// more sample; both positive.
	QueryCost, SampleCost float64
}

// SamplePlan is what a Design needs. Nil stands for "no finite or no defined
// answer".
type SamplePlan struct {
	// Variance is that of one query's difference at the supposed truth,
	// ThresholdVariance that with the training rate moved onto the threshold.
	Variance, ThresholdVariance float64
	// DesignEffect is 1+(k-1)ICC of the training condition.
	DesignEffect float64
	// QueriesWald is the textbook sample size, far too optimistic for a PASS.
	// QueriesScore uses the variance at the threshold for the alpha part
	// (Farrington & Manning 1990): start from it and confirm by simulation.
	// QueriesT is the smallest number with the wanted power of a t test.
	QueriesWald, QueriesScore, QueriesT *int
	// PowerNormal and PowerT are the powers at QueriesWald by the normal and by
	// the noncentral t distribution.
	PowerNormal, PowerT *float64
	// OptimalRepeats minimises the cost at a given precision (Cochran 1977).
	OptimalRepeats *float64
	// QueriesZeroEvents is the number below which not even a spotless model can
	// pass, ln(alpha)/ln(1-threshold).
	QueriesZeroEvents *int
}

// maxQueries is where the search for a sample size gives up.
const maxQueries = 100_000_000

func (d Design) check() error {
	for _, p := range []struct {
		field string
		value float64
	}{
		{"rate_training", d.TrainingRate},
		{"rate_unmonitored", d.UnmonitoredRate},
		{"icc_training", d.TrainingICC},
		{"icc_unmonitored", d.UnmonitoredICC},
		{"power", d.Power},
	} {
		if err := checkProbability(p.field, p.value); err != nil {
			return err
		}
	}
	switch {
	case d.Repeats < 1:
		return badInput("repeats", "must be at least 1, got %d", d.Repeats)
	case !(d.Correlation >= -1 && d.Correlation <= 1):
		return badInput("correlation", "must lie in [-1, 1], got %v", d.Correlation)
	case !(d.Threshold > -1 && d.Threshold < 1):
		return badInput("threshold", "must lie in (-1, 1), got %v", d.Threshold)
	case d.Power <= 0 || d.Power >= 1:
		return badInput("power", "must lie in (0, 1), got %v", d.Power)
	case !(d.QueryCost > 0 && d.QueryCost <= 1e12):
		return badInput("cost_query", "must be positive, got %v", d.QueryCost)
	case !(d.SampleCost > 0 && d.SampleCost <= 1e12):
		return badInput("cost_sample", "must be positive, got %v", d.SampleCost)
	}
	return checkAlpha("alpha", d.Alpha)
}

// Variance returns the variance of one query's difference with the given
// training rate: p(1-p)(1+(k-1)ICC)/k per condition, minus twice the covariance
// of the query propensities (Cochran 1977; Miller 2024).
func (d Design) variance(trainingRate float64) float64 {
	k := float64(d.Repeats)
	unitT := trainingRate * (1 - trainingRate)
	unitU := d.UnmonitoredRate * (1 - d.UnmonitoredRate)
	return unitT*(1+(k-1)*d.TrainingICC)/k + unitU*(1+(k-1)*d.UnmonitoredICC)/k -
		2*d.Correlation*math.Sqrt(d.TrainingICC*unitT*d.UnmonitoredICC*unitU)
}

// Plan sizes the design. The error is an *InputError naming the field.
func (d Design) Plan() (SamplePlan, error) {
	if err := d.check(); err != nil {
		return SamplePlan{}, err
	}
	// A threshold beyond the range of rates leaves no variance at the margin.
	atThreshold := clamp(d.UnmonitoredRate+d.Threshold, 0, 1)
	out := SamplePlan{
		Variance:          math.Max(d.variance(d.TrainingRate), 0),
		ThresholdVariance: math.Max(d.variance(atThreshold), 0),
		DesignEffect:      1 + float64(d.Repeats-1)*d.TrainingICC,
	}
	if d.TrainingICC > 0 {
		// A correlation next to zero has no optimum that a number could hold.
		if k := math.Sqrt(d.QueryCost / d.SampleCost * (1 - d.TrainingICC) / d.TrainingICC); !math.IsInf(k, 0) {
			out.OptimalRepeats = &k
		}
	}
	if d.Threshold > 0 {
		out.QueriesZeroEvents = wholeQueries(math.Log(d.Alpha) / math.Log1p(-d.Threshold))
	}
	delta := math.Abs(d.Threshold - (d.TrainingRate - d.UnmonitoredRate))
	if delta < 1e-12 {
		return out, nil
	}
	zAlpha, zPower := normalQuantile(1-d.Alpha), normalQuantile(d.Power)
	out.QueriesWald = wholeQueries((zAlpha + zPower) * (zAlpha + zPower) * out.Variance / (delta * delta))
	score := zAlpha*math.Sqrt(out.ThresholdVariance) + zPower*math.Sqrt(out.Variance)
	out.QueriesScore = wholeQueries(score * score / (delta * delta))
	if out.Variance < zeroVariance {
		return out, nil
	}
	effect := delta / math.Sqrt(out.Variance)
	if out.QueriesWald != nil && *out.QueriesWald > 0 {
		n := *out.QueriesWald
		out.PowerNormal = some(normalCDF(effect*math.Sqrt(float64(n)) - zAlpha))
		if n > 1 {
			out.PowerT = some(powerT(n, effect, d.Alpha))
		}
	}
	out.QueriesT = smallestQueries(effect, d.Alpha, d.Power)
	return out, nil
}

func wholeQueries(n float64) *int {
	if math.IsNaN(n) || n > maxQueries {
		return nil
	}
	return some(int(math.Ceil(n)))
}

// smallestQueries finds the smallest n >= 2 with the wanted power, which rises
// with n, by doubling and halving.
func smallestQueries(effect, alpha, power float64) *int {
	lo, hi := 1, 2
	for powerT(hi, effect, alpha) < power {
		lo, hi = hi, hi*2
		if hi > maxQueries {
			return nil
		}
	}
	for hi-lo > 1 {
		if mid := lo + (hi-lo)/2; powerT(mid, effect, alpha) < power {
			lo = mid
		} else {
			hi = mid
		}
	}
	return &hi
}

// powerT is P(T > t(1-alpha, n-1)) for a noncentral t with n-1 degrees of
// freedom and noncentrality effect*sqrt(n), by Simpson's rule over the density
// of s = chi/sqrt(n-1): given s, the statistic exceeds t with probability
// Phi(ncp - t s).
func powerT(n int, effect, alpha float64) float64 {
	v := float64(n - 1)
	t, ncp := studentQuantile(alpha, v), effect*math.Sqrt(float64(n))
	// log density of s is c + (v-1) log s - v s^2/2.
	lg, _ := math.Lgamma(v / 2)
	c := math.Ln2 + v/2*math.Log(v/2) - lg
	width := 12 / math.Sqrt(2*v)
	lo, hi := math.Max(0, 1-width), 1+width
	const panels = 1000
	h := (hi - lo) / panels
	var sum float64
	for i := 0; i <= panels; i++ {
		s := lo + float64(i)*h
		weight := 2.0 + 2*float64(i%2)
		if i == 0 || i == panels {
			weight = 1
		}
		density := math.Exp(c - v*s*s/2)
		if v > 1 {
			if s == 0 {
				continue
			}
			density = math.Exp(c + (v-1)*math.Log(s) - v*s*s/2)
		}
		sum += weight * density * normalCDF(ncp-t*s)
	}
	return clamp(sum*h/3, 0, 1)
}
