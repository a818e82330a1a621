package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// EstimateClusteredAgreement is EstimateAgreement for items of which several
// may answer one query: clusters holds one table for each query. The estimates
// are those of the sum of the tables.
//
// Intervals are percentiles of a bootstrap over queries, widened to the interval
// of EstimateAgreement where that is wider, so that they are never narrower than
// for independent items. Where fewer than 5 queries have the rarer outcome, as
// with a share of 0 or 1, resampling cannot invent those that were not drawn: the
// interval is widened to Wilson's over as many items as there are queries, as if
// the items of a query were all alike. Resamples in
// which a ratio is not defined are left out of its percentiles. When no query
// has more than one item, nothing is resampled and the result is that of
// EstimateAgreement. Equal clusters in an equal order give equal results. The
// error is an *InputError.
func EstimateClusteredAgreement(clusters []Confusion, opts BootstrapOptions) (Agreement, error) {
	opts, err := opts.complete()
	if err != nil {
		return Agreement{}, err
	}
	var sum Confusion
	filled := make([]Confusion, 0, len(clusters))
	repeated := false
	for i, c := range clusters {
		if err := c.check(); err != nil {
			return Agreement{}, badInput(clusterField("cluster", i, ""), "counts must not be negative")
		}
		if c.total() == 0 {
			continue
		}
		repeated = repeated || c.total() > 1
		filled = append(filled, c)
		sum = sum.plus(c)
	}
	out, err := EstimateAgreement(sum, opts.Alpha)
	if err != nil || !repeated {
		return out, err
	}
	out.widen(filled, sum, opts)
	return out, nil
}

func (c Confusion) plus(o Confusion) Confusion {
	return Confusion{
		TruePositive: c.TruePositive + o.TruePositive, FalseNegative: c.FalseNegative + o.FalseNegative,
		FalsePositive: c.FalsePositive + o.FalsePositive, TrueNegative: c.TrueNegative + o.TrueNegative,
	}
}

// tableShare is one of the shares of a confusion table.
type tableShare struct {
	of       func(Confusion) (part, whole int)
	interval *Interval
}

// sparseQueries is the number of queries with the rarer outcome below which a
// bootstrap over queries is not believed alone.
const sparseQueries = 5

// spread counts the queries that have items of the share, and those among them
// that have the rarer of both outcomes.
func (s tableShare) spread(clusters []Confusion) (queries, rarer int) {
	with, without := 0, 0
	for _, c := range clusters {
		part, whole := s.of(c)
		if whole == 0 {
			continue
		}
		queries++
		if part > 0 {
			with++
		}
		if part < whole {
			without++
		}
	}
	return queries, min(with, without)
}

// widen replaces the intervals of independent items by those of clusters.
func (out *Agreement) widen(clusters []Confusion, sum Confusion, opts BootstrapOptions) {
	shares := []tableShare{
		{func(c Confusion) (int, int) { return c.TruePositive, c.TruePositive + c.FalsePositive }, &out.PrecisionCI},
		{func(c Confusion) (int, int) { return c.TruePositive, c.positives() }, &out.RecallCI},
		{func(c Confusion) (int, int) { return c.TrueNegative, c.negatives() }, &out.SpecificityCI},
		{func(c Confusion) (int, int) { return c.TruePositive + c.TrueNegative, c.total() }, &out.AccuracyCI},
	}
	draws := make([][]float64, len(shares))
	var kappas []float64
	for _, c := range resampledTables(clusters, opts) {
		for i, s := range shares {
			if part, whole := s.of(c); whole > 0 {
				draws[i] = append(draws[i], float64(part)/float64(whole))
			}
		}
		var a Agreement
		if a.kappa(c, opts.Alpha); a.Kappa != nil {
			kappas = append(kappas, *a.Kappa)
		}
	}
	for i, s := range shares {
		part, whole := s.of(sum)
		if whole == 0 {
			continue
		}
		if queries, rarer := s.spread(clusters); rarer < sparseQueries {
			p := float64(part) / float64(whole)
			*s.interval = s.interval.hull(wilson(p*float64(queries), float64(queries), normalQuantile(1-opts.Alpha/2)))
		}
		if ci := percentiles(draws[i], opts); ci != nil {
			*s.interval = s.interval.hull(*ci)
		}
	}
	if ci := percentiles(kappas, opts); ci != nil && out.KappaCI != nil {
		_, variance := meanVariance(kappas)
		out.KappaSE = some(math.Max(*out.KappaSE, math.Sqrt(variance)))
		*out.KappaCI = out.KappaCI.hull(*ci)
	}
}

// resampledTables draws as many queries as there are, with replacement, and adds
// up their tables.
func resampledTables(clusters []Confusion, opts BootstrapOptions) []Confusion {
	random := rand.New(rand.NewPCG(opts.Seed, 0xb008)) // #nosec G404 -- resampling is seeded to be reproducible
	n := uint32(len(clusters))                         // #nosec G115 -- 2^32 clusters do not fit in memory
	out := make([]Confusion, opts.Resamples)
	for b := range out {
		for range n {
			out[b] = out[b].plus(clusters[random.Uint32N(n)])
		}
	}
	return out
}

// percentiles returns the interval that the draws give, or nil when fewer than
// half of the resamples defined one.
func percentiles(draws []float64, opts BootstrapOptions) *Interval {
	if 2*len(draws) < opts.Resamples {
		return nil
	}
	slices.Sort(draws)
	return &Interval{Lo: quantile(draws, opts.Alpha/2), Hi: quantile(draws, 1-opts.Alpha/2)}
}

// hull is the smallest interval that holds both.
func (i Interval) hull(o Interval) Interval {
	return Interval{Lo: math.Min(i.Lo, o.Lo), Hi: math.Max(i.Hi, o.Hi)}
}
