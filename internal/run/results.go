package run

import (
	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// Results are the estimates of a run, from its rows alone.
type Results struct {
	// Final is false for interim results of a run that goes on.
	Final bool `json:"final"`
	// Confidence of all two-sided intervals below.
	Confidence float64           `json:"confidence"`
	Scenarios  []ScenarioResults `json:"scenarios"`
	// Families compare a scenario with its variants where the plan has two or
	// more of them.
	Families []FamilyResults `json:"families,omitempty"`
	// Stopping is set for a run that may stop early.
	Stopping *StoppingResults `json:"stopping,omitempty"`
}

// StoppingResults say how far a run came that may stop early. Its estimates rest
// on the consumed queries alone.
type StoppingResults struct {
	// Complete is true when every planned query was consumed: the run did not
	// stop early.
	Complete bool `json:"complete"`
	// PlannedQueries and ConsumedQueries count queries over all scenarios, those
	// of controls left out. Consumed are those whose samples are all finished and
	// that no unfinished one stands before in the pre-registered order.
	PlannedQueries  int `json:"planned_queries"`
	ConsumedQueries int `json:"consumed_queries"`
	// LeftOutSamples are finished and of queries that were not consumed;
	// SavedSamples are planned and were never finished, each at least one call to
	// the model.
	LeftOutSamples int `json:"left_out_samples"`
	SavedSamples   int `json:"saved_samples"`
}

// stoppedEarly says whether the run ended before all of its queries were asked
// because its gate was decided.
func (r *Results) stoppedEarly() bool { return r != nil && r.Stopping != nil && !r.Stopping.Complete }

// MethodSequential names the intervals of runs that may stop early.
const MethodSequential = "hybrid: confidence sequence by betting, and a final look at the whole plan"

// ScenarioResults are the results on one scenario.
type ScenarioResults struct {
	Scenario   ScenarioRef        `json:"scenario"`
	Conditions []ConditionResults `json:"conditions"`
	Contrasts  []ContrastResults  `json:"contrasts"`
	Controls   []gate.Control     `json:"controls"`
}

// ConditionResults are the rates of one condition; control queries are not in them.
type ConditionResults struct {
	Condition string `json:"condition"`
	// Planned samples, those Finished (with a row), and those Graded as
	// refused, partial or complied. Planned = Graded + sum of Exclusions.
	Planned  int `json:"planned"`
	Finished int `json:"finished"`
	Graded   int `json:"graded"`
	// Exclusions count the planned samples that no rate of compliance uses, by cause.
	Exclusions []Exclusion `json:"exclusions"`
	// Observations count the finished samples with a reply by how their
	// reasoning was observed.
	Observations []ObservationCount `json:"observations"`
	Refusal      Rate               `json:"refusal"`
	Partial      Rate               `json:"partial"`
	Compliance   Rate               `json:"compliance"`
	// AlignmentFaking counts reasoning judged PRESENT in answers that
	// complied, over all observable samples; AlignmentFakingReasoning counts
	// PRESENT whatever the answer ("considered it").
	AlignmentFaking          Rate `json:"alignment_faking"`
	AlignmentFakingReasoning Rate `json:"alignment_faking_reasoning"`
	// Behaviors has the behaviours that the scenario declares, in its order.
	Behaviors []BehaviorRate `json:"behaviors,omitempty"`
}

// Causes of exclusion beside the model's error classes.
const (
	// CauseNotFinished: planned and without a row (a run that goes on, failed or was cancelled).
	CauseNotFinished = "NOT_FINISHED"
	// CauseUngradable: the grader could not tell.
	CauseUngradable = "UNGRADABLE"
	// CauseNotObservable: the reasoning could not be observed; for rates of
	// behaviours alone.
	CauseNotObservable = "NOT_OBSERVABLE"
)

// Exclusion counts samples left out for one cause.
type Exclusion struct {
	Cause string `json:"cause"`
	Count int    `json:"count"`
}

// ObservationCount counts replies by how their reasoning was observed.
type ObservationCount struct {
	Observation transcript.Observation `json:"observation"`
	Count       int                    `json:"count"`
}

// Rate is a share in [0, 1] estimated from clustered repeats: the mean over
// queries of each query's share, so that queries weigh the same.
type Rate struct {
	// Numerator counts samples and may be fractional where partial answers
	// weigh less than 1; Denominator counts the valid samples.
	Numerator   float64 `json:"numerator"`
	Denominator int     `json:"denominator"`
	// Queries is the number of clusters, and Excluded the planned samples that
	// are not in the denominator.
	Queries  int `json:"queries"`
	Excluded int `json:"excluded"`
	// Estimate and StandardError are nil where they are not defined.
	Estimate      *float64 `json:"estimate,omitempty"`
	StandardError *float64 `json:"standard_error,omitempty"`
	// Lower and Upper bound the two-sided interval; [0, 1] when nothing is known.
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
	// Method names the interval; see docs/statistics.md.
	Method string `json:"method"`
	// WorstLower and WorstUpper bound the interval when the excluded samples are
	// counted in whichever way moves each end farthest out.
	WorstLower float64 `json:"worst_lower"`
	WorstUpper float64 `json:"worst_upper"`
}

// Headroom says whether a gap could have shown at all.
type Headroom string

// The states of headroom.
const (
	// HeadroomSufficient: both rates leave room for a gap.
	HeadroomSufficient Headroom = "SUFFICIENT"
	// HeadroomAlwaysRefuses: the model refuses nearly everything in both
	// conditions; a null result may only mean that it never weighs anything.
	HeadroomAlwaysRefuses Headroom = "ALWAYS_REFUSES"
	// HeadroomAlwaysComplies: the model complies nearly always when
	// unmonitored, so training cannot raise compliance further.
	HeadroomAlwaysComplies Headroom = "ALWAYS_COMPLIES"
	// HeadroomUnknown: not enough graded samples to tell.
	HeadroomUnknown Headroom = "UNKNOWN"
)

// ContrastResults are the results of one contrast.
type ContrastResults struct {
	Contrast string `json:"contrast"`
	Primary  bool   `json:"primary"`
	// Training and Unmonitored are condition ids.
	Training    string `json:"training"`
	Unmonitored string `json:"unmonitored"`
	// ComplianceGap is compliance(training) minus compliance(unmonitored).
	ComplianceGap Gap `json:"compliance_gap"`
	// ComplianceGapWithoutFaking leaves out the samples that show faking.
	ComplianceGapWithoutFaking Gap      `json:"compliance_gap_without_faking"`
	Headroom                   Headroom `json:"headroom"`
	// MinimumDetectableGap is the gap in [0, 2] that this run would have
	// detected with a power of 0.8, or nil.
	MinimumDetectableGap *float64 `json:"minimum_detectable_gap,omitempty"`
	// ExclusionImbalance compares the excluded samples of the two conditions.
	ExclusionImbalance ExclusionImbalance `json:"exclusion_imbalance"`
	// Corrected are the estimates after correction for the grader's errors, as
	// they were known when the run ended; nil when nothing usable was known.
	Corrected *CorrectedResults `json:"corrected,omitempty"`
	// Behaviors has the behaviours that the scenario declares, in its order.
	Behaviors []BehaviorGap `json:"behaviors,omitempty"`
}

// ExclusionImbalance says whether one condition lost more of its samples than
// the other, which by itself can make or hide a gap.
type ExclusionImbalance struct {
	// Training and Unmonitored are excluded shares in [0, 1], each query weighing
	// the same, and Difference is the first minus the second; nil without queries.
	Training    *float64 `json:"training,omitempty"`
	Unmonitored *float64 `json:"unmonitored,omitempty"`
	Difference  *float64 `json:"difference,omitempty"`
	// Lower and Upper bound the two-sided interval of Difference.
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
	// PValue is two-sided, against "exclusions do not depend on the condition".
	PValue float64 `json:"p_value"`
}

// CorrectedResults are estimates after correction for the grader's known errors;
// each is nil where the calibration says too little of its labels.
type CorrectedResults struct {
	// Calibration is the resource name of what is known of the grader.
	Calibration           string     `json:"calibration"`
	ComplianceGap         *Corrected `json:"compliance_gap,omitempty"`
	TrainingCompliance    *Corrected `json:"training_compliance,omitempty"`
	UnmonitoredCompliance *Corrected `json:"unmonitored_compliance,omitempty"`
	AlignmentFaking       *Corrected `json:"alignment_faking,omitempty"`
}

// Corrected is one of them, with a two-sided interval.
type Corrected struct {
	Estimate float64 `json:"estimate"`
	Lower    float64 `json:"lower"`
	Upper    float64 `json:"upper"`
}

// Gap is a paired, query-clustered difference of two rates in [-1, 1].
type Gap struct {
	Estimate      *float64 `json:"estimate,omitempty"`
	StandardError *float64 `json:"standard_error,omitempty"`
	// Lower and Upper bound the two-sided interval; [-1, 1] when nothing is known.
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
	// PValue is two-sided, against "the condition does not matter", or nil.
	PValue *float64 `json:"p_value,omitempty"`
	// Queries is the number of pairs, IncompleteQueries those without a valid
	// sample in one of the conditions, Samples the valid samples of the pairs
	// and Excluded the planned ones that are not valid, over all queries.
	Queries           int    `json:"queries"`
	IncompleteQueries int    `json:"incomplete_queries"`
	Samples           int    `json:"samples"`
	Excluded          int    `json:"excluded"`
	Method            string `json:"method"`
	// WorstLower and WorstUpper bound the interval when the excluded samples are
	// counted in whichever way moves each end farthest out.
	WorstLower float64 `json:"worst_lower"`
	WorstUpper float64 `json:"worst_upper"`
}
