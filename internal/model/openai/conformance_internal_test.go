package openai

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/modeltest"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// chat wraps the fields of a message into a whole reply.
func chat(fields, finish, usage string) string {
	return `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"served","choices":[{"index":0,"message":{"role":"assistant",` +
		fields + `},"finish_reason":"` + finish + `"}],"usage":{"prompt_tokens":5,"completion_tokens":9` + usage + `}}`
}

// said is a reply of the served model with the counts of chat.
func said(raw string, finish transcript.FinishReason) model.Reply {
	return model.Reply{Raw: raw, FinishReason: finish, ModelID: "served", Usage: model.Usage{InputTokens: 5, OutputTokens: 9}}
}

// thought adds reasoning to a reply.
func thought(r model.Reply, kind transcript.NativeKind, text string) model.Reply {
	r.NativeKind, r.NativeReasoning = kind, text
	return r
}

func counted(r model.Reply, tokens int64) model.Reply {
	r.Usage.ReasoningTokens = tokens
	return r
}

const brokenCall = "<tool_call>\n{\"name\":\"look\",\"arguments\":\"{\\\"at\\\": \\\"\\u003cOUT\"}\n</tool_call>"

const toolCall = "<tool_call>\n{\"name\":\"look\",\"arguments\":{\"at\":\"\\u003cOUTPUT\\u003e\"}}\n</tool_call>"

