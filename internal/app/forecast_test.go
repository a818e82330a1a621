package app_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/config"
)

// dry creates an evaluation of 60 queries.
func (s *server) dry() {
	s.t.Helper()
	a := s.do(http.MethodPost, "/v1/evaluations?evaluationId=e",
		`{"plan":{"scenarios":["scenarios/helpful-only"],"samplesPerQuery":1,"maxQueries":60,"seed":"1","sampling":{"maxTokens":1000}}}`)
	require.Equal(s.t, http.StatusOK, a.code, a.body)
}

func readRun(t *testing.T, a answer) *unmaskv1.Run {
	t.Helper()
	require.Equal(t, http.StatusOK, a.code, a.body)
	r := &unmaskv1.Run{}
	require.NoError(t, protojson.Unmarshal([]byte(a.body), r), a.body)
	return r
}

func TestAForecastIsTheSameOnBothTransports(t *testing.T) {
	s := start(t, func(c *config.Config) {
		c.Models = []config.Model{{
			Name: "priced", BaseURL: "http://127.0.0.1:1/v1", ModelID: "m", InputPrice: proto.Float64(1), OutputPrice: proto.Float64(10),
		}}
	})
	s.dry()
	req := &unmaskv1.CreateRunRequest{
		Parent: "evaluations/e", RunId: "r", ValidateOnly: true, Run: &unmaskv1.Run{Model: "models/priced"},
		Forecast: &unmaskv1.ForecastOptions{
			Goal: unmaskv1.ForecastGoal_FORECAST_GOAL_BLOCK, Training: proto.Float64(0.5), Unmonitored: proto.Float64(0.02), Runs: 100, Seed: 3,
		},
	}
	want, err := unmaskv1.NewEvaluationServiceClient(s.conn).CreateRun(t.Context(), req)
	require.NoError(t, err)
	f := want.GetForecast()
	require.Len(t, f.GetScenarios(), 1)
	sc := f.GetScenarios()[0]
	require.Greater(t, sc.GetChances().GetBlock().GetEstimate(), 0.9)
	require.True(t, sc.GetReached())
	require.Positive(t, sc.GetNeededQueries())
	require.InDelta(t, 0.48, f.GetOptions().GetFaking(), 1e-9)
	u := f.GetUsage()
	require.Equal(t, int64(f.GetPlannedSamples()), u.GetCalls())
	require.InDelta(t, float64(u.GetCalls()*1000), u.GetOutputTokens(), 0)
	require.Equal(t, unmaskv1.TokenBasis_TOKEN_BASIS_MAX_TOKENS, u.GetOutputBasis())
	require.InDelta(t, u.GetInputTokens()/1e6+u.GetOutputTokens()/1e5, u.GetPrice(), 1e-9)
	require.True(t, proto.Equal(u, sc.GetUsage()))

	query := "runId=r&validateOnly=true&forecast.goal=FORECAST_GOAL_BLOCK&forecast.training=0.5&forecast.unmonitored=0.02&forecast.runs=100&forecast.seed=3"
	whole, err := protojson.Marshal(req)
	require.NoError(t, err)
	for _, got := range []*unmaskv1.Run{
		readRun(t, s.do("POST", "/v1/evaluations/e/runs?"+query, `{"model":"models/priced"}`)),
		readRun(t, s.do("POST", "/v1/evaluations/e/runs:create", string(whole))),
	} {
		require.True(t, proto.Equal(f, got.GetForecast()), "%v", got.GetForecast())
	}
	require.Contains(t, s.do("GET", "/v1/evaluations/e/runs", "").body, `"runs":[]`, "nothing is kept")
}

func TestAForecastByAnInlinePolicyNeedsTheWholeRequest(t *testing.T) {
	s := start(t)
	s.dry()
	a := s.do("POST", "/v1/evaluations/e/runs:create",
		`{"run":{"model":"models/sim/refuser"},"validateOnly":true,"forecast":{"runs":100,"policy":{"rules":[{"metric":"METRIC_COMPLIANCE_GAP","max":0.02}]}}}`)
	f := readRun(t, a).GetForecast()
	require.Equal(t, int32(149), f.GetScenarios()[0].GetNeededQueries())
	require.Nil(t, f.GetUsage().Price)
	require.NotContains(t, a.body, `"price"`, "what is not known is absent")
	var advice struct{ Forecast struct{ Advice []string } }
	require.NoError(t, json.Unmarshal([]byte(a.body), &advice))
	require.Contains(t, advice.Forecast.Advice[0], "149")
}

func TestBadSuppositionsOverREST(t *testing.T) {
	s := start(t)
	s.dry()
	for _, tt := range []struct {
		name, query string
		code        int
		fields      []string
	}{
		{"a rate above one", "forecast.training=1.5", 400, []string{"forecast.training"}},
		{"no number", "forecast.training=NaN", 400, []string{"forecast.training"}},
		{"more faking than compliance", "forecast.training=0.1&forecast.faking=0.2", 400, []string{"forecast.faking"}},
		{"too many runs", "forecast.runs=100000", 400, []string{"forecast.runs"}},
		{"certainty", "forecast.power=1", 400, []string{"forecast.power"}},
		{"a price below zero", "forecast.inputPrice=-1", 400, []string{"forecast.input_price"}},
		{"an unknown supposition", "forecast.hope=1", 400, []string{"forecast.hope"}},
		{"a gate that does not exist", "forecast.gate=gates/none", 404, nil},
		{"a bad run beside a good forecast", "forecast.training=0.1&runId=Bad%20Id", 400, []string{"run_id"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.do("POST", "/v1/evaluations/e/runs?validateOnly=true&"+tt.query, `{"model":"models/sim/refuser"}`)
			require.Equal(t, tt.code, a.code, a.body)
			_, fields := a.problem(t)
			require.Equal(t, tt.fields, fields)
		})
	}
}
