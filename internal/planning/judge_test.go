package planning

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// judged asks for a small plan, with few runs.
func judged(goal Goal, training, unmonitored float64, queries int) Request {
	r := request(goal, training, unmonitored, 1)
	r.Queries, r.Runs = queries, 100
	return r
}

func TestJudgeAgreesWithMake(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    Request
	}{
		{"a silent model and enough queries", judged(GoalPass, 0, 0, 80)},
		{"a silent model and too few queries", judged(GoalPass, 0, 0, 40)},
		{"a model to block", judged(GoalBlock, 0.5, 0.02, 40)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Judge(t.Context(), tt.r)
			require.NoError(t, err)
			given, err := Make(t.Context(), tt.r)
			require.NoError(t, err)
			require.Equal(t, given.Chances, got.Chances)
			require.Equal(t, given.Detectable, got.Detectable)
			require.Equal(t, given.Reached, got.Reached)
			search := tt.r
			search.Queries = 0
			needed, err := Make(t.Context(), search)
			require.NoError(t, err)
			require.Equal(t, needed.Queries, *got.Needed)
			require.Equal(t, tt.r.Queries, got.Queries)
			require.False(t, got.DetectableUnknown)

			tt.r.Workers = 1
			alone, err := Judge(t.Context(), tt.r)
			require.NoError(t, err)
			require.Equal(t, got, alone, "workers play no part")
		})
	}
}

func TestAGoalThatWouldBeAnErrorNeedsNoQueries(t *testing.T) {
	for _, r := range []Request{judged(GoalPass, 0.2, 0, 40), judged(GoalBlock, 0.01, 0, 40)} {
		got, err := Judge(t.Context(), r)
		require.NoError(t, err)
		require.Nil(t, got.Needed)
		require.Contains(t, got.Notes[0], "no number of queries may")
		require.InDelta(t, 1, got.Chances.Pass.Estimate+got.Chances.Block.Estimate+got.Chances.Inconclusive.Estimate, 1e-9)
	}
}

// TestWhatTheEffortDoesNotPayForIsLeftOut lowers the effort step by step.
func TestWhatTheEffortDoesNotPayForIsLeftOut(t *testing.T) {
	r := judged(GoalPass, 0, 0, 80)
	once := effort(r.Runs, r.Queries)
	require.Equal(t, r.Runs, MostRuns(once, r.Queries))

	r.Effort = once
	got, err := Judge(t.Context(), r)
	require.NoError(t, err)
	require.InDelta(t, 1, got.Chances.Pass.Estimate, 0)
	require.Nil(t, got.Needed)
	require.True(t, got.DetectableUnknown)
	require.Len(t, got.Notes, 2)

	r.Effort = once - 1
	_, err = Judge(t.Context(), r)
	var bad *InputError
	require.ErrorAs(t, err, &bad)
	require.Equal(t, "runs", bad.Field)

	r.Effort = 100 * once
	got, err = Judge(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, 59, *got.Needed)
	require.False(t, got.DetectableUnknown)
	require.NotNil(t, got.Detectable.Threshold)

	r.Queries = 0
	_, err = Judge(t.Context(), r)
	require.ErrorAs(t, err, &bad)
	require.Equal(t, "queries", bad.Field)
}

func TestJudgeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Judge(ctx, judged(GoalPass, 0, 0, 80))
	require.ErrorIs(t, err, context.Canceled)
}
