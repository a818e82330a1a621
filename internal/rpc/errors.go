package rpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/rpc/requestid"
	"github.com/unmask-eval/unmask/internal/run"
)

// ErrorDomain is the domain of every ErrorInfo.
const ErrorDomain = "unmask-eval.dev"

// What RetryInfo asks callers to wait.
const (
	retryLimit       = 5 * time.Second
	retryUnavailable = 2 * time.Second
)

// DecodeError says that a request could not be decoded.
type DecodeError struct {
	// Field is the field at fault, or "" where it is not known.
	Field string
	// Problem says what is wrong in a clause that can follow the field.
	Problem string
}

// Error implements error.
func (e *DecodeError) Error() string {
	if e.Field == "" {
		return "the request could not be decoded: " + e.Problem
	}
	return e.Field + ": " + e.Problem
}

// TooLarge is the error for a message of size bytes where limit are allowed.
func TooLarge(size, limit int) error {
	return statusOf(codes.ResourceExhausted, unmaskv1.ErrorReason_ERROR_REASON_REQUEST_TOO_LARGE,
		fmt.Sprintf("the request has %d bytes; at most %d are allowed", size, limit),
		map[string]string{"maximum": strconv.Itoa(limit)})
}

// TooManyStreams is the error for a stream where limit are open.
func TooManyStreams(limit int) error { return &run.LimitError{What: "open streams", Limit: limit} }

// Status turns an error of the domain into a gRPC status with exactly one
// ErrorInfo, whose reason is documented in api/proto/unmask/v1/error.proto. It
// is the only such table. An error that it does not know becomes INTERNAL with
// the id of the request and nothing else: its text stays with us. Status of nil
// is nil.
func Status(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if st := known(err); st != nil {
		return st
	}
	if st := grpcStatus(err); st != nil {
		return st
	}
	// What broke because the caller went away is not a fault of ours.
	if cause := ctx.Err(); cause != nil {
		return known(cause)
	}
	return statusOf(codes.Internal, unmaskv1.ErrorReason_ERROR_REASON_INTERNAL, "internal error; the server's log has more under the request id",
		map[string]string{"request_id": requestid.From(ctx)})
}

// known returns the status of a known error, or nil.
func known(err error) error {
	var (
		notFound  *run.NotFoundError
		exists    *run.ExistsError
		invalid   *run.InvalidError
		reuse     *run.RequestReuseError
		state     *run.StateError
		limit     *run.LimitError
		draining  *run.DrainingError
		malformed *DecodeError
		away      *model.Error
		database  *run.UnavailableError
	)
	switch {
	case errors.As(err, &invalid):
		return invalidFields(invalid.Violations)
	case errors.As(err, &malformed) && malformed.Field != "":
		return invalidFields([]run.Violation{{Field: malformed.Field, Description: malformed.Problem}})
	case malformed != nil:
		return statusOf(codes.InvalidArgument, unmaskv1.ErrorReason_ERROR_REASON_MALFORMED_REQUEST, malformed.Error(), nil)
	case errors.As(err, &reuse):
		return statusOf(codes.InvalidArgument, unmaskv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED, reuse.Error(),
			map[string]string{"request_id": reuse.RequestID},
			badRequest([]run.Violation{{Field: "request_id", Description: "was used before for another request"}}))
	case errors.As(err, &notFound):
		return statusOf(codes.NotFound, unmaskv1.ErrorReason_ERROR_REASON_RESOURCE_NOT_FOUND, notFound.Error(), map[string]string{"resource": notFound.Name})
	case errors.As(err, &exists):
		return statusOf(codes.AlreadyExists, unmaskv1.ErrorReason_ERROR_REASON_RESOURCE_EXISTS, exists.Error(), map[string]string{"resource": exists.Name})
	case errors.As(err, &state):
		return statusOf(codes.FailedPrecondition, unmaskv1.ErrorReason_ERROR_REASON_WRONG_STATE, state.Error(),
			map[string]string{"resource": state.Name, "state": state.State, "wanted": state.Want})
	case errors.As(err, &limit):
		return statusOf(codes.ResourceExhausted, unmaskv1.ErrorReason_ERROR_REASON_LIMIT_REACHED, limit.Error(),
			map[string]string{"limit": limit.What, "maximum": strconv.Itoa(limit.Limit)}, retryAfter(retryLimit))
	case errors.As(err, &draining):
		return statusOf(codes.Unavailable, unmaskv1.ErrorReason_ERROR_REASON_UNAVAILABLE, draining.Error(), nil, retryAfter(retryUnavailable))
	case errors.As(err, &database):
		return statusOf(codes.Unavailable, unmaskv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "the database cannot be reached", nil, retryAfter(retryUnavailable))
	case errors.As(err, &away):
		return statusOf(codes.Unavailable, unmaskv1.ErrorReason_ERROR_REASON_MODEL_FAILED, "a model that the request needs gave no reply: "+string(away.Class),
			map[string]string{"class": string(away.Class)})
	case errors.Is(err, context.Canceled):
		return statusOf(codes.Canceled, unmaskv1.ErrorReason_ERROR_REASON_CANCELLED, "the caller went away", nil)
	case errors.Is(err, context.DeadlineExceeded):
		return statusOf(codes.DeadlineExceeded, unmaskv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED, "the deadline passed", nil)
	default:
		return nil
	}
}

