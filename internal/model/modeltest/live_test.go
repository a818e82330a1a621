package modeltest_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/anthropic"
	"github.com/unmask-eval/unmask/internal/model/completion"
	"github.com/unmask-eval/unmask/internal/model/modeltest"
	"github.com/unmask-eval/unmask/internal/model/openai"
	"github.com/unmask-eval/unmask/internal/model/openairesponses"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// envURL names a llama.cpp server, which serves most of the protocols;
// scripts/real-model conformance starts one and runs this.
const envURL = "UNMASK_LLAMA_CPP_URL"

// live is how a client for a real server is made.
type live struct {
	name string
	dial func(url string, stream bool, stop []string) (*wire.Client, error)
	// stops, schemas and truncates are whether the server's side of the protocol
	// has stop sequences, holds a reply to a schema and tells of a cut.
	stops, schemas, truncates bool
}

var lives = []live{
	{"chat completions", func(url string, stream bool, stop []string) (*wire.Client, error) {
		return openai.New(openai.Config{BaseURL: url, Model: "m", Stream: stream, Stop: stop, Prefill: openai.PrefillMessage, Transport: patient})
	}, true, true, true},
	{"responses", func(url string, stream bool, _ []string) (*wire.Client, error) {
		return openairesponses.New(openairesponses.Config{BaseURL: url, Model: "m", Stream: stream, Transport: patient})
	}, false, false, false},
	{"messages", func(url string, stream bool, stop []string) (*wire.Client, error) {
		return anthropic.New(anthropic.Config{BaseURL: url, Model: "m", Stream: stream, Stop: stop, Transport: patient})
	}, true, false, true},
	{"completions", func(url string, stream bool, stop []string) (*wire.Client, error) {
		return completion.New(completion.Config{BaseURL: url, Model: "m", Template: chatml(), Stream: stream, Stop: stop, Transport: patient})
	}, true, false, true},
	{"completion of llama.cpp", func(url string, stream bool, stop []string) (*wire.Client, error) {
		return completion.New(completion.Config{BaseURL: url, Model: "m", API: completion.APILlamaCpp, Template: chatml(), Stream: stream, Stop: stop, Transport: patient})
	}, true, true, true},
}

var patient = transport.Config{CallTimeout: 5 * time.Minute, MaxAttempts: 1}

func chatml() completion.Template {
	t, _ := completion.TemplateByName("chatml")
	return t
}

func TestARealServer(t *testing.T) {
	url := os.Getenv(envURL)
	if url == "" {
		t.Skip(envURL + " names no server")
	}
	zero := 0.0
	ask := func(text string, maxTokens int) model.Request {
		return model.Request{Seed: 1, Messages: []model.Message{{Role: "system", Content: "Be brief."}, {Role: "user", Content: text}}, Sampling: model.Sampling{Temperature: &zero, MaxTokens: maxTokens}}
	}
	for _, l := range lives {
		for _, stream := range []bool{false, true} {
			name := l.name
			if stream {
				name += ", streamed"
			}
			t.Run(name, func(t *testing.T) {
				dial := func(base string, stop ...string) modeltest.Client {
					c, err := l.dial(base, stream, stop)
					require.NoError(t, err)
					t.Cleanup(c.Close)
					return c
				}
				got, err := dial(url).Generate(t.Context(), ask("Say hello.", 40))
				require.NoError(t, err)
				require.NotEmpty(t, got.Raw)
				require.NotEmpty(t, got.ModelID)
				require.Positive(t, got.Usage.InputTokens)
				require.Positive(t, got.Usage.OutputTokens)
				require.Equal(t, transcript.NativeNone, got.NativeKind)
				t.Logf("%s after %d tokens: %q", got.FinishReason, got.Usage.OutputTokens, got.Raw)

				long, err := dial(url).Generate(t.Context(), ask("Say hello.", 16))
				require.NoError(t, err)
				require.EqualValues(t, 16, long.Usage.OutputTokens)
				if l.truncates {
					require.Equal(t, transcript.FinishLength, long.FinishReason)
				}
				if l.stops {
					stopped, err := dial(url, "e").Generate(t.Context(), ask("Say hello there.", 40))
					require.NoError(t, err)
					require.NotContains(t, stopped.Raw, "e")
					require.Equal(t, transcript.FinishStop, stopped.FinishReason)
				}
				if l.schemas {
					req := ask("Is the sky blue?", 60)
					req.ResponseSchema = &model.Schema{Name: "answer", JSON: json.RawMessage(`{"type":"object","properties":{"yes":{"type":"boolean"}},"required":["yes"],"additionalProperties":false}`)}
					formed, err := dial(url).Generate(t.Context(), req)
					require.NoError(t, err)
					var answer struct{ Yes *bool }
					require.NoError(t, json.Unmarshal([]byte(formed.Raw), &answer), formed.Raw)
					require.NotNil(t, answer.Yes)
				}
				// Unlike Anthropic, the server repeats a prefill of messages.
				if prefilled := ask("Say hello.", 16); l.name != "responses" && l.name != "messages" {
					prefilled.Messages = append(prefilled.Messages, model.Message{Role: "assistant", Content: "Prefilled-words, and"})
					continued, err := dial(url).Generate(t.Context(), prefilled)
					require.NoError(t, err)
					require.NotContains(t, continued.Raw, "Prefilled-words", "the reply does not repeat its beginning")
				}

				var failure *model.Error
				_, err = dial(url).Generate(t.Context(), ask(strings.Repeat("word ", 20_000), 16))
				require.ErrorAs(t, err, &failure)
				require.Equal(t, model.ClassBadRequest, failure.Class, failure.Message)
				t.Log(failure)
				_, err = dial(url+"/nowhere").Generate(t.Context(), ask("hi", 16))
				require.ErrorAs(t, err, &failure)
				require.Equal(t, model.ClassNotFound, failure.Class, failure.Message)

				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_, err = dial(url).Generate(ctx, ask("hi", 16))
				require.ErrorIs(t, err, context.Canceled)
			})
		}
	}
}
