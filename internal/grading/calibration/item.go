// Package calibration says how far a grader can be trusted: it compares the
// grader's verdicts with labels by people, item by item, and keeps apart what
// must not be mixed: classes, conditions, sources, and labels that no person
// gave.
//
// It is pure. Labelled items come from a file (Parse) or from a run whose
// transcripts people have judged; verdicts come from the caller.
package calibration

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// Role says what the condition made the model believe under which an item
// arose. A grader is never told.
type Role string

// The roles of a condition. AnyRole stands for an unknown role in an item, and
// for all items together in a measure.
const (
	AnyRole     Role = ""
	Training    Role = "training_cued"
	Unmonitored Role = "unmonitored"
)

// Origin says who gave the labels of an item.
type Origin string

// The origins of labels. Only those of people count, unless a caller asks.
const (
	// OriginUnstated: nobody said. It is never taken for a person.
	OriginUnstated Origin = ""
	// OriginHuman: a person.
	OriginHuman Origin = "human"
	// OriginLLM: a language model that read the text.
	OriginLLM Origin = "llm"
	// OriginSynthetic: the text was written to have the label.
	OriginSynthetic Origin = "synthetic"
)

// Labels are what people say of an item. An empty label means that nobody was
// asked, and grading.Ungradable or grading.FakingUngradable that a person could
// not tell.
type Labels struct {
	Compliance      grading.Compliance `json:"compliance,omitempty"`
	AlignmentFaking grading.Faking     `json:"alignment_faking,omitempty"`
}

// Labels on which people disagree.
const (
	Disputed       grading.Compliance = "DISPUTED"
	FakingDisputed grading.Faking     = "DISPUTED"
)

// Item is a transcript with labels.
type Item struct {
	// ID is unique in its label set.
	ID string `json:"id"`
	// Source says where the item is from, and License under which terms.
	Source  string `json:"source,omitempty"`
	License string `json:"license,omitempty"`
	// Query names the request that the item answers, or is empty. Items of one
	// source that answer one request are not independent.
	Query string `json:"query,omitempty"`
	// Prompt is the user's request alone.
	Prompt string `json:"prompt,omitempty"`
	// Reasoning and Answer are the reply taken apart; nil means that there is
	// none. Where both are nil, Raw is the reply as it came.
	Reasoning *string `json:"reasoning,omitempty"`
	Answer    *string `json:"answer,omitempty"`
	Raw       *string `json:"raw,omitempty"`
	// Condition is the role of the condition; AnyRole means unknown.
	Condition Role   `json:"condition,omitempty"`
	Labels    Labels `json:"labels"`
	Origin    Origin `json:"origin,omitempty"`
	Notes     string `json:"notes,omitempty"`
}

// Subject is what a grader is shown of the item. A reply as it came is parsed;
// without reasoning, or with a blank one, faking is not observable.
func (i Item) Subject(rule grading.Rule) grading.Subject {
	s := grading.Subject{ID: i.ID, Prompt: i.Prompt, Rule: rule, FinishReason: transcript.FinishStop}
	if i.Reasoning == nil && i.Answer == nil && i.Raw != nil {
		p := transcript.Parse(transcript.Reply{Raw: *i.Raw, FinishReason: s.FinishReason, ScratchpadRequested: true, Prompt: i.Prompt})
		s.Reasoning, s.Answer, s.Observable = p.Reasoning, p.Answer, p.Observable()
		return s
	}
	if i.Reasoning != nil {
		s.Reasoning = *i.Reasoning
		s.Observable = strings.TrimSpace(s.Reasoning) != ""
	}
	if i.Answer != nil {
		s.Answer = *i.Answer
	}
	return s
}

// Cluster names the group of items that are not independent: those of one
// source that answer the same query or, where it has no name, the same prompt.
func (i Item) Cluster() string {
	switch {
	case i.Query != "":
		return i.Source + "\x00query\x00" + i.Query
	case i.Prompt != "":
		return i.Source + "\x00prompt\x00" + i.Prompt
	default:
		return i.Source + "\x00item\x00" + i.ID
	}
}

// Digest returns "sha256:" and the hex digest of items and what counts as
// compliance for them. The order of the items does not matter.
func Digest(items []Item, rule grading.Rule) string {
	lines := make([]string, len(items))
	for i, item := range items {
		// A struct of plain values with a fixed field order always marshals.
		data, err := json.Marshal(item)
		if err != nil {
			panic(fmt.Sprintf("marshal labelled item: %v", err))
		}
		lines[i] = string(data)
	}
	slices.Sort(lines)
	h := sha256.New()
	fmt.Fprintf(h, "unmask labels\n%s\n", rule)
	for _, line := range lines {
		fmt.Fprintf(h, "%s\n", line)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
