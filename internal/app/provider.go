package app

import (
	"encoding/json"

	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/anthropic"
	"github.com/unmask-eval/unmask/internal/model/completion"
	"github.com/unmask-eval/unmask/internal/model/credential"
	"github.com/unmask-eval/unmask/internal/model/gemini"
	"github.com/unmask-eval/unmask/internal/model/openai"
	"github.com/unmask-eval/unmask/internal/model/openairesponses"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// newEndpoint builds the client of a configured model by its provider.
func newEndpoint(c config.Model, t transport.Config) (*wire.Client, error) {
	key := credential.Ref{Env: c.APIKeyEnv, File: c.APIKeyFile}
	noSeed := c.SendSeed != nil && !*c.SendSeed
	switch c.Provider {
	case config.ProviderOpenAIResponses:
		return openairesponses.New(openairesponses.Config{
			BaseURL: c.BaseURL, Model: c.ModelID, APIKey: key, ReasoningEffort: c.ReasoningEffort, ReasoningSummary: c.ReasoningSummary,
			ResponseFormat: openairesponses.Format(c.ResponseFormat), Stream: c.Stream, Transport: t,
		})
	case config.ProviderAnthropic:
		budget := 0
		if c.ThinkingBudget != nil {
			budget = *c.ThinkingBudget
		}
		return anthropic.New(anthropic.Config{
			BaseURL: c.BaseURL, Model: c.ModelID, APIKey: key, ThinkingBudget: budget, Thinking: c.Thinking,
			ReasoningEffort: c.ReasoningEffort, ReasoningKind: transcript.NativeKind(c.ReasoningKind),
			NoSchema: c.ResponseFormat == "none", Stop: c.Stop, Stream: c.Stream, Transport: t,
		})
	case config.ProviderGemini:
		return gemini.New(gemini.Config{
			BaseURL: c.BaseURL, Model: c.ModelID, APIKey: key, Thoughts: c.ReasoningSummary != "",
			ThinkingBudget: c.ThinkingBudget, ThinkingLevel: c.ReasoningEffort, ResponseFormat: gemini.Format(c.ResponseFormat),
			SafetySettings: c.SafetySettings, Stop: c.Stop, NoSeed: noSeed, Stream: c.Stream, Transport: t,
		})
	case config.ProviderCompletion:
		template, _ := completion.TemplateByName(c.ChatTemplate)
		if own := c.CustomTemplate; own != nil {
			template = completion.Template{Begin: own.Begin, System: own.System, User: own.User, Assistant: own.Assistant, Reply: own.Reply}
		}
		return completion.New(completion.Config{
			BaseURL: c.BaseURL, Model: c.ModelID, APIKey: key, API: completion.API(c.CompletionAPI), Template: template,
			ResponseFormat: completion.Format(c.ResponseFormat), Stop: c.Stop, NoSeed: noSeed, Stream: c.Stream, Transport: t,
		})
	default:
		return openai.New(openai.Config{
			BaseURL: c.BaseURL, Model: c.ModelID, APIKey: key,
			TokenField: tokenField(c.MaxCompletionTokens), ResponseFormat: openai.ResponseFormat(c.ResponseFormat),
			ReasoningKind: transcript.NativeKind(c.ReasoningKind), ReasoningEffort: c.ReasoningEffort,
			Prefill: openai.Prefill(c.Prefill), Stop: c.Stop, NoSeed: noSeed, Stream: c.Stream, Transport: t,
		})
	}
}

func tokenField(completion bool) openai.TokenField {
	if completion {
		return openai.MaxCompletionTokens
	}
	return openai.MaxTokens
}

// endpointIdentity pins what a configured model answers: the endpoint, the id
// there, and the settings of its provider that change what is asked. Digests of
// graders have it, so its form must not change; "openai-compatible" is the first
// name of that provider.
func endpointIdentity(c config.Model) string {
	provider := c.Provider
	if provider == config.ProviderOpenAI {
		provider = "openai-compatible"
	}
	identity := provider + " " + c.BaseURL + " " + c.ModelID
	settings, err := json.Marshal(c.ProviderSettings)
	if err != nil || string(settings) == "{}" { // strings and numbers can be written
		return identity
	}
	return identity + " " + string(settings)
}

// check asks a model whether it can be asked something, where it can tell.
func check(m model.Model, req model.Request) error {
	if c, ok := m.(model.Checker); ok {
		return c.Check(req)
	}
	return nil
}
