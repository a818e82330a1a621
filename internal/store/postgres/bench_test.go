package postgres_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/postgres"
	"github.com/unmask-eval/unmask/internal/store/storetest"
)

// durable makes the test server sync its log at every commit, as one that keeps
// something would, and returns a new database.
func durable(b *testing.B) string {
	b.Helper()
	url := migrated(b)
	conn, err := pgx.Connect(b.Context(), url)
	require.NoError(b, err)
	for _, setting := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		_, err := conn.Exec(b.Context(), "ALTER SYSTEM SET "+setting+" = on")
		require.NoError(b, err)
	}
	_, err = conn.Exec(b.Context(), "SELECT pg_reload_conf()")
	require.NoError(b, err)
	require.NoError(b, conn.Close(b.Context()))
	return url
}

// size returns the bytes that the database takes.
func size(b *testing.B, url string) (bytes float64) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), url)
	require.NoError(b, err)
	require.NoError(b, conn.QueryRow(b.Context(), "SELECT pg_database_size(current_database())").Scan(&bytes))
	require.NoError(b, conn.Close(b.Context()))
	return bytes
}

// BenchmarkSaveFinished also reports the bytes that each sample takes on the disk.
func BenchmarkSaveFinished(b *testing.B) {
	for _, c := range []struct{ concurrency, runs int }{{1, 1}, {16, 1}, {16, 8}, {64, 1}, {64, 8}} {
		b.Run(fmt.Sprintf("concurrency=%d/runs=%d", c.concurrency, c.runs), func(b *testing.B) {
			url := durable(b)
			before := size(b, url)
			storetest.BenchmarkSaveFinished(b, open(b, postgres.Config{URL: url}), c.concurrency, c.runs)
			b.ReportMetric((size(b, url)-before)/float64(b.N), "B/sample")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	storetest.BenchmarkRead(b, open(b, postgres.Config{URL: durable(b)}))
}

// BenchmarkDeleteRun deletes a run of 20,000 samples.
func BenchmarkDeleteRun(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := open(b, postgres.Config{URL: durable(b)})
		key := storetest.Fill(b, s, 20_000)
		require.NoError(b, s.UpdateRun(b.Context(), run.Run{RunKey: key, State: run.Succeeded}, run.Running))
		b.StartTimer()
		require.NoError(b, s.DeleteRun(b.Context(), key))
	}
}
