package stats

import "math"

// Wilson returns the score interval of successes out of n independent trials
// with two-sided error alpha (Wilson 1927). Use it for samples that really are
// independent, such as labelled items; never for repeats of queries. It is
// [0, 1] when n is not positive.
func Wilson(successes, n int, alpha float64) Interval {
	if n <= 0 || successes < 0 || successes > n || checkAlpha("", alpha) != nil {
		return Interval{Lo: 0, Hi: 1}
	}
	return wilson(float64(successes), float64(n), normalQuantile(1-alpha/2))
}

func wilson(successes, n, z float64) Interval {
	p := successes / n
	z2 := z * z
	a := 1 + z2/n
	centre := (p + z2/(2*n)) / a
	half := z / a * math.Sqrt(p*(1-p)/n+z2/(4*n*n))
	out := Interval{Lo: centre - half, Hi: centre + half}.clip(0, 1)
	// The limits at the ends of the range are exact; rounding must not move them.
	if successes == 0 {
		out.Lo = 0
	}
	if successes == n {
		out.Hi = 1
	}
	return out
}
