// Package modeltest is the one suite that every adapter of a provider passes:
// the same states of a reply and the same failures of the wire, served over a
// real socket in the provider's own form.
//
// An adapter brings the bodies that its provider sends, with what is to be made
// of them; the suite brings the states, and demands that each is either there or
// explained. Bodies have the shapes that the providers document; their texts are
// ours.
package modeltest

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/credential"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// State is a state of a reply that a provider can be in.
type State string

// The states. A provider has each in one or several forms, or says why it has none.
const (
	// Text is an answer and nothing else.
	Text State = "text"
	// ToolCall is a call of a tool that nobody offered.
	ToolCall State = "tool call"
	// BrokenCall is a call whose arguments are no JSON.
	BrokenCall State = "broken tool call"
	// Several is a reply with more answers than the one that was asked for.
	Several State = "several answers"
	// Inline is reasoning that the server left in the text, between tags.
	Inline State = "inline reasoning"
	// Refusal is a refusal that the provider flags.
	Refusal State = "refusal"
	// ContentFilter is a reply that the provider withheld or cut.
	ContentFilter State = "content filter"
	// Truncation is a reply that the token limit cut.
	Truncation State = "truncation"
	// TruncatedReasoning is a reply that the token limit cut before it had an answer.
	TruncatedReasoning State = "truncated reasoning"
	// NoAnswer is reasoning, and an end without an answer.
	NoAnswer State = "no answer"
	// UnknownEnd is a reply that ended for a reason we do not know.
	UnknownEnd State = "unknown end"
	// FullReasoning is reasoning that can be read as a whole.
	FullReasoning State = "full reasoning"
	// Summary is a summary of reasoning.
	Summary State = "summary"
	// Redacted is reasoning that is encrypted or left out.
	Redacted State = "redacted"
	// Hidden is reasoning of which nothing but a count of tokens is told.
	Hidden State = "hidden"
	// Mixed is readable reasoning beside some that is not.
	Mixed State = "mixed"
	// Failed is an error inside of a 2xx reply.
	Failed State = "failed"
)

// States are all states.
var States = []State{
	Text, ToolCall, BrokenCall, Several, Inline, Refusal, ContentFilter, Truncation, TruncatedReasoning, NoAnswer, UnknownEnd,
	FullReasoning, Summary, Redacted, Hidden, Mixed, Failed,
}

// Case is one body of a provider.
type Case struct {
	State State
	// Name tells cases of one state apart.
	Name string
	// Body is the JSON of a reply, or the events of a streamed one.
	Body string
	// Want is the reply, without latency and attempts, which the suite checks.
	Want model.Reply
	// Observation is what is made of it when no scratchpad was asked for, and
	// Requested when one was. By default what the kind of reasoning is of itself:
	// NATIVE, SUMMARY_ONLY, REDACTED, or NOT_REQUESTED and ABSENT.
	Observation, Requested transcript.Observation
	// Class is the class of the failure of a case of Failed.
	Class model.ErrorClass
}

// observations returns what is to be observed.
func (c Case) observations() (plain, requested transcript.Observation) {
	plain, requested = transcript.NotRequested, transcript.Absent
	switch c.Want.NativeKind {
	case transcript.NativeFull:
		plain, requested = transcript.Native, transcript.Native
	case transcript.NativeSummary:
		plain, requested = transcript.SummaryOnly, transcript.SummaryOnly
	case transcript.NativeRedacted:
		plain, requested = transcript.Redacted, transcript.Redacted
	case transcript.NativeNone:
	}
	if c.Observation != "" {
		plain = c.Observation
	}
	if c.Requested != "" {
		requested = c.Requested
	}
	return plain, requested
}

// Refused is a request that an adapter refuses before any call.
type Refused struct {
	Name, Parameter string
	Request         model.Request
}

// Client is what adapters return.
type Client interface {
	model.Model
	model.Checker
	Close()
}

// Settings are what the suite asks of a client.
type Settings struct {
	BaseURL   string
	Key       credential.Ref
	Stream    bool
	Transport transport.Config
}

// Provider is an adapter under test.
type Provider struct {
	// New returns a client whose other settings the cases suppose.
	New func(t testing.TB, s Settings) Client
	// Path and StreamPath are where it posts to.
	Path, StreamPath string
	// Key is the header with the key, as the suite's key is sent.
	KeyHeader, KeyPrefix string
	// Header are other headers that every call has.
	Header map[string]string
	// Cases are replies that come whole, Streams such that are streamed.
	Cases, Streams []Case
	// Lacks says of a state why the provider has no form of it, and LacksStreamed why
	// there is none in streams alone.
	Lacks, LacksStreamed map[State]string
	// Error is the body of an error.
	Error func(status int, message string) string
	// Failures are bodies of errors with a class of their own.
	Failures []Failure
	// Refused are the requests that are refused before any call.
	Refused []Refused
}

