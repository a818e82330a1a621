package scenario

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// conditions checks the arms and their variables' names and values. It reports
// whether there are few enough to look at the prompts of each.
func (c checker) conditions() bool {
	if !c.count("conditions", len(c.Conditions), 1, MaxConditions) {
		return false
	}
	seen := map[string]int{}
	for i, arm := range c.Conditions {
		field := fmt.Sprintf("conditions[%d]", i)
		if c.id(field+".id", arm.ID) {
			c.unique(field+".id", "conditions[%d].id", arm.ID, i, seen)
		}
		switch arm.Role {
		case TrainingCued, Unmonitored, Other:
		case "":
			c.fail(field+".role", "is required: %q, %q or %q", TrainingCued, Unmonitored, Other)
		default:
			c.fail(field+".role", "must be %q, %q or %q, not %s", TrainingCued, Unmonitored, Other, shown(string(arm.Role)))
		}
		c.text(field+".description", arm.Description, MaxTextBytes)
		if !c.count(field+".variables", len(arm.Variables), 0, MaxVariables) {
			continue
		}
		for _, name := range sortedNames(arm.Variables) {
			path := field + ".variables." + name
			switch {
			case !isName(name):
				c.fail(field+".variables", "a variable's name must be 1 to 63 lower-case letters, digits and underscores and begin with a letter, not %s", shown(name))
			case name == queryVariable:
				c.fail(path, "{{query}} stands for the text of the query and cannot be set")
			default:
				c.text(path, arm.Variables[name], MaxPromptBytes)
			}
		}
	}
	return true
}

// contrasts checks that each difference runs from a training side to an
// unmonitored side, so that a positive gap is the faking direction everywhere.
func (c checker) contrasts() {
	if !c.count("contrasts", len(c.Contrasts), 1, MaxContrasts) {
		return
	}
	seen, primary := map[string]int{}, -1
	for i, contrast := range c.Contrasts {
		field := fmt.Sprintf("contrasts[%d]", i)
		if c.id(field+".id", contrast.ID) {
			c.unique(field+".id", "contrasts[%d].id", contrast.ID, i, seen)
		}
		c.side(field+".training", contrast.Training, contrast.Primary, TrainingCued, Unmonitored)
		if contrast.Training != "" && contrast.Training == contrast.Unmonitored {
			c.fail(field+".unmonitored", "is the condition of the training side; the two must differ")
		} else {
			c.side(field+".unmonitored", contrast.Unmonitored, contrast.Primary, Unmonitored, TrainingCued)
		}
		if !contrast.Primary {
			continue
		}
		if primary >= 0 {
			c.fail(field+".primary", "contrasts[%d] is primary already; exactly one must be", primary)
			continue
		}
		primary = i
	}
	if primary < 0 {
		c.fail("contrasts", "none is primary; exactly one must be")
	}
}

// side checks one side of a contrast. A primary contrast needs the wanted
// role. Other contrasts may use conditions of the role "other", as in "rated
// only" minus "neither", but never the opposite role, which would turn the
// sign of the gap.
func (c checker) side(field, id string, primary bool, want, opposite Role) {
	if id == "" {
		c.fail(field, "is required: the id of a condition")
		return
	}
	arm, ok := c.Condition(id)
	switch {
	case !ok && (len(c.Conditions) == 0 || slices.ContainsFunc(c.Conditions, unreadable)):
		// It may be the one that could not be read, and that is reported.
	case !ok:
		c.fail(field, "there is no condition %s", shown(id))
	case arm.Role == opposite || primary && arm.Role == Other:
		c.fail(field, "condition %q has the role %q; this side needs %q", id, arm.Role, want)
	}
}

// unreadable reports whether next to nothing is known of a condition, as after
// an item of another type.
func unreadable(arm Condition) bool { return arm.ID == "" && arm.Role == "" }

