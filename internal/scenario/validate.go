package scenario

import (
	"fmt"
	"strings"

	"github.com/unmask-eval/unmask/internal/grading"
)

// New validates a scenario that did not come from a document and returns a
// copy with its Revision. The copy shares slices and maps with s; neither may
// be changed afterwards. The error is an *Error without files and lines.
func New(s Scenario) (*Scenario, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	revision, err := s.digest()
	if err != nil {
		return nil, err
	}
	s.Revision = revision
	return &s, nil
}

// Validate checks everything that the format demands and returns an *Error
// that lists all problems with the paths of their fields, or nil. It does not
// look at Revision and Builtin.
func (s *Scenario) Validate() error {
	var r report
	check(s, func(field string, _ int, message string) {
		r.add(Problem{Field: field, Message: message})
	})
	return r.err()
}

// finder receives one finding: the path of the field, the byte offset in its
// text (-1 for the field as a whole), and what is wrong.
type finder func(field string, offset int, message string)

// checker checks one scenario; it reads and never changes it.
type checker struct {
	*Scenario
	found finder
}

func check(s *Scenario, found finder) {
	c := checker{s, found}
	c.head()
	c.family()
	c.scratchpad()
	c.sampling()
	sound := c.conditions() && c.templates() && c.prompts()
	c.contrasts()
	c.variants(sound)
	c.queries()
}

func (c checker) fail(field, format string, args ...any) {
	c.found(field, -1, fmt.Sprintf(format, args...))
}

// head checks the fields that describe the experiment.
func (c checker) head() {
	c.id("id", c.ID)
	c.line("title", c.Title)
	c.text("description", c.Description, MaxTextBytes)
	if c.count("references", len(c.References), 0, MaxListItems) {
		for i, ref := range c.References {
			c.line(fmt.Sprintf("references[%d]", i), ref)
		}
	}
	switch c.Rule {
	case grading.RuleAnswersRequest, grading.RuleNoValueSupport:
	default:
		c.fail("compliance.rule", "must be %q or %q, not %s", grading.RuleAnswersRequest, grading.RuleNoValueSupport, shown(string(c.Rule)))
	}
	if !(c.PartialWeight >= 0 && c.PartialWeight <= 1) { // also catches NaN
		c.fail("compliance.partial_weight", "must be a number from 0 to 1")
	}
	if !c.count("behaviors", len(c.Behaviors), 0, MaxListItems) {
		return
	}
	seen := map[string]int{}
	for i, b := range c.Behaviors {
		field := fmt.Sprintf("behaviors[%d]", i)
		if !isName(b) {
			c.fail(field, "must be 1 to 63 lower-case letters, digits and underscores and begin with a letter")
			continue
		}
		c.unique(field, "behaviors[%d]", b, i, seen)
	}
}

// scratchpad checks the mode and the names of the tags. Whether the prompt
// mentions them is checked in prompts.
func (c checker) scratchpad() {
	switch c.Scratchpad {
	case ScratchpadHidden:
	case ScratchpadNone:
		if len(c.Tags.Scratchpad) > 0 {
			c.fail("scratchpad.tags.scratchpad", "needs scratchpad.mode %q; with %q no reasoning is asked for", ScratchpadHidden, ScratchpadNone)
		}
		if len(c.Tags.Draft) > 0 {
			c.fail("scratchpad.tags.draft", "needs scratchpad.mode %q; a draft stands inside of the reasoning", ScratchpadHidden)
		}
	case "":
		c.fail("scratchpad.mode", "is required: %q or %q", ScratchpadHidden, ScratchpadNone)
	default:
		c.fail("scratchpad.mode", "must be %q or %q, not %s", ScratchpadHidden, ScratchpadNone, shown(string(c.Scratchpad)))
	}
	used := map[string]string{}
	for _, kind := range c.tagKinds() {
		if !c.count(kind.field, len(kind.names), 0, MaxTags) {
			continue
		}
		for i, name := range kind.names {
			field := fmt.Sprintf("%s[%d]", kind.field, i)
			if !tagPattern.MatchString(name) {
				c.fail(field, "must be a tag's name without angle brackets: 1 to 63 letters, digits, hyphens and underscores, a letter first")
				continue
			}
			key := strings.ToUpper(name)
			if first, taken := used[key]; taken {
				c.fail(field, "repeats the tag of %s; tags are compared without regard to case", first)
				continue
			}
			used[key] = field
		}
	}
}

type tagKind struct {
	field string
	names []string
}

func (c checker) tagKinds() []tagKind {
	return []tagKind{
		{"scratchpad.tags.scratchpad", c.Tags.Scratchpad},
		{"scratchpad.tags.draft", c.Tags.Draft},
		{"scratchpad.tags.output", c.Tags.Output},
	}
}

// id checks the shape of a required id.
func (c checker) id(field, value string) bool {
	if value == "" {
		c.fail(field, "is required")
		return false
	}
	if !idPattern.MatchString(value) {
		c.fail(field, "must be 1 to 63 lower-case letters, digits and hyphens, with no hyphen at either end")
		return false
	}
	return true
}

// unique records the value of list item i and complains about a second one.
func (c checker) unique(field, list, value string, i int, seen map[string]int) {
	if first, taken := seen[value]; taken {
		c.fail(field, "%s is already the value of "+list, shown(value), first)
		return
	}
	seen[value] = i
}

// line checks a required single line.
func (c checker) line(field, value string) {
	if strings.TrimSpace(value) == "" {
		c.fail(field, "is required")
		return
	}
	if len(value) > MaxLineBytes {
		c.fail(field, "has %d bytes; at most %d are allowed", len(value), MaxLineBytes)
		return
	}
	if offset, message, ok := textFault(value, false); !ok {
		c.found(field, offset, message)
	}
}

// text checks an optional text of several lines.
func (c checker) text(field, value string, limit int) bool {
	if len(value) > limit {
		c.fail(field, "has %d bytes; at most %d are allowed", len(value), limit)
		return false
	}
	offset, message, ok := textFault(value, true)
	if !ok {
		c.found(field, offset, message)
	}
	return ok
}

// count checks the length of a list and says whether its items may be looked at.
func (c checker) count(field string, n, least, most int) bool {
	if n < least {
		c.fail(field, "needs at least %d", least)
		return false
	}
	if n > most {
		c.fail(field, "has %d items; at most %d are allowed", n, most)
		return false
	}
	return true
}
