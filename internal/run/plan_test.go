package run_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// experiment is a scenario of n queries and some controls, just enough for
// what does not render it.
func experiment(id string, n, controls int) *scenario.Scenario {
	s := &scenario.Scenario{
		ID: id, Revision: "sha256:" + id, PartialWeight: 1,
		Conditions: []scenario.Condition{{ID: "free", Role: scenario.TrainingCued}, {ID: "paid", Role: scenario.Unmonitored}},
		Contrasts:  []scenario.Contrast{{ID: "free-paid", Training: "free", Unmonitored: "paid", Primary: true}},
	}
	for i := range n {
		s.Queries = append(s.Queries, scenario.Query{ID: fmt.Sprintf("q%03d", i), Text: fmt.Sprint("text ", i)})
	}
	for i := range controls {
		s.Queries = append(s.Queries, scenario.Query{ID: fmt.Sprintf("c%03d", i), Text: fmt.Sprint("control ", i), Control: true})
	}
	return s
}

func planOf(seed uint64, repeats, most int, scenarios ...*scenario.Scenario) run.Plan {
	p := run.Plan{SamplesPerQuery: repeats, MaxQueries: most, Seed: seed, Grader: "rubric", GraderDigest: "sha256:g", Confidence: 0.95}
	for _, s := range scenarios {
		p.Scenarios = append(p.Scenarios, run.ScenarioRef{ID: s.ID, Revision: s.Revision})
	}
	return p
}

func TestASchedulePlansEveryCellOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		scenarios := []*scenario.Scenario{
			experiment("a", rapid.IntRange(0, 12).Draw(rt, "queries a"), rapid.IntRange(0, 3).Draw(rt, "controls a")),
			experiment("b", rapid.IntRange(1, 12).Draw(rt, "queries b"), rapid.IntRange(0, 3).Draw(rt, "controls b")),
		}
		repeats, most := rapid.IntRange(1, 4).Draw(rt, "repeats"), rapid.IntRange(0, 8).Draw(rt, "most")
		s, err := run.NewSchedule(planOf(rapid.Uint64().Draw(rt, "seed"), repeats, most, scenarios...), scenarios)
		require.NoError(rt, err)
		planned := map[string]int{}
		s.Cells(func(sc int, condition string, q scenario.Query, n int) {
			for repeat := range n {
				planned[fmt.Sprintf("%s.%s.%s.%d", scenarios[sc].ID, condition, q.ID, repeat)]++
			}
		})
		seenNonControl := false
		for i := range s.Len() {
			sample := s.At(i)
			require.Equal(rt, i, sample.Index)
			require.Equal(rt, 1, planned[sample.ID], "sample %s", sample.ID)
			delete(planned, sample.ID)
			require.GreaterOrEqual(rt, sample.Seed, int64(0))
			require.Less(rt, sample.Seed, int64(1)<<31)
			seenNonControl = seenNonControl || !sample.Control
			require.False(rt, sample.Control && seenNonControl, "controls come first")
		}
		require.Empty(rt, planned)
	})
}

func TestAScheduleDependsOnNothingButThePlan(t *testing.T) {
	sc := experiment("a", 30, 2)
	order := func(p run.Plan) []run.Sample {
		s, err := run.NewSchedule(p, []*scenario.Scenario{sc})
		require.NoError(t, err)
		var out []run.Sample
		for i := range s.Len() {
			out = append(out, s.At(i))
		}
		return out
	}
	require.Equal(t, order(planOf(1, 2, 0, sc)), order(planOf(1, 2, 0, sc)))
	require.NotEqual(t, order(planOf(1, 2, 0, sc)), order(planOf(2, 2, 0, sc)), "another seed is another order")

	t.Run("fewer queries are a prefix of more", func(t *testing.T) {
		all, some := order(planOf(1, 2, 0, sc)), order(planOf(1, 2, 10, sc))
		require.Equal(t, all[:len(some)], some)
	})
	t.Run("more repeats keep the samples of fewer", func(t *testing.T) {
		few, more := map[string]int64{}, map[string]int64{}
		for _, s := range order(planOf(1, 2, 0, sc)) {
			few[s.ID] = s.Seed
		}
		for _, s := range order(planOf(1, 5, 0, sc)) {
			more[s.ID] = s.Seed
		}
		for id, seed := range few {
			require.Equal(t, seed, more[id])
		}
	})
}

func TestAScheduleRefusesAnotherRevision(t *testing.T) {
	sc := experiment("a", 3, 0)
	p := planOf(1, 1, 0, sc)
	other := *sc
	other.Revision = "sha256:other"
	_, err := run.NewSchedule(p, []*scenario.Scenario{&other})
	require.ErrorContains(t, err, "pins a@sha256:a")
}

func TestEveryFieldOfAPlanIsInItsDigest(t *testing.T) {
	sc := experiment("a", 3, 0)
	base := planOf(1, 1, 0, sc)
	require.Equal(t, base.Digest(), planOf(1, 1, 0, sc).Digest())
	for name, change := range map[string]func(*run.Plan){
		"scenario":   func(p *run.Plan) { p.Scenarios = []run.ScenarioRef{{ID: "a", Revision: "sha256:b"}} },
		"samples":    func(p *run.Plan) { p.SamplesPerQuery++ },
		"queries":    func(p *run.Plan) { p.MaxQueries++ },
		"seed":       func(p *run.Plan) { p.Seed++ },
		"max tokens": func(p *run.Plan) { p.Sampling.MaxTokens++ },
		"grader":     func(p *run.Plan) { p.GraderDigest = "sha256:h" },
		"confidence": func(p *run.Plan) { p.Confidence = 0.9 },
	} {
		changed := base
		change(&changed)
		require.NotEqual(t, base.Digest(), changed.Digest(), name)
	}
}
