package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The wire protocols.
const (
	// ProviderOpenAI is chat completions, as OpenAI and many servers speak it.
	ProviderOpenAI = "openai"
	// ProviderOpenAIResponses is OpenAI's responses API.
	ProviderOpenAIResponses = "openai-responses"
	// ProviderAnthropic is Anthropic's messages API.
	ProviderAnthropic = "anthropic"
	// ProviderGemini is Google's Gemini API.
	ProviderGemini = "gemini"
	// ProviderCompletion is a plain completion endpoint for base models.
	ProviderCompletion = "completion"

	// oldOpenAI is the first name of ProviderOpenAI, and means it.
	oldOpenAI = "openai-compatible"
)

// Providers are the wire protocols.
var Providers = []string{ProviderOpenAI, ProviderOpenAIResponses, ProviderAnthropic, ProviderGemini, ProviderCompletion}

// hosted reports whether a provider serves its models at one known address.
func hosted(provider string) bool {
	return provider == ProviderAnthropic || provider == ProviderGemini || provider == ProviderOpenAIResponses
}

// ProviderSettings are those settings of a model that not all providers have.
// One that the model's provider does not have is an error, and never ignored.
// Zero values leave what the provider does by itself.
type ProviderSettings struct {
	// Stream asks for the reply as server-sent events. All providers.
	Stream bool `koanf:"stream" json:"-"`
	// Stop are up to 16 sequences that end a reply. Not openai-responses.
	Stop []string `koanf:"stop" json:"stop,omitempty"`
	// SendSeed says whether the seed of a sample is sent; true by default where
	// the provider takes one, which openai-responses and anthropic do not.
	SendSeed *bool `koanf:"send_seed" json:"send_seed,omitempty"`
	// ReasoningEffort is a word of the provider (see efforts), as far as the model
	// knows it. Not completion.
	ReasoningEffort string `koanf:"reasoning_effort" json:"reasoning_effort,omitempty"`
	// ReasoningSummary asks for summaries of the reasoning: auto, concise or
	// detailed for openai-responses, auto for gemini.
	ReasoningSummary string `koanf:"reasoning_summary" json:"reasoning_summary,omitempty"`
	// ReasoningKind says what readable reasoning is: full or summary. openai (full
	// by default) and anthropic (by default as documented for the model).
	ReasoningKind string `koanf:"reasoning_kind" json:"reasoning_kind,omitempty"`
	// Thinking is adaptive. anthropic.
	Thinking string `koanf:"thinking" json:"thinking,omitempty"`
	// ThinkingBudget is in tokens: at least 1024 for anthropic; for gemini 0 for
	// none, -1 for what the model likes, or a number.
	ThinkingBudget *int `koanf:"thinking_budget" json:"thinking_budget,omitempty"`
	// SafetySettings are thresholds of the provider's own filters, by category or
	// for all of them (see safetyCategories). gemini.
	SafetySettings map[string]string `koanf:"safety_settings" json:"safety_settings,omitempty"`
	// Prefill is what the endpoint does with a last message of the assistant:
	// refuse (the default), message or continue. openai.
	Prefill string `koanf:"prefill" json:"prefill,omitempty"`
	// CompletionAPI is completions (the default) or llama.cpp. completion.
	CompletionAPI string `koanf:"completion_api" json:"completion_api,omitempty"`
	// ChatTemplate names a built-in template, CustomTemplate is one of one's own;
	// exactly one of them for completion.
	ChatTemplate   string        `koanf:"chat_template" json:"chat_template,omitempty"`
	CustomTemplate *ChatTemplate `koanf:"custom_template" json:"custom_template,omitempty"`
}

// ChatTemplate turns a chat into a prompt. System, User and Assistant hold
// {content} once, where the message goes.
type ChatTemplate struct {
	Begin     string `koanf:"begin" json:"begin,omitempty"`
	System    string `koanf:"system" json:"system,omitempty"`
	User      string `koanf:"user" json:"user,omitempty"`
	Assistant string `koanf:"assistant" json:"assistant,omitempty"`
	Reply     string `koanf:"reply" json:"reply,omitempty"`
}

// The bounds of stop sequences.
const (
	maxStop      = 16
	maxStopBytes = 256
)

// minAnthropicBudget is the least that the provider takes.
const minAnthropicBudget = 1024

// ChatTemplates are the names of the built-in templates.
var ChatTemplates = []string{"alpaca", "chatml", "human-assistant", "llama3"}

// What the filters of gemini are called, and from which probability of harm on they
// block.
var (
	safetyCategories = []string{"all", "civic_integrity", "dangerous_content", "harassment", "hate_speech", "sexually_explicit"}
	safetyThresholds = []string{"off", "block_none", "block_only_high", "block_medium_and_above", "block_low_and_above"}
)

// efforts are the words for how much a model reasons. Servers of openai have
// words of their own, so there it is any of all.
var efforts = map[string][]string{
	ProviderOpenAI:          {"none", "minimal", "low", "medium", "high", "xhigh", "max"},
	ProviderOpenAIResponses: {"none", "minimal", "low", "medium", "high", "xhigh"},
	ProviderAnthropic:       {"low", "medium", "high", "xhigh", "max"},
	ProviderGemini:          {"minimal", "low", "medium", "high"},
}

