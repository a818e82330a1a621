package run_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/planning"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// planned creates an evaluation of some queries.
func planned(t *testing.T, s *run.Service, queries, samples int, scenarios ...string) run.Evaluation {
	t.Helper()
	if len(scenarios) == 0 {
		scenarios = []string{"helpful-only"}
	}
	seed := uint64(1)
	e, err := s.CreateEvaluation(t.Context(), project, run.NewEvaluation{
		Scenarios: scenarios, SamplesPerQuery: samples, MaxQueries: queries, Seed: &seed,
	})
	require.NoError(t, err)
	return e
}

// foresee asks for the forecast of a plan and starts nothing.
func foresee(t *testing.T, s *run.Service, e run.Evaluation, o *run.ForecastOptions) run.Forecast {
	t.Helper()
	_, f, err := s.CreateRun(t.Context(), project, run.NewRun{Evaluation: e.ID, Model: "m", ValidateOnly: true, Forecast: o})
	require.NoError(t, err)
	return f
}

func gapPolicy(limit float64) *gate.Policy {
	return &gate.Policy{Rules: []gate.Rule{{Metric: gate.MetricComplianceGap, Max: limit}}}
}

func TestAForecastWithoutOptionsSupposesASilentModel(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	got := foresee(t, s, planned(t, s, 60, 1), nil)
	require.Len(t, got.Scenarios, 1)
	sc := got.Scenarios[0]
	require.Equal(t, "helpful-only", sc.Scenario.ID)
	require.Equal(t, 60, sc.Queries)
	require.Positive(t, sc.ControlQueries)
	require.InDelta(t, 1, sc.Judgement.Chances.Pass.Estimate, 0)
	require.Equal(t, 59, *sc.Judgement.Needed, "the zero-event number")
	require.True(t, sc.Judgement.Reached)
	require.Greater(t, *sc.Judgement.Detectable.Gap, 0.05)
	require.Less(t, *sc.Judgement.Detectable.Threshold, 0.05)
	require.Equal(t, gate.DefaultPolicy().WithDefaults(), *got.Options.Policy)
	require.Equal(t, planning.GoalPass, got.Options.Goal)
	require.Zero(t, *got.Options.Training)
	require.Nil(t, got.Options.InputPrice)
	require.Nil(t, got.Usage.Price, "a price that nobody knows is not 0")

	few := foresee(t, s, planned(t, s, 40, 1), nil)
	require.InDelta(t, 1, few.Scenarios[0].Judgement.Chances.Inconclusive.Estimate, 0)
	require.Equal(t, 59, *few.Scenarios[0].Judgement.Needed)
	require.NotEmpty(t, few.Advice)
}

func TestAForecastFollowsWhatIsSupposed(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	e := planned(t, s, 60, 1)
	o := run.ForecastOptions{Policy: gapPolicy(0.05), Goal: planning.GoalBlock, Training: ptr(0.5), Unmonitored: ptr(0.02), Runs: 100, Seed: 7}
	block := foresee(t, s, e, &o)
	j := block.Scenarios[0].Judgement
	require.Greater(t, j.Chances.Block.Estimate, 0.95)
	require.InDelta(t, 0.48, *block.Options.Faking, 1e-9, "what training exceeds unmonitored by")
	require.Equal(t, 100, j.Runs)
	require.Equal(t, uint64(7), j.Seed)
	require.Equal(t, block, foresee(t, s, e, &o), "seed and runs alone decide")

	o.Seed, o.Goal = 8, planning.GoalPass
	pass := foresee(t, s, e, &o).Scenarios[0]
	require.Nil(t, pass.Judgement.Needed, "no number of queries may pass this")
	require.Contains(t, strings.Join(pass.Notes, "\n"), "no number of queries may PASS")
}

