package scenario

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

var tooManyVariantBytes = fmt.Sprintf("their prompts have more than %d bytes in all conditions together", MaxVariantBytes)

// family checks what a scenario says of being a variant.
func (c checker) family() {
	if c.Base == "" && c.VariantID == "" && c.Factor == "" {
		if strings.Contains(c.ID, VariantSeparator) {
			c.fail("id", "must not hold %q, which separates a scenario from its variant", VariantSeparator)
		}
		return
	}
	whole := c.plainID("variant_of.scenario", c.Base)
	whole = c.plainID("variant_of.variant", c.VariantID) && whole
	c.factor("variant_of.factor", c.Factor)
	if want := c.Base + VariantSeparator + c.VariantID; whole && c.ID != want {
		c.fail("id", "must be %s, as variant_of says", shown(want))
	}
	if len(c.Variants) > 0 {
		c.fail("variants", "a variant has none of its own")
	}
}

// plainID is id for one that must not hold the separator.
func (c checker) plainID(field, value string) bool {
	if !c.id(field, value) {
		return false
	}
	if strings.Contains(value, VariantSeparator) {
		c.fail(field, "must not hold %q, which separates a scenario from its variant", VariantSeparator)
		return false
	}
	return true
}

func (c checker) factor(field string, f Factor) {
	if f.known() {
		return
	}
	names := make([]string, len(factors))
	for i, k := range factors {
		names[i] = string(k)
	}
	choice := strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
	if f == "" {
		c.fail(field, "is required: %s", choice)
		return
	}
	c.fail(field, "must be %s, not %s", choice, shown(string(f)))
}

// variants checks the variants, and their prompts if those of the scenario are
// sound: otherwise each fault would be listed for each variant.
func (c checker) variants(sound bool) {
	if !c.count("variants", len(c.Variants), 0, MaxVariants) {
		return
	}
	known := map[string]bool{}
	for _, arm := range c.Conditions {
		for name := range arm.Variables {
			known[name] = true
		}
	}
	seen, unsound := map[string]bool{}, map[int]bool{}
	for i, v := range c.Variants {
		field := fmt.Sprintf("variants[%d]", i)
		if c.plainID(field+".id", v.ID) {
			if seen[v.ID] {
				c.fail(field+".id", "%s is already the id of another variant", shown(v.ID))
			}
			seen[v.ID] = true
			if n := len(c.ID + VariantSeparator + v.ID); n > maxIDBytes {
				c.fail(field+".id", "makes the id of a scenario with %d characters; at most %d are allowed", n, maxIDBytes)
			}
		}
		c.factor(field+".factor", v.Factor)
		c.text(field+".description", v.Description, MaxTextBytes)
		if !c.count(field+".variables", len(v.Variables), 0, MaxVariables) {
			unsound[i] = true
			continue
		}
		for _, name := range sortedNames(v.Variables) {
			if !c.override(field+".variables", name, v.Variables[name], known) {
				unsound[i] = true
			}
		}
	}
	if sound {
		c.variantPrompts(unsound)
	}
}

// override checks one variable that a variant replaces.
func (c checker) override(field, name, value string, known map[string]bool) bool {
	switch {
	case !isName(name):
		c.fail(field, "a variable's name must be 1 to 63 lower-case letters, digits and underscores and begin with a letter, not %s", shown(name))
	case known[name]:
		return c.text(field+"."+name, value, MaxPromptBytes)
	default:
		hint, names := "", make([]string, 0, len(known))
		for k := range known {
			names = append(names, k)
		}
		slices.Sort(names)
		if near := closest(name, names); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		c.fail(field+"."+name, "no condition has a variable %q to replace%s", name, hint)
	}
	return false
}

// variantPrompts checks the prompts of every variant as those of a scenario, and
// that each asks something that no other does. Those that are known to be
// unsound are passed over.
func (c checker) variantPrompts(unsound map[int]bool) {
	size := 0
	unchanged := c.derive(Variant{System: c.System, User: c.User})
	seen := map[[sha256.Size]byte]int{fingerprint(&unchanged): -1}
	for i, v := range c.Variants {
		field := fmt.Sprintf("variants[%d]", i)
		if unsound[i] {
			continue
		}
		derived := c.derive(v)
		of := checker{&derived, c.inVariant(field, v)}
		if !of.templates() {
			continue
		}
		system, _ := parseTemplate(v.System)
		user, _ := parseTemplate(v.User)
		for _, arm := range derived.Conditions {
			size += promptSize(arm, system, user)
		}
		if size > MaxVariantBytes {
			c.fail("variants", "%s", tooManyVariantBytes)
			return
		}
		of.prompts()
		used := variablesOf(v.System, v.User)
		for _, name := range sortedNames(v.Variables) {
			if isName(name) && !used[name] {
				c.fail(field+".variables."+name, "the prompt of this variant does not use {{%s}}", name)
			}
		}
		key := fingerprint(&derived)
		switch other, taken := seen[key]; {
		case !taken:
			seen[key] = i
		case other < 0:
			c.fail(field, "changes nothing: its prompts are those of the scenario")
		default:
			c.fail(field, "has the prompts of variant %s", shown(c.Variants[other].ID))
		}
	}
}

// inVariant turns a finding in the scenario of a variant into one in the
// variant's own fields.
func (c checker) inVariant(field string, v Variant) finder {
	return func(at string, offset int, message string) {
		switch at {
		case "prompt.system", "prompt.user":
			c.found(field+"."+at, offset, fmt.Sprintf("in variant %s: %s", shown(v.ID), message))
		default:
			c.found(field, -1, fmt.Sprintf("in variant %s: %s: %s", shown(v.ID), at, message))
		}
	}
}

// fingerprint tells two scenarios apart by what they send.
func fingerprint(s *Scenario) [sha256.Size]byte {
	content := []any{s.System, s.User}
	for _, arm := range s.Conditions {
		content = append(content, arm.Variables)
	}
	data, err := json.Marshal(content)
	if err != nil {
		panic(fmt.Sprintf("marshal texts: %v", err)) // texts always marshal
	}
	return sha256.Sum256(data)
}
