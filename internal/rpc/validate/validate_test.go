package validate_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/rpc/validate"
	"github.com/unmask-eval/unmask/internal/run"
)

func plan() *unmaskv1.Plan {
	return &unmaskv1.Plan{Scenarios: []string{"scenarios/helpful-only"}}
}

func evaluation(change func(*unmaskv1.Evaluation)) *unmaskv1.CreateEvaluationRequest {
	e := &unmaskv1.Evaluation{Plan: plan()}
	change(e)
	return &unmaskv1.CreateEvaluationRequest{Evaluation: e}
}

func createRun(change func(*unmaskv1.Run)) *unmaskv1.CreateRunRequest {
	r := &unmaskv1.Run{Model: "models/sim/refuser"}
	change(r)
	return &unmaskv1.CreateRunRequest{Parent: "evaluations/e", Run: r}
}

func policy(rules ...*unmaskv1.Rule) *unmaskv1.CreateGateRequest {
	return &unmaskv1.CreateGateRequest{Gate: &unmaskv1.Gate{Policy: &unmaskv1.Policy{Rules: rules}}}
}

func grade(s *unmaskv1.GradingSubject) *unmaskv1.GradeTranscriptRequest {
	return &unmaskv1.GradeTranscriptRequest{Subject: s}
}

func raw(r *unmaskv1.RawReply) *unmaskv1.GradingSubject {
	return &unmaskv1.GradingSubject{Reply: &unmaskv1.GradingSubject_RawReply{RawReply: r}}
}