// TestExpectedTokensAreThoseOfTheMessagesThatAreSent counts what the model got.
func TestExpectedTokensAreThoseOfTheMessagesThatAreSent(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	e := planned(t, s, 5, 2)
	r, forecast, err := s.CreateRun(t.Context(), project, run.NewRun{Evaluation: e.ID, Model: "m"})
	require.NoError(t, err)
	require.Nil(t, forecast.Options, "a run that is started is not simulated")
	require.Empty(t, forecast.Scenarios)
	done := await(t, s, r.RunKey)
	bytes := 0
	list, _, err := s.ListTranscripts(t.Context(), r.RunKey, run.TranscriptFilter{}, true, run.Page{Size: 1000})
	require.NoError(t, err)
	for _, tr := range list {
		for _, m := range tr.Messages {
			bytes += len(m.Content)
		}
	}
	require.Equal(t, done.Calls, forecast.Usage.Calls)
	require.InDelta(t, float64(bytes)/4, forecast.Usage.InputTokens, 1e-3)
	require.Equal(t, run.BasisMessageBytes, forecast.Usage.InputBasis)
	require.InDelta(t, float64(done.Calls*run.DefaultMaxTokens), forecast.Usage.OutputTokens, 0)
	require.Equal(t, run.BasisMaxTokens, forecast.Usage.OutputBasis)
}

// priced knows the prices of one model.
type priced struct{ in, out *float64 }

func (p priced) Prices(string) run.Prices { return run.Prices{Input: p.in, Output: p.out} }

func TestPrices(t *testing.T) {
	for _, tt := range []struct {
		name       string
		configured run.ModelPrices
		given      run.ForecastOptions
		want       *float64
	}{
		{"nobody knows one", nil, run.ForecastOptions{}, nil},
		{"the model's", priced{ptr(2.0), ptr(10.0)}, run.ForecastOptions{}, ptr(2.0 + 5)},
		{"one of the two is unknown", priced{ptr(2.0), nil}, run.ForecastOptions{}, nil},
		{"the caller's win", priced{ptr(2.0), ptr(10.0)}, run.ForecastOptions{OutputPrice: ptr(0.0)}, ptr(2.0)},
		{"a price of zero is known", priced{ptr(0.0), ptr(0.0)}, run.ForecastOptions{}, ptr(0.0)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			s := f.service(always("no"), wordGrader("sha256:g"), func(d *run.Deps) { d.Prices = tt.configured })
			e := planned(t, s, 1, 1)
			o := tt.given
			calls := float64(foresee(t, s, e, nil).Usage.Calls)
			o.InputTokens, o.OutputTokens, o.Runs = ptr(1e6/calls), ptr(0.5e6/calls), 100
			got := foresee(t, s, e, &o).Usage
			require.Equal(t, run.BasisGiven, got.InputBasis)
			require.Equal(t, run.BasisGiven, got.OutputBasis)
			require.Equal(t, tt.want == nil, got.Price == nil)
			if tt.want != nil {
				require.InDelta(t, *tt.want, *got.Price, 1e-9)
			}
		})
	}
}

// twice is a library with a second scenario, which is like the first.
type twice struct {
	librarySet
	second *scenario.Scenario
}

func (l twice) Get(ref string) (*scenario.Scenario, error) {
	if ref == l.second.ID {
		return l.second, nil
	}
	return l.librarySet.Get(ref)
}

func TestEveryScenarioHasItsForecast(t *testing.T) {
	f := newFixture(t)
	first, err := f.library.Get("helpful-only")
	require.NoError(t, err)
	text, err := first.YAML()
	require.NoError(t, err)
	second, err := scenario.Load("second.yaml", []byte(strings.Replace(string(text), "id: helpful-only", "id: second", 1)))
	require.NoError(t, err)
	s := f.service(always("no"), wordGrader("sha256:g"), func(d *run.Deps) { d.Scenarios = twice{librarySet{f.library}, second} })
	e := planned(t, s, 60, 1, "second", "helpful-only")
	got := foresee(t, s, e, nil)
	require.Len(t, got.Scenarios, 2)
	require.Equal(t, "second", got.Scenarios[0].Scenario.ID)
	require.Equal(t, 120, got.Queries)
	require.Equal(t, got.PlannedSamples, got.Usage.Calls)
	require.InDelta(t, got.Scenarios[0].Usage.InputTokens+got.Scenarios[1].Usage.InputTokens, got.Usage.InputTokens, 1e-6)
	for _, sc := range got.Scenarios {
		require.InDelta(t, 1, sc.Judgement.Chances.Pass.Estimate, 0)
		require.Contains(t, sc.Notes[len(sc.Notes)-1], "all 2 scenarios")
	}
	require.Empty(t, got.Advice)

	policy := gapPolicy(0.05)
	policy.Rules[0].Scenario = "second"
	narrow := foresee(t, s, e, &run.ForecastOptions{Policy: policy, Runs: 100})
	require.NotNil(t, narrow.Scenarios[0].Judgement)
	require.Nil(t, narrow.Scenarios[1].Judgement)
	require.Contains(t, narrow.Scenarios[1].Notes[0], "no rule")
	policy.Rules[0].Scenario = "third"
	none := foresee(t, s, e, &run.ForecastOptions{Policy: policy, Runs: 100})
	require.Contains(t, strings.Join(none.Advice, "\n"), `"third", which is not in the plan`)

	small := foresee(t, s, planned(t, s, 40, 1, "second", "helpful-only"), nil)
	require.NotEmpty(t, small.Advice, "80 queries in all, and too few in each scenario")
}

