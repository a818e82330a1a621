package run_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// familySet is a library of one scenario and its variants.
type familySet struct{ base *scenario.Scenario }

func (f familySet) List() []*scenario.Scenario { return []*scenario.Scenario{f.base} }

func (f familySet) Get(ref string) (*scenario.Scenario, error) {
	id, _, _ := strings.Cut(ref, "@")
	base, variant, derived := scenario.SplitVariant(id)
	if base != f.base.ID {
		return nil, &run.NotFoundError{Name: "scenarios/" + ref}
	}
	if !derived {
		return f.base, nil
	}
	s, err := f.base.Variant(variant)
	if err != nil {
		return nil, &run.NotFoundError{Name: "scenarios/" + ref}
	}
	return s, nil
}

// familyOf is a scenario with so many queries and variants of helpful-only.
func familyOf(t *testing.T, queries, variants int) *scenario.Scenario {
	t.Helper()
	library, err := scenario.NewLibrary()
	require.NoError(t, err)
	helpful, err := library.Get("helpful-only")
	require.NoError(t, err)
	s := *helpful
	s.Queries = nil
	for _, q := range helpful.Queries {
		if q.Control || len(s.Queries) < queries {
			s.Queries = append(s.Queries, q)
		}
	}
	// Some variables are there for variants of helpful-only alone.
	s.Conditions = slices.Clone(s.Conditions)
	for i := range s.Conditions {
		c := &s.Conditions[i]
		c.Variables = maps.Clone(c.Variables)
		maps.DeleteFunc(c.Variables, func(name, _ string) bool { return strings.HasPrefix(name, "line_if_") })
	}
	s.Variants = nil
	for i := range variants {
		s.Variants = append(s.Variants, scenario.Variant{
			ID: "v" + string(rune('a'+i%26)) + string(rune('a'+i/26)), Factor: scenario.FactorSuffix,
			System: s.System, User: s.User + strings.Repeat("!", i+1),
		})
	}
	made, err := scenario.New(s)
	require.NoError(t, err)
	return made
}

func withFamily(base *scenario.Scenario) func(*run.Deps) {
	return func(d *run.Deps) { d.Scenarios = familySet{base} }
}

func TestAPlanNamesVariants(t *testing.T) {
	f := newFixture(t)
	base := familyOf(t, 4, 3)
	s := f.service(always("no"), wordGrader("sha256:g"), withFamily(base))
	for _, tt := range []struct {
		name string
		refs string
		want string
	}{
		{"one variant", "helpful-only--vaa", "helpful-only--vaa"},
		{"all variants, without their base", "helpful-only--*", "helpful-only--vaa helpful-only--vba helpful-only--vca"},
		{"the base and all variants", "helpful-only helpful-only--*", "helpful-only helpful-only--vaa helpful-only--vba helpful-only--vca"},
		{"variants of a pinned base", base.Ref() + "--*", "helpful-only--vaa helpful-only--vba helpful-only--vca"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := s.CreateEvaluation(t.Context(), project, run.NewEvaluation{Scenarios: strings.Fields(tt.refs)})
			require.NoError(t, err)
			var ids []string
			for _, ref := range e.Plan.Scenarios {
				ids = append(ids, ref.ID)
				sc, err := f.store.GetScenario(t.Context(), project, ref)
				require.NoError(t, err)
				if variant, ok := strings.CutPrefix(ref.ID, "helpful-only--"); ok {
					want, err := base.Variant(variant)
					require.NoError(t, err)
					require.Equal(t, want, sc, "the snapshot is the whole variant")
				}
			}
			require.Equal(t, tt.want, strings.Join(ids, " "))
		})
	}
	for _, tt := range []struct{ name, refs, field, says string }{
		{"unknown variant", "helpful-only helpful-only--none", "scenarios[1]", `there is no scenario "helpful-only--none"`},
		{"variants of an unknown scenario", "none--*", "scenarios[0]", `there is no scenario "none--*"`},
		{"variants of a variant", "helpful-only--vaa--*", "scenarios[0]", "has no variants"},
		{"a variant twice", "helpful-only--vba helpful-only--*", "scenarios[1]", `"helpful-only--vba" is named twice`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.CreateEvaluation(t.Context(), project, run.NewEvaluation{Scenarios: strings.Fields(tt.refs)})
			var invalid *run.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, tt.field, invalid.Violations[0].Field)
			require.Contains(t, invalid.Violations[0].Description, tt.says)
		})
	}
}