// Failure is an error outside of 2xx, in the provider's form.
type Failure struct {
	Name   string
	Status int
	Body   string
	Header map[string]string
	// Class, Word and Wait are what is made of it: the class, the code that its
	// message shows, and the wait before it is tried again.
	Class model.ErrorClass
	Word  string
	Wait  time.Duration
}

// EnvKey is the environment variable with the suite's key, and Secret its value.
const (
	EnvKey = "UNMASK_MODELTEST_KEY"
	Secret = "sk-planted-key-4711" //nolint:gosec // it opens nothing
)

// Ask is a plain request.
func Ask() model.Request {
	return model.Request{Seed: 7, SampleID: "never-sent", Messages: []model.Message{
		{Role: "system", Content: "Be brief."}, {Role: "user", Content: "planted-prompt-marker"},
	}, Sampling: model.Sampling{MaxTokens: 4096}}
}

// Stopping is Ask with stop sequences.
func Stopping(stop ...string) model.Request {
	req := Ask()
	req.Sampling.Stop = stop
	return req
}

// clock does not wait, and notes how long it was asked to.
type clock struct {
	mu    sync.Mutex
	waits []time.Duration
}

// Now implements transport.Clock.
func (*clock) Now() time.Time { return time.Now() }

// Wait implements transport.Clock.
func (c *clock) Wait(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = append(c.waits, d)
	return ctx.Err()
}

// bench is a server that answers by one handler, and a client for it.
type bench struct {
	client Client
	clock  *clock
	mu     sync.Mutex
	calls  int
	bodies [][]byte
	seen   []transport.Attempt
}

// counted returns how many calls came.
func (b *bench) counted() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

// serve starts a server that checks that calls have the provider's form.
func (p Provider) serve(t *testing.T, stream bool, change func(*transport.Config), handler http.HandlerFunc) *bench {
	t.Helper()
	t.Setenv(EnvKey, Secret)
	b := &bench{clock: &clock{}}
	path := p.Path
	if stream {
		path = p.StreamPath
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		b.mu.Lock()
		b.calls++
		b.bodies = append(b.bodies, body)
		b.mu.Unlock()
		if err != nil {
			return // the client did not wait for its request to be through
		}
		right := r.Method == http.MethodPost && r.URL.RequestURI() == path &&
			r.Header.Get("Content-Type") == "application/json" && r.Header.Get(p.KeyHeader) == p.KeyPrefix+Secret
		for name, value := range p.Header {
			right = right && r.Header.Get(name) == value
		}
		if !right {
			t.Errorf("a call of another form: %s %s %v", r.Method, r.URL.RequestURI(), r.Header)
		}
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	cfg := transport.Config{
		Clock: b.clock, Jitter: func(time.Duration) time.Duration { return 0 }, MaxReplyBytes: 1 << 20,
		Observe: func(a transport.Attempt) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.seen = append(b.seen, a)
		},
	}
	if change != nil {
		change(&cfg)
	}
	b.client = p.New(t, Settings{BaseURL: server.URL, Key: credential.Ref{Env: EnvKey}, Stream: stream, Transport: cfg})
	t.Cleanup(b.client.Close)
	return b
}

// respond answers with a status, a media type and a body.
func respond(status int, mediaType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // a client that is gone needs no answer
	}
}

const (
	jsonType  = "application/json"
	eventType = "text/event-stream; charset=utf-8"
)

// half promises more than it sends.
func half(mediaType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, body[:len(body)/2]) // net/http closes a connection that owes bytes
	}
}

// hang answers nothing, or only a header, until the client goes.
func hang(mediaType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if mediaType != "" {
			w.Header().Set("Content-Type", mediaType)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}
}

// trickle writes the same again and again, a while apart, until the client goes.
func trickle(mediaType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		pace := time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for {
			_, err := io.WriteString(w, text)
			if err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case <-pace.C:
			case <-r.Context().Done():
				return
			}
		}
	}
}

// bomb sends little that unpacks to much.
func bomb(mediaType string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		for range 64 {
			if _, err := io.WriteString(z, strings.Repeat(":\n", 32<<10)); err != nil {
				return
			}
		}
		_ = z.Close()
	}
}

// closed ends a chunked body by closing the connection.
func closed(mediaType string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: "+mediaType+"\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n")
		_ = conn.Close()
	}
}

func failureOf(t *testing.T, err error) *model.Error {
	t.Helper()
	var failure *model.Error
	require.ErrorAs(t, err, &failure)
	return failure
}
