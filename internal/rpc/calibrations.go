package rpc

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/rpc/page"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
)

// CalibrationUseCases compare graders with labels of people.
type CalibrationUseCases interface {
	CalibrateGrader(ctx context.Context, project string, in run.NewCalibration) (run.Calibration, error)
	// GraderCalibration returns a grader by its id and its current calibration,
	// nil when there is none.
	GraderCalibration(ctx context.Context, project, graderID string) (grading.Grader, *run.Calibration, error)
	GetCalibration(ctx context.Context, project, grader, id string) (run.Calibration, error)
	// ListCalibrations takes "-" for all graders.
	ListCalibrations(ctx context.Context, project, grader string, p run.Page) (items []run.Calibration, next string, err error)
}

// CalibrateGrader implements unmaskv1.GradingServiceServer.
func (s *gradingService) CalibrateGrader(req *unmaskv1.CalibrateGraderRequest, stream grpc.ServerStreamingServer[unmaskv1.CalibrateGraderResponse]) error {
	ctx := stream.Context()
	in := run.NewCalibration{
		Design: samplingDesigns.domain(req.GetSamplingDesign()), AllOrigins: req.GetCountAllOrigins(), Confidence: req.GetConfidence(),
	}
	in.Grader, _ = resource.Grader(req.GetGrader())
	in.LabelSet, _ = resource.LabelSet(req.GetLabelSet())
	if name, ok := resource.Run(req.GetRun()); ok {
		key := name.In(s.project(ctx))
		in.Run = &key
	}
	told := newTeller(stream.Send)
	in.Progress = told.tell
	c, err := s.calibrate(ctx, in, told)
	if err != nil {
		return err
	}
	return stream.Send(&unmaskv1.CalibrateGraderResponse{Judged: told.last.GetJudged(), Items: told.last.GetItems(), Calibration: toCalibration(c)})
}

// calibrate returns when nothing is sent any more.
func (s *gradingService) calibrate(ctx context.Context, in run.NewCalibration, told *teller) (run.Calibration, error) {
	defer told.stop()
	return s.use.CalibrateGrader(ctx, s.project(ctx), in)
}

// teller sends progress in a goroutine of its own, so that a slow reader does
// not hold up the judging: what it has no time for is skipped.
type teller struct {
	queue chan *unmaskv1.CalibrateGraderResponse
	done  sync.WaitGroup
	// last is what was told last; it belongs to the caller of tell.
	last *unmaskv1.CalibrateGraderResponse
}

func newTeller(send func(*unmaskv1.CalibrateGraderResponse) error) *teller {
	t := &teller{queue: make(chan *unmaskv1.CalibrateGraderResponse, 1)}
	t.done.Go(func() {
		for m := range t.queue {
			// A reader that is gone ends the call by its context.
			_ = send(m)
		}
	})
	return t
}

// tell tells of each hundredth at most.
func (t *teller) tell(judged, items int) {
	fresh := t.last == nil || 100*judged/items != 100*int(t.last.GetJudged())/items
	t.last = &unmaskv1.CalibrateGraderResponse{Judged: count(judged), Items: count(items)}
	if !fresh {
		return
	}
	select {
	case t.queue <- t.last:
	default:
	}
}

func (t *teller) stop() {
	close(t.queue)
	t.done.Wait()
}

// GetCalibration implements unmaskv1.GradingServiceServer.
func (s *gradingService) GetCalibration(ctx context.Context, req *unmaskv1.GetCalibrationRequest) (*unmaskv1.Calibration, error) {
	grader, id, _ := resource.Calibration(req.GetName())
	c, err := s.use.GetCalibration(ctx, s.project(ctx), grader, id)
	if err != nil {
		return nil, err
	}
	return toCalibration(c), nil
}

// ListCalibrations implements unmaskv1.GradingServiceServer.
func (s *gradingService) ListCalibrations(ctx context.Context, req *unmaskv1.ListCalibrationsRequest) (*unmaskv1.ListCalibrationsResponse, error) {
	grader, _ := resource.Graders(req.GetParent())
	p, err := page.Read(s.project(ctx), req)
	if err != nil {
		return nil, err
	}
	items, next, err := s.use.ListCalibrations(ctx, s.project(ctx), grader, p)
	if err != nil {
		return nil, err
	}
	return &unmaskv1.ListCalibrationsResponse{Calibrations: each(items, toCalibration), NextPageToken: page.Token(s.project(ctx), req, next)}, nil
}
