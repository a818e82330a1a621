package stats

import "math"

// bettors is a mixture of bettors with fixed fractions, kept as products: a step
// costs two multiplications for each and no logarithm.
type bettors struct {
	fractions []float64
	wealth    []float64
	// offset is the logarithm of what was taken out of wealth so that it neither
	// under- nor overflows, scale its exponential.
	offset, scale []float64
}

func newBettors(count int) *bettors {
	b := &bettors{
		fractions: betFractions(count), wealth: make([]float64, count),
		offset: make([]float64, count), scale: make([]float64, count),
	}
	b.reset()
	return b
}

func (b *bettors) reset() {
	for g := range b.wealth {
		b.wealth[g], b.offset[g], b.scale[g] = 1, 0, 1
	}
}

// bet multiplies every wealth by 1 + f(payoff-1) and returns the mean wealth.
func (b *bettors) bet(payoff float64) float64 {
	const least, most = 1e-200, 1e200
	var sum float64
	for g, f := range b.fractions {
		w := b.wealth[g] * (1 + f*(payoff-1))
		if w < least || w > most {
			b.offset[g] += math.Log(w)
			b.scale[g], w = math.Exp(b.offset[g]), 1
		}
		b.wealth[g] = w
		sum += w * b.scale[g]
	}
	return sum / float64(len(b.wealth))
}

// logEvidence is the logarithm of the mean wealth, also where that is beyond the
// range of a float64.
func (b *bettors) logEvidence() float64 {
	logs := make([]float64, len(b.wealth))
	for g, w := range b.wealth {
		logs[g] = b.offset[g] + math.Log(w)
	}
	return logMeanExp(logs)
}

// betting is what was bet on: the differences in [-1, 1], in their order. The
// first steps up to from-1 count in the wealth but are not looked at.
type betting struct {
	values []float64
	from   int
	mix    *bettors
}

// peak returns the largest evidence against "the mean is at least theta" at any
// step that is looked at, 0 if there is none. It stops looking at enough.
func (b betting) peak(theta, enough float64) float64 {
	// At theta = 1 the limit from below is taken.
	gap := math.Max(1-theta, 1e-13)
	b.mix.reset()
	var largest float64
	for i, d := range b.values {
		evidence := b.mix.bet((1 - d) / gap)
		if i+1 < b.from {
			continue
		}
		if largest = math.Max(largest, evidence); largest >= enough {
			break
		}
	}
	return largest
}

// bound is the smallest theta in (-1, 1) that is rejected at any step that is
// looked at, or 1: the running upper end of the confidence sequence. The
// evidence rises with theta, so does its peak, and bisection finds it.
func (b betting) bound(needed float64) float64 {
	lo, hi := -1.0, 1.0
	if b.peak(hi, needed) < needed {
		return hi
	}
	for hi-lo > 1e-13 {
		mid := lo + (hi-lo)/2
		if mid <= lo || mid >= hi {
			break
		}
		if b.peak(mid, needed) >= needed {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}
