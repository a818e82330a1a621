package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// Limits and defaults of what a caller may ask for.
const (
	// DefaultSamplesPerQuery is used when an evaluation names none.
	DefaultSamplesPerQuery = 3
	// MaxSamplesPerQuery bounds the repeats of a query under one condition.
	MaxSamplesPerQuery = 1000
	// MaxScenarios bounds the scenarios of one evaluation, each variant counted.
	MaxScenarios = 64
	// MaxPlannedSamples bounds the samples of one run.
	MaxPlannedSamples = 2_000_000
	// DefaultConcurrency and MaxConcurrency bound the samples in flight of one run.
	DefaultConcurrency = 16
	MaxConcurrency     = 1024
	// DefaultGrader grades when an evaluation names no grader.
	DefaultGrader = "rubric"
	// DefaultConfidence is that of two-sided intervals in results.
	DefaultConfidence = 0.95
	// DefaultMaxTokens bounds a reply when an evaluation says nothing. A
	// reply needs room for reasoning and an answer.
	DefaultMaxTokens = 4096
)

// Deps are what a Service works with. All but Prices, Registry, Observer, Now, MaxRuns,
// QueueOnly and Retention are required.
type Deps struct {
	Store     Store
	Scenarios Scenarios
	Models    Models
	Graders   Graders
	// Queue is started when it is first needed, and stopped by Close.
	Queue Queue
	// QueueOnly leaves runs to other processes that share the store and the queue.
	QueueOnly bool
	// Prices may be nil: then no price is known.
	Prices ModelPrices
	// Registry may be nil: then no model is listed.
	Registry ModelRegistry
	// Observer defaults to one that ignores everything.
	Observer Observer
	// Now defaults to time.Now.
	Now func() time.Time
	// MaxRuns bounds the runs in progress at once in the store; default 64. Several
	// processes that create runs at the same moment may exceed it by one each.
	MaxRuns int
	// Retention is applied by a Service that carries out runs, from Resume to Close.
	Retention Retention
}

// Service is the use-cases. Close it when it is no longer needed.
type Service struct {
	deps Deps
	exec *executor
	// deciding is held by checkpoint.
	deciding keyedLock
	// simulating holds a token while a forecast is simulated.
	simulating chan struct{}
}

