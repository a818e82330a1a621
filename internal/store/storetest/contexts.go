package storetest

import (
	"context"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
)

func contextTests() []test {
	return []test{
		{"with an ended context nothing happens", func(f *fixture) {
			f.populate()
			ctx, cancel := context.WithCancel(f.ctx)
			cancel()
			for _, c := range calls() {
				_, err := c.do(ctx, f, f.project)
				require.ErrorIs(f, err, context.Canceled, c.name)
			}
			_, err := f.store.CreateEvaluation(ctx, f.evaluation("new"))
			require.ErrorIs(f, err, context.Canceled)
			_, err = f.store.CreateGate(ctx, f.gate("new"))
			require.ErrorIs(f, err, context.Canceled)
			require.ErrorIs(f, f.store.SaveDecision(ctx, f.decision("g", "new", f.key("e", "r"))), context.Canceled)
			require.ErrorIs(f, f.store.SaveScenario(ctx, f.project, snapshot("sha256:bb")), context.Canceled)
			_, err = f.store.CreateUserScenario(ctx, f.userScenario("new", revA))
			require.ErrorIs(f, err, context.Canceled)
			_, err = f.store.CreateLabelSet(ctx, f.labelSet("new"), nil)
			require.ErrorIs(f, err, context.Canceled)
			require.ErrorIs(f, f.store.SaveCalibration(ctx, f.calibration("rubric", "new")), context.Canceled)
			_, err = f.store.ListUnfinished(ctx)
			require.ErrorIs(f, err, context.Canceled)
			require.ErrorIs(f, f.store.Ready(ctx), context.Canceled)
			f.unchanged()
		}},
		{"a context that ends while rows are read ends the reading", func(f *fixture) {
			key := f.withRun()
			const n = 30
			for i := range n {
				f.save(key, reply(key, i))
			}
			ctx, cancel := context.WithCancel(f.ctx)
			defer cancel()
			err := f.store.EachRow(ctx, key, func(run.Row) error {
				cancel()
				return ctx.Err()
			})
			require.ErrorIs(f, err, context.Canceled)
		}},
		{"a batch whose context ends is kept whole or not at all", func(f *fixture) {
			key := f.withRun()
			const batches, size = 40, 5
			for b := range batches {
				ctx, cancel := context.WithCancel(f.ctx)
				batch := make([]run.Finished, size)
				for i := range batch {
					batch[i] = reply(key, b*size+i)
				}
				canceled := make(chan struct{})
				go func() { cancel(); close(canceled) }()
				_, err := f.store.SaveFinished(ctx, key, batch)
				<-canceled
				ids, readErr := f.store.FinishedSamples(f.ctx, key)
				f.ok(readErr)
				kept := 0
				for i := range batch {
					if _, ok := ids[batch[i].Transcript.ID]; ok {
						kept++
					}
				}
				if err == nil {
					require.Equal(f, size, kept)
				} else {
					require.ErrorIs(f, err, context.Canceled)
					require.Contains(f, []int{0, size}, kept)
				}
			}
			countersMatchRows(f, key)
		}},
	}
}
