package sqlite_test

import (
	"database/sql"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/sqlite"
)

// A process that saves samples is killed at random moments, again and again
// on the same file. What it had acknowledged is there, once, and the counters
// are what the rows say.
func TestKilledProcessLosesNothingItAcknowledged(t *testing.T) {
	t.Parallel()
	const rounds = 10
	path := filepath.Join(t.TempDir(), "unmask.db")
	rng := rand.New(rand.NewPCG(2026, 7))
	acknowledged := map[string]struct{}{}
	for round := range rounds {
		// The first one is killed while it opens the new file.
		after := 0
		if round > 0 {
			after = 1 + rng.IntN(300)
		}
		for _, id := range runUntilKilled(t, path, round, after) {
			require.NotContains(t, acknowledged, id)
			acknowledged[id] = struct{}{}
		}
		checkAfterCrash(t, path, acknowledged, round == rounds-1)
	}
	t.Logf("%d rounds, %d samples acknowledged", rounds, len(acknowledged))
	checkIntegrity(t, path)
}

// runUntilKilled kills a writer when it has acknowledged so many samples, and
// returns all that it acknowledged, including those on the way in that moment.
func runUntilKilled(t *testing.T, path string, round, after int) (acknowledged []string) {
	t.Helper()
	c := start(t, roleWriter, path, round)
	if after == 0 {
		require.NoError(t, c.Process.Kill())
	}
	for c.stdout.Scan() {
		acknowledged = append(acknowledged, c.stdout.Text())
		if len(acknowledged) == after {
			require.NoError(t, c.Process.Kill())
		}
	}
	require.NoError(t, c.stdout.Err())
	require.Error(t, c.Wait())
	require.False(t, c.ProcessState.Exited(), "the writer ended by itself: %s", c.stderr)
	require.GreaterOrEqual(t, len(acknowledged), after)
	return acknowledged
}

// checkAfterCrash opens the file as the next server would. With full it reads
// every text as well.
func checkAfterCrash(t *testing.T, path string, acknowledged map[string]struct{}, full bool) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(t.Context())) }()
	require.NoError(t, s.Ready(t.Context()))
	if len(acknowledged) == 0 {
		return
	}
	r, err := s.GetRun(t.Context(), crashKey)
	require.NoError(t, err)
	var rows, errs, calls, tokens, verdicts int64
	missing := len(acknowledged)
	page := run.Page{Size: 500}
	for {
		items, next, err := s.ListTranscripts(t.Context(), crashKey, run.TranscriptFilter{}, full, page)
		require.NoError(t, err)
		for _, sample := range items {
			rows++
			tokens += sample.Reply.Usage.OutputTokens
			calls += int64(sample.Reply.Attempts)
			if _, ok := acknowledged[sample.ID]; ok {
				missing--
			}
			if sample.Error != nil {
				errs++
				calls += int64(sample.Error.Attempts)
				continue
			}
			verdicts++
			if full {
				require.Equal(t, sample.ID, sample.Reply.Raw[:len(sample.ID)])
			}
		}
		if page.After = next; next == "" {
			break
		}
	}
	require.Zero(t, missing, "acknowledged samples are missing")
	require.Equal(t, rows, r.Progress.Finished)
	require.Equal(t, errs, r.Progress.Errors)
	require.Equal(t, calls, r.Calls)
	require.Equal(t, tokens, r.Usage.OutputTokens)
	kept, _, err := s.ListVerdicts(t.Context(), crashKey, "-", run.Page{Size: 10_000})
	require.NoError(t, err)
	require.Len(t, kept, int(min(verdicts, 10_000)))
}

// checkIntegrity lets SQLite itself look at every page and reference.
func checkIntegrity(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var verdict string
	require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict))
	require.Equal(t, "ok", verdict)
	var broken int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM pragma_foreign_key_check").Scan(&broken))
	require.Zero(t, broken)
}
