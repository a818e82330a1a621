package anthropic

import (
	"errors"
	"fmt"
	"strings"

	"github.com/unmask-eval/unmask/internal/model/credential"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// DefaultBaseURL is where Anthropic serves the API.
const DefaultBaseURL = "https://api.anthropic.com"

// version is that of the API that this package was written for.
const version = "2023-06-01"

// DefaultMaxTokens bounds replies of requests that name no bound, since the
// provider demands one.
const DefaultMaxTokens = 4096

// MinThinkingBudget is the least budget that the provider takes.
const MinThinkingBudget = 1024

// ThinkingAdaptive lets the model decide how much it thinks.
const ThinkingAdaptive = "adaptive"

// Config describes one model of the messages API.
type Config struct {
	// BaseURL is an http or https URL, with or without /v1. Default: DefaultBaseURL.
	BaseURL string
	// Model is the model's id. Required.
	Model string
	// APIKey says where the key is kept. It is read once, by New.
	APIKey credential.Ref
	// ThinkingBudget turns extended thinking on with so many tokens, at least
	// MinThinkingBudget and fewer than a reply's; 0 does not.
	ThinkingBudget int
	// Thinking is "", or ThinkingAdaptive, the only way of models since Claude
	// Opus 4.7. Its summaries are asked for, which those models do not send by
	// themselves. Not together with a budget.
	Thinking string
	// ReasoningEffort is sent as the effort of the output; "" sends none.
	ReasoningEffort string
	// ReasoningKind says what the text of thinking is: NativeFull or
	// NativeSummary. By default what is documented: Claude 3.7 Sonnet shows its
	// thinking in full, all others a summary of it.
	ReasoningKind transcript.NativeKind
	// NoSchema asks for a form of the reply by nothing but the prompt, for models
	// that have no structured output.
	NoSchema bool
	// Stop are sequences that end a reply.
	Stop []string
	// Stream asks for server-sent events.
	Stream bool
	// Transport bounds time, size and retries.
	Transport transport.Config
}

// endpoint is a checked Config, and the codec.
type endpoint struct {
	url, model string
	key        credential.Secret
	budget     int
	adaptive   bool
	effort     string
	kind       transcript.NativeKind
	noSchema   bool
	stop       []string
	stream     bool
}

var (
	_ wire.Codec     = endpoint{}
	_ wire.Explainer = endpoint{}
)

// thinks reports whether extended thinking is on.
func (e endpoint) thinks() bool { return e.adaptive || e.budget > 0 }

// resolve checks the configuration, reads the key and reports all problems at once.
func (c Config) resolve() (endpoint, error) {
	var problems []error
	e := endpoint{
		model: c.Model, budget: c.ThinkingBudget, adaptive: c.Thinking == ThinkingAdaptive,
		effort: c.ReasoningEffort, kind: c.ReasoningKind, noSchema: c.NoSchema, stop: c.Stop, stream: c.Stream,
	}
	base := c.BaseURL
	if base == "" {
		base = DefaultBaseURL
	}
	var err error
	if e.url, err = wire.URL(base, "/v1", "/messages"); err != nil {
		problems = append(problems, err)
	}
	if c.Model == "" {
		problems = append(problems, errors.New("model is empty"))
	}
	if e.key, err = c.APIKey.Resolve(); err != nil {
		problems = append(problems, err)
	}
	if c.ThinkingBudget != 0 && c.ThinkingBudget < MinThinkingBudget {
		problems = append(problems, fmt.Errorf("thinking_budget is neither 0 nor at least %d", MinThinkingBudget))
	}
	switch c.Thinking {
	case "":
	case ThinkingAdaptive:
		if c.ThinkingBudget != 0 {
			problems = append(problems, errors.New("thinking_budget does not go together with adaptive thinking"))
		}
	default:
		problems = append(problems, fmt.Errorf("thinking is not %s", ThinkingAdaptive))
	}
	switch e.kind {
	case "":
		e.kind = documentedKind(c.Model)
	case transcript.NativeFull, transcript.NativeSummary:
	default:
		problems = append(problems, errors.New("reasoning_kind is neither full nor summary"))
	}
	if len(problems) > 0 {
		return endpoint{}, fmt.Errorf("anthropic model: %w", errors.Join(problems...))
	}
	return e, nil
}

// documentedKind is what the provider says the text of a model's thinking is.
func documentedKind(id string) transcript.NativeKind {
	if strings.Contains(id, "claude-3-7-sonnet") {
		return transcript.NativeFull
	}
	return transcript.NativeSummary
}
