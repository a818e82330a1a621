package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// GetEvaluation returns an evaluation.
func (s *Service) GetEvaluation(ctx context.Context, project, id string) (Evaluation, error) {
	return s.deps.Store.GetEvaluation(ctx, project, id)
}

// ListEvaluations lists evaluations in order of creation.
func (s *Service) ListEvaluations(ctx context.Context, project string, p Page) ([]Evaluation, string, error) {
	return s.deps.Store.ListEvaluations(ctx, project, p)
}

// DeleteEvaluation removes an evaluation without runs.
func (s *Service) DeleteEvaluation(ctx context.Context, project, id string) error {
	return s.deps.Store.DeleteEvaluation(ctx, project, id)
}

// GetRun returns a run with its progress so far.
func (s *Service) GetRun(ctx context.Context, key RunKey) (Run, error) {
	return s.deps.Store.GetRun(ctx, key)
}

// ListRuns lists the runs of an evaluation, or of all when evaluation is "-".
func (s *Service) ListRuns(ctx context.Context, project, evaluation string, p Page) ([]Run, string, error) {
	if evaluation != "-" {
		// An empty list would hide a misspelt name.
		if _, err := s.deps.Store.GetEvaluation(ctx, project, evaluation); err != nil {
			return nil, "", err
		}
	}
	return s.deps.Store.ListRuns(ctx, project, evaluation, p)
}

// DeleteRun removes a run that has ended, with its transcripts and verdicts.
func (s *Service) DeleteRun(ctx context.Context, key RunKey) error {
	return s.deps.Store.DeleteRun(ctx, key)
}

// GetTranscript returns a transcript with its text.
func (s *Service) GetTranscript(ctx context.Context, key RunKey, id string) (Transcript, error) {
	return s.deps.Store.GetTranscript(ctx, key, id)
}

// ListTranscripts lists the transcripts of a run in plan order.
func (s *Service) ListTranscripts(ctx context.Context, key RunKey, f TranscriptFilter, full bool, p Page) ([]Transcript, string, error) {
	if _, err := s.deps.Store.GetRun(ctx, key); err != nil {
		return nil, "", err
	}
	return s.deps.Store.ListTranscripts(ctx, key, f, full, p)
}

// GetVerdict returns a verdict.
func (s *Service) GetVerdict(ctx context.Context, key RunKey, transcriptID, id string) (Verdict, error) {
	return s.deps.Store.GetVerdict(ctx, key, transcriptID, id)
}

// ListVerdicts lists the verdicts of a transcript, or of a run when
// transcriptID is "-".
func (s *Service) ListVerdicts(ctx context.Context, key RunKey, transcriptID string, p Page) ([]Verdict, string, error) {
	var err error
	if transcriptID == "-" {
		_, err = s.deps.Store.GetRun(ctx, key)
	} else {
		_, err = s.deps.Store.GetTranscript(ctx, key, transcriptID)
		var state *StateError
		if errors.As(err, &state) && state.State == TextsRemoved {
			err = nil // it is there, and its verdicts are
		}
	}
	if err != nil {
		return nil, "", err
	}
	return s.deps.Store.ListVerdicts(ctx, key, transcriptID, p)
}

// Grader returns a grader by id.
func (s *Service) Grader(id string) (grading.Grader, error) {
	if id == "" {
		id = DefaultGrader
	}
	return s.deps.Graders.Grader(id)
}

// Grade parses a reply, unless its parts are given, and grades it. Nothing is kept.
func (s *Service) Grade(ctx context.Context, graderID string, subject grading.Subject, reply *transcript.Reply) (grading.Verdict, transcript.Parsed, error) {
	g, err := s.Grader(graderID)
	if err != nil {
		return grading.Verdict{}, transcript.Parsed{}, err
	}
	var parsed transcript.Parsed
	if reply != nil {
		parsed = transcript.Parse(*reply)
		subject.Reasoning, subject.Answer = parsed.Reasoning, parsed.Answer
		subject.Observable, subject.FinishReason = parsed.Observable(), reply.FinishReason
	}
	v, err := g.Grade(ctx, subject)
	if err != nil {
		return grading.Verdict{}, parsed, fmt.Errorf("grade transcript %q: %w", subject.ID, err)
	}
	return v, parsed, nil
}

// NewGate is what CreateGate asks for.
type NewGate struct {
	// ID is generated when empty.
	ID, DisplayName string
	Policy          gate.Policy
	RequestID       string
}

// CreateGate keeps a policy under a name.
func (s *Service) CreateGate(ctx context.Context, project string, in NewGate) (Gate, error) {
	if err := policyViolations("policy.", in.Policy.Validate()); err != nil {
		return Gate{}, err
	}
	now := s.deps.Now()
	g := Gate{Project: project, ID: in.ID, DisplayName: in.DisplayName, Policy: in.Policy.WithDefaults(), CreateTime: now, RequestID: in.RequestID}
	if g.ID == "" {
		g.ID = newID(now)
	}
	if g.RequestID != "" {
		g.RequestDigest = digestOf(in)
	}
	if _, err := s.deps.Store.GetGate(ctx, project, g.ID); isNotFound(err) {
		// The decisions of a deleted gate would seem to be the new one's.
		old, _, err := s.deps.Store.ListDecisions(ctx, project, g.ID, nil, Page{Size: 1})
		if err != nil {
			return Gate{}, fmt.Errorf("look for decisions of %s: %w", GateName(g.ID), err)
		}
		if len(old) > 0 {
			return Gate{}, &ExistsError{Name: GateName(g.ID) + ", deleted but with decisions,"}
		}
	}
	return s.deps.Store.CreateGate(ctx, g)
}

// GetGate returns a gate.
func (s *Service) GetGate(ctx context.Context, project, id string) (Gate, error) {
	return s.deps.Store.GetGate(ctx, project, id)
}

// ListGates lists gates in order of creation.
func (s *Service) ListGates(ctx context.Context, project string, p Page) ([]Gate, string, error) {
	return s.deps.Store.ListGates(ctx, project, p)
}

// DeleteGate removes a gate; its decisions stay.
func (s *Service) DeleteGate(ctx context.Context, project, id string) error {
	return s.deps.Store.DeleteGate(ctx, project, id)
}

// GetDecision returns a stored decision.
func (s *Service) GetDecision(ctx context.Context, project, gateID, id string) (Decision, error) {
	return s.deps.Store.GetDecision(ctx, project, gateID, id)
}

// ListDecisions lists the decisions of a gate ("*" for all), narrowed to one
// run unless run is nil.
func (s *Service) ListDecisions(ctx context.Context, project, gateID string, key *RunKey, p Page) ([]Decision, string, error) {
	return s.deps.Store.ListDecisions(ctx, project, gateID, key, p)
}
