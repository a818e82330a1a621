package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
)

// parallel runs do n times at once and waits. do returns an error instead of
// ending the test, which only the test's own goroutine may.
func parallel(f *fixture, n int, do func(i int) error) {
	f.Helper()
	errs := make([]error, n)
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range n {
		done.Add(1)
		go func() {
			defer done.Done()
			start.Wait()
			errs[i] = do(i)
		}()
	}
	start.Done()
	done.Wait()
	f.ok(errors.Join(errs...))
}

// countersMatchRows asserts that a run's counters are what its rows say.
func countersMatchRows(f *fixture, key run.RunKey) {
	f.Helper()
	r, err := f.store.GetRun(f.ctx, key)
	f.ok(err)
	var want run.Run
	for _, t := range transcripts(f, key, run.TranscriptFilter{}, false) {
		want.Progress.Finished++
		want.Calls += int64(t.Reply.Attempts)
		if t.Error != nil {
			want.Progress.Errors++
			want.Calls += int64(t.Error.Attempts)
		}
		want.Usage.InputTokens += t.Reply.Usage.InputTokens
		want.Usage.OutputTokens += t.Reply.Usage.OutputTokens
		want.Usage.ReasoningTokens += t.Reply.Usage.ReasoningTokens
	}
	want.Progress.Planned = r.Progress.Planned
	f.equal(want.Progress, r.Progress)
	f.equal(want.Usage, r.Usage)
	require.Equal(f, want.Calls, r.Calls)
}

func concurrencyTests() []test {
	return []test{
		{"duplicates from many goroutines are counted once", duplicatesCountOnce},
		{"a reader sees whole batches", readersSeeWholeBatches},
		{"one of many state changes wins", func(f *fixture) {
			key := f.withRun()
			var won, lost atomic.Int64
			parallel(f, 16, func(i int) error {
				r := f.newRun("e", "r")
				r.State, r.Error = run.Running, fmt.Sprintf("goroutine %d", i)
				err := f.store.UpdateRun(f.ctx, r, run.Pending)
				var refused *run.StateError
				switch {
				case err == nil:
					won.Add(1)
				case errors.As(err, &refused) && refused.State == string(run.Running):
					lost.Add(1)
				default:
					return fmt.Errorf("goroutine %d: %w", i, err)
				}
				return nil
			})
			require.EqualValues(f, 1, won.Load())
			require.EqualValues(f, 15, lost.Load())
			r, err := f.store.GetRun(f.ctx, key)
			f.ok(err)
			require.Equal(f, run.Running, r.State)
		}},
		{"one request creates one evaluation", func(f *fixture) {
			ids := make([]string, 16)
			parallel(f, len(ids), func(i int) error {
				e := f.evaluation(fmt.Sprintf("e-%d", i))
				e.RequestID, e.RequestDigest = "request", "digest"
				kept, err := f.store.CreateEvaluation(f.ctx, e)
				ids[i] = kept.ID
				return err
			})
			for _, id := range ids {
				require.Equal(f, ids[0], id)
			}
			items, _, err := f.store.ListEvaluations(f.ctx, f.project, run.Page{Size: 100})
			f.ok(err)
			require.Len(f, items, 1)
		}},
		{"state changes do not disturb the counters", func(f *fixture) {
			key := f.withRun()
			const samples = 60
			parallel(f, 2, func(i int) error {
				if i == 0 {
					for n := range samples {
						if _, err := f.store.SaveFinished(f.ctx, key, []run.Finished{kind(key, n)}); err != nil {
							return err
						}
					}
					return nil
				}
				for range samples {
					r, err := f.store.GetRun(f.ctx, key)
					if err != nil {
						return err
					}
					if err := f.store.UpdateRun(f.ctx, r, run.Pending); err != nil {
						return err
					}
				}
				return nil
			})
			countersMatchRows(f, key)
			r, err := f.store.GetRun(f.ctx, key)
			f.ok(err)
			require.EqualValues(f, samples, r.Progress.Finished)
		}},
	}
}

func duplicatesCountOnce(f *fixture) {
	key := f.withRun()
	const goroutines, samples = 16, 80
	var inserted atomic.Int64
	parallel(f, goroutines, func(g int) error {
		// Everybody saves everything, in an order and in batches of their own.
		rng := rand.New(rand.NewPCG(5, uint64(g)))
		order := rng.Perm(samples)
		for len(order) > 0 {
			size := min(len(order), 1+rng.IntN(6))
			batch := make([]run.Finished, 0, size)
			for _, i := range order[:size] {
				batch = append(batch, kind(key, i))
			}
			order = order[size:]
			n, err := f.store.SaveFinished(f.ctx, key, batch)
			if err != nil {
				return err
			}
			inserted.Add(int64(n))
		}
		return nil
	})
	require.EqualValues(f, samples, inserted.Load())
	ids, err := f.store.FinishedSamples(f.ctx, key)
	f.ok(err)
	require.Len(f, ids, samples)
	require.Len(f, rows(f, key), samples)
	require.Len(f, verdicts(f, key, "-"), samples-samples/5)
	countersMatchRows(f, key)
}

func readersSeeWholeBatches(f *fixture) {
	key := f.withRun()
	const size, batches, readers = 7, 25, 3
	var finished atomic.Bool
	parallel(f, 1+readers, func(i int) error {
		if i == 0 {
			defer finished.Store(true)
			for b := range batches {
				batch := make([]run.Finished, size)
				for i := range batch {
					batch[i] = reply(key, b*size+i)
				}
				if _, err := f.store.SaveFinished(f.ctx, key, batch); err != nil {
					return err
				}
			}
			return nil
		}
		for seen := 0; !finished.Load(); {
			ids, err := f.store.FinishedSamples(f.ctx, key)
			if err != nil {
				return err
			}
			r, err := f.store.GetRun(f.ctx, key)
			if err != nil {
				return err
			}
			if len(ids)%size != 0 || r.Progress.Finished%size != 0 {
				return fmt.Errorf("part of a batch: %d rows, %d counted", len(ids), r.Progress.Finished)
			}
			if len(ids) < seen || r.Progress.Finished < int64(len(ids)) {
				return fmt.Errorf("went back: %d rows after %d, %d counted", len(ids), seen, r.Progress.Finished)
			}
			seen = len(ids)
		}
		return nil
	})
	countersMatchRows(f, key)
}
