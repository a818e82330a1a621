package rpc

import (
	"strings"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
)

func fromCreateEvaluation(req *unmaskv1.CreateEvaluationRequest) run.NewEvaluation {
	plan := req.GetEvaluation().GetPlan()
	in := run.NewEvaluation{
		ID: req.GetEvaluationId(), DisplayName: req.GetEvaluation().GetDisplayName(), RequestID: req.GetRequestId(),
		SamplesPerQuery: int(plan.GetSamplesPerQuery()), MaxQueries: int(plan.GetMaxQueries()),
		Sampling: fromSampling(plan.GetSampling()), Seed: plan.Seed,
		Grader: strings.TrimPrefix(plan.GetGrader(), "graders/"), Confidence: plan.GetConfidence(),
	}
	if s := plan.GetStopping(); s.GetRule() == unmaskv1.StoppingRule_STOPPING_RULE_DECIDED {
		policy := fromPolicy(s.GetPolicy())
		in.StopWhenDecided = &policy
	}
	for _, name := range plan.GetScenarios() {
		in.Scenarios = append(in.Scenarios, strings.TrimPrefix(name, "scenarios/"))
	}
	return in
}

func fromSampling(s *unmaskv1.Sampling) model.Sampling {
	if s == nil {
		return model.Sampling{}
	}
	return model.Sampling{Temperature: s.Temperature, TopP: s.TopP, MaxTokens: int(s.GetMaxTokens()), Stop: s.GetStop()}
}

func toSampling(s model.Sampling) *unmaskv1.Sampling {
	return &unmaskv1.Sampling{Temperature: s.Temperature, TopP: s.TopP, MaxTokens: count(s.MaxTokens), Stop: cleanAll(s.Stop)}
}

func toEvaluation(e run.Evaluation) *unmaskv1.Evaluation {
	return &unmaskv1.Evaluation{
		Name: run.EvaluationName(e.ID), DisplayName: clean(e.DisplayName), Plan: toPlan(e.Plan),
		PlanDigest: e.PlanDigest, CreateTime: stamp(e.CreateTime),
	}
}

func toPlan(p run.Plan) *unmaskv1.Plan {
	out := &unmaskv1.Plan{
		SamplesPerQuery: count(p.SamplesPerQuery), MaxQueries: count(p.MaxQueries), Seed: &p.Seed,
		Sampling: toSampling(p.Sampling),
		Grader:   resource.GraderName(p.Grader), GraderDigest: p.GraderDigest, Confidence: p.Confidence,
	}
	if p.Stopping != nil {
		out.Stopping = &unmaskv1.Stopping{Rule: unmaskv1.StoppingRule_STOPPING_RULE_DECIDED, Policy: toPolicy(p.Stopping.Policy)}
	}
	for _, s := range p.Scenarios {
		out.Scenarios = append(out.Scenarios, resource.ScenarioName(s.ID, s.Revision))
	}
	return out
}

func fromCreateRun(req *unmaskv1.CreateRunRequest) run.NewRun {
	r, c := req.GetRun(), req.GetRun().GetCheckpoint()
	evaluation, _ := resource.Evaluation(req.GetParent())
	return run.NewRun{
		Evaluation: evaluation, ID: req.GetRunId(), Model: strings.TrimPrefix(r.GetModel(), "models/"),
		Checkpoint: run.Checkpoint{
			URI: c.GetUri(), Digest: c.GetDigest(), TrainingRun: c.GetTrainingRun(), Step: c.GetStep(), Labels: c.GetLabels(),
		},
		Concurrency: int(r.GetConcurrency()), RequestID: req.GetRequestId(), ValidateOnly: req.GetValidateOnly(),
		Forecast: fromForecastOptions(req.GetForecast()),
	}
}

func toRun(r run.Run, full bool) *unmaskv1.Run {
	out := &unmaskv1.Run{
		Name: r.Name(), Model: resource.ModelName(r.Model), Checkpoint: toCheckpoint(r.Checkpoint), Concurrency: count(r.Concurrency),
		State: runStates.proto(r.State), Error: clean(r.Error),
		Progress: &unmaskv1.Progress{Planned: count(r.Progress.Planned), Finished: count(r.Progress.Finished), Errors: count(r.Progress.Errors)},
		Usage:    toUsage(r.Usage, r.Calls), PlanDigest: r.PlanDigest,
		CreateTime: stamp(r.CreateTime), StartTime: stamp(r.StartTime), EndTime: stamp(r.EndTime),
	}
	if full {
		out.Results = toResults(r.Results)
	}
	return out
}

func toUsage(u model.Usage, calls int64) *unmaskv1.Usage {
	return &unmaskv1.Usage{Calls: calls, InputTokens: u.InputTokens, OutputTokens: u.OutputTokens, ReasoningTokens: u.ReasoningTokens}
}

// toCheckpoint returns nil for a checkpoint of which nothing was said.
func toCheckpoint(c run.Checkpoint) *unmaskv1.Checkpoint {
	if c.URI == "" && c.Digest == "" && c.TrainingRun == "" && c.Step == 0 && len(c.Labels) == 0 {
		return nil
	}
	return &unmaskv1.Checkpoint{
		Uri: clean(c.URI), Digest: clean(c.Digest), TrainingRun: clean(c.TrainingRun), Step: c.Step, Labels: c.Labels,
	}
}
