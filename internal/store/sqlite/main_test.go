package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/sqlite"
	"github.com/unmask-eval/unmask/internal/store/storetest"
)

// TestMain also is the program that some tests start and kill: see child.
func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(child(role))
	}
	goleak.VerifyTestMain(m)
}

// open opens a store in a directory of the test and closes it afterwards.
func open(t testing.TB, c sqlite.Config) *sqlite.Store {
	t.Helper()
	if c.Path == "" {
		c.Path = filepath.Join(t.TempDir(), "unmask.db")
	}
	s, err := sqlite.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, s.Close(ctx))
	})
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) run.Store { return open(t, sqlite.Config{}) })
}

// With a single reader, a queue of one and a row a commit, everything that
// could wait for itself would.
func TestSmallestSettings(t *testing.T) {
	s := open(t, sqlite.Config{Readers: 1, QueueSize: 1, BatchRows: 1})
	key := run.RunKey{Project: "p", Evaluation: "e", Run: "r"}
	_, err := s.CreateEvaluation(t.Context(), run.Evaluation{Project: "p", ID: "e"})
	require.NoError(t, err)
	_, err = s.CreateRun(t.Context(), run.Run{RunKey: key})
	require.NoError(t, err)
	const goroutines, each = 6, 12
	errs := make(chan error, goroutines)
	save := func(i int) error {
		sample := run.Sample{ID: strconv.Itoa(i), Index: i}
		_, err := s.SaveFinished(t.Context(), key, []run.Finished{{Transcript: run.Transcript{RunKey: key, Sample: sample}}})
		return err
	}
	for g := range goroutines {
		go func() {
			for i := range each {
				if err := save(g*each + i); err != nil {
					errs <- err
					return
				}
			}
			errs <- s.EachRow(t.Context(), key, func(run.Row) error {
				_, err := s.GetRun(t.Context(), key)
				return err
			})
		}()
	}
	for range goroutines {
		require.NoError(t, <-errs)
	}
	r, err := s.GetRun(t.Context(), key)
	require.NoError(t, err)
	require.EqualValues(t, goroutines*each, r.Progress.Finished)
	require.NoError(t, s.Ready(t.Context()))
}
