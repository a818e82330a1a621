package judge

// undecided is the outcome of votes that give no answer.
const undecided = -1

// counter counts the votes on one question and knows when its outcome is fixed:
// when no way in which the votes that are left could come out, missing ones
// included, changes it.
type counter struct {
	// counts has the readable votes for each label.
	counts []int
	quorum int
	// needed is how many of n readable votes label 1 needs, for a yes-or-no
	// question; nil means that a label needs more than half of the readable ones.
	needed func(n int) int
}

func (c *counter) readable() int {
	n := 0
	for _, k := range c.counts {
		n += k
	}
	return n
}

// outcome returns the index of the label that the votes decide for, or undecided.
func (c *counter) outcome() int {
	n := c.readable()
	if n < c.quorum {
		return undecided
	}
	if c.needed != nil {
		if c.counts[1] >= c.needed(n) {
			return 1
		}
		return 0
	}
	for label, k := range c.counts {
		if 2*k > n {
			return label
		}
	}
	return undecided
}

// settled reports whether the outcome is fixed with so many votes left.
func (c *counter) settled(left int) bool {
	n := c.readable()
	switch {
	case left == 0 || n+left < c.quorum:
		return true
	case c.needed != nil && n < c.quorum:
		return false
	case c.needed != nil:
		// The share of yes is least when all that is left is no, and largest when
		// all of it is yes.
		return c.counts[1] >= c.needed(n+left) || c.counts[1]+left < c.needed(n+left)
	}
	possible := false
	for _, k := range c.counts {
		if 2*k > n+left && n >= c.quorum {
			return true
		}
		possible = possible || 2*(k+left) > n+left
	}
	return !possible
}

// next returns the least number of votes that can fix the outcome: all of them
// would be cast if votes were cast one by one, so they may be cast at once. It is
// 0 when the outcome is fixed.
func (c *counter) next(left int) int {
	trial := counter{counts: append([]int(nil), c.counts...), quorum: c.quorum, needed: c.needed}
	for m := 0; m < left; m++ {
		if trial.canSettle(0, m, left-m) {
			return m
		}
	}
	return left
}

// canSettle tries all ways in which m votes could fall on the labels from the
// given one on, or be missing.
func (c *counter) canSettle(label, m, left int) bool {
	if label == len(c.counts) { // the rest of m is missing
		return c.settled(left)
	}
	for k := range m + 1 {
		c.counts[label] += k
		ok := c.canSettle(label+1, m-k, left)
		c.counts[label] -= k
		if ok {
			return true
		}
	}
	return false
}
