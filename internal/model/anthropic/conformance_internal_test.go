package anthropic

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
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// message wraps blocks into a whole reply.
func message(stop string, blocks ...string) string {
	return `{"id":"msg_1","type":"message","role":"assistant","model":"served","content":[` + strings.Join(blocks, ",") +
		`],"stop_reason":"` + stop + `","stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":1,"cache_read_input_tokens":1,"output_tokens":9}}`
}

const (
	textBlock     = `{"type":"text","text":"No."}`
	thinkingBlock = `{"type":"thinking","thinking":"Thought.","signature":"c2ln"}`
	omittedBlock  = `{"type":"thinking","thinking":"","signature":"c2ln"}`
	redactedBlock = `{"type":"redacted_thinking","data":"c2Vj"}`
	toolBlock     = `{"type":"tool_use","id":"toolu_1","name":"look","input":{"at":"<OUTPUT>"}}`

	brokenCall = "<tool_call>\n{\"name\":\"look\",\"arguments\":\"{\\\"at\\\": \\\"\\u003cOUT\"}\n</tool_call>"

	toolCall = "<tool_call>\n{\"name\":\"look\",\"arguments\":{\"at\":\"\\u003cOUTPUT\\u003e\"}}\n</tool_call>"
)

func said(raw string, finish transcript.FinishReason) model.Reply {
	return model.Reply{Raw: raw, FinishReason: finish, ModelID: "served", Usage: model.Usage{InputTokens: 5, OutputTokens: 9}}
}

func thought(r model.Reply, kind transcript.NativeKind, text string) model.Reply {
	r.NativeKind, r.NativeReasoning = kind, text
	return r
}

func counted(r model.Reply, tokens int64) model.Reply {
	r.Usage.ReasoningTokens = tokens
	return r
}

var no = said("No.", transcript.FinishStop)

