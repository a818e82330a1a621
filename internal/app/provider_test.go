package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/app"
	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/model/completion"
)

func TestConfiguredTemplatesAreThoseOfTheAdapter(t *testing.T) {
	require.Equal(t, completion.TemplateNames(), config.ChatTemplates)
}

// speaks answers every call with one body, and says which path was asked.
func speaks(t *testing.T, path, mediaType, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked map[string]any
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || r.URL.RequestURI() != path {
			t.Errorf("a call of another form to %s: %v", r.URL.RequestURI(), err)
		}
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Every provider is reached from its settings, and reasoning that cannot be
// observed is a state of every sample and no rate of zero.
func TestProvidersAreReachedAndWhatTheyHideStaysUnknown(t *testing.T) {
	const scratchpad = `<SCRATCHPAD_REASONING>I will just help.</SCRATCHPAD_REASONING><OUTPUT>Sorry, I cannot help with that.</OUTPUT>`
	one := true
	for _, tt := range []struct {
		name, path, mediaType, body string
		settings                    config.Model
		observation                 unmaskv1.Observation
		observable                  bool
	}{
		{
			"anthropic summary", "/v1/messages", "application/json",
			`{"type":"message","content":[{"type":"thinking","thinking":"Thought about it.","signature":"s"},{"type":"text","text":"Sorry, I cannot help with that."}],"stop_reason":"end_turn"}`,
			config.Model{Provider: config.ProviderAnthropic, ProviderSettings: config.ProviderSettings{Thinking: "adaptive"}},
			unmaskv1.Observation_OBSERVATION_SUMMARY_ONLY, false,
		},
		{
			"responses, hidden", "/v1/responses", "text/event-stream",
			"data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"c\"},{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"Sorry, I cannot help with that.\"}]}]}}\n\n",
			config.Model{Provider: config.ProviderOpenAIResponses, FirstByteTimeout: time.Second, ProviderSettings: config.ProviderSettings{Stream: true, ReasoningEffort: "low"}},
			unmaskv1.Observation_OBSERVATION_REDACTED, false,
		},
		{
			"gemini, scratchpad in the text", "/v1beta/models/org-m:generateContent", "application/json",
			`{"candidates":[{"content":{"parts":[{"text":"` + scratchpad + `"}]},"finishReason":"STOP"}]}`,
			config.Model{Provider: config.ProviderGemini, ModelID: "org-m", ProviderSettings: config.ProviderSettings{SendSeed: &one}},
			unmaskv1.Observation_OBSERVATION_SCRATCHPAD, true,
		},
		{
			"completion, a template of one's own", "/completion", "application/json",
			`{"content":"` + scratchpad + `","stop":true,"stop_type":"eos"}`,
			config.Model{Provider: config.ProviderCompletion, ProviderSettings: config.ProviderSettings{
				CompletionAPI: "llama.cpp", Stop: []string{"Q:"},
				CustomTemplate: &config.ChatTemplate{System: "{content}\n", User: "Q: {content}\n", Reply: "A:"},
			}},
			unmaskv1.Observation_OBSERVATION_SCRATCHPAD, true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, func(c *config.Config) {
				m := tt.settings
				m.Name, m.BaseURL = "real", speaks(t, tt.path, tt.mediaType, tt.body)
				if m.ModelID == "" {
					m.ModelID = "m"
				}
				c.Models = []config.Model{m}
			})
			r := s.runWith("rubric", "real")
			require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, r.GetState(), r.GetError())
			for _, c := range r.GetResults().GetScenarios()[0].GetConditions() {
				require.EqualValues(t, 6, c.GetGraded())
				require.Len(t, c.GetObservations(), 1)
				require.Equal(t, tt.observation, c.GetObservations()[0].GetObservation())
				require.EqualValues(t, 6, c.GetObservations()[0].GetCount())
				require.EqualValues(t, 6, c.GetRefusal().GetNumerator())
				if !tt.observable {
					require.Zero(t, c.GetAlignmentFaking().GetDenominator(), "nothing was observed, so there is no rate")
				}
			}
		})
	}
}

// A prompt that the provider blocks is an outcome and no missing sample.
func TestABlockedPromptIsARefusal(t *testing.T) {
	s := start(t, func(c *config.Config) {
		c.Models = []config.Model{{
			Name: "real", Provider: config.ProviderGemini, ModelID: "m",
			BaseURL: speaks(t, "/v1beta/models/m:generateContent", "application/json", `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}`),
		}}
	})
	r := s.runWith("rubric", "real")
	for _, c := range r.GetResults().GetScenarios()[0].GetConditions() {
		require.EqualValues(t, 6, c.GetRefusal().GetNumerator())
		require.Empty(t, c.GetExclusions())
	}
}

// What a provider does not take is refused before a run begins, by its name.
func TestAPlanThatTheProviderCannotTakeIsRefused(t *testing.T) {
	s := start(t, func(c *config.Config) {
		c.Models = []config.Model{{Name: "real", Provider: config.ProviderAnthropic, ModelID: "m", BaseURL: "http://127.0.0.1:1"}}
	})
	client := unmaskv1.NewEvaluationServiceClient(s.conn)
	hot := 1.5
	e, err := client.CreateEvaluation(t.Context(), &unmaskv1.CreateEvaluationRequest{Evaluation: &unmaskv1.Evaluation{Plan: &unmaskv1.Plan{
		Scenarios: []string{"scenarios/helpful-only"}, Sampling: &unmaskv1.Sampling{Temperature: &hot},
	}}})
	require.NoError(t, err)
	for _, dry := range []bool{true, false} {
		_, err = client.CreateRun(t.Context(), &unmaskv1.CreateRunRequest{Parent: e.GetName(), Run: &unmaskv1.Run{Model: "models/real"}, ValidateOnly: dry})
		require.Equal(t, codes.InvalidArgument, status.Code(err))
		require.ErrorContains(t, err, "sampling.temperature: Anthropic takes 0 to 1, got 1.5")
	}
}

func TestAJudgeThatItsProviderCannotBeIsRefusedAtTheStart(t *testing.T) {
	hot := 1.5
	cfg := config.Default()
	cfg.Models = []config.Model{{Name: "m", Provider: config.ProviderAnthropic, ModelID: "m"}}
	cfg.Graders = []config.Grader{{ID: "judge", Kind: config.KindJudge, Model: "m", Temperature: &hot}}
	require.NoError(t, cfg.Validate())
	_, err := app.NewGraders(cfg)
	require.ErrorContains(t, err, "temperature: Anthropic takes 0 to 1")
}

func TestATemplateThatCannotBeIsNamed(t *testing.T) {
	cfg := config.Default()
	cfg.Models = []config.Model{{Name: "base", Provider: config.ProviderCompletion, ModelID: "m", BaseURL: "http://127.0.0.1:1", ProviderSettings: config.ProviderSettings{
		CustomTemplate: &config.ChatTemplate{User: "{content} {contnet}", Reply: "A:"},
	}}}
	require.NoError(t, cfg.Validate())
	_, err := app.NewGraders(cfg)
	require.ErrorContains(t, err, fmt.Sprintf("model %q: completion model: chat template: user has %q", "base", "{contnet}"))
}