var cases = []modeltest.Case{
	{State: modeltest.Text, Body: chat(`"content":"Hello."`, "stop", ""), Want: said("Hello.", transcript.FinishStop)},
	{
		State: modeltest.ToolCall, Name: "alone",
		Body: chat(`"content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"look","arguments":"{\"at\": \"<OUTPUT>\"}"}}]`, "tool_calls", ""),
		Want: said(toolCall, transcript.FinishToolCalls),
	},
	{
		State: modeltest.ToolCall, Name: "after text",
		Body: chat(`"content":"Let me see.","tool_calls":[{"id":"1","type":"function","function":{"name":"look","arguments":"{\"at\": \"<OUTPUT>\"}"}}]`, "tool_calls", ""),
		Want: said("Let me see.\n\n"+toolCall, transcript.FinishToolCalls),
	},
	{
		State: modeltest.ToolCall, Name: "after output tags",
		Body: chat(`"content":"<OUTPUT>Let me see.</OUTPUT>","tool_calls":[{"id":"1","type":"function","function":{"name":"look","arguments":"{\"at\": \"<OUTPUT>\"}"}}]`, "tool_calls", ""),
		Want: said("<OUTPUT>Let me see.</OUTPUT>\n\n"+toolCall, transcript.FinishToolCalls),
	},
	{
		State: modeltest.BrokenCall, Body: chat(`"content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"look","arguments":"{\"at\": \"<OUT"}}]`, "tool_calls", ""),
		Want: said(brokenCall, transcript.FinishToolCalls),
	},
	{
		State: modeltest.BrokenCall, Name: "of several", Body: chat(`"content":null,"tool_calls":[{"index":0,"function":{"name":"look","arguments":"{\"at\": \"<OUTPUT>\"}"}},{"index":1,"function":{"name":"look","arguments":"{\"at\": \"<OUT"}}]`, "tool_calls", ""),
		Want: said(toolCall+"\n\n"+brokenCall, transcript.FinishToolCalls),
	},
	{
		State: modeltest.Several, Body: strings.Replace(chat(`"content":"No."`, "stop", ""), `"choices":[`, `"choices":[`+"{\"index\":0,\"message\":{\"content\":\"No.\"},\"finish_reason\":\"stop\"},", 1),
		Want: said("No.", transcript.FinishStop),
	},
	{
		State: modeltest.Inline, Body: chat(`"content":"<think>\nI think.\n</think>\n\nNo."`, "stop", ""), Want: said("<think>\nI think.\n</think>\n\nNo.", transcript.FinishStop),
		Observation: transcript.Scratchpad, Requested: transcript.Scratchpad,
	},
	{
		State: modeltest.NoAnswer, Body: chat(`"content":null,"reasoning_content":"I think."`, "stop", ""),
		Want: thought(said("", transcript.FinishStop), transcript.NativeFull, "I think."),
	},
	{
		State: modeltest.TruncatedReasoning, Name: "hidden", Body: chat(`"content":""`, "length", `,"completion_tokens_details":{"reasoning_tokens":9}`),
		Want: counted(thought(said("", transcript.FinishLength), transcript.NativeRedacted, ""), 9),
	},
	{State: modeltest.Refusal, Body: chat(`"content":null,"refusal":"I won't."`, "stop", ""), Want: said("I won't.", transcript.FinishContentFilter)},
	{State: modeltest.ContentFilter, Body: chat(`"content":""`, "content_filter", ""), Want: said("", transcript.FinishContentFilter)},
	{State: modeltest.Truncation, Body: chat(`"content":"Half a"`, "length", ""), Want: said("Half a", transcript.FinishLength)},
	{
		State: modeltest.TruncatedReasoning,
		Body:  chat(`"content":"","reasoning_content":"Half a"`, "length", ""),
		Want:  thought(said("", transcript.FinishLength), transcript.NativeFull, "Half a"), Observation: transcript.Truncated, Requested: transcript.Truncated,
	},
	{State: modeltest.UnknownEnd, Body: chat(`"content":"Hm."`, "abort", ""), Want: said("Hm.", transcript.FinishUnknown)},
	{
		State: modeltest.FullReasoning, Name: "reasoning_content", Body: chat(`"content":"No.","reasoning_content":"I think."`, "stop", ""),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeFull, "I think."),
	},
	{
		State: modeltest.FullReasoning, Name: "reasoning", Body: chat(`"content":"No.","reasoning":"I think."`, "stop", `,"completion_tokens_details":{"reasoning_tokens":3}`),
		Want: counted(thought(said("No.", transcript.FinishStop), transcript.NativeFull, "I think."), 3),
	},
	{
		State: modeltest.Summary, Body: chat(`"content":"No.","reasoning":"Thought.","reasoning_details":[{"type":"reasoning.summary","summary":"Thought."}]`, "stop", ""),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeSummary, "Thought."),
	},
	{
		State: modeltest.Redacted, Body: chat(`"content":"No.","reasoning":null,"reasoning_details":[{"type":"reasoning.encrypted","data":"c2Vj"}]`, "stop", ""),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeRedacted, ""),
	},
	{
		State: modeltest.Redacted, Name: "signature alone", Body: chat(`"content":"No.","reasoning_details":[{"type":"reasoning.text","text":"","signature":"c2ln"}]`, "stop", ""),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeRedacted, ""),
	},
	{
		State: modeltest.Redacted, Name: "detail of a kind to come", Body: chat(`"content":"No.","reasoning_details":[{"type":"reasoning.sealed","data":"c2Vj"}]`, "stop", ""),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeRedacted, ""),
	},
	{
		State: modeltest.Redacted, Name: "thinking_blocks", Body: chat(`"content":"No.","reasoning_content":"","thinking_blocks":[{"type":"redacted_thinking","data":"c2Vj"}]`, "stop", ""),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeRedacted, ""),
	},
	{
		State: modeltest.FullReasoning, Name: "thinking_blocks", Body: chat(`"content":"No.","thinking_blocks":[{"type":"thinking","thinking":"I think.","signature":"c2ln"}]`, "stop", ""),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeFull, "I think."),
	},
	{
		State: modeltest.Text, Name: "tool calls of the server are no reasoning", Body: chat(`"content":"No.","reasoning_details":[{"type":"reasoning.server_tool_call","id":"1"}]`, "stop", ""),
		Want: said("No.", transcript.FinishStop),
	},
	{
		State: modeltest.Hidden, Body: chat(`"content":"No."`, "stop", `,"completion_tokens_details":{"reasoning_tokens":64}`),
		Want: counted(thought(said("No.", transcript.FinishStop), transcript.NativeRedacted, ""), 64),
	},
	{
		State: modeltest.Mixed, Body: chat(`"content":"No.","reasoning_details":[{"type":"reasoning.text","text":"I think."},{"type":"reasoning.encrypted","data":"c2Vj"}]`, "stop", ""),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeSummary, "I think."),
	},
	{State: modeltest.Failed, Name: "behind a proxy", Body: `{"error":{"code":503,"message":"planted-reply-marker"}}`, Class: model.ClassUnavailable},
	{State: modeltest.Failed, Name: "in the choice", Body: `{"choices":[{"error":{"code":429},"message":{"content":"half"},"finish_reason":"error"}]}`, Class: model.ClassRateLimited},
}

