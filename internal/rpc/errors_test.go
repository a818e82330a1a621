package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/rpc"
	"github.com/unmask-eval/unmask/internal/rpc/requestid"
	"github.com/unmask-eval/unmask/internal/run"
)

// failing fails in GetRun and CreateRun with a given error.
type failing struct {
	rpc.UseCases
	err error
}

func (f failing) GetRun(context.Context, run.RunKey) (run.Run, error) { return run.Run{}, f.err }

func (f failing) CreateRun(context.Context, string, run.NewRun) (run.Run, run.Forecast, error) {
	return run.Run{}, run.Forecast{}, f.err
}

func getRun(t *testing.T, err error) error {
	t.Helper()
	client := unmaskv1.NewEvaluationServiceClient(serve(t, failing{err: err}))
	ctx := metadata.AppendToOutgoingContext(t.Context(), requestid.Header, "req-1")
	_, got := client.GetRun(ctx, &unmaskv1.GetRunRequest{Name: "evaluations/e/runs/r"})
	require.Error(t, got)
	return got
}

func TestErrorsOfTheDomain(t *testing.T) {
	const secret = "SELECT * FROM secrets"
	for _, tt := range []struct {
		name     string
		err      error
		code     codes.Code
		reason   string
		message  string
		metadata map[string]string
		fields   []string
		retry    bool
	}{
		{
			name: "not found", err: fmt.Errorf("get: %w", &run.NotFoundError{Name: "evaluations/e/runs/r"}), code: codes.NotFound,
			reason: "RESOURCE_NOT_FOUND", message: "evaluations/e/runs/r does not exist", metadata: map[string]string{"resource": "evaluations/e/runs/r"},
		},
		{
			name: "exists", err: &run.ExistsError{Name: "gates/g"}, code: codes.AlreadyExists,
			reason: "RESOURCE_EXISTS", message: "gates/g exists already", metadata: map[string]string{"resource": "gates/g"},
		},
		{
			name: "invalid", err: &run.InvalidError{Violations: []run.Violation{{Field: "a", Description: "x"}, {Field: "b[1].c", Description: "y"}}},
			code: codes.InvalidArgument, reason: "INVALID_FIELD", message: "a: x (and 1 more)", fields: []string{"a", "b[1].c"},
		},
		{
			name: "request id reused", err: &run.RequestReuseError{RequestID: "id-1"}, code: codes.InvalidArgument,
			reason: "REQUEST_ID_REUSED", message: `"id-1" was used before`, metadata: map[string]string{"request_id": "id-1"}, fields: []string{"request_id"},
		},
		{
			name: "wrong state", err: &run.StateError{Name: "evaluations/e/runs/r", State: "FAILED", Want: "RUNNING"}, code: codes.FailedPrecondition,
			reason: "WRONG_STATE", message: "is FAILED", metadata: map[string]string{"resource": "evaluations/e/runs/r", "state": "FAILED", "wanted": "RUNNING"},
		},
		{
			name: "limit", err: &run.LimitError{What: "runs in progress", Limit: 64}, code: codes.ResourceExhausted,
			reason: "LIMIT_REACHED", message: "64 runs in progress", metadata: map[string]string{"limit": "runs in progress", "maximum": "64"}, retry: true,
		},
		{
			name: "database away", err: fmt.Errorf("get run: %w", &run.UnavailableError{Err: errors.New("dial tcp: secret")}),
			code: codes.Unavailable, reason: "UNAVAILABLE", message: "the database cannot be reached", retry: true,
		},
		{name: "draining", err: &run.DrainingError{}, code: codes.Unavailable, reason: "UNAVAILABLE", message: "shutting down", retry: true},
		{
			name: "model away", err: fmt.Errorf("grade: %w", &model.Error{Class: model.ClassTimeout, Message: secret}), code: codes.Unavailable,
			reason: "MODEL_FAILED", message: "TIMEOUT", metadata: map[string]string{"class": "TIMEOUT"},
		},
		{name: "cancelled", err: fmt.Errorf("read: %w", context.Canceled), code: codes.Canceled, reason: "CANCELLED", message: "went away"},
		{name: "deadline", err: fmt.Errorf("read: %w", context.DeadlineExceeded), code: codes.DeadlineExceeded, reason: "DEADLINE_EXCEEDED", message: "deadline"},
		{
			name: "anything else says nothing", err: errors.New(secret), code: codes.Internal,
			reason: "INTERNAL", message: "internal error", metadata: map[string]string{"request_id": "req-1"},
		},
		{
			name: "a status of another system says nothing", err: fmt.Errorf("store: %w", status.Error(codes.Unknown, secret)), code: codes.Internal,
			reason: "INTERNAL", message: "internal error", metadata: map[string]string{"request_id": "req-1"},
		},
		{
			name: "a status of gRPC gets a reason", err: status.Error(codes.ResourceExhausted, "message larger than max"), code: codes.ResourceExhausted,
			reason: "REQUEST_TOO_LARGE", message: "larger than max",
		},
		{name: "bytes in a message", err: &run.NotFoundError{Name: "models/\xff"}, code: codes.NotFound, reason: "RESOURCE_NOT_FOUND", message: "models/\uFFFD", metadata: map[string]string{"resource": "models/\uFFFD"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := getRun(t, tt.err)
			require.Equal(t, tt.code, status.Code(err), "%v", err)
			require.Contains(t, status.Convert(err).Message(), tt.message)
			d := detailsOf(t, err)
			require.Equal(t, tt.reason, d.info.GetReason())
			require.Contains(t, unmaskv1.ErrorReason_value, "ERROR_REASON_"+tt.reason, "the reason is not documented")
			require.Equal(t, len(tt.metadata), len(d.info.GetMetadata()))
			for k, v := range tt.metadata {
				require.Equal(t, v, d.info.GetMetadata()[k])
			}
			require.Equal(t, tt.fields, d.fields())
			require.Equal(t, tt.retry, d.retry != nil)
			if tt.retry {
				require.Positive(t, d.retry.GetRetryDelay().AsDuration())
			}
			require.NotContains(t, err.Error()+fmt.Sprint(d), secret)
		})
	}
}

