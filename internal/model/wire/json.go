package wire

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/transport"
)

// Missing reports whether a field is absent or null.
func Missing(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// String reads a string; anything else is "". Fields that are not worth a
// sample are read this way, because an odd one must not cost it.
func String(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// maxCount bounds a token count; more than that is no count.
const maxCount = 1 << 40

// Count reads a number or a string of one; anything else, and what lies outside
// of [0, 2^40], is 0.
func Count(raw json.RawMessage) int64 {
	if Missing(raw) {
		return 0
	}
	var f float64
	text := strings.Trim(string(raw), `"`)
	if json.Unmarshal([]byte(text), &f) != nil || !(f >= 0 && f <= maxCount) {
		return 0
	}
	return int64(f)
}

// Bool reads true; anything else is false.
func Bool(raw json.RawMessage) bool { return string(raw) == "true" }

// Object reads the fields of an object; anything else is none.
func Object(raw json.RawMessage) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &fields) != nil {
		return nil
	}
	return fields
}

// List reads the items of a list; anything else is none.
func List(raw json.RawMessage) []json.RawMessage {
	var items []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		return nil
	}
	return items
}

// MaxModelID is the longest model id that is kept, in bytes.
const MaxModelID = 256

// ModelID reads a model's id, drops what must not reach a terminal or a log, and
// bounds its length.
func ModelID(raw json.RawMessage) string {
	id := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, String(raw))
	if len(id) <= MaxModelID {
		return id
	}
	cut := MaxModelID
	for !utf8.RuneStart(id[cut]) {
		cut--
	}
	return id[:cut]
}

// Paragraph appends a text after an empty line, or nothing if it is empty.
func Paragraph(b *strings.Builder, s string) {
	if s == "" {
		return
	}
	if b.Len() > 0 {
		b.WriteString("\n\n")
	}
	b.WriteString(s)
}

// ToolCall writes a call that the model asked for as the text that stands for
// it: one JSON object between <tool_call> tags, the form in which open models
// write it themselves. arguments is the call's input: JSON, or a string that
// should hold JSON, and is kept as a string where it does not. The brackets of
// tags inside are escaped as JSON allows, so that arguments cannot pass for a
// scratchpad.
func ToolCall(name string, arguments json.RawMessage) string {
	if s := String(arguments); s != "" && json.Valid([]byte(s)) {
		arguments = json.RawMessage(s)
	}
	if len(arguments) == 0 || !json.Valid(arguments) {
		arguments = json.RawMessage("null")
	}
	call, err := json.Marshal(struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}{name, arguments})
	if err != nil { // both are valid by now, but nesting may be beyond the encoder
		call = []byte(`{"name":"","arguments":null}`)
	}
	return "<tool_call>\n" + strings.ToValidUTF8(string(call), "\uFFFD") + "\n</tool_call>"
}

// EmbeddedError returns the failure that an error object inside of a 2xx reply
// tells of, with the status that its code names, or nil if raw is missing.
// Proxies send one when the model behind them failed.
func EmbeddedError(raw json.RawMessage) *model.Error {
	if Missing(raw) {
		return nil
	}
	return Failure(int(Count(Object(raw)["code"])))
}

// Failure is a failure inside of a 2xx reply, with the HTTP status that it
// stands for, or another number for none.
func Failure(status int) *model.Error {
	if status < 400 || status > 599 {
		return &model.Error{Class: model.ClassBadReply, Message: "the reply holds an error"}
	}
	return &model.Error{
		Class: transport.ClassOf(status), Status: status,
		Message: "the reply holds an error from behind the server",
	}
}
