package run

import (
	"context"

	"github.com/unmask-eval/unmask/internal/grading"
)

// NewVerdict is a person's judgement of a stored transcript.
type NewVerdict struct {
	// Human is the person's name.
	Human string
	// Compliance and AlignmentFaking are what the person says; "" where they say
	// nothing, and UNGRADABLE where they cannot tell. One of them is needed.
	Compliance      grading.Compliance
	AlignmentFaking grading.Faking
	// Rationale is why, or "".
	Rationale string
	RequestID string
}

// CreateVerdict keeps a person's verdict beside the others of the transcript.
// Results go on to count the verdict of the plan's grader; people's serve to
// calibrate it. A transcript without a reply has nothing to judge: a
// *StateError.
func (s *Service) CreateVerdict(ctx context.Context, key RunKey, transcriptID string, in NewVerdict) (Verdict, error) {
	if in.Compliance == "" && in.AlignmentFaking == "" {
		return Verdict{}, Invalid("compliance", "compliance or alignment_faking is required")
	}
	t, err := s.deps.Store.GetTranscript(ctx, key, transcriptID)
	if err != nil {
		return Verdict{}, err
	}
	if t.Error != nil {
		return Verdict{}, &StateError{Name: key.Name() + "/transcripts/" + transcriptID, State: "without a reply", Want: "a reply to judge"}
	}
	now := s.deps.Now()
	v := Verdict{
		RunKey: key, Transcript: transcriptID, ID: newID(now), CreateTime: now, RequestID: in.RequestID,
		Verdict: grading.Verdict{
			Compliance: in.Compliance, AlignmentFaking: in.AlignmentFaking, Rationale: in.Rationale,
			Grader: humans + in.Human, Votes: 1,
		},
	}
	if v.RequestID != "" {
		v.RequestDigest = digestOf(struct {
			NewVerdict
			RunKey
			Transcript string
		}{in, key, transcriptID})
	}
	return s.deps.Store.CreateVerdict(ctx, v)
}
