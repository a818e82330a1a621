package stats

import "math"

// ConfidenceSequence gives bounds that hold at every step at once: the values
// that the betting test of Monitor would reject now. It costs more than a
// Monitor, because it keeps the distinct step values seen.
type ConfidenceSequence struct {
	quantity      Quantity
	needed        float64
	fractions     []float64
	high, low     tally
	runningUpper  float64 // centred
	runningLower  float64
	currentSteps  int
	scratchWealth []float64
}

// tally counts distinct values; scores of k repeats take few of them.
type tally struct {
	values []float64
	counts []float64
	index  map[float64]int
}

func (t *tally) add(v float64) {
	if i, ok := t.index[v]; ok {
		t.counts[i]++
		return
	}
	if t.index == nil {
		t.index = make(map[float64]int)
	}
	t.index[v] = len(t.values)
	t.values = append(t.values, v)
	t.counts = append(t.counts, 1)
}

// NewConfidenceSequence returns the sequence that belongs to a Monitor of the
// same configuration; MinClusters and the threshold's place do not matter.
func NewConfidenceSequence(config MonitorConfig) (*ConfidenceSequence, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	return &ConfidenceSequence{
		quantity:      config.Quantity,
		needed:        -math.Log(config.Alpha),
		fractions:     betFractions(config.BetFractions),
		runningUpper:  1,
		runningLower:  -1,
		scratchWealth: make([]float64, config.BetFractions),
	}, nil
}

// Observe consumes the next step, in the same order as a Monitor.
func (c *ConfidenceSequence) Observe(s Step) error {
	high, low, err := c.quantity.check(s)
	if err != nil {
		return err
	}
	c.currentSteps++
	c.high.add(high)
	c.low.add(-low)
	// A bound is searched for only when it would improve on the running one.
	if c.excludes(&c.high, c.runningUpper) {
		c.runningUpper = c.bound(&c.high, c.runningUpper)
	}
	if c.excludes(&c.low, -c.runningLower) {
		c.runningLower = -c.bound(&c.low, -c.runningLower)
	}
	return nil
}

// Current returns the bounds from the present step alone: each end is wrong
// with probability at most alpha over all steps.
func (c *ConfidenceSequence) Current() Interval {
	return c.natural(-c.bound(&c.low, 1), c.bound(&c.high, 1))
}

// Running returns the intersection of the bounds of all steps so far, which is
// as valid and never widens.
func (c *ConfidenceSequence) Running() Interval {
	return c.natural(c.runningLower, c.runningUpper)
}

func (c *ConfidenceSequence) natural(lo, hi float64) Interval {
	return Interval{Lo: c.quantity.natural(lo), Hi: c.quantity.natural(hi)}
}

// excludes says whether the evidence against "the mean is at least theta" has
// reached the level. At theta = 1 the limit from below is taken.
func (c *ConfidenceSequence) excludes(t *tally, theta float64) bool {
	gap := math.Max(1-theta, 1e-13)
	for g, f := range c.fractions {
		var wealth float64
		for i, d := range t.values {
			wealth += t.counts[i] * math.Log1p(f*((1-d)/gap-1))
		}
		c.scratchWealth[g] = wealth
	}
	return logMeanExp(c.scratchWealth) >= c.needed
}

// bound finds the smallest theta in (-1, from) that is excluded, or from if
// there is none. The evidence increases in theta and is at most 1 at -1.
func (c *ConfidenceSequence) bound(t *tally, from float64) float64 {
	if !c.excludes(t, from) {
		return from
	}
	lo, hi := -1.0, from
	for hi-lo > 1e-13 {
		mid := lo + (hi-lo)/2
		if mid <= lo || mid >= hi {
			break
		}
		if c.excludes(t, mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}
