package storetest

import (
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
)

var states = []run.State{run.Pending, run.Running, run.Cancelling, run.Succeeded, run.Failed, run.Cancelled}

func runTests() []test {
	return []test{
		{"what is created is returned and got", func(f *fixture) {
			f.create(f.evaluation("e"))
			r := f.newRun("e", "r")
			r.RequestID, r.RequestDigest = "request", "digest"
			kept, err := f.store.CreateRun(f.ctx, r)
			f.ok(err)
			f.equal(r, kept)
			got, err := f.store.GetRun(f.ctx, r.RunKey)
			f.ok(err)
			f.equal(r, got)
			require.True(f, got.StartTime.IsZero())
			require.True(f, got.EndTime.IsZero())
			require.Nil(f, got.Results)
		}},
		{"counters begin at zero", func(f *fixture) {
			f.create(f.evaluation("e"))
			r := f.newRun("e", "r")
			r.Progress = run.Progress{Planned: 5, Finished: 4, Errors: 3}
			r.Usage, r.Calls = model.Usage{InputTokens: 1, OutputTokens: 2, ReasoningTokens: 3}, 9
			kept, err := f.store.CreateRun(f.ctx, r)
			f.ok(err)
			got, err := f.store.GetRun(f.ctx, r.RunKey)
			f.ok(err)
			f.equal(kept, got)
			f.equal(run.Progress{Planned: 5}, got.Progress)
			f.equal(model.Usage{}, got.Usage)
			require.Zero(f, got.Calls)
		}},
		{"absent", func(f *fixture) {
			f.create(f.evaluation("e"))
			_, err := f.store.GetRun(f.ctx, f.key("e", "none"))
			f.notFound(err)
			_, err = f.store.CreateRun(f.ctx, f.newRun("none", "r"))
			f.notFound(err)
			_, _, err = f.store.ListRuns(f.ctx, f.project, "none", run.Page{Size: 1})
			f.notFound(err)
			f.notFound(f.store.UpdateRun(f.ctx, f.newRun("e", "none"), run.Pending))
			f.notFound(f.store.DeleteRun(f.ctx, f.key("e", "none")))
		}},
		idempotency("run", func(f *fixture, id, requestID, digest string) (string, error) {
			r := f.newRun("parent", id)
			r.RequestID, r.RequestDigest = requestID, digest
			kept, err := f.store.CreateRun(f.ctx, r)
			return kept.Run, err
		}),
		{"two evaluations may have runs of one id", func(f *fixture) {
			f.create(f.evaluation("a"))
			f.create(f.evaluation("b"))
			f.start("a", "r")
			f.start("b", "r")
			runs := all(f, 10, func(p run.Page) ([]run.Run, string, error) {
				return f.store.ListRuns(f.ctx, f.project, "-", p)
			})
			require.Len(f, runs, 2)
		}},
		{"update changes what it says and nothing else", updateChangesItsFields},
		{"update clears what is empty", func(f *fixture) {
			key := f.withRun()
			r, err := f.store.GetRun(f.ctx, key)
			f.ok(err)
			r.Error, r.StartTime, r.EndTime, r.Results = "why", at(3), at(4), results()
			f.ok(f.store.UpdateRun(f.ctx, r, run.Pending))
			f.ok(f.store.UpdateRun(f.ctx, f.newRun("e", "r"), run.Pending))
			got, err := f.store.GetRun(f.ctx, key)
			f.ok(err)
			f.equal(f.newRun("e", "r"), got)
		}},
		{"update needs one of the states", func(f *fixture) {
			key := f.withRun()
			r := f.newRun("e", "r")
			r.State, r.Error = run.Failed, "changed"
			for _, from := range [][]run.State{{run.Running}, {run.Running, run.Cancelling}, {}} {
				refused := as[*run.StateError](f, f.store.UpdateRun(f.ctx, r, from...))
				require.Equal(f, string(run.Pending), refused.State)
				require.Contains(f, refused.Name, "r")
			}
			got, err := f.store.GetRun(f.ctx, key)
			f.ok(err)
			f.equal(f.newRun("e", "r"), got)
			f.ok(f.store.UpdateRun(f.ctx, r, run.Running, run.Pending))
		}},
		{"unfinished runs of every project, oldest first", unfinished},
		{"delete needs a terminal state", func(f *fixture) {
			f.create(f.evaluation("e"))
			for _, state := range states {
				r := f.newRun("e", "run-"+string(state))
				r.State = state
				_, err := f.store.CreateRun(f.ctx, r)
				f.ok(err)
				f.save(r.RunKey, reply(r.RunKey, 0))
				err = f.store.DeleteRun(f.ctx, r.RunKey)
				if state.Terminal() {
					f.ok(err)
					continue
				}
				require.Equal(f, string(state), as[*run.StateError](f, err).State)
				_, err = f.store.GetTranscript(f.ctx, r.RunKey, sampleID(0))
				f.ok(err)
			}
		}},
		{"delete takes the transcripts and verdicts and leaves the rest", deleteTakesItsRows},
	}
}

