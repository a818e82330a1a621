package openairesponses

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/credential"
	"github.com/unmask-eval/unmask/internal/model/modeltest"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// response wraps items into a whole response.
func response(status, incomplete, reasoningTokens string, items ...string) string {
	return `{"id":"resp_1","object":"response","model":"served","status":"` + status + `","error":null,"incomplete_details":` + incomplete +
		`,"output":[` + strings.Join(items, ",") + `],"usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":0},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":` + reasoningTokens + `}}}`
}

func completed(reasoningTokens string, items ...string) string {
	return response("completed", "null", reasoningTokens, items...)
}

// text is an item with a message of the given text.
func text(s string) string {
	return `{"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"` + s + `","annotations":[]}]}`
}

const (
	refusal   = `{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"refusal","refusal":"I won't."}]}`
	call      = `{"id":"fc_1","type":"function_call","call_id":"c","name":"look","arguments":"{\"at\": \"<OUTPUT>\"}"}`
	summary   = `{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"Thought."},{"type":"summary_text","text":"More."}]}`
	encrypted = `{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"c2Vj"}`
	bare      = `{"id":"rs_1","type":"reasoning","summary":[]}`
	full      = `{"id":"rs_1","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"I think."}]}`
	both      = `{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"Thought."}],"encrypted_content":"c2Vj"}`

	brokenCall = "<tool_call>\n{\"name\":\"look\",\"arguments\":\"{\\\"at\\\": \\\"\\u003cOUT\"}\n</tool_call>"

	toolCall = "<tool_call>\n{\"name\":\"look\",\"arguments\":{\"at\":\"\\u003cOUTPUT\\u003e\"}}\n</tool_call>"
)

func said(raw string, finish transcript.FinishReason, reasoningTokens int64) model.Reply {
	return model.Reply{Raw: raw, FinishReason: finish, ModelID: "served", Usage: model.Usage{InputTokens: 5, OutputTokens: 9, ReasoningTokens: reasoningTokens}}
}

func thought(r model.Reply, kind transcript.NativeKind, text string) model.Reply {
	r.NativeKind, r.NativeReasoning = kind, text
	return r
}