// chunks writes deltas as the events of a stream.
func chunks(finish, usage string, deltas ...string) string {
	var out string
	for _, d := range deltas {
		out += `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"served","choices":[{"index":0,"delta":{` + d + `},"finish_reason":null}]}` + "\n\n"
	}
	out += `data: {"model":"served","choices":[{"index":0,"delta":{},"finish_reason":"` + finish + `"}]}` + "\n\n"
	return out + `data: {"model":"served","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":9` + usage + `}}` + "\n\ndata: [DONE]\n\n"
}

var streams = []modeltest.Case{
	{State: modeltest.Text, Body: ": ping\n\n" + chunks("stop", "", `"role":"assistant","content":""`, `"content":"Hel"`, `"content":"lo."`), Want: said("Hello.", transcript.FinishStop)},
	{
		State: modeltest.FullReasoning, Body: chunks("stop", "", `"reasoning_content":"I "`, `"reasoning_content":"think."`, `"content":"No."`),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeFull, "I think."),
	},
	{
		State: modeltest.Summary, Body: chunks("stop", "", `"reasoning_details":[{"type":"reasoning.summary","summary":"Thou"}]`, `"reasoning_details":[{"type":"reasoning.summary","summary":"ght."}]`, `"content":"No."`),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeSummary, "Thought."),
	},
	{
		State: modeltest.Redacted, Body: chunks("stop", "", `"reasoning_details":[{"type":"reasoning.encrypted","data":"c2Vj"}]`, `"content":"No."`),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeRedacted, ""),
	},
	{
		State: modeltest.Hidden, Body: chunks("stop", `,"completion_tokens_details":{"reasoning_tokens":64}`, `"content":"No."`),
		Want: counted(thought(said("No.", transcript.FinishStop), transcript.NativeRedacted, ""), 64),
	},
	{
		State: modeltest.Mixed, Body: chunks("stop", "", `"reasoning_details":[{"type":"reasoning.text","text":"I "}]`, `"reasoning_details":[{"type":"reasoning.text","text":"think."}]`, `"reasoning_details":[{"type":"reasoning.encrypted","data":"c2Vj"}]`, `"content":"No."`),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeSummary, "I think."),
	},
	{
		State: modeltest.FullReasoning, Name: "with a signature at its end", Body: chunks("stop", "", `"reasoning_details":[{"type":"reasoning.text","text":"I "}]`, `"reasoning_details":[{"type":"reasoning.text","text":"think."}]`, `"reasoning_details":[{"type":"reasoning.text","signature":"c2ln"}]`, `"content":"No."`),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeFull, "I think."),
	},
	{
		State: modeltest.Redacted, Name: "signature alone", Body: chunks("stop", "", `"reasoning_details":[{"type":"reasoning.text","text":""}]`, `"reasoning_details":[{"type":"reasoning.text","signature":"c2ln"}]`, `"content":"No."`),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeRedacted, ""),
	},
	{
		State: modeltest.Redacted, Name: "thinking_blocks", Body: chunks("stop", "", `"thinking_blocks":[{"type":"redacted_thinking","data":"c2Vj"}]`, `"content":"No."`),
		Want: thought(said("No.", transcript.FinishStop), transcript.NativeRedacted, ""),
	},
	{
		State: modeltest.Several, Body: strings.Replace(chunks("stop", "", `"content":"No."`), "data: ", `data: {"model":"served","choices":[{"index":1,"delta":{"content":"Yes."},"finish_reason":"stop"}]}`+"\n\ndata: ", 1),
		Want: said("No.", transcript.FinishStop),
	},
	{
		State: modeltest.Inline, Body: chunks("stop", "", `"content":"<thi"`, `"content":"nk>I think.</think>"`, `"content":"No."`), Want: said("<think>I think.</think>No.", transcript.FinishStop),
		Observation: transcript.Scratchpad, Requested: transcript.Scratchpad,
	},
	{
		State: modeltest.NoAnswer, Body: chunks("stop", "", `"reasoning":"I "`, `"reasoning":"think."`),
		Want: thought(said("", transcript.FinishStop), transcript.NativeFull, "I think."),
	},
	{
		State: modeltest.TruncatedReasoning, Body: chunks("length", "", `"reasoning_content":"Half a"`),
		Want: thought(said("", transcript.FinishLength), transcript.NativeFull, "Half a"), Observation: transcript.Truncated, Requested: transcript.Truncated,
	},
	{State: modeltest.ContentFilter, Body: chunks("content_filter", "", `"content":"Half"`), Want: said("Half", transcript.FinishContentFilter)},
	{State: modeltest.UnknownEnd, Body: chunks("abort", "", `"content":"Hm."`), Want: said("Hm.", transcript.FinishUnknown)},
	{
		State: modeltest.BrokenCall, Body: chunks("length", "", `"tool_calls":[{"index":0,"id":"1","function":{"name":"look","arguments":"{\"at\": "}}]`, `"tool_calls":[{"index":0,"function":{"arguments":"\"<OUT"}}]`),
		Want: said(brokenCall, transcript.FinishLength),
	},
	{State: modeltest.Truncation, Body: chunks("length", "", `"content":"Half a"`), Want: said("Half a", transcript.FinishLength)},
	{State: modeltest.Refusal, Body: chunks("stop", "", `"refusal":"I wo"`, `"refusal":"n't."`), Want: said("I won't.", transcript.FinishContentFilter)},
	{
		State: modeltest.ToolCall, Body: chunks("tool_calls", "", `"tool_calls":[{"index":0,"id":"1","type":"function","function":{"name":"look","arguments":""}}]`,
			`"tool_calls":[{"index":0,"function":{"arguments":"{\"at\": "}}]`, `"tool_calls":[{"index":0,"function":{"arguments":"\"<OUTPUT>\"}"}}]`),
		Want: said(toolCall, transcript.FinishToolCalls),
	},
	{State: modeltest.Failed, Body: chunks("stop", "", `"content":"Hel"`)[:10] + "\n\n", Class: model.ClassBadReply},
	{State: modeltest.Failed, Name: "in the middle", Body: "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\ndata: {\"error\":{\"code\":502,\"message\":\"x\"}}\n\n", Class: model.ClassUnavailable},
}