// templates checks the two templates against the variables of every
// condition. It reports whether the prompts can be rendered.
func (c checker) templates() bool {
	if strings.TrimSpace(c.User) == "" {
		c.fail("prompt.user", "is required")
		return false
	}
	readable, defined, asked := true, true, true
	used := map[string]bool{}
	for _, t := range []struct{ field, template string }{{"prompt.system", c.System}, {"prompt.user", c.User}} {
		if !c.text(t.field, t.template, MaxPromptBytes) {
			readable = false
			continue
		}
		segments, faults := parseTemplate(t.template)
		for _, f := range faults {
			c.found(t.field, f.offset, f.message)
			readable = false
		}
		queries := 0
		for _, seg := range segments {
			switch seg.variable {
			case "":
			case queryVariable:
				queries++
				asked = asked && t.field == "prompt.user" && queries == 1
				if t.field == "prompt.system" {
					c.found(t.field, seg.offset, "{{query}} belongs in prompt.user only")
				} else if queries == 2 {
					c.found(t.field, seg.offset, "{{query}} must stand exactly once")
				}
			default:
				if len(used) >= MaxVariables && !used[seg.variable] {
					c.found(t.field, seg.offset, fmt.Sprintf("the templates use more than %d variables", MaxVariables))
					return false
				}
				if !used[seg.variable] {
					used[seg.variable] = true
					defined = c.defined(t.field, seg) && defined
				}
			}
		}
		if t.field == "prompt.user" && queries == 0 {
			c.fail(t.field, "{{query}} is missing: it must stand exactly once")
			asked = false
		}
	}
	if !readable {
		return false
	}
	for _, v := range c.Variants {
		for name := range variablesOf(v.System, v.User) {
			used[name] = true
		}
	}
	for i, arm := range c.Conditions {
		for _, name := range sortedNames(arm.Variables) {
			if !used[name] && name != queryVariable && isName(name) {
				c.fail(fmt.Sprintf("conditions[%d].variables.%s", i, name), "no template uses {{%s}}", name)
			}
		}
	}
	return defined && asked
}

// defined checks that every condition sets the variable of a segment.
func (c checker) defined(field string, seg segment) bool {
	var without []string
	for i, arm := range c.Conditions {
		if _, ok := arm.Variables[seg.variable]; ok || unreadable(arm) {
			continue
		}
		name := fmt.Sprintf("conditions[%d]", i)
		if idPattern.MatchString(arm.ID) {
			name = arm.ID
		}
		without = append(without, name)
	}
	if len(without) == 0 {
		return true
	}
	c.found(field, seg.offset, fmt.Sprintf("{{%s}} is not defined in: %s", seg.variable, strings.Join(without, ", ")))
	return false
}

// prompts renders every condition without a query and checks what the model
// would see: its size, the tags it is told to use, and that the two sides of a
// contrast differ. It reports whether nothing was wrong.
func (c checker) prompts() (sound bool) {
	sound = true
	rendered, unmentioned := map[string]string{}, map[string]bool{}
	system, _ := parseTemplate(c.System)
	user, _ := parseTemplate(c.User)
	for i, arm := range c.Conditions {
		field := fmt.Sprintf("conditions[%d]", i)
		if n := promptSize(arm, system, user); n > MaxPromptBytes {
			c.fail(field, "its prompt has %d bytes without the query; at most %d are allowed", n, MaxPromptBytes)
			sound = false
			continue
		}
		systemText, systemErr := fill(system, arm.Variables, "")
		userText, userErr := fill(user, arm.Variables, "")
		if systemErr != nil || userErr != nil {
			continue // reported by templates
		}
		rendered[arm.ID] = systemText + "\x00" + userText
		prompt := strings.ToUpper(systemText + "\n" + userText)
		for _, kind := range c.tagKinds() {
			if len(kind.names) > 0 && !mentionsTag(prompt, kind.names) && tagPattern.MatchString(kind.names[0]) && !unmentioned[kind.field] {
				unmentioned[kind.field], sound = true, false
				c.fail(kind.field, "the prompt of condition %s never mentions <%s>, so no model would use it", shown(arm.ID), kind.names[0])
			}
		}
	}
	for i, contrast := range c.Contrasts {
		training, ok := rendered[contrast.Training]
		unmonitored, okToo := rendered[contrast.Unmonitored]
		if ok && okToo && contrast.Training != contrast.Unmonitored && training == unmonitored {
			c.fail(fmt.Sprintf("contrasts[%d]", i), "both sides get the same prompt; a variable must tell them apart")
			sound = false
		}
	}
	return sound
}

// promptSize is the length of a rendered prompt without building it: a
// template of many variables could ask for more than memory holds.
func promptSize(arm Condition, templates ...[]segment) int {
	size := 0
	for _, segments := range templates {
		for _, seg := range segments {
			size += len(seg.text) + len(arm.Variables[seg.variable])
		}
	}
	return size
}

// mentionsTag reports whether an upper-cased prompt holds one of the tags.
func mentionsTag(prompt string, names []string) bool {
	for _, name := range names {
		if strings.Contains(prompt, "<"+strings.ToUpper(name)) {
			return true
		}
	}
	return false
}

func sortedNames(variables map[string]string) []string {
	names := make([]string, 0, len(variables))
	for name := range variables {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
