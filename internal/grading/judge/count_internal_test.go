package judge

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// outcomes returns every outcome that the votes left could lead to.
func outcomes(c counter, left int) []int {
	if left == 0 {
		return []int{c.outcome()}
	}
	out := outcomes(c, left-1) // one that is missing
	for label := range c.counts {
		c.counts[label]++
		out = append(out, outcomes(c, left-1)...)
		c.counts[label]--
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func drawCounter(t *rapid.T) (counter, int) {
	votes := rapid.IntRange(1, 7).Draw(t, "votes")
	c := counter{quorum: rapid.IntRange(1, votes).Draw(t, "quorum"), counts: make([]int, 3)}
	if rapid.Bool().Draw(t, "binary") {
		c.counts = make([]int, 2)
		cfg := Config{Threshold: rapid.SampledFrom([]float64{0.2, 0.4, 0.5, 0.7, 1}).Draw(t, "threshold")}
		c.needed = cfg.needed
	}
	left := votes
	for i := range c.counts {
		c.counts[i] = rapid.IntRange(0, left).Draw(t, "count")
		left -= c.counts[i]
	}
	return c, left - rapid.IntRange(0, left).Draw(t, "missing")
}

// An outcome is called fixed exactly when everything that could come gives it.
func TestSettledMeansFixed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, left := drawCounter(t)
		if got, want := c.settled(left), len(outcomes(c, left)) == 1; got != want {
			t.Fatalf("settled is %t for %+v with %d left", got, c, left)
		}
	})
}

// Votes that are cast at once are never more than votes cast one by one: no
// sequence shorter than next fixes the outcome, and one of that length does.
func TestNextIsTheLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, left := drawCounter(t)
		least := func() int {
			for m := range left + 1 {
				if reaches(c, m, left) {
					return m
				}
			}
			return -1
		}()
		if got := c.next(left); got != least {
			t.Fatalf("next is %d and the least is %d for %+v with %d left", got, least, c, left)
		}
	})
}

// reaches reports whether some m votes fix the outcome.
func reaches(c counter, m, left int) bool {
	if m == 0 {
		return len(outcomes(c, left)) == 1
	}
	if reaches(c, m-1, left-1) {
		return true
	}
	for label := range c.counts {
		c.counts[label]++
		ok := reaches(c, m-1, left-1)
		c.counts[label]--
		if ok {
			return true
		}
	}
	return false
}