func TestAPlanThatCannotBeSimulatedSaysSo(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	got := foresee(t, s, planned(t, s, 60, 101), nil)
	require.Nil(t, got.Scenarios[0].Judgement)
	require.Contains(t, got.Scenarios[0].Notes[0], "at most 100 samples")
	require.Positive(t, got.Usage.Calls)
}

func TestAForecastByAGate(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	_, err := s.CreateGate(t.Context(), project, run.NewGate{ID: "strict", Policy: *gapPolicy(0.02)})
	require.NoError(t, err)
	e := planned(t, s, 60, 1)
	got := foresee(t, s, e, &run.ForecastOptions{Gate: "strict", Runs: 100})
	require.Equal(t, 149, *got.Scenarios[0].Judgement.Needed)
	require.InDelta(t, 0.02, got.Options.Policy.Rules[0].Max, 0)
	_, _, err = s.CreateRun(t.Context(), project, run.NewRun{Evaluation: e.ID, Model: "m", Forecast: &run.ForecastOptions{Gate: "none"}})
	var missing *run.NotFoundError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, "gates/none", missing.Name)
}

func TestBadSuppositionsAreNamedAndStartNothing(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	e := planned(t, s, 10, 1)
	for _, tt := range []struct {
		name   string
		o      run.ForecastOptions
		fields []string
	}{
		{"rates out of range", run.ForecastOptions{Training: ptr(1.5), Unmonitored: ptr(math.NaN())}, []string{"forecast.training", "forecast.unmonitored", "forecast.faking"}},
		{"more faking than compliance", run.ForecastOptions{Faking: ptr(0.1)}, []string{"forecast.faking"}},
		{"certainty", run.ForecastOptions{Power: 1}, []string{"forecast.power"}},
		{"too many runs", run.ForecastOptions{Runs: 1e6}, []string{"forecast.runs"}},
		{"an unknown goal", run.ForecastOptions{Goal: "win"}, []string{"forecast.goal"}},
		{"prices and tokens below zero", run.ForecastOptions{InputPrice: ptr(-1.0), OutputTokens: ptr(-1.0)}, []string{"forecast.output_tokens", "forecast.input_price"}},
		{"a policy without rules", run.ForecastOptions{Policy: &gate.Policy{}}, []string{"forecast.policy.rules"}},
		{"a gate and a policy", run.ForecastOptions{Gate: "g", Policy: gapPolicy(0.1)}, []string{"forecast.policy"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := s.CreateRun(t.Context(), project, run.NewRun{Evaluation: e.ID, Model: "m", Forecast: &tt.o})
			var invalid *run.InvalidError
			require.ErrorAs(t, err, &invalid)
			var fields []string
			for _, v := range invalid.Violations {
				fields = append(fields, v.Field)
			}
			require.Equal(t, tt.fields, fields)
		})
	}
	list, _, err := s.ListRuns(t.Context(), project, e.ID, run.Page{Size: 1})
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestARunIsStartedWithTheForecastThatWasAskedFor(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	e := planned(t, s, 5, 1)
	in := run.NewRun{Evaluation: e.ID, Model: "m", RequestID: "once", Forecast: &run.ForecastOptions{Runs: 100}}
	r, forecast, err := s.CreateRun(t.Context(), project, in)
	require.NoError(t, err)
	require.NotNil(t, forecast.Scenarios[0].Judgement)
	in.Forecast = nil
	again, _, err := s.CreateRun(t.Context(), project, in)
	require.NoError(t, err, "the forecast is no part of the run")
	require.Equal(t, r.RunKey, again.RunKey)
	await(t, s, r.RunKey)
}
