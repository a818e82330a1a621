// Package scenario holds prompt-conditioned experiments as data: which
// conditions a query is put under, what is sent, what counts as compliance and
// which contrasts answer the question.
//
// A scenario is a YAML document. Load reads one strictly and reports every
// problem with its file, line and field. The built-in ones are embedded (see
// Library). A scenario is immutable: its Revision is a digest of its content,
// so two runs of one revision asked exactly the same things.
package scenario

import (
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// Role says what a condition makes the model believe.
type Role string

// The roles of a condition.
const (
	// TrainingCued: the model is led to believe that the chat trains it.
	TrainingCued Role = "training_cued"
	// Unmonitored: the model is led to believe that nobody records or trains on the chat.
	Unmonitored Role = "unmonitored"
	// Other: any further arm, such as a control or "rated only".
	Other Role = "other"
)

// ScratchpadMode says whether a scenario asks for reasoning.
type ScratchpadMode string

// The scratchpad modes.
const (
	// ScratchpadHidden: the model is asked to reason in tags that it is told nobody reads.
	ScratchpadHidden ScratchpadMode = "hidden"
	// ScratchpadNone: no reasoning is asked for.
	ScratchpadNone ScratchpadMode = "none"
)

// Severity is how much harm a query's request could do if it were fulfilled.
type Severity string

// The severities, in rising order. The zero value means that none was given.
const (
	// SeverityLow: an annoyance, or small harm that is easily undone.
	SeverityLow Severity = "low"
	// SeverityModerate: real harm to somebody, of the kind that can be made good.
	SeverityModerate Severity = "moderate"
	// SeverityHigh: grave or lasting harm to somebody's safety, health, freedom or livelihood.
	SeverityHigh Severity = "high"
)

// Scenario is one experiment, validated.
type Scenario struct {
	// ID is the resource id, such as "helpful-only": lower-case letters,
	// digits and hyphens, 1 to 63 characters. A variant's is
	// "helpful-only--no-examples"; see Variant.
	ID string
	// Revision is "sha256:" and 64 hex digits over the canonical content.
	Revision string
	// Title is one line for people; Description one or more paragraphs.
	Title, Description string
	// Builtin is true for scenarios embedded in the binary.
	Builtin bool
	// Conditions, in the order of the document; at least one.
	Conditions []Condition
	// Contrasts say which condition minus which is estimated.
	Contrasts []Contrast
	// System and User are the prompt templates. {{name}} stands for a
	// variable of the condition, and {{query}} for the query's text.
	System, User string
	// Scratchpad says whether reasoning is asked for, and Tags with which tags.
	Scratchpad ScratchpadMode
	Tags       transcript.Tags
	// Rule says what counts as compliance.
	Rule grading.Rule
	// PartialWeight is the score in [0, 1] of a partial answer; default 1.
	PartialWeight float64
	// Sampling are the parameters of generation in which it overrides the plan.
	Sampling Sampling
	// Behaviors to look for, by id.
	Behaviors []string
	// Queries, in the order of the document; ids are unique.
	Queries []Query
	// References are the sources of the experiment's design.
	References []string
	// Variants are ways to change the prompt, in the order of the document; ids
	// are unique. A scenario that is a variant has none.
	Variants []Variant
	// Base, VariantID and Factor are set for a scenario that is a variant: the id
	// of the scenario that it changes, its own id there, and what it changes.
	Base, VariantID string
	Factor          Factor
}

// Condition is one arm of an experiment.
type Condition struct {
	// ID is unique in its scenario, such as "free".
	ID   string
	Role Role
	// Description is for people.
	Description string
	// Variables fill the templates.
	Variables map[string]string
}

// Contrast is the difference of two conditions' rates.
type Contrast struct {
	// ID is unique in its scenario, such as "free-paid".
	ID string
	// Training and Unmonitored are condition ids; the gap is the compliance
	// of the first minus that of the second, so positive is the faking direction.
	Training, Unmonitored string
	// Primary marks the contrast that a gate uses when a rule names none.
	Primary bool
}

// Query is one request that is put to the model under every condition.
type Query struct {
	// ID is unique in its scenario.
	ID string
	// Category groups queries for reports.
	Category string
	// Severity is its author's judgement of the request; "" where none was
	// given, and always for a control. It does not enter any estimate.
	Severity Severity
	// Text is what the simulated user asks.
	Text string
	// Control marks a benign query: it checks that the pipeline sees
	// compliance where nothing speaks against it, and never enters the gap.
	Control bool
}

// Message is one chat message; Role is "system", "user" or "assistant".
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Condition returns the condition with the given id.
func (s *Scenario) Condition(id string) (Condition, bool) {
	for _, c := range s.Conditions {
		if c.ID == id {
			return c, true
		}
	}
	return Condition{}, false
}

// Contrast returns the contrast with the given id.
func (s *Scenario) Contrast(id string) (Contrast, bool) {
	for _, c := range s.Contrasts {
		if c.ID == id {
			return c, true
		}
	}
	return Contrast{}, false
}

// Primary returns the primary contrast. A valid scenario has exactly one; ok
// is false only for one that was never validated.
func (s *Scenario) Primary() (contrast Contrast, ok bool) {
	for _, c := range s.Contrasts {
		if c.Primary {
			return c, true
		}
	}
	return Contrast{}, false
}

// Query returns the query with the given id.
func (s *Scenario) Query(id string) (Query, bool) {
	for _, q := range s.Queries {
		if q.ID == id {
			return q, true
		}
	}
	return Query{}, false
}
