package modeltest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// Run runs the suite.
func Run(t *testing.T, p Provider) {
	t.Helper()
	require.NotEmpty(t, p.Cases)
	t.Run("every state is there or explained", p.states)
	t.Run("replies", func(t *testing.T) { p.replies(t, p.Cases, false) })
	t.Run("streamed replies", func(t *testing.T) { p.replies(t, p.Streams, true) })
	t.Run("streams cut at any event", p.cutStreams)
	t.Run("a server that does not stream", p.notStreamed)
	t.Run("failures", p.failures)
	t.Run("failures in the provider's form", p.ownFailures)
	t.Run("recovery", p.recovery)
	RunRefusals(t, p)
	t.Run("nothing is dropped", p.demands)
	t.Run("cancelled", p.cancelled)
	t.Run("many at once", p.many)
	t.Run("planted secrets", p.secrets)
}

// RunRefusals runs the part of the suite on Refused alone, for further settings
// of a provider.
func RunRefusals(t *testing.T, p Provider) {
	t.Helper()
	t.Run("refused before any call", p.refusals)
}

func (p Provider) states(t *testing.T) {
	for _, s := range States {
		is := func(c Case) bool { return c.State == s }
		require.True(t, slices.ContainsFunc(p.Cases, is) != (p.Lacks[s] != ""), "the state %q has to be either among the cases or explained", s)
		streamed := p.Lacks[s]+p.LacksStreamed[s] == ""
		require.True(t, slices.ContainsFunc(p.Streams, is) == streamed, "the state %q has to be either among the streams or explained", s)
	}
}

