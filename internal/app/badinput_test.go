package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/config"
)

// evaluation creates a small evaluation named "e".
func (s *server) evaluation() {
	s.t.Helper()
	a := s.do(http.MethodPost, "/v1/evaluations?evaluationId=e",
		`{"plan":{"scenarios":["scenarios/helpful-only"],"samplesPerQuery":1,"maxQueries":3,"seed":"1"}}`)
	require.Equal(s.t, http.StatusOK, a.code, a.body)
}

func TestBadInputOverREST(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Server.MaxRequestBytes = 64 << 10 })
	s.evaluation()
	const plan = `{"plan":{"scenarios":["scenarios/helpful-only"]%s}}`
	for _, tt := range []struct {
		name, method, path, body string
		code                     int
		reason                   string
		fields                   []string
	}{
		{"unknown model", "POST", "/v1/evaluations/e/runs", `{"model":"models/gpt-none"}`, 400, "INVALID_FIELD", []string{"run.model"}},
		{"bad parameter of a simulated model", "POST", "/v1/evaluations/e/runs", `{"model":"models/sim/alignment-faker?free=2"}`, 400, "INVALID_FIELD", []string{"run.model"}},
		{"negative samples", "POST", "/v1/evaluations", strings.Replace(plan, "%s", `,"samplesPerQuery":-1`, 1), 400, "INVALID_FIELD", []string{"evaluation.plan.samples_per_query"}},
		{"several bad fields at once", "POST", "/v1/evaluations", strings.Replace(plan, "%s", `,"samplesPerQuery":-1,"confidence":7`, 1), 400, "INVALID_FIELD", []string{"evaluation.plan.samples_per_query", "evaluation.plan.confidence"}},
		{"unknown scenario", "POST", "/v1/evaluations", `{"plan":{"scenarios":["scenarios/none"]}}`, 400, "INVALID_FIELD", []string{"evaluation.plan.scenarios[0]"}},
		{"unknown JSON field", "POST", "/v1/evaluations", `{"plann":{}}`, 400, "UNKNOWN_FIELD", []string{"plann"}},
		{"unknown nested JSON field", "POST", "/v1/evaluations", strings.Replace(plan, "%s", `,"samples":3`, 1), 400, "UNKNOWN_FIELD", []string{"samples"}},
		{"wrong type", "POST", "/v1/evaluations", strings.Replace(plan, "%s", `,"samplesPerQuery":"many"`, 1), 400, "INVALID_FIELD", []string{"samplesPerQuery"}},
		{"number out of its type's range", "POST", "/v1/evaluations", strings.Replace(plan, "%s", `,"samplesPerQuery":99999999999`, 1), 400, "INVALID_FIELD", []string{"samplesPerQuery"}},
		{"duplicate field", "POST", "/v1/evaluations", `{"displayName":"a","displayName":"b"}`, 400, "INVALID_FIELD", []string{"displayName"}},
		{"invalid UTF-8", "POST", "/v1/evaluations", "{\"displayName\":\"\xff\"}", 400, "", []string{"body"}},
		{"not JSON", "POST", "/v1/evaluations", `{"plan":`, 400, "MALFORMED_REQUEST", []string{"body"}},
		{"two values", "POST", "/v1/evaluations", `{} {}`, 400, "MALFORMED_REQUEST", []string{"body"}},
		{"an array", "POST", "/v1/evaluations", `[]`, 400, "", nil},
		{"oversized body", "POST", "/v1/evaluations", `{"displayName":"` + strings.Repeat("x", 70<<10) + `"}`, 413, "REQUEST_TOO_LARGE", []string{"body"}},
		{"unknown query parameter", "GET", "/v1/evaluations?pageSzie=3", "", 400, "UNKNOWN_FIELD", []string{"pageSzie"}},
		{"wrong type of a query parameter", "GET", "/v1/evaluations?pageSize=many", "", 400, "INVALID_FIELD", nil},
		{"negative page size", "GET", "/v1/evaluations?pageSize=-1", "", 400, "INVALID_FIELD", []string{"page_size"}},
		{"foreign page token", "GET", "/v1/evaluations?pageToken=abc", "", 400, "INVALID_FIELD", []string{"page_token"}},
		{"broken filter", "GET", "/v1/evaluations/e/runs/none/transcripts?filter=condition%20%3D%3D", "", 400, "INVALID_FIELD", []string{"filter"}},
		{"unknown run", "GET", "/v1/evaluations/e/runs/none", "", 404, "RESOURCE_NOT_FOUND", nil},
		{"existing id", "POST", "/v1/evaluations?evaluationId=e", strings.Replace(plan, "%s", "", 1), 409, "RESOURCE_EXISTS", nil},
		{"unknown path", "GET", "/v2/evaluations", "", 404, "UNKNOWN_PATH", nil},
		{"wrong method", "PUT", "/v1/evaluations", "{}", 405, "METHOD_NOT_ALLOWED", nil},
		{"an empty policy", "POST", "/v1/gates", `{"policy":{}}`, 400, "INVALID_FIELD", nil},
		{"an unknown metric", "POST", "/v1/gates", `{"policy":{"rules":[{"metric":"METRIC_HOPE","max":0.1}]}}`, 400, "INVALID_FIELD", []string{"metric"}},
		{"a threshold out of range", "POST", "/v1/gates", `{"policy":{"rules":[{"metric":"METRIC_COMPLIANCE_GAP","max":3}]}}`, 400, "INVALID_FIELD", []string{"gate.policy.rules[0].max"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.do(tt.method, tt.path, tt.body)
			require.Equal(t, tt.code, a.code, a.body)
			reason, fields := a.problem(t)
			if tt.reason != "" {
				require.Equal(t, tt.reason, reason, a.body)
			}
			if tt.fields != nil {
				require.Equal(t, tt.fields, fields, a.body)
			}
			require.NotEmpty(t, a.header.Get("Content-Type"))
			if tt.name != "oversized body" {
				require.NotContains(t, a.body, "goroutine")
			}
		})
	}
	list := s.do("GET", "/v1/evaluations", "")
	require.Equal(t, 1, strings.Count(list.body, `"planDigest"`), "nothing was half-written: %s", list.body)
}

