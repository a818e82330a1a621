package openai

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// message wraps the JSON of a message's fields into a whole reply.
func message(fields string) string {
	return `{"model":"m","choices":[{"index":0,"message":{` + fields + `},"finish_reason":"stop"}]}`
}

// The bodies have the shapes that servers send, as their documentation shows
// them; the texts are ours.
func TestDecodeShapes(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       model.Reply
	}{
		{"plain text", message(`"role":"assistant","content":"Hello."`), model.Reply{Raw: "Hello."}},
		{"text parts", message(`"content":[{"type":"text","text":"Hel"},{"type":"output_text","text":"lo."}]`), model.Reply{Raw: "Hello."}},
		{"strings as parts", message(`"content":["Hel","lo."]`), model.Reply{Raw: "Hello."}},
		{"parts without text are skipped", message(`"content":[{"type":"image_url","image_url":{"url":"x"}},{"type":"text","text":"Hello."}]`), model.Reply{Raw: "Hello."}},
		{"null content", message(`"content":null`), model.Reply{}},
		{"no content", message(`"role":"assistant"`), model.Reply{}},
		{"empty parts", message(`"content":[]`), model.Reply{}},
		{
			"reasoning_content (vLLM, llama.cpp, DeepSeek)",
			message(`"content":"No.","reasoning_content":"I think."`),
			model.Reply{Raw: "No.", NativeReasoning: "I think.", NativeKind: transcript.NativeFull},
		},
		{
			"reasoning (OpenRouter, newer vLLM)", message(`"content":"No.","reasoning":"I think."`),
			model.Reply{Raw: "No.", NativeReasoning: "I think.", NativeKind: transcript.NativeFull},
		},
		{
			"both fields are one text", message(`"content":"No.","reasoning":"I think.","reasoning_content":"I think."`),
			model.Reply{Raw: "No.", NativeReasoning: "I think.", NativeKind: transcript.NativeFull},
		},
		{
			"reasoning is an object", message(`"content":"No.","reasoning":{"content":"I think."}`),
			model.Reply{Raw: "No.", NativeReasoning: "I think.", NativeKind: transcript.NativeFull},
		},
		{"null reasoning", message(`"content":"No.","reasoning":null,"reasoning_content":null`), model.Reply{Raw: "No."}},
		{"empty reasoning", message(`"content":"No.","reasoning_content":""`), model.Reply{Raw: "No."}},
		{
			"thinking part (Mistral)",
			message(`"content":[{"type":"thinking","thinking":[{"type":"text","text":"I think."}]},{"type":"text","text":"No."}]`),
			model.Reply{Raw: "No.", NativeReasoning: "I think.", NativeKind: transcript.NativeFull},
		},
		{
			"details in full",
			message(`"content":"No.","reasoning_details":[{"type":"reasoning.text","text":"I think."},{"type":"reasoning.text","text":"More."}]`),
			model.Reply{Raw: "No.", NativeReasoning: "I think.\n\nMore.", NativeKind: transcript.NativeFull},
		},
		{
			"details with a summary",
			message(`"content":"No.","reasoning":"Thought.","reasoning_details":[{"type":"reasoning.summary","summary":"Thought."}]`),
			model.Reply{Raw: "No.", NativeReasoning: "Thought.", NativeKind: transcript.NativeSummary},
		},
		{
			"details with a summary alone",
			message(`"content":"No.","reasoning_details":[{"type":"reasoning.summary","summary":"Thought."},{"type":"reasoning.encrypted","data":"c2Vj"}]`),
			model.Reply{Raw: "No.", NativeReasoning: "Thought.", NativeKind: transcript.NativeSummary},
		},
		{
			"encrypted", message(`"content":"No.","reasoning":null,"reasoning_details":[{"type":"reasoning.encrypted","data":"c2Vj"}]`),
			model.Reply{Raw: "No.", NativeKind: transcript.NativeRedacted},
		},
		{
			"readable text beside an encrypted block is kept, and is not the whole",
			message(`"content":"No.","reasoning_details":[{"type":"reasoning.text","text":"I think."},{"type":"reasoning.encrypted","data":"c2Vj"}]`),
			model.Reply{Raw: "No.", NativeReasoning: "I think.", NativeKind: transcript.NativeSummary},
		},
		{
			"tokens of reasoning that is not shown (hosted reasoning models)",
			`{"choices":[{"message":{"content":"No."},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":70,"completion_tokens_details":{"reasoning_tokens":64}}}`,
			model.Reply{Raw: "No.", NativeKind: transcript.NativeRedacted, Usage: model.Usage{InputTokens: 7, OutputTokens: 70, ReasoningTokens: 64}},
		},
		{
			"refusal field", message(`"content":null,"refusal":"I won't."`),
			model.Reply{Raw: "I won't.", FinishReason: transcript.FinishContentFilter},
		},
		{
			"refusal part", message(`"content":[{"type":"refusal","refusal":"I won't."}]`),
			model.Reply{Raw: "I won't.", FinishReason: transcript.FinishContentFilter},
		},
		{"refusal after text", message(`"content":"Well.","refusal":"I won't."`), model.Reply{Raw: "Well.\n\nI won't."}},
		{"null refusal", message(`"content":"Yes.","refusal":null`), model.Reply{Raw: "Yes."}},
		{
			"several choices: the first counts",
			`{"choices":[{"message":{"content":"one"},"finish_reason":"stop"},{"message":{"content":"two"},"finish_reason":"length"}]}`,
			model.Reply{Raw: "one"},
		},
		{"text that looks like JSON", message(`"content":"{\"choices\":[]}"`), model.Reply{Raw: `{"choices":[]}`}},
		{"escapes and scripts", message(`"content":"\u00e9\u65e5\ud83d\ude00\u0000\n"`), model.Reply{Raw: "é日😀\x00\n"}},
		{"half a surrogate pair", message(`"content":"a\ud800b"`), model.Reply{Raw: "a\uFFFDb"}},
		{"unknown fields", message(`"content":"Hi.","annotations":[],"audio":null,"extra":{"a":[1]}`), model.Reply{Raw: "Hi."}},
		{
			"tool calls are kept as text", message(`"content":"Let me.","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\": \"</b>\"}"}},{"function":{"name":"g","arguments":"{oops"}},7]`),
			model.Reply{Raw: "Let me.\n\n<tool_call>\n{\"name\":\"f\",\"arguments\":{\"a\":\"\\u003c/b\\u003e\"}}\n</tool_call>\n\n<tool_call>\n{\"name\":\"g\",\"arguments\":\"{oops\"}\n</tool_call>"},
		},
		{
			"the function call of old", message(`"content":null,"function_call":{"name":"f","arguments":"{}"}`),
			model.Reply{Raw: "<tool_call>\n{\"name\":\"f\",\"arguments\":{}}\n</tool_call>"},
		},
		{
			"usage of odd types",
			`{"model":7,"choices":[{"message":{"content":"Hi."},"finish_reason":"stop"}],"usage":{"prompt_tokens":"12","completion_tokens":3.0,"completion_tokens_details":"none","reasoning_tokens":-4}}`,
			model.Reply{Raw: "Hi.", Usage: model.Usage{InputTokens: 12, OutputTokens: 3}},
		},
		{"usage is a list", `{"choices":[{"message":{"content":"Hi."},"finish_reason":"stop"}],"usage":[1]}`, model.Reply{Raw: "Hi."}},
		{"counts beyond all measure", `{"choices":[{"message":{"content":"Hi."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1e300}}`, model.Reply{Raw: "Hi."}},
		{"error is null", `{"error":null,"choices":[{"error":null,"message":{"content":"Hi."},"finish_reason":"stop"}]}`, model.Reply{Raw: "Hi."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := endpoint{kind: transcript.NativeFull}.Decode([]byte(tt.body))
			require.NoError(t, err)
			if tt.want.FinishReason == "" {
				tt.want.FinishReason = transcript.FinishStop
			}
			got.ModelID = ""
			require.Equal(t, tt.want, got)
		})
	}
}

