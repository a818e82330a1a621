package completion

import (
	"encoding/json"
	"strings"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// wireReply is a completion of either endpoint, or one event of a streamed one.
// Fields that are not worth a sample are read leniently.
type wireReply struct {
	Model   json.RawMessage `json:"model"`
	Choices json.RawMessage `json:"choices"`
	Usage   json.RawMessage `json:"usage"`
	Error   json.RawMessage `json:"error"`

	// llama.cpp's.
	Content         json.RawMessage `json:"content"`
	Stop            json.RawMessage `json:"stop"`
	StopType        json.RawMessage `json:"stop_type"`
	StoppedLimit    json.RawMessage `json:"stopped_limit"`
	StoppedEOS      json.RawMessage `json:"stopped_eos"`
	StoppedWord     json.RawMessage `json:"stopped_word"`
	Truncated       json.RawMessage `json:"truncated"`
	TokensEvaluated json.RawMessage `json:"tokens_evaluated"`
	TokensPredicted json.RawMessage `json:"tokens_predicted"`
}

// text gathers the pieces of a reply.
type text struct {
	raw   strings.Builder
	reply model.Reply
	// ended is whether the server said why it stopped, and streamed whether it
	// speaks in pieces.
	ended, streamed bool
}

// Decode implements wire.Codec.
func (e endpoint) Decode(body []byte) (model.Reply, error) {
	var reply wireReply
	if json.Unmarshal(body, &reply) != nil {
		return model.Reply{}, transport.BadReply("the reply is not the JSON of a completion")
	}
	t := text{reply: model.Reply{FinishReason: transcript.FinishUnknown}}
	if err := t.add(reply, e.api); err != nil {
		return model.Reply{}, err
	}
	return t.whole(), nil
}

// DecodeStream implements wire.Codec.
func (e endpoint) DecodeStream(body []byte) (model.Reply, error) {
	t := text{reply: model.Reply{FinishReason: transcript.FinishUnknown}, streamed: true}
	for event := range wire.Events(body) {
		if wire.Done(event.Data) {
			t.ended = true
			break
		}
		var reply wireReply
		if json.Unmarshal(event.Data, &reply) != nil {
			return model.Reply{}, transport.Cut()
		}
		if len(wire.List(reply.Choices)) == 0 && !wire.Missing(reply.Usage) {
			t.reply.Usage = usage(reply) // the last event has the counts alone
			continue
		}
		if err := t.add(reply, e.api); err != nil {
			return model.Reply{}, err
		}
	}
	if !t.ended {
		return model.Reply{}, transport.Cut()
	}
	return t.whole(), nil
}

func (t *text) whole() model.Reply {
	t.reply.Raw = t.raw.String()
	return t.reply
}

// add reads a completion, or the next piece of one. It returns a *model.Error
// when it holds none; the text of that error is ours alone.
func (t *text) add(body wireReply, api API) error {
	if failure := wire.EmbeddedError(body.Error); failure != nil {
		return failure
	}
	if id := wire.ModelID(body.Model); id != "" {
		t.reply.ModelID = id
	}
	if u := usage(body); u != (model.Usage{}) {
		t.reply.Usage = u
	}
	if api == APILlamaCpp {
		return t.addLlamaCpp(body)
	}
	choices := wire.List(body.Choices)
	if len(choices) == 0 {
		return transport.BadReply("the reply has no choices")
	}
	// One choice was asked for; a server that sends more is heard once.
	choice := wire.Object(choices[0])
	for _, raw := range choices {
		if c := wire.Object(raw); wire.Count(c["index"]) == 0 {
			choice = c
			break
		}
	}
	if t.streamed && wire.Count(choice["index"]) != 0 {
		return nil
	}
	if wire.Missing(choice["text"]) || choice["text"][0] != '"' {
		return transport.BadReply("the first choice has no text")
	}
	t.raw.WriteString(wire.String(choice["text"]))
	if reason := wire.String(choice["finish_reason"]); reason != "" {
		t.reply.FinishReason, t.ended = finishReason(reason), true
	}
	return nil
}

func (t *text) addLlamaCpp(body wireReply) error {
	if wire.Missing(body.Content) || body.Content[0] != '"' {
		return transport.BadReply("the reply has no content")
	}
	t.raw.WriteString(wire.String(body.Content))
	t.ended = wire.Bool(body.Stop)
	switch kind := wire.String(body.StopType); {
	case kind == "limit", wire.Bool(body.StoppedLimit), wire.Bool(body.Truncated):
		t.reply.FinishReason = transcript.FinishLength
	case kind == "eos", kind == "word", wire.Bool(body.StoppedEOS), wire.Bool(body.StoppedWord):
		t.reply.FinishReason = transcript.FinishStop
	}
	return nil
}

// finishReason maps the words in use.
func finishReason(word string) transcript.FinishReason {
	switch strings.ToLower(word) {
	case "stop", "eos", "eos_token", "stop_sequence":
		return transcript.FinishStop
	case "length", "max_tokens":
		return transcript.FinishLength
	case "content_filter":
		return transcript.FinishContentFilter
	default:
		return transcript.FinishUnknown
	}
}

func usage(body wireReply) model.Usage {
	u := wire.Object(body.Usage)
	return model.Usage{
		InputTokens:  wire.Count(u["prompt_tokens"]) + wire.Count(body.TokensEvaluated),
		OutputTokens: wire.Count(u["completion_tokens"]) + wire.Count(body.TokensPredicted),
	}
}