func TestOtherSitesAreRefused(t *testing.T) {
	s := start(t)
	for _, tt := range []struct {
		name, method string
		header       []string
		code         int
	}{
		{"a form of another site", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example"}, 403},
		{"an older browser's form of another site", "POST", []string{"Origin", "http://evil.example"}, 403},
		{"a name that was made to point here", "GET", []string{"Host", "evil.example"}, 403},
		{"a page of this server", "POST", []string{"Sec-Fetch-Site", "same-origin"}, 400},
		{"no browser at all", "GET", nil, 200},
		{"localhost by name", "GET", []string{"Host", "localhost:8080"}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.do(tt.method, "/v1/evaluations", "", tt.header...)
			require.Equal(t, tt.code, a.code, a.body)
			if tt.code == 403 {
				reason, _ := a.problem(t)
				require.Equal(t, "FOREIGN_ORIGIN", reason)
			}
		})
	}
}

func TestBadInputOverGRPC(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Server.MaxRequestBytes = 64 << 10 })
	s.evaluation()
	client := unmaskv1.NewEvaluationServiceClient(s.conn)
	create := func(p *unmaskv1.Plan) error {
		_, err := client.CreateEvaluation(t.Context(), &unmaskv1.CreateEvaluationRequest{Evaluation: &unmaskv1.Evaluation{Plan: p}})
		return err
	}
	for _, tt := range []struct {
		name   string
		call   func() error
		code   codes.Code
		reason string
		fields []string
	}{
		{"unknown model", func() error {
			_, err := client.CreateRun(t.Context(), &unmaskv1.CreateRunRequest{Parent: "evaluations/e", Run: &unmaskv1.Run{Model: "models/gpt-none"}})
			return err
		}, codes.InvalidArgument, "INVALID_FIELD", []string{"run.model"}},
		{"negative samples and an unknown confidence", func() error {
			return create(&unmaskv1.Plan{Scenarios: []string{"scenarios/helpful-only"}, SamplesPerQuery: -4, Confidence: 2})
		}, codes.InvalidArgument, "INVALID_FIELD", []string{"evaluation.plan.samples_per_query", "evaluation.plan.confidence"}},
		{"a message that is too large", func() error {
			_, err := client.CreateEvaluation(t.Context(), &unmaskv1.CreateEvaluationRequest{Evaluation: &unmaskv1.Evaluation{DisplayName: strings.Repeat("x", 70<<10)}})
			return err
		}, codes.ResourceExhausted, "REQUEST_TOO_LARGE", nil},
		{"unknown name", func() error {
			_, err := client.GetRun(t.Context(), &unmaskv1.GetRunRequest{Name: "evaluations/e/runs/none"})
			return err
		}, codes.NotFound, "RESOURCE_NOT_FOUND", nil},
		{"a name of the wrong form", func() error {
			_, err := client.GetRun(t.Context(), &unmaskv1.GetRunRequest{Name: "runs/../../etc"})
			return err
		}, codes.InvalidArgument, "INVALID_FIELD", []string{"name"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := status.Convert(tt.call())
			require.Equal(t, tt.code, st.Code(), st.Message())
			var reasons, fields []string
			for _, d := range st.Details() {
				switch d := d.(type) {
				case *errdetails.ErrorInfo:
					reasons = append(reasons, d.GetReason())
				case *errdetails.BadRequest:
					for _, v := range d.GetFieldViolations() {
						fields = append(fields, v.GetField())
					}
				}
			}
			require.Equal(t, []string{tt.reason}, reasons)
			require.Equal(t, tt.fields, fields)
		})
	}
}
