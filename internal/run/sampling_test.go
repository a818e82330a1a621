package run_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// picky is a model whose endpoint takes no stop sequences and no temperature above 1.
type picky struct{ modelFunc }

func (picky) Check(req model.Request) error {
	switch t := req.Sampling.Temperature; {
	case len(req.Sampling.Stop) > 0:
		return &model.UnsupportedError{Parameter: "stop", Reason: "there are none"}
	case t != nil && *t > 1:
		return &model.UnsupportedError{Parameter: "temperature", Reason: "at most 1"}
	}
	return nil
}

// demanding returns the service of a library with a scenario "second" that overrides
// what it is given.
func demanding(t *testing.T, m model.Model, sampling string) *run.Service {
	t.Helper()
	f := newFixture(t)
	first, err := f.library.Get("helpful-only")
	require.NoError(t, err)
	text, err := first.YAML()
	require.NoError(t, err)
	document := strings.Replace(string(text), "id: helpful-only\n", "id: second\nsampling: "+sampling+"\n", 1)
	second, err := scenario.Load("second.yaml", []byte(document))
	require.NoError(t, err)
	return f.service(m, wordGrader("sha256:g"), func(d *run.Deps) { d.Scenarios = twice{librarySet{f.library}, second} })
}

func TestAScenarioOverridesThePlansSampling(t *testing.T) {
	var mu sync.Mutex
	sent := map[string]model.Sampling{}
	s := demanding(t, modelFunc(func(_ context.Context, req model.Request) (model.Reply, error) {
		mu.Lock()
		defer mu.Unlock()
		id, _, _ := strings.Cut(req.SampleID, ".")
		sent[id] = req.Sampling
		return reply("no"), nil
	}), `{temperature: 0.2, max_tokens: 9000, stop: ["</second>"]}`)
	plan := model.Sampling{Temperature: ptr(1.5), TopP: ptr(0.9), MaxTokens: 100, Stop: []string{"</plan>", "\n\n"}}
	e, err := s.CreateEvaluation(t.Context(), project, run.NewEvaluation{
		Scenarios: []string{"second", "helpful-only"}, SamplesPerQuery: 1, MaxQueries: 2, Seed: ptr(uint64(1)), Sampling: plan,
	})
	require.NoError(t, err)
	require.Equal(t, plan, e.Plan.Sampling, "the plan says what it says")
	r, forecast, err := s.CreateRun(t.Context(), project, run.NewRun{Evaluation: e.ID, Model: "m", ValidateOnly: true})
	require.NoError(t, err)
	require.Equal(t, []string{"</second>"}, forecast.Scenarios[0].Sampling.Stop)
	require.Nil(t, forecast.Scenarios[1].Sampling)
	second, first := forecast.Scenarios[0].Usage, forecast.Scenarios[1].Usage
	require.InDelta(t, 9000*second.Calls, second.OutputTokens, 0)
	require.InDelta(t, 100*first.Calls, first.OutputTokens, 0)

	r, _, err = s.CreateRun(t.Context(), project, run.NewRun{Evaluation: e.ID, Model: "m", ID: r.Run})
	require.NoError(t, err)
	require.Equal(t, run.Succeeded, await(t, s, r.RunKey).State)
	merged := model.Sampling{Temperature: ptr(0.2), TopP: ptr(0.9), MaxTokens: 9000, Stop: []string{"</second>"}}
	require.Equal(t, map[string]model.Sampling{"second": merged, "helpful-only": plan}, sent)
	list, _, err := s.ListTranscripts(t.Context(), r.RunKey, run.TranscriptFilter{}, true, run.Page{Size: 1000})
	require.NoError(t, err)
	for _, tr := range list {
		if tr.Scenario.ID == "second" {
			require.Equal(t, &merged, tr.Sampling)
			continue
		}
		require.Nil(t, tr.Sampling, "it is the plan's")
	}
}

func TestAModelIsAskedWhetherItTakesWhatAScenarioDemands(t *testing.T) {
	s := demanding(t, picky{always("no")}, `{stop: ["</second>"]}`)
	create := func(sampling model.Sampling, scenarios ...string) error {
		e, err := s.CreateEvaluation(t.Context(), project, run.NewEvaluation{Scenarios: scenarios, Sampling: sampling})
		require.NoError(t, err)
		_, _, err = s.CreateRun(t.Context(), project, run.NewRun{Evaluation: e.ID, Model: "m", ValidateOnly: true})
		return err
	}
	require.NoError(t, create(model.Sampling{}, "helpful-only"))
	require.ErrorContains(t, create(model.Sampling{}, "helpful-only", "second"), "model: it cannot be asked with the second scenario's sampling.stop: there are none")
	require.ErrorContains(t, create(model.Sampling{Stop: []string{"x"}}, "helpful-only"), "model: it cannot be asked with the plan's sampling.stop: there are none")
	require.ErrorContains(t, create(model.Sampling{Temperature: ptr(1.5)}, "helpful-only"), "the plan's sampling.temperature: at most 1")
}

func TestStopSequencesAreChecked(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"))
	for field, stop := range map[string][]string{
		"sampling.stop":    make([]string, scenario.MaxStop+1),
		"sampling.stop[1]": {"a", ""},
		"sampling.stop[0]": {strings.Repeat("x", scenario.MaxStopBytes+1)},
		"sampling.stop[2]": {"a", "b", "a"},
	} {
		_, err := s.CreateEvaluation(t.Context(), project, run.NewEvaluation{Scenarios: []string{"helpful-only"}, Sampling: model.Sampling{Stop: stop}})
		var invalid *run.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, field, invalid.Violations[0].Field)
	}
}
