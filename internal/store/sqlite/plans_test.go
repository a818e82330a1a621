package sqlite

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
)

// Every list and every lookup finds its rows by an index and reads them in
// order, however many there are.
func TestQueriesUseTheirIndexes(t *testing.T) {
	s := openForTest(t, Config{})
	everything, _, _ := filter(run.TranscriptFilter{Condition: "free", HasError: new(bool)})
	for name, query := range map[string]string{
		"evaluations":                 listEvaluations,
		"evaluation":                  selectEvaluation + "id = ?",
		"evaluation by request":       evaluationByRequest,
		"runs":                        listRuns,
		"all runs":                    listAllRuns,
		"run by request":              runByRequest,
		"rows":                        selectRows,
		"transcripts":                 selectBasic + pageOfTranscripts,
		"transcripts with filter":     selectBasic + everything + pageOfTranscripts,
		"transcripts in full":         selectFull + pageOfTranscripts,
		"transcript":                  selectFull + " AND t.id = ?",
		"verdicts":                    listVerdicts,
		"verdict":                     verdictOf,
		"gate by request":             gateByRequest,
		"gates":                       listGates,
		"decisions":                   listDecisions,
		"all decisions":               listAllDecisions,
		"all decisions of a run":      listAllDecisionOfRun,
		"earlier decisions":           earlierDecisions,
		"label sets":                  listLabelSets,
		"label set by request":        labelSetByRequest,
		"labels":                      listLabels,
		"user scenario":               currentUserScenario,
		"user scenario by request":    userScenarioByRequest,
		"revision of a user scenario": pinnedUserScenario,
		"user scenarios":              listUserScenarios,
		"scenario revisions":          listScenarioRevisions,
		"deletion of revisions":       "DELETE FROM user_scenario_revisions WHERE scenario = ?",
		"human verdicts":              listHumanVerdicts,
		"verdict by request":          verdictByRequest,
		"calibration":                 calibrationByID,
		"calibrations":                listCalibrations,
		"all calibrations":            listAllCalibrations,
		"current calibration":         currentCalibration,
		"deletion of labels":          "DELETE FROM labels WHERE label_set = ?",
		"finished samples":            "SELECT id FROM transcripts WHERE run = ?",
		"prompts":                     "SELECT body FROM prompts WHERE run = ? AND digest = ?",
		"deletion of verdicts":        "DELETE FROM verdicts WHERE run = ?",
		"deletion of texts":           "DELETE FROM transcript_texts WHERE transcript IN (SELECT seq FROM transcripts WHERE run = ?)",
		"deletion of transcripts":     "DELETE FROM transcripts WHERE run = ?",
		"deletion of prompts":         "DELETE FROM prompts WHERE run = ?",
	} {
		t.Run(name, func(t *testing.T) {
			plan := explain(t, s, query)
			require.NotContains(t, plan, "SCAN ")
			require.NotContains(t, plan, "TEMP B-TREE")
		})
	}
}

func TestUnfinishedRunsAreFoundWithoutReadingTheFinished(t *testing.T) {
	plan := explain(t, openForTest(t, Config{}), listUnfinished)
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
		plan, err = collect(r, func(row scanner) (detail string, err error) {
			var id, parent, unused int
			err = row.Scan(&id, &parent, &unused, &detail)
			return detail, err
		}, "EXPLAIN QUERY PLAN "+query, args...)
		return err
	}))
	require.NotEmpty(t, plan)
	return fmt.Sprint(strings.Join(plan, "\n"))
}
