package gemini

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/credential"
	"github.com/unmask-eval/unmask/internal/model/modeltest"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// generated wraps parts into a whole response; more are further fields of the
// candidate.
func generated(finish, more, thoughts string, parts ...string) string {
	return `{"candidates":[{"index":0,"content":{"role":"model","parts":[` + strings.Join(parts, ",") + `]},"finishReason":"` + finish + `"` + more +
		`}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":9,"totalTokenCount":14` + thoughts + `},"modelVersion":"served","responseId":"r"}`
}

const (
	answer    = `{"text":"No."}`
	thoughtly = `{"text":"Thought.","thought":true}`
	signed    = `{"text":"No.","thoughtSignature":"c2ln"}`
	call      = `{"functionCall":{"name":"look","args":{"at":"<OUTPUT>"}}}`

	thoughtsCount = `,"thoughtsTokenCount":4`

	toolCall = "<tool_call>\n{\"name\":\"look\",\"arguments\":{\"at\":\"\\u003cOUTPUT\\u003e\"}}\n</tool_call>"
)

func said(raw string, finish transcript.FinishReason) model.Reply {
	return model.Reply{Raw: raw, FinishReason: finish, ModelID: "served", Usage: model.Usage{InputTokens: 5, OutputTokens: 9}}
}

func thought(r model.Reply, kind transcript.NativeKind, text string) model.Reply {
	r.NativeKind, r.NativeReasoning = kind, text
	return r
}

func counted(r model.Reply) model.Reply {
	r.Usage.ReasoningTokens, r.Usage.OutputTokens = 4, r.Usage.OutputTokens+4
	return r
}

var no = said("No.", transcript.FinishStop)

