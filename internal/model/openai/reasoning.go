package openai

import (
	"encoding/json"
	"strings"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
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
}

// readContent reads a content field: absent, null, a string, or a list of
// parts. Parts of a kind that holds no text, such as images, are skipped.
func readContent(raw json.RawMessage) (content, error) {
	if missing(raw) {
		return content{}, nil
	}
	if raw[0] == '"' {
		return content{text: lenientString(raw)}, nil
	}
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return content{}, transport.BadReply("the content is neither a string nor a list")
	}
	var c struct{ text, refusal, reasoning strings.Builder }
	for _, rawPart := range parts {
		if s := lenientString(rawPart); s != "" {
			c.text.WriteString(s)
			continue
		}
		var part wirePart
		if json.Unmarshal(rawPart, &part) != nil {
			return content{}, transport.BadReply("a part of the content is neither a string nor an object")
		}
		switch part.Type {
		case "text", "output_text", "":
			c.text.WriteString(lenientString(part.Text))
		case "refusal":
			c.refusal.WriteString(lenientString(part.Refusal))
		case "thinking", "reasoning":
			appendParagraph(&c.reasoning, readText(part.Thinking)+readText(part.Reasoning)+readText(part.Text))
		}
	}
	return content{text: c.text.String(), refusal: c.refusal.String(), reasoning: c.reasoning.String()}, nil
}

// readText reads a text given as a string, as an object with a text or
// content, or as a list of those, one level deep.
func readText(raw json.RawMessage) string {
	if missing(raw) {
		return ""
	}
	if s := lenientString(raw); s != "" {
		return s
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	var b strings.Builder
	for _, item := range list {
		if s := lenientString(item); s != "" {
			b.WriteString(s)
			continue
		}
		var object struct {
			Text    json.RawMessage `json:"text"`
			Content json.RawMessage `json:"content"`
		}
		if json.Unmarshal(item, &object) == nil {
			b.WriteString(lenientString(object.Text))
			b.WriteString(lenientString(object.Content))
		}
	}
	return b.String()
}

// details is what a reasoning_details list holds (OpenRouter's form).
type details struct {
	text, summary string
	encrypted     bool
}

func readDetails(raw json.RawMessage) details {
	var parts []json.RawMessage
	if missing(raw) || json.Unmarshal(raw, &parts) != nil {
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
		case "reasoning.text":
			appendParagraph(&text, lenientString(part.Text))
		case "reasoning.summary":
			appendParagraph(&summary, lenientString(part.Summary))
		case "reasoning.encrypted":
			d.encrypted = true
		}
	}
	d.text, d.summary = text.String(), summary.String()
	return d
}

func appendParagraph(b *strings.Builder, s string) {
	if s == "" {
		return
	}
	if b.Len() > 0 {
		b.WriteString("\n\n")
	}
	b.WriteString(s)
}

// readReasoning returns the reasoning channel and what it holds.
//
// Readable text is never given up for an encrypted block beside it. But where
// a part is summarised or encrypted, the rest is not the whole reasoning, so
// it counts as a summary: its silence proves nothing. Where nothing can be
// read, and the details or the token count say that the model did reason, the
// channel is redacted.
func readReasoning(
	m *wireMessage, c content, usage model.Usage, kind transcript.NativeKind,
) (string, transcript.NativeKind) {
	d := readDetails(m.ReasoningDetails)
	text := c.reasoning
	for _, candidate := range []string{readText(m.ReasoningContent), readText(m.Reasoning), d.text, d.summary} {
		if text != "" {
			break
		}
		text = candidate
	}
	switch {
	case text != "" && (d.encrypted || d.summary != ""):
		return text, transcript.NativeSummary
	case text != "":
		return text, kind
	case d.encrypted || usage.ReasoningTokens > 0:
		return "", transcript.NativeRedacted
	default:
		return "", transcript.NativeNone
	}
}