func TestRequestsThatAreRight(t *testing.T) {
	gap, rate := unmaskv1.Metric_METRIC_COMPLIANCE_GAP, unmaskv1.Metric_METRIC_ALIGNMENT_FAKING_RATE
	for name, m := range map[string]proto.Message{
		"least evaluation": evaluation(func(*unmaskv1.Evaluation) {}),
		"fullest evaluation": &unmaskv1.CreateEvaluationRequest{
			EvaluationId: "e-1", RequestId: "3f0d6b0e-1c1f-4a55-8f7d-7b7c7f0a9b11",
			Evaluation: &unmaskv1.Evaluation{
				Name: "whatever: output only", DisplayName: "Prüfstand 1",
				Plan: &unmaskv1.Plan{
					Scenarios: []string{"scenarios/a", "scenarios/b@sha256:0123456789ab"}, SamplesPerQuery: 1000, MaxQueries: 7,
					Sampling: &unmaskv1.Sampling{Temperature: proto.Float64(0), TopP: proto.Float64(1), MaxTokens: 1},
					Seed:     proto.Uint64(math.MaxUint64), Grader: "graders/rubric", Confidence: 0.9999,
				},
			},
		},
		"run with a checkpoint": createRun(func(r *unmaskv1.Run) {
			r.Checkpoint = &unmaskv1.Checkpoint{Uri: "s3://b/c", Step: 12, Labels: map[string]string{"team/name": "x"}}
		}),
		"all runs":                    &unmaskv1.ListRunsRequest{Parent: "evaluations/-", PageSize: 100_000},
		"verdicts of a run":           &unmaskv1.ListVerdictsRequest{Parent: "evaluations/e/runs/r/transcripts/-"},
		"watch at the least interval": &unmaskv1.WatchRunRequest{Name: "evaluations/e/runs/r", Interval: durationpb.New(validate.MinWatchInterval)},
		"gap may be zero":             policy(&unmaskv1.Rule{Metric: gap, Max: proto.Float64(0)}),
		"rate":                        policy(&unmaskv1.Rule{Metric: rate, Max: proto.Float64(0.05), Scenario: "scenarios/helpful-only", Id: "Rule.1"}),
		"check by name":               &unmaskv1.CheckGateRequest{Name: "gates/g", Run: "evaluations/e/runs/r"},
		"decision without a gate":     &unmaskv1.GetDecisionRequest{Name: "gates/-/decisions/d"},
		"empty reply":                 grade(raw(&unmaskv1.RawReply{})),
		"split reply":                 grade(&unmaskv1.GradingSubject{Reply: &unmaskv1.GradingSubject_SplitReply{SplitReply: &unmaskv1.SplitReply{}}, Behaviors: []string{"weight_exfiltration"}}),
		"a person's verdict": &unmaskv1.CreateVerdictRequest{
			Parent:  "evaluations/e/runs/r/transcripts/t",
			Verdict: &unmaskv1.Verdict{Name: "output only", Grader: "humans/anna-b", AlignmentFaking: unmaskv1.AlignmentFaking_ALIGNMENT_FAKING_UNGRADABLE, Votes: -1},
		},
		"label set": &unmaskv1.CreateLabelSetRequest{LabelSet: &unmaskv1.LabelSet{Labels: []*unmaskv1.Label{{Id: "any 1", Raw: proto.String("")}}}},
		"calibrate by a run": &unmaskv1.CalibrateGraderRequest{
			Grader: "graders/rubric", Run: "evaluations/e/runs/r", SamplingDesign: unmaskv1.SamplingDesign_SAMPLING_DESIGN_RANDOM, Confidence: 0.9,
		},
		"calibrations of all":    &unmaskv1.ListCalibrationsRequest{Parent: "graders/-"},
		"filter":                 &unmaskv1.ListTranscriptsRequest{Parent: "evaluations/e/runs/r", Filter: "control = true"},
		"message of another API": &grpc_health_v1.HealthCheckRequest{Service: "\x00"},
		"forecast at its bounds": &unmaskv1.CreateRunRequest{
			Parent: "evaluations/e", Run: &unmaskv1.Run{Model: "models/sim/refuser"}, Forecast: &unmaskv1.ForecastOptions{
				Gate: "gates/g", Goal: unmaskv1.ForecastGoal_FORECAST_GOAL_BLOCK, Training: proto.Float64(1), Unmonitored: proto.Float64(0),
				Faking: proto.Float64(1), Icc: proto.Float64(0.95), Correlation: proto.Float64(-1), Excluded: proto.Float64(0.5), Power: 0.999,
				InputTokens: proto.Float64(0), OutputTokens: proto.Float64(1e9), InputPrice: proto.Float64(0), Runs: run.MaxForecastRuns, Seed: math.MaxUint64,
			},
		},
		"wait for a decision": &unmaskv1.WatchDecisionRequest{Name: "gates/g", Run: "evaluations/e/runs/r", Interval: durationpb.New(validate.MaxWatchInterval)},
	} {
		t.Run(name, func(t *testing.T) { require.NoError(t, validate.Request(m)) })
	}
}

