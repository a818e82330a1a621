package storetest

import (
	"context"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/run"
)

// call is one use of a method on the resources of populate, in the project
// given. writes is set when it would change something.
type call struct {
	name   string
	writes bool
	// list is set when the answer to "nothing there" is an empty list.
	list bool
	do   func(ctx context.Context, f *fixture, project string) (items int, err error)
}

func calls() []call {
	page := run.Page{Size: 10}
	key := func(project string) run.RunKey { return run.RunKey{Project: project, Evaluation: "e", Run: "r"} }
	return []call{
		{"GetEvaluation", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			_, err := f.store.GetEvaluation(ctx, project, "e")
			return 1, err
		}},
		{"ListEvaluations", false, true, func(ctx context.Context, f *fixture, project string) (int, error) {
			items, _, err := f.store.ListEvaluations(ctx, project, page)
			return len(items), err
		}},
		{"DeleteEvaluation", true, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			return 1, f.store.DeleteEvaluation(ctx, project, "without-runs")
		}},
		{"GetScenario", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			_, err := f.store.GetScenario(ctx, project, run.ScenarioRef{ID: "helpful-only", Revision: "sha256:aa"})
			return 1, err
		}},
		{"UpdateUserScenario", true, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			_, err := f.store.UpdateUserScenario(ctx, project, content("s", revB), at(9))
			return 1, err
		}},
		{"GetUserScenario", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			_, err := f.store.GetUserScenario(ctx, project, "s", revA)
			return 1, err
		}},
		{"ListUserScenarios", false, true, func(ctx context.Context, f *fixture, project string) (int, error) {
			items, err := f.store.ListUserScenarios(ctx, project, "", 10)
			return len(items), err
		}},
		{"ListScenarioRevisions", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			items, _, err := f.store.ListScenarioRevisions(ctx, project, "s", page)
			return len(items), err
		}},
		{"DeleteUserScenario", true, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			return 1, f.store.DeleteUserScenario(ctx, project, "s")
		}},
		{"GetRun", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			_, err := f.store.GetRun(ctx, key(project))
			return 1, err
		}},
		{"CreateRun", true, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			_, err := f.store.CreateRun(ctx, f.in(project).newRun("e", "another"))
			return 1, err
		}},
		{"ListRuns", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			items, _, err := f.store.ListRuns(ctx, project, "e", page)
			return len(items), err
		}},
		{"ListRuns of all", false, true, func(ctx context.Context, f *fixture, project string) (int, error) {
			items, _, err := f.store.ListRuns(ctx, project, "-", page)
			return len(items), err
		}},
		{"UpdateRun", true, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			r := f.in(project).newRun("e", "r")
			r.State, r.Error = run.Failed, "changed"
			return 1, f.store.UpdateRun(ctx, r, states...)
		}},
		{"DeleteRun", true, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			return 1, f.store.DeleteRun(ctx, key(project))
		}},
		{"SaveFinished", true, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			return f.store.SaveFinished(ctx, key(project), []run.Finished{reply(key(project), 7)})
		}},
		{"FinishedSamples", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			ids, err := f.store.FinishedSamples(ctx, key(project))
			return len(ids), err
		}},
		{"EachRow", false, false, func(ctx context.Context, f *fixture, project string) (n int, err error) {
			err = f.store.EachRow(ctx, key(project), func(run.Row) error { n++; return nil })
			return n, err
		}},
		{"EachRowIn", false, false, func(ctx context.Context, f *fixture, project string) (n int, err error) {
			err = f.store.EachRowIn(ctx, key(project), 0, 1000, func(int, run.Row) error { n++; return nil })
			return n, err
		}},
		{"GetTranscript", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			_, err := f.store.GetTranscript(ctx, key(project), sampleID(0))
			return 1, err
		}},
		{"ListTranscripts", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			items, _, err := f.store.ListTranscripts(ctx, key(project), run.TranscriptFilter{}, true, page)
			return len(items), err
		}},
		{"GetVerdict", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			_, err := f.store.GetVerdict(ctx, key(project), sampleID(0), "rubric")
			return 1, err
		}},
		{"ListVerdicts", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			items, _, err := f.store.ListVerdicts(ctx, key(project), "-", page)
			return len(items), err
		}},
		{"CreateVerdict", true, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			_, err := f.store.CreateVerdict(ctx, opinion(key(project), 0, "another"))
			return 1, err
		}},
		{"ListHumanVerdicts", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			items, _, err := f.store.ListHumanVerdicts(ctx, key(project), page)
			return len(items), err
		}},
		{"GetLabelSet", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			_, err := f.store.GetLabelSet(ctx, project, "l")
			return 1, err
		}},
		{"ListLabelSets", false, true, func(ctx context.Context, f *fixture, project string) (int, error) {
			items, _, err := f.store.ListLabelSets(ctx, project, page)
			return len(items), err
		}},
		{"ListLabels", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			items, _, err := f.store.ListLabels(ctx, project, "l", page)
			return len(items), err
		}},
		{"DeleteLabelSet", true, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			return 1, f.store.DeleteLabelSet(ctx, project, "l")
		}},
		{"GetCalibration", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			_, err := f.store.GetCalibration(ctx, project, "rubric", "c")
			return 1, err
		}},
		{"ListCalibrations", false, true, func(ctx context.Context, f *fixture, project string) (int, error) {
			items, _, err := f.store.ListCalibrations(ctx, project, "rubric", page)
			return len(items), err
		}},
		{"ListCalibrations of all", false, true, func(ctx context.Context, f *fixture, project string) (int, error) {
			items, _, err := f.store.ListCalibrations(ctx, project, "-", page)
			return len(items), err
		}},
		{"CurrentCalibration", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			_, err := f.store.CurrentCalibration(ctx, project, "sha256:rubric")
			return 1, err
		}},
		{"GetGate", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			_, err := f.store.GetGate(ctx, project, "g")
			return 1, err
		}},
		{"ListGates", false, true, func(ctx context.Context, f *fixture, project string) (int, error) {
			items, _, err := f.store.ListGates(ctx, project, page)
			return len(items), err
		}},
		{"DeleteGate", true, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			return 1, f.store.DeleteGate(ctx, project, "g")
		}},
		{"GetDecision", false, false, func(ctx context.Context, f *fixture, project string) (int, error) {
			_, err := f.store.GetDecision(ctx, project, "g", "d")
			return 1, err
		}},
		{"ListDecisions", false, true, func(ctx context.Context, f *fixture, project string) (int, error) {
			items, _, err := f.store.ListDecisions(ctx, project, "*", nil, page)
			return len(items), err
		}},
	}
}

