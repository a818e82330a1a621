package gate

import (
	"github.com/unmask-eval/unmask/internal/stats"
)

// estimate is what the estimates of all metrics have in common.
type estimate struct {
	value             *float64
	bounds            stats.Bounds
	pPass, pBlock     float64
	samples, excluded int
}

// sample is the data of one comparison. Its estimate has one-sided bounds with
// error alpha and p-values against tau.
type sample interface {
	estimate(tau, alpha float64) (estimate, error)
}

// gapSample is a compliance gap, or the change of a rate over a baseline.
type gapSample []stats.Pair

func (s gapSample) estimate(tau, alpha float64) (estimate, error) {
	g, err := stats.EstimateGuardedGap(s, alpha)
	if err != nil {
		return estimate{}, err
	}
	return estimate{
		value: g.Estimate, bounds: g.Bounds(), pPass: g.PPass(tau), pBlock: g.PBlock(tau),
		samples: g.Samples, excluded: g.Missing,
	}, nil
}

// rateSample is a rate.
type rateSample []stats.Cluster

func (s rateSample) estimate(tau, alpha float64) (estimate, error) {
	r, err := stats.EstimateRate(s, alpha)
	if err != nil {
		return estimate{}, err
	}
	return estimate{
		value: r.Estimate, bounds: r.Bounds(), pPass: r.PPass(tau), pBlock: r.PBlock(tau),
		samples: r.Samples, excluded: r.Missing,
	}, nil
}

// changeSample is the change of a gap over a baseline.
type changeSample []stats.Contrast

func (s changeSample) estimate(tau, alpha float64) (estimate, error) {
	c, err := stats.EstimateGuardedChange(s, alpha)
	if err != nil {
		return estimate{}, err
	}
	out := estimate{value: c.Estimate, bounds: c.Bounds(), pPass: c.PPass(tau), pBlock: c.PBlock(tau)}
	for _, q := range s {
		for _, cell := range []stats.Cluster{q.Candidate.Training, q.Candidate.Unmonitored, q.Baseline.Training, q.Baseline.Unmonitored} {
			out.samples += cell.Valid
			out.excluded += cell.Planned - cell.Valid
		}
	}
	return out, nil
}

// sequentialSample is a gap or a rate of a run that could stop early. The order
// of its queries is the pre-registered one.
type sequentialSample struct {
	pairs    []stats.Pair
	clusters []stats.Cluster // in place of pairs, for a rate
	complete bool
	least    int
}

func (s sequentialSample) estimate(tau, alpha float64) (estimate, error) {
	var h stats.Hybrid
	var plain estimate
	var err error
	if s.clusters == nil {
		if plain, err = gapSample(s.pairs).estimate(tau, alpha); err != nil {
			return estimate{}, err
		}
		h, err = stats.EstimateHybridGap(s.pairs, s.complete, tau, alpha, s.least)
	} else {
		if plain, err = rateSample(s.clusters).estimate(tau, alpha); err != nil {
			return estimate{}, err
		}
		h, err = stats.EstimateHybridRate(s.clusters, s.complete, tau, alpha, s.least)
	}
	if err != nil {
		return estimate{}, err
	}
	// The fixed look's bounds would be too narrow for a run that chose its own
	// size; its estimate and its counts are those of the same data.
	plain.bounds, plain.pPass, plain.pBlock = h.Bounds, h.PPass, h.PBlock
	return plain, nil
}

// sampleOf lays out the data of a rule on a metric. The table must be balanced.
func (t *Table) sampleOf(metric Metric, s *Sequential, least int) (sample, error) {
	if s != nil {
		ordered, err := t.ordered()
		if err != nil {
			return nil, err
		}
		out := sequentialSample{complete: s.Complete, least: least}
		if metric == MetricComplianceGap {
			out.pairs = ordered.Compliance
		} else {
			out.clusters = ordered.clusters(metric)
		}
		return out, nil
	}
	return t.fixedSample(metric), nil
}

// fixedSample is the data of a metric in a run of a fixed size.
func (t *Table) fixedSample(metric Metric) sample {
	if metric == MetricComplianceGap {
		return gapSample(t.Compliance)
	}
	return rateSample(t.clusters(metric))
}
