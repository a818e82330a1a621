package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/postgres"
	"github.com/unmask-eval/unmask/internal/store/relational"
)

// With one connection, a queue of one and a row a commit, everything that could
// wait for itself would.
func TestSmallestSettings(t *testing.T) {
	s := open(t, postgres.Config{MaxConnections: 1, QueueSize: 1, BatchRows: 1})
	withRun(t, s, key, run.Running)
	const goroutines, each = 6, 12
	errs := make([]error, goroutines)
	var done sync.WaitGroup
	for g := range goroutines {
		done.Go(func() {
			for i := range each {
				if _, err := s.SaveFinished(t.Context(), key, []run.Finished{sample(fmt.Sprint(g, "-", i), i)}); err != nil {
					errs[g] = err
					return
				}
			}
			errs[g] = s.EachRow(t.Context(), key, func(run.Row) error {
				_, err := s.GetRun(t.Context(), key)
				return err
			})
		})
	}
	done.Wait()
	require.NoError(t, errors.Join(errs...))
	r, err := s.GetRun(t.Context(), key)
	require.NoError(t, err)
	require.EqualValues(t, goroutines*each, r.Progress.Finished)
}

// Samples of several runs share commits, and a run that is not there takes
// nothing with it.
func TestRunsShareCommits(t *testing.T) {
	s := open(t, postgres.Config{Writers: 1})
	const runs, samples = 5, 20
	for i := range runs {
		withRun(t, s, run.RunKey{Project: "p", Evaluation: fmt.Sprint("e", i), Run: "r"}, run.Running)
	}
	var done sync.WaitGroup
	errs := make([]error, runs+1)
	for i := range runs + 1 {
		done.Go(func() {
			for n := range samples {
				f := sample(fmt.Sprint(n), n)
				k := run.RunKey{Project: "p", Evaluation: fmt.Sprint("e", i), Run: "r"}
				f.Transcript.RunKey, f.Verdict.RunKey = k, k
				_, err := s.SaveFinished(t.Context(), k, []run.Finished{f, f})
				errs[i] = errors.Join(errs[i], err)
			}
		})
	}
	done.Wait()
	require.NoError(t, errors.Join(errs[:runs]...))
	var absent *run.NotFoundError
	require.ErrorAs(t, errs[runs], &absent)
	for i := range runs {
		r, err := s.GetRun(t.Context(), run.RunKey{Project: "p", Evaluation: fmt.Sprint("e", i), Run: "r"})
		require.NoError(t, err)
		require.EqualValues(t, samples, r.Progress.Finished)
		require.EqualValues(t, samples, r.Calls)
	}
}

// What cannot be written fails alone.
func TestASampleThatIsRefusedFailsAlone(t *testing.T) {
	url := migrated(t)
	s := open(t, postgres.Config{URL: url, Writers: 1})
	withRun(t, s, key, run.Running)
	exec(t, url, "ALTER TABLE transcripts ADD CHECK (id NOT LIKE 'bad%')")
	const samples = 60
	var refused atomic.Int64
	errs := make([]error, samples)
	var done sync.WaitGroup
	for i := range samples {
		done.Go(func() {
			name := "good"
			if i%7 == 0 {
				name = "bad"
			}
			_, err := s.SaveFinished(t.Context(), key, []run.Finished{sample(fmt.Sprint(name, i), i)})
			if name == "bad" && err != nil {
				refused.Add(1)
				err = nil
			}
			errs[i] = err
		})
	}
	done.Wait()
	require.NoError(t, errors.Join(errs...))
	require.EqualValues(t, 9, refused.Load())
	r, err := s.GetRun(t.Context(), key)
	require.NoError(t, err)
	require.EqualValues(t, samples-9, r.Progress.Finished)
}

// A database that ends every connection, again and again, loses and doubles
// nothing, and what was inserted is told once.
func TestBrokenConnectionsAreOutlived(t *testing.T) {
	url := migrated(t)
	s := open(t, postgres.Config{URL: url})
	withRun(t, s, key, run.Running)
	const goroutines, each = 8, 40
	ctx, cancel := context.WithCancel(t.Context())
	broken := make(chan error, 1)
	var cuts atomic.Int64
	conn := session(t, url)
	var saved atomic.Int64
	go func() {
		for ctx.Err() == nil {
			// Now and then, so that something gets through in between.
			for seen := saved.Load(); saved.Load() < seen+10 && ctx.Err() == nil; {
				if err := conn.Ping(context.Background()); err != nil {
					broken <- err
					return
				}
			}
			var n int64
			err := conn.QueryRow(context.Background(), `SELECT count(*) FROM
				(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'unmask' AND datname = current_database()) ended`).Scan(&n)
			if err != nil {
				broken <- err
				return
			}
			cuts.Add(n)
		}
		broken <- nil
	}()
	var inserted atomic.Int64
	errs := make([]error, goroutines)
	var done sync.WaitGroup
	for g := range goroutines {
		done.Go(func() {
			for i := range each {
				n, err := s.SaveFinished(t.Context(), key, []run.Finished{sample(fmt.Sprint(g, "-", i), i)})
				inserted.Add(int64(n))
				saved.Add(1)
				if err == nil {
					_, err = s.GetRun(t.Context(), key)
				}
				errs[g] = errors.Join(errs[g], err)
			}
		})
	}
	done.Wait()
	cancel()
	require.NoError(t, <-broken)
	require.NoError(t, errors.Join(errs...))
	require.Positive(t, cuts.Load())
	require.EqualValues(t, goroutines*each, inserted.Load())
	r, err := s.GetRun(t.Context(), key)
	require.NoError(t, err)
	require.EqualValues(t, goroutines*each, r.Progress.Finished)
	require.EqualValues(t, goroutines*each, number(t, url, "SELECT count(*) FROM transcript_texts"))
	require.EqualValues(t, goroutines*each, number(t, url, "SELECT count(*) FROM verdicts"))
}

