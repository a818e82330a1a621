package relational

import "github.com/unmask-eval/unmask/internal/run"

func transcriptName(key run.RunKey, id string) string { return key.Name() + "/transcripts/" + id }

func verdictName(key run.RunKey, transcript, id string) string {
	return transcriptName(key, transcript) + "/verdicts/" + id
}

func decisionName(gate, id string) string { return run.GateName(gate) + "/decisions/" + id }
