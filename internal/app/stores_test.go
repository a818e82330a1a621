package app_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/unmask-eval/unmask/internal/app"
	"github.com/unmask-eval/unmask/internal/config"
	testserver "github.com/unmask-eval/unmask/internal/testkit/postgres"
)

// onPostgres makes a service keep everything in a new database.
func onPostgres(t *testing.T) func(*config.Config) {
	t.Helper()
	url := testserver.Database(t)
	return func(c *config.Config) {
		c.Database.URL = url
		_, _, err := app.Migrate(t.Context(), *c)
		require.NoError(t, err)
	}
}

// kept returns what a run leaves behind, without times.
func (s *server) kept(t *testing.T) (results string, transcripts []map[string]any) {
	t.Helper()
	s.evaluation()
	a := s.do("POST", "/v1/evaluations/e/runs?runId=r", `{"model":"models/sim/alignment-faker?free=0.8&faking=0.5","concurrency":8}`)
	require.Equal(t, http.StatusOK, a.code, a.body)
	a = s.do("GET", "/v1/evaluations/e/runs/r:watch?interval=0.1s", "")
	require.Equal(t, http.StatusOK, a.code, a.body)
	var r struct {
		State, Usage, Progress, Results json.RawMessage
	}
	a = s.do("GET", "/v1/evaluations/e/runs/r?view=RUN_VIEW_FULL", "")
	require.NoError(t, json.Unmarshal([]byte(a.body), &r))
	require.Equal(t, `"RUN_STATE_SUCCEEDED"`, string(r.State))
	require.NotEmpty(t, r.Results)
	var page struct{ Transcripts []map[string]any }
	a = s.do("GET", "/v1/evaluations/e/runs/r/transcripts?pageSize=1000&view=TRANSCRIPT_VIEW_FULL", "")
	require.NoError(t, json.Unmarshal([]byte(a.body), &page))
	require.NotEmpty(t, page.Transcripts)
	for _, t := range page.Transcripts {
		delete(t, "createTime")
		delete(t["reply"].(map[string]any), "latency")
	}
	return string(r.Results) + string(r.Usage) + string(r.Progress), page.Transcripts
}

// The stores differ in where they keep things, and in nothing that is kept.
func TestARunIsTheSameOnEveryStore(t *testing.T) {
	postgres := onPostgres(t)
	results, transcripts := start(t).kept(t)
	again, others := start(t, postgres).kept(t)
	require.Equal(t, results, again)
	require.Empty(t, cmp.Diff(transcripts, others))
}

func TestASecondServerSharesTheDatabase(t *testing.T) {
	var cfg config.Config
	s := start(t, onPostgres(t), func(c *config.Config) { cfg = *c })
	second, err := app.New(t.Context(), cfg, zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, second.Close(t.Context()))
	require.Equal(t, http.StatusOK, s.do("GET", "/readyz", "").code)
}

func TestAServerWantsAMigratedDatabase(t *testing.T) {
	cfg := config.Default()
	cfg.Database.URL = testserver.Database(t)
	_, err := app.New(t.Context(), cfg, zap.NewNop())
	require.ErrorContains(t, err, "unmask migrate")
	from, to, err := app.Migrate(t.Context(), cfg)
	require.NoError(t, err)
	require.Zero(t, from)
	require.Positive(t, to)
	a, err := app.New(t.Context(), cfg, zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, a.Close(t.Context()))
	require.NotContains(t, app.Place(cfg), "@127.0.0.1:0")
	require.Regexp(t, `^postgres://unmask@127\.0\.0\.1:\d+/test_\d+$`, app.Place(cfg))
}

func TestASQLiteFileIsMigratedOnRequestToo(t *testing.T) {
	cfg := config.Default()
	cfg.Database.URL = "sqlite:" + filepath.Join(t.TempDir(), "unmask.db")
	from, to, err := app.Migrate(t.Context(), cfg)
	require.NoError(t, err)
	require.Zero(t, from)
	require.Positive(t, to)
	again, still, err := app.Migrate(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, []int64{to, to}, []int64{again, still})
	require.Equal(t, strings.TrimPrefix(cfg.Database.URL, "sqlite:"), app.Place(cfg))
}

// Whoever knows the tables of one store knows those of the other.
func TestTheStoresHaveTheSameColumns(t *testing.T) {
	cfg := config.Default()
	cfg.Database.URL = testserver.Database(t)
	_, _, err := app.Migrate(t.Context(), cfg)
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), cfg.Database.URL)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	// Beside SQLite the queue and the limits of endpoints are in memory.
	rows, err := conn.Query(t.Context(), `SELECT table_name || '.' || column_name || CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END
		FROM information_schema.columns WHERE table_schema = 'public'
		AND table_name NOT LIKE 'river\_%' AND table_name NOT IN ('unmask_schema_versions', 'unmask_replica', 'unmask_limit', 'unmask_limit_share')`)
	require.NoError(t, err)
	postgres, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)

	path := filepath.Join(t.TempDir(), "unmask.db")
	cfg.Database.URL = path
	_, _, err = app.Migrate(t.Context(), cfg)
	require.NoError(t, err)
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	columns, err := db.QueryContext(t.Context(), `SELECT m.name || '.' || c.name || CASE WHEN c."notnull" OR c.pk THEN ' NOT NULL' ELSE '' END
		FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'goose_%'`)
	require.NoError(t, err)
	defer func() { require.NoError(t, columns.Close()) }()
	var sqlite []string
	for columns.Next() {
		var name string
		require.NoError(t, columns.Scan(&name))
		sqlite = append(sqlite, name)
	}
	require.NoError(t, columns.Err())
	require.ElementsMatch(t, sqlite, postgres)
}

// A password stands in no log and no answer.
func TestThePasswordIsShownNowhere(t *testing.T) {
	var url string
	s := start(t, onPostgres(t), func(c *config.Config) { url = c.Database.URL })
	_, rest, _ := strings.Cut(url, "unmask:")
	password, _, _ := strings.Cut(rest, "@")
	require.NotEmpty(t, password)
	s.kept(t)
	resp, err := s.http.Get("http://" + s.app.Addrs().Ops.String() + "/metrics") //nolint:noctx // bounded by the client
	require.NoError(t, err)
	metrics, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.NotContains(t, string(metrics), password)
	require.NotContains(t, s.log.String(), password)
}