func TestDecodeFailures(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		class      model.ErrorClass
		status     int
	}{
		{"empty", ``, model.ClassBadReply, 0},
		{"no JSON", `secret-marker`, model.ClassBadReply, 0},
		{"list", `["secret-marker"]`, model.ClassBadReply, 0},
		{"null", `null`, model.ClassBadReply, 0},
		{"text after the JSON", message(`"content":"x"`) + `secret-marker`, model.ClassBadReply, 0},
		{"cut", message(`"content":"x"`)[:40], model.ClassBadReply, 0},
		{"no choices", `{"id":"secret-marker"}`, model.ClassBadReply, 0},
		{"empty choices", `{"choices":[]}`, model.ClassBadReply, 0},
		{"choices of another type", `{"choices":"secret-marker"}`, model.ClassBadReply, 0},
		{"choice is null", `{"choices":[null]}`, model.ClassBadReply, 0},
		{"choice without a message", `{"choices":[{"text":"secret-marker"}]}`, model.ClassBadReply, 0},
		{"content is a number", message(`"content":12345`), model.ClassBadReply, 0},
		{"content is an object", message(`"content":{"secret-marker":1}`), model.ClassBadReply, 0},
		{"part is a number", message(`"content":[{"type":"text","text":"a"},17]`), model.ClassBadReply, 0},
		{"error with a status in a 200", `{"error":{"code":502,"message":"secret-marker"}}`, model.ClassUnavailable, 502},
		{"error with a status as text", `{"error":{"code":"429","message":"secret-marker"}}`, model.ClassRateLimited, 429},
		{"error without a status", `{"error":{"message":"secret-marker"}}`, model.ClassBadReply, 0},
		{"error is text", `{"error":"secret-marker"}`, model.ClassBadReply, 0},
		{"error in the choice", `{"choices":[{"error":{"code":503},"message":{"content":"half"},"finish_reason":"error"}]}`, model.ClassUnavailable, 503},
		{"nested beyond all measure", message(`"content":` + strings.Repeat("[", 20_000)), model.ClassBadReply, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := endpoint{kind: transcript.NativeFull}.Decode([]byte(tt.body))
			var failure *model.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, tt.class, failure.Class)
			require.Equal(t, tt.status, failure.Status)
			require.NotContains(t, err.Error(), "secret-marker")
			require.Zero(t, got)
		})
	}
}

