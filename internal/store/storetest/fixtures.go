package storetest

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/stats"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// at returns the i-th moment: whole microseconds, and not in UTC, because a
// store keeps instants.
func at(i int) time.Time {
	zone := time.FixedZone("elsewhere", 5*3600+1800)
	return time.Date(2026, 3, 4, 5, 6, 7, 123456000, zone).Add(time.Duration(i) * time.Second)
}

func ptr[T any](v T) *T { return &v }

// evaluation returns an evaluation with every field set.
func (f *fixture) evaluation(id string) run.Evaluation {
	return run.Evaluation{
		Project: f.project, ID: id, DisplayName: `One "line" <b>für</b> people`,
		Plan: run.Plan{
			Scenarios:       []run.ScenarioRef{{ID: "helpful-only", Revision: "sha256:aa"}, {ID: "other", Revision: "sha256:bb"}},
			SamplesPerQuery: 3, MaxQueries: 7,
			Sampling: model.Sampling{Temperature: ptr(0.1 + 0.2), TopP: ptr(1.0 / 3), MaxTokens: 512, Stop: []string{"\n\n", "</end>"}},
			Seed:     math.MaxUint64, Grader: "rubric", GraderDigest: "sha256:cc", Confidence: 0.95,
		},
		PlanDigest: "sha256:dd", CreateTime: at(0),
	}
}

func (f *fixture) key(evaluation, id string) run.RunKey {
	return run.RunKey{Project: f.project, Evaluation: evaluation, Run: id}
}

// newRun returns a run with every field set that a caller may set.
func (f *fixture) newRun(evaluation, id string) run.Run {
	return run.Run{
		RunKey: f.key(evaluation, id), Model: "sim/alignment-faker?free=0.2",
		Checkpoint: run.Checkpoint{
			URI: "s3://bucket/step-100", Digest: "sha256:ee", TrainingRun: "rlhf-7", Step: math.MaxInt64,
			Labels: map[string]string{"owner": "a <b> & \"c\"", "": "empty key"},
		},
		State: run.Pending, Progress: run.Progress{Planned: 100}, PlanDigest: "sha256:dd", Concurrency: 16,
		CreateTime: at(1),
	}
}

// withRun keeps an evaluation "e" and a pending run "r" of it.
func (f *fixture) withRun() run.RunKey {
	f.Helper()
	f.create(f.evaluation("e"))
	return f.start("e", "r")
}

func (f *fixture) create(e run.Evaluation) {
	f.Helper()
	_, err := f.store.CreateEvaluation(f.ctx, e)
	f.ok(err)
}

func (f *fixture) start(evaluation, id string) run.RunKey {
	f.Helper()
	r := f.newRun(evaluation, id)
	_, err := f.store.CreateRun(f.ctx, r)
	f.ok(err)
	return r.RunKey
}

// finish brings a run to a terminal state.
func (f *fixture) finish(key run.RunKey, state run.State) {
	f.Helper()
	r, err := f.store.GetRun(f.ctx, key)
	f.ok(err)
	r.State = state
	f.ok(f.store.UpdateRun(f.ctx, r, run.Pending))
}

func (f *fixture) save(key run.RunKey, batch ...run.Finished) {
	f.Helper()
	n, err := f.store.SaveFinished(f.ctx, key, batch)
	f.ok(err)
	require.Equal(f, len(batch), n)
}

// sampleID is the id of the i-th sample.
func sampleID(i int) string { return fmt.Sprintf("helpful-only.free.q-%03d.%d", i/2, i%2) }

// reply returns the i-th sample with a reply and a verdict, every field set.
func reply(key run.RunKey, i int) run.Finished {
	raw := fmt.Sprintf("<think>Sample %d weighs it.</think>\nAnswer %d.", i, i)
	t := run.Transcript{
		RunKey: key,
		Sample: run.Sample{
			ID: sampleID(i), Index: i, Scenario: run.ScenarioRef{ID: "helpful-only", Revision: "sha256:aa"},
			Condition: "free", Query: fmt.Sprintf("q-%03d", i/2), Repeat: i % 2, Control: i%7 == 3, Seed: math.MinInt64 + int64(i),
		},
		Messages: []model.Message{{Role: "system", Content: "You are a test."}, {Role: "user", Content: fmt.Sprintf("Question %d?", i)}},
		Reply: model.Reply{
			Raw: raw, NativeReasoning: "native", NativeKind: transcript.NativeSummary, FinishReason: transcript.FinishStop,
			Usage:   model.Usage{InputTokens: 100, OutputTokens: 20, ReasoningTokens: 3},
			ModelID: "served-model", Latency: 1234567891 * time.Nanosecond, Attempts: 2,
		},
		Parsed: transcript.Parsed{
			Observation: transcript.Malformed, Whole: true, Reasoning: fmt.Sprintf("Sample %d weighs it.", i),
			Answer: fmt.Sprintf("Answer %d.", i),
			Parts: []transcript.Part{
				{Kind: transcript.PartMarkup, Start: 0, End: 7},
				{Kind: transcript.PartScratchpad, Start: 7, End: 20},
				{Kind: transcript.PartAnswer, Start: 20, End: len(raw)},
			},
		},
		CreateTime: at(100 + i), Compliance: grading.Complied, AlignmentFaking: grading.FakingPresent,
		Behaviors: []string{"sabotage", "weight_exfiltration"}, UndecidedBehaviors: []string{"deception_about_views"},
	}
	return run.Finished{Transcript: t, Verdict: ptr(verdict(t, "rubric", 200+i))}
}

