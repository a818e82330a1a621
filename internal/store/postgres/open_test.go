package postgres_test

import (
	"fmt"
	"net"
	"os/user"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/postgres"
	"github.com/unmask-eval/unmask/internal/store/relational"
	testserver "github.com/unmask-eval/unmask/internal/testkit/postgres"
)

func TestOpenRefusesBadConfig(t *testing.T) {
	_, err := postgres.Open(t.Context(), postgres.Config{MaxConnections: -1, Writers: -1, QueueSize: -2, BatchRows: -3})
	for _, field := range []string{"max connections", "writers", "queue size", "batch rows"} {
		require.ErrorContains(t, err, field)
	}
}

// A URL may hold a password in places where its author did not mean one.
func TestErrorsHoldNoPassword(t *testing.T) {
	const secret = "hunter2"
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	require.NoError(t, err)
	closed := ln.Addr().String()
	require.NoError(t, ln.Close())
	for _, url := range []string{
		"postgres://u:" + secret + "@" + closed + "/d?connect_timeout=1",
		"postgres://u:" + secret + "@" + closed + "/d?sslmode=" + secret,
		"postgres://" + closed + "/d?password=" + secret + "&connect_timeout=" + secret,
		"postgres://u:a/" + secret + "@h/d", "postgres://u:" + secret + "/x@h:port/d", "postgres://u:" + secret + "#@h/d",
		"postgres://u:" + secret + "%@h/d", "postgres://u@" + secret + "@h:x/d", "postgres://" + secret + "\x00", "mysql://u:" + secret + "@h/d",
		"postgres://[" + secret, "host=h password=" + secret,
	} {
		_, err := postgres.Open(t.Context(), postgres.Config{URL: url})
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), secret, url)
		_, _, err = postgres.Migrate(t.Context(), url)
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), secret, url)
		require.NotContains(t, postgres.Redact(url), secret, url)
	}
}

func TestRedact(t *testing.T) {
	me, err := user.Current()
	require.NoError(t, err)
	t.Setenv("PGUSER", me.Username)
	for url, want := range map[string]string{
		"postgres://u:p@h:1/d?sslmode=disable": "postgres://u@h:1/d",
		"postgresql://u@h/d":                   "postgres://u@h:5432/d",
		"postgres://u:p@[::1]:1/d":             "postgres://u@[::1]:1/d",
		"postgres:///d?host=/run/pg&user=u":    "postgres://u@%2Frun%2Fpg/d",
		"postgres://u:p/q@h/d":                 "postgres://",
	} {
		require.Equal(t, want, postgres.Redact(url), url)
	}
}

func TestOpenDoesNotMigrate(t *testing.T) {
	url := testserver.Database(t)
	var schema *relational.SchemaError
	_, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	require.ErrorAs(t, err, &schema)
	require.Zero(t, schema.Have)
	require.ErrorContains(t, err, "unmask migrate")
	require.Zero(t, number(t, url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "nothing was changed")

	from, to, err := postgres.Migrate(t.Context(), url)
	require.NoError(t, err)
	require.Zero(t, from)
	require.Equal(t, schema.Want, to)
	from, to, err = postgres.Migrate(t.Context(), url)
	require.NoError(t, err)
	require.Equal(t, to, from, "a second time there is nothing to do")
	require.NoError(t, open(t, postgres.Config{URL: url}).Ready(t.Context()))
}

func TestSchemaOfANewerVersion(t *testing.T) {
	url := migrated(t)
	s := open(t, postgres.Config{URL: url})
	exec(t, url, "INSERT INTO unmask_schema_versions (version_id, is_applied) VALUES (99, true)")
	var schema *relational.SchemaError
	require.ErrorAs(t, s.Ready(t.Context()), &schema)
	require.EqualValues(t, 99, schema.Have)
	_, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	require.ErrorAs(t, err, &schema)
	require.ErrorContains(t, err, "newer")
	_, _, err = postgres.Migrate(t.Context(), url)
	require.ErrorAs(t, err, &schema)
}

func TestMigrationsAtOnceDoNoHarm(t *testing.T) {
	url := testserver.Database(t)
	errs := make([]error, 4)
	var done sync.WaitGroup
	for i := range errs {
		done.Go(func() { _, _, errs[i] = postgres.Migrate(t.Context(), url) })
	}
	done.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, number(t, url, "SELECT count(*) FROM unmask_schema_versions WHERE version_id = 1"))
	require.NoError(t, open(t, postgres.Config{URL: url}).Ready(t.Context()))
}

// A database that holds another program's tables is left as it was.
func TestMigrateChangesNothingWhenItCannotFinish(t *testing.T) {
	url := testserver.Database(t)
	exec(t, url, "CREATE TABLE verdicts (id int)")
	_, _, err := postgres.Migrate(t.Context(), url)
	require.ErrorContains(t, err, "verdicts")
	require.Zero(t, number(t, url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('verdicts', 'unmask_schema_versions')"))
}

func TestMigrateWantsUTF8(t *testing.T) {
	url := testserver.Database(t)
	exec(t, url, "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc")
	t.Cleanup(func() { exec(t, url, "DROP DATABASE latin") })
	before, after, _ := strings.Cut(url, "/test_")
	_, params, _ := strings.Cut(after, "?")
	_, _, err := postgres.Migrate(t.Context(), before+"/latin?"+params)
	require.ErrorContains(t, err, "LATIN1")
}

// The connections that a restart of the database has cut are replaced.
func TestReadyWhenEveryConnectionWasCut(t *testing.T) {
	url := migrated(t)
	s := open(t, postgres.Config{URL: url})
	require.NoError(t, s.Ready(t.Context()))
	exec(t, url, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'unmask' AND datname = current_database()")
	require.NoError(t, s.Ready(t.Context()))
}

func TestWhatWasKeptIsThereAfterReopening(t *testing.T) {
	url := migrated(t)
	s, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	require.NoError(t, err)
	_, err = s.CreateEvaluation(t.Context(), run.Evaluation{Project: "p", ID: "e", DisplayName: "kept"})
	require.NoError(t, err)
	require.NoError(t, s.Close(t.Context()))
	require.NoError(t, s.Close(t.Context()), "closing again does nothing")
	_, err = s.GetEvaluation(t.Context(), "p", "e")
	require.ErrorIs(t, err, relational.ErrClosed)
	require.ErrorIs(t, s.Ready(t.Context()), relational.ErrClosed)

	got, err := open(t, postgres.Config{URL: url}).GetEvaluation(t.Context(), "p", "e")
	require.NoError(t, err)
	require.Equal(t, "kept", got.DisplayName)
}

// The search path chooses the schema, so that several installations can share a
// database.
func TestTwoSchemasOfOneDatabaseAreApart(t *testing.T) {
	url := testserver.Database(t)
	var stores []*postgres.Store
	for _, name := range []string{"one", "two"} {
		exec(t, url, "CREATE SCHEMA "+name)
		in := fmt.Sprintf("%s&search_path=%s", url, name)
		_, _, err := postgres.Migrate(t.Context(), in)
		require.NoError(t, err)
		stores = append(stores, open(t, postgres.Config{URL: in}))
	}
	_, err := stores[0].CreateEvaluation(t.Context(), run.Evaluation{Project: "p", ID: "e"})
	require.NoError(t, err)
	_, err = stores[1].GetEvaluation(t.Context(), "p", "e")
	var absent *run.NotFoundError
	require.ErrorAs(t, err, &absent)
}
