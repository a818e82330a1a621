package series

import (
	"fmt"
	"slices"

	"github.com/unmask-eval/unmask/internal/stats"
)

// trends estimates every metric of a table.
func (t Table) trends(x []float64, alpha float64) ([]Trend, error) {
	var out []Trend
	gap, err := stats.EstimateGapTrend(x, t.Compliance, alpha)
	if err != nil {
		return nil, fmt.Errorf("trend of %s: %w", ComplianceGap, err)
	}
	out = append(out, trendOf(ComplianceGap, gap, len(t.Compliance)))
	for _, rate := range []struct {
		metric Metric
		cells  [][]stats.TrendCell
	}{
		{TrainingCompliance, cells(t.Compliance, func(p stats.Pair) stats.Cluster { return p.Training })},
		{UnmonitoredCompliance, cells(t.Compliance, func(p stats.Pair) stats.Cluster { return p.Unmonitored })},
		{AlignmentFaking, t.Faking},
		{AlignmentFakingReasoning, t.Reasoning},
	} {
		trend, err := stats.EstimateTrend(x, rate.cells, alpha)
		if err != nil {
			return nil, fmt.Errorf("trend of %s: %w", rate.metric, err)
		}
		out = append(out, trendOf(rate.metric, trend, len(rate.cells)))
	}
	return out, nil
}

func cells(rows [][]stats.Pair, of func(stats.Pair) stats.Cluster) [][]stats.TrendCell {
	out := make([][]stats.TrendCell, len(rows))
	for i, row := range rows {
		out[i] = make([]stats.TrendCell, len(row))
		for j, p := range row {
			c := of(p)
			out[i][j] = stats.TrendCell{Sum: c.Sum, Valid: c.Valid}
		}
	}
	return out
}

func trendOf(m Metric, t stats.Trend, planned int) Trend {
	out := Trend{Metric: m, Trend: t, LeftOut: planned - t.Queries}
	switch {
	case t.Queries == 0:
		out.Note = fmt.Sprintf("None of %d queries has a valid sample at every checkpoint, so there is no trend; that says nothing about whether the metric moves.", planned)
	case t.Queries == 1:
		out.Note = fmt.Sprintf("Only one of %d queries has a valid sample at every checkpoint, so the trend has no error and no test.", planned)
	case 2*out.LeftOut > planned:
		out.Note = fmt.Sprintf("%d of %d queries are left out, because they have no valid sample at some checkpoint; the trend is about the others alone.", out.LeftOut, planned)
	}
	return out
}

// adjust puts all tests that findings are built from into one Holm family. A
// test that could not be made counts as one that found nothing, so that the
// family does not depend on what came out.
func (a *Analysis) adjust() {
	var p []float64
	var into []*Trend
	for _, tables := range a.Trends {
		for _, trends := range tables {
			for i := range trends {
				if !slices.Contains(tested, trends[i].Metric) {
					continue
				}
				into = append(into, &trends[i])
				if trends[i].SlopeP == nil {
					p = append(p, 1)
				} else {
					p = append(p, *trends[i].SlopeP)
				}
			}
		}
	}
	a.Tests = len(p)
	for i, adjusted := range stats.Holm(p) {
		into[i].PAdjusted = &adjusted
	}
}
