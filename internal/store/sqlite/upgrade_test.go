package sqlite

import (
	"context"
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/run"
)

// A file of the first schema keeps its verdicts when labels come to it, and its
// samples are not taken for ones without behaviours.
func TestVerdictsOutliveTheUpgradeToLabels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "unmask.db")
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	files, err := fs.Sub(migrations, "migrations")
	require.NoError(t, err)
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	require.NoError(t, err)
	_, err = p.UpTo(t.Context(), 1)
	require.NoError(t, err)
	for _, query := range []string{
		"PRAGMA application_id = 1433300331",
		`INSERT INTO evaluations VALUES (1, 'p', 'e', '', '{}', '', 0, '', '')`,
		`INSERT INTO runs (seq, project, evaluation, id, model, checkpoint, state, planned, error, plan_digest, concurrency, create_time, request_id, request_digest)
			VALUES (1, 'p', 'e', 'r', '', '{}', 'SUCCEEDED', 1, '', '', 1, 0, '', '')`,
		`INSERT INTO transcripts (seq, project, run, id, sample_index, scenario, condition, query, repeat, control, observation, observable, finish_reason,
			compliance, alignment_faking, scenario_revision, seed, error_status, error_message, error_attempts, native_kind, input_tokens, output_tokens,
			reasoning_tokens, model_id, latency_ns, attempts, whole, create_time)
			VALUES (1, 'p', 1, 's', 0, '', '', '', 0, 0, '', 0, '', '', '', '', 0, 0, x'', 0, '', 0, 0, 0, x'', 0, 0, 0, 0)`,
		`INSERT INTO verdicts (project, run, transcript, id, create_time, body) VALUES ('p', 1, 1, 'rubric', 0, CAST(x'00' || '{"grader":"rubric"}' AS BLOB))`,
	} {
		_, err := db.ExecContext(t.Context(), query)
		require.NoError(t, err, query)
	}
	require.NoError(t, db.Close())

	s, err := Open(t.Context(), Config{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	v, err := s.GetVerdict(t.Context(), schemaKey, "s", "rubric")
	require.NoError(t, err)
	require.Equal(t, "rubric", v.Grader)
	require.NoError(t, s.EachRow(t.Context(), schemaKey, func(r run.Row) error {
		require.Empty(t, r.Behaviors)
		require.Equal(t, []string{run.EveryBehavior}, r.UndecidedBehaviors, "a sample from before says nothing of behaviours")
		return nil
	}))
	none, _, err := s.ListHumanVerdicts(t.Context(), schemaKey, run.Page{Size: 1})
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = s.CreateVerdict(t.Context(), run.Verdict{RunKey: schemaKey, Transcript: "s", ID: "h", Verdict: grading.Verdict{Grader: "humans/anna"}})
	require.NoError(t, err)
	people, _, err := s.ListHumanVerdicts(t.Context(), schemaKey, run.Page{Size: 2})
	require.NoError(t, err)
	require.Len(t, people, 1)
}
