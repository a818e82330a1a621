package sqlite_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
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

// Reading in pieces is not seen from outside, also when nothing but the order
// of arrival tells samples apart.
func TestRunsLargerThanAPiece(t *testing.T) {
	s := open(t, sqlite.Config{})
	key := run.RunKey{Project: "p", Evaluation: "e", Run: "r"}
	_, err := s.CreateEvaluation(t.Context(), run.Evaluation{Project: "p", ID: "e"})
	require.NoError(t, err)
	_, err = s.CreateRun(t.Context(), run.Run{RunKey: key, State: run.Succeeded})
	require.NoError(t, err)
	const n = 2100
	batch := make([]run.Finished, n)
	for i := range batch {
		// The same index for many.
		sample := run.Sample{ID: strconv.Itoa(i), Index: i / 1500, Repeat: i}
		batch[i].Transcript = run.Transcript{RunKey: key, Sample: sample}
	}
	inserted, err := s.SaveFinished(t.Context(), key, batch)
	require.NoError(t, err)
	require.Equal(t, n, inserted)
	next := 0
	require.NoError(t, s.EachRow(t.Context(), key, func(r run.Row) error {
		require.Equal(t, next, r.Repeat)
		next++
		return nil
	}))
	require.Equal(t, n, next)

	// Rows that go away on the way are not passed over in silence.
	err = s.EachRow(t.Context(), key, func(r run.Row) error {
		if r.Repeat > 0 {
			return nil
		}
		return s.DeleteRun(t.Context(), key)
	})
	var gone *run.NotFoundError
	require.ErrorAs(t, err, &gone)
}

// No text of a transcript stands in an error.
func TestErrorsHoldNoText(t *testing.T) {
	const marker = "XYZZY-PLANTED"
	s := open(t, sqlite.Config{})
	key := run.RunKey{Project: "p", Evaluation: "e", Run: "r"}
	sample := func() run.Finished {
		tr := run.Transcript{
			RunKey: key, Sample: run.Sample{ID: "s"}, Messages: []model.Message{{Role: "user", Content: marker}},
			Reply: model.Reply{Raw: marker, NativeReasoning: marker, ModelID: marker}, Error: &run.SampleError{Message: marker},
		}
		tr.Parsed.Reasoning, tr.Parsed.Answer = marker, marker
		v := run.Verdict{RunKey: key, Transcript: "s", ID: "v"}
		v.Rationale, v.Flags = marker, []string{marker}
		v.ComplianceEvidence = []grading.Evidence{{Quote: marker}}
		return run.Finished{Transcript: tr, Verdict: &v}
	}
	absent, other, misplaced, number := sample(), sample(), sample(), sample()
	other.Transcript.Run = "another"
	misplaced.Verdict.Transcript = "another"
	number.Verdict.ComplianceScore = math.NaN()
	for _, f := range []run.Finished{absent, other, misplaced, number} {
		_, err := s.SaveFinished(t.Context(), key, []run.Finished{f})
		require.Error(t, err)
		require.NotContains(t, err.Error(), marker)
	}
}
