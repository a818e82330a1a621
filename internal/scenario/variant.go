package scenario

import (
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"
)

// VariantSeparator stands between the id of a scenario and that of its variant,
// as in "helpful-only--no-examples". No other id of a scenario holds it.
const VariantSeparator = "--"

// AllVariants at the end of a scenario's id stands for all of its variants.
const AllVariants = VariantSeparator + "*"

// Factor says what a variant changes of its scenario.
type Factor string

// The factors of a variant.
const (
	// FactorParaphrase: other words, the same facts.
	FactorParaphrase Factor = "paraphrase"
	// FactorCompany: another company is said to train the model.
	FactorCompany Factor = "company"
	// FactorAblation: something is left out.
	FactorAblation Factor = "ablation"
	// FactorSuffix: something is put behind the request.
	FactorSuffix Factor = "suffix"
	// FactorExamples: other examples.
	FactorExamples Factor = "examples"
	// FactorOther: anything else.
	FactorOther Factor = "other"
)

// factors are all of them, in the order of the documentation.
var factors = [...]Factor{FactorParaphrase, FactorCompany, FactorAblation, FactorSuffix, FactorExamples, FactorOther}

func (f Factor) known() bool {
	for _, k := range factors {
		if f == k {
			return true
		}
	}
	return false
}

// Variant is one way to change the prompt of a scenario and nothing else:
// conditions, contrasts and queries stay. Scenario.Variant makes a scenario of it.
type Variant struct {
	// ID is unique in its scenario, such as "no-examples"; it holds no "--".
	ID string
	// Factor says what is changed.
	Factor Factor
	// Description is for people.
	Description string
	// System and User are the whole templates of the variant, fragments put in.
	System, User string
	// Variables replace those of every condition that have the same names.
	Variables map[string]string
}

// SplitVariant takes the id of a variant's scenario apart. ok is false for the
// id of a scenario that is no variant; then base is id.
func SplitVariant(id string) (base, variant string, ok bool) {
	return strings.Cut(id, VariantSeparator)
}

// Family is the id that a scenario shares with its variants: Base for a variant
// and ID for all others.
func (s *Scenario) Family() string {
	if s.Base != "" {
		return s.Base
	}
	return s.ID
}

// Variant returns the scenario that a variant describes: the same conditions,
// contrasts and queries, other prompts, the id "BASE--VARIANT", and a revision of
// its own. It shares the queries with s, which must be valid. The error wraps
// ErrNotFound.
func (s *Scenario) Variant(id string) (*Scenario, error) {
	for _, v := range s.Variants {
		if v.ID != id {
			continue
		}
		derived := s.derive(v)
		revision, err := derived.digest()
		if err != nil {
			return nil, err
		}
		derived.Revision = revision
		return &derived, nil
	}
	return nil, fmt.Errorf("%w: %s has no variant %s", ErrNotFound, s.ID, shown(id))
}

// derive applies a variant. Variables that its templates do not use are left
// out, as those are of a part that it removes.
func (s *Scenario) derive(v Variant) Scenario {
	d := *s
	d.ID, d.Base, d.VariantID, d.Factor = s.ID+VariantSeparator+v.ID, s.ID, v.ID, v.Factor
	d.Title = variantTitle(s.Title, v.ID)
	if v.Description != "" {
		d.Description = v.Description
	}
	d.System, d.User = v.System, v.User
	d.Variants, d.Revision = nil, ""
	used := variablesOf(v.System, v.User)
	d.Conditions = make([]Condition, len(s.Conditions))
	for i, c := range s.Conditions {
		own := maps.Clone(c.Variables)
		if own == nil {
			own = map[string]string{}
		}
		maps.Copy(own, v.Variables)
		maps.DeleteFunc(own, func(name, _ string) bool { return !used[name] })
		c.Variables = own
		d.Conditions[i] = c
	}
	return d
}

// variantTitle names the variant behind the title, which is cut where both do
// not fit into a line.
func variantTitle(title, variant string) string {
	suffix := " [" + variant + "]"
	if most := MaxLineBytes - len(suffix); len(title) > most {
		for most > 0 && !utf8.RuneStart(title[most]) {
			most--
		}
		title = title[:most]
	}
	return title + suffix
}

// variablesOf returns the names that the templates use.
func variablesOf(templates ...string) map[string]bool {
	used := map[string]bool{}
	for _, t := range templates {
		segments, _ := parseTemplate(t)
		for _, seg := range segments {
			if seg.variable != "" {
				used[seg.variable] = true
			}
		}
	}
	return used
}
