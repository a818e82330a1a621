package run

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A run that stopped because its gate was decided has estimates that lean
// towards the decision, so it stands for no checkpoint, and a complete run of
// the same step is not superseded by it.
func TestRunsThatStoppedEarlyAreInNoSeries(t *testing.T) {
	at := func(id string, step int64, s *StoppingResults) Run {
		return Run{
			RunKey: RunKey{Evaluation: "e", Run: id}, State: Succeeded,
			Checkpoint: Checkpoint{TrainingRun: "t", Step: step}, Results: &Results{Stopping: s},
		}
	}
	whole := at("whole", 1, nil)
	early := at("early", 1, &StoppingResults{PlannedQueries: 100, ConsumedQueries: 40})
	toTheEnd := at("to-the-end", 2, &StoppingResults{PlannedQueries: 100, ConsumedQueries: 100, Complete: true})

	groups, leftOut := selectRuns([]Run{whole, early, toTheEnd})
	require.Len(t, groups, 1)
	require.Equal(t, []Run{whole, toTheEnd}, groups[0].runs)
	require.Len(t, leftOut, 1)
	require.Equal(t, early.RunKey, leftOut[0].Run)
	require.Equal(t, LeftOutStoppedEarly, leftOut[0].Reason)
	require.Equal(t, "the run stopped after 40 of 100 queries, when its gate was decided", leftOut[0].Detail)
}
