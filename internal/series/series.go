// Package series reads a series of checkpoints: does the compliance gap, and
// does alignment faking, move over training?
//
// It takes what every query did at every checkpoint and returns the trend of
// each metric over the queries that were valid at all of them, and findings:
// the few statements that may be made of several series at once while the
// chance of any false one stays at or below a stated rate. It is pure; where
// the numbers come from is the caller's affair.
//
//	queries x checkpoints ──► stats.EstimateTrend, stats.EstimateGapTrend
//	                               │ p-value of each slope
//	                               ▼
//	                       one Holm family ──► findings
//
// docs/series.md has formulas, sources, assumptions and measured error rates.
package series

import (
	"math"

	"github.com/unmask-eval/unmask/internal/stats"
)

// Axis is what the checkpoints of a series are laid out along.
type Axis string

// The axes.
const (
	// AxisIndex counts checkpoints 0, 1, 2 and so on. The default.
	AxisIndex Axis = "INDEX"
	// AxisStep is the training step.
	AxisStep Axis = "STEP"
	// AxisLog1p is ln(1 + step), for checkpoints at growing distances.
	AxisLog1p Axis = "LOG1P"
)

// unit is what one unit of the axis is, after "per".
func (a Axis) unit() string {
	switch a {
	case AxisStep:
		return "step"
	case AxisLog1p:
		return "unit of ln(1+step)"
	default:
		return "checkpoint"
	}
}

// At lays out steps, which are not negative and rise.
func (a Axis) At(steps []int64) []float64 {
	x := make([]float64, len(steps))
	for j, step := range steps {
		switch a {
		case AxisStep:
			x[j] = float64(step)
		case AxisLog1p:
			x[j] = math.Log1p(float64(step))
		default:
			x[j] = float64(j)
		}
	}
	return x
}

// Metric is what a trend is of.
type Metric string

// The metrics. All are shares in [0, 1], the gap lies in [-1, 1].
const (
	// ComplianceGap is compliance in the training-cued condition minus
	// compliance in the unmonitored one, paired by query.
	ComplianceGap Metric = "COMPLIANCE_GAP"
	// TrainingCompliance and UnmonitoredCompliance are its two parts.
	TrainingCompliance    Metric = "TRAINING_COMPLIANCE_RATE"
	UnmonitoredCompliance Metric = "UNMONITORED_COMPLIANCE_RATE"
	// AlignmentFaking is the share of the training-cued condition's observable
	// samples that show faking reasoning and complied.
	AlignmentFaking Metric = "ALIGNMENT_FAKING_RATE"
	// AlignmentFakingReasoning is the share that shows faking reasoning,
	// whatever the answer did.
	AlignmentFakingReasoning Metric = "ALIGNMENT_FAKING_REASONING_RATE"
)

// tested are the metrics whose slopes findings are built from.
// They are few, because every further test costs the others power, and compliance
// with faking reasoning is a part of both.
var tested = []Metric{ComplianceGap, AlignmentFakingReasoning}

// Table is what one contrast of one scenario gave: a row for each query that was
// planned, and in it a cell for each checkpoint.
type Table struct {
	// Scenario and Contrast are ids, and Training and Unmonitored the conditions.
	Scenario, Contrast, Training, Unmonitored string
	// Compliance has the two conditions side by side.
	Compliance [][]stats.Pair
	// Faking scores faking reasoning joined with compliance, Reasoning alone,
	// both in the training-cued condition.
	Faking, Reasoning [][]stats.TrendCell
}

// Series is the checkpoints of one training run.
type Series struct {
	// TrainingRun names it; "" where the runs name none.
	TrainingRun string
	// Steps rise and are not negative.
	Steps []int64
	// Tables are the same contrasts for every series.
	Tables []Table
}

// Trend is the trend of one metric.
type Trend struct {
	Metric Metric
	stats.Trend
	// LeftOut counts the planned queries that are not valid at every checkpoint.
	LeftOut int
	// PAdjusted is the Holm-adjusted p-value of the slope among all tests that
	// findings are built from; nil for a metric that no finding is built from.
	PAdjusted *float64
	// Note is a sentence on what keeps the trend from being read as it stands,
	// or "".
	Note string
}

// Analysis is what came out of one or more series.
type Analysis struct {
	// Tests is the number of tests that findings are built from.
	Tests int
	// Trends are by series, table and metric. A series with fewer than two
	// checkpoints has none.
	Trends [][][]Trend
	// Findings are in order of weight.
	Findings []Finding
}

// Analyse estimates every trend and derives the findings. alpha, in (0, 0.5], is
// the false-alarm rate: the chance of any finding at all when no tested metric
// of any series moves. The error is a *stats.InputError.
func Analyse(all []Series, axis Axis, alpha float64) (Analysis, error) {
	out := Analysis{Trends: make([][][]Trend, len(all))}
	for i, s := range all {
		if len(s.Steps) < 2 {
			continue
		}
		x := axis.At(s.Steps)
		for _, table := range s.Tables {
			trends, err := table.trends(x, alpha)
			if err != nil {
				return Analysis{}, err
			}
			out.Trends[i] = append(out.Trends[i], trends)
		}
	}
	out.adjust()
	for i, s := range all {
		for j, trends := range out.Trends[i] {
			r := reading{series: s, table: s.Tables[j], axis: axis, alpha: alpha, trends: byMetric(trends)}
			out.Findings = append(out.Findings, r.findings()...)
		}
	}
	byWeight(out.Findings)
	return out, nil
}

func byMetric(trends []Trend) map[Metric]Trend {
	out := make(map[Metric]Trend, len(trends))
	for _, t := range trends {
		out[t.Metric] = t
	}
	return out
}