func TestNoErrorHasNoStatus(t *testing.T) { require.NoError(t, rpc.Status(t.Context(), nil)) }

func TestWhatBreaksAfterTheCallerLeftIsNotInternal(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, codes.Canceled, status.Code(rpc.Status(ctx, errors.New("interrupted"))))
}

// Fields are named as the request has them, also where a use-case found them.
func TestFieldsOfAUseCaseAreNamedAsInTheRequest(t *testing.T) {
	client := unmaskv1.NewEvaluationServiceClient(serve(t, failing{err: run.Invalid("model", "there is no model %q", "x")}))
	_, err := client.CreateRun(t.Context(), &unmaskv1.CreateRunRequest{Parent: "evaluations/e", Run: &unmaskv1.Run{Model: "models/x"}})
	require.Equal(t, []string{"run.model"}, detailsOf(t, err).fields())
}

func TestInvalidRequestsNameEveryField(t *testing.T) {
	client := unmaskv1.NewEvaluationServiceClient(serve(t, failing{err: errors.New("must not be reached")}))
	_, err := client.CreateRun(t.Context(), &unmaskv1.CreateRunRequest{Parent: "e", RunId: "R", Run: &unmaskv1.Run{Concurrency: -1}})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	require.Equal(t, []string{"parent", "run.model", "run.concurrency", "run_id"}, detailsOf(t, err).fields())
}

// Clients on gRPC's C core refuse trailers beyond 8 KiB, and so would lose the
// error altogether.
func TestErrorsStaySmall(t *testing.T) {
	invalid := &run.InvalidError{}
	for range 500 {
		invalid.Violations = append(invalid.Violations, run.Violation{Field: strings.Repeat("é", 400), Description: strings.Repeat("\xff", 4000)})
	}
	err := getRun(t, invalid)
	st := status.Convert(err)
	require.Less(t, proto.Size(st.Proto()), 5000)
	d := detailsOf(t, err)
	require.NotEmpty(t, d.fields())
	require.Contains(t, st.Message(), fmt.Sprintf("the first %d are listed", len(d.fields())))
}

