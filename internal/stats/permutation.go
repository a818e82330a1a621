package stats

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync/atomic"
)

// SignFlipOptions tune the sign-flip test; the zero value suits 0/1 scores.
type SignFlipOptions struct {
	// ScoreDenominator makes every score whole when multiplied with it: 1 (the
	// default) for 0/1 scores, 2 if partial answers score 1/2.
	ScoreDenominator int
	// Resamples and Seed are used only when the exact distribution is too large
	// to compute. Resamples defaults to 100,000, fewer with tens of thousands of
	// queries but at least 10,000; Seed defaults to 1.
	Resamples int
	Seed      uint64
}

// SignFlipTest is the randomisation test of "the condition does not matter".
type SignFlipTest struct {
	// MeanDifference is the observed gap, nil without a complete pair.
	MeanDifference *float64
	// NonZero counts the queries whose difference is not zero: the evidence.
	NonZero int
	// CommonDenominator makes all differences whole; nil if none was found
	// below 2^53, in which case the test was drawn at random.
	CommonDenominator *int64
	// PGreater is one-sided toward a positive gap. Both are 1 without a non-zero
	// difference.
	PGreater, PTwoSided float64
	// Exact is false if the p-values come from random resampling.
	Exact bool
}

// Limits of the exact computation, cells of the distribution and additions, and
// of the random one, in sums and words of bits.
const (
	maxSignFlipCells  = 5_000_000
	maxSignFlipWork   = 100_000_000
	drawnSignFlipWork = 20_000_000
)

// SignFlip tests the sharp null that the condition does not matter for any
// query, by flipping the sign of each query's difference (Fisher 1935; Pesarin &
// Salmaso 2010). The distribution is exact, by convolution of integers, so no
// random numbers are involved unless repeats differ wildly in number. With one
// sample per condition it equals McNemar's exact test. It cannot test a
// threshold above zero, and with unequal repeats per condition it is
// approximate. The error is an *InputError.
func SignFlip(pairs []Pair, opts SignFlipOptions) (SignFlipTest, error) {
	if err := checkPairs(pairs); err != nil {
		return SignFlipTest{}, err
	}
	if opts.ScoreDenominator < 0 || opts.Resamples < 0 {
		return SignFlipTest{}, badInput("options", "score denominator and resamples must not be negative")
	}
	var differences []float64
	var sizes []int
	for _, p := range pairs {
		if p.complete() {
			differences = append(differences, p.Training.mean()-p.Unmonitored.mean())
			sizes = append(sizes, p.Training.Valid, p.Unmonitored.Valid)
		}
	}
	out := SignFlipTest{PGreater: 1, PTwoSided: 1, Exact: true}
	if len(differences) == 0 {
		return out, nil
	}
	mean, _ := meanVariance(differences)
	out.MeanDifference = &mean
	unit, whole := commonDenominator(differences, sizes, int64(max(opts.ScoreDenominator, 1)))
	if whole {
		out.CommonDenominator = &unit
		steps := make([]int64, 0, len(differences))
		for _, d := range differences {
			if k := int64(math.Round(d * float64(unit))); k != 0 {
				steps = append(steps, k)
			}
		}
		out.NonZero = len(steps)
		if greater, twoSided, ok := exactSignFlip(steps); ok {
			out.PGreater, out.PTwoSided = greater, twoSided
			return out, nil
		}
	}
	var moving []float64
	for _, d := range differences {
		if math.Abs(d) > zeroVariance {
			moving = append(moving, d)
		}
	}
	out.NonZero, out.Exact = len(moving), false
	out.PGreater, out.PTwoSided = drawnSignFlip(moving, opts)
	return out, nil
}

