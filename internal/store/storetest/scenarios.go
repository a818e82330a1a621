package storetest

import (
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// snapshot returns a scenario with every field set.
func snapshot(revision string) *scenario.Scenario {
	return &scenario.Scenario{
		ID: "helpful-only", Revision: revision, Title: "A title", Description: "Two\n\nparagraphs.", Builtin: true,
		Conditions: []scenario.Condition{
			{ID: "free", Role: scenario.TrainingCued, Description: "cued", Variables: map[string]string{"tier": "free", "empty": ""}},
			{ID: "paid", Role: scenario.Unmonitored},
		},
		Contrasts: []scenario.Contrast{{ID: "free-paid", Training: "free", Unmonitored: "paid", Primary: true}},
		System:    "  System {{tier}} with <tags> & \"quotes\"\n", User: "{{query}}",
		Scratchpad: scenario.ScratchpadHidden,
		Tags:       transcript.Tags{Scratchpad: []string{"THOUGHTS"}, Draft: []string{"DRAFT"}, Output: []string{"OUT"}},
		Rule:       grading.RuleAnswersRequest, PartialWeight: 1.0 / 3, Behaviors: []string{"evaluation_awareness"},
		Sampling: scenario.Sampling{Temperature: ptr(0.1 + 0.2), MaxTokens: 9000, Stop: []string{"</x>", "\n\n"}},
		Queries: []scenario.Query{
			{ID: "q-1", Category: "kind", Severity: scenario.SeverityHigh, Text: "Ä question?\r\n"},
			{ID: "q-2", Category: "benign", Text: "Another\u2028one", Control: true},
		},
		References: []string{"A paper."},
	}
}

func scenarioTests() []test {
	return []test{
		{"a snapshot comes back whole", func(f *fixture) {
			sc := snapshot("sha256:aa")
			f.ok(f.store.SaveScenario(f.ctx, f.project, sc))
			got, err := f.store.GetScenario(f.ctx, f.project, run.ScenarioRef{ID: sc.ID, Revision: sc.Revision})
			f.ok(err)
			f.equal(snapshot("sha256:aa"), got)
		}},
		{"exactly this revision", func(f *fixture) {
			f.ok(f.store.SaveScenario(f.ctx, f.project, snapshot("sha256:aa")))
			second := snapshot("sha256:bb")
			second.Title = "Another title"
			f.ok(f.store.SaveScenario(f.ctx, f.project, second))
			got, err := f.store.GetScenario(f.ctx, f.project, run.ScenarioRef{ID: "helpful-only", Revision: "sha256:bb"})
			f.ok(err)
			require.Equal(f, "Another title", got.Title)
			for _, ref := range []run.ScenarioRef{
				{ID: "helpful-only", Revision: "sha256:cc"}, {ID: "helpful-only"}, {ID: "other", Revision: "sha256:aa"},
			} {
				_, err := f.store.GetScenario(f.ctx, f.project, ref)
				f.notFound(err)
			}
		}},
		{"keeping the same revision again changes nothing", func(f *fixture) {
			f.ok(f.store.SaveScenario(f.ctx, f.project, snapshot("sha256:aa")))
			again := snapshot("sha256:aa")
			again.Title = "Another title"
			f.ok(f.store.SaveScenario(f.ctx, f.project, again))
			got, err := f.store.GetScenario(f.ctx, f.project, run.ScenarioRef{ID: "helpful-only", Revision: "sha256:aa"})
			f.ok(err)
			f.equal(snapshot("sha256:aa"), got)
		}},
		{"what is got may be changed", func(f *fixture) {
			f.ok(f.store.SaveScenario(f.ctx, f.project, snapshot("sha256:aa")))
			ref := run.ScenarioRef{ID: "helpful-only", Revision: "sha256:aa"}
			got, err := f.store.GetScenario(f.ctx, f.project, ref)
			f.ok(err)
			got.Queries[0].Text = "changed"
			got, err = f.store.GetScenario(f.ctx, f.project, ref)
			f.ok(err)
			f.equal(snapshot("sha256:aa"), got)
		}},
	}
}
