package storetest

import (
	"errors"
	"math/rand/v2"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
)

func sampleTests() []test {
	return []test{
		{"samples are kept and counted", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 0), failure(key, 1), reply(key, 2))
			r, err := f.store.GetRun(f.ctx, key)
			f.ok(err)
			f.equal(run.Progress{Planned: 100, Finished: 3, Errors: 1}, r.Progress)
			f.equal(model.Usage{InputTokens: 200, OutputTokens: 40, ReasoningTokens: 6}, r.Usage)
			require.EqualValues(f, 2+4+2, r.Calls, "calls count every attempt, also of failures")
			require.Equal(f, run.Pending, r.State)
		}},
		{"a sample that has a row is left as it is and not counted again", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 0), failure(key, 1))
			before, err := f.store.GetRun(f.ctx, key)
			f.ok(err)
			// The other way round: a failure where the reply was, and a reply for the failure.
			n, err := f.store.SaveFinished(f.ctx, key, []run.Finished{failure(key, 0), reply(key, 1)})
			f.ok(err)
			require.Zero(f, n)
			after, err := f.store.GetRun(f.ctx, key)
			f.ok(err)
			f.equal(before, after)
			got, err := f.store.GetTranscript(f.ctx, key, sampleID(0))
			f.ok(err)
			f.equal(reply(key, 0).Transcript, got)
			_, err = f.store.GetVerdict(f.ctx, key, sampleID(1), "rubric")
			f.notFound(err)
		}},
		{"old and new samples in one batch", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 1))
			n, err := f.store.SaveFinished(f.ctx, key, []run.Finished{reply(key, 0), reply(key, 1), reply(key, 2), reply(key, 0)})
			f.ok(err)
			require.Equal(f, 2, n, "a sample that stands twice in a batch is one sample")
			r, err := f.store.GetRun(f.ctx, key)
			f.ok(err)
			require.EqualValues(f, 3, r.Progress.Finished)
			require.EqualValues(f, 3*2, r.Calls)
		}},
		{"an empty batch", func(f *fixture) {
			key := f.withRun()
			for _, batch := range [][]run.Finished{nil, {}} {
				n, err := f.store.SaveFinished(f.ctx, key, batch)
				f.ok(err)
				require.Zero(f, n)
			}
		}},
		{"absent", func(f *fixture) {
			f.create(f.evaluation("e"))
			key := f.key("e", "none")
			_, err := f.store.SaveFinished(f.ctx, key, []run.Finished{reply(key, 0)})
			f.notFound(err)
			_, err = f.store.FinishedSamples(f.ctx, key)
			f.notFound(err)
			f.notFound(f.store.EachRow(f.ctx, key, func(run.Row) error { return nil }))
			f.notFound(f.store.EachRowIn(f.ctx, key, 0, 1, func(int, run.Row) error { return nil }))
		}},
		{"the same sample in two runs", func(f *fixture) {
			key := f.withRun()
			other := f.start("e", "other")
			f.save(key, reply(key, 0))
			f.save(other, failure(other, 0))
			got, err := f.store.GetTranscript(f.ctx, key, sampleID(0))
			f.ok(err)
			f.equal(reply(key, 0).Transcript, got)
			got, err = f.store.GetTranscript(f.ctx, other, sampleID(0))
			f.ok(err)
			f.equal(failure(other, 0).Transcript, got)
		}},
		{"finished samples are those with a row", func(f *fixture) {
			key := f.withRun()
			ids, err := f.store.FinishedSamples(f.ctx, key)
			f.ok(err)
			require.Empty(f, ids)
			f.save(key, reply(key, 4), failure(key, 2))
			ids, err = f.store.FinishedSamples(f.ctx, key)
			f.ok(err)
			require.Equal(f, map[string]struct{}{sampleID(4): {}, sampleID(2): {}}, ids)
		}},
		{"rows come in the order of Sample.Index", func(f *fixture) {
			key := f.withRun()
			const n = 60
			var want []run.Row
			for i := range n {
				want = append(want, row(kind(key, i).Transcript))
			}
			for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
				f.save(key, kind(key, i))
			}
			f.equal(want, rows(f, key))
			for _, in := range [][2]int{{0, n}, {0, 0}, {0, 1}, {17, 41}, {n - 1, n}, {n, 2 * n}, {20, 10}} {
				var got []run.Row
				f.ok(f.store.EachRowIn(f.ctx, key, in[0], in[1], func(index int, r run.Row) error {
					require.Equal(f, in[0]+len(got), index)
					got = append(got, r)
					return nil
				}))
				if from := min(in[0], n); from < min(in[1], n) {
					f.equal(want[from:min(in[1], n)], got)
				} else {
					require.Empty(f, got)
				}
			}
		}},
		{"a run without rows", func(f *fixture) {
			require.Empty(f, rows(f, f.withRun()))
		}},
		{"rows stop with the function's error", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 0), reply(key, 1), reply(key, 2))
			stop := errors.New("enough")
			calls := 0
			err := f.store.EachRow(f.ctx, key, func(run.Row) error {
				if calls++; calls == 2 {
					return stop
				}
				return nil
			})
			require.ErrorIs(f, err, stop)
			require.Equal(f, 2, calls)
		}},
		{"the function may use the store", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 0), reply(key, 1))
			f.ok(f.store.EachRow(f.ctx, key, func(r run.Row) error {
				if _, err := f.store.GetTranscript(f.ctx, key, sampleID(r.Repeat)); err != nil {
					return err
				}
				_, err := f.store.SaveFinished(f.ctx, key, []run.Finished{failure(key, 50+r.Repeat)})
				return err
			}))
			ids, err := f.store.FinishedSamples(f.ctx, key)
			f.ok(err)
			require.Subset(f, ids, map[string]struct{}{sampleID(50): {}, sampleID(51): {}})
		}},
	}
}

// kind returns samples of every kind in turn.
func kind(key run.RunKey, i int) run.Finished {
	if i%5 == 4 {
		return failure(key, i)
	}
	return reply(key, i)
}

func rows(f *fixture, key run.RunKey) (out []run.Row) {
	f.Helper()
	f.ok(f.store.EachRow(f.ctx, key, func(r run.Row) error {
		out = append(out, r)
		return nil
	}))
	return out
}
