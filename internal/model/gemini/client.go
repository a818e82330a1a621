// Package gemini speaks the generateContent protocol of Google's Gemini API.
//
// It is a codec over the shared transport (docs/decisions/0020-codecs-for-all-providers.md).
// Thoughts that the API shows are summaries; a signature or a count of tokens
// without them is reasoning that cannot be read. A prompt that is blocked comes
// back without a candidate, and is an outcome and not a failure.
package gemini

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
		URL: e.url, Key: e.key, KeyHeader: "X-Goog-Api-Key", Stream: e.stream, Transport: cfg.Transport,
	}, e)
	if err != nil {
		return nil, fmt.Errorf("gemini model: %w", err)
	}
	return c, nil
}

// wireRequest is the request's body.
type wireRequest struct {
	SystemInstruction *wireContent  `json:"systemInstruction,omitempty"`
	Contents          []wireContent `json:"contents"`
	GenerationConfig  wireConfig    `json:"generationConfig"`
	SafetySettings    []wireSafety  `json:"safetySettings,omitempty"`
}

type wireContent struct {
	Role  string     `json:"role,omitempty"`
	Parts []wireText `json:"parts"`
}

type wireText struct {
	Text string `json:"text"`
}

type wireConfig struct {
	Temperature        *float64        `json:"temperature,omitempty"`
	TopP               *float64        `json:"topP,omitempty"`
	MaxOutputTokens    int             `json:"maxOutputTokens,omitempty"`
	Seed               *int64          `json:"seed,omitempty"`
	StopSequences      []string        `json:"stopSequences,omitempty"`
	ResponseMIMEType   string          `json:"responseMimeType,omitempty"`
	ResponseJSONSchema json.RawMessage `json:"responseJsonSchema,omitempty"`
	ThinkingConfig     *wireThinking   `json:"thinkingConfig,omitempty"`
}

type wireThinking struct {
	IncludeThoughts bool   `json:"includeThoughts,omitempty"`
	Budget          *int   `json:"thinkingBudget,omitempty"`
	Level           string `json:"thinkingLevel,omitempty"`
}

// Check implements wire.Codec.
func (e endpoint) Check(req model.Request) error {
	if _, _, err := wire.SplitSystem(req); err != nil {
		return err
	}
	if n := len(wire.Stop(e.stop, req)); n > MaxStop {
		return wire.Unsupported("stop", "the Gemini API takes at most %d sequences, got %d with those of the endpoint", MaxStop, n)
	}
	if wire.Prefill(req) {
		return wire.Unsupported("prefill", "the Gemini API has none; leave the last message of the assistant out")
	}
	return nil
}

// Encode implements wire.Codec.
func (e endpoint) Encode(req model.Request) any {
	system, turns, err := wire.SplitSystem(req)
	if err != nil { // refused by Check
		turns = req.Messages
	}
	body := wireRequest{
		Contents: make([]wireContent, len(turns)),
		GenerationConfig: wireConfig{
			Temperature: req.Sampling.Temperature, TopP: req.Sampling.TopP, MaxOutputTokens: req.Sampling.MaxTokens,
			StopSequences: wire.Stop(e.stop, req), ThinkingConfig: e.thinking,
		},
		SafetySettings: e.safety,
	}
	if !e.noSeed {
		seed := model.PortableSeed(req.Seed)
		body.GenerationConfig.Seed = &seed
	}
	if system != "" {
		body.SystemInstruction = &wireContent{Parts: []wireText{{system}}}
	}
	for i, m := range turns {
		role := m.Role
		if role == "assistant" {
			role = "model"
		}
		body.Contents[i] = wireContent{role, []wireText{{m.Content}}}
	}
	if schema := req.ResponseSchema; schema != nil && e.format != FormatNone {
		body.GenerationConfig.ResponseMIMEType = "application/json"
		if e.format == FormatJSONSchema {
			body.GenerationConfig.ResponseJSONSchema = schema.JSON
		}
	}
	return body
}
