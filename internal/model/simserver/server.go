// Package simserver serves simulated models over the OpenAI protocol, so that
// the real client, and any other tool, can be run against models whose
// behaviour is known exactly.
//
//	POST /v1/chat/completions   whole or streamed
//	GET  /v1/models             the catalogue
//	GET  /healthz
//
// The field "model" takes a name with parameters, such as
// "sim/alignment-faker?free=0.2". What a reply truly is stands in the response
// header X-Unmask-Truth as JSON (see sim.Truth) and never in its text. Faults
// of the transport that a model's parameters ask for are acted out on the
// wire; a Script adds some at chosen requests.
package simserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/unmask-eval/unmask/internal/model/credential"
	"github.com/unmask-eval/unmask/internal/model/sim"
)

// TruthHeader is the response header that carries a sim.Truth as JSON.
const TruthHeader = "X-Unmask-Truth"

// The defaults of Options.
const (
	DefaultMaxBodyBytes = 4 << 20
	DefaultHangLimit    = 30 * time.Second
	DefaultDrainTimeout = 5 * time.Second
)

// maxModels bounds the models that are kept ready; a name beyond that is built
// anew for each request.
const maxModels = 256

// Options configures a Server. The zero value works.
type Options struct {
	// Sim is passed on to every model.
	Sim sim.Options
	// Models are further names, with parameters, that GET /v1/models lists
	// beside the catalogue. Names that are not listed are served as well.
	Models []string
	// APIKey, if set, is the key that every request under /v1 must bear.
	APIKey credential.Secret
	// MaxBodyBytes bounds a request's body. Default 4 MiB.
	MaxBodyBytes int64
	// HangLimit bounds how long a simulated time-out lasts before it ends in a
	// 504. Default 30 s.
	HangLimit time.Duration
	// DrainTimeout bounds how long Serve waits for requests in flight when it
	// stops. Default 5 s.
	DrainTimeout time.Duration
	// Script holds what befalls the first completion requests, one entry each
	// in the order of their arrival; nil stands for a normal answer.
	Script []Step
}

// Server is the HTTP handler. It is safe for concurrent use.
type Server struct {
	opts    Options
	arrived atomic.Int64
	replies atomic.Int64
	// closing is closed when the server stops, to let go of hanging requests.
	closing chan struct{}
	stop    sync.Once

	mu     sync.Mutex
	models map[string]*sim.Model
}

// New returns a server. The error names the models that are wrong.
func New(opts Options) (*Server, error) {
	var problems []error
	if opts.MaxBodyBytes < 0 || opts.HangLimit < 0 || opts.DrainTimeout < 0 {
		problems = append(problems, errors.New("a limit is negative"))
	}
	if opts.MaxBodyBytes == 0 {
		opts.MaxBodyBytes = DefaultMaxBodyBytes
	}
	if opts.HangLimit == 0 {
		opts.HangLimit = DefaultHangLimit
	}
	if opts.DrainTimeout == 0 {
		opts.DrainTimeout = DefaultDrainTimeout
	}
	s := &Server{opts: opts, closing: make(chan struct{}), models: map[string]*sim.Model{}}
	for _, name := range s.listed() {
		if _, err := s.model(name); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("simulation server: %w", errors.Join(problems...))
	}
	return s, nil
}

// listed returns the names of the models that GET /v1/models shows.
func (s *Server) listed() []string { return append(sim.Names(), s.opts.Models...) }

// model returns the model with the given name.
func (s *Server) model(name string) (*sim.Model, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.models[name]; ok {
		return m, nil
	}
	m, err := sim.New(name, s.opts.Sim)
	if err != nil {
		return nil, err
	}
	if len(s.models) < maxModels {
		s.models[name] = m
	}
	return m, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/healthz":
		if allow(w, r, http.MethodGet) {
			writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
		}
	case strings.HasPrefix(path, "/v1/") && !s.authorized(r):
		fail(w, apiError{status: http.StatusUnauthorized, code: "invalid_api_key", message: "the API key is missing or wrong"})
	case path == "/v1/models":
		if allow(w, r, http.MethodGet) {
			s.listModels(w)
		}
	case path == "/v1/chat/completions":
		if allow(w, r, http.MethodPost) {
			s.complete(w, r)
		}
	default:
		fail(w, apiError{status: http.StatusNotFound, code: "unknown_url", message: "there is no such path"})
	}
}

// Stop lets go of all requests that hang on purpose. Serve calls it; call it
// yourself when the handler runs in a server of your own. It may be called
// more than once.
func (s *Server) Stop() { s.stop.Do(func() { close(s.closing) }) }

// Serve answers on ln until ctx ends, and then waits for requests in flight,
// at most for DrainTimeout. It closes ln, and returns nil after a stop in
// which every request was answered.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	base, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return base },
		// What clients send wrong is told to them; nothing of it is logged.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		s.Stop()
		return fmt.Errorf("simulation server: %w", err)
	case <-ctx.Done():
	}
	s.Stop()
	drain, cancel := context.WithTimeout(base, s.opts.DrainTimeout)
	defer cancel()
	err := server.Shutdown(drain)
	abort() // whatever still runs ends now
	if err != nil {
		err = errors.Join(fmt.Errorf("simulation server: requests in flight at the deadline: %w", err), server.Close())
	}
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("simulation server: %w", serveErr))
	}
	return err
}

// listModels answers GET /v1/models.
func (s *Server) listModels(w http.ResponseWriter) {
	type entry struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		OwnedBy string `json:"owned_by"`
	}
	var data []entry
	for _, name := range s.listed() {
		data = append(data, entry{ID: name, Object: "model", OwnedBy: "unmask"})
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}
