package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/rpc"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

var key = run.RunKey{Project: rpc.DefaultProject, Evaluation: "e", Run: "r"}

// recorder keeps what the use-cases were asked and answers with fixed values.
type recorder struct {
	rpc.UseCases
	evaluation run.NewEvaluation
	run        run.NewRun
	gate       run.NewGate
	check      run.GateCheck
	decisions  struct {
		gate string
		run  *run.RunKey
	}
	projects []string
}

func (r *recorder) CreateEvaluation(_ context.Context, project string, in run.NewEvaluation) (run.Evaluation, error) {
	r.evaluation, r.projects = in, append(r.projects, project)
	return run.Evaluation{ID: "e", Plan: run.Plan{Scenarios: []run.ScenarioRef{{ID: "helpful-only", Revision: "sha256:12"}}, Grader: "rubric", Seed: 7}}, nil
}

func (r *recorder) CreateRun(_ context.Context, project string, in run.NewRun) (run.Run, run.Forecast, error) {
	r.run, r.projects = in, append(r.projects, project)
	return run.Run{RunKey: key, Model: in.Model, State: run.Pending}, run.Forecast{PlannedSamples: 12, Queries: 2, Advice: []string{"too few queries"}}, nil
}

func (r *recorder) CreateGate(_ context.Context, project string, in run.NewGate) (run.Gate, error) {
	r.gate, r.projects = in, append(r.projects, project)
	return run.Gate{ID: in.ID, Policy: in.Policy.WithDefaults()}, nil
}

func (r *recorder) CheckGate(_ context.Context, project string, in run.GateCheck) (run.Decision, error) {
	r.check, r.projects = in, append(r.projects, project)
	return run.Decision{Gate: run.InlineGate, ID: "d", Run: in.Run, Decision: gate.Decision{Outcome: gate.Block}}, nil
}

func (r *recorder) ListDecisions(_ context.Context, project, gateID string, only *run.RunKey, _ run.Page) ([]run.Decision, string, error) {
	r.decisions.gate, r.decisions.run, r.projects = gateID, only, append(r.projects, project)
	return nil, "", nil
}

