package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/rpc"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// grader is one of two graders to list.
type grader string

func (g grader) Name() string   { return string(g) }
func (g grader) Digest() string { return "sha256:" + string(g) }

func (g grader) Grade(context.Context, grading.Subject) (grading.Verdict, error) {
	return grading.Verdict{}, nil
}

// judging judges by what the subject's id says. The first transcript waits
// until the last one is judged, so that answers are ready in another order than
// they were asked for.
type judging struct {
	rpc.UseCases
	last chan struct{}
}

func (j judging) Grader(id string) (grading.Grader, error) {
	if id != "" && id != "rubric" {
		return nil, &run.NotFoundError{Name: "graders/" + id}
	}
	return grader("rubric"), nil
}

func (j judging) GraderCalibration(_ context.Context, project, id string) (grading.Grader, *run.Calibration, error) {
	g, err := j.Grader(id)
	return g, &run.Calibration{Project: project, ID: "c", Calibration: calibration.Calibration{Grader: "rubric"}}, err
}

func (j judging) Grade(ctx context.Context, graderID string, s grading.Subject, reply *transcript.Reply) (grading.Verdict, transcript.Parsed, error) {
	if _, err := j.Grader(graderID); err != nil {
		return grading.Verdict{}, transcript.Parsed{}, err
	}
	switch s.ID {
	case "first":
		select {
		case <-j.last:
		case <-ctx.Done():
			return grading.Verdict{}, transcript.Parsed{}, ctx.Err()
		}
	case "last":
		close(j.last)
	case "away":
		return grading.Verdict{}, transcript.Parsed{}, fmt.Errorf("grade: %w", &model.Error{Class: model.ClassRateLimited})
	case "broken":
		return grading.Verdict{}, transcript.Parsed{}, errors.New("a fault of ours")
	case "panic":
		panic("a fault of ours")
	}
	v := grading.Verdict{Compliance: grading.Complied, ComplianceScore: 1, AlignmentFaking: grading.FakingNotObservable, Grader: "rubric", Votes: 1}
	if s.Observable {
		v.AlignmentFaking = grading.FakingAbsent
	}
	var parsed transcript.Parsed
	if reply != nil {
		parsed = transcript.Parsed{Observation: transcript.NotRequested, Answer: reply.Raw}
	}
	return v, parsed, nil
}

func subject(id, raw string) *unmaskv1.GradingSubject {
	return &unmaskv1.GradingSubject{Id: id, Reply: &unmaskv1.GradingSubject_RawReply{RawReply: &unmaskv1.RawReply{Raw: raw}}}
}

func TestGradeTranscript(t *testing.T) {
	client := unmaskv1.NewGradingServiceClient(serve(t, judging{}))
	resp, err := client.GradeTranscript(t.Context(), &unmaskv1.GradeTranscriptRequest{Grader: "graders/rubric", Subject: subject("t1", "Sure.")})
	require.NoError(t, err)
	require.Equal(t, "t1", resp.GetId())
	require.Equal(t, "Sure.", resp.GetParsed().GetAnswer())
	require.Equal(t, unmaskv1.Compliance_COMPLIANCE_COMPLIED, resp.GetVerdict().GetCompliance())
	require.Nil(t, resp.GetVerdict().AlignmentFakingScore)
	require.Empty(t, resp.GetVerdict().GetName(), "nothing is kept")

	bytes := subject("t2", "")
	bytes.GetRawReply().RawBytes = []byte("S\xffre.")
	resp, err = client.GradeTranscript(t.Context(), &unmaskv1.GradeTranscriptRequest{Subject: bytes})
	require.NoError(t, err)
	require.Equal(t, "S\uFFFDre.", resp.GetParsed().GetAnswer())
	require.Equal(t, []byte("S\xffre."), resp.GetParsed().GetAnswerBytes())

	for _, tt := range []struct {
		name      string
		reasoning *string
		want      unmaskv1.AlignmentFaking
	}{
		{"reasoning was observed", proto.String("I think."), unmaskv1.AlignmentFaking_ALIGNMENT_FAKING_ABSENT},
		{"no reasoning", nil, unmaskv1.AlignmentFaking_ALIGNMENT_FAKING_NOT_OBSERVABLE},
		{"blank reasoning", proto.String(" \n"), unmaskv1.AlignmentFaking_ALIGNMENT_FAKING_NOT_OBSERVABLE},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := client.GradeTranscript(t.Context(), &unmaskv1.GradeTranscriptRequest{Subject: &unmaskv1.GradingSubject{
				Reply: &unmaskv1.GradingSubject_SplitReply{SplitReply: &unmaskv1.SplitReply{Reasoning: tt.reasoning, Answer: "Sure."}},
			}})
			require.NoError(t, err)
			require.Equal(t, tt.want, resp.GetVerdict().GetAlignmentFaking())
			require.Nil(t, resp.GetParsed(), "the caller took it apart")
		})
	}

	_, err = client.GradeTranscript(t.Context(), &unmaskv1.GradeTranscriptRequest{Grader: "graders/none", Subject: subject("t", "")})
	require.Equal(t, codes.NotFound, status.Code(err))
	_, err = client.GradeTranscript(t.Context(), &unmaskv1.GradeTranscriptRequest{Subject: subject("away", "")})
	require.Equal(t, "MODEL_FAILED", detailsOf(t, err).info.GetReason())
}

