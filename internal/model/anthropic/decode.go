package anthropic

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// wireReply is a message.
type wireReply struct {
	Model      json.RawMessage `json:"model"`
	Content    json.RawMessage `json:"content"`
	StopReason json.RawMessage `json:"stop_reason"`
	Usage      json.RawMessage `json:"usage"`
	Error      json.RawMessage `json:"error"`
}

// block is one block of a message's content. Odd fields are read leniently.
type block struct {
	kind, text, thinking, name string
	input                      json.RawMessage
}

// Decode implements wire.Codec.
func (e endpoint) Decode(body []byte) (model.Reply, error) {
	var reply wireReply
	if json.Unmarshal(body, &reply) != nil {
		return model.Reply{}, transport.BadReply("the reply is not the JSON of a message")
	}
	if !wire.Missing(reply.Error) {
		return model.Reply{}, failure(reply.Error)
	}
	items := wire.List(reply.Content)
	if items == nil {
		return model.Reply{}, transport.BadReply("the reply has no content")
	}
	blocks := make([]block, 0, len(items))
	for _, item := range items {
		fields := wire.Object(item)
		if fields == nil {
			return model.Reply{}, transport.BadReply("a block of the content is no object")
		}
		blocks = append(blocks, readBlock(fields))
	}
	return e.read(blocks, reply), nil
}

func readBlock(fields map[string]json.RawMessage) block {
	return block{
		kind: wire.String(fields["type"]), text: wire.String(fields["text"]), thinking: wire.String(fields["thinking"]),
		name: wire.String(fields["name"]), input: fields["input"],
	}
}

// read puts a reply together.
func (e endpoint) read(blocks []block, rest wireReply) model.Reply {
	reply := model.Reply{
		FinishReason: finishReason(wire.String(rest.StopReason)), Usage: usage(rest.Usage), ModelID: wire.ModelID(rest.Model),
	}
	var raw strings.Builder
	var reasoning wire.Reasoning
	for _, b := range blocks {
		switch b.kind {
		case "thinking":
			if strings.TrimSpace(b.thinking) == "" {
				reasoning.Hide() // the text is left out, and only its signature sent
			}
			reasoning.Add(e.kind, b.thinking)
		case "redacted_thinking":
			reasoning.Hide()
		case "tool_use", "server_tool_use", "mcp_tool_use":
			wire.Paragraph(&raw, wire.ToolCall(b.name, b.input))
		default: // text, and what is to come
			if strings.Contains(b.kind, "thinking") {
				reasoning.Hide()
			}
			raw.WriteString(b.text)
		}
	}
	if reply.Usage.ReasoningTokens > 0 && !reasoning.Readable() {
		reasoning.Hide()
	}
	reply.Raw = raw.String()
	reply.NativeReasoning, reply.NativeKind = reasoning.Result()
	return reply
}

// finishReason maps the provider's words. A turn that was paused, or that
// filled the context window, is not whole.
func finishReason(word string) transcript.FinishReason {
	switch word {
	case "end_turn", "stop_sequence":
		return transcript.FinishStop
	case "max_tokens", "model_context_window_exceeded", "pause_turn":
		return transcript.FinishLength
	case "refusal":
		return transcript.FinishContentFilter
	case "tool_use":
		return transcript.FinishToolCalls
	default:
		return transcript.FinishUnknown
	}
}

// usage counts tokens. The provider counts those from and to its cache apart.
func usage(raw json.RawMessage) model.Usage {
	u := wire.Object(raw)
	return model.Usage{
		InputTokens: wire.Count(u["input_tokens"]) + wire.Count(u["cache_creation_input_tokens"]) +
			wire.Count(u["cache_read_input_tokens"]),
		OutputTokens:    wire.Count(u["output_tokens"]),
		ReasoningTokens: wire.Count(wire.Object(u["output_tokens_details"])["thinking_tokens"]),
	}
}

// statuses are those that the types of errors come with; in a stream there is
// no other.
var statuses = map[string]int{
	"invalid_request_error": http.StatusBadRequest,
	"authentication_error":  http.StatusUnauthorized,
	"billing_error":         http.StatusPaymentRequired,
	"permission_error":      http.StatusForbidden,
	"not_found_error":       http.StatusNotFound,
	"request_too_large":     http.StatusRequestEntityTooLarge,
	"rate_limit_error":      http.StatusTooManyRequests,
	"api_error":             http.StatusInternalServerError,
	"timeout_error":         http.StatusGatewayTimeout,
	"overloaded_error":      statusOverloaded,
}

// statusOverloaded is the provider's own.
const statusOverloaded = 529

// failure is what an error inside of a reply stands for.
func failure(raw json.RawMessage) *model.Error {
	return wire.Failure(statuses[wire.String(wire.Object(raw)["type"])])
}

// Explain implements wire.Explainer: an account without credit answers like a
// request that is wrong, but every further one would fail alike.
func (e endpoint) Explain(status int, body []byte) transport.Explanation {
	if status == http.StatusBadRequest && bytes.Contains(body, []byte("credit balance is too low")) {
		return transport.Explanation{Class: model.ClassAuth, Code: "credit_balance_too_low"}
	}
	return transport.Explanation{}
}