// New returns a Service. It runs nothing until Resume or CreateRun.
func New(d Deps) (*Service, error) {
	if d.Store == nil || d.Scenarios == nil || d.Models == nil || d.Graders == nil || d.Queue == nil {
		return nil, errors.New("run service: Store, Scenarios, Models, Graders and Queue are required")
	}
	if d.Observer == nil {
		d.Observer = silent{}
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.MaxRuns == 0 {
		d.MaxRuns = 64
	}
	return &Service{deps: d, exec: newExecutor(d), simulating: make(chan struct{}, 1)}, nil
}

// Resume continues every unfinished run in the store whose model is there, and
// goes on looking for runs that nobody carries out until Close. A Service that
// only queues leaves that to others, and makes sure that it can queue.
func (s *Service) Resume(ctx context.Context) error {
	if err := s.exec.open(ctx); err != nil || s.deps.QueueOnly {
		return err
	}
	if err := s.exec.resume(ctx, func(r Run) {
		s.deps.Observer.RunNotResumed(r.RunKey, "its model is not available: "+r.Model)
	}); err != nil {
		return err
	}
	s.exec.reconcile()
	s.retain()
	return nil
}

// ResumeRun continues one run, unless it has ended or is in progress. Without
// the run's model it is a *StateError, and the run stays unfinished.
func (s *Service) ResumeRun(ctx context.Context, key RunKey) error {
	r, err := s.deps.Store.GetRun(ctx, key)
	if err != nil {
		return err
	}
	if r.State.Terminal() {
		return nil
	}
	if _, err := s.deps.Models.Model(r.Model); err != nil {
		return &StateError{Name: key.Name(), State: "waiting for its model " + r.Model, Want: "that model to be configured"}
	}
	return s.exec.start(ctx, key)
}

// Close stops dispatching samples and waits until those in flight are kept.
// When ctx ends first they are given up and asked for again after a restart.
func (s *Service) Close(ctx context.Context) error { return s.exec.close(ctx) }

// NewEvaluation is what CreateEvaluation asks for; zero fields take defaults.
type NewEvaluation struct {
	// ID is generated when empty.
	ID, DisplayName string
	// Scenarios are ids or id@revision; "ID--*" stands for all variants of ID.
	Scenarios       []string
	SamplesPerQuery int
	MaxQueries      int
	Sampling        model.Sampling
	// Seed is drawn from the clock when nil and kept in the plan.
	Seed       *uint64
	Grader     string
	Confidence float64
	// StopWhenDecided is the policy at whose decision a run ends; nil for runs
	// that ask every query.
	StopWhenDecided *gate.Policy
	RequestID       string
}

// CreateEvaluation pins scenarios and grader and keeps the plan.
func (s *Service) CreateEvaluation(ctx context.Context, project string, in NewEvaluation) (Evaluation, error) {
	now := s.deps.Now()
	asked := digestOf(in)
	plan, scenarios, err := s.plan(ctx, project, in, now)
	if err != nil {
		return Evaluation{}, err
	}
	schedule, err := NewSchedule(plan, scenarios)
	if err != nil {
		return Evaluation{}, fmt.Errorf("create evaluation: %w", err)
	}
	if schedule.Len() > MaxPlannedSamples {
		return Evaluation{}, Invalid("samples_per_query", "the plan has %d samples; at most %d are allowed", schedule.Len(), MaxPlannedSamples)
	}
	for _, sc := range scenarios {
		if err := s.deps.Store.SaveScenario(ctx, project, sc); err != nil {
			return Evaluation{}, fmt.Errorf("create evaluation: keep scenario %s: %w", sc.ID, err)
		}
	}
	e := Evaluation{
		Project: project, ID: in.ID, DisplayName: in.DisplayName, Plan: plan, PlanDigest: plan.Digest(),
		CreateTime: now, RequestID: in.RequestID,
	}
	if e.ID == "" {
		e.ID = newID(now)
	}
	if e.RequestID != "" {
		e.RequestDigest = asked
	}
	return s.deps.Store.CreateEvaluation(ctx, e)
}

func (s *Service) plan(ctx context.Context, project string, in NewEvaluation, now time.Time) (Plan, []*scenario.Scenario, error) {
	p := Plan{
		SamplesPerQuery: in.SamplesPerQuery, MaxQueries: in.MaxQueries, Sampling: in.Sampling,
		Grader: in.Grader, Confidence: in.Confidence,
	}
	if p.SamplesPerQuery == 0 {
		p.SamplesPerQuery = DefaultSamplesPerQuery
	}
	if p.Grader == "" {
		p.Grader = DefaultGrader
	}
	if p.Confidence == 0 {
		p.Confidence = DefaultConfidence
	}
	if p.Sampling.MaxTokens == 0 {
		p.Sampling.MaxTokens = DefaultMaxTokens
	}
	p.Seed = uint64(now.UnixNano())
	if in.Seed != nil {
		p.Seed = *in.Seed
	}
	v := checkNumbers(p)
	if in.StopWhenDecided != nil {
		var invalid *InvalidError
		if errors.As(policyViolations("stopping.policy.", in.StopWhenDecided.ValidateForStopping()), &invalid) {
			v = append(v, invalid.Violations...)
		}
		p.Stopping = &Stopping{Policy: in.StopWhenDecided.WithDefaults()}
	}
	if len(in.Scenarios) == 0 || len(in.Scenarios) > MaxScenarios {
		v = append(v, Violation{"scenarios", fmt.Sprintf("name 1 to %d scenarios, got %d", MaxScenarios, len(in.Scenarios))})
	}
	found, wrong, err := s.planned(ctx, project, in.Scenarios)
	if err != nil {
		return p, nil, err
	}
	v = append(v, wrong...)
	for _, sc := range found {
		p.Scenarios = append(p.Scenarios, ScenarioRef{ID: sc.ID, Revision: sc.Revision})
	}
	g, err := s.deps.Graders.Grader(p.Grader)
	switch {
	case isNotFound(err):
		v = append(v, Violation{"grader", fmt.Sprintf("there is no grader %q", p.Grader)})
	case err != nil:
		return p, nil, fmt.Errorf("find grader: %w", err)
	default:
		p.GraderDigest = g.Digest()
	}
	if len(v) > 0 {
		return p, nil, &InvalidError{Violations: v}
	}
	return p, found, nil
}

func checkNumbers(p Plan) []Violation {
	var v []Violation
	add := func(bad bool, field, want string, got any) {
		if bad {
			v = append(v, Violation{field, fmt.Sprintf("must be %s, got %v", want, got)})
		}
	}
	add(p.SamplesPerQuery < 1 || p.SamplesPerQuery > MaxSamplesPerQuery, "samples_per_query", fmt.Sprintf("between 1 and %d", MaxSamplesPerQuery), p.SamplesPerQuery)
	add(p.MaxQueries < 0, "max_queries", "0 (all) or more", p.MaxQueries)
	add(!(p.Confidence >= 0.5 && p.Confidence <= 0.9999), "confidence", "between 0.5 and 0.9999", p.Confidence)
	add(p.Sampling.MaxTokens < 1, "sampling.max_tokens", "at least 1", p.Sampling.MaxTokens)
	if t := p.Sampling.Temperature; t != nil {
		add(!(*t >= 0 && *t <= 2), "sampling.temperature", "between 0 and 2", *t)
	}
	if t := p.Sampling.TopP; t != nil {
		add(!(*t > 0 && *t <= 1), "sampling.top_p", "greater than 0 and at most 1", *t)
	}
	return append(v, stopViolation(p.Sampling.Stop)...)
}

// NewRun is what CreateRun asks for.
type NewRun struct {
	// Evaluation is the evaluation's id; ID is generated when empty.
	Evaluation, ID string
	// Model is the id of the model to evaluate.
	Model      string
	Checkpoint Checkpoint
	// Concurrency defaults to DefaultConcurrency.
	Concurrency int
	RequestID   string
	// ValidateOnly checks everything, keeps nothing and starts nothing.
	ValidateOnly bool
	// Forecast is what a forecast supposes; nil for the defaults. It says nothing
	// about the run, so a repeated request may differ in it.
	Forecast *ForecastOptions `json:"-"`
}

// CreateRun keeps a run and starts it. A forecast comes with and without
// ValidateOnly; what the run could show is simulated with ValidateOnly, or when
// Forecast is set, and then before anything is kept.
func (s *Service) CreateRun(ctx context.Context, project string, in NewRun) (Run, Forecast, error) {
	e, err := s.deps.Store.GetEvaluation(ctx, project, in.Evaluation)
	if err != nil {
		return Run{}, Forecast{}, err
	}
	concurrency := in.Concurrency
	if concurrency == 0 {
		concurrency = DefaultConcurrency
	}
	if concurrency < 1 || concurrency > MaxConcurrency {
		return Run{}, Forecast{}, Invalid("concurrency", "must be between 1 and %d, got %d", MaxConcurrency, concurrency)
	}
	m, err := s.deps.Models.Model(in.Model)
	switch {
	case isNotFound(err):
		return Run{}, Forecast{}, Invalid("model", "there is no model %q", in.Model)
	case err != nil:
		return Run{}, Forecast{}, err
	}
	schedule, err := s.exec.schedule(ctx, e)
	if err != nil {
		return Run{}, Forecast{}, fmt.Errorf("create run: %w", err)
	}
	if err := canBeAsked(m, e.Plan, schedule.scenarios); err != nil {
		return Run{}, Forecast{}, err
	}
	now := s.deps.Now()
	r := Run{
		RunKey: RunKey{Project: project, Evaluation: e.ID, Run: in.ID},
		Model:  in.Model, Checkpoint: in.Checkpoint, State: Pending, PlanDigest: e.PlanDigest,
		Progress: Progress{Planned: int64(schedule.Len())}, Concurrency: concurrency, CreateTime: now, RequestID: in.RequestID,
	}
	if r.Run == "" {
		r.Run = newID(now)
	}
	if r.RequestID != "" {
		r.RequestDigest = digestOf(in)
	}
	if err := s.nameIsFree(ctx, r); err != nil {
		return Run{}, Forecast{}, err
	}
	if in.ValidateOnly {
		if err := s.exec.hasRoom(ctx); err != nil {
			return Run{}, Forecast{}, err
		}
	}
	forecast, err := s.forecast(ctx, e, schedule, in.Model, in.Forecast, in.ValidateOnly || in.Forecast != nil)
	if err != nil || in.ValidateOnly {
		return r, forecast, err
	}
	kept, err := s.exec.create(ctx, r)
	return kept, forecast, err
}

// nameIsFree refuses the name of another run, also of a deleted one that was
// decided: its decisions would seem to be about the new run. A name that was
// asked for under the same request id is left to the store.
func (s *Service) nameIsFree(ctx context.Context, r Run) error {
	kept, err := s.deps.Store.GetRun(ctx, r.RunKey)
	switch {
	case err == nil && r.RequestID != "" && kept.RequestID == r.RequestID:
		return nil
	case err == nil:
		return &ExistsError{Name: r.Name()}
	case !isNotFound(err):
		return err
	}
	decisions, _, err := s.deps.Store.ListDecisions(ctx, r.Project, "*", &r.RunKey, Page{Size: 1})
	if err != nil {
		return fmt.Errorf("look for decisions on %s: %w", r.Name(), err)
	}
	if len(decisions) > 0 {
		return &ExistsError{Name: r.Name() + ", deleted but with decisions,"}
	}
	return nil
}

// CancelRun stops a run. Samples in flight are given up; what is finished stays.
func (s *Service) CancelRun(ctx context.Context, key RunKey) (Run, error) {
	return s.exec.cancel(ctx, key)
}

// digestOf fingerprints a request, to tell a repeated one from another one
// under the same request id.
func digestOf(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("marshal request: %v", err))
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func isNotFound(err error) bool {
	var nf *NotFoundError
	return errors.As(err, &nf)
}

// silent is an Observer that ignores everything.
type silent struct{}

// GradingFailed implements Observer.
func (silent) GradingFailed(RunKey, string, string) {}

// RunNotResumed implements Observer.
func (silent) RunNotResumed(RunKey, string) {}

// RunStarted implements Observer.
func (silent) RunStarted(RunKey, int, int) {}

// SampleFinished implements Observer.
func (silent) SampleFinished(RunKey, string, string, time.Duration) {}

// RunStopped implements Observer.
func (silent) RunStopped(RunKey) {}

// Pruned implements Observer.
func (silent) Pruned(Pruned, error) {}

// RunEnded implements Observer.
func (silent) RunEnded(RunKey, State, string, time.Duration) {}
