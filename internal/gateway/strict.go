package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// streamMedia is newline-delimited JSON.
const streamMedia = "application/x-ndjson"

// strictBody bounds the body and refuses one that is not exactly one JSON
// value; the library would read the first and drop the rest.
func strictBody(limit int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Method == http.MethodGet || r.Method == http.MethodDelete {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			writeStatus(w, http.StatusRequestEntityTooLarge, invalid("REQUEST_TOO_LARGE", "body", "the request body is larger than the limit of %d bytes", limit))
			return
		case err != nil:
			writeStatus(w, http.StatusBadRequest, invalid("MALFORMED_REQUEST", "body", "the request body could not be read"))
			return
		}
		if problem := oneValue(body); problem != "" {
			writeStatus(w, http.StatusBadRequest, invalid("MALFORMED_REQUEST", "body", "%s", problem))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// oneValue says what keeps body from being one JSON value, or "". An empty
// body is left to the method.
func oneValue(body []byte) string {
	if len(bytes.TrimSpace(body)) == 0 {
		return ""
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	var first json.RawMessage
	if err := dec.Decode(&first); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return "the body is not JSON: " + syntax.Error()
		}
		return "the body is not JSON: it ends too early"
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return "the body holds more than one JSON value"
	}
	return ""
}

// strictQuery refuses query parameters that the request does not have.
type strictQuery struct{}

// Parse implements runtime.QueryParameterParser.
func (strictQuery) Parse(msg proto.Message, values url.Values, filter *utilities.DoubleArray) error {
	var unknown []string
	for name := range values {
		if !hasField(msg.ProtoReflect().Descriptor(), strings.Split(name, ".")) {
			unknown = append(unknown, fmt.Sprintf("unknown query parameter %q", name))
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		// The library keeps only the text; writeError reads the names from it.
		return errors.New(strings.Join(unknown, ", "))
	}
	return (&runtime.DefaultQueryParser{}).Parse(msg, values, filter)
}

// hasField reports whether a message has the field path, by either name.
func hasField(d protoreflect.MessageDescriptor, path []string) bool {
	f := d.Fields().ByJSONName(path[0])
	if f == nil {
		f = d.Fields().ByName(protoreflect.Name(path[0]))
	}
	if f == nil {
		return false
	}
	if len(path) == 1 {
		return true
	}
	return f.Message() != nil && hasField(f.Message(), path[1:])
}

func invalid(reason, field, format string, args ...any) *status.Status {
	st := status.Newf(codes.InvalidArgument, format, args...)
	return withDetails(st, reason, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
		{Field: field, Description: st.Message()},
	}})
}
