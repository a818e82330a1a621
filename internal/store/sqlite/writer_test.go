package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/store/relational"
)

func openForTest(t *testing.T, c Config) *Store {
	t.Helper()
	c.Path = filepath.Join(t.TempDir(), "unmask.db")
	s, err := Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	return s
}

// markRow writes a row that tells whether a request was kept.
func markRow(name string) func(*writeTx) error {
	return func(tx *writeTx) error {
		return tx.Run("INSERT INTO scenarios (project, id, revision, body) VALUES ('p', ?, '', x'00')", name)
	}
}

func marks(t *testing.T, s *Store) (names []string) {
	t.Helper()
	require.NoError(t, s.read(t.Context(), "marks", func(r reader) (err error) {
		names, err = relational.Collect(r, func(row relational.Scanner) (name string, err error) {
			err = row.Scan(&name)
			return name, err
		}, "SELECT id FROM scenarios ORDER BY id")
		return err
	}))
	return names
}

// blocked holds the writer inside a request until release is called, so that
// what is written meanwhile queues up and becomes one batch.
func blocked(t *testing.T, s *Store) (release func()) {
	t.Helper()
	inside, free := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- s.write(context.Background(), "block", 1, func(*writeTx) error {
			close(inside)
			<-free
			return nil
		})
	}()
	<-inside
	return func() {
		close(free)
		require.NoError(t, <-done)
	}
}

// queue writes in the background and returns when the request is queued.
func queue(s *Store, do func(*writeTx) error) <-chan error {
	before := s.writer.Len()
	done := make(chan error, 1)
	go func() { done <- s.write(context.Background(), "test", 1, do) }()
	for s.writer.Len() == before {
		runtime.Gosched()
	}
	return done
}

func TestARefusedRequestTakesNothingWithIt(t *testing.T) {
	s := openForTest(t, Config{})
	refusal := errors.New("refused")
	release := blocked(t, s)
	first := queue(s, markRow("first"))
	refused := queue(s, func(tx *writeTx) error {
		if err := markRow("refused")(tx); err != nil {
			return err
		}
		return refusal
	})
	var seen []string
	last := queue(s, func(tx *writeTx) error {
		seen = marks(t, s)
		return markRow("last")(tx)
	})
	release()
	require.NoError(t, <-first)
	require.ErrorIs(t, <-refused, refusal)
	require.NoError(t, <-last)
	require.Equal(t, []string{"first", "last"}, marks(t, s))
	require.Empty(t, seen, "the batch was one transaction")
}

// SQLite rolls the whole transaction back by itself when the disk is full or
// fails. The request that brings that about is the only one to suffer.
func TestARequestThatBreaksTheTransactionFailsAlone(t *testing.T) {
	s := openForTest(t, Config{})
	release := blocked(t, s)
	first := queue(s, markRow("first"))
	breaking := queue(s, func(tx *writeTx) error {
		if err := markRow("breaking")(tx); err != nil {
			return err
		}
		return tx.Run("ROLLBACK")
	})
	last := queue(s, markRow("last"))
	release()
	require.NoError(t, <-first)
	require.Error(t, <-breaking)
	require.NoError(t, <-last)
	require.Equal(t, []string{"first", "last"}, marks(t, s))
	require.NoError(t, s.Ready(t.Context()))
}

func TestARequestTakenBackInTheQueueIsNotWritten(t *testing.T) {
	s := openForTest(t, Config{})
	release := blocked(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.write(ctx, "test", 1, markRow("taken back")) }()
	cancel()
	require.ErrorIs(t, <-done, context.Canceled, "it does not wait for the writer")
	release()
	require.NoError(t, s.Ready(t.Context()))
	require.Empty(t, marks(t, s))
}

