package sqlite

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/relational"
)

var schemaKey = run.RunKey{Project: "p", Evaluation: "e", Run: "r"}

// withSample opens a store that holds one sample with every kind of row.
func withSample(t *testing.T) *Store {
	t.Helper()
	s := openForTest(t, Config{})
	_, err := s.CreateEvaluation(t.Context(), run.Evaluation{Project: "p", ID: "e"})
	require.NoError(t, err)
	_, err = s.CreateRun(t.Context(), run.Run{RunKey: schemaKey, State: run.Succeeded})
	require.NoError(t, err)
	long := []model.Message{{Role: "system", Content: strings.Repeat("long ", 200)}}
	f := run.Finished{
		Transcript: run.Transcript{RunKey: schemaKey, Sample: run.Sample{ID: "s"}, Messages: long, Reply: model.Reply{Raw: "raw"}},
		Verdict:    &run.Verdict{RunKey: schemaKey, Transcript: "s", ID: "v"},
	}
	n, err := s.SaveFinished(t.Context(), schemaKey, []run.Finished{f})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	return s
}

func tables(t *testing.T, s *Store) []string {
	t.Helper()
	var names []string
	require.NoError(t, s.read(t.Context(), "tables", func(r reader) (err error) {
		names, err = relational.Collect(r, func(row relational.Scanner) (name string, err error) {
			err = row.Scan(&name)
			return name, err
		}, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%'")
		return err
	}))
	require.NotEmpty(t, names)
	return names
}

func number(t *testing.T, s *Store, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, s.read(t.Context(), "number", func(r reader) error { return r.Row(query, args...).Scan(&n) }))
	return n
}

func TestEveryTableHasAProject(t *testing.T) {
	s := openForTest(t, Config{})
	for _, table := range tables(t, s) {
		have := number(t, s, `SELECT count(*) FROM pragma_table_info(?) WHERE name = 'project' AND "notnull"`, table)
		require.Equal(t, 1, have, table)
	}
}

func TestADeletedRunLeavesNoRow(t *testing.T) {
	s := withSample(t)
	for _, table := range []string{"runs", "transcripts", "transcript_texts", "prompts", "verdicts"} {
		require.Equal(t, 1, number(t, s, "SELECT count(*) FROM "+table), table)
	}
	require.NoError(t, s.DeleteRun(t.Context(), schemaKey))
	require.NoError(t, s.DeleteEvaluation(t.Context(), "p", "e"))
	for _, table := range tables(t, s) {
		require.Zero(t, number(t, s, "SELECT count(*) FROM "+table), table)
	}
}

func TestReferencesAreEnforced(t *testing.T) {
	s := withSample(t)
	for _, query := range []string{
		"DELETE FROM evaluations", "DELETE FROM runs", "DELETE FROM transcripts",
		"INSERT INTO prompts (project, run, digest, body) VALUES ('p', 99, x'00', x'00')",
	} {
		err := s.write(t.Context(), "break a reference", 1, func(tx *writeTx) error { return tx.Run(query) })
		require.ErrorContains(t, err, "FOREIGN KEY", query)
	}
	require.Equal(t, 1, number(t, s, "SELECT count(*) FROM transcripts"))
}

func TestReadersCannotWrite(t *testing.T) {
	s := withSample(t)
	_, err := s.readDB.ExecContext(t.Context(), "DELETE FROM verdicts")
	require.ErrorContains(t, err, "readonly")
}

// What is damaged or gone is an error, never an empty text.
func TestDamagedRowsAreErrors(t *testing.T) {
	for _, query := range []string{
		"DELETE FROM transcript_texts",
		"DELETE FROM prompts",
		"UPDATE transcript_texts SET body = x''",
		"UPDATE transcript_texts SET body = x'0001'",
		"UPDATE transcript_texts SET body = x'01ffff'",
		"UPDATE prompts SET body = x'07'",
	} {
		t.Run(query, func(t *testing.T) {
			s := withSample(t)
			require.NoError(t, s.write(t.Context(), "damage", 1, func(tx *writeTx) error { return tx.Run(query) }))
			_, err := s.GetTranscript(t.Context(), schemaKey, "s")
			require.Error(t, err)
			var absent *run.NotFoundError
			require.NotErrorAs(t, err, &absent)
			page := run.Page{Size: 1}
			_, _, err = s.ListTranscripts(t.Context(), schemaKey, run.TranscriptFilter{}, true, page)
			require.Error(t, err)
			_, _, err = s.ListTranscripts(t.Context(), schemaKey, run.TranscriptFilter{}, false, page)
			require.NoError(t, err, "lists do not need the texts")
		})
	}
	s := withSample(t)
	damage := func(tx *writeTx) error { return tx.Run("UPDATE verdicts SET body = x'007b'") }
	require.NoError(t, s.write(t.Context(), "damage", 1, damage))
	_, err := s.GetVerdict(t.Context(), schemaKey, "s", "v")
	require.Error(t, err)
}
