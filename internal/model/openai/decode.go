package openai

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
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
}

// decode reads a chat completion. kind is what a readable reasoning channel
// holds where the reply does not tell. It returns a *model.Error when there is
// no reply to be had from the body; the text of that error is ours alone.
func decode(body []byte, kind transcript.NativeKind) (model.Reply, error) {
	var wire wireReply
	if err := json.Unmarshal(body, &wire); err != nil {
		return model.Reply{}, transport.BadReply("the reply is not the JSON of a chat completion")
	}
	if len(wire.Choices) == 0 {
		if failure := embeddedError(wire.Error); failure != nil {
			return model.Reply{}, failure
		}
		return model.Reply{}, transport.BadReply("the reply has no choices")
	}
	// One choice was asked for; a server that sends more is heard once.
	choice := wire.Choices[0]
	if failure := embeddedError(choice.Error); failure != nil {
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
		FinishReason: finishReason(lenientString(choice.FinishReason)),
		Usage:        readUsage(wire.Usage),
		ModelID:      printable(lenientString(wire.Model)),
	}
	// A refusal that the provider sets apart is one whatever its words are,
	// so it is passed on as the provider's own withholding of a reply.
	if refusal := lenientString(choice.Message.Refusal) + content.refusal; refusal != "" {
		if reply.Raw == "" {
			reply.Raw = refusal
			reply.FinishReason = transcript.FinishContentFilter
		} else {
			reply.Raw += "\n\n" + refusal
		}
	}
	reply.NativeReasoning, reply.NativeKind = readReasoning(choice.Message, content, reply.Usage, kind)
	return reply, nil
}

// embeddedError reads an error object inside of a 2xx reply, which proxies
// send when the model behind them failed. It returns nil when there is none.
func embeddedError(raw json.RawMessage) *model.Error {
	if missing(raw) {
		return nil
	}
	var e struct {
		Code json.RawMessage `json:"code"`
	}
	status := 0
	if json.Unmarshal(raw, &e) == nil {
		status = int(lenientInt(e.Code))
	}
	if status < 400 || status > 599 {
		return &model.Error{Class: model.ClassBadReply, Message: "the reply holds an error instead of a choice"}
	}
	return &model.Error{
		Class: transport.ClassOf(status), Status: status,
		Message: "the reply holds an error from behind the server",
	}
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
	if missing(u.Details) || json.Unmarshal(u.Details, &d) != nil || lenientInt(d.Reasoning) == 0 {
		d.Reasoning = u.Reasoning
	}
	return model.Usage{
		InputTokens:     lenientInt(u.Prompt),
		OutputTokens:    lenientInt(u.Completion),
		ReasoningTokens: lenientInt(d.Reasoning),
	}
}

// maxCount bounds a token count; more than that is no count.
const maxCount = 1 << 40

// lenientInt reads a number or a string of one; anything else, and what lies
// outside of [0, maxCount], is 0.
func lenientInt(raw json.RawMessage) int64 {
	if missing(raw) {
		return 0
	}
	var f float64
	text := strings.Trim(string(raw), `"`)
	if json.Unmarshal([]byte(text), &f) != nil || !(f >= 0 && f <= maxCount) {
		return 0
	}
	return int64(f)
}

// lenientString reads a string; anything else is "".
func lenientString(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// missing reports whether a field is absent or null.
func missing(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// maxModelID is the longest model id that is kept, in bytes.
const maxModelID = 256

// printable drops what must not reach a terminal or a log and bounds the length.
func printable(id string) string {
	id = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, id)
	if len(id) <= maxModelID {
		return id
	}
	cut := maxModelID
	for !utf8.RuneStart(id[cut]) {
		cut--
	}
	return id[:cut]
}
