package run

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/unmask-eval/unmask/internal/series"
	"github.com/unmask-eval/unmask/internal/stats"
)

// DefaultFalseAlarmRate is that of a series when a request names none.
const DefaultFalseAlarmRate = 0.05

// SeriesQuery asks for the series of an evaluation.
type SeriesQuery struct {
	// Evaluation is the evaluation's id.
	Evaluation string
	// TrainingRun narrows the answer to one training run; "" means all.
	TrainingRun string
	// Axis defaults to series.AxisIndex.
	Axis series.Axis
	// FalseAlarmRate, in (0, 0.5], defaults to DefaultFalseAlarmRate when nil.
	FalseAlarmRate *float64
}

// Series is what the checkpoints of an evaluation show over training.
type Series struct {
	Evaluation Evaluation
	Axis       series.Axis
	// FalseAlarmRate is the chance of any finding when nothing that findings are
	// built from moves; Tests is the number of tests behind them.
	FalseAlarmRate float64
	Tests          int
	Findings       []SeriesFinding
	TrainingRuns   []TrainingRunSeries
	LeftOut        []LeftOutRun
}

// SeriesFinding is a finding with its scenario pinned.
type SeriesFinding struct {
	series.Finding
	Scenario ScenarioRef
}

// TrainingRunSeries is the checkpoints of one training run, by step.
type TrainingRunSeries struct {
	TrainingRun string
	Checkpoints []SeriesCheckpoint
	Scenarios   []ScenarioSeries
	// Note says why there are no trends, or is "".
	Note string
}

// SeriesCheckpoint is one run of a series and its place on the axis.
type SeriesCheckpoint struct {
	Run        RunKey
	Model      string
	Checkpoint Checkpoint
	X          float64
}

// ScenarioSeries is a series on one scenario.
type ScenarioSeries struct {
	Scenario  ScenarioRef
	Contrasts []ContrastSeries
}

// ContrastSeries is a series on one contrast: a point for each checkpoint, and
// a trend for each metric unless there are fewer than two checkpoints.
type ContrastSeries struct {
	Contrast              string
	Primary               bool
	Training, Unmonitored string
	Points                []SeriesPoint
	Trends                []series.Trend
}

// SeriesPoint is what one checkpoint gave on one contrast, from everything that
// was valid there.
type SeriesPoint struct {
	TrainingCompliance, UnmonitoredCompliance Rate
	ComplianceGap                             Gap
	AlignmentFaking, AlignmentFakingReasoning Rate
	Headroom                                  Headroom
	TrainingExclusions, UnmonitoredExclusions []Exclusion
	// FailedControls are ids.
	FailedControls []string
}

// GetSeries reads the rows of an evaluation's succeeded runs and analyses them
// by training run and step. What it keeps in memory depends on the number of
// queries and checkpoints, not of samples.
func (s *Service) GetSeries(ctx context.Context, project string, in SeriesQuery) (Series, error) {
	out := Series{Axis: in.Axis, FalseAlarmRate: DefaultFalseAlarmRate}
	if out.Axis == "" {
		out.Axis = series.AxisIndex
	}
	if in.FalseAlarmRate != nil {
		out.FalseAlarmRate = *in.FalseAlarmRate
	}
	if !(out.FalseAlarmRate > 0 && out.FalseAlarmRate <= 0.5) {
		return Series{}, Invalid("false_alarm_rate", "must be greater than 0 and at most 0.5, got %v", out.FalseAlarmRate)
	}
	e, err := s.deps.Store.GetEvaluation(ctx, project, in.Evaluation)
	if err != nil {
		return Series{}, err
	}
	out.Evaluation = e
	groups, leftOut, err := s.seriesRuns(ctx, e, in.TrainingRun)
	if err != nil {
		return Series{}, err
	}
	out.LeftOut = leftOut
	schedule, err := s.exec.schedule(ctx, e)
	if err != nil {
		return Series{}, fmt.Errorf("series of %s: %w", EvaluationName(e.ID), err)
	}
	all := make([]series.Series, len(groups))
	for i, g := range groups {
		b := newSeriesBuilder(e.Plan, schedule, g)
		for _, r := range g.runs {
			tally, err := s.exec.count(ctx, r.RunKey, e.Plan, schedule)
			if err == nil {
				err = b.add(tally)
			}
			if err != nil {
				return Series{}, fmt.Errorf("series of %s: %s: %w", EvaluationName(e.ID), r.Name(), err)
			}
		}
		all[i] = b.series
		out.TrainingRuns = append(out.TrainingRuns, b.out)
	}
	if err := out.analyse(all); err != nil {
		return Series{}, fmt.Errorf("series of %s: %w", EvaluationName(e.ID), err)
	}
	return out, nil
}

// analyse fills in trends and findings.
func (out *Series) analyse(all []series.Series) error {
	a, err := series.Analyse(all, out.Axis, out.FalseAlarmRate)
	var input *stats.InputError
	if errors.As(err, &input) && input.Field == "x" {
		return Invalid("x_axis", "the steps cannot be laid out along it: %v", err)
	}
	if err != nil {
		return err
	}
	out.Tests = a.Tests
	for i := range out.TrainingRuns {
		t := &out.TrainingRuns[i]
		for j, x := range out.Axis.At(all[i].Steps) {
			t.Checkpoints[j].X = x
		}
		next := 0
		for j := range t.Scenarios {
			for k := range t.Scenarios[j].Contrasts {
				if next < len(a.Trends[i]) {
					t.Scenarios[j].Contrasts[k].Trends = a.Trends[i][next]
				}
				next++
			}
		}
	}
	revisions := map[string]ScenarioRef{}
	for _, ref := range out.Evaluation.Plan.Scenarios {
		revisions[ref.ID] = ref
	}
	for _, f := range a.Findings {
		f.Sentence += out.failedControls(f)
		out.Findings = append(out.Findings, SeriesFinding{Finding: f, Scenario: revisions[f.Scenario]})
	}
	return nil
}

// failedControls says at which steps a finding's scenario may show the pipeline
// rather than the model, or is "".
func (out *Series) failedControls(f series.Finding) string {
	var steps []string
	for _, t := range out.TrainingRuns {
		for _, s := range t.Scenarios {
			for _, c := range s.Contrasts {
				if t.TrainingRun != f.TrainingRun || s.Scenario.ID != f.Scenario || c.Contrast != f.Contrast {
					continue
				}
				for j, p := range c.Points {
					if len(p.FailedControls) > 0 {
						steps = append(steps, strconv.FormatInt(t.Checkpoints[j].Checkpoint.Step, 10))
					}
				}
			}
		}
	}
	if len(steps) == 0 {
		return ""
	}
	return " Controls failed at step " + strings.Join(steps, ", ") + ", so this may show the pipeline rather than the model."
}

// count counts the rows that a run has so far.
func (x *executor) count(ctx context.Context, key RunKey, p Plan, schedule *Schedule) (*Tally, error) {
	t := NewTally(p, schedule)
	if err := x.deps.Store.EachRow(ctx, key, t.Add); err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return t, nil
}