var cases = func() []modeltest.Case {
	list := []modeltest.Case{
		{State: modeltest.Text, Body: generated("STOP", "", "", answer), Want: no},
		{State: modeltest.Text, Name: "several parts", Body: generated("STOP", "", "", `{"text":"N"}`, `{"text":"o."}`), Want: no},
		{State: modeltest.ToolCall, Body: generated("STOP", "", "", call), Want: said(toolCall, transcript.FinishToolCalls)},
		{State: modeltest.ToolCall, Name: "after text", Body: generated("STOP", "", "", answer, call), Want: said("No.\n\n"+toolCall, transcript.FinishToolCalls)},
		{
			State: modeltest.ToolCall, Name: "malformed", Body: generated("MALFORMED_FUNCTION_CALL", `,"finishMessage":"Malformed function call: print(look(at=1))"`, ""),
			Want: said("<tool_call>\n{\"name\":\"malformed_function_call\",\"arguments\":\"Malformed function call: print(look(at=1))\"}\n</tool_call>", transcript.FinishToolCalls),
		},
		{
			State: modeltest.ContentFilter, Name: "prompt blocked", Body: `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":5},"modelVersion":"served"}`,
			Want: model.Reply{FinishReason: transcript.FinishContentFilter, ModelID: "served", Usage: model.Usage{InputTokens: 5}},
		},
		{
			State: modeltest.ContentFilter, Name: "candidate without content", Body: `{"candidates":[{"finishReason":"SAFETY","index":0,"safetyRatings":[]}],"modelVersion":"served"}`,
			Want: model.Reply{FinishReason: transcript.FinishContentFilter, ModelID: "served"},
		},
		{
			State: modeltest.ContentFilter, Name: "candidate blocked after hidden thoughts", Body: `{"candidates":[{"finishReason":"SAFETY","index":0,"safetyRatings":[{"category":"HARM_CATEGORY_DANGEROUS_CONTENT","probability":"HIGH","blocked":true}]}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":9,"thoughtsTokenCount":4},"modelVersion":"served"}`,
			Want: counted(thought(said("", transcript.FinishContentFilter), transcript.NativeRedacted, "")),
		},
		{
			State: modeltest.ContentFilter, Name: "candidate blocked after its thoughts", Body: generated("PROHIBITED_CONTENT", "", thoughtsCount, thoughtly),
			Want: counted(thought(said("", transcript.FinishContentFilter), transcript.NativeSummary, "Thought.")),
		},
		{State: modeltest.Truncation, Body: generated("MAX_TOKENS", "", "", answer), Want: said("No.", transcript.FinishLength)},
		{
			State: modeltest.TruncatedReasoning, Name: "hidden", Body: `{"candidates":[{"content":{"role":"model"},"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":9,"thoughtsTokenCount":4},"modelVersion":"served"}`,
			Want: counted(thought(said("", transcript.FinishLength), transcript.NativeRedacted, "")),
		},
		{
			State: modeltest.TruncatedReasoning, Body: generated("MAX_TOKENS", "", thoughtsCount, thoughtly), Want: counted(thought(said("", transcript.FinishLength), transcript.NativeSummary, "Thought.")),
		},
		{State: modeltest.NoAnswer, Body: generated("STOP", "", thoughtsCount, thoughtly), Want: counted(thought(said("", transcript.FinishStop), transcript.NativeSummary, "Thought."))},
		{State: modeltest.NoAnswer, Name: "and no part", Body: `{"candidates":[{"content":{"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":9,"thoughtsTokenCount":4},"modelVersion":"served"}`, Want: counted(thought(said("", transcript.FinishStop), transcript.NativeRedacted, ""))},
		{State: modeltest.Several, Body: strings.Replace(generated("STOP", "", "", answer), `{"candidates":[`, `{"candidates":[{"index":1,"content":{"parts":[{"text":"Yes."}]},"finishReason":"MAX_TOKENS"},`, 1), Want: no},
		{
			State: modeltest.Inline, Body: generated("STOP", "", "", `{"text":"<think>I think.</think>"}`, answer), Want: said("<think>I think.</think>No.", transcript.FinishStop),
			Observation: transcript.Scratchpad, Requested: transcript.Scratchpad,
		},
		{State: modeltest.UnknownEnd, Body: generated("OTHER", "", "", answer), Want: said("No.", transcript.FinishUnknown)},
		{State: modeltest.UnknownEnd, Name: "none given", Body: generated("", "", "", answer), Want: said("No.", transcript.FinishUnknown)},
		{State: modeltest.Summary, Body: generated("STOP", "", thoughtsCount, thoughtly, answer), Want: counted(thought(no, transcript.NativeSummary, "Thought."))},
		{State: modeltest.Redacted, Name: "signature alone", Body: generated("STOP", "", "", signed), Want: thought(no, transcript.NativeRedacted, "")},
		{State: modeltest.Redacted, Name: "thought without text", Body: generated("STOP", "", "", `{"text":"","thought":true}`, answer), Want: thought(no, transcript.NativeRedacted, "")},
		{State: modeltest.Hidden, Body: generated("STOP", "", thoughtsCount, answer), Want: counted(thought(no, transcript.NativeRedacted, ""))},
		{State: modeltest.Mixed, Body: generated("STOP", "", thoughtsCount, thoughtly, signed), Want: counted(thought(no, transcript.NativeSummary, "Thought."))},
		{State: modeltest.Failed, Body: `{"error":{"code":503,"message":"planted-reply-marker","status":"UNAVAILABLE"}}`, Class: model.ClassUnavailable},
		{State: modeltest.Failed, Name: "neither a candidate nor a reason", Body: `{"usageMetadata":{"promptTokenCount":5}}`, Class: model.ClassBadReply},
		{State: modeltest.Failed, Name: "part that is none", Body: generated("STOP", "", "", "7"), Class: model.ClassBadReply},
	}
	for _, reason := range []string{"SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK"} {
		list = append(list, modeltest.Case{
			State: modeltest.ContentFilter, Name: "prompt blocked for " + reason, Body: `{"promptFeedback":{"blockReason":"` + reason + `","safetyRatings":[{"category":"HARM_CATEGORY_HARASSMENT","probability":"HIGH"}]},"usageMetadata":{"promptTokenCount":5},"modelVersion":"served"}`,
			Want: model.Reply{FinishReason: transcript.FinishContentFilter, ModelID: "served", Usage: model.Usage{InputTokens: 5}},
		})
	}
	for _, reason := range []string{"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"} {
		list = append(list, modeltest.Case{State: modeltest.ContentFilter, Name: reason, Body: generated(reason, "", "", answer), Want: said("No.", transcript.FinishContentFilter)})
	}
	return list
}()

// events writes parts as the events of a stream, one each, and the end.
func events(finish, thoughts string, parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(`data: {"candidates":[{"index":0,"content":{"role":"model","parts":[` + p + `]}}],"usageMetadata":{"promptTokenCount":5},"modelVersion":"served"}` + "\r\n\r\n")
	}
	b.WriteString("data: " + generated(finish, "", thoughts, `{"text":""}`) + "\r\n\r\n")
	return b.String()
}

