package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/postgres"
	"github.com/unmask-eval/unmask/internal/store/storetest"
	testserver "github.com/unmask-eval/unmask/internal/testkit/postgres"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testserver.Main(m)) }

// migrated returns the URL of a new database with the schema.
func migrated(t testing.TB) string {
	t.Helper()
	url := testserver.Database(t)
	_, _, err := postgres.Migrate(t.Context(), url)
	require.NoError(t, err)
	return url
}

// session connects to a database past the store.
func session(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url) // also at the end of a test
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
	return conn
}

// exec runs a statement past the store.
func exec(t testing.TB, url, statement string, args ...any) {
	t.Helper()
	_, err := session(t, url).Exec(context.Background(), statement, args...)
	require.NoError(t, err, statement)
}

// number is the result of a query of one number.
func number(t testing.TB, url, query string, args ...any) (n int64) {
	t.Helper()
	require.NoError(t, session(t, url).QueryRow(t.Context(), query, args...).Scan(&n), query)
	return n
}

// open opens a store, in a new database unless c names one, and closes it
// afterwards.
func open(t testing.TB, c postgres.Config) *postgres.Store {
	t.Helper()
	if c.URL == "" {
		c.URL = migrated(t)
	}
	s, err := postgres.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, s.Close(ctx))
	})
	return s
}

func TestConformance(t *testing.T) {
	s := open(t, postgres.Config{})
	storetest.Run(t, func(*testing.T) run.Store { return s })
}
