// Package openairesponses speaks the responses protocol of OpenAI, which
// succeeds chat completions there: a reply is a list of items, and reasoning is
// an item of its own that holds a summary, an encrypted copy, or nothing.
//
// It is a codec over the shared transport (docs/decisions/0020-codecs-for-all-providers.md).
package openairesponses

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
		return nil, fmt.Errorf("openai responses model: %w", err)
	}
	return c, nil
}

// wireRequest is the request's body.
type wireRequest struct {
	Model           string          `json:"model"`
	Input           []model.Message `json:"input"`
	Temperature     *float64        `json:"temperature,omitempty"`
	TopP            *float64        `json:"top_p,omitempty"`
	MaxOutputTokens int             `json:"max_output_tokens,omitempty"`
	Reasoning       *wireReasoning  `json:"reasoning,omitempty"`
	Text            *wireText       `json:"text,omitempty"`
	// Store is false: what is asked here is not the provider's to keep.
	Store  bool `json:"store"`
	Stream bool `json:"stream,omitempty"`
}

type wireReasoning struct {
	Effort  string `json:"effort,omitempty"`
	Summary string `json:"summary,omitempty"`
}

type wireText struct {
	Format wireFormat `json:"format"`
}

type wireFormat struct {
	Type   Format          `json:"type"`
	Name   string          `json:"name,omitempty"`
	Strict bool            `json:"strict,omitempty"`
	Schema json.RawMessage `json:"schema,omitempty"`
}

// Check implements wire.Codec.
func (e endpoint) Check(req model.Request) error {
	if n := req.Sampling.MaxTokens; n > 0 && n < MinOutputTokens {
		return wire.Unsupported("max_tokens", "the responses API takes at least %d, got %d", MinOutputTokens, n)
	}
	if len(req.Sampling.Stop) > 0 {
		return wire.Unsupported("stop", "the responses API has no stop sequences")
	}
	if wire.Prefill(req) {
		return wire.Unsupported("prefill", "the responses API has none; leave the last message of the assistant out")
	}
	return nil
}

// Encode implements wire.Codec. The seed is not sent: the provider takes none.
func (e endpoint) Encode(req model.Request) any {
	body := wireRequest{
		Model: e.model, Input: req.Messages, Temperature: req.Sampling.Temperature, TopP: req.Sampling.TopP,
		MaxOutputTokens: req.Sampling.MaxTokens, Stream: e.stream,
	}
	if e.effort != "" || e.summary != "" {
		body.Reasoning = &wireReasoning{Effort: e.effort, Summary: e.summary}
	}
	if schema := req.ResponseSchema; schema != nil {
		switch e.format {
		case FormatNone:
		case FormatJSONObject:
			body.Text = &wireText{wireFormat{Type: FormatJSONObject}}
		default:
			body.Text = &wireText{wireFormat{Type: FormatJSONSchema, Name: schema.Name, Strict: true, Schema: schema.JSON}}
		}
	}
	return body
}
