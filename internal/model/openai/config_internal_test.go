package openai

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/credential"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

func TestCompletionsURL(t *testing.T) {
	for _, tt := range []struct{ base, want string }{
		{"http://localhost:8000", "http://localhost:8000/v1/chat/completions"},
		{"http://localhost:8000/", "http://localhost:8000/v1/chat/completions"},
		{"http://localhost:8000/v1", "http://localhost:8000/v1/chat/completions"},
		{"http://localhost:8000/v1/", "http://localhost:8000/v1/chat/completions"},
		{"http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1/chat/completions"},
		{"http://[::1]:8000", "http://[::1]:8000/v1/chat/completions"},
		{"https://example.org/api", "https://example.org/api/v1/chat/completions"},
		{"https://example.org/api/v1", "https://example.org/api/v1/chat/completions"},
		{"https://example.org/v1beta/openai", "https://example.org/v1beta/openai/chat/completions"},
		{"https://example.org/vision", "https://example.org/vision/v1/chat/completions"},
	} {
		got, err := wire.URL(tt.base, "/v1", completions)
		require.NoError(t, err, tt.base)
		require.Equal(t, tt.want, got)
	}
}

func TestNewReportsAllProblemsAndNoSecret(t *testing.T) {
	t.Setenv("UNMASK_TEST_KEY", "sk-planted")
	for _, tt := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"nothing given", Config{}, []string{"base_url is empty", "model is empty"}},
		{"URL with a password", Config{BaseURL: "http://user:planted@h", Model: "m"}, []string{"base_url holds credentials"}},
		{"URL with a query", Config{BaseURL: "http://h/v1?key=planted", Model: "m"}, []string{"base_url has a query"}},
		{"URL that is none", Config{BaseURL: "http://h:planted", Model: "m"}, []string{"base_url is not a URL"}},
		{"URL of another scheme", Config{BaseURL: "ftp://planted", Model: "m"}, []string{"base_url begins with neither"}},
		{"URL without a host", Config{BaseURL: "http://:8000", Model: "m"}, []string{"base_url names no host"}},
		{"key that is not there", Config{BaseURL: "http://h", Model: "m", APIKey: credential.Ref{Env: "UNMASK_TEST_NONE"}}, []string{"UNMASK_TEST_NONE is not set"}},
		{"odd choices", Config{BaseURL: "http://h", Model: "m", TokenField: "tokens", ReasoningKind: "redacted", ResponseFormat: "xml", Prefill: "maybe"}, []string{"token_field", "reasoning_kind", "response_format", "prefill"}},
		{"odd transport", Config{BaseURL: "http://h", Model: "m", Transport: transport.Config{MaxAttempts: -1}}, []string{"max_attempts is negative"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.cfg)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "planted")
		})
	}
}

