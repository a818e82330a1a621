package openairesponses

import (
	"errors"
	"fmt"

	"github.com/unmask-eval/unmask/internal/model/credential"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
)

// DefaultBaseURL is where OpenAI serves the API.
const DefaultBaseURL = "https://api.openai.com/v1"

// MinOutputTokens is the least bound of a reply that the provider takes.
const MinOutputTokens = 16

// Format is how the endpoint is told the form of a reply that a request asks for.
type Format string

// The ways; see the package openai.
const (
	FormatJSONSchema Format = "json_schema"
	FormatJSONObject Format = "json_object"
	FormatNone       Format = "none"
)

// Config describes one model of the responses API.
type Config struct {
	// BaseURL is an http or https URL, with or without /v1. Default: DefaultBaseURL.
	BaseURL string
	// Model is the model's id. Required.
	Model string
	// APIKey says where the key is kept. It is read once, by New.
	APIKey credential.Ref
	// ReasoningEffort is sent as reasoning.effort; "" sends none.
	ReasoningEffort string
	// ReasoningSummary asks for summaries of the reasoning: auto, concise or
	// detailed; "" asks for none, and then reasoning is hidden.
	ReasoningSummary string
	// ResponseFormat defaults to FormatJSONSchema.
	ResponseFormat Format
	// Stream asks for server-sent events.
	Stream bool
	// Transport bounds time, size and retries.
	Transport transport.Config
}

// endpoint is a checked Config, and the codec.
type endpoint struct {
	url, model      string
	key             credential.Secret
	effort, summary string
	format          Format
	stream          bool
}

var _ wire.Codec = endpoint{}

// resolve checks the configuration, reads the key and reports all problems at once.
func (c Config) resolve() (endpoint, error) {
	var problems []error
	e := endpoint{model: c.Model, effort: c.ReasoningEffort, summary: c.ReasoningSummary, format: c.ResponseFormat, stream: c.Stream}
	base := c.BaseURL
	if base == "" {
		base = DefaultBaseURL
	}
	var err error
	if e.url, err = wire.URL(base, "/v1", "/responses"); err != nil {
		problems = append(problems, err)
	}
	if c.Model == "" {
		problems = append(problems, errors.New("model is empty"))
	}
	if e.key, err = c.APIKey.Resolve(); err != nil {
		problems = append(problems, err)
	}
	switch e.summary {
	case "", "auto", "concise", "detailed":
	default:
		problems = append(problems, errors.New("reasoning_summary is none of auto, concise and detailed"))
	}
	switch e.format {
	case "":
		e.format = FormatJSONSchema
	case FormatJSONSchema, FormatJSONObject, FormatNone:
	default:
		problems = append(problems, fmt.Errorf("response_format is none of %s, %s and %s", FormatJSONSchema, FormatJSONObject, FormatNone))
	}
	if len(problems) > 0 {
		return endpoint{}, fmt.Errorf("openai responses model: %w", errors.Join(problems...))
	}
	return e, nil
}
