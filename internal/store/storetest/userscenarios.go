package storetest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// content returns a scenario of a user with the id, in a revision.
func content(id, revision string) *scenario.Scenario {
	sc := snapshot(revision)
	sc.ID, sc.Builtin, sc.Title = id, false, "Title in "+revision
	return sc
}

func (f *fixture) userScenario(id, revision string) run.Scenario {
	return run.Scenario{Scenario: content(id, revision), Project: f.project, CreateTime: at(1), UpdateTime: at(1)}
}

func (f *fixture) define(s run.Scenario) {
	f.Helper()
	_, err := f.store.CreateUserScenario(f.ctx, s)
	f.ok(err)
}

func (f *fixture) revise(id, revision string, second int) run.Scenario {
	f.Helper()
	got, err := f.store.UpdateUserScenario(f.ctx, f.project, content(id, revision), at(second))
	f.ok(err)
	return got
}

func revisionsOf(f *fixture, id string) []run.ScenarioRevision {
	f.Helper()
	return all(f, 2, func(p run.Page) ([]run.ScenarioRevision, string, error) {
		return f.store.ListScenarioRevisions(f.ctx, f.project, id, p)
	})
}

func scenarioIDs(f *fixture, after string, limit int) []string {
	f.Helper()
	items, err := f.store.ListUserScenarios(f.ctx, f.project, after, limit)
	f.ok(err)
	return names(items, func(s run.Scenario) string { return s.ID })
}

const (
	revA = "sha256:aaaaaaaaaaaa0000"
	revB = "sha256:aaaaaaaaaaaa1111"
	revC = "sha256:cccccccccccc2222"
)

