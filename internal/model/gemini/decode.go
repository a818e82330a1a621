package gemini

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// wireReply is a response, or one event of a streamed one. Fields that are not
// worth a sample are read leniently.
type wireReply struct {
	Candidates     json.RawMessage `json:"candidates"`
	PromptFeedback json.RawMessage `json:"promptFeedback"`
	UsageMetadata  json.RawMessage `json:"usageMetadata"`
	ModelVersion   json.RawMessage `json:"modelVersion"`
	Error          json.RawMessage `json:"error"`
}

// Decode implements wire.Codec.
func (e endpoint) Decode(body []byte) (model.Reply, error) {
	var c content
	if err := c.add(body); err != nil {
		return model.Reply{}, err
	}
	return c.reply()
}

// DecodeStream implements wire.Codec: every event is a response with the next
// parts, and the last one says why it is the last.
func (e endpoint) DecodeStream(body []byte) (model.Reply, error) {
	var c content
	for event := range wire.Events(body) {
		if !json.Valid(event.Data) {
			return model.Reply{}, transport.Cut()
		}
		if err := c.add(event.Data); err != nil {
			return model.Reply{}, err
		}
	}
	if c.reason == "" && !c.blocked {
		return model.Reply{}, transport.Cut()
	}
	return c.reply()
}

// content gathers what one response, or the events of one, hold.
type content struct {
	raw strings.Builder
	// thoughts is the summary, whose pieces in a stream make one text.
	thoughts       strings.Builder
	hidden, called bool
	// candidate is whether there was one; blocked, whether the prompt was.
	candidate, blocked bool
	reason, message    string
	usage              model.Usage
	modelID            string
}

func (c *content) add(body []byte) error {
	var chunk wireReply
	if json.Unmarshal(body, &chunk) != nil {
		return transport.BadReply("the reply is not the JSON of generated content")
	}
	if failure := wire.EmbeddedError(chunk.Error); failure != nil {
		return failure
	}
	if id := wire.ModelID(chunk.ModelVersion); id != "" {
		c.modelID = id
	}
	if !wire.Missing(chunk.UsageMetadata) {
		c.usage = usage(wire.Object(chunk.UsageMetadata))
	}
	if reason := wire.String(wire.Object(chunk.PromptFeedback)["blockReason"]); reason != "" {
		c.blocked = true
	}
	// One candidate was asked for; a server that sends more is heard once.
	var candidate map[string]json.RawMessage
	for _, raw := range wire.List(chunk.Candidates) {
		fields := wire.Object(raw)
		if fields == nil {
			return transport.BadReply("the candidate is no object")
		}
		if wire.Count(fields["index"]) == 0 {
			candidate = fields
			break
		}
	}
	if candidate == nil {
		return nil
	}
	c.candidate = true
	if reason := wire.String(candidate["finishReason"]); reason != "" {
		c.reason, c.message = reason, wire.String(candidate["finishMessage"])
	}
	for _, raw := range wire.List(wire.Object(candidate["content"])["parts"]) {
		part := wire.Object(raw)
		if part == nil {
			return transport.BadReply("a part of the content is no object")
		}
		c.part(part)
	}
	return nil
}

func (c *content) part(part map[string]json.RawMessage) {
	text := wire.String(part["text"])
	if wire.String(part["thoughtSignature"]) != "" {
		c.hidden = true // it stands for thoughts, whether any are shown or not
	}
	if wire.Bool(part["thought"]) {
		c.hidden = true
		c.thoughts.WriteString(text)
		return
	}
	c.raw.WriteString(text)
	if call := wire.Object(part["functionCall"]); call != nil {
		wire.Paragraph(&c.raw, wire.ToolCall(wire.String(call["name"]), call["args"]))
		c.called = true
	}
	if code := part["executableCode"]; !wire.Missing(code) {
		wire.Paragraph(&c.raw, wire.ToolCall("executable_code", code))
	}
}

func (c *content) reply() (model.Reply, error) {
	if !c.candidate && !c.blocked {
		return model.Reply{}, transport.BadReply("the reply has neither a candidate nor a reason for none")
	}
	reply := model.Reply{Usage: c.usage, ModelID: c.modelID, FinishReason: finishReason(c.reason)}
	switch {
	case !c.candidate, c.blocked && c.reason == "":
		reply.FinishReason = transcript.FinishContentFilter
	case reply.FinishReason == transcript.FinishStop && c.called:
		reply.FinishReason = transcript.FinishToolCalls
	case reply.FinishReason == transcript.FinishToolCalls && !c.called && c.message != "":
		// The call that the model wrote is nowhere else.
		message, _ := json.Marshal(c.message) //nolint:errchkjson // a string
		wire.Paragraph(&c.raw, wire.ToolCall("malformed_function_call", message))
	}
	reply.Raw = c.raw.String()
	var reasoning wire.Reasoning
	reasoning.Add(transcript.NativeSummary, c.thoughts.String())
	if c.hidden || c.usage.ReasoningTokens > 0 {
		reasoning.Hide()
	}
	reply.NativeReasoning, reply.NativeKind = reasoning.Result()
	return reply, nil
}

// finishReason maps the provider's words.
func finishReason(word string) transcript.FinishReason {
	switch word {
	case "STOP":
		return transcript.FinishStop
	case "MAX_TOKENS":
		return transcript.FinishLength
	case "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "LANGUAGE",
		"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION":
		return transcript.FinishContentFilter
	case "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS":
		return transcript.FinishToolCalls
	default:
		return transcript.FinishUnknown
	}
}

// usage counts tokens. The provider counts thoughts apart from the candidate;
// here as elsewhere they are a part of the output.
func usage(u map[string]json.RawMessage) model.Usage {
	thoughts := wire.Count(u["thoughtsTokenCount"])
	return model.Usage{
		InputTokens:     wire.Count(u["promptTokenCount"]) + wire.Count(u["toolUsePromptTokenCount"]),
		OutputTokens:    wire.Count(u["candidatesTokenCount"]) + thoughts,
		ReasoningTokens: thoughts,
	}
}

// Explain implements wire.Explainer: it reads errors in the form of google.rpc,
// whose details say how long to wait and, of a request that is called invalid,
// that the key is.
func (e endpoint) Explain(status int, body []byte) transport.Explanation {
	var wrapped struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &wrapped) != nil {
		return transport.Explanation{}
	}
	fields := wire.Object(wrapped.Error)
	code := wire.String(fields["status"])
	out := transport.Explanation{Code: strings.ToLower(code)}
	if status == http.StatusBadRequest && code == "FAILED_PRECONDITION" {
		out.Class = model.ClassAuth // no billing, or not served where we are: so will all others be
	}
	for _, raw := range wire.List(fields["details"]) {
		detail := wire.Object(raw)
		switch kind := wire.String(detail["@type"]); {
		case strings.HasSuffix(kind, "/google.rpc.RetryInfo"):
			if d, err := time.ParseDuration(wire.String(detail["retryDelay"])); err == nil {
				out.RetryAfter = d
			}
		case strings.HasSuffix(kind, "/google.rpc.ErrorInfo"):
			if reason := wire.String(detail["reason"]); strings.HasPrefix(reason, "API_KEY_") {
				out.Class, out.Code = model.ClassAuth, strings.ToLower(reason)
			}
		}
	}
	return out
}