func TestConformance(t *testing.T) {
	prefill := modeltest.Ask()
	prefill.Messages = append(prefill.Messages, model.Message{Role: "assistant", Content: "planted-prompt-marker"})
	modeltest.Run(t, modeltest.Provider{
		New: func(t testing.TB, s modeltest.Settings) modeltest.Client {
			c, err := New(Config{BaseURL: s.BaseURL, Model: "m", APIKey: s.Key, Stream: s.Stream, Transport: s.Transport})
			require.NoError(t, err)
			return c
		},
		Path: "/v1/chat/completions", StreamPath: "/v1/chat/completions", KeyHeader: "Authorization", KeyPrefix: "Bearer ",
		Cases: cases, Streams: streams,
		Error: func(status int, message string) string {
			return fmt.Sprintf(`{"error":{"message":%q,"type":"some_error","param":null,"code":"code_%d"}}`, message, status)
		},
		Failures: []modeltest.Failure{
			{Name: "no credit left", Status: 429, Body: `{"error":{"message":"x","type":"insufficient_quota","code":"insufficient_quota"}}`, Class: model.ClassAuth, Word: "insufficient_quota"},
			{Name: "too long", Status: 400, Body: `{"error":{"message":"x","type":"invalid_request_error","code":"context_length_exceeded"}}`, Class: model.ClassBadRequest, Word: "context_length_exceeded"},
		},
		Refused: []modeltest.Refused{{Name: "prefill", Parameter: "prefill", Request: prefill}},
	})
}

func TestStreamsCutAnywhere(t *testing.T) {
	modeltest.CutAnywhere(t, endpoint{kind: transcript.NativeFull}, streams)
}

func FuzzCodec(f *testing.F) {
	modeltest.FuzzCodec(f, endpoint{kind: transcript.NativeFull}, cases, streams)
}
