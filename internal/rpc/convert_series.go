package rpc

import (
	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/series"
)

func fromGetSeries(req *unmaskv1.GetSeriesRequest) run.SeriesQuery {
	id, _ := resource.Evaluation(req.GetName())
	return run.SeriesQuery{
		Evaluation: id, TrainingRun: req.GetTrainingRun(), Axis: seriesAxes.domain(req.GetXAxis()), FalseAlarmRate: req.FalseAlarmRate,
	}
}

func toSeries(s run.Series) *unmaskv1.Series {
	out := &unmaskv1.Series{
		Evaluation: run.EvaluationName(s.Evaluation.ID), PlanDigest: s.Evaluation.PlanDigest, XAxis: seriesAxes.proto(s.Axis),
		FalseAlarmRate: s.FalseAlarmRate, Confidence: s.Evaluation.Plan.Confidence, Tests: count(s.Tests),
	}
	for _, f := range s.Findings {
		out.Findings = append(out.Findings, &unmaskv1.SeriesFinding{
			Code: seriesCodes.proto(f.Code), TrainingRun: clean(f.TrainingRun),
			Scenario: resource.ScenarioName(f.Scenario.ID, f.Scenario.Revision), Contrast: f.Contrast,
			PAdjusted: f.PAdjusted, Sentence: f.Sentence,
		})
	}
	for _, t := range s.TrainingRuns {
		out.TrainingRuns = append(out.TrainingRuns, toTrainingRunSeries(t))
	}
	for _, l := range s.LeftOut {
		out.LeftOut = append(out.LeftOut, &unmaskv1.LeftOutRun{
			Run: l.Run.Name(), TrainingRun: clean(l.Checkpoint.TrainingRun), Step: l.Checkpoint.Step,
			Reason: leftOutReasons.proto(l.Reason), Detail: l.Detail,
		})
	}
	return out
}

func toTrainingRunSeries(t run.TrainingRunSeries) *unmaskv1.TrainingRunSeries {
	out := &unmaskv1.TrainingRunSeries{TrainingRun: clean(t.TrainingRun), Note: t.Note}
	for _, c := range t.Checkpoints {
		out.Checkpoints = append(out.Checkpoints, &unmaskv1.SeriesCheckpoint{
			Run: c.Run.Name(), Step: c.Checkpoint.Step, X: c.X, Model: resource.ModelName(c.Model), Digest: clean(c.Checkpoint.Digest),
		})
	}
	for _, s := range t.Scenarios {
		one := &unmaskv1.ScenarioSeries{Scenario: resource.ScenarioName(s.Scenario.ID, s.Scenario.Revision)}
		for _, c := range s.Contrasts {
			one.Contrasts = append(one.Contrasts, toContrastSeries(c, t.Checkpoints))
		}
		out.Scenarios = append(out.Scenarios, one)
	}
	return out
}

func toContrastSeries(c run.ContrastSeries, at []run.SeriesCheckpoint) *unmaskv1.ContrastSeries {
	out := &unmaskv1.ContrastSeries{Contrast: c.Contrast, Primary: c.Primary, Training: c.Training, Unmonitored: c.Unmonitored}
	for j, p := range c.Points {
		out.Points = append(out.Points, &unmaskv1.SeriesPoint{
			Run: at[j].Run.Name(), Step: at[j].Checkpoint.Step,
			TrainingCompliance: toRate(p.TrainingCompliance), UnmonitoredCompliance: toRate(p.UnmonitoredCompliance),
			ComplianceGap: toGap(p.ComplianceGap), AlignmentFaking: toRate(p.AlignmentFaking),
			AlignmentFakingReasoning: toRate(p.AlignmentFakingReasoning), Headroom: headrooms.proto(p.Headroom),
			TrainingExclusions: each(p.TrainingExclusions, toExclusion), UnmonitoredExclusions: each(p.UnmonitoredExclusions, toExclusion),
			FailedControls: p.FailedControls,
		})
	}
	for _, t := range c.Trends {
		out.Trends = append(out.Trends, toMetricTrend(t, at))
	}
	return out
}

func toMetricTrend(t series.Trend, at []run.SeriesCheckpoint) *unmaskv1.MetricTrend {
	out := &unmaskv1.MetricTrend{
		Metric: seriesMetrics.proto(t.Metric), Queries: count(t.Queries), QueriesLeftOut: count(t.LeftOut), Values: t.Rates,
		Slope: t.Slope, SlopeStandardError: t.SlopeSE, PValue: t.SlopeP, PAdjusted: t.PAdjusted,
		OnsetHolm: toShift(t, t.ShiftHolm, at), OnsetSpending: toShift(t, t.ShiftSpending, at), Note: t.Note,
	}
	if t.SlopeCI != nil {
		out.SlopeLower, out.SlopeUpper = &t.SlopeCI.Lo, &t.SlopeCI.Hi
	}
	for j, c := range t.FromFirst {
		later := at[j+1]
		out.Changes = append(out.Changes, &unmaskv1.ChangeFromFirst{
			Run: later.Run.Name(), Step: later.Checkpoint.Step,
			Estimate: c.Estimate, Lower: c.CI.Lo, Upper: c.CI.Hi, PValue: c.PTwoSided, PHolm: c.PHolm,
		})
	}
	if c := t.Change; c.After != nil && c.Shift != nil && c.PBonferroni != nil {
		out.ChangePoint = &unmaskv1.SeriesChangePoint{
			AfterStep: at[*c.After].Checkpoint.Step, BeforeStep: at[*c.After+1].Checkpoint.Step,
			Shift: *c.Shift, PValue: *c.PBonferroni,
		}
	}
	return out
}

func toShift(t series.Trend, index *int, at []run.SeriesCheckpoint) *unmaskv1.SeriesShift {
	if index == nil {
		return nil
	}
	c := at[*index]
	return &unmaskv1.SeriesShift{Run: c.Run.Name(), Step: c.Checkpoint.Step, Change: t.FromFirst[*index-1].Estimate}
}
