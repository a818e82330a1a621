package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
)

// counted are the tests of what is kept only while a count holds.
func counted() []test {
	return []test{
		{"a try is kept while what it has counted is all there is", func(f *fixture) {
			try := func(id, checkpoint string) run.Decision {
				d := f.decision("g", id, f.key("e", id))
				d.Checkpoint = checkpoint
				return d
			}
			f.ok(f.store.SaveTry(f.ctx, try("1", "digest:a"), 0))
			f.ok(f.store.SaveTry(f.ctx, try("other", "digest:b"), 0))
			overtaken := as[*run.TriesError](f, f.store.SaveTry(f.ctx, try("2", "digest:a"), 0))
			require.Equal(f, 1, overtaken.Have)
			is[*run.TriesError](f, f.store.SaveTry(f.ctx, try("2", "digest:a"), 2))
			_, err := f.store.GetDecision(f.ctx, f.project, "g", "2")
			f.notFound(err)
			f.ok(f.store.SaveTry(f.ctx, try("2", "digest:a"), 1))
			is[*run.ExistsError](f, f.store.SaveTry(f.ctx, try("2", "digest:a"), 1))
			// Those of the run itself are counted too, and those of no other project.
			of := f.key("e", "1")
			all, err := f.store.EarlierDecisions(f.ctx, f.project, "digest:a", run.RunKey{})
			f.ok(err)
			require.Len(f, all, 2)
			again := f.decision("g", "1 again", of)
			again.Checkpoint = "digest:a"
			f.ok(f.store.SaveTry(f.ctx, again, 2))
			apart := f.in(f.project + ".other")
			d := apart.decision("g", "1", apart.key("e", "1"))
			d.Checkpoint = "digest:a"
			f.ok(f.store.SaveTry(f.ctx, d, 0))
		}},
		{"tries that come at once have numbers of their own", func(f *fixture) {
			const n = 12
			var taken [n]atomic.Int64
			parallel(f, n, func(i int) error {
				d := f.decision("g", fmt.Sprint(i), f.key("e", fmt.Sprint(i)))
				d.Checkpoint = "digest:a"
				for {
					all, err := f.store.EarlierDecisions(f.ctx, f.project, "digest:a", run.RunKey{})
					if err != nil {
						return err
					}
					var overtaken *run.TriesError
					if err = f.store.SaveTry(f.ctx, d, len(all)); errors.As(err, &overtaken) {
						continue
					}
					if err == nil {
						taken[len(all)].Add(1)
					}
					return err
				}
			})
			for i := range taken {
				require.EqualValues(f, 1, taken[i].Load(), "try %d", i+1)
			}
		}},
		{"a run is created while there is room", func(f *fixture) {
			f.create(f.evaluation("e"))
			const most = 3
			room := func(unfinished []run.Run) error {
				n := 0
				for _, r := range unfinished {
					if r.Project == f.project { // other tests share the store
						n++
					}
				}
				if n >= most {
					return &run.LimitError{What: "runs in progress", Limit: most}
				}
				return nil
			}
			var created atomic.Int64
			parallel(f, 10, func(i int) error {
				_, err := f.store.CreateRunWithin(f.ctx, f.newRun("e", fmt.Sprint("r", i)), room)
				var limit *run.LimitError
				if errors.As(err, &limit) {
					return nil
				}
				if err == nil {
					created.Add(1)
				}
				return err
			})
			require.EqualValues(f, most, created.Load())
			runs, _, err := f.store.ListRuns(f.ctx, f.project, "e", run.Page{Size: 100})
			f.ok(err)
			require.Len(f, runs, most)
			// There is room again when one has ended; a repeated request needs none.
			f.finish(runs[0].RunKey, run.Succeeded)
			r := f.newRun("e", "again")
			r.RequestID, r.RequestDigest = "q", "d"
			for range 2 {
				kept, err := f.store.CreateRunWithin(f.ctx, r, room)
				f.ok(err)
				require.Equal(f, "again", kept.Run)
			}
			_, err = f.store.CreateRunWithin(f.ctx, f.newRun("e", "late"), room)
			is[*run.LimitError](f, err)
			_, err = f.store.CreateRunWithin(f.ctx, f.newRun("absent", "r"), room)
			f.notFound(err)
		}},
	}
}