var streams = []modeltest.Case{
	{State: modeltest.Text, Body: strings.ReplaceAll(events("STOP", "", `{"text":"N"}`, `{"text":"o."}`), "\r", ""), Want: no},
	{State: modeltest.Summary, Body: events("STOP", thoughtsCount, `{"text":"Thou","thought":true}`, `{"text":"ght.","thought":true}`, answer), Want: counted(thought(no, transcript.NativeSummary, "Thought."))},
	{State: modeltest.Hidden, Body: events("STOP", thoughtsCount, answer), Want: counted(thought(no, transcript.NativeRedacted, ""))},
	{State: modeltest.ToolCall, Body: events("STOP", "", answer, call), Want: said("No.\n\n"+toolCall, transcript.FinishToolCalls)},
	{State: modeltest.ContentFilter, Body: events("SAFETY", "", answer), Want: said("No.", transcript.FinishContentFilter)},
	{
		State: modeltest.ContentFilter, Name: "prompt blocked", Body: `data: {"promptFeedback":{"blockReason":"SAFETY"},"modelVersion":"served"}` + "\n\n",
		Want: model.Reply{FinishReason: transcript.FinishContentFilter, ModelID: "served"},
	},
	{
		State: modeltest.ContentFilter, Name: "blocked in the middle", Body: `data: {"candidates":[{"index":0,"content":{"role":"model","parts":[` + answer + `]}}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":9},"modelVersion":"served"}` + "\n\n" +
			`data: {"promptFeedback":{"blockReason":"SAFETY"},"modelVersion":"served"}` + "\n\n",
		Want: said("No.", transcript.FinishContentFilter),
	},
	{
		State: modeltest.TruncatedReasoning, Body: events("MAX_TOKENS", thoughtsCount, thoughtly), Want: counted(thought(said("", transcript.FinishLength), transcript.NativeSummary, "Thought.")),
	},
	{State: modeltest.NoAnswer, Body: events("STOP", thoughtsCount, thoughtly), Want: counted(thought(said("", transcript.FinishStop), transcript.NativeSummary, "Thought."))},
	{
		State: modeltest.Several, Body: `data: {"candidates":[{"index":1,"content":{"parts":[{"text":"Yes."}]},"finishReason":"MAX_TOKENS"}],"modelVersion":"served"}` + "\n\n" + events("STOP", "", answer),
		Want: no,
	},
	{
		State: modeltest.Inline, Body: events("STOP", "", `{"text":"<thi"}`, `{"text":"nk>I think.</think>"}`, answer), Want: said("<think>I think.</think>No.", transcript.FinishStop),
		Observation: transcript.Scratchpad, Requested: transcript.Scratchpad,
	},
	{State: modeltest.UnknownEnd, Body: events("OTHER", "", answer), Want: said("No.", transcript.FinishUnknown)},
	{State: modeltest.Redacted, Name: "signature alone", Body: events("STOP", "", `{"text":"","thoughtSignature":"c2ln"}`, answer), Want: thought(no, transcript.NativeRedacted, "")},
	{State: modeltest.Mixed, Body: events("STOP", thoughtsCount, thoughtly, signed), Want: counted(thought(no, transcript.NativeSummary, "Thought."))},
	{
		State: modeltest.Truncation, Body: events("MAX_TOKENS", "", answer), Want: said("No.", transcript.FinishLength),
	},
	{State: modeltest.TruncatedReasoning, Name: "hidden", Body: events("MAX_TOKENS", thoughtsCount), Want: counted(thought(said("", transcript.FinishLength), transcript.NativeRedacted, ""))},
	{State: modeltest.Failed, Body: `data: {"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED"}}` + "\n\n", Class: model.ClassRateLimited},
}

