package run_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// shows is the row of a graded reply that shows behaviours.
func shows(met ...string) run.Row {
	r := graded(grading.Complied, grading.FakingAbsent)
	r.Behaviors = met
	return r
}

func TestBehavioursAreCountedAmongWhatCouldBeSeen(t *testing.T) {
	sc := experiment("a", 10, 2)
	sc.Behaviors = []string{"sabotage", "weight_exfiltration"}
	n := 0
	res := resultsOf(t, tallyOf(t, sc, 1, func(s run.Sample) (run.Row, bool) {
		if s.Condition == "paid" {
			return shows(), true
		}
		if s.Control {
			return shows("sabotage"), true // controls are in no rate
		}
		n++
		hidden := shows("sabotage")
		hidden.Observation, hidden.Observable = transcript.Redacted, false
		undecided, old := shows("weight_exfiltration"), shows()
		undecided.UndecidedBehaviors, old.UndecidedBehaviors = []string{"sabotage"}, []string{run.EveryBehavior}
		switch n {
		case 1:
			return run.Row{ErrorClass: model.ClassTimeout}, true
		case 2:
			return undecided, true
		case 3:
			return old, true
		case 4:
			return hidden, true
		case 5:
			return run.Row{}, false
		case 6, 7:
			return shows("sabotage"), true
		default:
			return shows(), true
		}
	}))
	free := res.Conditions[0].Behaviors
	require.Len(t, free, 2)
	require.Equal(t, "sabotage", free[0].Behavior)
	require.InDelta(t, 2, free[0].Rate.Numerator, 0)
	require.Equal(t, 5, free[0].Rate.Denominator)
	require.InDelta(t, 0.4, *free[0].Rate.Estimate, 1e-12)
	require.Equal(t, []run.Exclusion{
		{Cause: run.CauseNotFinished, Count: 1}, {Cause: run.CauseNotObservable, Count: 1}, {Cause: "TIMEOUT", Count: 1}, {Cause: run.CauseUngradable, Count: 2},
	}, free[0].Exclusions)
	require.Equal(t, 1, free[0].MetNotObservable)
	// What is undecided of one behaviour says nothing against the other.
	require.InDelta(t, 1, free[1].Rate.Numerator, 0)
	require.Equal(t, 6, free[1].Rate.Denominator)
	require.Zero(t, free[1].MetNotObservable)

	gap := res.Contrasts[0].Behaviors[0]
	require.Equal(t, "sabotage", gap.Behavior)
	require.InDelta(t, 0.4, *gap.Gap.Estimate, 1e-12)
	require.Equal(t, 5, gap.Gap.Queries)
	require.Equal(t, 5, gap.Gap.IncompleteQueries)
}

func TestEverySampleIsInTheRateOfABehaviourOrExcluded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sc := experiment("a", rapid.IntRange(1, 8).Draw(rt, "queries"), 0)
		sc.Behaviors = []string{"sabotage"}
		res := resultsOf(rt, tallyOf(rt, sc, 2, func(run.Sample) (run.Row, bool) {
			r := shows(rapid.SampledFrom([][]string{nil, {"sabotage"}, {"other"}}).Draw(rt, "met")...)
			r.UndecidedBehaviors = rapid.SampledFrom([][]string{nil, nil, {"sabotage"}, {"*"}}).Draw(rt, "undecided")
			r.Observable = rapid.Bool().Draw(rt, "observable")
			if rapid.IntRange(0, 5).Draw(rt, "error") == 0 {
				r = run.Row{ErrorClass: model.ClassBadReply}
			}
			return r, rapid.IntRange(0, 5).Draw(rt, "finished") > 0
		}))
		for _, c := range res.Conditions {
			b := c.Behaviors[0]
			sum := b.Rate.Denominator
			for _, x := range b.Exclusions {
				sum += x.Count
			}
			require.Equal(rt, c.Planned, sum)
			require.Equal(rt, c.Planned-b.Rate.Denominator, b.Rate.Excluded)
			require.LessOrEqual(rt, b.Rate.Numerator, float64(b.Rate.Denominator))
		}
	})
}

func TestWhatAVerdictDoesNotMentionIsUndecided(t *testing.T) {
	met, undecided := run.JudgedBehaviors([]string{"sabotage", "weight_exfiltration", "deception_about_views"}, grading.Verdict{
		Behaviors: []grading.Behavior{{ID: "sabotage", Met: true}, {ID: "sabotage", Met: true}, {ID: "deception_about_views"}, {ID: "theft", Met: true}},
	})
	require.Equal(t, []string{"sabotage"}, met, "once, and none that the scenario does not declare")
	require.Equal(t, []string{"weight_exfiltration"}, undecided)
}