// transportReasons are the reasons of statuses that gRPC itself makes. INTERNAL
// and UNKNOWN are not among them: their texts may say anything.
var transportReasons = map[codes.Code]unmaskv1.ErrorReason{
	codes.Canceled:          unmaskv1.ErrorReason_ERROR_REASON_CANCELLED,
	codes.DeadlineExceeded:  unmaskv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED,
	codes.ResourceExhausted: unmaskv1.ErrorReason_ERROR_REASON_REQUEST_TOO_LARGE,
	codes.Unavailable:       unmaskv1.ErrorReason_ERROR_REASON_UNAVAILABLE,
	codes.Unimplemented:     unmaskv1.ErrorReason_ERROR_REASON_UNKNOWN_METHOD,
}

// grpcStatus returns the status of an error that is one already, with an
// ErrorInfo, or nil.
func grpcStatus(err error) error {
	var with interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &with) {
		return nil
	}
	st := with.GRPCStatus()
	for _, d := range st.Details() {
		if _, ok := d.(*errdetails.ErrorInfo); ok {
			return st.Err()
		}
	}
	reason, ok := transportReasons[st.Code()]
	if !ok {
		return nil
	}
	return statusOf(st.Code(), reason, st.Message(), nil)
}

// statusOf makes a status with its one ErrorInfo and further details.
func statusOf(code codes.Code, reason unmaskv1.ErrorReason, message string, metadata map[string]string, more ...protoadapt.MessageV1) error {
	info := &errdetails.ErrorInfo{Reason: reasonName(reason), Domain: ErrorDomain, Metadata: map[string]string{}}
	for k, v := range metadata {
		info.Metadata[k] = cut(v, metadataBytes)
	}
	details := append([]protoadapt.MessageV1{info}, more...)
	st := status.New(code, cut(message, messageBytes))
	with, err := st.WithDetails(details...)
	if err != nil {
		// Only a detail that cannot be marshalled gets here.
		return status.Error(codes.Internal, "internal error")
	}
	return with.Err()
}

// reasonName is the reason as it stands in an ErrorInfo: without its prefix.
func reasonName(reason unmaskv1.ErrorReason) string {
	return strings.TrimPrefix(reason.String(), "ERROR_REASON_")
}

// invalidFields names every wrong field in the details, and the first one in
// the message.
func invalidFields(violations []run.Violation) error {
	if len(violations) == 0 {
		violations = []run.Violation{{Description: "the request is not valid"}}
	}
	details := badRequest(violations)
	message := cut(violations[0].Description, violationBytes)
	if violations[0].Field != "" {
		message = cut(violations[0].Field, violationBytes) + ": " + message
	}
	if more := len(violations) - 1; more > 0 {
		message += fmt.Sprintf(" (and %d more)", more)
	}
	if listed := len(details.GetFieldViolations()); listed < len(violations) {
		message += fmt.Sprintf("; the first %d are listed", listed)
	}
	return statusOf(codes.InvalidArgument, unmaskv1.ErrorReason_ERROR_REASON_INVALID_FIELD, message, nil, details)
}

// An error travels in trailers, which clients on gRPC's C core refuse beyond
// 8 KiB in all.
const (
	violationBytes = 300
	detailBytes    = 3000
	metadataBytes  = 600
	messageBytes   = 1000
)

func badRequest(violations []run.Violation) *errdetails.BadRequest {
	out := &errdetails.BadRequest{}
	size := 0
	for _, v := range violations {
		one := &errdetails.BadRequest_FieldViolation{Field: cut(v.Field, violationBytes), Description: cut(v.Description, violationBytes)}
		if size += len(one.GetField()) + len(one.GetDescription()); size > detailBytes {
			break
		}
		out.FieldViolations = append(out.FieldViolations, one)
	}
	return out
}

// cut returns a valid text of at most n bytes and an ellipsis.
func cut(s string, n int) string {
	if len(s) <= n {
		return clean(s)
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}

func retryAfter(d time.Duration) *errdetails.RetryInfo {
	return &errdetails.RetryInfo{RetryDelay: durationpb.New(d)}
}

// under puts a path before the fields of an *run.InvalidError, which names them
// as the use-case knows them, so that they are named as the request has them.
// Other errors stay as they are.
func under(path string, err error) error {
	var invalid *run.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	out := &run.InvalidError{Violations: make([]run.Violation, len(invalid.Violations))}
	for i, v := range invalid.Violations {
		out.Violations[i] = run.Violation{Field: strings.Trim(path+"."+v.Field, "."), Description: v.Description}
	}
	return out
}