var cases = []modeltest.Case{
	{State: modeltest.Text, Body: message("end_turn", textBlock), Want: no},
	{State: modeltest.Text, Name: "several blocks", Body: message("stop_sequence", `{"type":"text","text":"N"}`, `{"type":"text","text":"o.","citations":null}`), Want: no},
	{State: modeltest.Text, Name: "nothing", Body: message("end_turn"), Want: said("", transcript.FinishStop)},
	{State: modeltest.ToolCall, Body: message("tool_use", toolBlock), Want: said(toolCall, transcript.FinishToolCalls)},
	{State: modeltest.ToolCall, Name: "after text", Body: message("tool_use", textBlock, toolBlock), Want: said("No.\n\n"+toolCall, transcript.FinishToolCalls)},
	{
		State: modeltest.BrokenCall, Name: "input that is a text", Body: message("max_tokens", `{"type":"tool_use","id":"toolu_1","name":"look","input":"{\"at\": \"<OUT"}`),
		Want: said(brokenCall, transcript.FinishLength),
	},
	{
		State: modeltest.Inline, Body: message("end_turn", `{"type":"text","text":"<think>I think.</think>"}`, textBlock), Want: said("<think>I think.</think>No.", transcript.FinishStop),
		Observation: transcript.Scratchpad, Requested: transcript.Scratchpad,
	},
	{State: modeltest.NoAnswer, Body: message("end_turn", thinkingBlock), Want: thought(said("", transcript.FinishStop), transcript.NativeSummary, "Thought.")},
	{
		State: modeltest.TruncatedReasoning, Body: message("max_tokens", thinkingBlock), Want: thought(said("", transcript.FinishLength), transcript.NativeSummary, "Thought."),
	},
	{State: modeltest.TruncatedReasoning, Name: "omitted", Body: message("max_tokens", omittedBlock), Want: thought(said("", transcript.FinishLength), transcript.NativeRedacted, "")},
	{
		State: modeltest.Refusal, Name: "with details, after thinking", Body: strings.Replace(message("refusal", thinkingBlock, textBlock), `"stop_sequence":null`, `"stop_sequence":null,"stop_details":{"type":"refusal","category":"bio","explanation":"x"}`, 1),
		Want: thought(said("No.", transcript.FinishContentFilter), transcript.NativeSummary, "Thought."),
	},
	{State: modeltest.Refusal, Body: message("refusal", textBlock), Want: said("No.", transcript.FinishContentFilter)},
	{State: modeltest.ContentFilter, Name: "nothing said", Body: message("refusal"), Want: said("", transcript.FinishContentFilter)},
	{State: modeltest.Truncation, Name: "limit", Body: message("max_tokens", textBlock), Want: said("No.", transcript.FinishLength)},
	{State: modeltest.Truncation, Name: "context", Body: message("model_context_window_exceeded", textBlock), Want: said("No.", transcript.FinishLength)},
	{State: modeltest.Truncation, Name: "paused", Body: message("pause_turn", textBlock), Want: said("No.", transcript.FinishLength)},
	{State: modeltest.UnknownEnd, Body: message("tired", textBlock), Want: said("No.", transcript.FinishUnknown)},
	{State: modeltest.Summary, Body: message("end_turn", thinkingBlock, textBlock), Want: thought(no, transcript.NativeSummary, "Thought.")},
	{State: modeltest.Summary, Name: "in two blocks", Body: message("end_turn", thinkingBlock, thinkingBlock, textBlock), Want: thought(no, transcript.NativeSummary, "Thought.\n\nThought.")},
	{State: modeltest.Redacted, Name: "block", Body: message("end_turn", redactedBlock, textBlock), Want: thought(no, transcript.NativeRedacted, "")},
	{State: modeltest.Redacted, Name: "signature alone", Body: message("end_turn", omittedBlock, textBlock), Want: thought(no, transcript.NativeRedacted, "")},
	{State: modeltest.Redacted, Name: "block of a kind to come", Body: message("end_turn", `{"type":"sealed_thinking","data":"c2Vj"}`, textBlock), Want: thought(no, transcript.NativeRedacted, "")},
	{
		State: modeltest.Hidden, Body: strings.Replace(message("end_turn", textBlock), `"output_tokens":9`, `"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}`, 1),
		Want: counted(thought(no, transcript.NativeRedacted, ""), 4),
	},
	{State: modeltest.Mixed, Body: message("end_turn", thinkingBlock, redactedBlock, textBlock), Want: thought(no, transcript.NativeSummary, "Thought.")},
	{State: modeltest.Failed, Body: `{"type":"error","error":{"type":"overloaded_error","message":"planted-reply-marker"}}`, Class: model.ClassUnavailable},
	{State: modeltest.Failed, Name: "of a new type", Body: `{"type":"error","error":{"type":"lunch_error"}}`, Class: model.ClassBadReply},
	{State: modeltest.Failed, Name: "block that is none", Body: message("end_turn", `7`), Class: model.ClassBadReply},
}

// events writes blocks as the events of a stream: each starts empty, and comes in deltas.
func events(stop string, blocks ...[]string) string {
	var b strings.Builder
	event := func(name, fields string) {
		fmt.Fprintf(&b, "event: %s\ndata: {\"type\":%q%s}\n\n", name, name, fields)
	}
	event("message_start", `,"message":{"id":"msg_1","type":"message","role":"assistant","model":"served","content":[],"stop_reason":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":1,"cache_read_input_tokens":1,"output_tokens":1}}`)
	for i, block := range blocks {
		event("content_block_start", fmt.Sprintf(`,"index":%d,"content_block":%s`, i, block[0]))
		event("ping", "")
		for _, delta := range block[1:] {
			event("content_block_delta", fmt.Sprintf(`,"index":%d,"delta":%s`, i, delta))
		}
		event("content_block_stop", fmt.Sprintf(`,"index":%d`, i))
	}
	event("message_delta", `,"delta":{"stop_reason":"`+stop+`","stop_sequence":null},"usage":{"output_tokens":9}`)
	event("message_stop", "")
	return b.String()
}

var (
	streamedText = []string{`{"type":"text","text":""}`, `{"type":"text_delta","text":"N"}`, `{"type":"text_delta","text":"o."}`}
	streamedTool = []string{
		`{"type":"tool_use","id":"toolu_1","name":"look","input":{}}`,
		`{"type":"input_json_delta","partial_json":""}`, `{"type":"input_json_delta","partial_json":"{\"at\": \"<OUT"}`, `{"type":"input_json_delta","partial_json":"PUT>\"}"}`,
	}
	streamedThinking = []string{
		`{"type":"thinking","thinking":"","signature":""}`,
		`{"type":"thinking_delta","thinking":"Thou"}`, `{"type":"thinking_delta","thinking":"ght."}`, `{"type":"signature_delta","signature":"c2ln"}`,
	}
	streamedOmitted = []string{`{"type":"thinking","thinking":"","signature":""}`, `{"type":"signature_delta","signature":"c2ln"}`}
)

