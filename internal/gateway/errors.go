package gateway

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
)

// errorDomain is the domain of ErrorInfo, the same as on the gRPC side.
const errorDomain = "unmask-eval.dev"

// decodeProblems find the field that the JSON decoder complains about. The
// decoder says it in prose alone, and may put a non-breaking space after its
// prefix.
var decodeProblems = []struct {
	pattern *regexp.Regexp
	reason  unmaskv1.ErrorReason
	message string
}{
	{regexp.MustCompile(`unknown query parameter "([^"]*)"`), unmaskv1.ErrorReason_ERROR_REASON_UNKNOWN_FIELD, "there is no such query parameter"},
	{regexp.MustCompile(`unknown field "([^"]*)"`), unmaskv1.ErrorReason_ERROR_REASON_UNKNOWN_FIELD, "there is no such field"},
	{regexp.MustCompile(`duplicate field "([^"]*)"`), unmaskv1.ErrorReason_ERROR_REASON_INVALID_FIELD, "the field is given twice"},
	{regexp.MustCompile(`invalid value for \w+ (?:type|field (\w+))`), unmaskv1.ErrorReason_ERROR_REASON_INVALID_FIELD, "the value has the wrong type or form"},
	{regexp.MustCompile(`invalid (?:google\.protobuf\.\w+) value`), unmaskv1.ErrorReason_ERROR_REASON_INVALID_FIELD, "the value has the wrong type or form"},
	{regexp.MustCompile(`parsing field "([^"]*)"|type mismatch, parameter: (\w+)`), unmaskv1.ErrorReason_ERROR_REASON_INVALID_FIELD, "the value has the wrong type or form"},
	{regexp.MustCompile(`invalid UTF-8`), unmaskv1.ErrorReason_ERROR_REASON_INVALID_FIELD, "the body is not valid UTF-8"},
}

// writeError writes an error of a call as google.rpc.Status in JSON. Errors of
// the decoder come without details; the field they speak of is added.
func writeError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
	st := status.Convert(err)
	if st.Code() == codes.InvalidArgument && len(st.Details()) == 0 {
		st = explain(st)
	}
	if len(st.Details()) == 0 {
		// Made by the transport and not by a handler, such as a lost connection.
		st = withDetails(st, transportReason(st.Code()))
	}
	for _, d := range st.Details() {
		if retry, ok := d.(*errdetails.RetryInfo); ok {
			w.Header().Set("Retry-After", retryAfter(retry))
		}
	}
	code := runtime.HTTPStatusFromCode(st.Code())
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetReason() == "REQUEST_TOO_LARGE" {
			code = http.StatusRequestEntityTooLarge
		}
	}
	writeStatus(w, code, st)
}

// explain adds the field or fields that a decoding error speaks of.
func explain(st *status.Status) *status.Status {
	reason, fields, message := decodeReason(st.Message())
	var bad errdetails.BadRequest
	for _, f := range fields {
		bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: f, Description: message})
	}
	return withDetails(status.New(codes.InvalidArgument, strings.Join(fields, ", ")+": "+message),
		strings.TrimPrefix(reason.String(), "ERROR_REASON_"), &bad)
}

// decodeReason reads the prose of a decoding error: why, which fields, and a
// message without text of the request.
func decodeReason(prose string) (reason unmaskv1.ErrorReason, fields []string, message string) {
	for _, p := range decodeProblems {
		for _, m := range p.pattern.FindAllStringSubmatch(prose, -1) {
			field := "body"
			for _, name := range m[1:] {
				if name != "" {
					field = name
				}
			}
			fields = append(fields, field)
		}
		if len(fields) > 0 {
			return p.reason, fields, p.message
		}
	}
	return unmaskv1.ErrorReason_ERROR_REASON_INVALID_FIELD, []string{"body"},
		"does not have the form that this method takes" + position(prose)
}

var linePosition = regexp.MustCompile(`\(line \d+:\d+\)`)

func position(message string) string {
	if at := linePosition.FindString(message); at != "" {
		return " " + at
	}
	return ""
}

// routingError answers paths and methods that no call has.
func routingError(ctx context.Context, mux *runtime.ServeMux, m runtime.Marshaler, w http.ResponseWriter, r *http.Request, httpStatus int) {
	code, reason := codes.NotFound, "UNKNOWN_PATH"
	if httpStatus == http.StatusMethodNotAllowed {
		code, reason = codes.Unimplemented, "METHOD_NOT_ALLOWED"
	}
	st := withDetails(status.New(code, strings.ToLower(http.StatusText(httpStatus))+": see /openapi.json"), reason)
	writeStatus(w, httpStatus, st)
}

// withDetails adds an ErrorInfo and further details; a status that cannot
// carry them is returned as it is.
func withDetails(st *status.Status, reason string, more ...*errdetails.BadRequest) *status.Status {
	out, err := st.WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: errorDomain})
	if err != nil {
		return st
	}
	for _, d := range more {
		if with, err := out.WithDetails(d); err == nil {
			out = with
		}
	}
	return out
}

func writeStatus(w http.ResponseWriter, code int, st *status.Status) {
	body, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(st.Proto())
	if err != nil {
		body = []byte(`{"code":13,"message":"the error could not be written","details":[]}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
}

// retryAfter gives whole seconds, rounded up, as HTTP wants it.
func retryAfter(r *errdetails.RetryInfo) string {
	d := r.GetRetryDelay().AsDuration()
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// transportReason names the reason of an error that the connection to the gRPC
// server made, in the words of the API's list.
func transportReason(code codes.Code) string {
	switch code {
	case codes.Canceled:
		return "CANCELLED"
	case codes.DeadlineExceeded:
		return "DEADLINE_EXCEEDED"
	case codes.Unavailable:
		return "UNAVAILABLE"
	case codes.ResourceExhausted:
		return "REQUEST_TOO_LARGE"
	case codes.Unimplemented:
		return "UNKNOWN_METHOD"
	default:
		return "INTERNAL"
	}
}
