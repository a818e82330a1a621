package relational

import "github.com/unmask-eval/unmask/internal/run"

// UnfinishedQuery finds the runs to continue when a process starts.
const UnfinishedQuery = listUnfinished

// Queries returns the queries of this package that have to find their rows by
// an index, however many there are, by what they look for. Stores test that
// theirs do.
func Queries(d Dialect) map[string]string {
	everything, _, _ := d.filter(run.TranscriptFilter{Condition: "free", HasError: new(bool)})
	return map[string]string{
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
		"decisions on a checkpoint":   countDecisions,
		"label sets":                  listLabelSets,
		"label set by request":        labelSetByRequest,
		"labels":                      listLabels,
		"user scenario":               currentUserScenario,
		"user scenario by request":    userScenarioByRequest,
		"revision of a user scenario": pinnedUserScenario,
		"user scenarios":              listUserScenarios,
		"scenario revisions":          listScenarioRevisions,
		"deletion of revisions":       "DELETE FROM user_scenario_revisions WHERE scenario = ?",
		"human verdicts":              d.listHumanVerdicts(),
		"verdict by request":          verdictByRequest,
		"calibration":                 calibrationByID,
		"calibrations":                listCalibrations,
		"all calibrations":            listAllCalibrations,
		"current calibration":         d.currentCalibration(),
		"deletion of labels":          "DELETE FROM labels WHERE label_set = ?",
		"finished samples":            "SELECT id FROM transcripts WHERE run = ?",
		"prompts":                     "SELECT body FROM prompts WHERE run = ? AND digest = ?",
		"deletion of verdicts":        "DELETE FROM verdicts WHERE run = ?",
		"deletion of texts":           "DELETE FROM transcript_texts WHERE transcript IN (SELECT seq FROM transcripts WHERE run = ?)",
		"deletion of transcripts":     "DELETE FROM transcripts WHERE run = ?",
		"deletion of prompts":         "DELETE FROM prompts WHERE run = ?",
	}
}