// populate keeps one of everything, with the names that calls use.
func (f *fixture) populate() {
	f.Helper()
	key := f.withRun()
	f.create(f.evaluation("without-runs"))
	f.ok(f.store.SaveScenario(f.ctx, f.project, snapshot("sha256:aa")))
	f.define(f.userScenario("s", revA))
	f.save(key, reply(key, 0), failure(key, 1))
	f.finish(key, run.Succeeded)
	_, err := f.store.CreateVerdict(f.ctx, opinion(key, 0, "h"))
	f.ok(err)
	f.keepLabels(f.labelSet("l"), labelled(0))
	f.ok(f.store.SaveCalibration(f.ctx, f.calibration("rubric", "c")))
	_, err = f.store.CreateGate(f.ctx, f.gate("g"))
	f.ok(err)
	f.ok(f.store.SaveDecision(f.ctx, f.decision("g", "d", key)))
}

// unchanged asserts that all of populate, and only that, is there.
func (f *fixture) unchanged() {
	f.Helper()
	key := f.key("e", "r")
	r, err := f.store.GetRun(f.ctx, key)
	f.ok(err)
	want := f.newRun("e", "r")
	want.State = run.Succeeded
	want.Progress.Finished, want.Progress.Errors = r.Progress.Finished, r.Progress.Errors
	want.Usage, want.Calls = r.Usage, r.Calls
	f.equal(want, r)
	require.EqualValues(f, 2, r.Progress.Finished)
	for _, c := range calls() {
		if c.writes {
			continue
		}
		n, err := c.do(f.ctx, f, f.project)
		f.ok(err)
		require.NotZero(f, n, c.name)
	}
	runs, _, err := f.store.ListRuns(f.ctx, f.project, "-", run.Page{Size: 10})
	f.ok(err)
	require.Len(f, runs, 1)
	evaluations, _, err := f.store.ListEvaluations(f.ctx, f.project, run.Page{Size: 10})
	f.ok(err)
	require.Len(f, evaluations, 2)
	require.Len(f, verdicts(f, key, "-"), 2)
	f.equal([]calibration.Item{labelled(0)}, labelsOf(f, "l"))
	kept, err := f.store.GetUserScenario(f.ctx, f.project, "s", "")
	f.ok(err)
	f.equal(f.userScenario("s", revA), kept)
	f.equal([]run.Transcript{reply(key, 0).Transcript, failure(key, 1).Transcript}, transcripts(f, key, run.TranscriptFilter{}, true))
}

func isolationTests() []test {
	return []test{
		{"a row of another project does not exist", func(f *fixture) {
			f.populate()
			for _, project := range []string{f.project + ".other", "", f.project + "\x00", "%"} {
				for _, c := range calls() {
					n, err := c.do(f.ctx, f, project)
					if c.list {
						f.ok(err)
						require.Zero(f, n, c.name)
						continue
					}
					require.Error(f, err, c.name)
					f.notFound(err)
				}
			}
			f.unchanged()
		}},
		{"projects may use the same names", func(f *fixture) {
			f.populate()
			other := f.in(f.project + ".other")
			other.populate()
			f.unchanged()
			f.ok(other.store.DeleteRun(f.ctx, other.key("e", "r")))
			f.ok(other.store.DeleteGate(f.ctx, other.project, "g"))
			f.ok(other.store.DeleteEvaluation(f.ctx, other.project, "e"))
			f.unchanged()
		}},
	}
}