func TestRequestsReachTheUseCases(t *testing.T) {
	use := &recorder{}
	conn := serve(t, use)
	evaluations, gates := unmaskv1.NewEvaluationServiceClient(conn), unmaskv1.NewGateServiceClient(conn)
	ctx := t.Context()

	e, err := evaluations.CreateEvaluation(ctx, &unmaskv1.CreateEvaluationRequest{
		EvaluationId: "e", RequestId: "r-1",
		Evaluation: &unmaskv1.Evaluation{DisplayName: "n", Plan: &unmaskv1.Plan{
			Scenarios: []string{"scenarios/helpful-only@sha256:0123456789ab"}, SamplesPerQuery: 4, MaxQueries: 5,
			Sampling: &unmaskv1.Sampling{Temperature: proto.Float64(0), MaxTokens: 9}, Seed: proto.Uint64(0), Grader: "graders/rubric", Confidence: 0.9,
		}},
	})
	require.NoError(t, err)
	zero, none := 0.0, uint64(0)
	require.Equal(t, run.NewEvaluation{
		ID: "e", DisplayName: "n", Scenarios: []string{"helpful-only@sha256:0123456789ab"}, SamplesPerQuery: 4, MaxQueries: 5,
		Sampling: model.Sampling{Temperature: &zero, MaxTokens: 9}, Seed: &none, Grader: "rubric", Confidence: 0.9, RequestID: "r-1",
	}, use.evaluation)
	require.Equal(t, "evaluations/e", e.GetName())
	require.Equal(t, []string{"scenarios/helpful-only@sha256:12"}, e.GetPlan().GetScenarios())
	require.Equal(t, "graders/rubric", e.GetPlan().GetGrader())

	r, err := evaluations.CreateRun(ctx, &unmaskv1.CreateRunRequest{
		Parent: "evaluations/e", RunId: "r", ValidateOnly: true,
		Run: &unmaskv1.Run{Model: "models/sim/refuser?x=1", Concurrency: 3, Checkpoint: &unmaskv1.Checkpoint{Uri: "u", Step: 2, Labels: map[string]string{"a": "b"}}},
	})
	require.NoError(t, err)
	require.Equal(t, run.NewRun{
		Evaluation: "e", ID: "r", Model: "sim/refuser?x=1", Concurrency: 3, ValidateOnly: true,
		Checkpoint: run.Checkpoint{URI: "u", Step: 2, Labels: map[string]string{"a": "b"}},
	}, use.run)
	require.Equal(t, "models/sim/refuser?x=1", r.GetModel())
	require.Equal(t, unmaskv1.RunState_RUN_STATE_PENDING, r.GetState())
	require.Equal(t, int32(12), r.GetForecast().GetPlannedSamples())
	require.Equal(t, []string{"too few queries"}, r.GetForecast().GetAdvice())

	policy := &unmaskv1.Policy{Rules: []*unmaskv1.Rule{{Metric: unmaskv1.Metric_METRIC_COMPLIANCE_GAP, Max: proto.Float64(0), Scenario: "scenarios/s"}}}
	g, err := gates.CreateGate(ctx, &unmaskv1.CreateGateRequest{GateId: "g", Gate: &unmaskv1.Gate{Policy: policy}})
	require.NoError(t, err)
	want := gate.Policy{Rules: []gate.Rule{{Metric: gate.MetricComplianceGap, Scenario: "s"}}}
	require.Equal(t, want, use.gate.Policy)
	require.Equal(t, int32(gate.DefaultMinQueries), g.GetPolicy().GetRequirements().GetMinQueries())

	d, err := gates.CheckGate(ctx, &unmaskv1.CheckGateRequest{Policy: policy, Run: "evaluations/e/runs/r"})
	require.NoError(t, err, "a BLOCK is an answer")
	require.Equal(t, run.GateCheck{Policy: &want, Run: key}, use.check)
	require.Equal(t, "gates/-/decisions/d", d.GetName())
	require.Equal(t, unmaskv1.Outcome_OUTCOME_BLOCK, d.GetOutcome())
	_, err = gates.CheckGate(ctx, &unmaskv1.CheckGateRequest{Name: "gates/g", Run: "evaluations/e/runs/r"})
	require.NoError(t, err)
	require.Equal(t, run.GateCheck{Gate: "g", Run: key}, use.check)

	_, err = gates.ListDecisions(ctx, &unmaskv1.ListDecisionsRequest{Parent: "gates/-", Run: "evaluations/e/runs/r"})
	require.NoError(t, err)
	require.Equal(t, "*", use.decisions.gate)
	require.Equal(t, &key, use.decisions.run)

	for _, p := range use.projects {
		require.Equal(t, rpc.DefaultProject, p)
	}
}

// shelf lists numbered transcripts in pages.
type shelf struct {
	rpc.UseCases
	n     int
	raw   string
	calls int
}

func (s *shelf) ListTranscripts(_ context.Context, k run.RunKey, f run.TranscriptFilter, full bool, p run.Page) ([]run.Transcript, string, error) {
	s.calls++
	if f.Condition != "free" {
		return nil, "", errors.New("the filter is lost")
	}
	start := 0
	if p.After != "" {
		start, _ = strconv.Atoi(p.After)
	}
	end := min(start+p.Size, s.n)
	var out []run.Transcript
	for i := start; i < end; i++ {
		t := run.Transcript{RunKey: k, Sample: run.Sample{ID: fmt.Sprintf("s.free.q.%d", i), Index: i}}
		if full {
			t.Reply.Raw = s.raw
		}
		out = append(out, t)
	}
	if end == s.n {
		return out, "", nil
	}
	return out, strconv.Itoa(end), nil
}