// commonDenominator finds the least common multiple of the repeats, times the
// score denominator if the differences are not yet whole.
func commonDenominator(differences []float64, sizes []int, scoreDenominator int64) (int64, bool) {
	const limit = 1 << 40
	unit := int64(1)
	for _, n := range sizes {
		unit = unit / gcd(unit, int64(n)) * int64(n)
		if unit > limit {
			return 0, false
		}
	}
	allWhole := func(unit int64) bool {
		for _, d := range differences {
			x := d * float64(unit)
			if math.Abs(x-math.Round(x)) > 1e-6 {
				return false
			}
		}
		return true
	}
	if allWhole(unit) {
		return unit, true
	}
	if scoreDenominator > limit/unit {
		return 0, false
	}
	unit *= scoreDenominator
	return unit, allWhole(unit)
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// exactSignFlip builds the distribution of the sum of the steps that keep their
// sign; ok is false if it would be too large.
func exactSignFlip(steps []int64) (greater, twoSided float64, ok bool) {
	if len(steps) == 0 {
		return 1, 1, true
	}
	var common int64
	for _, k := range steps {
		common = gcd(common, absInt(k))
	}
	var total, observed int64
	for _, k := range steps {
		total += absInt(k) / common
		observed += k / common
	}
	if total > maxSignFlipCells || total*int64(len(steps)) > maxSignFlipWork {
		return 0, 0, false
	}
	kept := make([]float64, total+1)
	kept[0] = 1
	var reach int64
	for _, k := range steps {
		size := absInt(k) / common
		reach += size
		for j := reach; j >= size; j-- {
			kept[j] = (kept[j] + kept[j-size]) / 2
		}
		for j := size - 1; j >= 0; j-- {
			kept[j] /= 2
		}
	}
	// The signed sum is 2*kept - total, so it reaches s where kept >= (s+total)/2.
	atLeast := func(s int64) float64 {
		var p float64
		for j := total; 2*j-total >= s; j-- {
			p += kept[j]
			if j == 0 {
				break
			}
		}
		return math.Min(p, 1)
	}
	twoSided = 1
	if observed != 0 {
		twoSided = math.Min(1, 2*atLeast(absInt(observed)))
	}
	return atLeast(observed), twoSided, true
}

func absInt(k int64) int64 {
	if k < 0 {
		return -k
	}
	return k
}

// drawnSignFlip estimates the p-values as (hits+1)/(draws+1), which keeps the
// test valid. Differences of equal size are flipped together, by counting bits.
func drawnSignFlip(moving []float64, opts SignFlipOptions) (greater, twoSided float64) {
	if len(moving) == 0 {
		return 1, 1
	}
	sizes, counts := bySize(moving)
	draws, seed := opts.Resamples, opts.Seed
	if draws == 0 {
		draws = min(100_000, max(10_000, drawnSignFlipWork/(len(sizes)+len(moving)/64)))
	}
	if seed == 0 {
		seed = 1
	}
	var observed float64
	for _, d := range moving {
		observed += d
	}
	slack := 1e-9 * (1 + math.Abs(observed))
	var hits, hitsTwoSided atomic.Int64
	resample(draws, seed, 0x5167f11b, func(from, to int, random *rand.Rand) {
		tosses := coins{random: random}
		var block, blockTwoSided int64
		for range to - from {
			var sum float64
			for i, size := range sizes {
				sum += size * float64(2*tosses.heads(counts[i])-counts[i])
			}
			if sum >= observed-slack {
				block++
			}
			if math.Abs(sum) >= math.Abs(observed)-slack {
				blockTwoSided++
			}
		}
		hits.Add(block)
		hitsTwoSided.Add(blockTwoSided)
	})
	total := float64(draws + 1)
	return float64(hits.Load()+1) / total, float64(hitsTwoSided.Load()+1) / total
}

// bySize returns the distinct absolute values in rising order, and how often each
// occurs.
func bySize(values []float64) (sizes []float64, counts []int) {
	sorted := make([]float64, len(values))
	for i, v := range values {
		sorted[i] = math.Abs(v)
	}
	slices.Sort(sorted)
	for _, v := range sorted {
		if n := len(sizes); n > 0 && sizes[n-1] == v {
			counts[n-1]++
			continue
		}
		sizes, counts = append(sizes, v), append(counts, 1)
	}
	return sizes, counts
}

// coins are fair coins, one per random bit.
type coins struct {
	random *rand.Rand
	word   uint64
	left   int
}

// heads tosses n coins and counts the heads.
func (c *coins) heads(n int) int {
	var heads int
	for n > 0 {
		if c.left == 0 {
			c.word, c.left = c.random.Uint64(), 64
		}
		take := min(n, c.left)
		heads += bits.OnesCount64(c.word << (64 - take))
		c.word >>= take
		c.left -= take
		n -= take
	}
	return heads
}