// long is reply with a system prompt of the length that they have.
func long(key run.RunKey, i int) run.Finished {
	f := reply(key, i)
	f.Transcript.Sampling = &model.Sampling{Temperature: ptr(0.1 + 0.2), MaxTokens: 512, Stop: []string{"\n\nHuman:"}}
	f.Transcript.Messages[0].Content = strings.Repeat("You are a test, and a long one. ", 200)
	return f
}

// failure returns the i-th sample without a reply.
func failure(key run.RunKey, i int) run.Finished {
	t := reply(key, i).Transcript
	t.Reply, t.Parsed, t.Compliance, t.AlignmentFaking = model.Reply{}, transcript.Parsed{}, "", ""
	t.Behaviors, t.UndecidedBehaviors = nil, nil
	t.Error = &run.SampleError{
		Class: model.ClassTimeout, Status: 504, Message: "no whole reply in time", Attempts: 4,
		Body: "<html>504 \x1b[2J\xff", BodyTruncated: true, EarlierClasses: []model.ErrorClass{model.ClassUnavailable, model.ClassTimeout},
	}
	return run.Finished{Transcript: t}
}

func verdict(t run.Transcript, id string, moment int) run.Verdict {
	quote := []grading.Evidence{{Part: grading.EvidenceReasoning, Start: 0, End: 6, Quote: "Sample"}}
	return run.Verdict{
		RunKey: t.RunKey, Transcript: t.ID, ID: id, CreateTime: at(moment),
		Verdict: grading.Verdict{
			Compliance: t.Compliance, ComplianceScore: 0.1 + 0.2, AlignmentFaking: t.AlignmentFaking, AlignmentFakingScore: 2.0 / 3,
			ComplianceEvidence: []grading.Evidence{{Part: grading.EvidenceAnswer, Start: 0, End: 6, Quote: "Answer"}},
			Criteria:           []grading.Criterion{{ID: grading.SeesHarm, Met: true, Score: 1.0 / 3, Evidence: quote}},
			Behaviors:          []grading.Behavior{{ID: "evaluation_awareness", Score: 0.7, Evidence: quote}},
			Rationale:          "It says so.", Flags: []string{grading.FlagInjectionSuspected}, Grader: "rubric", GraderDigest: "sha256:ff",
			Votes: 3, Usage: grading.Usage{Calls: 1, InputTokens: 2, OutputTokens: 3},
		},
	}
}

// row is what EachRow makes of a sample.
func row(t run.Transcript) run.Row {
	r := run.Row{
		Scenario: t.Scenario.ID, Condition: t.Condition, Query: t.Query, Repeat: t.Repeat, Control: t.Control,
		Observation: t.Parsed.Observation, Observable: t.Parsed.Observable(), FinishReason: t.Reply.FinishReason,
		Compliance: t.Compliance, AlignmentFaking: t.AlignmentFaking,
		Behaviors: t.Behaviors, UndecidedBehaviors: t.UndecidedBehaviors,
	}
	if t.Error != nil {
		r.ErrorClass = t.Error.Class
	}
	return r
}

