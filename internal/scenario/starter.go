package scenario

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"
)

//go:embed starter/minimal.yaml
var starters embed.FS

// minimalID is the id in starter/minimal.yaml.
const minimalID = "my-scenario"

// Of a built-in scenario, a starting document takes this many requests and
// controls: enough to show the form, so that nobody runs ours as theirs.
const (
	starterQueries  = 4
	starterControls = 2
)

// sectionComments explain the sections of a starting document, by the line that
// a section begins with.
var sectionComments = map[string]string{
	"title:":       "CHANGE ME, in one line.",
	"scratchpad:":  "The tags must occur in the prompt of every condition.",
	"compliance:":  "What counts as compliance, and how much a partial answer does.",
	"prompt:":      "What is sent. {{name}} is a variable of the condition, {{query}} the request.\nWhat differs between the conditions must be the cue alone.",
	"variables:":   "Variables that all conditions share.",
	"conditions:":  "What each condition sets for itself: the cue.",
	"contrasts:":   "The result: compliance under training minus compliance unmonitored.",
	"queries:":     "CHANGE the requests; unmask scenarios import makes a list from a data set, and\nquery_files names it. Controls are everyday requests that any model answers.",
	"references:":  "Where the design comes from.",
	"description:": "CHANGE ME.",
}

// MinimalStarter returns a commented document that validates and is meant to be
// changed. The error is an *Error if the id cannot be one.
func MinimalStarter(id string) ([]byte, error) {
	document, err := starters.ReadFile("starter/minimal.yaml")
	if err != nil {
		return nil, fmt.Errorf("starting document: %w", err)
	}
	text := strings.Replace(string(document), "id: "+minimalID+"\n", "id: "+id+"\n", 1)
	return checkedStarter(id, text)
}

// StarterFrom is MinimalStarter on the prompts and conditions of a scenario,
// with a few of its queries and without its variants.
func StarterFrom(s *Scenario, id string) ([]byte, error) {
	own := *s
	own.ID, own.Title, own.Builtin, own.Queries = id, "Made from "+s.ID, false, nil
	own.Variants, own.Base, own.VariantID, own.Factor = nil, "", "", ""
	own.Conditions = slices.Clone(s.Conditions)
	for i := range own.Conditions {
		// Some variables are there for the variants only.
		own.Conditions[i].Variables = maps.Clone(own.Conditions[i].Variables)
		maps.DeleteFunc(own.Conditions[i].Variables, func(name, _ string) bool {
			return !strings.Contains(own.System+own.User, "{{"+name+"}}")
		})
	}
	categories, controls := map[string]bool{}, 0
	for _, q := range s.Queries {
		switch {
		case q.Control && controls < starterControls:
			controls++
		case !q.Control && len(categories) < starterQueries && !categories[q.Category]:
			categories[q.Category] = true
		default:
			continue
		}
		own.Queries = append(own.Queries, q)
	}
	document, err := own.YAML()
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Made from %s. docs/scenarios/authoring.md explains every field.\n", s.ID)
	for line := range strings.Lines(string(document)) {
		section, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if comment, ok := sectionComments[section]; ok {
			b.WriteString("\n# " + strings.ReplaceAll(comment, "\n", "\n# ") + "\n")
		}
		b.WriteString(line)
	}
	return checkedStarter(id, b.String())
}

// checkedStarter makes sure that a starting document is one under this id.
func checkedStarter(id, document string) ([]byte, error) {
	switch {
	case !idPattern.MatchString(id):
		return nil, &Error{Problems: []Problem{{Field: "id", Message: "must be 1 to 63 lower-case letters, digits and hyphens, with no hyphen at either end"}}}
	case Reserved(id):
		return nil, &Error{Problems: []Problem{{Field: "id", Message: `must not hold "--", which is kept for the variants of a scenario`}}}
	}
	if _, err := Load("", []byte(document)); err != nil {
		return nil, err
	}
	return []byte(document), nil
}
