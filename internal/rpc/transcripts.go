package rpc

import (
	"context"

	"google.golang.org/protobuf/proto"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/rpc/filter"
	"github.com/unmask-eval/unmask/internal/rpc/page"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
)

// TranscriptUseCases read what runs have kept, and keep what people say of it.
type TranscriptUseCases interface {
	GetTranscript(ctx context.Context, key run.RunKey, id string) (run.Transcript, error)
	// ListTranscripts leaves out texts unless full is set.
	ListTranscripts(ctx context.Context, key run.RunKey, f run.TranscriptFilter, full bool, p run.Page) (items []run.Transcript, next string, err error)
	GetVerdict(ctx context.Context, key run.RunKey, transcript, id string) (run.Verdict, error)
	// ListVerdicts takes "-" for the verdicts of all transcripts of the run.
	ListVerdicts(ctx context.Context, key run.RunKey, transcript string, p run.Page) (items []run.Verdict, next string, err error)
	CreateVerdict(ctx context.Context, key run.RunKey, transcript string, in run.NewVerdict) (run.Verdict, error)
}

// Clients take messages of 4 MiB by default, and a page with texts may be far
// larger. So texts are read a few transcripts at a time until a page is large.
const (
	pageBytes = 2 << 20
	pageStep  = 8
)

// GetTranscript implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) GetTranscript(ctx context.Context, req *unmaskv1.GetTranscriptRequest) (*unmaskv1.Transcript, error) {
	name, id, _ := resource.Transcript(req.GetName())
	t, err := s.transcripts.GetTranscript(ctx, name.In(s.project(ctx)), id)
	if err != nil {
		return nil, err
	}
	return toTranscript(t, req.GetView() != unmaskv1.TranscriptView_TRANSCRIPT_VIEW_BASIC), nil
}

// ListTranscripts implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) ListTranscripts(ctx context.Context, req *unmaskv1.ListTranscriptsRequest) (*unmaskv1.ListTranscriptsResponse, error) {
	name, _ := resource.Run(req.GetParent())
	p, err := page.Read(s.project(ctx), req)
	if err != nil {
		return nil, err
	}
	f, err := filter.Transcripts(req.GetFilter())
	if err != nil {
		return nil, err
	}
	list := s.listBasic
	if req.GetView() == unmaskv1.TranscriptView_TRANSCRIPT_VIEW_FULL {
		list = s.listFull
	}
	items, next, err := list(ctx, name.In(s.project(ctx)), f, p)
	if err != nil {
		return nil, err
	}
	return &unmaskv1.ListTranscriptsResponse{Transcripts: items, NextPageToken: page.Token(s.project(ctx), req, next)}, nil
}

func (s *evaluationService) listBasic(ctx context.Context, key run.RunKey, f run.TranscriptFilter, p run.Page) ([]*unmaskv1.Transcript, string, error) {
	items, next, err := s.transcripts.ListTranscripts(ctx, key, f, false, p)
	return each(items, func(t run.Transcript) *unmaskv1.Transcript { return toTranscript(t, false) }), next, err
}

// listFull ends a page early when it is large.
func (s *evaluationService) listFull(ctx context.Context, key run.RunKey, f run.TranscriptFilter, p run.Page) ([]*unmaskv1.Transcript, string, error) {
	var out []*unmaskv1.Transcript
	bytes := 0
	for {
		step := run.Page{Size: min(p.Size-len(out), pageStep), After: p.After}
		items, next, err := s.transcripts.ListTranscripts(ctx, key, f, true, step)
		if err != nil {
			return nil, "", err
		}
		for _, t := range items {
			one := toTranscript(t, true)
			bytes += proto.Size(one)
			out = append(out, one)
		}
		if next == "" || len(out) >= p.Size || bytes >= pageBytes {
			return out, next, nil
		}
		p.After = next
	}
}

// GetVerdict implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) GetVerdict(ctx context.Context, req *unmaskv1.GetVerdictRequest) (*unmaskv1.Verdict, error) {
	name, transcript, id, _ := resource.Verdict(req.GetName())
	v, err := s.transcripts.GetVerdict(ctx, name.In(s.project(ctx)), transcript, id)
	if err != nil {
		return nil, err
	}
	return toVerdict(v), nil
}

// ListVerdicts implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) ListVerdicts(ctx context.Context, req *unmaskv1.ListVerdictsRequest) (*unmaskv1.ListVerdictsResponse, error) {
	name, transcript, _ := resource.Transcripts(req.GetParent())
	p, err := page.Read(s.project(ctx), req)
	if err != nil {
		return nil, err
	}
	items, next, err := s.transcripts.ListVerdicts(ctx, name.In(s.project(ctx)), transcript, p)
	if err != nil {
		return nil, err
	}
	return &unmaskv1.ListVerdictsResponse{Verdicts: each(items, toVerdict), NextPageToken: page.Token(s.project(ctx), req, next)}, nil
}

// CreateVerdict implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) CreateVerdict(ctx context.Context, req *unmaskv1.CreateVerdictRequest) (*unmaskv1.Verdict, error) {
	name, transcript, _ := resource.Transcript(req.GetParent())
	in := req.GetVerdict()
	human, _ := resource.Human(in.GetGrader())
	v, err := s.transcripts.CreateVerdict(ctx, name.In(s.project(ctx)), transcript, run.NewVerdict{
		Human: human, Compliance: compliances.domain(in.GetCompliance()), AlignmentFaking: alignmentFakings.domain(in.GetAlignmentFaking()),
		Rationale: in.GetRationale(), RequestID: req.GetRequestId(),
	})
	if err != nil {
		return nil, under("verdict", err)
	}
	return toVerdict(v), nil
}