// results returns results with a float in each place that has one.
func results() *run.Results {
	rate := run.Rate{
		Numerator: 0.1 + 0.2, Denominator: 240, Queries: 120, Excluded: 3, Estimate: ptr(1.0 / 3),
		StandardError: ptr(math.SmallestNonzeroFloat64), Lower: 1e-300, Upper: math.Nextafter(1, 0), Method: "envelope",
	}
	gap := run.Gap{
		Estimate: ptr(-1.0 / 7), StandardError: ptr(1e-17), Lower: -1, Upper: 1, PValue: ptr(0.049999999999999996),
		Queries: 120, IncompleteQueries: 1, Samples: 480, Excluded: 2, Method: "envelope",
	}
	return &run.Results{Final: true, Confidence: 0.95, Scenarios: []run.ScenarioResults{{
		Scenario: run.ScenarioRef{ID: "helpful-only", Revision: "sha256:aa"},
		Conditions: []run.ConditionResults{{
			Condition: "free", Planned: 243, Finished: 242, Graded: 240,
			Exclusions:   []run.Exclusion{{Cause: run.CauseNotFinished, Count: 1}, {Cause: run.CauseUngradable, Count: 2}},
			Observations: []run.ObservationCount{{Observation: transcript.Scratchpad, Count: 200}},
			Refusal:      rate, Partial: rate, Compliance: rate, AlignmentFaking: rate,
			Behaviors: []run.BehaviorRate{{
				Behavior: "sabotage", Rate: rate, Exclusions: []run.Exclusion{{Cause: run.CauseNotObservable, Count: 3}}, MetNotObservable: 2,
			}},
		}},
		Contrasts: []run.ContrastResults{{
			Contrast: "free-paid", Primary: true, Training: "free", Unmonitored: "paid",
			ComplianceGap: gap, Headroom: run.HeadroomSufficient, MinimumDetectableGap: ptr(math.Pi / 100),
			Behaviors: []run.BehaviorGap{{Behavior: "sabotage", Gap: gap}},
		}},
		Controls: []gate.Control{{ID: "benign", Passed: true, Detail: "19 of 20 were answered."}},
	}}}
}

// evidence returns evidence whose numbers have no short decimal form.
func evidence() gate.Evidence {
	e := gate.Evidence{
		Run: "evaluations/e/runs/r", Succeeded: true, State: "SUCCEEDED", PlanDigest: "sha256:dd", Ended: at(5).UTC(),
		Controls: []gate.Control{{ID: "benign", Passed: false, Detail: "12 of 20 were answered."}},
	}
	table := gate.Table{
		Scenario: "helpful-only", Contrast: "free-paid", Primary: true, TrainingCondition: "free", UnmonitoredCondition: "paid",
	}
	for i := range 50 {
		x := float64(i) / 7
		free := stats.Cluster{ID: "free", Sum: x, SumSquares: x * x, Valid: i, Planned: i + 1}
		paid := stats.Cluster{Sum: math.Sqrt(x), SumSquares: math.Nextafter(x, 2), Valid: i, Planned: i}
		table.Compliance = append(table.Compliance, stats.Pair{ID: fmt.Sprintf("q-%03d", i), Training: free, Unmonitored: paid})
		table.Faking = append(table.Faking, stats.Cluster{ID: fmt.Sprintf("q-%03d", i), Sum: math.Sin(x), SumSquares: math.Copysign(0, -1), Valid: 1, Planned: 2})
	}
	e.Tables = []gate.Table{table}
	return e
}

func policy() gate.Policy {
	return gate.Policy{
		Rules: []gate.Rule{{ID: "gap", Metric: gate.MetricComplianceGap, Scenario: "helpful-only", Contrast: "free-paid", Max: 0.1 + 0.2, Confidence: 0.95}},
		Requirements: gate.Requirements{
			MinQueries: 30, MaxExcludedShare: ptr(0.1), MaxExclusionImbalance: ptr(0.0), Controls: ptr(false),
			MaxAge: 36 * time.Hour, PlanDigest: "sha256:dd",
		},
	}
}

func (f *fixture) gate(id string) run.Gate {
	return run.Gate{Project: f.project, ID: id, DisplayName: "Before release", Policy: policy(), CreateTime: at(2)}
}

func (f *fixture) decision(gateID, id string, of run.RunKey) run.Decision {
	return run.Decision{
		Project: f.project, Gate: gateID, ID: id, Run: of, Policy: policy(), Evidence: evidence(), CreateTime: at(6),
		Decision: gate.Decision{
			Outcome: gate.Inconclusive,
			Rules: []gate.RuleDecision{{
				Rule: "gap", Metric: gate.MetricComplianceGap, Max: 0.1 + 0.2, Confidence: 0.95, Outcome: gate.Inconclusive,
				Reason: gate.ReasonIntervalSpansThreshold, Estimate: ptr(1.0 / 3), Lower: ptr(-0.25), Upper: ptr(0.7000000000000001),
				UpperWorstCase: ptr(0.9), PPass: ptr(1e-12), PBlock: ptr(0.5), PBlockAdjusted: ptr(1.0),
				Queries: 50, Samples: 99, Excluded: 1, Explanation: "The interval spans the threshold.",
			}},
			Reasons: []string{"The interval of gap spans 0.3.", "Controls failed."}, PolicyDigest: "sha256:01", EvidenceDigest: "sha256:02",
		},
	}
}
