package rpc

import (
	"context"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/rpc/page"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// GradingUseCases judge transcripts of which nothing is kept, and calibrate
// graders.
type GradingUseCases interface {
	LabelUseCases
	CalibrationUseCases
	// Grade parses the reply and judges it; with a nil reply it judges the
	// subject as it is, and what it returns as parsed means nothing.
	Grade(ctx context.Context, graderID string, subject grading.Subject, reply *transcript.Reply) (grading.Verdict, transcript.Parsed, error)
}

type gradingService struct {
	unmaskv1.UnimplementedGradingServiceServer
	use     GradingUseCases
	graders []grading.Grader
	project func(context.Context) string
}

// GradeTranscript implements unmaskv1.GradingServiceServer.
func (s *gradingService) GradeTranscript(ctx context.Context, req *unmaskv1.GradeTranscriptRequest) (*unmaskv1.GradeTranscriptResponse, error) {
	grader, _ := resource.Grader(req.GetGrader())
	verdict, parsed, err := s.grade(ctx, grader, req.GetSubject())
	if err != nil {
		return nil, err
	}
	return &unmaskv1.GradeTranscriptResponse{Id: req.GetSubject().GetId(), Verdict: verdict, Parsed: parsed}, nil
}

// GetGrader implements unmaskv1.GradingServiceServer.
func (s *gradingService) GetGrader(ctx context.Context, req *unmaskv1.GetGraderRequest) (*unmaskv1.Grader, error) {
	id, _ := resource.Grader(req.GetName())
	g, c, err := s.use.GraderCalibration(ctx, s.project(ctx), id)
	if err != nil {
		return nil, err
	}
	out := toGrader(g)
	if c != nil {
		out.Calibration = toCalibration(*c)
	}
	return out, nil
}

// ListGraders implements unmaskv1.GradingServiceServer.
func (s *gradingService) ListGraders(ctx context.Context, req *unmaskv1.ListGradersRequest) (*unmaskv1.ListGradersResponse, error) {
	p, err := page.Read(s.project(ctx), req)
	if err != nil {
		return nil, err
	}
	part, next := page.Slice(s.graders, p, grading.Grader.Name)
	return &unmaskv1.ListGradersResponse{Graders: each(part, toGrader), NextPageToken: page.Token(s.project(ctx), req, next)}, nil
}

func (s *gradingService) grade(ctx context.Context, grader string, in *unmaskv1.GradingSubject) (*unmaskv1.Verdict, *unmaskv1.ParsedReply, error) {
	subject, reply := fromSubject(in)
	verdict, parsed, err := s.use.Grade(ctx, grader, subject, reply)
	if err != nil {
		return nil, nil, err
	}
	if reply == nil {
		return toJudgement(verdict), nil, nil
	}
	return toJudgement(verdict), toParsed(parsed, true), nil
}

func toGrader(g grading.Grader) *unmaskv1.Grader {
	out := &unmaskv1.Grader{Name: resource.GraderName(g.Name()), Digest: g.Digest()}
	described, ok := g.(grading.Described)
	if !ok {
		return out
	}
	d := described.Describe()
	out.Kind, out.Votes, out.Rule = graderKinds.proto(d.Kind), count(d.Votes), d.Rule
	if d.Model != "" {
		out.Model = resource.ModelName(d.Model)
	}
	for _, m := range d.Members {
		out.Members = append(out.Members, resource.GraderName(m))
	}
	return out
}