func TestARequestUnderWayIsCarriedThrough(t *testing.T) {
	s := openForTest(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	err := s.write(ctx, "test", 1, func(tx *writeTx) error {
		cancel()
		return markRow("under way")(tx)
	})
	require.NoError(t, err)
	require.Equal(t, []string{"under way"}, marks(t, s))
}

func TestAFullQueueMakesCallersWait(t *testing.T) {
	s := openForTest(t, Config{QueueSize: 1})
	release := blocked(t, s)
	queued := queue(s, markRow("queued"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.writer.Do(ctx, 1, markRow("no place")), context.Canceled)
	release()
	require.NoError(t, <-queued)
	require.Equal(t, []string{"queued"}, marks(t, s))
}

func TestBatchesAreBounded(t *testing.T) {
	s := openForTest(t, Config{BatchRows: 2})
	release := blocked(t, s)
	var results []<-chan error
	var seen []int
	for i := range 5 {
		results = append(results, queue(s, func(tx *writeTx) error {
			seen = append(seen, len(marks(t, s)))
			return markRow(fmt.Sprint(i))(tx)
		}))
	}
	release()
	for _, r := range results {
		require.NoError(t, <-r)
	}
	require.Equal(t, []int{0, 0, 2, 2, 4}, seen, "two requests a commit")
}

// A query that is interrupted says so as a context does.
func TestAReadEndsWithItsContext(t *testing.T) {
	s := openForTest(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	endless := `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n`
	err := s.read(ctx, "count", func(r reader) error {
		time.AfterFunc(time.Millisecond, cancel)
		var n int
		return r.Row(endless).Scan(&n)
	})
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, s.Ready(t.Context()))
}

func TestCloseWaitsForWhatIsQueued(t *testing.T) {
	path := filepath.Join(t.TempDir(), "unmask.db")
	s, err := Open(t.Context(), Config{Path: path})
	require.NoError(t, err)
	release := blocked(t, s)
	queued := queue(s, markRow("queued"))
	closed := make(chan error, 1)
	go func() { closed <- s.Close(context.Background()) }()
	for s.calls.Enter(t.Context()) == nil {
		s.calls.Leave()
	}
	require.ErrorIs(t, s.write(t.Context(), "test", 1, markRow("late")), relational.ErrClosed)
	_, err = s.GetEvaluation(t.Context(), "p", "e")
	require.ErrorIs(t, err, relational.ErrClosed)
	release()
	require.NoError(t, <-queued)
	require.NoError(t, <-closed)
	require.NoError(t, s.Close(context.Background()), "closing again does nothing")

	s, err = Open(t.Context(), Config{Path: path})
	require.NoError(t, err)
	require.Equal(t, []string{"queued"}, marks(t, s))
	require.NoError(t, s.Close(context.Background()))
}

func TestCloseWithADeadlineRefusesWhatIsQueued(t *testing.T) {
	path := filepath.Join(t.TempDir(), "unmask.db")
	s, err := Open(t.Context(), Config{Path: path})
	require.NoError(t, err)
	release := blocked(t, s)
	queued := queue(s, markRow("queued"))
	reading, begun := make(chan error, 1), make(chan struct{})
	go func() {
		reading <- s.read(context.Background(), "read", func(r reader) error {
			close(begun)
			<-r.ctx.Done()
			return r.ctx.Err()
		})
	}()
	<-begun
	over, cancel := context.WithCancel(t.Context())
	cancel()
	closed := make(chan error, 1)
	go func() { closed <- s.Close(over) }()
	<-s.calls.GivenUp()
	release()
	require.ErrorIs(t, <-queued, relational.ErrClosed)
	require.ErrorIs(t, <-reading, relational.ErrClosed)
	require.ErrorIs(t, <-closed, context.Canceled)

	s, err = Open(t.Context(), Config{Path: path})
	require.NoError(t, err, "the file was closed all the same")
	require.Empty(t, marks(t, s))
	require.NoError(t, s.Close(context.Background()))
}

func TestAFullDiskStopsOnlyWhatDoesNotFit(t *testing.T) {
	s := openForTest(t, Config{})
	limit := func(pages int) {
		require.NoError(t, s.write(t.Context(), "limit", 1, func(tx *writeTx) error {
			var got int
			return tx.Row(fmt.Sprintf("PRAGMA max_page_count = %d", pages)).Scan(&got)
		}))
	}
	huge := func(tx *writeTx) error {
		return tx.Run("INSERT INTO scenarios (project, id, revision, body) VALUES ('p', 'huge', '', zeroblob(10000000))")
	}
	limit(500)
	release := blocked(t, s)
	first, full, last := queue(s, markRow("first")), queue(s, huge), queue(s, markRow("last"))
	release()
	require.NoError(t, <-first)
	require.ErrorContains(t, <-full, "full")
	require.NoError(t, <-last)
	require.Equal(t, []string{"first", "last"}, marks(t, s))

	limit(1_000_000)
	require.NoError(t, s.write(t.Context(), "test", 1, huge), "it works again when there is room")
	require.Equal(t, []string{"first", "huge", "last"}, marks(t, s))
}