func TestEncode(t *testing.T) {
	temperature, topP := 0.7, 0.9
	messages := []model.Message{{Role: "system", Content: "<A> & \"b\""}, {Role: "user", Content: "hi"}}
	const sent = `"model":"m","messages":[{"role":"system","content":"<A> & \"b\""},{"role":"user","content":"hi"}]`
	for _, tt := range []struct {
		name  string
		field TokenField
		req   model.Request
		want  string
	}{
		{"defaults leave the provider's", MaxTokens, model.Request{Messages: messages}, `{` + sent + `,"seed":0}`},
		{
			"everything", MaxTokens,
			model.Request{Messages: messages, Seed: 5, SampleID: "never sent", Sampling: model.Sampling{Temperature: &temperature, TopP: &topP, MaxTokens: 9}},
			`{` + sent + `,"temperature":0.7,"top_p":0.9,"max_tokens":9,"seed":5}`,
		},
		{
			"the other name", MaxCompletionTokens,
			model.Request{Messages: messages, Sampling: model.Sampling{MaxTokens: 9}},
			`{` + sent + `,"max_completion_tokens":9,"seed":0}`,
		},
		{
			"a form of the reply", MaxTokens,
			model.Request{Messages: messages, ResponseSchema: &model.Schema{Name: "n", JSON: json.RawMessage(`{"type":"object"}`)}},
			`{` + sent + `,"seed":0,"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object"}}}}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := wire.Encode(endpoint{model: "m", tokenField: tt.field}.Encode(tt.req))
			require.NoError(t, err)
			require.Equal(t, tt.want+"\n", string(got))
		})
	}
}

func TestEndpointsAreToldTheFormAsTheyTakeIt(t *testing.T) {
	schema := &model.Schema{Name: "n", JSON: json.RawMessage(`{"type":"object"}`)}
	for format, want := range map[ResponseFormat]string{
		ResponseJSONSchema: `"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object"}}}`,
		ResponseJSONObject: `"response_format":{"type":"json_object"}`,
		ResponseNone:       "",
	} {
		got, err := wire.Encode(endpoint{model: "m", format: format}.Encode(model.Request{ResponseSchema: schema}))
		require.NoError(t, err)
		require.Contains(t, string(got), want)
		require.Equal(t, want != "", strings.Contains(string(got), "response_format"), format)
		plain, err := wire.Encode(endpoint{model: "m", format: format}.Encode(model.Request{}))
		require.NoError(t, err)
		require.NotContains(t, string(plain), "response_format")
	}
	_, err := wire.Encode(endpoint{model: "m"}.Encode(model.Request{ResponseSchema: &model.Schema{Name: "n", JSON: json.RawMessage("{")}}))
	var failure *model.Error
	require.ErrorAs(t, err, &failure, "a schema that is not JSON")
}

func TestSeedsAreFoldedIntoWhatServersTake(t *testing.T) {
	got, err := wire.Encode(endpoint{model: "m", tokenField: MaxTokens}.Encode(model.Request{Seed: -1}))
	require.NoError(t, err)
	var sent struct {
		Seed int64 `json:"seed"`
	}
	require.NoError(t, json.Unmarshal(got, &sent))
	require.Equal(t, model.PortableSeed(-1), sent.Seed)
}

func TestWhatJSONCannotCarryIsABadRequest(t *testing.T) {
	nan := math.NaN()
	_, err := wire.Encode(endpoint{model: "m"}.Encode(model.Request{Sampling: model.Sampling{Temperature: &nan}}))
	var failure *model.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, model.ClassBadRequest, failure.Class)
}

func TestDefaultsOfConfig(t *testing.T) {
	e, err := Config{BaseURL: "http://h", Model: "m"}.resolve()
	require.NoError(t, err)
	require.Equal(t, MaxTokens, e.tokenField)
	require.Equal(t, transcript.NativeFull, e.kind)
	require.True(t, e.key.IsZero())
}

// A reply is the continuation of a prefill, whatever the server sends.
func TestPrefillIsSentAsTheEndpointTakesItAndNotRepeated(t *testing.T) {
	req := model.Request{Messages: []model.Message{{Role: "user", Content: "hi"}, {Role: "assistant", Content: "Well, "}}}
	const sent = `{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"Well, "}],"seed":0`
	for _, tt := range []struct {
		prefill          Prefill
		body, sent, want string
	}{
		{PrefillMessage, "Well, no.", sent + "}", "no."},
		{PrefillMessage, "no.", sent + "}", "no."},
		{PrefillContinue, "no.", sent + `,"continue_final_message":true,"add_generation_prompt":false}`, "no."},
		{PrefillContinue, "Well, no.", sent + `,"continue_final_message":true,"add_generation_prompt":false}`, "Well, no."},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got, err := io.ReadAll(r.Body)
			if err != nil || strings.TrimSpace(string(got)) != tt.sent {
				t.Errorf("%s: sent %s", tt.prefill, got)
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"choices":[{"message":{"content":"`+tt.body+`"},"finish_reason":"stop"}]}`)
		}))
		client, err := New(Config{BaseURL: server.URL, Model: "m", Prefill: tt.prefill})
		require.NoError(t, err)
		got, err := client.Generate(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, tt.want, got.Raw)
		client.Close()
		server.Close()
	}
}

func TestSettingsAreSent(t *testing.T) {
	e, err := Config{BaseURL: "http://h", Model: "m", ReasoningEffort: "low", Stop: []string{"END"}, NoSeed: true, Stream: true}.resolve()
	require.NoError(t, err)
	got, err := wire.Encode(e.Encode(model.Request{Seed: 5}))
	require.NoError(t, err)
	require.Equal(t, `{"model":"m","messages":null,"stop":["END"],"reasoning_effort":"low","stream":true,"stream_options":{"include_usage":true}}`+"\n", string(got))
}
