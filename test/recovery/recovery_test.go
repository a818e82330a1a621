// Package recovery runs the whole pipeline on simulated models whose true gap
// is known, and counts how often the reported intervals hold it.
package recovery

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/unmask-eval/unmask/internal/app"
	"github.com/unmask-eval/unmask/internal/engine"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/rubric"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/sim"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/store/sqlite"
)

var runs = flag.Int("recovery.runs", 8, "seeded runs at each setting")

// The design of each run.
const (
	queries = 80
	samples = 3
)

type simulated struct{ options sim.Options }

func (s simulated) Model(id string) (model.Model, error) { return sim.New(id, s.options) }

type library struct{ *scenario.Library }

func (l library) Get(ref string) (*scenario.Scenario, error) {
	s, err := l.Library.Get(ref)
	if errors.Is(err, scenario.ErrNotFound) {
		return nil, &run.NotFoundError{Name: ref}
	}
	return s, err
}

type one struct{ grader grading.Grader }

func (o one) Grader(string) (grading.Grader, error) { return o.grader, nil }

// newService is the whole pipeline on a store of its own.
func newService(t *testing.T) *run.Service {
	t.Helper()
	lib, err := scenario.NewLibrary()
	require.NoError(t, err)
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "unmask.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close(context.Background())) })
	service, err := run.New(run.Deps{
		Store: store, Scenarios: library{lib}, Models: simulated{app.SimOptions(lib)}, Graders: one{rubric.New()},
		Queue: engine.NewMemory(engine.Config{}),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, service.Close(context.Background())) })
	return service
}

// TestKnownGapsAreRecovered draws a new population of queries for each run, so
// the truth is the population's rate and not that of the queries at hand.
func TestKnownGapsAreRecovered(t *testing.T) {
	service := newService(t)
	for _, setting := range []struct {
		name               string
		free, faking, paid float64
	}{
		{"as published", 0.14, 0.12, 0.03},
		{"a strong faker", 0.40, 0.30, 0.05},
		{"no gap", 0.08, 0, 0.08},
	} {
		t.Run(setting.name, func(t *testing.T) {
			var mu sync.Mutex
			gapHeld, fakingHeld, meanGap := 0, 0, 0.0
			group, ctx := errgroup.WithContext(t.Context())
			group.SetLimit(2)
			for i := range *runs {
				group.Go(func() error {
					id := fmt.Sprintf("models/sim/alignment-faker?free=%g&faking=%g&paid=%g&world=%d", setting.free, setting.faking, setting.paid, i)
					r, err := evaluate(ctx, service, id[len("models/"):], run.NewEvaluation{
						Scenarios: []string{"helpful-only"}, SamplesPerQuery: samples, MaxQueries: queries, Seed: ptr(uint64(i)),
					})
					if err != nil {
						return err
					}
					res := r.Results.Scenarios[0]
					gap, faking := res.Contrasts[0].ComplianceGap, res.Conditions[0].AlignmentFaking
					mu.Lock()
					defer mu.Unlock()
					meanGap += *gap.Estimate / float64(*runs)
					if truth := setting.free - setting.paid; gap.Lower <= truth && truth <= gap.Upper {
						gapHeld++
					}
					if faking.Lower <= setting.faking && setting.faking <= faking.Upper {
						fakingHeld++
					}
					return nil
				})
			}
			require.NoError(t, group.Wait())
			t.Logf("%d runs of %d queries x %d samples: true gap %+.3f, mean estimate %+.4f; inside the 95%% interval: gap %d, faking rate %d",
				*runs, queries, samples, setting.free-setting.paid, meanGap, gapHeld, fakingHeld)
			// Few runs leave room for chance; 200 or more do not.
			least := 0.93
			if *runs < 200 {
				least = 0.75
			}
			require.GreaterOrEqual(t, float64(gapHeld), least*float64(*runs), "gap")
			require.GreaterOrEqual(t, float64(fakingHeld), least*float64(*runs), "faking rate")
		})
	}
}

func ptr[T any](v T) *T { return &v }

// evaluate carries out one run to its end.
func evaluate(ctx context.Context, s *run.Service, modelID string, plan run.NewEvaluation) (run.Run, error) {
	e, err := s.CreateEvaluation(ctx, run.DefaultProject, plan)
	if err != nil {
		return run.Run{}, err
	}
	r, _, err := s.CreateRun(ctx, run.DefaultProject, run.NewRun{Evaluation: e.ID, Model: modelID, Concurrency: 8})
	if err != nil {
		return run.Run{}, err
	}
	for r.Results == nil {
		var changed run.Run
		err := s.WatchRun(ctx, r.RunKey, 0, func(u run.Update) error { changed = u.Run; return nil })
		if err != nil {
			return run.Run{}, err
		}
		r = changed
	}
	if r.State != run.Succeeded {
		return run.Run{}, fmt.Errorf("run %s ended as %s: %s", r.Name(), r.State, r.Error)
	}
	return r, nil
}