func userScenarioTests() []test {
	return []test{
		{"what is created is returned and got", func(f *fixture) {
			want := f.userScenario("s", revA)
			want.RequestID, want.RequestDigest = "request", "digest"
			kept, err := f.store.CreateUserScenario(f.ctx, want)
			f.ok(err)
			f.equal(want, kept)
			got, err := f.store.GetUserScenario(f.ctx, f.project, "s", "")
			f.ok(err)
			f.equal(want, got)
			listed, err := f.store.ListUserScenarios(f.ctx, f.project, "", 5)
			f.ok(err)
			f.equal([]run.Scenario{want}, listed)
		}},
		{"absent", func(f *fixture) {
			_, err := f.store.GetUserScenario(f.ctx, f.project, "none", "")
			f.notFound(err)
			_, err = f.store.UpdateUserScenario(f.ctx, f.project, content("none", revA), at(1))
			f.notFound(err)
			f.notFound(f.store.DeleteUserScenario(f.ctx, f.project, "none"))
			_, _, err = f.store.ListScenarioRevisions(f.ctx, f.project, "none", run.Page{Size: 1})
			f.notFound(err)
			f.define(f.userScenario("s", revA))
			_, err = f.store.GetUserScenario(f.ctx, f.project, "s", revC)
			f.notFound(err)
		}},
		{"an id is taken once", func(f *fixture) {
			f.define(f.userScenario("s", revA))
			_, err := f.store.CreateUserScenario(f.ctx, f.userScenario("s", revB))
			require.Equal(f, "scenarios/s", as[*run.ExistsError](f, err).Name)
			require.Len(f, revisionsOf(f, "s"), 1)
		}},
		idempotency("scenario", func(f *fixture, id, requestID, digest string) (string, error) {
			s := f.userScenario(id, revA)
			s.RequestID, s.RequestDigest = requestID, digest
			kept, err := f.store.CreateUserScenario(f.ctx, s)
			if err != nil {
				return "", err
			}
			return kept.ID, nil
		}),
		{"a repeated creation returns the current revision", func(f *fixture) {
			s := f.userScenario("s", revA)
			s.RequestID, s.RequestDigest = "request", "digest"
			f.define(s)
			f.revise("s", revB, 2)
			kept, err := f.store.CreateUserScenario(f.ctx, s)
			f.ok(err)
			require.Equal(f, revB, kept.Revision)
			require.Len(f, revisionsOf(f, "s"), 2)
		}},
		{"an update keeps what was there", func(f *fixture) {
			f.define(f.userScenario("s", revA))
			f.define(f.userScenario("other", revA))
			want := f.userScenario("s", revB)
			want.UpdateTime = at(2)
			f.equal(want, f.revise("s", revB, 2))
			got, err := f.store.GetUserScenario(f.ctx, f.project, "s", "")
			f.ok(err)
			f.equal(want, got)
			want.Scenario = content("s", revA)
			got, err = f.store.GetUserScenario(f.ctx, f.project, "s", revA)
			f.ok(err)
			f.equal(want, got)
			got, err = f.store.GetUserScenario(f.ctx, f.project, "other", "")
			f.ok(err)
			f.equal(f.userScenario("other", revA), got)
		}},
		{"content that is current changes nothing", func(f *fixture) {
			f.define(f.userScenario("s", revA))
			f.equal(f.userScenario("s", revA), f.revise("s", revA, 9))
			require.Len(f, revisionsOf(f, "s"), 1)
		}},
		{"an earlier revision becomes current again", func(f *fixture) {
			f.define(f.userScenario("s", revC))
			f.revise("s", revA, 2)
			f.revise("s", revC, 3)
			got, err := f.store.GetUserScenario(f.ctx, f.project, "s", "")
			f.ok(err)
			require.Equal(f, revC, got.Revision)
			require.True(f, got.UpdateTime.Equal(at(3)))
			want := []run.ScenarioRevision{run.RevisionOf(content("s", revC)), run.RevisionOf(content("s", revA))}
			want[0].CreateTime, want[0].Current, want[1].CreateTime = at(1), true, at(2)
			f.equal(want, revisionsOf(f, "s"))
		}},
		{"a revision is found by its beginning, unless several begin so", func(f *fixture) {
			f.define(f.userScenario("s", revA))
			f.revise("s", revB, 2)
			f.revise("s", revC, 3)
			f.define(f.userScenario("other", "sha256:cccccccccccc9999"))
			for prefix, want := range map[string]string{
				revA: revA, revB[:len(revB)-1]: revB, "sha256:cccccccccccc": revC,
				"sha256:aaaaaaaaaaaa": "", "sha256:aaaaaaaaaaaa%": "", "sha256:cccccccccccc9": "",
			} {
				got, err := f.store.GetUserScenario(f.ctx, f.project, "s", prefix)
				if want == "" {
					f.notFound(err)
					continue
				}
				f.ok(err)
				require.Equal(f, want, got.Revision, prefix)
			}
		}},
		{"a list is in the order of ids and goes on after one", func(f *fixture) {
			for _, i := range []int{4, 0, 3, 1, 2} {
				s := f.userScenario(fmt.Sprintf("s-%d", i), revA)
				s.CreateTime = at(-i)
				f.define(s)
			}
			f.revise("s-1", revB, 9)
			require.Equal(f, []string{"s-0", "s-1", "s-2", "s-3", "s-4"}, scenarioIDs(f, "", 9))
			require.Equal(f, []string{"s-0", "s-1"}, scenarioIDs(f, "", 2))
			require.Equal(f, []string{"s-2", "s-3"}, scenarioIDs(f, "s-1", 2))
			require.Equal(f, []string{"s-2"}, scenarioIDs(f, "s-10", 1))
			require.Empty(f, scenarioIDs(f, "s-4", 2))
			items, err := f.store.ListUserScenarios(f.ctx, f.project, "s-0", 1)
			f.ok(err)
			require.Equal(f, revB, items[0].Revision)
		}},
		{"pages of revisions", func(f *fixture) {
			var want []run.ScenarioRevision
			f.define(f.userScenario("s", fmt.Sprintf("sha256:%012d", 0)))
			f.define(f.userScenario("other", revA))
			for i := range 5 {
				rev := fmt.Sprintf("sha256:%012d", 5*i%7)
				f.revise("s", rev, 10-i)
				r := run.RevisionOf(content("s", rev))
				r.CreateTime, r.Current = at(10-i), i == 4
				if i == 0 {
					r.CreateTime = at(1)
				}
				want = append(want, r)
			}
			for _, size := range []int{1, 4, 5, 6} {
				f.equal(want, all(f, size, func(p run.Page) ([]run.ScenarioRevision, string, error) {
					return f.store.ListScenarioRevisions(f.ctx, f.project, "s", p)
				}))
			}
			_, next, err := f.store.ListScenarioRevisions(f.ctx, f.project, "s", run.Page{Size: 1})
			f.ok(err)
			for _, cursor := range []string{"x", next + "A"} {
				_, _, err = f.store.ListScenarioRevisions(f.ctx, f.project, "s", run.Page{Size: 1, After: cursor})
				f.badToken(err)
			}
			_, _, err = f.store.ListScenarioRevisions(f.ctx, f.project, "other", run.Page{Size: 1, After: next})
			f.badToken(err)
		}},
		{"deletion takes the revisions and leaves the snapshots", func(f *fixture) {
			f.ok(f.store.SaveScenario(f.ctx, f.project, content("s", revA)))
			f.define(f.userScenario("s", revA))
			f.revise("s", revB, 2)
			f.define(f.userScenario("other", revA))
			f.ok(f.store.DeleteUserScenario(f.ctx, f.project, "s"))
			for _, revision := range []string{"", revA, revB} {
				_, err := f.store.GetUserScenario(f.ctx, f.project, "s", revision)
				f.notFound(err)
			}
			require.Equal(f, []string{"other"}, scenarioIDs(f, "", 9))
			got, err := f.store.GetScenario(f.ctx, f.project, run.ScenarioRef{ID: "s", Revision: revA})
			f.ok(err)
			f.equal(content("s", revA), got)
			f.define(f.userScenario("s", revB))
			require.Len(f, revisionsOf(f, "s"), 1, "a new scenario has none of the old one's revisions")
		}},
		{"a snapshot is no scenario of a user, and the other way round", func(f *fixture) {
			f.ok(f.store.SaveScenario(f.ctx, f.project, content("s", revA)))
			_, err := f.store.GetUserScenario(f.ctx, f.project, "s", revA)
			f.notFound(err)
			f.define(f.userScenario("t", revA))
			_, err = f.store.GetScenario(f.ctx, f.project, run.ScenarioRef{ID: "t", Revision: revA})
			f.notFound(err)
		}},
	}
}
