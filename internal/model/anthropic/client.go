// Package anthropic speaks the messages protocol of Anthropic.
//
// It is a codec over the shared transport (docs/decisions/0020-codecs-for-all-providers.md). What
// matters here is extended thinking: its text is a summary unless the model is
// documented to show it in full, and blocks that are redacted, or whose text is
// left out and only their signature sent, are reasoning that cannot be read.
package anthropic

import (
	"fmt"
	"net/http"
	"strings"

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
		URL: e.url, Key: e.key, KeyHeader: "X-Api-Key", Stream: e.stream, Transport: cfg.Transport,
		Header: http.Header{"Anthropic-Version": {version}},
	}, e)
	if err != nil {
		return nil, fmt.Errorf("anthropic model: %w", err)
	}
	return c, nil
}

// wireRequest is the request's body.
type wireRequest struct {
	Model         string          `json:"model"`
	MaxTokens     int             `json:"max_tokens"`
	System        string          `json:"system,omitempty"`
	Messages      []model.Message `json:"messages"`
	Temperature   *float64        `json:"temperature,omitempty"`
	TopP          *float64        `json:"top_p,omitempty"`
	StopSequences []string        `json:"stop_sequences,omitempty"`
	Thinking      *wireThinking   `json:"thinking,omitempty"`
	OutputConfig  *wireOutput     `json:"output_config,omitempty"`
	Stream        bool            `json:"stream,omitempty"`
}

type wireThinking struct {
	Type         string `json:"type"`
	BudgetTokens int    `json:"budget_tokens,omitempty"`
	Display      string `json:"display,omitempty"`
}

type wireOutput struct {
	Effort string      `json:"effort,omitempty"`
	Format *wireFormat `json:"format,omitempty"`
}

type wireFormat struct {
	Type   string `json:"type"`
	Schema any    `json:"schema"`
}

// The bounds that thinking sets to sampling.
const (
	thinkingTemperature = 1
	thinkingMinTopP     = 0.95
)

// Check implements wire.Codec.
func (e endpoint) Check(req model.Request) error {
	if t := req.Sampling.Temperature; t != nil {
		switch {
		case *t > 1:
			return wire.Unsupported("temperature", "Anthropic takes 0 to 1, got %v", *t)
		case e.thinks() && *t != thinkingTemperature:
			return wire.Unsupported("temperature", "with thinking Anthropic takes no other than 1, got %v", *t)
		}
	}
	if p := req.Sampling.TopP; p != nil && e.thinks() && *p < thinkingMinTopP {
		return wire.Unsupported("top_p", "with thinking Anthropic takes %v to 1, got %v", thinkingMinTopP, *p)
	}
	for _, s := range req.Sampling.Stop {
		if strings.TrimSpace(s) == "" {
			return wire.Unsupported("stop", "Anthropic takes no sequence of white space alone, got %q", s)
		}
	}
	if n := maxTokens(req); e.budget > 0 && n <= e.budget {
		return wire.Unsupported("max_tokens", "the thinking budget of %d is a part of it, so it has to be larger, got %d", e.budget, n)
	}
	_, turns, err := wire.SplitSystem(req)
	if err != nil {
		return err
	}
	if !wire.Prefill(req) {
		return nil
	}
	switch last := turns[len(turns)-1].Content; {
	case e.thinks():
		return wire.Unsupported("prefill", "Anthropic has none with thinking; turn thinking off or leave the last message of the assistant out")
	case req.ResponseSchema != nil && !e.noSchema:
		return wire.Unsupported("prefill", "Anthropic has none with a schema of the reply")
	case strings.TrimRight(last, " \t\r\n") != last:
		return wire.Unsupported("prefill", "Anthropic takes none that ends in white space")
	}
	return nil
}

// maxTokens is the bound of a reply.
func maxTokens(req model.Request) int {
	if req.Sampling.MaxTokens > 0 {
		return req.Sampling.MaxTokens
	}
	return DefaultMaxTokens
}

// Encode implements wire.Codec. The seed is not sent: the provider takes none.
func (e endpoint) Encode(req model.Request) any {
	system, turns, err := wire.SplitSystem(req)
	if err != nil { // refused by Check
		turns = req.Messages
	}
	body := wireRequest{
		Model: e.model, MaxTokens: maxTokens(req), System: system, Messages: turns,
		Temperature: req.Sampling.Temperature, TopP: req.Sampling.TopP, StopSequences: wire.Stop(e.stop, req), Stream: e.stream,
	}
	switch {
	case e.adaptive:
		body.Thinking = &wireThinking{Type: ThinkingAdaptive, Display: "summarized"}
	case e.budget > 0:
		body.Thinking = &wireThinking{Type: "enabled", BudgetTokens: e.budget}
	}
	var output wireOutput
	output.Effort = e.effort
	if req.ResponseSchema != nil && !e.noSchema {
		output.Format = &wireFormat{Type: "json_schema", Schema: req.ResponseSchema.JSON}
	}
	if output != (wireOutput{}) {
		body.OutputConfig = &output
	}
	return body
}