var streams = []modeltest.Case{
	{State: modeltest.Text, Body: events("end_turn", streamedText), Want: no},
	{State: modeltest.ToolCall, Body: events("tool_use", streamedText, streamedTool), Want: said("No.\n\n"+toolCall, transcript.FinishToolCalls)},
	{State: modeltest.ToolCall, Name: "without input", Body: events("tool_use", streamedTool[:1]), Want: said("<tool_call>\n{\"name\":\"look\",\"arguments\":{}}\n</tool_call>", transcript.FinishToolCalls)},
	{State: modeltest.Refusal, Body: events("refusal", streamedText), Want: said("No.", transcript.FinishContentFilter)},
	{State: modeltest.ContentFilter, Name: "nothing said", Body: events("refusal"), Want: said("", transcript.FinishContentFilter)},
	{State: modeltest.UnknownEnd, Body: events("tired", streamedText), Want: said("No.", transcript.FinishUnknown)},
	{State: modeltest.BrokenCall, Body: events("max_tokens", streamedTool[:3]), Want: said(brokenCall, transcript.FinishLength)},
	{
		State: modeltest.Inline, Body: events("end_turn", []string{`{"type":"text","text":""}`, `{"type":"text_delta","text":"<thi"}`, `{"type":"text_delta","text":"nk>I think.</think>No."}`}), Want: said("<think>I think.</think>No.", transcript.FinishStop),
		Observation: transcript.Scratchpad, Requested: transcript.Scratchpad,
	},
	{State: modeltest.NoAnswer, Body: events("end_turn", streamedThinking), Want: thought(said("", transcript.FinishStop), transcript.NativeSummary, "Thought.")},
	{
		State: modeltest.TruncatedReasoning, Body: events("max_tokens", streamedThinking[:3]), Want: thought(said("", transcript.FinishLength), transcript.NativeSummary, "Thought."),
	},
	{
		State: modeltest.Hidden, Body: strings.Replace(events("end_turn", streamedText), `"usage":{"output_tokens":9}`, `"usage":{"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}`, 1),
		Want: counted(thought(no, transcript.NativeRedacted, ""), 4),
	},
	{
		State: modeltest.Failed, Name: "in the middle", Body: strings.SplitAfter(events("end_turn", streamedText), "\n\n")[0] + "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n",
		Class: model.ClassUnavailable,
	},
	{State: modeltest.Truncation, Body: events("max_tokens", streamedText), Want: said("No.", transcript.FinishLength)},
	{State: modeltest.Summary, Body: events("end_turn", streamedThinking, streamedText), Want: thought(no, transcript.NativeSummary, "Thought.")},
	{State: modeltest.Redacted, Name: "block", Body: events("end_turn", []string{redactedBlock}, streamedText), Want: thought(no, transcript.NativeRedacted, "")},
	{State: modeltest.Redacted, Name: "signature alone", Body: events("end_turn", streamedOmitted, streamedText), Want: thought(no, transcript.NativeRedacted, "")},
	{State: modeltest.Mixed, Body: events("end_turn", streamedThinking, []string{redactedBlock}, streamedText), Want: thought(no, transcript.NativeSummary, "Thought.")},
	{State: modeltest.Failed, Body: "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n", Class: model.ClassUnavailable},
}

