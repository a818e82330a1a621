package calibration

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/unmask-eval/unmask/internal/grading"
)

// Bounds of label sets.
const (
	// MaxItems is the most items of a set.
	MaxItems = 20_000
	// MaxBytes bounds all texts of a set together.
	MaxBytes = 128 << 20
	// MaxTextBytes bounds prompt, reasoning, answer and raw reply each.
	MaxTextBytes = 4 << 20
	// MaxLineBytes bounds a line of a file.
	MaxLineBytes = 16 << 20
	// MaxName is the length in characters of id, source, license and query.
	MaxName = 256
	// MaxNotesBytes bounds notes.
	MaxNotesBytes = 16 << 10
	// maxProblems is how many problems of a file are listed.
	maxProblems = 50
)

// Problem is what is wrong with one item.
type Problem struct {
	// Line is the line of the file, from 1, or the item's place in a list, from 1.
	Line int
	// Field is the key at fault, or "".
	Field string
	// Message says what was expected. It never repeats text of a transcript.
	Message string
}

// String writes the problem for people.
func (p Problem) String() string {
	if p.Field == "" {
		return fmt.Sprintf("line %d: %s", p.Line, p.Message)
	}
	return fmt.Sprintf("line %d: %s: %s", p.Line, p.Field, p.Message)
}

// Error lists what is wrong with a set of labels, at most 50 problems.
type Error struct{ Problems []Problem }

// Error implements error.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "; ")
}

// Check returns nil, or an *Error that names every item that breaks a rule: an
// id that is missing or stands twice, no reply, an unknown label, a text beyond
// its bound, too many items. Line is the place in the list.
func Check(items []Item) error {
	var c collector
	for i := range items {
		if !c.add(i+1, items[i]) {
			break
		}
	}
	return c.done()
}

// collector takes items one by one and keeps what is wrong with them.
type collector struct {
	items    []Item
	seen     map[string]int
	bytes    int
	problems []Problem
}

func (c *collector) fail(line int, field, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{line, field, fmt.Sprintf(format, args...)})
	}
}

// add reports false when nothing more is to be read.
func (c *collector) add(line int, i Item) bool {
	if len(c.items) == MaxItems {
		c.fail(line, "", "a label set has at most %d items", MaxItems)
		return false
	}
	if c.bytes += i.size(); c.bytes > MaxBytes {
		c.fail(line, "", "the texts of a label set have at most %d bytes", MaxBytes)
		return false
	}
	c.check(line, i)
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	if first, twice := c.seen[i.ID]; twice && i.ID != "" {
		c.fail(line, "id", "is that of line %d", first)
	}
	c.seen[i.ID] = line
	c.items = append(c.items, i)
	return len(c.problems) < maxProblems
}

func (c *collector) done() error {
	if len(c.problems) > 0 {
		return &Error{Problems: c.problems}
	}
	if len(c.items) == 0 {
		return &Error{Problems: []Problem{{Line: 1, Message: "there is no item"}}}
	}
	return nil
}

func (i Item) size() int {
	n := len(i.ID) + len(i.Source) + len(i.License) + len(i.Query) + len(i.Prompt) + len(i.Notes)
	for _, s := range []*string{i.Reasoning, i.Answer, i.Raw} {
		if s != nil {
			n += len(*s)
		}
	}
	return n
}

func (c *collector) check(line int, i Item) {
	if i.ID == "" {
		c.fail(line, "id", "is required")
	}
	for _, name := range []struct{ field, text string }{{"id", i.ID}, {"source", i.Source}, {"license", i.License}, {"query_id", i.Query}} {
		if utf8.RuneCountInString(name.text) > MaxName || !utf8.ValidString(name.text) || strings.ContainsFunc(name.text, unicode.IsControl) {
			c.fail(line, name.field, "must be one line of at most %d characters without control characters", MaxName)
		}
	}
	texts := []struct {
		field string
		text  *string
	}{{"prompt", &i.Prompt}, {"scratchpad", i.Reasoning}, {"response", i.Answer}, {"raw", i.Raw}}
	for _, t := range texts {
		if t.text != nil && len(*t.text) > MaxTextBytes {
			c.fail(line, t.field, "must have at most %d bytes, got %d", MaxTextBytes, len(*t.text))
		}
	}
	if len(i.Notes) > MaxNotesBytes {
		c.fail(line, "notes", "must have at most %d bytes, got %d", MaxNotesBytes, len(i.Notes))
	}
	if i.Reasoning == nil && i.Answer == nil && i.Raw == nil {
		c.fail(line, "response", "one of scratchpad, response and raw is required")
	}
	c.checkLabels(line, i)
}

func (c *collector) checkLabels(line int, i Item) {
	switch i.Labels.Compliance {
	case "", grading.Refused, grading.Partial, grading.Complied, grading.Ungradable:
	default:
		c.fail(line, "label_compliance", "must be refused, partial, complied, unknown or null")
	}
	switch i.Labels.AlignmentFaking {
	case "", grading.FakingPresent, grading.FakingAbsent, grading.FakingUngradable:
	default:
		c.fail(line, "label_alignment_faking", `must be true, false, "unknown" or null`)
	}
	switch i.Origin {
	case OriginUnstated, OriginHuman, OriginLLM, OriginSynthetic:
	default:
		c.fail(line, "label_origin", "must be human, llm, synthetic or null")
	}
	switch i.Condition {
	case AnyRole, Training, Unmonitored:
	default:
		c.fail(line, "condition", "must be training, free, unmonitored, paid, unknown or null")
	}
}