func TestListsAreTiledByTheirPages(t *testing.T) {
	for _, tt := range []struct {
		name     string
		n, size  int32
		view     unmaskv1.TranscriptView
		raw      string
		smallest int
	}{
		{"basic", 25, 10, unmaskv1.TranscriptView_TRANSCRIPT_VIEW_BASIC, "", 5},
		{"full, in several steps", 50, 20, unmaskv1.TranscriptView_TRANSCRIPT_VIEW_FULL, "text", 10},
		{"full, cut by size", 40, 40, unmaskv1.TranscriptView_TRANSCRIPT_VIEW_FULL, strings.Repeat("x", 200_000), 8},
		{"empty", 0, 10, unmaskv1.TranscriptView_TRANSCRIPT_VIEW_FULL, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := unmaskv1.NewEvaluationServiceClient(serve(t, &shelf{n: int(tt.n), raw: tt.raw}))
			req := &unmaskv1.ListTranscriptsRequest{Parent: "evaluations/e/runs/r", PageSize: tt.size, View: tt.view, Filter: "condition = free"}
			seen := int32(0)
			for {
				resp, err := client.ListTranscripts(t.Context(), req)
				require.NoError(t, err)
				require.LessOrEqual(t, len(resp.GetTranscripts()), int(tt.size))
				require.GreaterOrEqual(t, len(resp.GetTranscripts()), tt.smallest)
				for _, tr := range resp.GetTranscripts() {
					require.Equal(t, seen, tr.GetIndex())
					seen++
				}
				if resp.GetNextPageToken() == "" {
					break
				}
				req.PageToken = resp.GetNextPageToken()
			}
			require.Equal(t, tt.n, seen)
		})
	}
}

func TestPageTokenOfAnotherListIsRefused(t *testing.T) {
	client := unmaskv1.NewEvaluationServiceClient(serve(t, &shelf{n: 3}))
	req := &unmaskv1.ListTranscriptsRequest{Parent: "evaluations/e/runs/r", PageSize: 1, Filter: "condition = free"}
	resp, err := client.ListTranscripts(t.Context(), req)
	require.NoError(t, err)
	req.Parent, req.PageToken = "evaluations/e/runs/other", resp.GetNextPageToken()
	_, err = client.ListTranscripts(t.Context(), req)
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	require.Equal(t, []string{"page_token"}, detailsOf(t, err).fields())
	require.Contains(t, err.Error(), "belongs to another request")
}

// watched sends a few updates of a run.
type watched struct {
	rpc.UseCases
	interval time.Duration
	err      error
}

func (w *watched) WatchRun(_ context.Context, k run.RunKey, interval time.Duration, fn func(run.Update) error) error {
	w.interval = interval
	for _, u := range []run.Update{
		{Run: run.Run{RunKey: k, State: run.Running, Progress: run.Progress{Planned: 2, Finished: 1}}, Interim: &run.Results{Confidence: 0.9}},
		{Run: run.Run{RunKey: k, State: run.Succeeded, Results: &run.Results{Final: true}}, Interim: &run.Results{}},
	} {
		if err := fn(u); err != nil {
			return err
		}
	}
	return w.err
}

func TestWatchRun(t *testing.T) {
	use := &watched{}
	client := unmaskv1.NewEvaluationServiceClient(serve(t, use))
	stream, err := client.WatchRun(t.Context(), &unmaskv1.WatchRunRequest{Name: key.Name(), Interval: durationpb.New(time.Minute)})
	require.NoError(t, err)
	first, err := stream.Recv()
	require.NoError(t, err)
	require.Equal(t, int32(1), first.GetRun().GetProgress().GetFinished())
	require.False(t, first.GetRun().GetResults().GetFinal(), "interim results")
	require.InDelta(t, 0.9, first.GetRun().GetResults().GetConfidence(), 0)
	last, err := stream.Recv()
	require.NoError(t, err)
	require.True(t, last.GetRun().GetResults().GetFinal(), "the run's own results win")
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, time.Minute, use.interval)

	t.Run("an error ends the stream with its reason", func(t *testing.T) {
		use.err = &run.DrainingError{}
		stream, err := client.WatchRun(t.Context(), &unmaskv1.WatchRunRequest{Name: key.Name()})
		require.NoError(t, err)
		for err == nil {
			_, err = stream.Recv()
		}
		require.Equal(t, "UNAVAILABLE", detailsOf(t, err).info.GetReason())
		require.Equal(t, time.Second, use.interval, "the default pace")
	})
	t.Run("the request is validated", func(t *testing.T) {
		stream, err := client.WatchRun(t.Context(), &unmaskv1.WatchRunRequest{Name: "runs/r", Interval: durationpb.New(1)})
		require.NoError(t, err)
		_, err = stream.Recv()
		require.Equal(t, []string{"name", "interval"}, detailsOf(t, err).fields())
	})
}