func TestConformance(t *testing.T) {
	ask := func(change func(*model.Request)) model.Request {
		req := modeltest.Ask()
		change(&req)
		return req
	}
	number := func(f float64) *float64 { return &f }
	turn := func(role, content string) func(*model.Request) {
		return func(r *model.Request) { r.Messages = append(r.Messages, model.Message{Role: role, Content: content}) }
	}
	p := modeltest.Provider{
		New: func(t testing.TB, s modeltest.Settings) modeltest.Client {
			c, err := New(Config{BaseURL: s.BaseURL, Model: "claude-x", APIKey: s.Key, Stream: s.Stream, Transport: s.Transport})
			require.NoError(t, err)
			return c
		},
		Path: "/v1/messages", StreamPath: "/v1/messages", KeyHeader: "X-Api-Key", Header: map[string]string{"Anthropic-Version": "2023-06-01"},
		Cases: cases, Streams: streams,
		Lacks: map[modeltest.State]string{
			modeltest.FullReasoning: "documented for one model alone; see TestClaude37ShowsItsThinkingInFull",
			modeltest.Several:       "a message is one answer",
		},
		Error: func(status int, message string) string {
			return fmt.Sprintf(`{"type":"error","error":{"type":"error_%d","message":%q},"request_id":"req_1"}`, status, message)
		},
		Failures: []modeltest.Failure{
			{Name: "invalid", Status: 400, Body: `{"type":"error","error":{"type":"invalid_request_error","message":"x"}}`, Class: model.ClassBadRequest, Word: "invalid_request_error"},
			{Name: "key", Status: 401, Body: `{"type":"error","error":{"type":"authentication_error","message":"x"}}`, Class: model.ClassAuth, Word: "authentication_error"},
			{Name: "billing", Status: 402, Body: `{"type":"error","error":{"type":"billing_error","message":"x"}}`, Class: model.ClassAuth, Word: "billing_error"},
			{Name: "no credit", Status: 400, Body: `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API."}}`, Class: model.ClassAuth, Word: "credit_balance_too_low"},
			{Name: "large", Status: 413, Body: `{"type":"error","error":{"type":"request_too_large","message":"x"}}`, Class: model.ClassBadRequest, Word: "request_too_large"},
			{Name: "rate", Status: 429, Body: `{"type":"error","error":{"type":"rate_limit_error","message":"x"}}`, Header: map[string]string{"Retry-After": "3"}, Class: model.ClassRateLimited, Word: "rate_limit_error", Wait: 3 * time.Second},
			{Name: "overloaded", Status: 529, Body: `{"type":"error","error":{"type":"overloaded_error","message":"x"}}`, Class: model.ClassUnavailable, Word: "overloaded_error"},
		},
		Refused: []modeltest.Refused{
			{Name: "temperature", Parameter: "temperature", Request: ask(func(r *model.Request) { r.Sampling.Temperature = number(1.1) })},
			{Name: "stop of white space", Parameter: "stop", Request: modeltest.Stopping("END", "\n\n")},
			{Name: "system message in the middle", Parameter: "messages", Request: ask(turn("system", "marker"))},
			{Name: "prefill that ends in a blank", Parameter: "prefill", Request: ask(turn("assistant", "marker "))},
			{Name: "prefill with a schema", Parameter: "prefill", Request: ask(func(r *model.Request) {
				turn("assistant", "marker")(r)
				r.ResponseSchema = &model.Schema{Name: "n", JSON: json.RawMessage(`{}`)}
			})},
		},
	}
	modeltest.Run(t, p)
	t.Run("thinking", func(t *testing.T) {
		p.New = func(t testing.TB, s modeltest.Settings) modeltest.Client {
			c, err := New(Config{BaseURL: s.BaseURL, Model: "claude-x", APIKey: s.Key, Stream: s.Stream, Transport: s.Transport, ThinkingBudget: 2048})
			require.NoError(t, err)
			return c
		}
		p.Refused = []modeltest.Refused{
			{Name: "prefill", Parameter: "prefill", Request: ask(turn("assistant", "marker"))},
			{Name: "temperature", Parameter: "temperature", Request: ask(func(r *model.Request) { r.Sampling.Temperature = number(0.7) })},
			{Name: "top_p", Parameter: "top_p", Request: ask(func(r *model.Request) { r.Sampling.TopP = number(0.9) })},
			{Name: "no room for an answer", Parameter: "max_tokens", Request: ask(func(r *model.Request) { r.Sampling.MaxTokens = 2048 })},
		}
		modeltest.RunRefusals(t, p)
	})
}

func TestStreamsCutAnywhere(t *testing.T) {
	modeltest.CutAnywhere(t, endpoint{kind: transcript.NativeSummary}, streams)
}

func FuzzCodec(f *testing.F) {
	modeltest.FuzzCodec(f, endpoint{kind: transcript.NativeSummary}, cases, streams)
}

