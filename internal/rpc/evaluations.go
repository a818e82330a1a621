package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/rpc/page"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
)

// EvaluationUseCases plan evaluations and run them. Whatever does not exist in
// the project is a *run.NotFoundError; fields of an *run.InvalidError are named
// as the argument has them.
type EvaluationUseCases interface {
	CreateEvaluation(ctx context.Context, project string, in run.NewEvaluation) (run.Evaluation, error)
	GetEvaluation(ctx context.Context, project, id string) (run.Evaluation, error)
	ListEvaluations(ctx context.Context, project string, p run.Page) (items []run.Evaluation, next string, err error)
	DeleteEvaluation(ctx context.Context, project, id string) error

	CreateRun(ctx context.Context, project string, in run.NewRun) (run.Run, run.Forecast, error)
	GetRun(ctx context.Context, key run.RunKey) (run.Run, error)
	// ListRuns takes "-" for the runs of all evaluations.
	ListRuns(ctx context.Context, project, evaluation string, p run.Page) (items []run.Run, next string, err error)
	DeleteRun(ctx context.Context, key run.RunKey) error
	CancelRun(ctx context.Context, key run.RunKey) (run.Run, error)
	// WatchRun calls fn with the run as it is and after changes, at most once
	// in an interval, and returns nil after the call in which it has ended.
	WatchRun(ctx context.Context, key run.RunKey, interval time.Duration, fn func(run.Update) error) error
}

// defaultWatchInterval is the pace of WatchRun and WatchDecision when a request names none.
const defaultWatchInterval = time.Second

type evaluationService struct {
	unmaskv1.UnimplementedEvaluationServiceServer
	use         EvaluationUseCases
	transcripts TranscriptUseCases
	series      SeriesUseCases
	project     func(context.Context) string
}

// CreateEvaluation implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) CreateEvaluation(ctx context.Context, req *unmaskv1.CreateEvaluationRequest) (*unmaskv1.Evaluation, error) {
	e, err := s.use.CreateEvaluation(ctx, s.project(ctx), fromCreateEvaluation(req))
	if err != nil {
		return nil, under("evaluation.plan", err)
	}
	return toEvaluation(e), nil
}

// GetEvaluation implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) GetEvaluation(ctx context.Context, req *unmaskv1.GetEvaluationRequest) (*unmaskv1.Evaluation, error) {
	id, _ := resource.Evaluation(req.GetName())
	e, err := s.use.GetEvaluation(ctx, s.project(ctx), id)
	if err != nil {
		return nil, err
	}
	return toEvaluation(e), nil
}

// ListEvaluations implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) ListEvaluations(ctx context.Context, req *unmaskv1.ListEvaluationsRequest) (*unmaskv1.ListEvaluationsResponse, error) {
	p, err := page.Read(s.project(ctx), req)
	if err != nil {
		return nil, err
	}
	items, next, err := s.use.ListEvaluations(ctx, s.project(ctx), p)
	if err != nil {
		return nil, err
	}
	return &unmaskv1.ListEvaluationsResponse{
		Evaluations: each(items, toEvaluation), NextPageToken: page.Token(s.project(ctx), req, next),
	}, nil
}

// DeleteEvaluation implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) DeleteEvaluation(ctx context.Context, req *unmaskv1.DeleteEvaluationRequest) (*emptypb.Empty, error) {
	id, _ := resource.Evaluation(req.GetName())
	if err := s.use.DeleteEvaluation(ctx, s.project(ctx), id); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// CreateRun implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) CreateRun(ctx context.Context, req *unmaskv1.CreateRunRequest) (*unmaskv1.Run, error) {
	r, forecast, err := s.use.CreateRun(ctx, s.project(ctx), fromCreateRun(req))
	if err != nil {
		return nil, underRun(err)
	}
	out := toRun(r, true)
	out.Forecast = toForecast(forecast)
	return out, nil
}

// GetRun implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) GetRun(ctx context.Context, req *unmaskv1.GetRunRequest) (*unmaskv1.Run, error) {
	name, _ := resource.Run(req.GetName())
	r, err := s.use.GetRun(ctx, name.In(s.project(ctx)))
	if err != nil {
		return nil, err
	}
	return toRun(r, req.GetView() != unmaskv1.RunView_RUN_VIEW_BASIC), nil
}

// ListRuns implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) ListRuns(ctx context.Context, req *unmaskv1.ListRunsRequest) (*unmaskv1.ListRunsResponse, error) {
	evaluation, _ := resource.Evaluations(req.GetParent())
	p, err := page.Read(s.project(ctx), req)
	if err != nil {
		return nil, err
	}
	items, next, err := s.use.ListRuns(ctx, s.project(ctx), evaluation, p)
	if err != nil {
		return nil, err
	}
	full := req.GetView() == unmaskv1.RunView_RUN_VIEW_FULL
	return &unmaskv1.ListRunsResponse{
		Runs:          each(items, func(r run.Run) *unmaskv1.Run { return toRun(r, full) }),
		NextPageToken: page.Token(s.project(ctx), req, next),
	}, nil
}

// DeleteRun implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) DeleteRun(ctx context.Context, req *unmaskv1.DeleteRunRequest) (*emptypb.Empty, error) {
	name, _ := resource.Run(req.GetName())
	if err := s.use.DeleteRun(ctx, name.In(s.project(ctx))); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// CancelRun implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) CancelRun(ctx context.Context, req *unmaskv1.CancelRunRequest) (*unmaskv1.Run, error) {
	name, _ := resource.Run(req.GetName())
	r, err := s.use.CancelRun(ctx, name.In(s.project(ctx)))
	if err != nil {
		return nil, err
	}
	return toRun(r, true), nil
}

// WatchRun implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) WatchRun(req *unmaskv1.WatchRunRequest, stream grpc.ServerStreamingServer[unmaskv1.WatchRunResponse]) error {
	ctx := stream.Context()
	name, _ := resource.Run(req.GetName())
	interval := defaultWatchInterval
	if req.GetInterval() != nil {
		interval = req.GetInterval().AsDuration()
	}
	return s.use.WatchRun(ctx, name.In(s.project(ctx)), interval, func(u run.Update) error {
		out := toRun(u.Run, true)
		if out.Results == nil {
			out.Results = toResults(u.Interim)
		}
		return stream.Send(&unmaskv1.WatchRunResponse{Run: out})
	})
}

// each turns a list of the domain into one of the API.
func each[D, P any](items []D, to func(D) P) []P {
	out := make([]P, len(items))
	for i, item := range items {
		out[i] = to(item)
	}
	return out
}