var cases = []modeltest.Case{
	{State: modeltest.Text, Body: completed("0", text("No.")), Want: said("No.", transcript.FinishStop, 0)},
	{State: modeltest.Text, Name: "no reasoning was spent", Body: completed("0", bare, text("No.")), Want: said("No.", transcript.FinishStop, 0)},
	{State: modeltest.Text, Name: "nothing", Body: completed("0"), Want: said("", transcript.FinishStop, 0)},
	{State: modeltest.ToolCall, Body: completed("0", call), Want: said(toolCall, transcript.FinishToolCalls, 0)},
	{State: modeltest.ToolCall, Name: "after text", Body: completed("0", text("No."), call), Want: said("No.\n\n"+toolCall, transcript.FinishToolCalls, 0)},
	{
		State: modeltest.ToolCall, Name: "of the provider", Body: completed("0", `{"type":"web_search_call","status":"completed","action":{"query":"q"}}`, text("No.")),
		Want: said("<tool_call>\n{\"name\":\"web_search\",\"arguments\":{\"query\":\"q\"}}\n</tool_call>No.", transcript.FinishToolCalls, 0),
	},
	{
		State: modeltest.BrokenCall, Body: completed("0", `{"id":"fc_1","type":"function_call","call_id":"c","name":"look","arguments":"{\"at\": \"<OUT"}`),
		Want: said(brokenCall, transcript.FinishToolCalls, 0),
	},
	{
		State: modeltest.Inline, Body: completed("0", text("<think>I think.</think>No.")), Want: said("<think>I think.</think>No.", transcript.FinishStop, 0),
		Observation: transcript.Scratchpad, Requested: transcript.Scratchpad,
	},
	{State: modeltest.NoAnswer, Body: completed("4", full), Want: thought(said("", transcript.FinishStop, 4), transcript.NativeFull, "I think.")},
	{State: modeltest.NoAnswer, Name: "and nothing to be seen", Body: completed("4", encrypted), Want: thought(said("", transcript.FinishStop, 4), transcript.NativeRedacted, "")},
	{
		State: modeltest.TruncatedReasoning, Body: response("incomplete", `{"reason":"max_output_tokens"}`, "9", full),
		Want: thought(said("", transcript.FinishLength, 9), transcript.NativeFull, "I think."), Observation: transcript.Truncated, Requested: transcript.Truncated,
	},
	{
		State: modeltest.ContentFilter, Name: "after hidden reasoning", Body: response("incomplete", `{"reason":"content_filter"}`, "9", encrypted),
		Want: thought(said("", transcript.FinishContentFilter, 9), transcript.NativeRedacted, ""),
	},
	{State: modeltest.Refusal, Body: completed("0", refusal), Want: said("I won't.", transcript.FinishContentFilter, 0)},
	{State: modeltest.Refusal, Name: "after text", Body: completed("0", text("Well."), refusal), Want: said("Well.\n\nI won't.", transcript.FinishStop, 0)},
	{State: modeltest.ContentFilter, Body: response("incomplete", `{"reason":"content_filter"}`, "0", text("Half a")), Want: said("Half a", transcript.FinishContentFilter, 0)},
	{State: modeltest.Truncation, Body: response("incomplete", `{"reason":"max_output_tokens"}`, "0", text("Half a")), Want: said("Half a", transcript.FinishLength, 0)},
	{
		State: modeltest.TruncatedReasoning, Name: "hidden", Body: response("incomplete", `{"reason":"max_output_tokens"}`, "9", bare),
		Want: thought(said("", transcript.FinishLength, 9), transcript.NativeRedacted, ""),
	},
	{State: modeltest.UnknownEnd, Body: response("incomplete", `{"reason":"tired"}`, "0", text("Half a")), Want: said("Half a", transcript.FinishUnknown, 0)},
	{State: modeltest.FullReasoning, Body: completed("4", full, text("No.")), Want: thought(said("No.", transcript.FinishStop, 4), transcript.NativeFull, "I think.")},
	{State: modeltest.Summary, Body: completed("4", summary, text("No.")), Want: thought(said("No.", transcript.FinishStop, 4), transcript.NativeSummary, "Thought.\n\nMore.")},
	{State: modeltest.Redacted, Body: completed("4", encrypted, text("No.")), Want: thought(said("No.", transcript.FinishStop, 4), transcript.NativeRedacted, "")},
	{State: modeltest.Redacted, Name: "item of a kind to come", Body: completed("4", `{"type":"sealed_reasoning","data":"c2Vj"}`, text("No.")), Want: thought(said("No.", transcript.FinishStop, 4), transcript.NativeRedacted, "")},
	{State: modeltest.Hidden, Name: "item that is empty", Body: completed("4", bare, text("No.")), Want: thought(said("No.", transcript.FinishStop, 4), transcript.NativeRedacted, "")},
	{State: modeltest.Hidden, Name: "count alone", Body: completed("4", text("No.")), Want: thought(said("No.", transcript.FinishStop, 4), transcript.NativeRedacted, "")},
	{State: modeltest.Hidden, Name: "item that is empty and no count", Body: completed("null", bare, text("No.")), Want: thought(said("No.", transcript.FinishStop, 0), transcript.NativeRedacted, "")},
	{State: modeltest.Mixed, Name: "summary and encrypted", Body: completed("4", both, text("No.")), Want: thought(said("No.", transcript.FinishStop, 4), transcript.NativeSummary, "Thought.")},
	{State: modeltest.Mixed, Name: "full and hidden", Body: completed("4", full, encrypted, text("No.")), Want: thought(said("No.", transcript.FinishStop, 4), transcript.NativeSummary, "I think.")},
	{State: modeltest.Failed, Name: "server", Body: `{"status":"failed","error":{"code":"server_error","message":"planted-reply-marker"},"output":[]}`, Class: model.ClassUnavailable},
	{State: modeltest.Failed, Name: "rate", Body: `{"status":"failed","error":{"code":"rate_limit_exceeded","message":"x"},"output":[]}`, Class: model.ClassRateLimited},
	{State: modeltest.Failed, Name: "prompt", Body: `{"status":"failed","error":{"code":"invalid_prompt","message":"x"},"output":[]}`, Class: model.ClassBadRequest},
	{State: modeltest.Failed, Name: "without an error", Body: `{"status":"failed","error":null,"output":[]}`, Class: model.ClassUnavailable},
	{State: modeltest.Failed, Name: "not ended", Body: `{"status":"in_progress","output":[]}`, Class: model.ClassBadReply},
	{State: modeltest.Failed, Name: "item that is none", Body: completed("0", "7"), Class: model.ClassBadReply},
}

// events writes a response as the events of a stream.
func events(last, body string) string {
	event := func(name, fields string) string {
		return "event: " + name + "\ndata: {\"type\":\"" + name + "\"" + fields + "}\n\n"
	}
	return event("response.created", `,"response":{"status":"in_progress","output":[]}`) +
		event("response.output_text.delta", `,"delta":"N"`) + event(last, `,"response":`+body)
}

