// Package run carries out evaluations: it plans the samples of a run, has
// each one generated, parsed, graded and kept, and turns the kept rows into
// results and gate decisions.
//
// Data flows one way. Scenario revisions and a seed determine the samples; a
// sample becomes a Transcript (model, parser) with a Verdict (grader); rows
// become Results (stats) and a decision (gate). Everything after the row is
// kept can be recomputed from stored rows alone, so a run that was interrupted
// continues with the samples that have no row yet and ends in the same result.
//
//	PENDING ──► RUNNING ──► SUCCEEDED
//	   │           │  └────► FAILED
//	   └─────┬─────┘
//	         ▼
//	    CANCELLING ────────► CANCELLED
//
// The package knows neither SQL nor gRPC; it defines the ports (Store, Models,
// Scenarios, Graders, Observer) that adapters implement.
package run

import (
	"fmt"
	"strings"
	"time"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// State is where a run stands.
type State string

// The states of a run.
const (
	Pending    State = "PENDING"
	Running    State = "RUNNING"
	Succeeded  State = "SUCCEEDED"
	Failed     State = "FAILED"
	Cancelling State = "CANCELLING"
	Cancelled  State = "CANCELLED"
)

// Terminal reports whether a run in this state never changes again.
func (s State) Terminal() bool { return s == Succeeded || s == Failed || s == Cancelled }

// ScenarioRef pins a scenario.
type ScenarioRef struct {
	// ID is the scenario's id and Revision its content digest ("sha256:...").
	ID       string `json:"id"`
	Revision string `json:"revision"`
}

// Plan is what an evaluation asks; it is immutable.
type Plan struct {
	// Scenarios, at least one, each with its revision pinned.
	Scenarios []ScenarioRef `json:"scenarios"`
	// SamplesPerQuery is the number of repeats of each query under each
	// condition, 1 to 1000.
	SamplesPerQuery int `json:"samples_per_query"`
	// MaxQueries bounds the queries of each scenario that enter the gap: the
	// first ones in the pre-registered random order. 0 means all.
	MaxQueries int `json:"max_queries,omitempty"`
	// Sampling are the generation parameters.
	Sampling model.Sampling `json:"sampling"`
	// Seed determines the order of the queries and the seed of each sample.
	Seed uint64 `json:"seed"`
	// Grader is the grader's id, and GraderDigest pins it.
	Grader       string `json:"grader"`
	GraderDigest string `json:"grader_digest"`
	// Confidence of two-sided intervals in results, in [0.5, 0.9999].
	Confidence float64 `json:"confidence"`
	// Stopping lets a run end before all queries are asked; nil for a run that
	// asks them all.
	Stopping *Stopping `json:"stopping,omitempty"`
}

// Stopping ends a run as soon as its gate is decided ("stopping: decided").
// Queries count in the pre-registered order only, and looking after each of them
// costs no validity (stats.Hybrid).
type Stopping struct {
	// Policy is what has to be decided, with its defaults filled in. Its rules
	// bound metrics and no increases.
	Policy gate.Policy `json:"policy"`
}

// Evaluation is a plan with a name. Runs of one evaluation are comparable.
type Evaluation struct {
	Project string
	ID      string
	// DisplayName is one line for people, or "".
	DisplayName string
	Plan        Plan
	// PlanDigest is "sha256:..." over the plan.
	PlanDigest string
	CreateTime time.Time
	// RequestID makes creation idempotent; RequestDigest is a digest of what
	// was asked for under it. Both are "" when none was given.
	RequestID, RequestDigest string
}

// Checkpoint says which weights a run looked at. All fields are optional.
type Checkpoint struct {
	URI         string            `json:"uri,omitempty"`
	Digest      string            `json:"digest,omitempty"`
	TrainingRun string            `json:"training_run,omitempty"`
	Step        int64             `json:"step,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
}

// CheckpointKey identifies the weights that a run looked at, by the best that is known of
// them: the digest, else the URI, else training run and step, else the model's
// id, which is the weakest because other weights may be served under it.
func (r Run) CheckpointKey() string {
	c := r.Checkpoint
	switch {
	case c.Digest != "":
		// Spelling makes no other weights.
		return "digest:" + strings.ToLower(strings.TrimSpace(c.Digest))
	case c.URI != "":
		return "uri:" + c.URI
	case c.TrainingRun != "":
		return fmt.Sprintf("step:%s@%d", c.TrainingRun, c.Step)
	default:
		return "model:" + r.Model
	}
}

// RunKey names a run.
//
//nolint:revive // it is embedded, and Key alone would not say whose
type RunKey struct{ Project, Evaluation, Run string }

// Progress counts samples. Finished = Graded + Excluded + controls' samples
// are included in all of them.
type Progress struct {
	// Planned is the number of samples that the run consists of.
	Planned int64
	// Finished samples have a row, whether with a reply or with an error.
	Finished int64
	// Errors are finished samples without a reply.
	Errors int64
}

// Run is one execution of an evaluation against one model.
type Run struct {
	RunKey
	// Model is the model's id, such as "sim/alignment-faker?free=0.2".
	Model      string
	Checkpoint Checkpoint
	State      State
	Progress   Progress
	Usage      model.Usage
	// Calls counts the requests to the model, including retries.
	Calls int64
	// Error says why a run failed, or "".
	Error string
	// PlanDigest is copied from the evaluation.
	PlanDigest string
	// Concurrency is the most samples in flight at once, at least 1.
	Concurrency int
	CreateTime  time.Time
	// StartTime and EndTime are zero until the run starts and ends.
	StartTime, EndTime time.Time
	// Results are set when the run ends in SUCCEEDED, and, from the samples
	// that were finished, in CANCELLED and FAILED.
	Results                  *Results
	RequestID, RequestDigest string
}

// Sample is one planned call.
type Sample struct {
	// ID is unique in its run and determined by the plan:
	// "<scenario>.<condition>.<query>.<repeat>".
	ID string
	// Index is the position in the pre-registered order, from 0.
	Index     int
	Scenario  ScenarioRef
	Condition string
	Query     string
	// Repeat counts from 0.
	Repeat int
	// Control marks a sample of a control query.
	Control bool
	// Seed is what the model is given.
	Seed int64
}

// SampleError is why a sample has no reply.
type SampleError struct {
	Class    model.ErrorClass
	Status   int
	Message  string
	Attempts int
	// Body is the beginning of what the server sent with the last attempt, without
	// credentials: a server's text, which may hold any bytes. BodyTruncated says
	// that there was more.
	Body          string
	BodyTruncated bool
	// EarlierClasses are the classes of the attempts before the last one, in their order;
	// of many, the last ones.
	EarlierClasses []model.ErrorClass
}

// sampleError is what is kept of a failed call.
func sampleError(e *model.Error) *SampleError {
	return &SampleError{
		Class: e.Class, Status: e.Status, Message: e.Message, Attempts: e.Attempts,
		Body: e.Body.Text(), BodyTruncated: e.Body.Truncated(), EarlierClasses: e.EarlierClasses,
	}
}

// Transcript is one finished sample.
type Transcript struct {
	RunKey
	Sample
	// Messages are what was sent.
	Messages []model.Message
	// Sampling are the parameters of generation that were sent, where the scenario
	// demands some; nil for those of the plan.
	Sampling *model.Sampling
	// Reply is what came back; zero when Error is set.
	Reply model.Reply
	// Parsed is the reply's parse; zero when Error is set.
	Parsed transcript.Parsed
	// Error is nil when there is a reply.
	Error      *SampleError
	CreateTime time.Time
	// Compliance and AlignmentFaking repeat the plan's grader's verdict, for
	// lists and results; "" when Error is set.
	Compliance      grading.Compliance
	AlignmentFaking grading.Faking
	// Behaviors are the behaviours that the scenario declares and the plan's
	// grader found; UndecidedBehaviors those it gave no judgement on, or
	// EveryBehavior. Both are empty when Error is set.
	Behaviors, UndecidedBehaviors []string
}

// Verdict is a grader's or a person's judgement of a stored transcript.
type Verdict struct {
	RunKey
	// Transcript is the sample's id; ID is unique in its transcript.
	Transcript, ID string
	grading.Verdict
	CreateTime time.Time
	// RequestID and RequestDigest are as in Evaluation; "" for a grader's.
	RequestID, RequestDigest string
}

// humans begins the Grader of a person's verdict: "humans/{name}".
const humans = "humans/"

// Human returns the name of the person who gave the verdict; ok is false when a
// grader did.
func (v Verdict) Human() (name string, ok bool) { return strings.CutPrefix(v.Grader, humans) }

// LabelSet is a set of transcripts with labels. Its content never changes.
type LabelSet struct {
	Project, ID string
	// DisplayName is one line for people, or "".
	DisplayName string
	// Rule says what counts as compliance in its labels.
	Rule grading.Rule
	// Digest is "sha256:..." over the items and the rule.
	Digest string
	// Items is the number of items, and HumanItems of those labelled by people.
	Items, HumanItems        int
	CreateTime               time.Time
	RequestID, RequestDigest string
}

// Calibration is a stored calibration of a grader.
type Calibration struct {
	Project, ID string
	calibration.Calibration
}

// Finished is what is kept of one sample in one commit. Verdict is nil when
// the transcript has an error, and when its grader failed; then the
// transcript's Compliance and AlignmentFaking are UNGRADABLE.
type Finished struct {
	Transcript Transcript
	Verdict    *Verdict
}

// Row is what results need of one finished sample; it holds no text.
type Row struct {
	Scenario, Condition, Query string
	Repeat                     int
	Control                    bool
	// ErrorClass is "" when there is a reply.
	ErrorClass      model.ErrorClass
	Observation     transcript.Observation
	Observable      bool
	FinishReason    transcript.FinishReason
	Compliance      grading.Compliance
	AlignmentFaking grading.Faking
	// Behaviors and UndecidedBehaviors are those of the transcript.
	Behaviors, UndecidedBehaviors []string
}

// Row is the transcript's row, as the store returns it.
func (t Transcript) Row() Row {
	r := Row{
		Scenario: t.Scenario.ID, Condition: t.Condition, Query: t.Query, Repeat: t.Repeat, Control: t.Control,
		Observation: t.Parsed.Observation, Observable: t.Parsed.Observable(), FinishReason: t.Reply.FinishReason,
		Compliance: t.Compliance, AlignmentFaking: t.AlignmentFaking,
		Behaviors: t.Behaviors, UndecidedBehaviors: t.UndecidedBehaviors,
	}
	if t.Error != nil {
		r.ErrorClass = t.Error.Class
	}
	return r
}

// Gate is a named policy.
type Gate struct {
	Project, ID              string
	DisplayName              string
	Policy                   gate.Policy
	CreateTime               time.Time
	RequestID, RequestDigest string
}

// Decision is a stored decision on a run.
type Decision struct {
	Project string
	// Gate is the gate's id, or "-" when the policy was given inline.
	Gate, ID string
	Run      RunKey
	Policy   gate.Policy
	gate.Decision
	// Evidence is what was decided on, so that the decision can be recomputed.
	Evidence   gate.Evidence
	CreateTime time.Time
}
