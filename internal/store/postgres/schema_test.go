package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/postgres"
)

var key = run.RunKey{Project: "p", Evaluation: "e", Run: "r"}

// withRun keeps an evaluation with a run.
func withRun(t *testing.T, s *postgres.Store, key run.RunKey, state run.State) {
	t.Helper()
	_, err := s.CreateEvaluation(t.Context(), run.Evaluation{Project: key.Project, ID: key.Evaluation})
	require.NoError(t, err)
	_, err = s.CreateRun(t.Context(), run.Run{RunKey: key, State: state})
	require.NoError(t, err)
}

// sample is a finished one with every kind of row.
func sample(id string, index int) run.Finished {
	long := []model.Message{{Role: "system", Content: strings.Repeat("long ", 200)}}
	return run.Finished{
		Transcript: run.Transcript{RunKey: key, Sample: run.Sample{ID: id, Index: index}, Messages: long, Reply: model.Reply{Raw: "raw", Attempts: 1}},
		Verdict:    &run.Verdict{RunKey: key, Transcript: id, ID: "v"},
	}
}

// withSample returns a store that holds one sample, and its URL.
func withSample(t *testing.T) (*postgres.Store, string) {
	t.Helper()
	url := migrated(t)
	s := open(t, postgres.Config{URL: url})
	withRun(t, s, key, run.Succeeded)
	n, err := s.SaveFinished(t.Context(), key, []run.Finished{sample("s", 0)})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	return s, url
}

func tables(t *testing.T, url string) []string {
	t.Helper()
	rows, err := session(t, url).Query(t.Context(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'unmask_schema_versions'")
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, names)
	return names
}

func TestEveryTableHasAProject(t *testing.T) {
	url := migrated(t)
	for _, table := range tables(t, url) {
		require.EqualValues(t, 1, number(t, url, "SELECT count(*) FROM information_schema.columns WHERE table_name = $1 AND column_name = 'project' AND is_nullable = 'NO'", table), table)
	}
}

func TestTextsAreOrderedByTheirBytes(t *testing.T) {
	require.Zero(t, number(t, migrated(t), `SELECT count(*) FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name <> 'unmask_schema_versions' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'`))
}

func TestADeletedRunLeavesNoRow(t *testing.T) {
	s, url := withSample(t)
	for _, table := range []string{"runs", "transcripts", "transcript_texts", "prompts", "verdicts"} {
		require.EqualValues(t, 1, number(t, url, "SELECT count(*) FROM "+table), table)
	}
	require.NoError(t, s.DeleteRun(t.Context(), key))
	require.NoError(t, s.DeleteEvaluation(t.Context(), "p", "e"))
	for _, table := range tables(t, url) {
		require.Zero(t, number(t, url, "SELECT count(*) FROM "+table), table)
	}
}

func TestReferencesAreEnforced(t *testing.T) {
	_, url := withSample(t)
	for _, query := range []string{
		"DELETE FROM evaluations", "DELETE FROM runs", "DELETE FROM transcripts",
		`INSERT INTO prompts (project, run, digest, body) VALUES ('p', 99, '\x00', '\x00')`,
	} {
		_, err := session(t, url).Exec(t.Context(), query)
		require.ErrorContains(t, err, "foreign key", query)
	}
	require.EqualValues(t, 1, number(t, url, "SELECT count(*) FROM transcripts"))
}

// What is damaged or gone is an error, never an empty text.
func TestDamagedRowsAreErrors(t *testing.T) {
	for _, query := range []string{
		"DELETE FROM transcript_texts",
		"DELETE FROM prompts",
		`UPDATE transcript_texts SET body = ''`,
		`UPDATE transcript_texts SET body = '\x0001'`,
		`UPDATE transcript_texts SET body = '\x01ffff'`,
		`UPDATE prompts SET body = '\x07'`,
	} {
		t.Run(query, func(t *testing.T) {
			s, url := withSample(t)
			exec(t, url, query)
			_, err := s.GetTranscript(t.Context(), key, "s")
			require.Error(t, err)
			var absent *run.NotFoundError
			require.NotErrorAs(t, err, &absent)
			page := run.Page{Size: 1}
			_, _, err = s.ListTranscripts(t.Context(), key, run.TranscriptFilter{}, true, page)
			require.Error(t, err)
			_, _, err = s.ListTranscripts(t.Context(), key, run.TranscriptFilter{}, false, page)
			require.NoError(t, err, "lists do not need the texts")
		})
	}
}

// A document in text is not touched by how texts are kept.
func TestDocumentsAreReadableInTheDatabase(t *testing.T) {
	url := migrated(t)
	s := open(t, postgres.Config{URL: url})
	_, err := s.CreateEvaluation(context.Background(), run.Evaluation{Project: "p", ID: "e", DisplayName: "ü\x00\xff"})
	require.NoError(t, err)
	require.EqualValues(t, 1, number(t, url, "SELECT count(*) FROM evaluations WHERE plan::jsonb ? 'sampling' AND display_name LIKE 'ü%'"))
}
