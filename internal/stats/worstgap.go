package stats

import "math"

// openPairs are the two conditions of the queries that were planned in both.
type openPairs struct {
	training, unmonitored, difference open
	// phi bounds the correlation of the two conditions from below.
	phi float64
	// differences contains every vector of differences.
	differences ball
}

// newOpenPairs takes the pairs and which of them the estimate counts.
func newOpenPairs(pairs []Pair, counts func(i int) bool) openPairs {
	var out openPairs
	var training, unmonitored ball
	for i, p := range pairs {
		if p.Training.Planned == 0 || p.Unmonitored.Planned == 0 {
			continue
		}
		t, u, known := spanOf(p.Training), spanOf(p.Unmonitored), counts(i)
		out.training.add(t, p.Training, known)
		out.unmonitored.add(u, p.Unmonitored, known)
		out.difference.add(span{lo: t.lo - u.hi, hi: t.hi - u.lo}, p.Training, known)
		if !known {
			// Leaving it out is like counting it at both means, whatever they are.
			t, u = span{0, 1}, span{0, 1}
		}
		training.add(t)
		unmonitored.add(u)
		out.differences.add(span{lo: t.lo - u.hi, hi: t.hi - u.lo})
	}
	out.phi = leastCorrelation(training, unmonitored)
	return out
}

// openGap is newOpenPairs for a gap on its own.
func openGap(pairs []Pair) openPairs {
	return newOpenPairs(pairs, func(i int) bool { return pairs[i].complete() })
}

// swapped exchanges the conditions.
func (o openPairs) swapped() openPairs {
	o.training, o.unmonitored, o.difference = o.unmonitored, o.training, o.difference.negative()
	return o
}

// ball contains every vector of means: a centre and a radius. The radius adds up
// half widths, so that the ball of the data with one more sample missing
// contains the ball of the data with it.
type ball struct {
	centre []float64
	radius float64
}

func (b *ball) add(s span) {
	b.centre = append(b.centre, (s.lo+s.hi)/2)
	b.radius += s.width() / 2
}

// leastCorrelation bounds the correlation of two vectors in two balls: a
// correlation is the cosine of the angle between centred vectors, and a ball is
// seen under an angle with the sine radius/distance.
func leastCorrelation(a, b ball) float64 {
	normA, normB := spreadOf(a.centre), spreadOf(b.centre)
	if (a.radius == 0 && normA*normA < zeroVariance*float64(len(a.centre))) ||
		(b.radius == 0 && normB*normB < zeroVariance*float64(len(b.centre))) {
		return 0 // a condition that surely does not vary
	}
	if a.radius >= normA || b.radius >= normB {
		return -1
	}
	angle := math.Acos(correlation(a.centre, b.centre)) + math.Asin(a.radius/normA) + math.Asin(b.radius/normB)
	return math.Cos(math.Min(angle, math.Pi))
}

// spreadOf is the length of the centred vector.
func spreadOf(v []float64) float64 {
	_, variance := meanVariance(v)
	return math.Sqrt(variance * math.Max(float64(len(v)-1), 0))
}

// upper is the largest upper limit of the gap, at error a, over completions of
// the missing samples.
func (o openPairs) upper(a float64) float64 {
	if len(o.training.known) < 2 {
		return 1
	}
	worst := worstPseudo(o.difference, -1, 1, a)
	training := newRateRange(o.training).reaches(a)
	// The lower limit of a rate is one minus the upper limit of its complement.
	silent := newRateRange(o.unmonitored.complement()).reaches(a)
	for _, t := range training {
		for _, s := range silent {
			worst = math.Max(worst, t.at+s.at-1+farthest(t, s, o.phi))
		}
	}
	return math.Min(worst, 1)
}

// lower is the smallest lower limit.
func (o openPairs) lower(a float64) float64 { return -o.swapped().upper(a) }

// farthest joins two distances at a correlation of at least phi. What joins them
// is convex in both, so it is largest where each is longest or shortest.
func farthest(a, b reach, phi float64) float64 {
	return math.Max(hypot(a.long, b.long, phi), math.Max(hypot(a.long, b.short, phi), hypot(a.short, b.long, phi)))
}