// replies serves each case and holds the reply, and what is observed of it,
// against what is wanted.
func (p Provider) replies(t *testing.T, cases []Case, stream bool) {
	for _, c := range cases {
		t.Run(string(c.State)+" "+c.Name, func(t *testing.T) {
			mediaType := jsonType
			if stream {
				mediaType = eventType
			}
			b := p.serve(t, stream, nil, respond(http.StatusOK, mediaType, c.Body))
			got, err := b.client.Generate(t.Context(), Ask())
			if c.State == Failed {
				require.Equal(t, c.Class, failureOf(t, err).Class)
				require.Zero(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, 1, got.Attempts)
			require.Positive(t, got.Latency)
			got.Attempts, got.Latency = 0, 0
			require.Equal(t, c.Want, got)
			plain, requested := c.observations()
			require.Equal(t, plain, observe(got, false).Observation, "no scratchpad asked for")
			require.Equal(t, requested, observe(got, true).Observation, "a scratchpad asked for")
			switch c.State {
			case Summary, Redacted, Hidden, Mixed:
				for _, asked := range []bool{false, true} {
					require.False(t, observe(got, asked).Observable(), "what cannot be observed must not count as observed")
					require.NotContains(t, []transcript.Observation{transcript.Absent, transcript.NotRequested}, observe(got, asked).Observation,
						"what is hidden must not count as not there")
				}
			case TruncatedReasoning:
				for _, asked := range []bool{false, true} {
					require.False(t, observe(got, asked).Observable(), "what was cut must not count as observed")
				}
				require.Empty(t, observe(got, true).Answer)
			case NoAnswer:
				require.Empty(t, observe(got, true).Answer, "reasoning is no answer")
			case Inline:
				for _, asked := range []bool{false, true} {
					require.True(t, observe(got, asked).Observable())
					require.Equal(t, "I think.", strings.TrimSpace(observe(got, asked).Reasoning))
					require.Equal(t, "No.", strings.TrimSpace(observe(got, asked).Answer))
				}
			case ToolCall, BrokenCall:
				require.Contains(t, got.Raw, "<tool_call>")
				// Beside output tags it counts as little as all text outside of them.
				if !strings.Contains(got.Raw, "<OUTPUT>") {
					require.Contains(t, observe(got, true).Answer, "<tool_call>", "a call has to be where graders look")
				}
			}
		})
	}
}

// observe parses a reply as a run does.
func observe(r model.Reply, requested bool) transcript.Parsed {
	return transcript.Parse(transcript.Reply{
		Raw: r.Raw, NativeReasoning: r.NativeReasoning, NativeKind: r.NativeKind,
		FinishReason: r.FinishReason, ScratchpadRequested: requested,
	})
}

// cutStreams ends a stream after each of its events: what comes out is a failure
// or the whole reply, and never a part of it. CutAnywhere does so for all, and
// every byte, without a server.
func (p Provider) cutStreams(t *testing.T) {
	for _, c := range p.Streams[:1] {
		events := strings.SplitAfter(c.Body, "\n\n")
		for n := range events {
			b := p.serve(t, true, nil, respond(http.StatusOK, eventType, strings.Join(events[:n], "")))
			got, err := b.client.Generate(t.Context(), Ask())
			if err == nil {
				require.Equal(t, c.Want.Raw, got.Raw, "cut after %d events", n)
				require.Equal(t, c.Want.NativeReasoning, got.NativeReasoning, "cut after %d events", n)
				require.Equal(t, c.Want.NativeKind, got.NativeKind, "cut after %d events", n)
				require.Equal(t, c.Want.FinishReason, got.FinishReason, "cut after %d events", n)
				continue
			}
			require.Equal(t, model.ClassBadReply, failureOf(t, err).Class)
			require.Zero(t, got)
		}
	}
}

func (p Provider) notStreamed(t *testing.T) {
	c := p.Cases[0]
	b := p.serve(t, true, nil, respond(http.StatusOK, jsonType, c.Body))
	got, err := b.client.Generate(t.Context(), Ask())
	require.NoError(t, err)
	require.Equal(t, c.Want.Raw, got.Raw)
}

func (p Provider) failures(t *testing.T) {
	const all = 3
	status := func(code int) http.HandlerFunc { return respond(code, jsonType, p.Error(code, "a message")) }
	type failing struct {
		name     string
		stream   bool
		handler  http.HandlerFunc
		class    model.ErrorClass
		status   int
		attempts int
	}
	list := []failing{
		{"400", false, status(400), model.ClassBadRequest, 400, 1},
		{"401", false, status(401), model.ClassAuth, 401, 1},
		{"403", false, status(403), model.ClassAuth, 403, 1},
		{"404", false, status(404), model.ClassNotFound, 404, 1},
		{"408", false, status(408), model.ClassTimeout, 408, all},
		{"409", false, status(409), model.ClassUnavailable, 409, all},
		{"413", false, status(413), model.ClassBadRequest, 413, 1},
		{"429", false, status(429), model.ClassRateLimited, 429, all},
		{"500", false, status(500), model.ClassUnavailable, 500, all},
		{"503", false, status(503), model.ClassUnavailable, 503, all},
		{"529", false, status(529), model.ClassUnavailable, 529, all},
		{"429 of a stream", true, status(429), model.ClassRateLimited, 429, all},
		{"slow", false, hang(""), model.ClassTimeout, 0, all},
		{"slow in the middle", false, hang(jsonType), model.ClassTimeout, 200, all},
		{"slow to begin a stream", true, hang(eventType), model.ClassTimeout, 200, all},
		{"cut in the middle", false, half(jsonType, p.Cases[0].Body), model.ClassBadReply, 200, 2},
		{"stream cut in the middle", true, half(eventType, p.Streams[0].Body), model.ClassBadReply, 200, 2},
		{"page for people", false, respond(200, "text/html", "<p>Back soon."), model.ClassBadReply, 200, 2},
		{"page for people in place of a stream", true, respond(200, "text/html", "<p>Back soon."), model.ClassBadReply, 200, 2},
		{"stream that nobody asked for", false, respond(200, eventType, p.Streams[0].Body), model.ClassBadReply, 200, 2},
		{"stream of something else", true, respond(200, eventType, "data: oops\n\n"), model.ClassBadReply, 200, 2},
		{"empty stream", true, respond(200, eventType, ""), model.ClassBadReply, 200, 2},
		{"huge", false, respond(200, jsonType, strings.Repeat(" ", 2<<20)), model.ClassBadReply, 200, 1},
		{"huge stream", true, respond(200, eventType, strings.Repeat(":\n", 1<<20)), model.ClassBadReply, 200, 1},
		{"invalid JSON", false, respond(200, jsonType, `{"oops": `), model.ClassBadReply, 200, 2},
		{"empty", false, respond(200, jsonType, ""), model.ClassBadReply, 200, 2},
		{"empty object", false, respond(200, jsonType, "{}"), model.ClassBadReply, 200, 2},
		{"null", false, respond(200, jsonType, "null"), model.ClassBadReply, 200, 2},
		{"list", false, respond(200, jsonType, "[]"), model.ClassBadReply, 200, 2},
		{"nested beyond all measure", false, respond(200, jsonType, strings.Repeat("[", 20_000)), model.ClassBadReply, 200, 2},
		{"bomb", false, bomb(jsonType), model.ClassBadReply, 200, 1},
		{"bomb of a stream", true, bomb(eventType), model.ClassBadReply, 200, 1},
		{"slow, byte by byte", false, trickle(jsonType, " "), model.ClassTimeout, 200, all},
		{"slow, a stream that is kept alive and never speaks", true, trickle(eventType, ": ping\n\n"), model.ClassTimeout, 200, all},
		{"slow to end a stream", true, trickle(eventType, strings.SplitAfter(p.Streams[0].Body, "\n")[0]+"\n"), model.ClassTimeout, 200, all},
		{"plain text in place of JSON", false, respond(200, "text/plain", p.Cases[0].Body), model.ClassBadReply, 200, 2},
		{"stream that is JSON by its name", true, respond(200, jsonType, p.Streams[0].Body), model.ClassBadReply, 200, 2},
		{"closed before its end", false, closed(jsonType), model.ClassBadReply, 200, 2},
		{"closed stream", true, closed(eventType), model.ClassBadReply, 200, 2},
	}
	// What is refused is refused whole, streams or not.
	for _, f := range slices.Clone(list) {
		if f.status >= 400 && !f.stream {
			f.name, f.stream = f.name+", asked for a stream", true
			list = append(list, f)
		}
	}
	for _, tt := range list {
		t.Run(tt.name, func(t *testing.T) {
			b := p.serve(t, tt.stream, func(c *transport.Config) {
				c.MaxAttempts = all
				if tt.class != model.ClassTimeout || tt.status == http.StatusRequestTimeout {
					return
				}
				c.CallTimeout = 10 * time.Millisecond
				if tt.name == "slow to begin a stream" {
					c.CallTimeout, c.FirstByteTimeout = time.Minute, 10*time.Millisecond
				}
			}, tt.handler)
			got, err := b.client.Generate(t.Context(), Ask())
			failure := failureOf(t, err)
			require.Equal(t, tt.class, failure.Class, failure.Message)
			require.Equal(t, tt.attempts, failure.Attempts)
			// A slow attempt may end before its header, or even its request, is through.
			if !strings.HasPrefix(tt.name, "slow") {
				require.Equal(t, tt.status, failure.Status)
				require.Equal(t, tt.attempts, b.counted())
			}
			require.Zero(t, got)
		})
	}
}

func (p Provider) ownFailures(t *testing.T) {
	for _, f := range p.Failures {
		t.Run(f.Name, func(t *testing.T) {
			b := p.serve(t, false, func(c *transport.Config) { c.MaxAttempts = 2 }, func(w http.ResponseWriter, r *http.Request) {
				for name, value := range f.Header {
					w.Header().Set(name, value)
				}
				respond(f.Status, jsonType, f.Body)(w, r)
			})
			_, err := b.client.Generate(t.Context(), Ask())
			failure := failureOf(t, err)
			require.Equal(t, f.Class, failure.Class)
			require.Equal(t, f.Status, failure.Status)
			if f.Word != "" {
				require.Contains(t, failure.Message, "["+f.Word+"]")
			}
			if f.Wait > 0 {
				require.Equal(t, []time.Duration{f.Wait}, b.clock.waits)
			}
		})
	}
}

// recovery: a storm that passes costs no sample, and Retry-After is obeyed.
func (p Provider) recovery(t *testing.T) {
	c := p.Cases[0]
	storm := []http.HandlerFunc{
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			respond(http.StatusTooManyRequests, jsonType, p.Error(http.StatusTooManyRequests, "slow down"))(w, r)
		},
		respond(http.StatusServiceUnavailable, "text/plain", "no"),
		half(jsonType, c.Body),
		respond(http.StatusOK, jsonType, c.Body),
	}
	var mu sync.Mutex
	b := p.serve(t, false, nil, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		next := storm[0]
		storm = storm[1:]
		mu.Unlock()
		next(w, r)
	})
	got, err := b.client.Generate(t.Context(), Ask())
	require.NoError(t, err)
	require.Equal(t, 4, got.Attempts)
	require.Equal(t, c.Want.Raw, got.Raw)
	require.Equal(t, 7*time.Second, b.clock.waits[0])
	for _, body := range b.bodies {
		require.Equal(t, string(b.bodies[0]), string(body), "every attempt sends the same")
		require.NotContains(t, string(body), "never-sent")
	}
}

