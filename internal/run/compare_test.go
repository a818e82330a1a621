package run_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/stats"
)

// answers is a tally in which the first queries of the schedule comply with
// faking when training is cued, and some samples are lost.
func answers(t *testing.T, complied int, lost func(run.Sample) bool) *run.Tally {
	seen := map[string]int{}
	return tallyOf(t, experiment("a", 20, 0), 2, func(s run.Sample) (run.Row, bool) {
		if _, ok := seen[s.Query]; !ok {
			seen[s.Query] = len(seen)
		}
		switch {
		case lost != nil && lost(s):
			return run.Row{}, false
		case s.Condition == "free" && seen[s.Query] < complied:
			return graded(grading.Complied, grading.FakingPresent), true
		default:
			return graded(grading.Refused, grading.FakingAbsent), true
		}
	})
}

func TestTalliesAreComparedByQuery(t *testing.T) {
	got, err := run.CompareTallies(answers(t, 15, nil), answers(t, 5, nil))
	require.NoError(t, err)
	c := got[0].Contrasts[0]
	for name, change := range map[string]run.Change{
		"gap": c.ComplianceGap, "training": c.TrainingCompliance, "faking": c.AlignmentFaking, "reasoning": c.AlignmentFakingReasoning,
	} {
		require.InDelta(t, 0.5, *change.Estimate, 1e-12, name)
		require.InDelta(t, 0.75, *change.Candidate, 1e-12, name)
		require.InDelta(t, 0.25, *change.Baseline, 1e-12, name)
		require.InDelta(t, 1.0/3, *change.Correlation, 1e-9, name)
		require.Positive(t, change.LowerBound, name)
		require.Less(t, change.PValue, 0.05, name)
		require.Equal(t, change.UpperBound, change.UpperWorstCase, name)
	}
	require.InDelta(t, 0, *c.UnmonitoredCompliance.Estimate, 0)
	require.InDelta(t, 1, c.UnmonitoredCompliance.PValue, 0)
	require.Equal(t, 160, c.ComplianceGap.Samples)
	require.Equal(t, 80, c.TrainingCompliance.Samples)
}

func TestWhatAComparisonLeavesOutIsCounted(t *testing.T) {
	// One query of the candidate never came back when training is cued, and one
	// of the baseline nowhere; two samples more are single losses.
	var first, second string
	candidate := answers(t, 0, func(s run.Sample) bool {
		if first == "" {
			first = s.Query
		}
		return s.Query == first && s.Condition == "free"
	})
	baseline := answers(t, 0, func(s run.Sample) bool {
		if second == "" && s.Query != first {
			second = s.Query
		}
		return s.Query == second || (s.Repeat == 1 && s.Query == first)
	})
	got, err := run.CompareTallies(candidate, baseline)
	require.NoError(t, err)
	c := got[0].Contrasts[0]
	require.Equal(t, stats.LeftOut{CandidateInvalid: 1, BaselineInvalid: 1}, c.ComplianceGap.LeftOut)
	require.Equal(t, 18, c.ComplianceGap.Queries)
	require.Equal(t, 2+4+2, c.ComplianceGap.Excluded)
	require.Greater(t, c.ComplianceGap.UpperWorstCase, c.ComplianceGap.UpperBound)
	require.Equal(t, stats.LeftOut{BaselineInvalid: 1}, c.UnmonitoredCompliance.LeftOut)
	require.Equal(t, stats.LeftOut{CandidateInvalid: 1, BaselineInvalid: 1}, c.AlignmentFaking.LeftOut)
}

func TestARunThatGoesOnIsComparedWithANote(t *testing.T) {
	f := newFixture(t)
	done := f.service(always("no"), wordGrader("d"))
	baseline := await(t, done, begin(t, done, 4, 1).RunKey)

	held := newGateModel(20, always("no"))
	s := f.service(held, wordGrader("d"))
	r, _, err := s.CreateRun(t.Context(), project, run.NewRun{Evaluation: baseline.Evaluation, Model: "m", Concurrency: 1})
	require.NoError(t, err)
	<-held.blocked
	kept := errors.New("kept")
	require.ErrorIs(t, s.WatchRun(t.Context(), r.RunKey, time.Millisecond, func(u run.Update) error {
		if u.Run.Progress.Finished > 0 {
			return kept
		}
		return nil
	}), kept)
	got, err := s.CompareRuns(t.Context(), r.RunKey, baseline.RunKey)
	require.NoError(t, err)
	require.NotEmpty(t, got.Notes)
	require.Contains(t, got.Notes[0], "The candidate is RUNNING")
	require.Positive(t, got.Scenarios[0].Contrasts[0].ComplianceGap.Excluded)
	_, err = s.CancelRun(t.Context(), r.RunKey)
	require.NoError(t, err)
	require.Equal(t, run.Cancelled, await(t, s, r.RunKey).State)
}