// streams are all replies as the last event of a stream, which holds them whole, and
// what else ends one.
var streams = func() []modeltest.Case {
	item := func(item string) string {
		return "event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":" + item + "}\n\n"
	}
	list := []modeltest.Case{
		{
			State: modeltest.Mixed, Name: "items that the last event leaves out", Body: item(both) + item(text("No.")) + events("response.completed", completed("4")),
			Want: thought(said("No.", transcript.FinishStop, 4), transcript.NativeSummary, "Thought."),
		},
		{
			State: modeltest.Text, Name: "items that the last event repeats", Body: item(text("No.")) + events("response.completed", completed("0", text("No."))),
			Want: said("No.", transcript.FinishStop, 0),
		},
		{State: modeltest.Failed, Name: "error event", Body: "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"x\"}\n\n", Class: model.ClassRateLimited},
		{State: modeltest.Failed, Name: "error event of the other form", Body: "event: error\ndata: {\"type\":\"error\",\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"x\"}}\n\n", Class: model.ClassRateLimited},
	}
	for _, c := range slices.Backward(cases) {
		last := "response.completed"
		switch {
		case strings.Contains(c.Body, `"status":"incomplete"`):
			last = "response.incomplete"
		case c.State == modeltest.Failed:
			last = "response.failed"
		}
		c.Body = events(last, c.Body)
		list = slices.Insert(list, 0, c)
	}
	return list
}()

func TestConformance(t *testing.T) {
	prefill, short := modeltest.Ask(), modeltest.Ask()
	prefill.Messages = append(prefill.Messages, model.Message{Role: "assistant", Content: "marker"})
	short.Sampling.MaxTokens = 15
	modeltest.Run(t, modeltest.Provider{
		New: func(t testing.TB, s modeltest.Settings) modeltest.Client {
			c, err := New(Config{BaseURL: s.BaseURL, Model: "m", APIKey: s.Key, Stream: s.Stream, Transport: s.Transport})
			require.NoError(t, err)
			return c
		},
		Path: "/v1/responses", StreamPath: "/v1/responses", KeyHeader: "Authorization", KeyPrefix: "Bearer ",
		Cases: cases, Streams: streams,
		Lacks: map[modeltest.State]string{modeltest.Several: "a response is one answer"},
		Error: func(status int, message string) string {
			return fmt.Sprintf(`{"error":{"message":%q,"type":"some_error","param":null,"code":"code_%d"}}`, message, status)
		},
		Failures: []modeltest.Failure{
			{Name: "prompt", Status: 400, Body: `{"error":{"message":"x","type":"invalid_request_error","code":"invalid_prompt"}}`, Class: model.ClassBadRequest, Word: "invalid_prompt"},
		},
		Refused: []modeltest.Refused{{Name: "prefill", Parameter: "prefill", Request: prefill}, {Name: "few tokens", Parameter: "max_tokens", Request: short}, {Name: "stop", Parameter: "stop", Request: modeltest.Stopping("END")}},
	})
}

func TestStreamsCutAnywhere(t *testing.T) { modeltest.CutAnywhere(t, endpoint{}, streams) }

func FuzzCodec(f *testing.F) { modeltest.FuzzCodec(f, endpoint{}, cases, streams) }

func TestEncode(t *testing.T) {
	temperature, topP := 0.7, 0.9
	chat := []model.Message{{Role: "system", Content: "<b>"}, {Role: "user", Content: "hi"}}
	const sent = `"model":"m","input":[{"role":"system","content":"<b>"},{"role":"user","content":"hi"}]`
	schema := &model.Schema{Name: "n", JSON: json.RawMessage(`{"type":"object"}`)}
	for _, tt := range []struct {
		name string
		cfg  Config
		req  model.Request
		want string
	}{
		{"plain: no seed, and nothing is kept", Config{}, model.Request{Messages: chat, Seed: 5}, `{` + sent + `,"store":false}`},
		{
			"sampling and stream",
			Config{Stream: true},
			model.Request{Messages: chat, Sampling: model.Sampling{Temperature: &temperature, TopP: &topP, MaxTokens: 99}},
			`{` + sent + `,"temperature":0.7,"top_p":0.9,"max_output_tokens":99,"store":false,"stream":true}`,
		},
		{
			"reasoning",
			Config{ReasoningEffort: "high", ReasoningSummary: "auto"},
			model.Request{Messages: chat},
			`{` + sent + `,"reasoning":{"effort":"high","summary":"auto"},"store":false}`,
		},
		{
			"schema",
			Config{},
			model.Request{Messages: chat, ResponseSchema: schema},
			`{` + sent + `,"text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{"type":"object"}}},"store":false}`,
		},
		{
			"any object",
			Config{ResponseFormat: FormatJSONObject},
			model.Request{Messages: chat, ResponseSchema: schema},
			`{` + sent + `,"text":{"format":{"type":"json_object"}},"store":false}`,
		},
		{"no form", Config{ResponseFormat: FormatNone}, model.Request{Messages: chat, ResponseSchema: schema}, `{` + sent + `,"store":false}`},
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
	for _, tt := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"nothing given", Config{}, []string{"model is empty"}},
		{"URL with a password", Config{BaseURL: "http://user:planted@h", Model: "m"}, []string{"base_url holds credentials"}},
		{"odd choices", Config{Model: "m", ReasoningSummary: "long", ResponseFormat: "xml"}, []string{"reasoning_summary", "response_format"}},
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