// A save waits for others that hold the run, and Close with a deadline gives up
// what waits.
func TestCloseWithADeadlineGivesUp(t *testing.T) {
	url := migrated(t)
	s, err := postgres.Open(t.Context(), postgres.Config{URL: url, Writers: 1})
	require.NoError(t, err)
	withRun(t, s, key, run.Running)
	conn := session(t, url)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT 1 FROM runs FOR UPDATE")
	require.NoError(t, err)
	updating, saving := make(chan error, 1), make(chan error, 2)
	for i := range 2 {
		go func() {
			_, err := s.SaveFinished(context.Background(), key, []run.Finished{sample(fmt.Sprint(i), i)})
			saving <- err
		}()
	}
	go func() {
		updating <- s.UpdateRun(context.Background(), run.Run{RunKey: key, State: run.Failed}, run.Running)
	}()
	waitForLocks(t, conn, 2)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Close(over), context.Canceled)
	require.ErrorIs(t, <-updating, relational.ErrClosed)
	require.ErrorIs(t, <-saving, relational.ErrClosed)
	require.ErrorIs(t, <-saving, relational.ErrClosed)
	require.NoError(t, tx.Rollback(t.Context()))
	require.EqualValues(t, 1, number(t, url, "SELECT count(*) FROM runs WHERE state = 'RUNNING'"))
	require.Zero(t, number(t, url, "SELECT count(*) FROM transcripts"))
}

// waitForLocks returns when so many sessions wait for a lock.
func waitForLocks(t *testing.T, conn *pgx.Conn, sessions int) {
	t.Helper()
	for n := 0; n < sessions; {
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted").Scan(&n))
	}
}

// A caller that goes away before its samples are written leaves none, and none
// of the others behind.
func TestASaveTakenBackInTheQueueIsNotWritten(t *testing.T) {
	url := migrated(t)
	s := open(t, postgres.Config{URL: url, Writers: 1})
	withRun(t, s, key, run.Running)
	conn := session(t, url)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT 1 FROM runs FOR UPDATE")
	require.NoError(t, err)
	first := make(chan error, 1)
	go func() {
		_, err := s.SaveFinished(context.Background(), key, []run.Finished{sample("first", 0)})
		first <- err
	}()
	waitForLocks(t, conn, 1)
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() {
		_, err := s.SaveFinished(ctx, key, []run.Finished{sample("taken back", 1)})
		second <- err
	}()
	cancel()
	require.ErrorIs(t, <-second, context.Canceled)
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, <-first)
	ids, err := s.FinishedSamples(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, map[string]struct{}{"first": {}}, ids)
}

// No text of a transcript stands in an error.
func TestErrorsHoldNoText(t *testing.T) {
	const marker = "XYZZY-PLANTED"
	url := migrated(t)
	s := open(t, postgres.Config{URL: url})
	planted := func(id string) run.Finished {
		f := sample(id, 0)
		f.Transcript.Reply.Raw, f.Transcript.Reply.ModelID = marker, marker
		f.Transcript.Error = &run.SampleError{Message: marker}
		f.Verdict.Rationale, f.Verdict.ComplianceEvidence = marker, []grading.Evidence{{Quote: marker}}
		return f
	}
	absent, number, refused := planted("s"), planted("s"), planted(strings.Repeat("s", 20))
	number.Verdict.ComplianceScore = math.NaN()
	for _, f := range []run.Finished{absent, number} {
		_, err := s.SaveFinished(t.Context(), key, []run.Finished{f})
		require.Error(t, err)
		require.NotContains(t, err.Error(), marker)
	}
	withRun(t, s, key, run.Running)
	exec(t, url, "ALTER TABLE transcripts ADD CHECK (length(id) < 10)")
	_, err := s.SaveFinished(t.Context(), key, []run.Finished{refused})
	require.ErrorContains(t, err, "check constraint")
	require.NotContains(t, err.Error(), marker)
}
