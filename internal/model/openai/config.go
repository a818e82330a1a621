package openai

import (
	"errors"
	"fmt"

	"github.com/unmask-eval/unmask/internal/model/credential"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// TokenField is the request's field that bounds the length of a reply.
type TokenField string

// The names of the field. Hosted reasoning models take only the second one,
// most other servers only the first.
const (
	MaxTokens           TokenField = "max_tokens"
	MaxCompletionTokens TokenField = "max_completion_tokens"
)

// ResponseFormat is how an endpoint is told the form of a reply that a request
// asks for. It has no bearing on requests that ask for text.
type ResponseFormat string

// The ways. Servers that cannot hold a model to a schema are still told by the
// prompt, and the reply is read strictly in any case.
const (
	// ResponseJSONSchema sends the schema; OpenAI, vLLM, SGLang, llama.cpp,
	// Ollama and others take it. The default.
	ResponseJSONSchema ResponseFormat = "json_schema"
	// ResponseJSONObject asks for JSON of any form.
	ResponseJSONObject ResponseFormat = "json_object"
	// ResponseNone sends nothing.
	ResponseNone ResponseFormat = "none"
)

// Prefill is what an endpoint does with a last message of the assistant.
type Prefill string

// The ways. Most servers begin a new message, or answer an error, so that
// nothing is assumed.
const (
	// PrefillRefuse refuses such requests. The default.
	PrefillRefuse Prefill = "refuse"
	// PrefillMessage sends the message and nothing else: llama.cpp, and some
	// models of OpenRouter, continue it.
	PrefillMessage Prefill = "message"
	// PrefillContinue adds continue_final_message and turns add_generation_prompt
	// off, as vLLM and SGLang demand.
	PrefillContinue Prefill = "continue"
)

// Config describes one model at one OpenAI-compatible endpoint.
type Config struct {
	// BaseURL is the endpoint's http or https URL, with or without its
	// version: "http://localhost:8000" and "http://localhost:8000/v1" mean the
	// same. It holds no credentials, query or fragment. Required.
	BaseURL string
	// Model is the model's id as the server knows it. Required.
	Model string
	// APIKey says where the key is kept. It is read once, by New. The zero
	// value sends no credentials.
	APIKey credential.Ref
	// TokenField defaults to MaxTokens.
	TokenField TokenField
	// ResponseFormat defaults to ResponseJSONSchema.
	ResponseFormat ResponseFormat
	// ReasoningKind says what a readable reasoning channel of this endpoint
	// holds where the reply does not tell: transcript.NativeFull (the default)
	// or transcript.NativeSummary for providers that summarise.
	ReasoningKind transcript.NativeKind
	// ReasoningEffort is sent as reasoning_effort; "" sends none.
	ReasoningEffort string
	// Stop are sequences that end a reply.
	Stop []string
	// NoSeed leaves the seed out, for endpoints that refuse the field.
	NoSeed bool
	// Prefill defaults to PrefillRefuse.
	Prefill Prefill
	// Stream asks for the reply as server-sent events, so that
	// Transport.FirstByteTimeout bounds the wait for the first token and not for
	// the whole reply.
	Stream bool
	// Transport bounds time, size and retries.
	Transport transport.Config
}

// endpoint is a checked Config.
type endpoint struct {
	url        string
	model      string
	key        credential.Secret
	tokenField TokenField
	format     ResponseFormat
	kind       transcript.NativeKind
	effort     string
	stop       []string
	noSeed     bool
	prefill    Prefill
	stream     bool
}

// resolve checks the configuration, reads the key and reports all problems at once.
func (c Config) resolve() (endpoint, error) {
	var problems []error
	e := endpoint{
		model: c.Model, tokenField: c.TokenField, format: c.ResponseFormat, kind: c.ReasoningKind,
		effort: c.ReasoningEffort, stop: c.Stop, noSeed: c.NoSeed, prefill: c.Prefill, stream: c.Stream,
	}
	var err error
	if e.url, err = wire.URL(c.BaseURL, "/v1", completions); err != nil {
		problems = append(problems, err)
	}
	if c.Model == "" {
		problems = append(problems, errors.New("model is empty"))
	}
	if e.key, err = c.APIKey.Resolve(); err != nil {
		problems = append(problems, err)
	}
	switch e.tokenField {
	case "":
		e.tokenField = MaxTokens
	case MaxTokens, MaxCompletionTokens:
	default:
		problems = append(problems, fmt.Errorf("token_field is neither %s nor %s", MaxTokens, MaxCompletionTokens))
	}
	switch e.format {
	case "":
		e.format = ResponseJSONSchema
	case ResponseJSONSchema, ResponseJSONObject, ResponseNone:
	default:
		problems = append(problems, fmt.Errorf("response_format is none of %s, %s and %s", ResponseJSONSchema, ResponseJSONObject, ResponseNone))
	}
	switch e.kind {
	case "":
		e.kind = transcript.NativeFull
	case transcript.NativeFull, transcript.NativeSummary:
	default:
		problems = append(problems, errors.New("reasoning_kind is neither full nor summary"))
	}
	switch e.prefill {
	case "":
		e.prefill = PrefillRefuse
	case PrefillRefuse, PrefillMessage, PrefillContinue:
	default:
		problems = append(problems, fmt.Errorf("prefill is none of %s, %s and %s", PrefillRefuse, PrefillMessage, PrefillContinue))
	}
	if len(problems) > 0 {
		return endpoint{}, fmt.Errorf("openai-compatible model: %w", errors.Join(problems...))
	}
	return e, nil
}

// completions is the path of the chat completions below the version.
const completions = "/chat/completions"
