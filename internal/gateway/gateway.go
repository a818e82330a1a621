// Package gateway is the REST side: it translates HTTP and JSON to the gRPC
// server, which it dials over loopback, so that both transports go through the
// same interceptors and answer alike.
//
// JSON is strict: an unknown field, a duplicate one, a wrong type, a second
// value after the first or an unknown query parameter is an error that names
// it. Streams are newline-delimited JSON.
package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/unmask-eval/unmask/internal/rpc/requestid"
)

// Register adds a service's handlers to a mux; generated code provides it.
type Register func(ctx context.Context, mux *runtime.ServeMux, conn *grpc.ClientConn) error

// Config is what a gateway needs; all fields are required.
type Config struct {
	// Conn is a connection to the gRPC server.
	Conn *grpc.ClientConn
	// Services are registered on the mux.
	Services []Register
	// OpenAPI is the document served at /openapi.json.
	OpenAPI []byte
	// MaxBytes bounds a request body.
	MaxBytes int64
	// Ready returns nil when the server can do its work.
	Ready func(context.Context) error
	// LoopbackOnly refuses requests under a host name that is not loopback. Such
	// a request comes from a page whose name was made to point here.
	LoopbackOnly bool
}

// New returns the handler of the REST port.
func New(ctx context.Context, c Config) (http.Handler, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newMarshaler()),
		runtime.WithErrorHandler(writeError),
		runtime.WithRoutingErrorHandler(routingError),
		runtime.WithIncomingHeaderMatcher(incomingHeader),
		runtime.WithOutgoingHeaderMatcher(outgoingHeader),
		runtime.SetQueryParameterParser(strictQuery{}),
	)
	for _, register := range c.Services {
		if err := register(ctx, mux, c.Conn); err != nil {
			return nil, fmt.Errorf("register a service on the gateway: %w", err)
		}
	}
	root := http.NewServeMux()
	root.Handle("/", strictBody(c.MaxBytes, retryLater(mux)))
	root.Handle(gradeStreamPath, gradeStream(c.Conn, c.MaxBytes))
	root.Handle(importLabelsPath, importLabels(c.Conn))
	root.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(c.OpenAPI)
	})
	AddHealth(root, c.Ready)
	return secured(sameOrigin(c.LoopbackOnly, validText(root))), nil
}

// AddHealth serves /healthz (the process answers) and /readyz (it can work).
func AddHealth(mux *http.ServeMux, ready func(context.Context) error) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeHealth(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			writeHealth(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		writeHealth(w, http.StatusOK, "ready")
	})
}

func writeHealth(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": text})
}

// secured sets headers that keep a browser from reading answers, which hold
// text that models wrote, as anything but data.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Every answer names its id, also those that never reach a handler.
		_, id := requestid.With(r.Context(), r.Header.Get(requestid.Header))
		r.Header.Set(requestid.Header, id)
		h := w.Header()
		h.Set("X-Request-Id", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// validText refuses paths and queries that are not UTF-8 once they are decoded.
func validText(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := url.QueryUnescape(r.URL.RawQuery)
		switch {
		case !utf8.ValidString(r.URL.Path):
			writeStatus(w, http.StatusBadRequest, invalid("INVALID_FIELD", "path", "the path is not valid UTF-8"))
		case err != nil || !utf8.ValidString(query):
			writeStatus(w, http.StatusBadRequest, invalid("INVALID_FIELD", "query", "the query is not valid UTF-8 in percent-encoding"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// incomingHeader passes on the request id, and the headers that the gateway
// library passes on by default.
func incomingHeader(name string) (string, bool) {
	if strings.EqualFold(name, requestid.Header) {
		return requestid.Header, true
	}
	return runtime.DefaultHeaderMatcher(name)
}

func outgoingHeader(string) (string, bool) {
	// The request id is set for every answer before a handler runs.
	return "", false
}

// marshaler is the JSON of the API, with the media type of streams.
type marshaler struct{ runtime.JSONPb }

func newMarshaler() *marshaler {
	return &marshaler{runtime.JSONPb{
		MarshalOptions:   protojson.MarshalOptions{EmitDefaultValues: true},
		UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: false},
	}}
}

// StreamContentType implements runtime.StreamContentType.
func (*marshaler) StreamContentType(any) string { return "application/x-ndjson" }
