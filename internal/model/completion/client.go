// Package completion reaches base models behind a plain completion endpoint:
// /v1/completions, as OpenAI, vLLM and many others serve it, or llama.cpp's
// /completion. A declared template turns the chat into the prompt.
//
// It is a codec over the shared transport. Such an endpoint has no channel for
// reasoning: what a model thinks is in its text, and the parser finds it there.
package completion

import (
	"encoding/json"
	"fmt"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/wire"
)

// New returns a client. The error names every field of cfg that is wrong and
// never shows the key or the URL.
func New(cfg Config) (*wire.Client, error) {
	e, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	c, err := wire.NewClient(wire.Endpoint{
		URL: e.url, Key: e.key, KeyHeader: "Authorization", KeyPrefix: "Bearer ", Stream: e.stream, Transport: cfg.Transport,
	}, e)
	if err != nil {
		return nil, fmt.Errorf("completion model: %w", err)
	}
	return c, nil
}

// wireRequest is the request's body for either endpoint.
type wireRequest struct {
	Model       string   `json:"model"`
	Prompt      string   `json:"prompt"`
	Temperature *float64 `json:"temperature,omitempty"`
	TopP        *float64 `json:"top_p,omitempty"`
	Seed        *int64   `json:"seed,omitempty"`
	Stop        []string `json:"stop,omitempty"`
	Stream      bool     `json:"stream,omitempty"`

	MaxTokens      int            `json:"max_tokens,omitempty"`
	ResponseFormat *wireFormat    `json:"response_format,omitempty"`
	StreamOptions  *streamOptions `json:"stream_options,omitempty"`

	// llama.cpp's names.
	NPredict   int             `json:"n_predict,omitempty"`
	JSONSchema json.RawMessage `json:"json_schema,omitempty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type wireFormat struct {
	Type       Format     `json:"type"`
	JSONSchema wireSchema `json:"json_schema"`
}

type wireSchema struct {
	Name   string          `json:"name"`
	Strict bool            `json:"strict"`
	Schema json.RawMessage `json:"schema"`
}

// Check implements wire.Codec.
func (e endpoint) Check(req model.Request) error { return e.template.check(req.Messages) }

// Encode implements wire.Codec.
func (e endpoint) Encode(req model.Request) any {
	body := wireRequest{
		Model: e.model, Prompt: e.template.render(req.Messages), Temperature: req.Sampling.Temperature,
		TopP: req.Sampling.TopP, Stop: wire.Stop(e.stop, req), Stream: e.stream,
	}
	if !e.noSeed {
		seed := model.PortableSeed(req.Seed)
		body.Seed = &seed
	}
	schema := req.ResponseSchema
	if e.format == FormatNone {
		schema = nil
	}
	if e.api == APILlamaCpp {
		body.NPredict = req.Sampling.MaxTokens
		if schema != nil {
			body.JSONSchema = schema.JSON
		}
		return body
	}
	body.MaxTokens = req.Sampling.MaxTokens
	if e.stream {
		body.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	if schema != nil {
		body.ResponseFormat = &wireFormat{FormatJSONSchema, wireSchema{schema.Name, true, schema.JSON}}
	}
	return body
}
