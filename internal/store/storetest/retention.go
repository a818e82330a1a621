package storetest

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
)

// kept returns a run as it is.
func (f *fixture) kept(key run.RunKey) run.Run {
	f.Helper()
	r, err := f.store.GetRun(f.ctx, key)
	f.ok(err)
	return r
}

func retentionTests() []test {
	return []test{
		{"texts go, and all else of the run stays", func(f *fixture) {
			key := f.withRun()
			const n = 1203 // more than two steps
			var batch []run.Finished
			for i := range n {
				batch = append(batch, reply(key, i))
			}
			f.save(key, batch...)
			is[*run.StateError](f, f.store.RemoveTexts(f.ctx, key)) // in progress
			f.finish(key, run.Succeeded)
			texts, bytes, err := f.store.TextsOf(f.ctx, key)
			f.ok(err)
			require.EqualValues(f, n, texts)
			require.Positive(f, bytes)
			before, keptRows, keptVerdicts := f.kept(key), rows(f, key), verdicts(f, key, "-")
			one, _, err := f.store.ListTranscripts(f.ctx, key, run.TranscriptFilter{}, false, run.Page{Size: 5})
			f.ok(err)

			for range 2 { // again is the same
				f.ok(f.store.RemoveTexts(f.ctx, key))
				texts, bytes, err = f.store.TextsOf(f.ctx, key)
				f.ok(err)
				require.Zero(f, texts)
				require.Zero(f, bytes)
			}
			_, err = f.store.GetTranscript(f.ctx, key, one[0].ID)
			require.Equal(f, run.TextsRemoved, as[*run.StateError](f, err).State)
			_, _, err = f.store.ListTranscripts(f.ctx, key, run.TranscriptFilter{}, true, run.Page{Size: 5})
			require.Equal(f, run.TextsRemoved, as[*run.StateError](f, err).State)
			_, err = f.store.GetTranscript(f.ctx, key, "absent")
			f.notFound(err)
			again, _, err := f.store.ListTranscripts(f.ctx, key, run.TranscriptFilter{}, false, run.Page{Size: 5})
			f.ok(err)
			f.equal(one, again)
			f.equal(before, f.kept(key))
			f.equal(keptRows, rows(f, key))
			f.equal(keptVerdicts, verdicts(f, key, "-"))
			f.ok(f.store.DeleteRun(f.ctx, key))
			f.notFound(f.store.RemoveTexts(f.ctx, key))
		}},
		{"ended runs are listed by their age", func(f *fixture) {
			f.create(f.evaluation("e"))
			for i := range 5 {
				f.start("e", fmt.Sprint("r", i))
			}
			for i := range 4 { // r4 is in progress
				r := f.kept(f.key("e", fmt.Sprint("r", i)))
				r.State, r.EndTime = run.Succeeded, at(100+i)
				f.ok(f.store.UpdateRun(f.ctx, r, run.Pending))
			}
			f.ok(f.store.RemoveTexts(f.ctx, f.key("e", "r1")))
			list := func(before time.Time, withTexts bool) (out []string) {
				// Other tests share the store, so all is read and what is ours is kept.
				for after := (run.RunKey{}); ; {
					page, err := f.store.EndedRuns(f.ctx, before, withTexts, after, 2)
					f.ok(err)
					for _, e := range page {
						if e.Project == f.project {
							require.Equal(f, e.Run == "r1", e.TextsRemoved)
							out = append(out, e.Run)
						}
					}
					if len(page) < 2 {
						return out
					}
					after = page[1].RunKey
				}
			}
			require.Equal(f, []string{"r0", "r1", "r2"}, list(at(103), false))
			require.Equal(f, []string{"r0", "r2"}, list(at(103), true))
			require.Empty(f, list(at(100), false))
		}},
	}
}
