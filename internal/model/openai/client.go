// Package openai speaks the chat completions protocol of OpenAI as the many
// servers understand it that took it over: vLLM, SGLang, llama.cpp, Ollama,
// OpenRouter and hosted APIs.
//
// It is a codec over the shared transport and no more. It reads the fields
// that open servers have added for reasoning, keeps the reasoning apart from
// the text, and says what kind of reasoning it is, because a summary or an
// encrypted block must not be mistaken for reasoning that shows nothing.
package openai

import (
	"encoding/json"
	"fmt"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/wire"
)

// New returns a client for a model behind an OpenAI-compatible endpoint. The
// error names every field of cfg that is wrong and never shows the key or the
// URL.
func New(cfg Config) (*wire.Client, error) {
	e, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	c, err := wire.NewClient(wire.Endpoint{
		URL: e.url, Key: e.key, KeyHeader: "Authorization", KeyPrefix: "Bearer ",
		// llama.cpp repeats it, in replies that are not streamed.
		MayRepeatPrefill: e.prefill == PrefillMessage,
		Stream:           e.stream, Transport: cfg.Transport,
	}, e)
	if err != nil {
		return nil, fmt.Errorf("openai-compatible model: %w", err)
	}
	return c, nil
}

// wireRequest is the request's body.
type wireRequest struct {
	Model               string          `json:"model"`
	Messages            []model.Message `json:"messages"`
	Temperature         *float64        `json:"temperature,omitempty"`
	TopP                *float64        `json:"top_p,omitempty"`
	MaxTokens           int             `json:"max_tokens,omitempty"`
	MaxCompletionTokens int             `json:"max_completion_tokens,omitempty"`
	Seed                *int64          `json:"seed,omitempty"`
	Stop                []string        `json:"stop,omitempty"`
	ReasoningEffort     string          `json:"reasoning_effort,omitempty"`
	ResponseFormat      *wireFormat     `json:"response_format,omitempty"`
	Stream              bool            `json:"stream,omitempty"`
	StreamOptions       *streamOptions  `json:"stream_options,omitempty"`
	// The servers that can continue a message know these two.
	ContinueFinalMessage bool  `json:"continue_final_message,omitempty"`
	AddGenerationPrompt  *bool `json:"add_generation_prompt,omitempty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// wireFormat is the form of the reply that is asked for.
type wireFormat struct {
	Type       ResponseFormat `json:"type"`
	JSONSchema *wireSchema    `json:"json_schema,omitempty"`
}

type wireSchema struct {
	Name   string          `json:"name"`
	Strict bool            `json:"strict"`
	Schema json.RawMessage `json:"schema"`
}

// wireFormat returns what tells the endpoint the form of a reply, or nil.
func (e endpoint) wireFormat(schema *model.Schema) *wireFormat {
	if schema == nil {
		return nil
	}
	switch e.format {
	case ResponseNone:
		return nil
	case ResponseJSONObject:
		return &wireFormat{Type: ResponseJSONObject}
	default:
		return &wireFormat{Type: ResponseJSONSchema, JSONSchema: &wireSchema{Name: schema.Name, Strict: true, Schema: schema.JSON}}
	}
}

// Check implements wire.Codec.
func (e endpoint) Check(req model.Request) error {
	if e.prefill == PrefillRefuse && wire.Prefill(req) {
		return wire.Unsupported("prefill", "this endpoint is not known to continue a message of the assistant; set prefill if it does")
	}
	return nil
}

// Encode implements wire.Codec.
func (e endpoint) Encode(req model.Request) any {
	body := wireRequest{
		Model:           e.model,
		Messages:        req.Messages,
		Temperature:     req.Sampling.Temperature,
		TopP:            req.Sampling.TopP,
		Stop:            wire.Stop(e.stop, req),
		ReasoningEffort: e.effort,
		ResponseFormat:  e.wireFormat(req.ResponseSchema),
	}
	if !e.noSeed {
		seed := model.PortableSeed(req.Seed)
		body.Seed = &seed
	}
	if e.tokenField == MaxCompletionTokens {
		body.MaxCompletionTokens = req.Sampling.MaxTokens
	} else {
		body.MaxTokens = req.Sampling.MaxTokens
	}
	if e.stream {
		body.Stream, body.StreamOptions = true, &streamOptions{IncludeUsage: true}
	}
	if e.prefill == PrefillContinue && wire.Prefill(req) {
		body.ContinueFinalMessage, body.AddGenerationPrompt = true, new(bool)
	}
	return body
}
