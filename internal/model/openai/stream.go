package openai

import (
	"encoding/json"
	"strings"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
)

// wireChunk is one event of a streamed chat completion.
type wireChunk struct {
	Model   json.RawMessage `json:"model"`
	Choices []struct {
		Index        json.RawMessage `json:"index"`
		Delta        *wireMessage    `json:"delta"`
		FinishReason json.RawMessage `json:"finish_reason"`
		Error        json.RawMessage `json:"error"`
	} `json:"choices"`
	Usage json.RawMessage `json:"usage"`
	Error json.RawMessage `json:"error"`
}

// DecodeStream implements wire.Codec: it puts the pieces together and reads
// them as a whole reply. Only [DONE] is the end: the counts come after the finish
// reason, and without them reasoning that is not shown would look like none.
func (e endpoint) DecodeStream(body []byte) (model.Reply, error) {
	var (
		whole wireReply
		parts pieces
		ended bool
	)
	for event := range wire.Events(body) {
		if wire.Done(event.Data) {
			ended = true
			break
		}
		var chunk wireChunk
		if json.Unmarshal(event.Data, &chunk) != nil {
			return model.Reply{}, transport.Cut()
		}
		if failure := wire.EmbeddedError(chunk.Error); failure != nil {
			return model.Reply{}, failure
		}
		if !wire.Missing(chunk.Model) {
			whole.Model = chunk.Model
		}
		if !wire.Missing(chunk.Usage) {
			whole.Usage = chunk.Usage
		}
		for _, choice := range chunk.Choices {
			if failure := wire.EmbeddedError(choice.Error); failure != nil {
				return model.Reply{}, failure
			}
			if wire.Count(choice.Index) != 0 {
				continue // one choice was asked for
			}
			if choice.Delta != nil {
				if err := parts.add(choice.Delta); err != nil {
					return model.Reply{}, err
				}
			}
			if !wire.Missing(choice.FinishReason) {
				parts.finish = choice.FinishReason
			}
		}
	}
	if !ended {
		return model.Reply{}, transport.Cut()
	}
	message, err := parts.message()
	if err != nil {
		return model.Reply{}, err
	}
	whole.Choices = []wireChoice{{Message: message, FinishReason: parts.finish}}
	return e.read(whole)
}

// pieces gathers the deltas of a message.
type pieces struct {
	text, refusal, reasoningContent, reasoning, thinking strings.Builder

	details []json.RawMessage
	blocks  []json.RawMessage
	calls   []*streamedCall
	finish  json.RawMessage
}

// streamedCall is a tool call whose arguments come in pieces.
type streamedCall struct {
	index           int64
	name, arguments strings.Builder
}

func (p *pieces) add(delta *wireMessage) error {
	content, err := readContent(delta.Content)
	if err != nil {
		return err
	}
	p.text.WriteString(content.text)
	p.refusal.WriteString(content.refusal)
	p.thinking.WriteString(content.reasoning)
	p.refusal.WriteString(wire.String(delta.Refusal))
	p.reasoningContent.WriteString(readText(delta.ReasoningContent))
	p.reasoning.WriteString(readText(delta.Reasoning))
	p.details = append(p.details, wire.List(delta.ReasoningDetails)...)
	p.blocks = append(p.blocks, wire.List(delta.ThinkingBlocks)...)
	for _, raw := range wire.List(delta.ToolCalls) {
		fields := wire.Object(raw)
		p.call(wire.Count(fields["index"]), wire.Object(fields["function"]))
	}
	if function := wire.Object(delta.FunctionCall); function != nil {
		p.call(-1, function)
	}
	return nil
}

func (p *pieces) call(index int64, function map[string]json.RawMessage) {
	var c *streamedCall
	for _, known := range p.calls {
		if known.index == index {
			c = known
		}
	}
	if c == nil {
		c = &streamedCall{index: index}
		p.calls = append(p.calls, c)
	}
	c.name.WriteString(wire.String(function["name"]))
	c.arguments.WriteString(wire.String(function["arguments"]))
}

// message writes what was gathered in the form of a reply that came whole.
func (p *pieces) message() (*wireMessage, error) {
	type function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	}
	type call struct {
		Function function `json:"function"`
	}
	calls := make([]call, len(p.calls))
	for i, c := range p.calls {
		calls[i] = call{function{c.name.String(), c.arguments.String()}}
	}
	reasoning := p.reasoning.String()
	if p.thinking.Len() > 0 && p.reasoningContent.Len() == 0 && reasoning == "" {
		reasoning = p.thinking.String()
	}
	m := &wireMessage{}
	for _, field := range []struct {
		to   *json.RawMessage
		from any
	}{
		{&m.Content, p.text.String()},
		{&m.Refusal, p.refusal.String()},
		{&m.ReasoningContent, p.reasoningContent.String()},
		{&m.Reasoning, reasoning},
		{&m.ReasoningDetails, mergeDetails(p.details)},
		{&m.ThinkingBlocks, mergeDetails(p.blocks)},
		{&m.ToolCalls, calls},
	} {
		raw, err := json.Marshal(field.from)
		if err != nil {
			return nil, transport.BadReply("the pieces of the reply cannot be put together")
		}
		*field.to = raw
	}
	return m, nil
}

// detail is an item of reasoning_details or thinking_blocks that was put together.
type detail struct {
	Type      string `json:"type"`
	Text      string `json:"text,omitempty"`
	Thinking  string `json:"thinking,omitempty"`
	Summary   string `json:"summary,omitempty"`
	Signature string `json:"signature,omitempty"`
}

// mergeDetails joins what follows in pieces of one type: a text that comes in
// pieces must not be read as paragraphs.
func mergeDetails(items []json.RawMessage) []detail {
	var merged []detail
	for _, item := range items {
		fields := wire.Object(item)
		d := detail{
			Type: wire.String(fields["type"]), Text: wire.String(fields["text"]), Thinking: wire.String(fields["thinking"]),
			Summary: wire.String(fields["summary"]), Signature: wire.String(fields["signature"]),
		}
		// A signature ends a text.
		if n := len(merged); n > 0 && merged[n-1].Type == d.Type && merged[n-1].Signature == "" {
			merged[n-1].Text += d.Text
			merged[n-1].Thinking += d.Thinking
			merged[n-1].Summary += d.Summary
			merged[n-1].Signature = d.Signature
			continue
		}
		merged = append(merged, d)
	}
	return merged
}
