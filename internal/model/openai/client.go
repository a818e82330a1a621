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
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
)

// Client is a model behind an OpenAI-compatible endpoint. It is safe for
// concurrent use. Close it when it is no longer needed.
type Client struct {
	endpoint  endpoint
	transport *transport.Client
}

var _ model.Model = (*Client)(nil)

// New returns a client. The error names every field of cfg that is wrong and
// never shows the key or the URL.
func New(cfg Config) (*Client, error) {
	e, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	t, err := transport.New(cfg.Transport)
	if err != nil {
		return nil, fmt.Errorf("openai-compatible model: %w", err)
	}
	return &Client{endpoint: e, transport: t}, nil
}

// Close closes idle connections. Calls in flight are not affected.
func (c *Client) Close() { c.transport.Close() }

// Generate implements model.Model.
func (c *Client) Generate(ctx context.Context, req model.Request) (model.Reply, error) {
	body, err := c.endpoint.encode(req)
	if err != nil {
		return model.Reply{}, err
	}
	header := http.Header{}
	if !c.endpoint.key.IsZero() {
		header.Set("Authorization", "Bearer "+c.endpoint.key.Reveal())
	}
	var reply model.Reply
	result, err := c.transport.Post(ctx, transport.Call{
		URL:    c.endpoint.url,
		Header: header,
		Body:   body,
		Usage:  &reply.Usage,
		Decode: func(body []byte) (err error) {
			reply, err = decode(body, c.endpoint.kind)
			return err
		},
	})
	if err != nil {
		return model.Reply{}, err
	}
	reply.Latency, reply.Attempts = result.Latency, result.Attempts
	return reply, nil
}

// wireRequest is the request's body.
type wireRequest struct {
	Model               string          `json:"model"`
	Messages            []model.Message `json:"messages"`
	Temperature         *float64        `json:"temperature,omitempty"`
	TopP                *float64        `json:"top_p,omitempty"`
	MaxTokens           int             `json:"max_tokens,omitempty"`
	MaxCompletionTokens int             `json:"max_completion_tokens,omitempty"`
	Seed                int64           `json:"seed"`
	ResponseFormat      *wireFormat     `json:"response_format,omitempty"`
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

// encode writes the request's body. It fails on what JSON cannot carry, such
// as a temperature that is not a number.
func (e endpoint) encode(req model.Request) ([]byte, error) {
	wire := wireRequest{
		Model:       e.model,
		Messages:    req.Messages,
		Temperature: req.Sampling.Temperature,
		TopP:        req.Sampling.TopP,
		Seed:        model.PortableSeed(req.Seed),

		ResponseFormat: e.wireFormat(req.ResponseSchema),
	}
	if e.tokenField == MaxCompletionTokens {
		wire.MaxCompletionTokens = req.Sampling.MaxTokens
	} else {
		wire.MaxTokens = req.Sampling.MaxTokens
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // prompts are full of tags
	if err := enc.Encode(wire); err != nil {
		return nil, &model.Error{Class: model.ClassBadRequest, Message: "the request cannot be written as JSON"}
	}
	return buf.Bytes(), nil
}
