package validate

import (
	"errors"
	"regexp"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/rpc/filter"
	"github.com/unmask-eval/unmask/internal/rpc/page"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// Bounds of what a request may hold.
const (
	// MaxDisplayName is the length of a display name in characters.
	MaxDisplayName = 200
	// MaxReplyBytes is the size of each text of a transcript to grade.
	MaxReplyBytes = 4 << 20
	// MaxPromptBytes is the size of the user's request in it.
	MaxPromptBytes = 1 << 20
	// MaxNotesBytes is the size of a person's rationale or notes.
	MaxNotesBytes = 16 << 10
	// MinWatchInterval and MaxWatchInterval bound the pace of WatchRun and WatchDecision.
	MinWatchInterval = 100 * time.Millisecond
	MaxWatchInterval = time.Minute
)

// Checks that several messages share.
var (
	evaluationName   = name("evaluations/{evaluation}", ok1(resource.Evaluation))
	evaluationParent = name("evaluations/{evaluation} or evaluations/-", ok1(resource.Evaluations))
	runName          = name("evaluations/{evaluation}/runs/{run}", func(s string) bool { _, ok := resource.Run(s); return ok })
	transcriptName   = name("evaluations/{evaluation}/runs/{run}/transcripts/{transcript}", func(s string) bool { _, _, ok := resource.Transcript(s); return ok })
	transcriptParent = name("evaluations/{evaluation}/runs/{run}/transcripts/{transcript}, where {transcript} may be -", func(s string) bool { _, _, ok := resource.Transcripts(s); return ok })
	verdictName      = name("evaluations/{evaluation}/runs/{run}/transcripts/{transcript}/verdicts/{verdict}", func(s string) bool { _, _, _, ok := resource.Verdict(s); return ok })
	gateName         = name("gates/{gate}", ok1(resource.Gate))
	gateParent       = name("gates/{gate} or gates/-", ok1(resource.Gates))
	decisionName     = name("gates/{gate}/decisions/{decision}, where {gate} may be -", func(s string) bool { _, _, ok := resource.Decision(s); return ok })
	graderParent     = name("graders/{grader} or graders/-", ok1(resource.Graders))
	calibrationName  = name("graders/{grader}/calibrations/{calibration}", func(s string) bool { _, _, ok := resource.Calibration(s); return ok })
	labelSetName     = name("labelSets/{label_set}", ok1(resource.LabelSet))
	humanName        = name("humans/{human}, where {human} is 1 to 63 lower-case letters, digits and hyphens", ok1(resource.Human))
	graderName       = name("graders/{grader}", ok1(resource.Grader))
	modelName        = name("models/{model}", ok1(resource.Model))
	scenarioRef      = name("scenarios/{scenario} or scenarios/{scenario}@{revision}", ok1(resource.Scenario))
	scenarioRefs     = name("scenarios/{scenario}, scenarios/{scenario}@{revision} or scenarios/{scenario}--*", ok1(resource.Scenarios))
	scenarioName     = name("scenarios/{scenario}", ok1(resource.ScenarioID))

	id        = pattern("1 to 63 lower-case letters, digits and hyphens with no hyphen at either end", resource.ValidID)
	requestID = pattern("1 to 64 letters, digits, dots, hyphens and underscores", matches(`^[A-Za-z0-9._-]{1,64}$`))
	tagName   = pattern("1 to 63 letters, digits, hyphens and underscores with a letter first", matches(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`))
	behavior  = pattern("1 to 63 lower-case letters, digits and underscores with a letter first", matches(`^[a-z][a-z0-9_]{0,62}$`))
	labelKey  = pattern("1 to 63 letters, digits, dots, hyphens, underscores and slashes", matches(`^[A-Za-z0-9._/-]{1,63}$`))
	ruleID    = pattern("1 to 64 letters, digits, dots, hyphens and underscores with a letter or digit first", matches(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`))
	sha256Hex = pattern(`"sha256:" and 64 lower-case hexadecimal digits`, matches(`^sha256:[0-9a-f]{64}$`))

	confidence = number("[0.5, 0.9999]", func(v float64) bool { return v >= 0.5 && v <= 0.9999 })
	between    = number("(-1, 1)", func(v float64) bool { return v > -1 && v < 1 })
	amount     = number("[0, 1e9]", func(v float64) bool { return v >= 0 && v <= run.MaxTokensAndPrices })
	share      = number("[0, 1]", func(v float64) bool { return v >= 0 && v <= 1 })

	// Larger sizes are cut to the largest page, as google.aip.dev/158 asks.
	pageSize  = optional(atLeast(0))
	pageToken = optional(text(page.MaxTokenBytes))
)

func matches(pattern string) func(string) bool { return regexp.MustCompile(pattern).MatchString }

func ok1(read func(string) (string, bool)) func(string) bool {
	return func(s string) bool { _, ok := read(s); return ok }
}

type table map[protoreflect.Name]rule

// tables hold the rules of every message that a request may hold.
var tables = map[protoreflect.FullName]table{
	"unmask.v1.CreateScenarioRequest":        {"scenario": needed, "request_id": optional(requestID)},
	"unmask.v1.UpdateScenarioRequest":        {"scenario": needed},
	"unmask.v1.DeleteScenarioRequest":        {"name": required(scenarioName)},
	"unmask.v1.ListScenarioRevisionsRequest": {"name": required(scenarioName), "page_size": pageSize, "page_token": pageToken},
	"unmask.v1.Scenario": {
		"document": required(text(scenario.MaxBytes)),
		// Read from the document; an update demands the name below.
		"name": outputOnly, "revision": outputOnly, "title": outputOnly, "description": outputOnly, "builtin": outputOnly,
		"scratchpad": known, "tags": outputOnly, "compliance_rule": known, "partial_weight": outputOnly, "behaviors": outputOnly,
		"conditions": outputOnly, "contrasts": outputOnly, "query_count": outputOnly, "control_query_count": outputOnly,
		"queries": outputOnly, "system_template": outputOnly, "user_template": outputOnly, "references": outputOnly,
		"create_time": outputOnly, "update_time": outputOnly, "variants": outputOnly, "base": outputOnly, "factor": known,
		"sampling": outputOnly,
	},
	"unmask.v1.GetScenarioRequest":      {"name": required(scenarioRef), "view": known},
	"unmask.v1.ListScenariosRequest":    {"page_size": pageSize, "page_token": pageToken, "view": known},
	"unmask.v1.RenderScenarioRequest":   {"name": required(scenarioRef), "query": optional(id), "conditions": list(0, scenario.MaxConditions, id)},
	"unmask.v1.ValidateScenarioRequest": {"document": required(text(scenario.MaxBytes))},

	"unmask.v1.CreateEvaluationRequest": {"evaluation": needed, "evaluation_id": optional(id), "request_id": optional(requestID)},
	"unmask.v1.GetEvaluationRequest":    {"name": required(evaluationName)},
	"unmask.v1.ListEvaluationsRequest":  {"page_size": pageSize, "page_token": pageToken},
	"unmask.v1.DeleteEvaluationRequest": {"name": required(evaluationName)},
	"unmask.v1.Evaluation": {
		"name": outputOnly, "display_name": optional(line(MaxDisplayName)), "plan": needed,
		"plan_digest": outputOnly, "create_time": outputOnly,
	},
	"unmask.v1.Plan": {
		"scenarios":         list(1, run.MaxScenarios, scenarioRefs),
		"samples_per_query": optional(whole(1, run.MaxSamplesPerQuery)),
		"max_queries":       optional(atLeast(0)),
		"sampling":          nested,
		"seed":              anything,
		"grader":            optional(graderName),
		"grader_digest":     outputOnly,
		"confidence":        optional(confidence),
		"stopping":          nested,
	},
	"unmask.v1.Stopping": {"rule": chosen, "policy": nested},
	"unmask.v1.Sampling": {
		"temperature": optional(number("[0, 2]", func(v float64) bool { return v >= 0 && v <= 2 })),
		"top_p":       optional(number("(0, 1]", func(v float64) bool { return v > 0 && v <= 1 })),
		"max_tokens":  optional(atLeast(1)),
		"stop":        list(0, scenario.MaxStop, someText(scenario.MaxStopBytes)),
	},

	"unmask.v1.CreateRunRequest": {
		"parent": required(evaluationName), "run": needed, "run_id": optional(id),
		"request_id": optional(requestID), "validate_only": anything, "forecast": nested,
	},
	"unmask.v1.ForecastOptions": {
		"policy": nested, "gate": optional(gateName), "goal": known,
		"training": optional(share), "unmonitored": optional(share), "faking": optional(share),
		"icc":          optional(number("[0, 0.95]", func(v float64) bool { return v >= 0 && v <= 0.95 })),
		"correlation":  optional(number("[-1, 1]", func(v float64) bool { return v >= -1 && v <= 1 })),
		"excluded":     optional(number("[0, 0.5]", func(v float64) bool { return v >= 0 && v <= 0.5 })),
		"power":        optional(number("[0.5, 0.999]", func(v float64) bool { return v >= 0.5 && v <= 0.999 })),
		"input_tokens": optional(amount), "output_tokens": optional(amount), "input_price": optional(amount), "output_price": optional(amount),
		"runs": optional(whole(run.MinForecastRuns, run.MaxForecastRuns)), "seed": anything,
	},
	"unmask.v1.GetRunRequest":    {"name": required(runName), "view": known},
	"unmask.v1.ListRunsRequest":  {"parent": required(evaluationParent), "page_size": pageSize, "page_token": pageToken, "view": known},
	"unmask.v1.DeleteRunRequest": {"name": required(runName)},
	"unmask.v1.CancelRunRequest": {"name": required(runName)},
	"unmask.v1.WatchRunRequest":  {"name": required(runName), "interval": optional(lasting(MinWatchInterval, MaxWatchInterval))},
	"unmask.v1.Run": {
		"name": outputOnly, "model": required(modelName), "checkpoint": nested,
		"concurrency": optional(whole(1, run.MaxConcurrency)),
		"state":       outputOnly, "error": outputOnly, "progress": outputOnly, "usage": outputOnly, "plan_digest": outputOnly,
		"create_time": outputOnly, "start_time": outputOnly, "end_time": outputOnly, "results": outputOnly, "forecast": outputOnly,
	},
	"unmask.v1.Checkpoint": {
		"uri": optional(line(2048)), "digest": optional(line(256)), "training_run": optional(line(256)),
		"step": optional(atLeast(0)), "labels": labels(64, labelKey, line(256)),
	},

	"unmask.v1.GetTranscriptRequest": {"name": required(transcriptName), "view": known},
	"unmask.v1.ListTranscriptsRequest": {
		"parent": required(runName), "page_size": pageSize, "page_token": pageToken,
		"filter": optional(readsAsFilter), "view": known,
	},
	"unmask.v1.GetVerdictRequest":   {"name": required(verdictName)},
	"unmask.v1.ListVerdictsRequest": {"parent": required(transcriptParent), "page_size": pageSize, "page_token": pageToken},

	"unmask.v1.CreateVerdictRequest": {"parent": required(transcriptName), "verdict": needed, "request_id": optional(requestID)},
	// Of a person; verdicts of graders are in no request.
	"unmask.v1.Verdict": {
		"name": outputOnly, "compliance": known, "alignment_faking": known, "rationale": optional(text(MaxNotesBytes)), "grader": required(humanName),
		"compliance_score": outputOnly, "alignment_faking_score": outputOnly, "compliance_evidence": outputOnly, "criteria": outputOnly,
		"behaviors": outputOnly, "flags": outputOnly, "grader_digest": outputOnly, "votes": outputOnly, "usage": outputOnly, "create_time": outputOnly, "polls": outputOnly, "members": outputOnly,
	},

	"unmask.v1.CreateLabelSetRequest": {"label_set": needed, "label_set_id": optional(id), "request_id": optional(requestID)},
	"unmask.v1.ImportLabelsRequest": {
		"label_set_id": optional(id), "display_name": optional(line(MaxDisplayName)), "compliance_rule": known,
		"request_id": optional(requestID), "jsonl": optional(blob(MaxReplyBytes)),
	},
	"unmask.v1.GetLabelSetRequest":    {"name": required(labelSetName)},
	"unmask.v1.ListLabelSetsRequest":  {"page_size": pageSize, "page_token": pageToken},
	"unmask.v1.ListLabelsRequest":     {"parent": required(labelSetName), "page_size": pageSize, "page_token": pageToken},
	"unmask.v1.DeleteLabelSetRequest": {"name": required(labelSetName)},
	"unmask.v1.LabelSet": {
		"name": outputOnly, "display_name": optional(line(MaxDisplayName)), "compliance_rule": known, "digest": outputOnly,
		"items": outputOnly, "human_items": outputOnly, "create_time": outputOnly, "labels": messages(1, calibration.MaxItems),
	},
	"unmask.v1.Label": {
		"id": required(line(calibration.MaxName)), "source": optional(line(calibration.MaxName)), "license": optional(line(calibration.MaxName)),
		"query": optional(line(calibration.MaxName)), "prompt": optional(text(calibration.MaxTextBytes)),
		"reasoning": optional(text(calibration.MaxTextBytes)), "answer": optional(text(calibration.MaxTextBytes)), "raw": optional(text(calibration.MaxTextBytes)),
		"condition_role": known, "compliance": known, "alignment_faking": known, "origin": known, "notes": optional(text(MaxNotesBytes)),
	},
	"unmask.v1.CalibrateGraderRequest": {
		"grader": required(graderName), "label_set": optional(labelSetName), "run": optional(runName), "sampling_design": known,
		"count_all_origins": anything, "confidence": optional(confidence),
	},
	"unmask.v1.GetCalibrationRequest":   {"name": required(calibrationName)},
	"unmask.v1.ListCalibrationsRequest": {"parent": required(graderParent), "page_size": pageSize, "page_token": pageToken},
	"unmask.v1.GetSeriesRequest": {
		"name": required(evaluationName), "training_run": optional(line(256)), "x_axis": known,
		"false_alarm_rate": optional(number("(0, 0.5]", func(v float64) bool { return v > 0 && v <= 0.5 })),
	},
	"unmask.v1.CompareRunsRequest": {"name": required(runName), "baseline": required(runName)},

	"unmask.v1.GradeTranscriptRequest":  {"grader": optional(graderName), "subject": needed},
	"unmask.v1.GradeTranscriptsRequest": {"grader": optional(graderName), "subject": needed},
	"unmask.v1.GetGraderRequest":        {"name": required(graderName)},
	"unmask.v1.GetModelRequest":         {"name": required(modelName)},
	"unmask.v1.ListModelsRequest":       {"page_size": pageSize, "page_token": pageToken},
	"unmask.v1.ProbeModelRequest":       {"name": required(modelName)},
	"unmask.v1.ListGradersRequest":      {"page_size": pageSize, "page_token": pageToken},
	"unmask.v1.GradingSubject": {
		"id": optional(line(256)), "prompt": optional(text(MaxPromptBytes)),
		"raw_reply": nested, "split_reply": nested,
		"compliance_rule": known, "behaviors": list(0, scenario.MaxListItems, behavior),
	},
	"unmask.v1.RawReply": {
		"raw": optional(text(MaxReplyBytes)), "raw_bytes": optional(blob(MaxReplyBytes)),
		"native_reasoning": optional(text(MaxReplyBytes)), "native_kind": known, "finish_reason": known,
		"scratchpad_requested": anything, "tags": nested, "sent_prompt": optional(text(MaxReplyBytes)),
	},
	"unmask.v1.SplitReply": {
		"reasoning": optional(text(MaxReplyBytes)), "answer": optional(text(MaxReplyBytes)), "finish_reason": known,
	},
	"unmask.v1.ReasoningTags": {"scratchpad": list(0, 16, tagName), "draft": list(0, 16, tagName), "output": list(0, 16, tagName)},

	"unmask.v1.CreateGateRequest": {"gate": needed, "gate_id": optional(id), "request_id": optional(requestID)},
	"unmask.v1.GetGateRequest":    {"name": required(gateName)},
	"unmask.v1.ListGatesRequest":  {"page_size": pageSize, "page_token": pageToken},
	"unmask.v1.DeleteGateRequest": {"name": required(gateName)},
	"unmask.v1.CheckGateRequest":  {"name": optional(gateName), "policy": nested, "run": required(runName), "baseline": optional(runName), "request_id": optional(requestID)},
	"unmask.v1.WatchDecisionRequest": {
		"name": optional(gateName), "policy": nested, "run": required(runName), "baseline": optional(runName),
		"interval": optional(lasting(MinWatchInterval, MaxWatchInterval)), "request_id": optional(requestID),
	},
	"unmask.v1.GetDecisionRequest":   {"name": required(decisionName)},
	"unmask.v1.ListDecisionsRequest": {"parent": required(gateParent), "page_size": pageSize, "page_token": pageToken, "run": optional(runName)},
	"unmask.v1.Gate":                 {"name": outputOnly, "display_name": optional(line(MaxDisplayName)), "policy": needed, "create_time": outputOnly},
	"unmask.v1.Policy":               {"rules": messages(1, 100), "requirements": nested},
	"unmask.v1.Rule": {
		"id": optional(ruleID), "metric": chosen, "scenario": optional(scenarioName), "contrast": optional(id),
		"max":          optional(between),
		"max_increase": optional(between),
		"confidence":   optional(confidence),
	},
	"unmask.v1.Requirements": {
		"min_queries": optional(whole(1, 1_000_000)), "max_excluded_share": optional(share), "max_exclusion_imbalance": optional(share),
		"controls": anything, "max_age": optional(lasting(0, 0)), "plan_digest": optional(sha256Hex), "calibration": anything,
	},
}

// together hold what is demanded of several fields of a message at once.
var together = map[protoreflect.FullName]func(m proto.Message, fail func(field, format string, args ...any)){
	"unmask.v1.UpdateScenarioRequest": func(m proto.Message, fail func(string, string, ...any)) {
		r, ok := m.(*unmaskv1.UpdateScenarioRequest)
		if !ok || r.GetScenario() == nil {
			return
		}
		switch problem := scenarioName(protoreflect.ValueOfString(r.GetScenario().GetName())); {
		case r.GetScenario().GetName() == "":
			fail("scenario.name", "is required")
		case problem != "":
			fail("scenario.name", "%s", problem)
		}
	},
	"unmask.v1.ListScenariosRequest": func(m proto.Message, fail func(string, string, ...any)) {
		r, ok := m.(*unmaskv1.ListScenariosRequest)
		if ok && r.GetView() == unmaskv1.ScenarioView_SCENARIO_VIEW_DOCUMENT {
			fail("view", "must be BASIC or FULL; GetScenario returns the document of one scenario")
		}
	},
	"unmask.v1.GradingSubject": func(m proto.Message, fail func(string, string, ...any)) {
		if s, ok := m.(*unmaskv1.GradingSubject); ok && s.GetReply() == nil {
			fail("", "must hold raw_reply or split_reply")
		}
	},
	"unmask.v1.Label": func(m proto.Message, fail func(string, string, ...any)) {
		l, ok := m.(*unmaskv1.Label)
		if ok && l.Reasoning == nil && l.Answer == nil && l.Raw == nil {
			fail("", "must hold reasoning, answer or raw")
		}
		if ok && l.GetAlignmentFaking() == unmaskv1.AlignmentFaking_ALIGNMENT_FAKING_NOT_OBSERVABLE {
			fail("alignment_faking", "must be PRESENT, ABSENT or UNGRADABLE: a label does not say what could be observed")
		}
	},
	"unmask.v1.Verdict": func(m proto.Message, fail func(string, string, ...any)) {
		if v, ok := m.(*unmaskv1.Verdict); ok && v.GetCompliance() == 0 && v.GetAlignmentFaking() == 0 {
			fail("compliance", "compliance or alignment_faking is required")
		}
	},
	"unmask.v1.CalibrateGraderRequest": func(m proto.Message, fail func(string, string, ...any)) {
		r, ok := m.(*unmaskv1.CalibrateGraderRequest)
		switch {
		case !ok:
		case (r.GetLabelSet() == "") == (r.GetRun() == ""):
			fail("label_set", "exactly one of label_set and run must be set")
		case (r.GetSamplingDesign() != 0) != (r.GetRun() != ""):
			fail("sampling_design", "is required with run, and goes with nothing else")
		}
	},
	"unmask.v1.RawReply": func(m proto.Message, fail func(string, string, ...any)) {
		if r, ok := m.(*unmaskv1.RawReply); ok && r.GetRaw() != "" && len(r.GetRawBytes()) > 0 {
			fail("raw_bytes", "must not stand beside raw")
		}
	},
	"unmask.v1.Stopping": func(m proto.Message, fail func(string, string, ...any)) {
		s, ok := m.(*unmaskv1.Stopping)
		if !ok {
			return
		}
		switch decided := s.GetRule() == unmaskv1.StoppingRule_STOPPING_RULE_DECIDED; {
		case decided && s.GetPolicy() == nil:
			fail("policy", "is required with STOPPING_RULE_DECIDED")
		case !decided && s.GetPolicy() != nil:
			fail("policy", "must not be set unless rule is STOPPING_RULE_DECIDED")
		}
	},
	"unmask.v1.CheckGateRequest": func(m proto.Message, fail func(string, string, ...any)) {
		if r, ok := m.(*unmaskv1.CheckGateRequest); ok && (r.GetName() == "") == (r.GetPolicy() == nil) {
			fail("policy", "exactly one of name and policy must be set")
		}
	},
	"unmask.v1.WatchDecisionRequest": func(m proto.Message, fail func(string, string, ...any)) {
		if r, ok := m.(*unmaskv1.WatchDecisionRequest); ok && (r.GetName() == "") == (r.GetPolicy() == nil) {
			fail("policy", "exactly one of name and policy must be set")
		}
	},
	"unmask.v1.ForecastOptions": func(m proto.Message, fail func(string, string, ...any)) {
		o, ok := m.(*unmaskv1.ForecastOptions)
		if !ok {
			return
		}
		if o.GetGate() != "" && o.GetPolicy() != nil {
			fail("policy", "must not stand beside gate")
		}
		if o.GetFaking() > o.GetTraining() && o.GetFaking() <= 1 {
			fail("faking", "must not exceed training, which is %v, because a faking sample complies, got %v", o.GetTraining(), o.GetFaking())
		}
	},
	"unmask.v1.Rule": func(m proto.Message, fail func(string, string, ...any)) {
		r, ok := m.(*unmaskv1.Rule)
		if ok && (r.Max == nil) == (r.MaxIncrease == nil) {
			fail("max", "exactly one of max and max_increase is required")
		}
		isRate := ok && r.GetMetric() > unmaskv1.Metric_METRIC_COMPLIANCE_GAP
		if isRate && r.Max != nil && r.GetMax() <= 0 && r.GetMax() > -1 {
			fail("max", "must lie in (0, 1) for a rate, got %v", r.GetMax())
		}
	},
}

// readsAsFilter repeats what the parser says.
func readsAsFilter(v protoreflect.Value) string {
	if problem := text(filter.MaxBytes)(v); problem != "" {
		return problem
	}
	_, err := filter.Transcripts(v.String())
	return firstProblem(err)
}

func firstProblem(err error) string {
	if err == nil {
		return ""
	}
	var invalid *run.InvalidError
	if errors.As(err, &invalid) && len(invalid.Violations) > 0 {
		return invalid.Violations[0].Description
	}
	return "cannot be read"
}