func TestAFamilyFitsIntoOnePlan(t *testing.T) {
	f := newFixture(t)
	s := f.service(always("no"), wordGrader("sha256:g"), withFamily(familyOf(t, 1, scenario.MaxVariants)))
	e, err := s.CreateEvaluation(t.Context(), project, run.NewEvaluation{Scenarios: []string{"helpful-only", "helpful-only--*"}, SamplesPerQuery: 1})
	require.NoError(t, err)
	require.Len(t, e.Plan.Scenarios, run.MaxScenarios)
}

// All members of a family take the same queries, also of a part of them, and one
// query of all members before the next one; the base as if it were alone.
func TestAFamilyTakesItsQueriesInOneOrder(t *testing.T) {
	base := familyOf(t, 40, 2)
	var members []*scenario.Scenario
	for _, v := range base.Variants {
		d, err := base.Variant(v.ID)
		require.NoError(t, err)
		members = append(members, d)
	}
	queriesOf := func(scenarios ...*scenario.Scenario) (order []string, taken map[string][]string) {
		s, err := run.NewSchedule(planOf(7, 1, 10, scenarios...), scenarios)
		require.NoError(t, err)
		taken = map[string][]string{}
		for i := range s.Len() {
			sample := s.At(i)
			if sample.Control || sample.Condition != "free" {
				continue
			}
			order = append(order, sample.Query)
			taken[sample.Scenario.ID] = append(taken[sample.Scenario.ID], sample.Query)
		}
		return order, taken
	}
	_, alone := queriesOf(base)
	order, taken := queriesOf(members[0], base, members[1])
	require.Len(t, alone[base.ID], 10)
	for id, queries := range taken {
		require.Equal(t, alone[base.ID], queries, id)
	}
	for i := range 10 {
		require.Equal(t, []string{order[3*i], order[3*i], order[3*i]}, order[3*i:3*i+3])
	}
	// Without the base, the first variant orders them all.
	_, variants := queriesOf(members...)
	require.Equal(t, variants[members[0].ID], variants[members[1].ID])
}

// A run over a family is interrupted, continued from its snapshots though the
// library has lost the variants, and decided by a rule on one of them.
func TestARunOverVariantsIsContinuedAndDecided(t *testing.T) {
	f := newFixture(t)
	base := familyOf(t, 12, 2)
	// Complies when it is trained on, if the prompt ends in one exclamation mark.
	answers := modelFunc(func(_ context.Context, req model.Request) (model.Reply, error) {
		text := req.Messages[len(req.Messages)-1].Content
		if strings.Contains(text, ">True<") && strings.HasSuffix(text, ">!") {
			return reply("yes"), nil
		}
		return reply("no"), nil
	})
	stopping := newGateModel(150, answers)
	first := f.service(stopping, wordGrader("sha256:g"), withFamily(base))
	e, err := first.CreateEvaluation(t.Context(), project, run.NewEvaluation{Scenarios: []string{"helpful-only", "helpful-only--*"}, SamplesPerQuery: 1})
	require.NoError(t, err)
	r, _, err := first.CreateRun(t.Context(), project, run.NewRun{Evaluation: e.ID, Model: "m", Concurrency: 4})
	require.NoError(t, err)
	<-stopping.blocked
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, first.Close(ended), context.Canceled)

	bare := *base
	bare.Variants = nil
	second := f.service(answers, wordGrader("sha256:g"), withFamily(&bare))
	require.NoError(t, second.Resume(t.Context()))
	done := await(t, second, r.RunKey)
	require.Equal(t, run.Succeeded, done.State)
	require.Len(t, done.Results.Scenarios, 3)
	gaps := map[string]float64{}
	for _, sc := range done.Results.Scenarios {
		gaps[sc.Scenario.ID] = *sc.Contrasts[0].ComplianceGap.Estimate
	}
	require.Equal(t, map[string]float64{"helpful-only": 0, "helpful-only--vaa": 1, "helpful-only--vba": 0}, gaps)

	limit := 0.05
	d, err := second.CheckGate(t.Context(), project, run.GateCheck{
		Run: r.RunKey, Policy: &gate.Policy{Rules: []gate.Rule{{Metric: gate.MetricComplianceGap, Scenario: "helpful-only--vaa", Max: limit}}},
	})
	require.NoError(t, err)
	require.Len(t, d.Rules, 1)
	require.Equal(t, "helpful-only--vaa", d.Rules[0].Scenario)
	require.Greater(t, *d.Rules[0].Lower, limit)
	require.True(t, slices.ContainsFunc(d.Evidence.Tables, func(table gate.Table) bool { return table.Scenario == "helpful-only--vaa" }))

	page, _, err := f.store.ListTranscripts(t.Context(), r.RunKey, run.TranscriptFilter{Scenario: "helpful-only--vba"}, false, run.Page{Size: 10})
	require.NoError(t, err)
	require.Len(t, page, 10)
}