// checkProvider checks what depends on the provider.
func (m *Model) checkProvider(add func(field, format string, args ...any)) {
	if m.Provider != ProviderReplay && !slices.Contains(Providers, m.Provider) {
		return // its settings cannot be judged
	}
	for _, s := range []struct {
		field     string
		set       bool
		providers []string
	}{
		{"max_completion_tokens", m.MaxCompletionTokens, []string{ProviderOpenAI}},
		{"prefill", m.Prefill != "", []string{ProviderOpenAI}},
		{"stop", len(m.Stop) > 0, []string{ProviderOpenAI, ProviderAnthropic, ProviderGemini, ProviderCompletion}},
		{"send_seed", m.SendSeed != nil && *m.SendSeed, []string{ProviderOpenAI, ProviderGemini, ProviderCompletion}},
		{"reasoning_effort", m.ReasoningEffort != "", []string{ProviderOpenAI, ProviderOpenAIResponses, ProviderAnthropic, ProviderGemini}},
		{"reasoning_summary", m.ReasoningSummary != "", []string{ProviderOpenAIResponses, ProviderGemini}},
		{"reasoning_kind", m.ReasoningKind != "", []string{ProviderOpenAI, ProviderAnthropic}},
		{"thinking", m.Thinking != "", []string{ProviderAnthropic}},
		{"thinking_budget", m.ThinkingBudget != nil, []string{ProviderAnthropic, ProviderGemini}},
		{"safety_settings", len(m.SafetySettings) > 0, []string{ProviderGemini}},
		{"completion_api", m.CompletionAPI != "", []string{ProviderCompletion}},
		{"chat_template", m.ChatTemplate != "", []string{ProviderCompletion}},
		{"custom_template", m.CustomTemplate != nil, []string{ProviderCompletion}},
	} {
		if s.set && !slices.Contains(s.providers, m.Provider) {
			add(s.field, "the provider %s does not take it; %s", m.Provider, takers(s.providers))
		}
	}
	oneOf := func(field, value string, allowed ...string) {
		if value != "" && !slices.Contains(allowed, value) {
			add(field, "must be one of %s, got %q", strings.Join(allowed, ", "), value)
		}
	}
	oneOf("prefill", m.Prefill, "refuse", "message", "continue")
	if m.Provider != ProviderCompletion {
		oneOf("reasoning_effort", m.ReasoningEffort, efforts[m.Provider]...)
	}
	oneOf("reasoning_kind", m.ReasoningKind, "full", "summary")
	oneOf("thinking", m.Thinking, "adaptive")
	oneOf("completion_api", m.CompletionAPI, "completions", "llama.cpp")
	oneOf("chat_template", m.ChatTemplate, ChatTemplates...)
	switch m.Provider {
	case ProviderGemini:
		oneOf("reasoning_summary", m.ReasoningSummary, "auto")
		if m.ThinkingBudget != nil && m.ReasoningEffort != "" {
			add("thinking_budget", "does not go together with reasoning_effort: the provider takes one of both")
		}
		if m.ThinkingBudget != nil && *m.ThinkingBudget < -1 {
			add("thinking_budget", "must be -1, 0 or a number of tokens, got %d", *m.ThinkingBudget)
		}
		for _, category := range slices.Sorted(maps.Keys(m.SafetySettings)) {
			if !slices.Contains(safetyCategories, category) {
				add("safety_settings", "has the category %q; there are %s", category, strings.Join(safetyCategories, ", "))
				continue
			}
			oneOf("safety_settings."+category, orEmpty(m.SafetySettings[category]), safetyThresholds...)
		}
		if len(m.Stop) > 5 {
			add("stop", "the provider takes up to 5 sequences, got %d", len(m.Stop))
		}
	case ProviderAnthropic:
		if m.ThinkingBudget != nil && *m.ThinkingBudget < minAnthropicBudget {
			add("thinking_budget", "must be at least %d tokens, got %d", minAnthropicBudget, *m.ThinkingBudget)
		}
		if m.ThinkingBudget != nil && m.Thinking != "" {
			add("thinking_budget", "does not go together with thinking: %s", m.Thinking)
		}
		if m.ResponseFormat == "json_object" {
			add("response_format", "the provider anthropic takes json_schema or none")
		}
	case ProviderCompletion:
		if (m.ChatTemplate == "") == (m.CustomTemplate == nil) {
			add("chat_template", "give exactly one of chat_template (%s) and custom_template", strings.Join(ChatTemplates, ", "))
		}
		if m.ResponseFormat == "json_object" {
			add("response_format", "the provider completion takes json_schema or none")
		}
	default:
		oneOf("reasoning_summary", m.ReasoningSummary, "auto", "concise", "detailed")
	}
	m.checkStop(add)
}

// orEmpty makes a value that is not there one that is wrong.
func orEmpty(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func (m *Model) checkStop(add func(field, format string, args ...any)) {
	if len(m.Stop) > maxStop {
		add("stop", "must have up to %d sequences, got %d", maxStop, len(m.Stop))
	}
	for i, s := range m.Stop {
		if s == "" || len(s) > maxStopBytes {
			add(fmt.Sprintf("stop[%d]", i), "must have 1 to %d bytes, got %d", maxStopBytes, len(s))
		}
	}
}

// takers says which providers take a setting.
func takers(providers []string) string {
	if len(providers) == 1 {
		return "only " + providers[0] + " does"
	}
	return strings.Join(providers, ", ") + " do"
}
