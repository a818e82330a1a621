package openairesponses

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// wireReply is a response. Fields that are not worth a sample are read leniently.
type wireReply struct {
	Model      json.RawMessage `json:"model"`
	Status     json.RawMessage `json:"status"`
	Error      json.RawMessage `json:"error"`
	Incomplete json.RawMessage `json:"incomplete_details"`
	Output     json.RawMessage `json:"output"`
	Usage      json.RawMessage `json:"usage"`
}

// Decode implements wire.Codec.
func (e endpoint) Decode(body []byte) (model.Reply, error) {
	var reply wireReply
	if json.Unmarshal(body, &reply) != nil {
		return model.Reply{}, transport.BadReply("the reply is not the JSON of a response")
	}
	return read(reply)
}

// read reads a response. It returns a *model.Error when there is no reply to be
// had from it; the text of that error is ours alone.
func read(body wireReply) (model.Reply, error) {
	status := wire.String(body.Status)
	if status == "failed" || !wire.Missing(body.Error) {
		return model.Reply{}, failure(body.Error)
	}
	switch status {
	case "", "completed", "incomplete":
	default: // queued, in_progress, cancelled
		return model.Reply{}, transport.BadReply("the response has not ended")
	}
	items := wire.List(body.Output)
	if items == nil {
		return model.Reply{}, transport.BadReply("the response has no output")
	}
	c := content{usage: wire.Object(body.Usage)}
	for _, item := range items {
		fields := wire.Object(item)
		if fields == nil {
			return model.Reply{}, transport.BadReply("an item of the output is no object")
		}
		c.add(fields)
	}
	reply := model.Reply{Raw: c.raw.String(), Usage: readUsage(c.usage), ModelID: wire.ModelID(body.Model)}
	reply.FinishReason = c.finish(status, wire.String(wire.Object(body.Incomplete)["reason"]))
	if reply.Usage.ReasoningTokens > 0 && !c.reasoning.Readable() {
		c.reasoning.Hide()
	}
	reply.NativeReasoning, reply.NativeKind = c.reasoning.Result()
	return reply, nil
}

// content gathers the items of an output.
type content struct {
	raw       strings.Builder
	reasoning wire.Reasoning
	usage     map[string]json.RawMessage
	// said is whether there is text that is no refusal.
	said, refused, called bool
}

func (c *content) add(item map[string]json.RawMessage) {
	switch kind := wire.String(item["type"]); {
	case kind == "message":
		for _, raw := range wire.List(item["content"]) {
			part := wire.Object(raw)
			if refusal := wire.String(part["refusal"]); refusal != "" {
				wire.Paragraph(&c.raw, refusal)
				c.refused = true
			}
			if text := wire.String(part["text"]); text != "" {
				c.raw.WriteString(text)
				c.said = true
			}
		}
	case strings.Contains(kind, "reasoning"):
		c.addReasoning(item)
	case strings.HasSuffix(kind, "_call"):
		arguments := item["arguments"]
		if wire.Missing(arguments) {
			arguments = item["input"]
		}
		if wire.Missing(arguments) {
			arguments = item["action"]
		}
		name := wire.String(item["name"])
		if name == "" {
			name = strings.TrimSuffix(kind, "_call")
		}
		wire.Paragraph(&c.raw, wire.ToolCall(name, arguments))
		c.called = true
	}
}

// addReasoning reads an item of reasoning. One that shows nothing is hidden,
// unless the count of tokens says that there was no reasoning.
func (c *content) addReasoning(item map[string]json.RawMessage) {
	shown := false
	for _, raw := range wire.List(item["content"]) {
		text := wire.String(wire.Object(raw)["text"])
		c.reasoning.Add(transcript.NativeFull, text)
		shown = shown || text != ""
	}
	for _, raw := range wire.List(item["summary"]) {
		text := wire.String(wire.Object(raw)["text"])
		c.reasoning.Add(transcript.NativeSummary, text)
		shown = shown || text != ""
	}
	tokens := wire.Object(c.usage["output_tokens_details"])["reasoning_tokens"]
	if wire.String(item["encrypted_content"]) != "" || (!shown && string(tokens) != "0") {
		c.reasoning.Hide()
	}
}

// finish says why the model stopped.
func (c *content) finish(status, reason string) transcript.FinishReason {
	switch {
	case reason == "max_output_tokens":
		return transcript.FinishLength
	case reason == "content_filter", c.refused && !c.said:
		return transcript.FinishContentFilter
	case status == "incomplete":
		return transcript.FinishUnknown
	case c.called:
		return transcript.FinishToolCalls
	case status == "completed":
		return transcript.FinishStop
	default:
		return transcript.FinishUnknown
	}
}

func readUsage(u map[string]json.RawMessage) model.Usage {
	return model.Usage{
		InputTokens:     wire.Count(u["input_tokens"]),
		OutputTokens:    wire.Count(u["output_tokens"]),
		ReasoningTokens: wire.Count(wire.Object(u["output_tokens_details"])["reasoning_tokens"]),
	}
}

// statuses are what the codes of failed responses would have been as statuses.
var statuses = map[string]int{
	"server_error":        http.StatusInternalServerError,
	"rate_limit_exceeded": http.StatusTooManyRequests,
	"invalid_prompt":      http.StatusBadRequest,
	"insufficient_quota":  http.StatusPaymentRequired,
}

// failure is what the error of a failed response stands for. Codes that are not
// known are taken for the server's fault, which is tried again.
func failure(raw json.RawMessage) *model.Error {
	code := wire.Object(raw)["code"]
	if status, ok := statuses[wire.String(code)]; ok {
		return wire.Failure(status)
	}
	if n := int(wire.Count(code)); n != 0 {
		return wire.Failure(n)
	}
	return wire.Failure(http.StatusInternalServerError)
}

// DecodeStream implements wire.Codec. The last event holds the whole response; where
// a server leaves the items out of it, those count that were done before.
func (e endpoint) DecodeStream(body []byte) (model.Reply, error) {
	var done []json.RawMessage
	for event := range wire.Events(body) {
		var ev struct {
			Type     json.RawMessage `json:"type"`
			Code     json.RawMessage `json:"code"`
			Error    json.RawMessage `json:"error"`
			Item     json.RawMessage `json:"item"`
			Response *wireReply      `json:"response"`
		}
		if wire.Done(event.Data) {
			break
		}
		if json.Unmarshal(event.Data, &ev) != nil {
			return model.Reply{}, transport.Cut()
		}
		switch wire.String(ev.Type) {
		case "response.output_item.done":
			if !wire.Missing(ev.Item) {
				done = append(done, ev.Item)
			}
		case "response.completed", "response.incomplete", "response.failed":
			if ev.Response == nil {
				continue
			}
			if len(wire.List(ev.Response.Output)) == 0 && len(done) > 0 {
				ev.Response.Output, _ = json.Marshal(done) //nolint:errchkjson // read as JSON before
			}
			return read(*ev.Response)
		case "error":
			if !wire.Missing(ev.Error) {
				return model.Reply{}, failure(ev.Error)
			}
			return model.Reply{}, failure(event.Data)
		}
	}
	return model.Reply{}, transport.Cut()
}