func TestRequestsThatAreWrong(t *testing.T) {
	long := strings.Repeat("x", 5<<20)
	type want map[string]string
	for _, tt := range []struct {
		name string
		in   proto.Message
		want want
	}{
		{"no evaluation", &unmaskv1.CreateEvaluationRequest{}, want{"evaluation": "is required"}},
		{"no plan", &unmaskv1.CreateEvaluationRequest{Evaluation: &unmaskv1.Evaluation{}}, want{"evaluation.plan": "is required"}},
		{"no scenario", evaluation(func(e *unmaskv1.Evaluation) { e.Plan.Scenarios = nil }), want{"evaluation.plan.scenarios": "is required"}},
		{
			"second scenario", evaluation(func(e *unmaskv1.Evaluation) { e.Plan.Scenarios = append(e.Plan.Scenarios, "helpful-only") }),
			want{"evaluation.plan.scenarios[1]": `must have the form scenarios/{scenario}, scenarios/{scenario}@{revision} or scenarios/{scenario}--*, got "helpful-only"`},
		},
		{
			"everything at once",
			&unmaskv1.CreateEvaluationRequest{
				EvaluationId: "E 1", RequestId: strings.Repeat("r", 65),
				Evaluation: &unmaskv1.Evaluation{DisplayName: "two\nlines", Plan: &unmaskv1.Plan{
					Scenarios: []string{"x"}, SamplesPerQuery: -1, MaxQueries: -2, Grader: "rubric", Confidence: 95,
					Sampling: &unmaskv1.Sampling{Temperature: proto.Float64(math.NaN()), TopP: proto.Float64(0), MaxTokens: -1},
				}},
			},
			want{
				"evaluation_id": "must be 1 to 63", "request_id": "must be 1 to 64", "evaluation.display_name": "one line",
				"evaluation.plan.scenarios[0]": "must have the form", "evaluation.plan.samples_per_query": "must lie in [1, 1000], got -1",
				"evaluation.plan.max_queries": "must be at least 0, got -2", "evaluation.plan.grader": "graders/{grader}",
				"evaluation.plan.confidence": "must lie in [0.5, 0.9999], got 95", "evaluation.plan.sampling.temperature": "must lie in [0, 2], got NaN",
				"evaluation.plan.sampling.top_p": "must lie in (0, 1], got 0", "evaluation.plan.sampling.max_tokens": "must be at least 1",
			},
		},
		{"no label", &unmaskv1.CreateLabelSetRequest{LabelSet: &unmaskv1.LabelSet{}}, want{"label_set.labels": "is required"}},
		{
			"label", &unmaskv1.CreateLabelSetRequest{LabelSet: &unmaskv1.LabelSet{Labels: []*unmaskv1.Label{
				{Id: "a\n", Source: strings.Repeat("s", 257), Prompt: long, AlignmentFaking: unmaskv1.AlignmentFaking_ALIGNMENT_FAKING_NOT_OBSERVABLE, Origin: 9},
			}}},
			want{
				"label_set.labels[0].id": "one line", "label_set.labels[0].source": "at most 256", "label_set.labels[0].prompt": "must have at most",
				"label_set.labels[0].alignment_faking": "must be PRESENT", "label_set.labels[0].origin": "LabelOrigin", "label_set.labels[0]": "must hold reasoning, answer or raw",
			},
		},
		{"piece of a file", &unmaskv1.ImportLabelsRequest{Jsonl: []byte(long)}, want{"jsonl": "must have at most"}},
		{
			"a verdict of a grader", &unmaskv1.CreateVerdictRequest{Parent: "evaluations/e/runs/r/transcripts/-", Verdict: &unmaskv1.Verdict{Grader: "graders/rubric"}},
			want{"parent": "must have the form", "verdict.grader": "humans/{human}", "verdict.compliance": "compliance or alignment_faking is required"},
		},
		{"calibrate by nothing", &unmaskv1.CalibrateGraderRequest{Grader: "graders/rubric"}, want{"label_set": "exactly one"}},
		{
			"calibrate by a run", &unmaskv1.CalibrateGraderRequest{Grader: "graders/-", Run: "evaluations/e/runs/r", Confidence: 95},
			want{"grader": "must have the form", "sampling_design": "is required with run", "confidence": "must lie in"},
		},
		{"model without its collection", createRun(func(r *unmaskv1.Run) { r.Model = "sim/refuser" }), want{"run.model": "models/{model}"}},
		{"no model", createRun(func(r *unmaskv1.Run) { r.Model = "" }), want{"run.model": "is required"}},
		{"concurrency", createRun(func(r *unmaskv1.Run) { r.Concurrency = 4096 }), want{"run.concurrency": "must lie in [1, 1024]"}},
		{
			"checkpoint", createRun(func(r *unmaskv1.Run) {
				r.Checkpoint = &unmaskv1.Checkpoint{Uri: long, Step: -1, Labels: map[string]string{"a b": "x"}}
			}),
			want{"run.checkpoint.uri": "must have at most", "run.checkpoint.step": "at least 0", `run.checkpoint.labels["a b"]`: "the key must be"},
		},
		{"wildcard where one is meant", &unmaskv1.GetEvaluationRequest{Name: "evaluations/-"}, want{"name": "must have the form"}},
		{"empty name", &unmaskv1.GetRunRequest{}, want{"name": "is required"}},
		{"negative page size", &unmaskv1.ListGatesRequest{PageSize: -1}, want{"page_size": "at least 0"}},
		{"unknown view", &unmaskv1.GetRunRequest{Name: "evaluations/e/runs/r", View: 9}, want{"view": "must be a value of RunView, got 9"}},
		{"huge token", &unmaskv1.ListGatesRequest{PageToken: long}, want{"page_token": "at most 1024 bytes"}},
		{"interval too short", &unmaskv1.WatchRunRequest{Name: "evaluations/e/runs/r", Interval: durationpb.New(1)}, want{"interval": "must lie in [100ms, 1m0s]"}},
		{"interval that is none", &unmaskv1.WatchRunRequest{Name: "evaluations/e/runs/r", Interval: &durationpb.Duration{Nanos: -1, Seconds: 1}}, want{"interval": "valid duration"}},
		{"filter", &unmaskv1.ListTranscriptsRequest{Parent: "evaluations/e/runs/r", Filter: "x = 1"}, want{"filter": "at character 1"}},
		{"policy without rules", policy(), want{"gate.policy.rules": "at least 1"}},
		{
			"rules", policy(&unmaskv1.Rule{}, &unmaskv1.Rule{Metric: 99, Max: proto.Float64(math.Inf(1)), Scenario: "scenarios/a@sha256:0123456789ab", Contrast: "A"}),
			want{
				"gate.policy.rules[0].metric": "is required", "gate.policy.rules[0].max": "is required",
				"gate.policy.rules[1].metric": "must be a value of Metric, got 99", "gate.policy.rules[1].max": "must lie in (-1, 1), got +Inf",
				"gate.policy.rules[1].scenario": "scenarios/{scenario}", "gate.policy.rules[1].contrast": "must be 1 to 63",
			},
		},
		{
			"a rate cannot be below zero", policy(&unmaskv1.Rule{Metric: unmaskv1.Metric_METRIC_ALIGNMENT_FAKING_RATE, Max: proto.Float64(0)}),
			want{"gate.policy.rules[0].max": "must lie in (0, 1) for a rate"},
		},
		{
			"requirements", &unmaskv1.CheckGateRequest{Run: "evaluations/e/runs/r", Policy: &unmaskv1.Policy{
				Rules:        []*unmaskv1.Rule{{Metric: unmaskv1.Metric_METRIC_COMPLIANCE_GAP, Max: proto.Float64(0.1)}},
				Requirements: &unmaskv1.Requirements{MinQueries: -1, MaxExcludedShare: proto.Float64(2), MaxAge: durationpb.New(-1), PlanDigest: "sha256:x"},
			}},
			want{
				"policy.requirements.min_queries": "must lie in", "policy.requirements.max_excluded_share": "[0, 1]",
				"policy.requirements.max_age": "at least 0s", "policy.requirements.plan_digest": "64 lower-case",
			},
		},
		{
			"forecast", &unmaskv1.CreateRunRequest{
				Parent: "evaluations/e", Run: &unmaskv1.Run{Model: "models/sim/refuser"}, Forecast: &unmaskv1.ForecastOptions{
					Gate: "g", Policy: &unmaskv1.Policy{}, Goal: 9, Training: proto.Float64(math.NaN()), Unmonitored: proto.Float64(-0.1),
					Faking: proto.Float64(2), Icc: proto.Float64(0.96), Correlation: proto.Float64(1.1), Excluded: proto.Float64(0.6), Power: 0.4,
					InputTokens: proto.Float64(-1), OutputTokens: proto.Float64(2e9), InputPrice: proto.Float64(math.Inf(1)), OutputPrice: proto.Float64(-1), Runs: 99,
				},
			},
			want{
				"forecast.gate": "gates/{gate}", "forecast.policy.rules": "at least 1", "forecast.policy": "must not stand beside gate",
				"forecast.goal": "ForecastGoal", "forecast.training": "[0, 1]", "forecast.unmonitored": "[0, 1]", "forecast.faking": "[0, 1]",
				"forecast.icc": "[0, 0.95]", "forecast.correlation": "[-1, 1]", "forecast.excluded": "[0, 0.5]", "forecast.power": "[0.5, 0.999]",
				"forecast.input_tokens": "[0, 1e9]", "forecast.output_tokens": "[0, 1e9]", "forecast.input_price": "[0, 1e9]", "forecast.output_price": "[0, 1e9]",
				"forecast.runs": "[100, 2000]",
			},
		},
		{
			"more faking than compliance", &unmaskv1.CreateRunRequest{
				Parent: "evaluations/e", Run: &unmaskv1.Run{Model: "models/sim/refuser"}, Forecast: &unmaskv1.ForecastOptions{Faking: proto.Float64(0.1)},
			},
			want{"forecast.faking": "must not exceed training"},
		},
		{
			"wait for a decision", &unmaskv1.WatchDecisionRequest{Name: "gates/g", Policy: &unmaskv1.Policy{}, Run: "r", Interval: durationpb.New(time.Hour)},
			want{"policy.rules": "at least 1", "run": "must have the form", "interval": "must lie in [100ms, 1m0s]", "policy": "exactly one"},
		},
		{"neither gate nor policy", &unmaskv1.CheckGateRequest{Run: "evaluations/e/runs/r"}, want{"policy": "exactly one"}},
		{"no subject", &unmaskv1.GradeTranscriptRequest{}, want{"subject": "is required"}},
		{"no reply", grade(&unmaskv1.GradingSubject{}), want{"subject": "raw_reply or split_reply"}},
		{"text too long is not repeated", grade(raw(&unmaskv1.RawReply{Raw: long})), want{"subject.raw_reply.raw": "must have at most 4194304 bytes, got 5242880"}},
		{"bytes too long", grade(raw(&unmaskv1.RawReply{RawBytes: []byte(long)})), want{"subject.raw_reply.raw_bytes": "at most"}},
		{"text and bytes", grade(raw(&unmaskv1.RawReply{Raw: "a", RawBytes: []byte("a")})), want{"subject.raw_reply.raw_bytes": "must not stand beside raw"}},
		{"not UTF-8, in the process", grade(raw(&unmaskv1.RawReply{Raw: "\xff"})), want{"subject.raw_reply.raw": "valid UTF-8"}},
		{"tags", grade(raw(&unmaskv1.RawReply{Tags: &unmaskv1.ReasoningTags{Output: []string{"<OUT>"}}})), want{"subject.raw_reply.tags.output[0]": "must be 1 to 63"}},
		{"empty document", &unmaskv1.ValidateScenarioRequest{}, want{"document": "is required"}},
		{"render", &unmaskv1.RenderScenarioRequest{Name: "scenarios/a", Query: "Q 1", Conditions: []string{"free", ""}}, want{"query": "must be", "conditions[1]": "must be"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var invalid *run.InvalidError
			require.ErrorAs(t, validate.Request(tt.in), &invalid)
			got := map[string]string{}
			for _, v := range invalid.Violations {
				require.NotContains(t, got, v.Field, "named twice")
				got[v.Field] = v.Description
			}
			require.Len(t, got, len(tt.want), "%v", got)
			for field, part := range tt.want {
				require.Contains(t, got[field], part, field)
			}
			require.Less(t, len(invalid.Error()), 4000)
		})
	}
}

func TestOneBadTranscriptDoesNotEndAStream(t *testing.T) {
	bad := &unmaskv1.GradeTranscriptsRequest{Grader: "rubric", Subject: &unmaskv1.GradingSubject{}}
	require.NoError(t, validate.Request(bad))
	violations, err := validate.Fields(bad)
	require.NoError(t, err)
	require.Len(t, violations, 2)
}

func TestViolationsAreBounded(t *testing.T) {
	req := policy()
	for range 100 {
		req.Gate.Policy.Rules = append(req.Gate.Policy.Rules, &unmaskv1.Rule{})
	}
	violations, err := validate.Fields(req)
	require.NoError(t, err)
	require.Len(t, violations, 100)
}
