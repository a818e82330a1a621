package postgres_test

import (
	"context"
	"testing"
	"time"

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
	storetest.Run(t, func(t *testing.T) run.Store { return open(t, postgres.Config{}) })
}
