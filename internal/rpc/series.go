package rpc

import (
	"context"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
)

// SeriesUseCases look at several runs of a plan together. Whatever does not
// exist in the project is a *run.NotFoundError.
type SeriesUseCases interface {
	// GetSeries returns a *run.InvalidError for a training run that no run has.
	GetSeries(ctx context.Context, project string, in run.SeriesQuery) (run.Series, error)
	// CompareRuns returns a *run.StateError for runs that cannot be compared.
	CompareRuns(ctx context.Context, candidate, baseline run.RunKey) (run.Comparison, error)
}

// GetSeries implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) GetSeries(ctx context.Context, req *unmaskv1.GetSeriesRequest) (*unmaskv1.Series, error) {
	out, err := s.series.GetSeries(ctx, s.project(ctx), fromGetSeries(req))
	if err != nil {
		return nil, err
	}
	return toSeries(out), nil
}

// CompareRuns implements unmaskv1.EvaluationServiceServer.
func (s *evaluationService) CompareRuns(ctx context.Context, req *unmaskv1.CompareRunsRequest) (*unmaskv1.RunComparison, error) {
	candidate, _ := resource.Run(req.GetName())
	baseline, _ := resource.Run(req.GetBaseline())
	out, err := s.series.CompareRuns(ctx, candidate.In(s.project(ctx)), baseline.In(s.project(ctx)))
	if err != nil {
		return nil, err
	}
	return toRunComparison(out), nil
}