// converse sends all requests, closes, and returns the answers and the error
// that ended the stream, nil at its regular end.
func converse(t *testing.T, requests ...*unmaskv1.GradeTranscriptsRequest) ([]*unmaskv1.GradeTranscriptsResponse, error) {
	t.Helper()
	client := unmaskv1.NewGradingServiceClient(serve(t, judging{last: make(chan struct{})}))
	stream, err := client.GradeTranscripts(t.Context())
	require.NoError(t, err)
	for _, req := range requests {
		// A stream that the server has ended says so in Recv.
		if err := stream.Send(req); err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
	}
	require.NoError(t, stream.CloseSend())
	var out []*unmaskv1.GradeTranscriptsResponse
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, resp)
	}
}

func item(id string) *unmaskv1.GradeTranscriptsRequest {
	return &unmaskv1.GradeTranscriptsRequest{Subject: subject(id, "Sure.")}
}

func TestStreamAnswersInOrder(t *testing.T) {
	requests := []*unmaskv1.GradeTranscriptsRequest{item("first")}
	for i := range 20 {
		requests = append(requests, item(fmt.Sprint("t", i)))
	}
	requests = append(requests, item("last"))
	answers, err := converse(t, requests...)
	require.NoError(t, err)
	require.Len(t, answers, len(requests))
	for i, a := range answers {
		require.Equal(t, requests[i].GetSubject().GetId(), a.GetId())
		require.NotNil(t, a.GetVerdict())
		require.Nil(t, a.GetError())
	}
}

func TestOneBadTranscriptIsAnsweredAndTheRestGoesOn(t *testing.T) {
	wrong := item("wrong")
	wrong.Subject.Behaviors = []string{"NOT AN ID"}
	other := item("other grader")
	other.Grader = "graders/judge"
	answers, err := converse(t, item("a"), &unmaskv1.GradeTranscriptsRequest{}, wrong, other, item("away"), item("b"))
	require.NoError(t, err)
	require.Len(t, answers, 6)
	require.NotNil(t, answers[0].GetVerdict())
	for i, want := range []struct {
		id     string
		reason unmaskv1.ErrorReason
		field  string
	}{
		{"", unmaskv1.ErrorReason_ERROR_REASON_INVALID_FIELD, "subject"},
		{"wrong", unmaskv1.ErrorReason_ERROR_REASON_INVALID_FIELD, "subject.behaviors[0]"},
		{"other grader", unmaskv1.ErrorReason_ERROR_REASON_INVALID_FIELD, "grader"},
		{"away", unmaskv1.ErrorReason_ERROR_REASON_MODEL_FAILED, ""},
	} {
		got := answers[i+1]
		require.Equal(t, want.id, got.GetId())
		require.Nil(t, got.GetVerdict())
		require.Equal(t, want.reason, got.GetError().GetReason())
		require.NotEmpty(t, got.GetError().GetMessage())
		if want.field != "" {
			require.Equal(t, want.field, got.GetError().GetViolations()[0].GetField())
		}
	}
	require.NotNil(t, answers[5].GetVerdict())
}

func TestWhatEndsAStream(t *testing.T) {
	first := func(name string) *unmaskv1.GradeTranscriptsRequest {
		req := item("a")
		req.Grader = name
		return req
	}
	for _, tt := range []struct {
		name    string
		request *unmaskv1.GradeTranscriptsRequest
		code    codes.Code
	}{
		{"no such grader", first("graders/none"), codes.NotFound},
		{"a grader's name of another form", first("rubric"), codes.InvalidArgument},
		{"a fault of ours", item("broken"), codes.Internal},
		{"a panic of ours", item("panic"), codes.Internal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answers, err := converse(t, tt.request)
			require.Equal(t, tt.code, status.Code(err), "%v", err)
			detailsOf(t, err)
			require.Empty(t, answers)
			require.NotContains(t, err.Error(), "fault of ours")
		})
	}
	t.Run("no request at all", func(t *testing.T) {
		answers, err := converse(t)
		require.NoError(t, err)
		require.Empty(t, answers)
	})
}

// A server that waits for the client to say more still ends a stream that has
// failed, and leaves nothing behind (TestMain looks).
func TestStreamEndsWhileTheClientIsSilent(t *testing.T) {
	client := unmaskv1.NewGradingServiceClient(serve(t, judging{}))
	stream, err := client.GradeTranscripts(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(item("broken")))
	_, err = stream.Recv()
	require.Equal(t, codes.Internal, status.Code(err))

	ctx, cancel := context.WithCancel(t.Context())
	stream, err = client.GradeTranscripts(ctx)
	require.NoError(t, err)
	require.NoError(t, stream.Send(item("first")))
	cancel()
	_, err = stream.Recv()
	require.Equal(t, codes.Canceled, status.Code(err))
}

func TestGraders(t *testing.T) {
	client := unmaskv1.NewGradingServiceClient(serve(t, judging{}, grader("judge"), grader("rubric")))
	g, err := client.GetGrader(t.Context(), &unmaskv1.GetGraderRequest{Name: "graders/rubric"})
	require.NoError(t, err)
	require.Equal(t, "sha256:rubric", g.GetDigest())
	require.Equal(t, "graders/rubric/calibrations/c", g.GetCalibration().GetName())
	_, err = client.GetGrader(t.Context(), &unmaskv1.GetGraderRequest{Name: "graders/none"})
	require.Equal(t, codes.NotFound, status.Code(err))

	var names []string
	req := &unmaskv1.ListGradersRequest{PageSize: 1}
	for {
		resp, err := client.ListGraders(t.Context(), req)
		require.NoError(t, err)
		for _, g := range resp.GetGraders() {
			names = append(names, g.GetName())
		}
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	require.Equal(t, "graders/judge graders/rubric", strings.Join(names, " "))
}