func TestMessagesBeyondTheLimit(t *testing.T) {
	client := unmaskv1.NewGradingServiceClient(serve(t, failing{}))
	_, err := client.GradeTranscript(t.Context(), &unmaskv1.GradeTranscriptRequest{Subject: &unmaskv1.GradingSubject{
		Reply: &unmaskv1.GradingSubject_RawReply{RawReply: &unmaskv1.RawReply{Raw: strings.Repeat("x", maxBytes)}},
	}})
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	d := detailsOf(t, err)
	require.Equal(t, "REQUEST_TOO_LARGE", d.info.GetReason())
	require.Equal(t, "1048576", d.info.GetMetadata()["maximum"])
}

// wire sends bytes as they are in place of a request.
type wire struct{}

func (wire) Name() string { return "proto" }

func (wire) Marshal(v any) (mem.BufferSlice, error) {
	data, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("cannot send %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

func (wire) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("cannot receive %T", v)
	}
	return proto.Unmarshal(data.Materialize(), m)
}

// stringField is a message whose field 1 is the given bytes.
func stringField(content string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), content)
}

func nested(number protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), message)
}

func TestRequestsThatCannotBeDecoded(t *testing.T) {
	conn := serve(t, failing{err: errors.New("must not be reached")})
	unary := func(method string, data []byte) error {
		return conn.Invoke(t.Context(), method, data, &unmaskv1.Run{}, grpc.ForceCodecV2(wire{}))
	}
	stream := func(desc grpc.StreamDesc, method string, data []byte) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s, err := conn.NewStream(ctx, &desc, method, grpc.ForceCodecV2(wire{}))
		require.NoError(t, err)
		require.NoError(t, s.SendMsg(data))
		require.NoError(t, s.CloseSend())
		return s.RecvMsg(&unmaskv1.WatchRunResponse{})
	}
	for _, tt := range []struct {
		name   string
		err    error
		reason string
		fields []string
	}{
		{"invalid UTF-8 in a unary call", unary(unmaskv1.EvaluationService_GetRun_FullMethodName, stringField("\xff")), "INVALID_FIELD", []string{"name"}},
		{
			"invalid UTF-8 in the second item of a nested list",
			unary(unmaskv1.EvaluationService_CreateEvaluation_FullMethodName, nested(1, nested(3, append(stringField("scenarios/a"), stringField("\xff")...)))),
			"INVALID_FIELD",
			[]string{"evaluation.plan.scenarios[1]"},
		},
		{"invalid UTF-8 in a server stream", stream(unmaskv1.EvaluationService_ServiceDesc.Streams[0], unmaskv1.EvaluationService_WatchRun_FullMethodName, stringField("\xff")), "INVALID_FIELD", []string{"name"}},
		{"invalid UTF-8 in a bidirectional stream", stream(unmaskv1.GradingService_ServiceDesc.Streams[0], unmaskv1.GradingService_GradeTranscripts_FullMethodName, stringField("\xff")), "INVALID_FIELD", []string{"grader"}},
		{"a nested message that is none", unary(unmaskv1.EvaluationService_CreateEvaluation_FullMethodName, nested(1, []byte{0xff})), "MALFORMED_REQUEST", nil},
		{"a text of another type", unary(unmaskv1.EvaluationService_GetRun_FullMethodName, protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7)), "INVALID_FIELD", []string{"name"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, codes.InvalidArgument, status.Code(tt.err), "%v", tt.err)
			d := detailsOf(t, tt.err)
			require.Equal(t, tt.reason, d.info.GetReason())
			require.Equal(t, tt.fields, d.fields())
		})
	}
}
