package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/relational"
	"github.com/unmask-eval/unmask/internal/store/sqlite"
)

func TestOpenRefusesBadConfig(t *testing.T) {
	_, err := sqlite.Open(t.Context(), sqlite.Config{Readers: -1, QueueSize: -2, BatchRows: -3, BusyTimeout: -4})
	for _, field := range []string{"path", "readers", "queue size", "batch rows", "busy timeout"} {
		require.ErrorContains(t, err, field)
	}
}

func TestFilesAreForThisUserAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "deep")
	path := filepath.Join(dir, "unmask.db")
	s := open(t, sqlite.Config{Path: path})
	_, err := s.CreateEvaluation(t.Context(), run.Evaluation{Project: "p", ID: "e"})
	require.NoError(t, err)
	for name, want := range map[string]os.FileMode{
		filepath.Dir(dir): 0o700, dir: 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, path + ".lock": 0o600,
	} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), name)
	}
}

func TestOpenTakesRightsOfOthersAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "unmask.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Chmod(path, 0o644))
	open(t, sqlite.Config{Path: path})
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestOpenTakesAnyName(t *testing.T) {
	for _, name := range []string{"ü with space & 100%.db", "a?mode=memory#1", "file:x"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			s := open(t, sqlite.Config{Path: path})
			_, err := s.CreateEvaluation(t.Context(), run.Evaluation{Project: "p", ID: "e"})
			require.NoError(t, err)
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.NotZero(t, info.Size())
		})
	}
}

func TestWhatWasKeptIsThereAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "unmask.db")
	e := run.Evaluation{Project: "p", ID: "e", DisplayName: "kept"}
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	require.NoError(t, err)
	_, err = s.CreateEvaluation(t.Context(), e)
	require.NoError(t, err)
	require.NoError(t, s.Close(t.Context()))
	require.NoFileExists(t, path+"-wal", "closing folds the log back")

	s = open(t, sqlite.Config{Path: path})
	require.Equal(t, path, s.Path())
	got, err := s.GetEvaluation(t.Context(), "p", "e")
	require.NoError(t, err)
	require.Equal(t, e.DisplayName, got.DisplayName)
	require.NoError(t, s.Ready(t.Context()))
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	foreign := func(name, script string) {
		db, err := sql.Open("sqlite", path(name))
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), script)
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
	foreign("other.db", "CREATE TABLE bookmarks (url TEXT)")
	foreign("marked.db", "PRAGMA application_id = 7")
	require.NoError(t, os.WriteFile(path("text.db"), []byte("This is not a database, and long enough to be seen as such.\n"), 0o600))
	require.NoError(t, os.Mkdir(path("directory.db"), 0o700))
	for name, want := range map[string]error{"other.db": sqlite.ErrForeign, "marked.db": sqlite.ErrForeign, "text.db": nil, "directory.db": nil} {
		before, _ := os.ReadFile(path(name))
		_, err := sqlite.Open(t.Context(), sqlite.Config{Path: path(name)})
		require.Error(t, err, name)
		if want != nil {
			require.ErrorIs(t, err, want, name)
		}
		after, _ := os.ReadFile(path(name))
		require.Equal(t, before, after, "%s is as it was", name)
	}
}

func TestSchemaOfANewerVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "unmask.db")
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	require.NoError(t, err)
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
	require.NoError(t, err)
	require.NoError(t, db.Close())

	var schema *relational.SchemaError
	require.ErrorAs(t, s.Ready(t.Context()), &schema)
	require.EqualValues(t, 99, schema.Have)
	require.NoError(t, s.Close(t.Context()))

	_, err = sqlite.Open(t.Context(), sqlite.Config{Path: path})
	require.ErrorAs(t, err, &schema)
	require.ErrorContains(t, err, "newer")
}

func TestOneProcessAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "unmask.db")
	c := start(t, roleHolder, path, 0)
	require.True(t, c.stdout.Scan(), c.stderr)

	var locked *sqlite.LockedError
	_, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	require.ErrorAs(t, err, &locked)
	require.Equal(t, c.Process.Pid, locked.PID)
	require.ErrorContains(t, err, "--server")

	require.NoError(t, c.stdin.Close())
	require.NoError(t, c.Wait())
	open(t, sqlite.Config{Path: path})
}

func TestTheLockOfAKilledProcessIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "unmask.db")
	c := start(t, roleHolder, path, 0)
	require.True(t, c.stdout.Scan(), c.stderr)
	require.NoError(t, c.Process.Kill())
	require.Error(t, c.Wait())
	open(t, sqlite.Config{Path: path})
}

func TestTwoNamesOfOneFileAreOneLock(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "unmask.db"), filepath.Join(dir, "link.db")
	open(t, sqlite.Config{Path: path})
	require.NoError(t, os.Symlink(path, link))
	var locked *sqlite.LockedError
	_, err := sqlite.Open(t.Context(), sqlite.Config{Path: link})
	require.ErrorAs(t, err, &locked)
}

func TestOpenGivesUpWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "unmask.db")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sqlite.Open(ctx, sqlite.Config{Path: path})
	require.ErrorIs(t, err, context.Canceled)
	open(t, sqlite.Config{Path: path})
}

func TestAStoreOutlivesTheContextItWasOpenedWith(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(t.TempDir(), "unmask.db")})
	require.NoError(t, err)
	cancel()
	require.NoError(t, s.Ready(t.Context()))
	require.NoError(t, s.Close(t.Context()))
}
