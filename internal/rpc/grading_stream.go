package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"google.golang.org/grpc"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/rpc/validate"
	"github.com/unmask-eval/unmask/internal/run"
)

// gradesInFlight bounds the transcripts of one stream that are judged or wait to
// be sent. A caller that does not read its answers is not read from beyond it.
const gradesInFlight = 32

// answer is what became of one request of a stream. An err ends the stream.
type answer struct {
	response *unmaskv1.GradeTranscriptsResponse
	err      error
}

// GradeTranscripts implements unmaskv1.GradingServiceServer.
//
// A reader takes requests and starts a judge for each; the caller's goroutine
// sends the answers in the order of the requests. The reader may be waiting for
// the client when this function returns; it ends then, because returning ends
// the stream.
func (s *gradingService) GradeTranscripts(stream grpc.BidiStreamingServer[unmaskv1.GradeTranscriptsRequest, unmaskv1.GradeTranscriptsResponse]) error {
	ctx, stop := context.WithCancel(stream.Context())
	defer stop()
	queue := make(chan chan answer, gradesInFlight)
	go s.judgeAll(ctx, stream, queue)
	for waiting := range queue {
		select {
		case a := <-waiting:
			if a.err != nil {
				return a.err
			}
			if err := stream.Send(a.response); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// judgeAll reads requests until the stream ends, and closes the queue.
func (s *gradingService) judgeAll(ctx context.Context, stream grpc.BidiStreamingServer[unmaskv1.GradeTranscriptsRequest, unmaskv1.GradeTranscriptsResponse], queue chan<- chan answer) {
	defer close(queue)
	var grader string
	for first := true; ; first = false {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return
		}
		slot := make(chan answer, 1)
		select {
		case queue <- slot:
		case <-ctx.Done():
			return
		}
		if err != nil {
			slot <- answer{err: err}
			return
		}
		if first {
			grader = req.GetGrader()
			if _, ok := resource.Grader(grader); !ok && grader != "" {
				slot <- answer{err: run.Invalid("grader", "must have the form graders/{grader}")}
				return
			}
		}
		go func() { slot <- s.judge(ctx, grader, req) }()
	}
}

// judge answers one request. What is wrong with the request alone is said in
// the answer; everything else ends the stream.
func (s *gradingService) judge(ctx context.Context, grader string, req *unmaskv1.GradeTranscriptsRequest) (a answer) {
	defer func() {
		// The interceptor that recovers from panics does not see this goroutine.
		if r := recover(); r != nil {
			a = answer{err: fmt.Errorf("panic of type %T\n%s", r, debug.Stack())}
		}
	}()
	violations, err := validate.Fields(req)
	if err != nil {
		return answer{err: err}
	}
	if len(violations) == 0 && req.GetGrader() != "" && req.GetGrader() != grader {
		violations = append(violations, run.Violation{Field: "grader", Description: "must be empty or the one of the stream's first request"})
	}
	if len(violations) > 0 {
		return failed(req, unmaskv1.ErrorReason_ERROR_REASON_INVALID_FIELD, &run.InvalidError{Violations: violations}, violations)
	}
	id, _ := resource.Grader(grader)
	verdict, parsed, err := s.grade(ctx, id, req.GetSubject())
	var away *model.Error
	switch {
	case errors.As(err, &away):
		return failed(req, unmaskv1.ErrorReason_ERROR_REASON_MODEL_FAILED, fmt.Errorf("a model that the grader needs gave no reply: %s", away.Class), nil)
	case err != nil:
		return answer{err: err}
	}
	return answer{response: &unmaskv1.GradeTranscriptsResponse{Id: req.GetSubject().GetId(), Verdict: verdict, Parsed: parsed}}
}

func failed(req *unmaskv1.GradeTranscriptsRequest, reason unmaskv1.ErrorReason, err error, violations []run.Violation) answer {
	out := &unmaskv1.GradingError{Reason: reason, Message: clean(err.Error())}
	for _, v := range violations {
		out.Violations = append(out.Violations, &unmaskv1.FieldViolation{Field: clean(v.Field), Description: clean(v.Description)})
	}
	return answer{response: &unmaskv1.GradeTranscriptsResponse{Id: req.GetSubject().GetId(), Error: out}}
}