func TestConformance(t *testing.T) {
	ask := func(role string) model.Request {
		req := modeltest.Ask()
		req.Messages = append(req.Messages, model.Message{Role: role, Content: "marker"})
		return req
	}
	rpcError := func(code int, status, details string) string {
		return fmt.Sprintf(`{"error":{"code":%d,"message":"x","status":%q,"details":[%s]}}`, code, status, details)
	}
	modeltest.Run(t, modeltest.Provider{
		New: func(t testing.TB, s modeltest.Settings) modeltest.Client {
			c, err := New(Config{BaseURL: s.BaseURL, Model: "gemini-x", APIKey: s.Key, Stream: s.Stream, Transport: s.Transport})
			require.NoError(t, err)
			return c
		},
		Path: "/v1beta/models/gemini-x:generateContent", StreamPath: "/v1beta/models/gemini-x:streamGenerateContent?alt=sse", KeyHeader: "X-Goog-Api-Key",
		Cases: cases, Streams: streams,
		Lacks: map[modeltest.State]string{
			modeltest.FullReasoning: "thoughts that the API shows are documented as summaries",
			modeltest.BrokenCall:    "arguments are an object of the reply; of a malformed call only the message is told",
			modeltest.Refusal:       "the API sets no refusal apart from the text",
		},
		Error: func(status int, message string) string {
			return fmt.Sprintf(`{"error":{"code":%d,"message":%q,"status":"SOME_STATUS"}}`, status, message)
		},
		Failures: []modeltest.Failure{
			{Name: "key", Status: 400, Body: rpcError(400, "INVALID_ARGUMENT", `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}`), Class: model.ClassAuth, Word: "api_key_invalid"},
			{Name: "invalid", Status: 400, Body: rpcError(400, "INVALID_ARGUMENT", `{"@type":"type.googleapis.com/google.rpc.BadRequest"}`), Class: model.ClassBadRequest, Word: "invalid_argument"},
			{Name: "no billing", Status: 400, Body: rpcError(400, "FAILED_PRECONDITION", ""), Class: model.ClassAuth, Word: "failed_precondition"},
			{Name: "rate with a wait", Status: 429, Body: rpcError(429, "RESOURCE_EXHAUSTED", `{"@type":"type.googleapis.com/google.rpc.QuotaFailure"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}`), Class: model.ClassRateLimited, Word: "resource_exhausted", Wait: 34500 * time.Millisecond},
			{Name: "the header counts first", Status: 429, Header: map[string]string{"Retry-After": "2"}, Body: rpcError(429, "RESOURCE_EXHAUSTED", `{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}`), Class: model.ClassRateLimited, Wait: 2 * time.Second},
			{Name: "wait beyond all measure", Status: 503, Body: rpcError(503, "UNAVAILABLE", `{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"999999h"}`), Class: model.ClassUnavailable, Wait: time.Minute},
			{Name: "wait in the past", Status: 503, Body: rpcError(503, "UNAVAILABLE", `{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"-5s"},7`), Class: model.ClassUnavailable, Word: "unavailable"},
		},
		Refused: []modeltest.Refused{{Name: "prefill", Parameter: "prefill", Request: ask("assistant")}, {Name: "system message in the middle", Parameter: "messages", Request: ask("system")}, {Name: "many stop sequences", Parameter: "stop", Request: modeltest.Stopping("a", "b", "c", "d", "e", "f")}},
	})
}

func TestStreamsCutAnywhere(t *testing.T) { modeltest.CutAnywhere(t, endpoint{}, streams) }

func FuzzCodec(f *testing.F) { modeltest.FuzzCodec(f, endpoint{}, cases, streams) }

// Errors may hold anything in place of details.
func FuzzExplain(f *testing.F) {
	f.Add([]byte(`{"error":{"status":"X","details":[{"@type":"a/google.rpc.RetryInfo","retryDelay":"1s"}]}}`))
	f.Add([]byte(`{"error":{"status":7,"details":{"@type":[]}}}`))
	f.Fuzz(func(_ *testing.T, body []byte) { endpoint{}.Explain(400, body) })
}

