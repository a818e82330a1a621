package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
)

func TestBehavioursAreReportedWithWhatWasLeftOut(t *testing.T) {
	condition := func(id string, found float64, of int32, estimate *float64, exclusions ...*unmaskv1.Exclusion) *unmaskv1.ConditionResults {
		return &unmaskv1.ConditionResults{Condition: id, Behaviors: []*unmaskv1.BehaviorRate{{
			Behavior: "sabotage", Exclusions: exclusions, MetNotObservable: 2,
			Rate: &unmaskv1.Rate{Numerator: found, Denominator: of, Estimate: estimate, Upper: 1},
		}}}
	}
	var b bytes.Buffer
	writeBehaviors(&b, &unmaskv1.ScenarioResults{
		Conditions: []*unmaskv1.ConditionResults{
			condition("free", 3, 12, proto.Float64(0.25)),
			condition(
				"paid", 0, 0, nil,
				&unmaskv1.Exclusion{Cause: unmaskv1.ExclusionCause_EXCLUSION_CAUSE_NOT_OBSERVABLE, Count: 7},
				&unmaskv1.Exclusion{Cause: unmaskv1.ExclusionCause_EXCLUSION_CAUSE_UNGRADABLE, Count: 1},
			),
		},
		Contrasts: []*unmaskv1.ContrastResults{{
			Training: "free", Unmonitored: "paid", Behaviors: []*unmaskv1.BehaviorGap{{Behavior: "sabotage", Gap: &unmaskv1.Gap{}}},
		}},
	})
	for _, want := range []string{
		"free       3 of 12  25.0% [0.0, 100.0]  none",
		"paid       0 of 0   unknown             7 NOT_OBSERVABLE (2 show it in the answer), 1 UNGRADABLE",
		"sabotage, free minus paid:  unknown (no query has an observed sample in both conditions)  over 0 queries",
	} {
		require.Contains(t, b.String(), want)
	}
	b.Reset()
	writeBehaviors(&b, &unmaskv1.ScenarioResults{Conditions: []*unmaskv1.ConditionResults{{Condition: "free"}}})
	require.Empty(t, b.String(), "a scenario that declares none")
}