func updateChangesItsFields(f *fixture) {
	key := f.withRun()
	f.save(key, reply(key, 0), failure(key, 1))
	before, err := f.store.GetRun(f.ctx, key)
	f.ok(err)
	changed := run.Run{RunKey: key, State: run.Succeeded, Error: "why", StartTime: at(3), EndTime: at(4), Results: results()}
	f.ok(f.store.UpdateRun(f.ctx, changed, run.Pending))
	want := before
	want.State, want.Error, want.StartTime, want.EndTime, want.Results = run.Succeeded, "why", at(3), at(4), results()
	got, err := f.store.GetRun(f.ctx, key)
	f.ok(err)
	f.equal(want, got)
	require.EqualValues(f, 2, got.Progress.Finished)
}

func unfinished(f *fixture) {
	other := f.in(f.project + ".other")
	f.create(f.evaluation("e"))
	other.create(other.evaluation("e"))
	var want []string
	for i, state := range append(slices.Clone(states), states...) {
		in := f
		if i%2 == 1 {
			in = other
		}
		r := in.newRun("e", string(rune('a'+i)))
		// Created in the order opposite to their times.
		r.State, r.CreateTime = state, at(-i)
		_, err := f.store.CreateRun(f.ctx, r)
		f.ok(err)
		if !state.Terminal() {
			want = append([]string{r.Project + "/" + r.Run}, want...)
		}
	}
	runs, err := f.store.ListUnfinished(f.ctx)
	f.ok(err)
	var got []string
	for _, r := range runs {
		if r.Project == f.project || r.Project == other.project {
			got = append(got, r.Project+"/"+r.Run)
		}
	}
	require.Equal(f, want, got)
}

func deleteTakesItsRows(f *fixture) {
	key := f.withRun()
	other := f.start("e", "other")
	for _, k := range []run.RunKey{key, other} {
		f.save(k, long(k, 0), long(k, 1), failure(k, 2))
		f.finish(k, run.Succeeded)
	}
	f.ok(f.store.SaveDecision(f.ctx, f.decision("-", "d", key)))
	f.ok(f.store.DeleteRun(f.ctx, key))

	_, err := f.store.GetRun(f.ctx, key)
	f.notFound(err)
	_, err = f.store.GetTranscript(f.ctx, key, sampleID(0))
	f.notFound(err)
	_, err = f.store.GetVerdict(f.ctx, key, sampleID(0), "rubric")
	f.notFound(err)
	_, err = f.store.FinishedSamples(f.ctx, key)
	f.notFound(err)

	d, err := f.store.GetDecision(f.ctx, f.project, "-", "d")
	f.ok(err)
	f.equal(f.decision("-", "d", key), d)
	got, err := f.store.GetTranscript(f.ctx, other, sampleID(0))
	f.ok(err)
	f.equal(long(other, 0).Transcript, got)
	_, err = f.store.GetVerdict(f.ctx, other, sampleID(0), "rubric")
	f.ok(err)

	f.start("e", "r")
	ids, err := f.store.FinishedSamples(f.ctx, key)
	f.ok(err)
	require.Empty(f, ids, "a new run of the same name has no samples")
	f.save(key, long(key, 0))
	got, err = f.store.GetTranscript(f.ctx, key, sampleID(0))
	f.ok(err)
	f.equal(long(key, 0).Transcript, got)
}