func TestFinishReasons(t *testing.T) {
	for raw, want := range map[string]transcript.FinishReason{
		`"stop"`:           transcript.FinishStop,
		`"STOP"`:           transcript.FinishStop,
		`"eos"`:            transcript.FinishStop,
		`"end_turn"`:       transcript.FinishStop,
		`"length"`:         transcript.FinishLength,
		`"max_tokens"`:     transcript.FinishLength,
		`"content_filter"`: transcript.FinishContentFilter,
		`"SAFETY"`:         transcript.FinishContentFilter,
		`"tool_calls"`:     transcript.FinishToolCalls,
		`"function_call"`:  transcript.FinishToolCalls,
		`"whim"`:           transcript.FinishUnknown,
		`""`:               transcript.FinishUnknown,
		`null`:             transcript.FinishUnknown,
		`3`:                transcript.FinishUnknown,
	} {
		got, err := endpoint{kind: transcript.NativeFull}.Decode([]byte(`{"choices":[{"message":{"content":"x"},"finish_reason":` + raw + `}]}`))
		require.NoError(t, err)
		require.Equal(t, want, got.FinishReason, raw)
	}
}

func TestEndpointsThatSummariseAreSaidToSo(t *testing.T) {
	got, err := endpoint{kind: transcript.NativeSummary}.Decode([]byte(message(`"content":"No.","reasoning":"Thought."`)))
	require.NoError(t, err)
	require.Equal(t, transcript.NativeSummary, got.NativeKind)
}

func TestModelIDIsMadePrintable(t *testing.T) {
	id, err := json.Marshal("a\x1b[31m\nb\u202e" + strings.Repeat("é", 300))
	require.NoError(t, err)
	got, err := endpoint{kind: transcript.NativeFull}.Decode([]byte(`{"model":` + string(id) + `,"choices":[{"message":{"content":""}}]}`))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(got.ModelID, "a[31mbé"), got.ModelID)
	require.LessOrEqual(t, len(got.ModelID), wire.MaxModelID)
	require.True(t, utf8.ValidString(got.ModelID))
}

// The decoder takes any bytes: it returns a reply that keeps its promises, or
// a typed error whose text is ours.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(message(`"content":"Hello.","reasoning_content":"I think."`)))
	f.Add([]byte(message(`"content":[{"type":"thinking","thinking":[{"text":"t"}]},{"type":"text","text":"x"}],"refusal":"no"`)))
	f.Add([]byte(message(`"content":null,"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]`)))
	f.Add([]byte(`{"error":{"code":429}}`))
	f.Add([]byte(`{"choices":[{"message":{"content":"x"},"finish_reason":"length"}],"usage":{"completion_tokens_details":{"reasoning_tokens":9}}}`))
	f.Add([]byte("{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}"))
	own := map[string]bool{
		"the reply is not the JSON of a chat completion": true, "the reply has no choices": true,
		"the first choice has no message": true, "the content is neither a string nor a list": true,
		"a part of the content is neither a string nor an object": true,
		"the reply holds an error":                                true,
		"the reply holds an error from behind the server":         true,
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := endpoint{kind: transcript.NativeFull}.Decode(body)
		if err != nil {
			var failure *model.Error
			if !errors.As(err, &failure) || !own[failure.Message] {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if !utf8.ValidString(got.Raw) || !utf8.ValidString(got.NativeReasoning) || len(got.ModelID) > wire.MaxModelID {
			t.Fatal("text that cannot be kept")
		}
		if got.NativeReasoning != "" && got.NativeKind == transcript.NativeNone {
			t.Fatal("reasoning without a kind")
		}
		if got.Usage.InputTokens < 0 || got.Usage.OutputTokens < 0 || got.Usage.ReasoningTokens < 0 {
			t.Fatal("a negative count")
		}
		if got.FinishReason == "" {
			t.Fatal("no finish reason")
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	body := []byte(message(`"role":"assistant","content":"` + strings.Repeat("Thinking about it. ", 200) + `"`))
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := (endpoint{kind: transcript.NativeFull}).Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}
