package rpc

import (
	"strings"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/planning"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/series"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// enum translates between an enum of the API and the strings that the domain
// has in its place. Both have the same words: the API's names carry a prefix,
// and some of the domain's are in lower case. A test walks the constants of the
// domain and fails on one that the API has no name for.
type enum[D ~string, P ~int32] struct {
	prefix string
	values map[string]int32
	names  map[int32]string
	lower  bool
}

// proto returns the API's value, or 0, which every enum has as UNSPECIFIED, for
// a word that the API has no name for.
func (e enum[D, P]) proto(d D) P { return P(e.values[e.prefix+strings.ToUpper(string(d))]) }

// domain returns the domain's word, or "" for UNSPECIFIED.
func (e enum[D, P]) domain(p P) D {
	if p == 0 {
		return ""
	}
	word := strings.TrimPrefix(e.names[int32(p)], e.prefix)
	if e.lower {
		word = strings.ToLower(word)
	}
	return D(word)
}

var (
	conditionRoles     = enum[scenario.Role, unmaskv1.ConditionRole]{"CONDITION_ROLE_", unmaskv1.ConditionRole_value, unmaskv1.ConditionRole_name, true}
	scratchpadModes    = enum[scenario.ScratchpadMode, unmaskv1.ScratchpadMode]{"SCRATCHPAD_MODE_", unmaskv1.ScratchpadMode_value, unmaskv1.ScratchpadMode_name, true}
	complianceRules    = enum[grading.Rule, unmaskv1.ComplianceRule]{"COMPLIANCE_RULE_", unmaskv1.ComplianceRule_value, unmaskv1.ComplianceRule_name, true}
	chatRoles          = enum[string, unmaskv1.ChatRole]{"CHAT_ROLE_", unmaskv1.ChatRole_value, unmaskv1.ChatRole_name, true}
	runStates          = enum[run.State, unmaskv1.RunState]{"RUN_STATE_", unmaskv1.RunState_value, unmaskv1.RunState_name, false}
	headrooms          = enum[run.Headroom, unmaskv1.Headroom]{"HEADROOM_", unmaskv1.Headroom_value, unmaskv1.Headroom_name, false}
	exclusionCauses    = enum[string, unmaskv1.ExclusionCause]{"EXCLUSION_CAUSE_", unmaskv1.ExclusionCause_value, unmaskv1.ExclusionCause_name, false}
	observations       = enum[transcript.Observation, unmaskv1.Observation]{"OBSERVATION_", unmaskv1.Observation_value, unmaskv1.Observation_name, false}
	nativeKinds        = enum[transcript.NativeKind, unmaskv1.NativeKind]{"NATIVE_KIND_", unmaskv1.NativeKind_value, unmaskv1.NativeKind_name, true}
	finishReasons      = enum[transcript.FinishReason, unmaskv1.FinishReason]{"FINISH_REASON_", unmaskv1.FinishReason_value, unmaskv1.FinishReason_name, true}
	partKinds          = enum[transcript.PartKind, unmaskv1.PartKind]{"PART_KIND_", unmaskv1.PartKind_value, unmaskv1.PartKind_name, true}
	sampleErrors       = enum[model.ErrorClass, unmaskv1.SampleErrorClass]{"SAMPLE_ERROR_CLASS_", unmaskv1.SampleErrorClass_value, unmaskv1.SampleErrorClass_name, false}
	compliances        = enum[grading.Compliance, unmaskv1.Compliance]{"COMPLIANCE_", unmaskv1.Compliance_value, unmaskv1.Compliance_name, false}
	alignmentFakings   = enum[grading.Faking, unmaskv1.AlignmentFaking]{"ALIGNMENT_FAKING_", unmaskv1.AlignmentFaking_value, unmaskv1.AlignmentFaking_name, false}
	roles              = enum[calibration.Role, unmaskv1.ConditionRole]{"CONDITION_ROLE_", unmaskv1.ConditionRole_value, unmaskv1.ConditionRole_name, true}
	labelOrigins       = enum[calibration.Origin, unmaskv1.LabelOrigin]{"LABEL_ORIGIN_", unmaskv1.LabelOrigin_value, unmaskv1.LabelOrigin_name, true}
	samplingDesigns    = enum[calibration.Design, unmaskv1.SamplingDesign]{"SAMPLING_DESIGN_", unmaskv1.SamplingDesign_value, unmaskv1.SamplingDesign_name, false}
	calibrationClasses = enum[calibration.Class, unmaskv1.CalibrationClass]{"CALIBRATION_CLASS_", unmaskv1.CalibrationClass_value, unmaskv1.CalibrationClass_name, false}
	calibrationCauses  = enum[calibration.Cause, unmaskv1.CalibrationCause]{"CALIBRATION_CAUSE_", unmaskv1.CalibrationCause_value, unmaskv1.CalibrationCause_name, false}
	evidenceParts      = enum[grading.EvidencePart, unmaskv1.EvidencePart]{"EVIDENCE_PART_", unmaskv1.EvidencePart_value, unmaskv1.EvidencePart_name, true}
	metrics            = enum[gate.Metric, unmaskv1.Metric]{"METRIC_", unmaskv1.Metric_value, unmaskv1.Metric_name, true}
	outcomes           = enum[gate.Outcome, unmaskv1.Outcome]{"OUTCOME_", unmaskv1.Outcome_value, unmaskv1.Outcome_name, false}
	ruleReasons        = enum[gate.Reason, unmaskv1.RuleReason]{"RULE_REASON_", unmaskv1.RuleReason_value, unmaskv1.RuleReason_name, false}
	querySeverities    = enum[scenario.Severity, unmaskv1.QuerySeverity]{"QUERY_SEVERITY_", unmaskv1.QuerySeverity_value, unmaskv1.QuerySeverity_name, true}
	variantFactors     = enum[scenario.Factor, unmaskv1.VariantFactor]{"VARIANT_FACTOR_", unmaskv1.VariantFactor_value, unmaskv1.VariantFactor_name, true}
	forecastGoals      = enum[planning.Goal, unmaskv1.ForecastGoal]{"FORECAST_GOAL_", unmaskv1.ForecastGoal_value, unmaskv1.ForecastGoal_name, true}
	tokenBases         = enum[run.TokenBasis, unmaskv1.TokenBasis]{"TOKEN_BASIS_", unmaskv1.TokenBasis_value, unmaskv1.TokenBasis_name, false}
	seriesAxes         = enum[series.Axis, unmaskv1.SeriesAxis]{"SERIES_AXIS_", unmaskv1.SeriesAxis_value, unmaskv1.SeriesAxis_name, false}
	seriesMetrics      = enum[series.Metric, unmaskv1.SeriesMetric]{"SERIES_METRIC_", unmaskv1.SeriesMetric_value, unmaskv1.SeriesMetric_name, false}
	seriesCodes        = enum[series.Code, unmaskv1.SeriesFindingCode]{"SERIES_FINDING_CODE_", unmaskv1.SeriesFindingCode_value, unmaskv1.SeriesFindingCode_name, false}
	leftOutReasons     = enum[run.LeftOutReason, unmaskv1.LeftOutReason]{"LEFT_OUT_REASON_", unmaskv1.LeftOutReason_value, unmaskv1.LeftOutReason_name, false}
	graderKinds        = enum[grading.Kind, unmaskv1.GraderKind]{"GRADER_KIND_", unmaskv1.GraderKind_value, unmaskv1.GraderKind_name, true}
)
