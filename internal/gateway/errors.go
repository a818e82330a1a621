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

	"github.com/unmask-eval/unmask/internal/rpc/requestid"
)

// errorDomain is the domain of ErrorInfo, the same as on the gRPC side.
const errorDomain = "unmask-eval.dev"

// decodeProblems find the field that the JSON decoder complains about. The
// decoder says it in prose alone, and may put a non-breaking space after its
// prefix.
var decodeProblems = []struct {
	pattern *regexp.Regexp
	reason  string
	message string
}{
	{regexp.MustCompile(`unknown query parameter "([^"]*)"`), "UNKNOWN_FIELD", "there is no such query parameter"},
	{regexp.MustCompile(`unknown field "([^"]*)"`), "UNKNOWN_FIELD", "there is no such field"},
	{regexp.MustCompile(`duplicate field "([^"]*)"`), "INVALID_FIELD", "the field is given twice"},
	{regexp.MustCompile(`invalid value for \w+ (?:type|field (\w+))`), "INVALID_FIELD", "the value has the wrong type or form"},
	{regexp.MustCompile(`invalid (?:google\.protobuf\.\w+) value`), "INVALID_FIELD", "the value has the wrong type or form"},
	{regexp.MustCompile(`parsing field "([^"]*)"|type mismatch, parameter: (\w+)`), "INVALID_FIELD", "the value has the wrong type or form"},
	{regexp.MustCompile(`invalid UTF-8`), "INVALID_FIELD", "the body is not valid UTF-8"},
}

// writeError writes an error of a call as google.rpc.Status in JSON. Errors of
// the decoder come without details; the field they speak of is added.
func writeError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
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
	if id := r.Header.Get(requestid.Header); id != "" && w.Header().Get("X-Request-Id") == "" {
		w.Header().Set("X-Request-Id", id)
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
	for _, p := range decodeProblems {
		var bad errdetails.BadRequest
		var named []string
		for _, m := range p.pattern.FindAllStringSubmatch(st.Message(), -1) {
			field := "body"
			for _, name := range m[1:] {
				if name != "" {
					field = name
				}
			}
			named = append(named, field)
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: field, Description: p.message})
		}
		if len(named) > 0 {
			return withDetails(status.New(codes.InvalidArgument, strings.Join(named, ", ")+": "+p.message), p.reason, &bad)
		}
	}
	const general = "the body does not have the form that this method takes"
	return withDetails(status.New(codes.InvalidArgument, general), "INVALID_FIELD",
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "body", Description: general + position(st.Message())}}})
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
