package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// BootstrapOptions tune the bootstrap.
type BootstrapOptions struct {
	// Alpha is the two-sided error in (0, 0.5].
	Alpha float64
	// Resamples defaults to 20,000 and may not exceed 1,000,000.
	Resamples int
	// Seed defaults to 1; equal seeds give equal results on every machine, whatever
	// its number of processors.
	Seed uint64
}

// complete fills in defaults and checks.
func (o BootstrapOptions) complete() (BootstrapOptions, error) {
	if o.Resamples == 0 {
		o.Resamples = 20_000
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if err := checkAlpha("alpha", o.Alpha); err != nil {
		return o, err
	}
	if o.Resamples < 100 || o.Resamples > 1_000_000 {
		return o, badInput("resamples", "must lie in [100, 1000000], got %d", o.Resamples)
	}
	return o, nil
}

// BootstrapWarning is the number of non-zero differences below which a bootstrap
// interval must not be believed: resampling cannot invent the queries that were
// not drawn.
const BootstrapWarning = 20

// BootstrapGap is the paired cluster bootstrap of a gap. It is an optional
// report and never a gate: with sparse compliance it misses most of the time.
type BootstrapGap struct {
	// Gap is the estimate, nil without a complete pair.
	Gap *float64
	// SE is the standard deviation of the resampled gaps; nil, like everything
	// below, with fewer than two pairs.
	SE *float64
	// Percentile and BCa are intervals; BCa is nil when its corrections are not
	// defined, as without any variation.
	Percentile, BCa *Interval
	// Bias is z0 and Acceleration is a in Efron (1987).
	Bias, Acceleration *float64
	// NonZero counts the queries with a difference; see BootstrapWarning.
	NonZero int
}

// Bootstrap resamples queries, both conditions together, and returns percentile
// and bias-corrected accelerated intervals (Efron 1987). The error is an
// *InputError.
func Bootstrap(pairs []Pair, opts BootstrapOptions) (BootstrapGap, error) {
	opts, err := opts.complete()
	if err != nil {
		return BootstrapGap{}, err
	}
	if err := checkPairs(pairs); err != nil {
		return BootstrapGap{}, err
	}
	d := newGapEvidence(pairs).differences
	var out BootstrapGap
	if len(d) == 0 {
		return out, nil
	}
	mean, _ := meanVariance(d)
	out.Gap = &mean
	for _, v := range d {
		if math.Abs(v) > zeroVariance {
			out.NonZero++
		}
	}
	if len(d) < 2 {
		return out, nil
	}
	draws := resampledMeans(d, opts)
	_, variance := meanVariance(draws)
	out.SE = some(math.Sqrt(variance))
	slices.Sort(draws)
	out.Percentile = &Interval{Lo: quantile(draws, opts.Alpha/2), Hi: quantile(draws, 1-opts.Alpha/2)}
	out.correct(d, draws, opts.Alpha)
	return out, nil
}

func resampledMeans(d []float64, opts BootstrapOptions) []float64 {
	n := uint32(len(d)) // #nosec G115 -- a slice of 2^32 differences does not fit in memory
	draws := make([]float64, opts.Resamples)
	resample(opts.Resamples, opts.Seed, 0xb007, func(from, to int, random *rand.Rand) {
		for b := from; b < to; b++ {
			var sum float64
			for range n {
				sum += d[random.Uint32N(n)]
			}
			draws[b] = sum / float64(n)
		}
	})
	return draws
}

// correct fills in the BCa interval from sorted draws.
func (out *BootstrapGap) correct(d, draws []float64, alpha float64) {
	mean := *out.Gap
	var squares, cubes float64
	for _, v := range d {
		squares += (v - mean) * (v - mean)
		cubes += (v - mean) * (v - mean) * (v - mean)
	}
	if squares/float64(len(d)) < zeroVariance {
		return
	}
	acceleration := cubes / (6 * math.Pow(squares, 1.5))
	out.Acceleration = &acceleration
	// Equal sums in another order differ by rounding, so compare with a slack.
	const slack = 1e-9
	below, _ := slices.BinarySearch(draws, mean-slack)
	notAbove, _ := slices.BinarySearch(draws, mean+slack)
	level := float64(below+notAbove) / 2 / float64(len(draws))
	if level <= 0 || level >= 1 {
		return
	}
	bias := normalQuantile(level)
	out.Bias = &bias
	end := func(q float64) (float64, bool) {
		z := bias + normalQuantile(q)
		if 1-acceleration*z <= 0 {
			return 0, false
		}
		return quantile(draws, normalCDF(bias+z/(1-acceleration*z))), true
	}
	lo, okLo := end(alpha / 2)
	hi, okHi := end(1 - alpha/2)
	if okLo && okHi {
		out.BCa = &Interval{Lo: lo, Hi: hi}
	}
}

// quantile interpolates linearly between order statistics.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-2)
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
