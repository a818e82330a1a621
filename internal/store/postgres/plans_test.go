package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/store/relational"
	testserver "github.com/unmask-eval/unmask/internal/testkit/postgres"
)

// Every list and every lookup finds its rows by an index and reads them in
// order, however many there are: with the ways around an index made as dear as
// they can be, none is in a plan.
func TestQueriesUseTheirIndexes(t *testing.T) {
	conn := planner(t)
	for name, query := range relational.Queries(dialect) {
		t.Run(name, func(t *testing.T) {
			plan := explain(t, conn, query)
			require.NotContains(t, plan, "Seq Scan")
			require.NotContains(t, plan, "Sort")
		})
	}
}

func TestUnfinishedRunsAreFoundWithoutReadingTheFinished(t *testing.T) {
	require.Contains(t, explain(t, planner(t), relational.UnfinishedQuery), "runs_unfinished")
}

// planner returns a session in a new database that plans for tables of any size
// and any arguments.
func planner(t *testing.T) *pgx.Conn {
	t.Helper()
	url := testserver.Database(t)
	_, _, err := Migrate(t.Context(), url)
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
	for _, setting := range []string{
		"enable_seqscan = off", "enable_bitmapscan = off", "enable_sort = off", "enable_incremental_sort = off", "enable_hashjoin = off",
		"enable_mergejoin = off", "plan_cache_mode = force_generic_plan",
	} {
		_, err := conn.Exec(t.Context(), "SET "+setting)
		require.NoError(t, err)
	}
	return conn
}

func explain(t *testing.T, conn *pgx.Conn, query string) string {
	t.Helper()
	_, err := conn.Exec(t.Context(), "PREPARE explained AS "+number(query))
	require.NoError(t, err)
	defer func() {
		_, err := conn.Exec(context.Background(), "DEALLOCATE explained")
		require.NoError(t, err)
	}()
	call := "EXECUTE explained"
	if n := strings.Count(query, "?"); n > 0 {
		call += "(" + strings.Repeat("NULL, ", n-1) + "NULL)"
	}
	rows, err := conn.Query(t.Context(), "EXPLAIN (COSTS off) "+call)
	require.NoError(t, err)
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return fmt.Sprint(strings.Join(plan, "\n"))
}

// Without statistics, sorting a whole run looks cheaper than reading a page of it
// in order.
func TestSessionsDoNotSort(t *testing.T) {
	url := testserver.Database(t)
	_, _, err := Migrate(t.Context(), url)
	require.NoError(t, err)
	s, err := Open(t.Context(), Config{URL: url})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(context.Background())) }()
	var sorts string
	require.NoError(t, s.pool.QueryRow(t.Context(), "SHOW enable_sort").Scan(&sorts))
	require.Equal(t, "off", sorts)
}
