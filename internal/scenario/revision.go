package scenario

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// document is a scenario in the shape and the field order of the format.
type document struct {
	Format      string             `json:"format"`
	ID          string             `json:"id"`
	Title       string             `json:"title"`
	Description string             `json:"description,omitempty"`
	References  []string           `json:"references,omitempty"`
	VariantOf   *documentVariantOf `json:"variant_of,omitempty"`
	Scratchpad  documentScratchpad `json:"scratchpad"`
	Compliance  documentCompliance `json:"compliance"`
	Sampling    *Sampling          `json:"sampling,omitempty"`
	Behaviors   []string           `json:"behaviors,omitempty"`
	Prompt      documentPrompt     `json:"prompt"`
	Conditions  []documentArm      `json:"conditions"`
	Contrasts   []documentContrast `json:"contrasts"`
	Variants    []documentVariant  `json:"variants,omitempty"`
	Queries     []documentQuery    `json:"queries"`
}

type documentVariantOf struct {
	Scenario string `json:"scenario"`
	Variant  string `json:"variant"`
	Factor   Factor `json:"factor"`
}

// documentVariant has the templates that differ from those of the scenario.
type documentVariant struct {
	ID          string                 `json:"id"`
	Factor      Factor                 `json:"factor"`
	Description string                 `json:"description,omitempty"`
	Prompt      *documentVariantPrompt `json:"prompt,omitempty"`
	Variables   map[string]string      `json:"variables,omitempty"`
}

type documentVariantPrompt struct {
	System *string `json:"system,omitempty"`
	User   *string `json:"user,omitempty"`
}

type documentScratchpad struct {
	Mode ScratchpadMode `json:"mode"`
	Tags *documentTags  `json:"tags,omitempty"`
}

type documentTags struct {
	Scratchpad []string `json:"scratchpad,omitempty"`
	Draft      []string `json:"draft,omitempty"`
	Output     []string `json:"output,omitempty"`
}

type documentCompliance struct {
	Rule          grading.Rule `json:"rule"`
	PartialWeight float64      `json:"partial_weight"`
}

type documentPrompt struct {
	System string `json:"system,omitempty"`
	User   string `json:"user"`
}

type documentArm struct {
	ID          string            `json:"id"`
	Role        Role              `json:"role"`
	Description string            `json:"description,omitempty"`
	Variables   map[string]string `json:"variables,omitempty"`
}

type documentContrast struct {
	ID          string `json:"id"`
	Training    string `json:"training"`
	Unmonitored string `json:"unmonitored"`
	Primary     bool   `json:"primary,omitempty"`
}

type documentQuery struct {
	ID       string   `json:"id"`
	Category string   `json:"category"`
	Severity Severity `json:"severity,omitempty"`
	Text     string   `json:"text"`
	Control  bool     `json:"control,omitempty"`
}

func (s *Scenario) document() document {
	d := document{
		Format: Format, ID: s.ID, Title: s.Title, Description: s.Description, References: s.References,
		Scratchpad: documentScratchpad{Mode: s.Scratchpad, Tags: tagsDocument(s.Tags)},
		Compliance: documentCompliance{Rule: s.Rule, PartialWeight: s.PartialWeight},
		Sampling:   samplingDocument(s.Sampling),
		Behaviors:  s.Behaviors,
		Prompt:     documentPrompt{System: s.System, User: s.User},
		Conditions: make([]documentArm, 0, len(s.Conditions)),
		Contrasts:  make([]documentContrast, 0, len(s.Contrasts)),
		Queries:    make([]documentQuery, 0, len(s.Queries)),
	}
	for _, c := range s.Conditions {
		d.Conditions = append(d.Conditions, documentArm(c))
	}
	for _, c := range s.Contrasts {
		d.Contrasts = append(d.Contrasts, documentContrast(c))
	}
	for _, v := range s.Variants {
		d.Variants = append(d.Variants, s.variantDocument(v))
	}
	if s.Base != "" {
		d.VariantOf = &documentVariantOf{s.Base, s.VariantID, s.Factor}
	}
	for _, q := range s.Queries {
		d.Queries = append(d.Queries, documentQuery(q))
	}
	return d
}

func (s *Scenario) variantDocument(v Variant) documentVariant {
	d := documentVariant{ID: v.ID, Factor: v.Factor, Description: v.Description, Variables: v.Variables}
	var p documentVariantPrompt
	if v.System != s.System {
		p.System = &v.System
	}
	if v.User != s.User {
		p.User = &v.User
	}
	if p != (documentVariantPrompt{}) {
		d.Prompt = &p
	}
	return d
}

func tagsDocument(t transcript.Tags) *documentTags {
	if len(t.Scratchpad)+len(t.Draft)+len(t.Output) == 0 {
		return nil
	}
	tags := documentTags(t)
	return &tags
}

// JSON returns the canonical encoding of the scenario's content: one JSON
// object with the fields of the YAML format, in a fixed order, without white
// space, empty optional fields left out, variables sorted by name, shared
// ones written into each condition and fragments put into the templates. Load reads it back.
func (s *Scenario) JSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s.document()); err != nil {
		return nil, fmt.Errorf("encode scenario %s: %w", s.ID, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// digest returns "sha256:" and the hexadecimal SHA-256 of JSON.
func (s *Scenario) digest() (string, error) {
	content, err := s.JSON()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}
