package transcript

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Line is one reply of the JSON Lines format that "unmask parse" reads. Keys
// beyond these are ignored.
type Line struct {
	// ID is the caller's name for the reply, a string or a number, repeated in
	// the answer as it came. Empty where the line had none or null.
	ID json.RawMessage
	// Reply is what the rest of the line says. A line that does not mention
	// scratchpad_requested asks for one; a finish reason that is not known is
	// FinishUnknown; raw may be null where only the native channel spoke.
	Reply Reply
}

// LineError says why a line could not be read. It never holds text of the line
// other than its id.
type LineError struct {
	// ID is the id of the line as far as it could be read, or empty.
	ID json.RawMessage
	// Reason is a sentence without a full stop that names the field at fault.
	Reason string
}

// Error returns the reason.
func (e *LineError) Error() string { return e.Reason }

// wireLine is Line as it is spelled in JSON.
type wireLine struct {
	ID                  json.RawMessage `json:"id"`
	Raw                 json.RawMessage `json:"raw"`
	NativeReasoning     json.RawMessage `json:"native_reasoning"`
	NativeKind          json.RawMessage `json:"native_kind"`
	FinishReason        json.RawMessage `json:"finish_reason"`
	ScratchpadRequested json.RawMessage `json:"scratchpad_requested"`
	Prompt              json.RawMessage `json:"prompt"`
}

// DecodeLine reads one line, without its line end. Its error is a *LineError.
func DecodeLine(line []byte) (Line, error) {
	if len(bytes.TrimSpace(line)) == 0 {
		return Line{}, &LineError{Reason: "the line is blank"}
	}
	var w wireLine
	if err := json.Unmarshal(line, &w); err != nil {
		return Line{}, &LineError{ID: findID(line), Reason: describe(err)}
	}
	id, err := cleanID(w.ID)
	if err != nil {
		return Line{}, &LineError{Reason: err.Error()}
	}
	l := Line{ID: id, Reply: Reply{ScratchpadRequested: true}}
	if err := l.fill(w); err != nil {
		return Line{}, &LineError{ID: id, Reason: err.Error()}
	}
	return l, nil
}

// fill decodes the fields of the reply.
func (l *Line) fill(w wireLine) error {
	if w.Raw == nil {
		return errors.New("raw: is missing")
	}
	var raw, native, kind, finish, prompt text
	for _, f := range []struct {
		name    string
		literal json.RawMessage
		into    *text
	}{
		{"raw", w.Raw, &raw},
		{"native_reasoning", w.NativeReasoning, &native},
		{"native_kind", w.NativeKind, &kind},
		{"finish_reason", w.FinishReason, &finish},
		{"prompt", w.Prompt, &prompt},
	} {
		if f.literal == nil {
			continue
		}
		if err := f.into.UnmarshalJSON(f.literal); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	switch string(w.ScratchpadRequested) {
	case "", "null", "true":
	case "false":
		l.Reply.ScratchpadRequested = false
	default:
		return errors.New("scratchpad_requested: must be true or false")
	}
	switch k := NativeKind(strings.ToLower(string(kind))); k {
	case NativeNone, NativeFull, NativeSummary, NativeRedacted:
		l.Reply.NativeKind = k
	default:
		return errors.New("native_kind: must be full, summary or redacted")
	}
	l.Reply.Raw, l.Reply.NativeReasoning, l.Reply.Prompt = string(raw), string(native), string(prompt)
	l.Reply.FinishReason = finishReason(string(finish))
	return nil
}

// finishReason reads a provider's word for why generation ended.
func finishReason(s string) FinishReason {
	switch strings.ToLower(s) {
	case "", "stop", "end_turn", "eos", "stop_sequence":
		return FinishStop
	case "length", "max_tokens", "model_length", "max_output_tokens":
		return FinishLength
	case "content_filter", "refusal":
		return FinishContentFilter
	case "tool_calls", "tool_use", "function_call":
		return FinishToolCalls
	}
	return FinishUnknown
}

// cleanID checks an id and returns it in valid UTF-8.
func cleanID(literal json.RawMessage) (json.RawMessage, error) {
	if len(literal) == 0 || string(literal) == "null" {
		return nil, nil
	}
	if literal[0] == '"' {
		var id text
		if err := id.UnmarshalJSON(literal); err != nil {
			return nil, fmt.Errorf("id: %w", err)
		}
		return appendText(nil, string(id)), nil
	}
	if _, err := strconv.ParseFloat(string(literal), 64); err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, errors.New("id: must be a string or a number")
	}
	return literal, nil
}

// findID reads the id of a line that is broken or cut, as far as it is whole
// up to there.
func findID(line []byte) json.RawMessage {
	d := json.NewDecoder(bytes.NewReader(line))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil
	}
	for {
		key, err := d.Token()
		if err != nil {
			return nil
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil
		}
		if key == "id" {
			id, err := cleanID(value)
			if err != nil {
				return nil
			}
			return id
		}
	}
}

// describe turns an error of encoding/json into a reason that repeats nothing
// of the line.
func describe(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("the line is not JSON: error at byte %d", syntax.Offset)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "the line is not JSON: it ends too early"
	}
	return "the line is not a JSON object"
}

// ParseLine decodes a line, parses its reply and returns the answering line
// without a line end:
//
//	{"id", "observation", "scratchpad", "response", "parts": [{"kind", "start", "end"}]}
//
// Offsets count bytes of raw in UTF-8. Its error is a *LineError.
func ParseLine(line []byte) ([]byte, error) {
	l, err := DecodeLine(line)
	if err != nil {
		return nil, err
	}
	p := Parse(l.Reply)
	out := make([]byte, 0, len(p.Reasoning)+len(p.Answer)+48*len(p.Parts)+128)
	out = appendID(append(out, `{"id":`...), l.ID)
	out = append(append(out, `,"observation":"`...), p.Observation...)
	out = appendText(append(out, `","scratchpad":`...), p.Reasoning)
	out = appendText(append(out, `,"response":`...), p.Answer)
	out = append(out, `,"parts":[`...)
	for i, part := range p.Parts {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, `{"kind":"`...), part.Kind...)
		out = strconv.AppendInt(append(out, `","start":`...), int64(part.Start), 10)
		out = strconv.AppendInt(append(out, `,"end":`...), int64(part.End), 10)
		out = append(out, '}')
	}
	return append(out, "]}"...), nil
}

// appendID appends an id, or null if there is none.
func appendID(out []byte, id json.RawMessage) []byte {
	if len(id) == 0 {
		return append(out, "null"...)
	}
	return append(out, id...)
}

// errorLine is the line that answers one which could not be read.
func errorLine(e *LineError) []byte {
	out := appendID([]byte(`{"id":`), e.ID)
	out = appendText(append(out, `,"error":`...), e.Reason)
	return append(out, '}')
}