func TestClaude37ShowsItsThinkingInFull(t *testing.T) {
	for _, tt := range []struct {
		model string
		kind  transcript.NativeKind
		want  transcript.NativeKind
	}{
		{"claude-3-7-sonnet-20250219", "", transcript.NativeFull},
		{"claude-3-7-sonnet-latest", "", transcript.NativeFull},
		{"claude-3-7-sonnet-latest", transcript.NativeSummary, transcript.NativeSummary},
		{"claude-sonnet-4-5", "", transcript.NativeSummary},
		{"a-model-to-come", "", transcript.NativeSummary},
		{"a-model-to-come", transcript.NativeFull, transcript.NativeFull},
	} {
		e, err := Config{Model: tt.model, ReasoningKind: tt.kind}.resolve()
		require.NoError(t, err)
		got, err := e.Decode([]byte(message("end_turn", thinkingBlock, textBlock)))
		require.NoError(t, err)
		require.Equal(t, tt.want, got.NativeKind, tt.model)
		mixed, err := e.Decode([]byte(message("end_turn", thinkingBlock, redactedBlock, textBlock)))
		require.NoError(t, err)
		require.Equal(t, transcript.NativeSummary, mixed.NativeKind, "a redacted block leaves no whole")
	}
}

func TestEncode(t *testing.T) {
	temperature, topP := 0.7, 0.9
	one := 1.0
	chat := []model.Message{{Role: "system", Content: "a"}, {Role: "system", Content: "<b>"}, {Role: "user", Content: "hi"}}
	schema := &model.Schema{Name: "n", JSON: json.RawMessage(`{"type":"object"}`)}
	for _, tt := range []struct {
		name string
		cfg  Config
		req  model.Request
		want string
	}{
		{
			"plain",
			Config{},
			model.Request{Messages: chat, Seed: 5},
			`{"model":"m","max_tokens":4096,"system":"a\n\n<b>","messages":[{"role":"user","content":"hi"}]}`,
		},
		{
			"sampling, stop and stream",
			Config{Stop: []string{"END"}, Stream: true},
			model.Request{Messages: chat[2:], Sampling: model.Sampling{Temperature: &temperature, TopP: &topP, MaxTokens: 9, Stop: []string{"END", "\nQ"}}},
			`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"temperature":0.7,"top_p":0.9,"stop_sequences":["END","\nQ"],"stream":true}`,
		},
		{
			"a budget",
			Config{ThinkingBudget: 2048},
			model.Request{Messages: chat[2:], Sampling: model.Sampling{Temperature: &one}},
			`{"model":"m","max_tokens":4096,"messages":[{"role":"user","content":"hi"}],"temperature":1,"thinking":{"type":"enabled","budget_tokens":2048}}`,
		},
		{
			"adaptive, with effort and a schema",
			Config{Thinking: ThinkingAdaptive, ReasoningEffort: "high"},
			model.Request{Messages: chat[2:], ResponseSchema: schema},
			`{"model":"m","max_tokens":4096,"messages":[{"role":"user","content":"hi"}],"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high","format":{"type":"json_schema","schema":{"type":"object"}}}}`,
		},
		{
			"no schema",
			Config{NoSchema: true},
			model.Request{Messages: chat[2:], ResponseSchema: schema},
			`{"model":"m","max_tokens":4096,"messages":[{"role":"user","content":"hi"}]}`,
		},
		{
			"prefill",
			Config{},
			model.Request{Messages: append(chat[2:], model.Message{Role: "assistant", Content: "<SCRATCHPAD_REASONING>"})},
			`{"model":"m","max_tokens":4096,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"<SCRATCHPAD_REASONING>"}]}`,
		},
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
		{"odd choices", Config{Model: "m", ThinkingBudget: 7, Thinking: "deep", ReasoningKind: "redacted"}, []string{"thinking_budget", "thinking is not", "reasoning_kind"}},
		{"two ways of thinking", Config{Model: "m", ThinkingBudget: 2048, Thinking: ThinkingAdaptive}, []string{"thinking_budget does not go together"}},
		{"key that is not there", Config{Model: "m", APIKey: credential.Ref{Env: "UNMASK_TEST_NONE"}}, []string{"UNMASK_TEST_NONE is not set"}},
		{"odd transport", Config{Model: "m", Transport: transport.Config{MaxAttempts: -1}}, []string{"max_attempts is negative"}},
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