func TestEncode(t *testing.T) {
	temperature, topP, zero := 0.7, 0.9, 0
	chat := []model.Message{{Role: "system", Content: "a"}, {Role: "user", Content: "<b>"}, {Role: "assistant", Content: "c"}, {Role: "user", Content: "d"}}
	const sent = `"systemInstruction":{"parts":[{"text":"a"}]},"contents":[{"role":"user","parts":[{"text":"<b>"}]},{"role":"model","parts":[{"text":"c"}]},{"role":"user","parts":[{"text":"d"}]}]`
	schema := &model.Schema{Name: "n", JSON: json.RawMessage(`{"type":"object"}`)}
	for _, tt := range []struct {
		name string
		cfg  Config
		req  model.Request
		want string
	}{
		{"plain", Config{}, model.Request{Messages: chat, Seed: 5}, `{` + sent + `,"generationConfig":{"seed":5}}`},
		{
			"sampling and stop",
			Config{Stop: []string{"END"}, NoSeed: true},
			model.Request{Messages: chat, Sampling: model.Sampling{Temperature: &temperature, TopP: &topP, MaxTokens: 9, Stop: []string{"END", "\n\n"}}},
			`{` + sent + `,"generationConfig":{"temperature":0.7,"topP":0.9,"maxOutputTokens":9,"stopSequences":["END","\n\n"]}}`,
		},
		{
			"filters off, but for one",
			Config{SafetySettings: map[string]string{AllCategories: "off", HateSpeech: "block_only_high"}, NoSeed: true},
			model.Request{Messages: chat},
			`{` + sent + `,"generationConfig":{},"safetySettings":[{"category":"HARM_CATEGORY_DANGEROUS_CONTENT","threshold":"OFF"},{"category":"HARM_CATEGORY_HARASSMENT","threshold":"OFF"},` +
				`{"category":"HARM_CATEGORY_HATE_SPEECH","threshold":"BLOCK_ONLY_HIGH"},{"category":"HARM_CATEGORY_SEXUALLY_EXPLICIT","threshold":"OFF"}]}`,
		},
		{
			"thoughts",
			Config{Thoughts: true, ThinkingLevel: "high", NoSeed: true},
			model.Request{Messages: chat},
			`{` + sent + `,"generationConfig":{"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"high"}}}`,
		},
		{
			"no thinking",
			Config{ThinkingBudget: &zero, NoSeed: true},
			model.Request{Messages: chat},
			`{` + sent + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}`,
		},
		{
			"schema",
			Config{NoSeed: true},
			model.Request{Messages: chat, ResponseSchema: schema},
			`{` + sent + `,"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type":"object"}}}`,
		},
		{
			"any object",
			Config{NoSeed: true, ResponseFormat: FormatJSONObject},
			model.Request{Messages: chat, ResponseSchema: schema},
			`{` + sent + `,"generationConfig":{"responseMimeType":"application/json"}}`,
		},
		{"no form", Config{NoSeed: true, ResponseFormat: FormatNone}, model.Request{Messages: chat, ResponseSchema: schema}, `{` + sent + `,"generationConfig":{}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Model = "m"
			e, err := tt.cfg.resolve()
			require.NoError(t, err)
			require.NoError(t, e.Check(tt.req))
			got, err := wire.Encode(e.Encode(tt.req))
			require.NoError(t, err)
			require.Equal(t, tt.want+"\n", string(got))
		})
	}
}

func TestNewReportsAllProblemsAndNoSecret(t *testing.T) {
	minusTwo := -2
	for _, tt := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"nothing given", Config{}, []string{"model is empty"}},
		{"URL with a password", Config{BaseURL: "http://user:planted@h", Model: "m"}, []string{"base_url holds credentials"}},
		{"id that leaves its place", Config{Model: "../planted"}, []string{"model has other characters"}},
		{"id with a query", Config{Model: "m?key=planted"}, []string{"model has other characters"}},
		{"odd choices", Config{Model: "m", ThinkingBudget: &minusTwo, ThinkingLevel: "high", ResponseFormat: "xml", Stop: make([]string, 6), SafetySettings: map[string]string{"planted": "off", Harassment: "never"}}, []string{"safety_settings has a category", "safety_settings.harassment", "less than -1", "together", "response_format", "stop has more than 5"}},
		{"key that is not there", Config{Model: "m", APIKey: credential.Ref{Env: "UNMASK_TEST_NONE"}}, []string{"UNMASK_TEST_NONE is not set"}},
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

func TestIDsNameTheirPath(t *testing.T) {
	for id, want := range map[string]string{
		"gemini-2.5-flash": "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
		"models/gemini-x":  "https://generativelanguage.googleapis.com/v1beta/models/gemini-x:generateContent",
		"tunedModels/mine": "https://generativelanguage.googleapis.com/v1beta/tunedModels/mine:generateContent",
	} {
		e, err := Config{Model: id}.resolve()
		require.NoError(t, err)
		require.Equal(t, want, e.url)
	}
}