func (p Provider) refusals(t *testing.T) {
	for _, r := range p.Refused {
		t.Run(r.Name, func(t *testing.T) {
			b := p.serve(t, false, nil, respond(http.StatusOK, jsonType, p.Cases[0].Body))
			_, err := b.client.Generate(t.Context(), r.Request)
			failure := failureOf(t, err)
			require.Equal(t, model.ClassBadRequest, failure.Class)
			require.True(t, strings.HasPrefix(failure.Message, r.Parameter+": "), failure.Message)
			require.NotContains(t, failure.Message, "marker")
			require.Zero(t, b.counted())
			var unsupported *model.UnsupportedError
			require.ErrorAs(t, b.client.Check(r.Request), &unsupported)
			require.Equal(t, r.Parameter, unsupported.Parameter)
			require.NoError(t, b.client.Check(Ask()))
			require.NoError(t, b.client.Check(model.Request{}), "what depends on messages is not checked without them")
		})
	}
}

// demands: every parameter is sent, or refused by its name.
func (p Provider) demands(t *testing.T) {
	temperature, topP := 0.4711, 0.9711
	for _, d := range []struct{ parameter, sent string }{
		{"temperature", "0.4711"},
		{"top_p", "0.9711"},
		{"max_tokens", "4711"},
		{"stop", "planted-stop"},
		{"response_schema", "planted-schema"},
		{"prefill", "planted-beginning"},
	} {
		req := Ask()
		switch d.parameter {
		case "temperature":
			req.Sampling.Temperature = &temperature
		case "top_p":
			req.Sampling.TopP = &topP
		case "max_tokens":
			req.Sampling.MaxTokens = 4711
		case "stop":
			req.Sampling.Stop = []string{"planted-stop"}
		case "response_schema":
			req.ResponseSchema = &model.Schema{Name: "n", JSON: []byte(`{"type":"object","title":"planted-schema"}`)}
		case "prefill":
			req.Messages = append(req.Messages, model.Message{Role: "assistant", Content: "planted-beginning"})
		}
		for _, stream := range []bool{false, true} {
			b := p.serve(t, stream, nil, respond(http.StatusOK, jsonType, p.Cases[0].Body))
			_, err := b.client.Generate(t.Context(), req)
			var unsupported *model.UnsupportedError
			if errors.As(err, &unsupported) {
				require.Equal(t, d.parameter, unsupported.Parameter)
				continue
			}
			require.NoError(t, err, d.parameter)
			require.Contains(t, string(b.bodies[0]), d.sent)
		}
	}
}

