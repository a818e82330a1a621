package sqlite

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/store/relational"
)

// Every list and every lookup finds its rows by an index and reads them in
// order, however many there are.
func TestQueriesUseTheirIndexes(t *testing.T) {
	s := openForTest(t, Config{})
	for name, query := range relational.Queries(dialect) {
		t.Run(name, func(t *testing.T) {
			plan := explain(t, s, query)
			require.NotContains(t, plan, "SCAN ")
			require.NotContains(t, plan, "TEMP B-TREE")
		})
	}
}

func TestUnfinishedRunsAreFoundWithoutReadingTheFinished(t *testing.T) {
	plan := explain(t, openForTest(t, Config{}), relational.UnfinishedQuery)
	require.Contains(t, plan, "runs_unfinished")
}

func explain(t *testing.T, s *Store, query string) string {
	t.Helper()
	args := make([]any, strings.Count(query, "?"))
	for i := range args {
		args[i] = 1
	}
	var plan []string
	require.NoError(t, s.read(t.Context(), "explain", func(r reader) (err error) {
		plan, err = relational.Collect(r, func(row relational.Scanner) (detail string, err error) {
			var id, parent, unused int
			err = row.Scan(&id, &parent, &unused, &detail)
			return detail, err
		}, "EXPLAIN QUERY PLAN "+query, args...)
		return err
	}))
	require.NotEmpty(t, plan)
	return fmt.Sprint(strings.Join(plan, "\n"))
}
