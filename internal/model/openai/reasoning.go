package openai

import (
	"encoding/json"
	"strings"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// content is what the content field holds, by the kinds of its parts.
type content struct {
	text, refusal, reasoning string
}

// wirePart is one part of a content or reasoning list.
type wirePart struct {
	Type      string          `json:"type"`
	Text      json.RawMessage `json:"text"`
	Refusal   json.RawMessage `json:"refusal"`
	Thinking  json.RawMessage `json:"thinking"`
	Reasoning json.RawMessage `json:"reasoning"`
	Summary   json.RawMessage `json:"summary"`
	Signature json.RawMessage `json:"signature"`
}

// readContent reads a content field: absent, null, a string, or a list of
// parts. Parts of a kind that holds no text, such as images, are skipped.
func readContent(raw json.RawMessage) (content, error) {
	if wire.Missing(raw) {
		return content{}, nil
	}
	if raw[0] == '"' {
		return content{text: wire.String(raw)}, nil
	}
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return content{}, transport.BadReply("the content is neither a string nor a list")
	}
	var c struct{ text, refusal, reasoning strings.Builder }
	for _, rawPart := range parts {
		if s := wire.String(rawPart); s != "" {
			c.text.WriteString(s)
			continue
		}
		var part wirePart
		if json.Unmarshal(rawPart, &part) != nil {
			return content{}, transport.BadReply("a part of the content is neither a string nor an object")
		}
		switch part.Type {
		case "text", "output_text", "":
			c.text.WriteString(wire.String(part.Text))
		case "refusal":
			c.refusal.WriteString(wire.String(part.Refusal))
		case "thinking", "reasoning":
			wire.Paragraph(&c.reasoning, readText(part.Thinking)+readText(part.Reasoning)+readText(part.Text))
		}
	}
	return content{text: c.text.String(), refusal: c.refusal.String(), reasoning: c.reasoning.String()}, nil
}

// readText reads a text given as a string, as an object with a text or
// content, or as a list of those, one level deep.
func readText(raw json.RawMessage) string {
	if wire.Missing(raw) {
		return ""
	}
	if s := wire.String(raw); s != "" {
		return s
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	var b strings.Builder
	for _, item := range list {
		if s := wire.String(item); s != "" {
			b.WriteString(s)
			continue
		}
		var object struct {
			Text    json.RawMessage `json:"text"`
			Content json.RawMessage `json:"content"`
		}
		if json.Unmarshal(item, &object) == nil {
			b.WriteString(wire.String(object.Text))
			b.WriteString(wire.String(object.Content))
		}
	}
	return b.String()
}

// details is what a reasoning_details list holds (OpenRouter's form), or one of
// thinking_blocks (LiteLLM's).
type details struct {
	text, summary string
	// hidden says that there is reasoning of which an item shows nothing.
	hidden bool
}

func readDetails(raw json.RawMessage) details {
	var parts []json.RawMessage
	if wire.Missing(raw) || json.Unmarshal(raw, &parts) != nil {
		return details{}
	}
	var d details
	var text, summary strings.Builder
	for _, rawPart := range parts {
		var part wirePart
		if json.Unmarshal(rawPart, &part) != nil {
			continue
		}
		switch part.Type {
		case "reasoning.text", "thinking":
			s := wire.String(part.Text) + wire.String(part.Thinking)
			wire.Paragraph(&text, s)
			// A signature without a text stands for one that is left out.
			d.hidden = d.hidden || (strings.TrimSpace(s) == "" && wire.String(part.Signature) != "")
		case "reasoning.summary":
			wire.Paragraph(&summary, wire.String(part.Summary))
		case "reasoning.server_tool_call":
		default: // encrypted, redacted, and what is to come
			d.hidden = true
		}
	}
	d.text, d.summary = text.String(), summary.String()
	return d
}

// readReasoning returns the reasoning channel and what it holds; see
// wire.Reasoning. The fields are in use side by side for one text, so the first
// one counts. Tokens of reasoning beside no text mean that it is not shown.
func readReasoning(
	m *wireMessage, c content, usage model.Usage, kind transcript.NativeKind,
) (string, transcript.NativeKind) {
	d, blocks := readDetails(m.ReasoningDetails), readDetails(m.ThinkingBlocks)
	text := c.reasoning
	for _, candidate := range []string{readText(m.ReasoningContent), readText(m.Reasoning), d.text, d.summary, blocks.text} {
		if text != "" {
			break
		}
		text = candidate
	}
	if d.summary != "" {
		kind = transcript.NativeSummary
	}
	var r wire.Reasoning
	r.Add(kind, text)
	if d.hidden || blocks.hidden || (usage.ReasoningTokens > 0 && !r.Readable()) {
		r.Hide()
	}
	return r.Result()
}