func (p Provider) cancelled(t *testing.T) {
	for _, stream := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		b := p.serve(t, stream, nil, func(w http.ResponseWriter, r *http.Request) {
			cancel()
			hang("")(w, r)
		})
		_, err := b.client.Generate(ctx, Ask())
		require.ErrorIs(t, err, context.Canceled)
		cancel()
	}
}

func (p Provider) many(t *testing.T) {
	c := p.Cases[0]
	b := p.serve(t, false, nil, respond(http.StatusOK, jsonType, c.Body))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if got, err := b.client.Generate(context.Background(), Ask()); err != nil || got.Raw != c.Want.Raw {
					t.Errorf("a call among many went wrong: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

// secrets: nothing that a server sends back, and nothing that the client was
// given, reaches an error or what is observed of attempts, and the key is in no
// rendering of the client.
func (p Provider) secrets(t *testing.T) {
	const answer = "planted-reply-marker"
	echo := Secret + " planted-prompt-marker " + answer
	handlers := []http.HandlerFunc{
		respond(200, jsonType, echo), respond(200, "text/"+answer, echo), respond(200, jsonType, `{"error":{"message":"`+echo+`","code":"`+Secret+`","type":"`+Secret+`"}}`),
		respond(200, eventType, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\""+Secret+"\",\"message\":\""+echo+"\"}}\n\n"),
	}
	for _, code := range []int{400, 401, 404, 429, 500} {
		handlers = append(handlers, respond(code, jsonType, p.Error(code, echo)))
		for _, word := range []string{Secret, "planted-prompt-marker", echo} {
			handlers = append(handlers, respond(code, jsonType, fmt.Sprintf(
				`{"type":"error","code":%[1]q,"error":{"code":%[1]q,"type":%[1]q,"status":%[1]q,"message":%[1]q,"details":[{"@type":"x/google.rpc.ErrorInfo","reason":%[1]q}]}}`, word)))
		}
	}
	for i, handler := range handlers {
		for _, stream := range []bool{false, true} {
			b := p.serve(t, stream, func(c *transport.Config) { c.MaxAttempts = 2 }, handler)
			_, err := b.client.Generate(t.Context(), Ask())
			failure := failureOf(t, err)
			text := fmt.Sprintf("%v %+v %#v %v %+v %+v %#v", err, failure, failure, failure.Err, b.seen, b.client, b.client)
			for _, secret := range []string{Secret, answer, "planted-prompt-marker"} {
				require.NotContains(t, strings.ToLower(text), secret, "body %d", i)
			}
			// What is kept of the body beside it holds all but the key.
			kept := strings.ToLower(failure.Body.Text())
			require.NotEmpty(t, kept, "body %d", i)
			require.NotContains(t, kept, Secret, "body %d", i)
		}
	}
}
