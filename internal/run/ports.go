package run

import (
	"context"
	"time"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// Page asks for a part of a list.
type Page struct {
	// Size is the most items to return, at least 1.
	Size int
	// After is the Next of the page before, or "" for the first page.
	After string
}

// TranscriptFilter narrows a list of transcripts; zero fields match all.
type TranscriptFilter struct {
	Scenario, Condition, Query string
	Compliance                 grading.Compliance
	AlignmentFaking            grading.Faking
	Observation                transcript.Observation
	ErrorClass                 model.ErrorClass
	// Behavior is the id of a behaviour that was found.
	Behavior          string
	Control, HasError *bool
}

// Store keeps everything.
//
// Lists and creation under an evaluation, a run or a transcript that does not
// exist are a *NotFoundError; decisions alone outlive what they hang on. Times
// keep whole microseconds.
//
// Every method is safe for concurrent use and scoped by the project in its
// arguments: a row of another project does not exist for it. What does not
// exist is a *NotFoundError. Lists are in a stable order (creation time, then
// id; transcripts by Sample.Index; labels as they were given), newest last, and return next = "" on the last page; a cursor the store did not
// issue is an *InvalidError on the field "page_token".
type Store interface {
	// CreateEvaluation keeps a new evaluation. When the id exists it returns
	// an *ExistsError, unless both RequestIDs are equal and not "": then it
	// returns the stored one if the RequestDigests are equal too, and a
	// *RequestReuseError if they are not. The same holds for CreateRun and
	// CreateGate; a RequestID is unique per project and kind, so that a new id
	// with a known RequestID returns what is stored under the first.
	CreateEvaluation(ctx context.Context, e Evaluation) (Evaluation, error)
	GetEvaluation(ctx context.Context, project, id string) (Evaluation, error)
	ListEvaluations(ctx context.Context, project string, p Page) (items []Evaluation, next string, err error)
	// DeleteEvaluation refuses with a *StateError while the evaluation has runs.
	DeleteEvaluation(ctx context.Context, project, id string) error

	// SaveScenario keeps a snapshot of a scenario's revision, so that runs can
	// be continued and recomputed when the library has moved on. Keeping the
	// same revision again changes nothing.
	SaveScenario(ctx context.Context, project string, s *scenario.Scenario) error
	// GetScenario returns the snapshot of exactly this revision.
	GetScenario(ctx context.Context, project string, ref ScenarioRef) (*scenario.Scenario, error)

	// CreateUserScenario keeps a new scenario of a user, whose content is its
	// first revision. It is idempotent as CreateEvaluation is, and returns the
	// scenario in its current revision. The snapshots of SaveScenario are apart
	// from the scenarios of users: neither changes the other.
	CreateUserScenario(ctx context.Context, s Scenario) (Scenario, error)
	// UpdateUserScenario makes content the current revision of the scenario that
	// has its id. A new revision is kept beside the earlier ones, and one that is
	// kept already stays as it is. Content that is current changes nothing, also
	// not UpdateTime.
	UpdateUserScenario(ctx context.Context, project string, content *scenario.Scenario, at time.Time) (Scenario, error)
	// GetUserScenario returns the current revision when revision is "", and
	// otherwise the one that begins with it; if several do, that is as if none did.
	GetUserScenario(ctx context.Context, project, id, revision string) (Scenario, error)
	// ListUserScenarios returns at most limit scenarios, each in its current
	// revision, whose ids follow after, in the order of their ids.
	ListUserScenarios(ctx context.Context, project, after string, limit int) ([]Scenario, error)
	// ListScenarioRevisions lists the revisions of a user's scenario in the order
	// in which they were first kept.
	ListScenarioRevisions(ctx context.Context, project, id string, p Page) (items []ScenarioRevision, next string, err error)
	// DeleteUserScenario removes a scenario with its revisions; snapshots stay.
	DeleteUserScenario(ctx context.Context, project, id string) error

	// CreateRun keeps a new run with all counters but Progress.Planned at 0.
	CreateRun(ctx context.Context, r Run) (Run, error)
	// CreateRunWithin is CreateRun for as long as room returns nil for the runs that
	// ListUnfinished lists; an error of room keeps the run out. What a repeated
	// request has created is returned whether there is room or not. One call at a
	// time looks and creates, also among the processes that share the store.
	// room may be called again, and must not use the store.
	CreateRunWithin(ctx context.Context, r Run, room func(unfinished []Run) error) (Run, error)
	GetRun(ctx context.Context, key RunKey) (Run, error)
	// ListRuns lists the runs of an evaluation, or of all when evaluation is "-".
	ListRuns(ctx context.Context, project, evaluation string, p Page) (items []Run, next string, err error)
	// ListUnfinished returns every run of any project that is not in a
	// terminal state, oldest first.
	ListUnfinished(ctx context.Context) ([]Run, error)
	// UpdateRun changes State, Error, StartTime, EndTime and Results of the
	// run, if its state is one of from; otherwise it returns a *StateError
	// and changes nothing. Counters are kept by SaveFinished alone.
	UpdateRun(ctx context.Context, r Run, from ...State) error
	// DeleteRun removes a run in a terminal state with its transcripts and
	// verdicts; otherwise a *StateError. Decisions on it stay.
	DeleteRun(ctx context.Context, key RunKey) error

	// SaveFinished keeps samples, their verdicts and the run's counters in one
	// commit, all or nothing. A sample that has a row already is left as it
	// is and not counted again; inserted says how many were new.
	SaveFinished(ctx context.Context, key RunKey, batch []Finished) (inserted int, err error)
	// FinishedSamples returns the ids of the samples that have a row.
	FinishedSamples(ctx context.Context, key RunKey) (map[string]struct{}, error)
	// EachRow calls fn for each finished sample in Sample.Index order, and
	// stops with fn's error.
	EachRow(ctx context.Context, key RunKey, fn func(Row) error) error
	// EachRowIn is EachRow for the samples with first <= Sample.Index < end, and
	// tells fn the index. It costs what the rows cost that it finds.
	EachRowIn(ctx context.Context, key RunKey, first, end int, fn func(index int, r Row) error) error

	// GetTranscript, and ListTranscripts with full, return a *StateError whose State
	// is TextsRemoved for a run whose texts were removed.
	GetTranscript(ctx context.Context, key RunKey, id string) (Transcript, error)
	// ListTranscripts returns transcripts without text (Messages, Reply.Raw,
	// Reply.NativeReasoning, Parsed.Reasoning, Parsed.Answer and Parsed.Parts
	// are empty) unless full is set.
	ListTranscripts(ctx context.Context, key RunKey, f TranscriptFilter, full bool, p Page) (items []Transcript, next string, err error)
	// EndedRuns lists at most limit runs of any project that are in a terminal state
	// and ended before a time (of one that never started, was created), in the order
	// of their keys and after a key; withTexts leaves out those whose texts are gone.
	EndedRuns(ctx context.Context, before time.Time, withTexts bool, after RunKey, limit int) ([]EndedRun, error)
	// TextsOf counts the transcripts of a run that have texts, and the bytes that
	// those and its prompts take as they are stored.
	TextsOf(ctx context.Context, key RunKey) (transcripts, bytes int64, err error)
	// RemoveTexts removes the texts of a run's transcripts in small steps, and keeps
	// all else. A run in progress is a *StateError. What was begun can be gone on
	// with by another call; from its beginning on, no text is read any more.
	RemoveTexts(ctx context.Context, key RunKey) error
	GetVerdict(ctx context.Context, key RunKey, transcript, id string) (Verdict, error)
	// ListVerdicts lists the verdicts of a transcript, or of the whole run
	// when transcript is "-".
	ListVerdicts(ctx context.Context, key RunKey, transcript string, p Page) (items []Verdict, next string, err error)
	// CreateVerdict keeps a verdict beside the others of its transcript. It is
	// idempotent as CreateEvaluation is; an id is taken once in a transcript.
	// The transcript, the run and all other verdicts stay as they are.
	CreateVerdict(ctx context.Context, v Verdict) (Verdict, error)
	// ListHumanVerdicts lists the verdicts of a run that people gave.
	ListHumanVerdicts(ctx context.Context, key RunKey, p Page) (items []Verdict, next string, err error)

	// CreateLabelSet keeps a new label set with its items, all or nothing. It is
	// idempotent as CreateEvaluation is; items that come with a repeated request
	// are not looked at.
	CreateLabelSet(ctx context.Context, l LabelSet, items []calibration.Item) (LabelSet, error)
	GetLabelSet(ctx context.Context, project, id string) (LabelSet, error)
	ListLabelSets(ctx context.Context, project string, p Page) (items []LabelSet, next string, err error)
	// DeleteLabelSet removes a label set with its items; calibrations by it stay.
	DeleteLabelSet(ctx context.Context, project, id string) error
	// ListLabels lists the items of a label set in the order in which they were
	// given.
	ListLabels(ctx context.Context, project, labelSet string, p Page) (items []calibration.Item, next string, err error)

	// SaveCalibration returns an *ExistsError when the grader has a calibration
	// of this id.
	SaveCalibration(ctx context.Context, c Calibration) error
	GetCalibration(ctx context.Context, project, grader, id string) (Calibration, error)
	// ListCalibrations lists the calibrations of a grader, whatever its digest,
	// or of all when grader is "-". A grader without any has an empty list.
	ListCalibrations(ctx context.Context, project, grader string, p Page) (items []Calibration, next string, err error)
	// CurrentCalibration returns the newest calibration of exactly this digest
	// that is human-labelled (calibration.Calibration.HumanLabelled); of two of
	// one time, the one with the greater id.
	CurrentCalibration(ctx context.Context, project, graderDigest string) (Calibration, error)

	CreateGate(ctx context.Context, g Gate) (Gate, error)
	GetGate(ctx context.Context, project, id string) (Gate, error)
	ListGates(ctx context.Context, project string, p Page) (items []Gate, next string, err error)
	// DeleteGate removes a gate; its decisions stay.
	DeleteGate(ctx context.Context, project, id string) error
	// SaveDecision returns an *ExistsError when the gate has a decision of this id.
	SaveDecision(ctx context.Context, d Decision) error
	// SaveTry is SaveDecision for one that rests on the decisions on its Checkpoint
	// (not ""): unless they are still seen in number, on whatever runs, it returns a
	// *TriesError and keeps nothing. One call at a time counts and keeps, also among
	// the processes that share the store.
	SaveTry(ctx context.Context, d Decision, seen int) error
	GetDecision(ctx context.Context, project, gateID, id string) (Decision, error)
	// ListDecisions lists the decisions of a gate, or of all when gateID is
	// "*", narrowed to one run unless run is nil.
	ListDecisions(ctx context.Context, project, gateID string, run *RunKey, p Page) (items []Decision, next string, err error)

	// EarlierDecisions returns every decision whose Checkpoint is this one (not
	// "") on another run than except (the zero key: on any run), oldest first, without Policy and Evidence.
	EarlierDecisions(ctx context.Context, project, checkpoint string, except RunKey) ([]Decision, error)

	// Ready returns nil when the store can be used and its schema is current.
	Ready(ctx context.Context) error
}

// Scenarios finds the built-in scenarios, which all projects share; those of
// users are in the Store. Get takes an id or id@revision, also of a variant
// (BASE--VARIANT, whose revision is its own), and returns a *NotFoundError when
// there is none. List is in the order of the ids and has no variants.
type Scenarios interface {
	Get(ref string) (*scenario.Scenario, error)
	List() []*scenario.Scenario
}

// Models resolves a model's id. An id that no model has is a *NotFoundError;
// bad parameters are an *InvalidError on the field "model".
type Models interface {
	Model(id string) (model.Model, error)
}

// Graders finds graders by id, or returns a *NotFoundError.
type Graders interface {
	Grader(id string) (grading.Grader, error)
}

// Observer is told what happens, for logs and metrics. Its methods return at
// once and are safe for concurrent use. No text of a transcript reaches it.
//
// Every RunStarted is followed by one RunEnded, or by RunStopped when the
// process stops and leaves the run to be resumed.
type Observer interface {
	// GradingFailed tells of a reply that was kept without a verdict because its
	// grader failed; cause is a type and holds no text.
	GradingFailed(key RunKey, transcript, cause string)
	// RunNotResumed tells of an unfinished run that cannot be continued now.
	RunNotResumed(key RunKey, reason string)
	RunStarted(key RunKey, planned, alreadyFinished int)
	RunStopped(key RunKey)
	SampleFinished(key RunKey, condition string, outcome string, latency time.Duration)
	RunEnded(key RunKey, state State, reason string, took time.Duration)
	// Pruned tells what retention has removed, and why it ended early. It is called
	// also when there was nothing to remove.
	Pruned(removed Pruned, err error)
}
