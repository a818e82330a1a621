package openai

import (
	"encoding/json"
	"strings"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// wireReply is a chat completion. Fields whose type differs between servers
// are kept raw and read leniently: an odd usage block must not cost a sample.
type wireReply struct {
	Model   json.RawMessage `json:"model"`
	Choices []wireChoice    `json:"choices"`
	Usage   json.RawMessage `json:"usage"`
	Error   json.RawMessage `json:"error"`
}

type wireChoice struct {
	Message      *wireMessage    `json:"message"`
	FinishReason json.RawMessage `json:"finish_reason"`
	Error        json.RawMessage `json:"error"`
}

type wireMessage struct {
	Content          json.RawMessage `json:"content"`
	Refusal          json.RawMessage `json:"refusal"`
	ReasoningContent json.RawMessage `json:"reasoning_content"`
	Reasoning        json.RawMessage `json:"reasoning"`
	ReasoningDetails json.RawMessage `json:"reasoning_details"`
	ThinkingBlocks   json.RawMessage `json:"thinking_blocks"`
	ToolCalls        json.RawMessage `json:"tool_calls"`
	FunctionCall     json.RawMessage `json:"function_call"`
}

// Decode implements wire.Codec.
func (e endpoint) Decode(body []byte) (model.Reply, error) {
	var reply wireReply
	if err := json.Unmarshal(body, &reply); err != nil {
		return model.Reply{}, transport.BadReply("the reply is not the JSON of a chat completion")
	}
	return e.read(reply)
}

// read reads a chat completion. It returns a *model.Error when there is no
// reply to be had from it; the text of that error is ours alone.
func (e endpoint) read(body wireReply) (model.Reply, error) {
	if len(body.Choices) == 0 {
		if failure := wire.EmbeddedError(body.Error); failure != nil {
			return model.Reply{}, failure
		}
		return model.Reply{}, transport.BadReply("the reply has no choices")
	}
	// One choice was asked for; a server that sends more is heard once.
	choice := body.Choices[0]
	if failure := wire.EmbeddedError(choice.Error); failure != nil {
		return model.Reply{}, failure
	}
	if choice.Message == nil {
		return model.Reply{}, transport.BadReply("the first choice has no message")
	}
	content, err := readContent(choice.Message.Content)
	if err != nil {
		return model.Reply{}, err
	}
	reply := model.Reply{
		Raw:          content.text,
		FinishReason: finishReason(wire.String(choice.FinishReason)),
		Usage:        readUsage(body.Usage),
		ModelID:      wire.ModelID(body.Model),
	}
	// A refusal that the provider sets apart is one whatever its words are,
	// so it is passed on as the provider's own withholding of a reply.
	if refusal := wire.String(choice.Message.Refusal) + content.refusal; refusal != "" {
		if reply.Raw == "" {
			reply.Raw = refusal
			reply.FinishReason = transcript.FinishContentFilter
		} else {
			reply.Raw += "\n\n" + refusal
		}
	}
	reply.Raw = withToolCalls(reply.Raw, choice.Message)
	reply.NativeReasoning, reply.NativeKind = readReasoning(choice.Message, content, reply.Usage, e.kind)
	return reply, nil
}

// withToolCalls appends the calls that the model asked for, in the form of
// today and in that of old.
func withToolCalls(text string, m *wireMessage) string {
	var b strings.Builder
	b.WriteString(text)
	for _, call := range append(wire.List(m.ToolCalls), m.FunctionCall) {
		fields := wire.Object(call)
		if fields == nil {
			continue
		}
		function := wire.Object(fields["function"])
		if function == nil {
			function = fields
		}
		wire.Paragraph(&b, wire.ToolCall(wire.String(function["name"]), function["arguments"]))
	}
	return b.String()
}

// finishReason maps the words in use for the end of a reply.
func finishReason(word string) transcript.FinishReason {
	switch strings.ToLower(word) {
	case "stop", "end_turn", "eos", "eos_token", "stop_sequence":
		return transcript.FinishStop
	case "length", "max_tokens", "model_length":
		return transcript.FinishLength
	case "content_filter", "safety", "refusal", "recitation", "blocklist", "prohibited_content":
		return transcript.FinishContentFilter
	case "tool_calls", "tool_use", "function_call":
		return transcript.FinishToolCalls
	default:
		return transcript.FinishUnknown
	}
}

// readUsage counts tokens; what is missing, odd or negative counts 0.
func readUsage(raw json.RawMessage) model.Usage {
	var u struct {
		Prompt     json.RawMessage `json:"prompt_tokens"`
		Completion json.RawMessage `json:"completion_tokens"`
		Details    json.RawMessage `json:"completion_tokens_details"`
		Reasoning  json.RawMessage `json:"reasoning_tokens"`
	}
	if json.Unmarshal(raw, &u) != nil {
		return model.Usage{}
	}
	var d struct {
		Reasoning json.RawMessage `json:"reasoning_tokens"`
	}
	if wire.Missing(u.Details) || json.Unmarshal(u.Details, &d) != nil || wire.Count(d.Reasoning) == 0 {
		d.Reasoning = u.Reasoning
	}
	return model.Usage{
		InputTokens:     wire.Count(u.Prompt),
		OutputTokens:    wire.Count(u.Completion),
		ReasoningTokens: wire.Count(d.Reasoning),
	}
}
