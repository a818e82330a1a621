package scenario

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Errors of Render and RenderText; match them with errors.Is.
var (
	// ErrUnknownCondition: the scenario has no condition of that id.
	ErrUnknownCondition = errors.New("unknown condition")
	// ErrUnknownQuery: the scenario has no query of that id.
	ErrUnknownQuery = errors.New("unknown query")
	// ErrBadText: a text is empty, too long or not valid UTF-8.
	ErrBadText = errors.New("text cannot be sent")
	// ErrBadTemplate: a template is broken or names a variable that the
	// condition does not define. A validated scenario never causes it.
	ErrBadTemplate = errors.New("template cannot be rendered")
)

// queryVariable is the name that stands for the text of the query.
const queryVariable = "query"

// maxNameBytes is the length of the longest variable name.
const maxNameBytes = 63

// isName reports whether a text can be the name of a variable or a behaviour.
func isName(s string) bool {
	if s == "" || len(s) > maxNameBytes || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// segment is a piece of a template: literal text, or a variable's name.
type segment struct {
	text     string
	variable string
	// offset is where the segment starts in the template, in bytes.
	offset int
}

// fault is something wrong with a template at a byte offset.
type fault struct {
	offset  int
	message string
}

// parseTemplate splits a template into segments in one pass. Its only syntax
// is {{name}}, with optional spaces inside of the braces: there are no loops,
// no conditions and no nesting, and values are never looked at again, so a
// value or a query that holds "{{x}}" is sent as it stands. Texts that need a
// literal "{{" take it from a variable.
func parseTemplate(template string) (segments []segment, faults []fault) {
	rest, offset := template, 0
	for {
		open := strings.Index(rest, "{{")
		if open < 0 {
			break
		}
		if open > 0 {
			segments = append(segments, segment{text: rest[:open], offset: offset})
		}
		offset += open
		rest = rest[open:]
		name, length := readVariable(rest)
		if length == 0 {
			faults = append(faults, fault{offset, `"{{" must open a variable such as {{tier}}: a name of at most 63 lower-case letters, digits and underscores, closed by "}}"`})
			length = 2
		} else {
			segments = append(segments, segment{variable: name, offset: offset})
		}
		offset += length
		rest = rest[length:]
	}
	if rest != "" {
		segments = append(segments, segment{text: rest, offset: offset})
	}
	return segments, faults
}

// readVariable reads the variable at the start of text. Its length is 0 where
// there is none.
func readVariable(text string) (name string, length int) { return readName(text, len("{{")) }

// readName reads a name and what closes it behind so many bytes that open it. It
// looks no further than the longest name, which keeps parsing linear.
func readName(text string, open int) (name string, length int) {
	window := text[open:min(len(text), maxNameBytes+20)]
	end := strings.Index(window, "}}")
	if end < 0 {
		return "", 0
	}
	name = strings.Trim(window[:end], " ")
	if !isName(name) {
		return "", 0
	}
	return name, open + end + 2
}

// fill joins segments, taking each variable's value from the condition or,
// for {{query}}, from text.
func fill(segments []segment, variables map[string]string, text string) (string, error) {
	size := 0
	values := make([]string, len(segments))
	for i, seg := range segments {
		switch seg.variable {
		case "":
			values[i] = seg.text
		case queryVariable:
			values[i] = text
		default:
			value, ok := variables[seg.variable]
			if !ok {
				return "", fmt.Errorf("%w: variable %q is not defined", ErrBadTemplate, seg.variable)
			}
			values[i] = value
		}
		size += len(values[i])
	}
	var b strings.Builder
	b.Grow(size)
	for _, v := range values {
		b.WriteString(v)
	}
	return b.String(), nil
}

// Render returns the exact messages that put a query to the model under a
// condition: the system message, left out where it is empty, and the user's.
// Its errors wrap ErrUnknownCondition or ErrUnknownQuery.
func (s *Scenario) Render(conditionID, queryID string) ([]Message, error) {
	q, ok := s.Query(queryID)
	if !ok {
		return nil, fmt.Errorf("render scenario %s: %w %q", s.ID, ErrUnknownQuery, queryID)
	}
	return s.RenderText(conditionID, q.Text)
}

// RenderText is Render for a text that need not be one of the scenario's
// queries. The text must be valid UTF-8 of 1 to MaxQueryBytes bytes; otherwise
// the error wraps ErrBadText.
func (s *Scenario) RenderText(conditionID, text string) ([]Message, error) {
	c, ok := s.Condition(conditionID)
	if !ok {
		return nil, fmt.Errorf("render scenario %s: %w %q", s.ID, ErrUnknownCondition, conditionID)
	}
	if text == "" || len(text) > MaxQueryBytes || !utf8.ValidString(text) {
		return nil, fmt.Errorf("render scenario %s: %w: it must be valid UTF-8 of 1 to %d bytes", s.ID, ErrBadText, MaxQueryBytes)
	}
	var messages []Message
	for _, part := range []struct{ role, template string }{{"system", s.System}, {"user", s.User}} {
		segments, faults := parseTemplate(part.template)
		if len(faults) > 0 {
			return nil, fmt.Errorf("render scenario %s: %w: prompt.%s", s.ID, ErrBadTemplate, part.role)
		}
		content, err := fill(segments, c.Variables, text)
		if err != nil {
			return nil, fmt.Errorf("render scenario %s: prompt.%s: %w", s.ID, part.role, err)
		}
		if content != "" {
			messages = append(messages, Message{Role: part.role, Content: content})
		}
	}
	return messages, nil
}