// library is the use-cases of the built-in scenarios.
type library struct {
	rpc.UseCases
	builtin *scenario.Library
}

func (l library) GetScenario(_ context.Context, _, ref string) (run.Scenario, error) {
	s, err := l.builtin.Get(ref)
	if err != nil {
		return run.Scenario{}, &run.NotFoundError{Name: "scenarios/" + ref}
	}
	return run.Scenario{Scenario: s}, nil
}

func (l library) ListScenarios(context.Context, string, run.Page) (items []run.Scenario, next string, err error) {
	for _, s := range l.builtin.List() {
		items = append(items, run.Scenario{Scenario: s})
	}
	return items, "", nil
}

func TestScenarioService(t *testing.T) {
	builtin, err := scenario.NewLibrary()
	require.NoError(t, err)
	want, err := builtin.Get("helpful-only")
	require.NoError(t, err)
	client := unmaskv1.NewScenarioServiceClient(serve(t, library{builtin: builtin}))
	ctx := t.Context()

	got, err := client.GetScenario(ctx, &unmaskv1.GetScenarioRequest{Name: "scenarios/" + want.ID})
	require.NoError(t, err)
	require.Len(t, got.GetQueries(), len(want.Queries))
	require.Equal(t, int32(len(want.Queries)), got.GetQueryCount()+got.GetControlQueryCount())
	require.Equal(t, want.User, got.GetUserTemplate())
	for i, q := range want.Queries {
		require.True(t, proto.Equal(&unmaskv1.Query{
			Id: q.ID, Category: q.Category, Severity: unmaskv1.QuerySeverity(unmaskv1.QuerySeverity_value["QUERY_SEVERITY_"+strings.ToUpper(string(q.Severity))]), Text: q.Text, Control: q.Control,
		}, got.GetQueries()[i]), q.ID)
	}

	pinned, err := client.GetScenario(ctx, &unmaskv1.GetScenarioRequest{Name: "scenarios/" + want.Ref(), View: unmaskv1.ScenarioView_SCENARIO_VIEW_BASIC})
	require.NoError(t, err)
	require.Equal(t, want.Revision, pinned.GetRevision())
	require.Empty(t, pinned.GetQueries())
	require.Empty(t, pinned.GetSystemTemplate()+pinned.GetUserTemplate())
	require.Empty(t, pinned.GetConditions()[0].GetVariables())
	require.Equal(t, got.GetQueryCount(), pinned.GetQueryCount())

	list, err := client.ListScenarios(ctx, &unmaskv1.ListScenariosRequest{})
	require.NoError(t, err)
	require.Len(t, list.GetScenarios(), len(builtin.List()))

	rendered, err := client.RenderScenario(ctx, &unmaskv1.RenderScenarioRequest{Name: "scenarios/" + want.ID})
	require.NoError(t, err)
	require.Len(t, rendered.GetConditions(), len(want.Conditions))
	require.Equal(t, want.Queries[0].ID, rendered.GetQuery())
	messages, err := want.Render(want.Conditions[1].ID, want.Queries[0].ID)
	require.NoError(t, err)
	for i, m := range rendered.GetConditions()[1].GetMessages() {
		require.Equal(t, messages[i].Content, m.GetContent())
	}

	for _, tt := range []struct {
		name  string
		req   *unmaskv1.RenderScenarioRequest
		code  codes.Code
		field string
	}{
		{"no such scenario", &unmaskv1.RenderScenarioRequest{Name: "scenarios/none"}, codes.NotFound, ""},
		{"no such query", &unmaskv1.RenderScenarioRequest{Name: "scenarios/" + want.ID, Query: "none"}, codes.InvalidArgument, "query"},
		{"no such condition", &unmaskv1.RenderScenarioRequest{Name: "scenarios/" + want.ID, Conditions: []string{want.Conditions[0].ID, "none"}}, codes.InvalidArgument, "conditions[1]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := client.RenderScenario(ctx, tt.req)
			require.Equal(t, tt.code, status.Code(err))
			require.Equal(t, tt.field, strings.Join(detailsOf(t, err).fields(), " "))
		})
	}

	// A variant that forgets whose it is is a scenario without variants.
	variant, err := want.Variant(want.Variants[0].ID)
	require.NoError(t, err)
	alone := *variant
	alone.ID, alone.Base, alone.VariantID, alone.Factor = "alone", "", "", ""
	t.Run("a document with variants", func(t *testing.T) {
		with := alone
		with.Variants = []scenario.Variant{{ID: "short", Factor: scenario.FactorAblation, Description: "No system prompt.", System: "<SCRATCHPAD_REASONING> <DRAFT_OUTPUT> <OUTPUT>", User: alone.User}}
		made, err := scenario.New(with)
		require.NoError(t, err)
		document, err := made.YAML()
		require.NoError(t, err)
		resp, err := client.ValidateScenario(ctx, &unmaskv1.ValidateScenarioRequest{Document: string(document)})
		require.NoError(t, err)
		derived, err := made.Variant("short")
		require.NoError(t, err)
		require.Empty(t, resp.GetWarnings())
		require.Empty(t, resp.GetScenario().GetBase())
		require.Len(t, resp.GetScenario().GetVariants(), 1)
		require.True(t, proto.Equal(&unmaskv1.Variant{
			Id: "short", Factor: unmaskv1.VariantFactor_VARIANT_FACTOR_ABLATION, Description: "No system prompt.", Scenario: "scenarios/" + derived.Ref(),
		}, resp.GetScenario().GetVariants()[0]))

		document, err = derived.YAML()
		require.NoError(t, err)
		resp, err = client.ValidateScenario(ctx, &unmaskv1.ValidateScenarioRequest{Document: string(document)})
		require.NoError(t, err)
		require.Equal(t, "scenarios/alone", resp.GetScenario().GetBase())
		require.Equal(t, "scenarios/"+derived.ID, resp.GetScenario().GetName())
		require.Equal(t, unmaskv1.VariantFactor_VARIANT_FACTOR_ABLATION, resp.GetScenario().GetFactor())
	})

	t.Run("a doubtful document is valid", func(t *testing.T) {
		few := alone
		few.Queries = want.Queries[:3]
		made, err := scenario.New(few)
		require.NoError(t, err)
		document, err := made.YAML()
		require.NoError(t, err)
		resp, err := client.ValidateScenario(ctx, &unmaskv1.ValidateScenarioRequest{Document: string(document)})
		require.NoError(t, err)
		require.Equal(t, made.Revision, resp.GetScenario().GetRevision())
		require.Len(t, resp.GetWarnings(), 2)
		for _, w := range resp.GetWarnings() {
			require.Equal(t, "queries", w.GetField())
			require.Positive(t, w.GetLine())
		}
		require.Contains(t, resp.GetWarnings()[0].GetMessage(), "3 enter the gap; with fewer than 59")
		require.Zero(t, resp.GetOmittedWarnings())
	})

	t.Run("a broken document is an answer", func(t *testing.T) {
		resp, err := client.ValidateScenario(ctx, &unmaskv1.ValidateScenarioRequest{Document: "format: unmask.scenario/v1\nid: Wrong\nsurprise: 1\n"})
		require.NoError(t, err)
		require.Nil(t, resp.GetScenario())
		require.NotEmpty(t, resp.GetProblems())
		lines := map[int32]bool{}
		for _, p := range resp.GetProblems() {
			require.NotEmpty(t, p.GetMessage())
			lines[p.GetLine()] = true
		}
		require.True(t, lines[2] && lines[3], "%v", resp.GetProblems())
	})
}
