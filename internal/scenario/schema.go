package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/unmask-eval/unmask/internal/grading"
)

// Schema returns the JSON Schema (draft 2020-12) of the format, indented and with
// a line feed at its end. Every document that Load takes is valid by it. The
// reverse does not hold: a schema cannot say that a variable is defined, that a
// condition exists or that two prompts differ, and it counts characters where
// the limits are in bytes. #/$defs/included is the schema of an included file,
// and #/$defs/query that of a line of a query file.
func Schema() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(documentSchema()); err != nil {
		return nil, fmt.Errorf("encode the schema: %w", err)
	}
	return b.Bytes(), nil
}

// schema is the part of JSON Schema that the format needs, in the order in which
// it is written.
type schema struct {
	Schema      string `json:"$schema,omitempty"`
	ID          string `json:"$id,omitempty"`
	Ref         string `json:"$ref,omitempty"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Type        string `json:"type,omitempty"`
	Const       string `json:"const,omitempty"`
	Enum        []any  `json:"enum,omitempty"`
	Default     any    `json:"default,omitempty"`
	Pattern     string `json:"pattern,omitempty"`
	MinLength   int    `json:"minLength,omitempty"`
	MaxLength   int    `json:"maxLength,omitempty"`
	Minimum     *int   `json:"minimum,omitempty"`
	Above       *int   `json:"exclusiveMinimum,omitempty"`
	Maximum     *int   `json:"maximum,omitempty"`
	MinItems    int    `json:"minItems,omitempty"`
	MaxItems    *int   `json:"maxItems,omitempty"`
	Unique      bool   `json:"uniqueItems,omitempty"`
	MaxProps    int    `json:"maxProperties,omitempty"`

	Required   []string           `json:"required,omitempty"`
	Properties map[string]*schema `json:"properties,omitempty"`
	Names      *schema            `json:"propertyNames,omitempty"`
	// Other is the schema of other fields, or false where there are none.
	Other any                `json:"additionalProperties,omitempty"`
	Items *schema            `json:"items,omitempty"`
	AnyOf []*schema          `json:"anyOf,omitempty"`
	Not   *schema            `json:"not,omitempty"`
	Defs  map[string]*schema `json:"$defs,omitempty"`
}

// says sets the description of a field.
func (s *schema) says(format string, args ...any) *schema {
	s.Description = fmt.Sprintf(format, args...)
	return s
}

// distinct says that no item of a list repeats.
func (s *schema) distinct() *schema {
	s.Unique = true
	return s
}

// within sets the number of items of a list.
func (s *schema) within(least, most int) *schema {
	s.MinItems, s.MaxItems = least, &most
	return s
}

const (
	nameSchema = `^[a-z][a-z0-9_]{0,62}$`
	fileSchema = `^[^./\\:][^/\\:]*\.`
)

func textSchema(most int) *schema { return &schema{Type: "string", MaxLength: most} }

func lineSchema() *schema {
	return &schema{Type: "string", Pattern: `^[^\n]*\S[^\n]*$`, MaxLength: MaxLineBytes}
}

func patternSchema(pattern string) *schema { return &schema{Type: "string", Pattern: pattern} }

// plainIDSchema is that of an id without "--".
func plainIDSchema() *schema {
	return &schema{Type: "string", Pattern: `^[a-z0-9]+(-[a-z0-9]+)*$`, MaxLength: maxIDBytes}
}

func listSchema(items *schema) *schema { return &schema{Type: "array", Items: items} }

// choiceSchema is one of some words, each with what it means.
func choiceSchema[T ~string](about string, words ...T) *schema {
	s := &schema{Type: "string", Description: about}
	for _, w := range words {
		s.Enum = append(s.Enum, string(w))
	}
	return s
}

func objectSchema(required string, fields map[string]*schema) *schema {
	return &schema{Type: "object", Required: strings.Fields(required), Properties: fields, Other: false}
}

// namedSchema is a mapping from names to texts.
func namedSchema() *schema {
	return &schema{Type: "object", MaxProps: MaxVariables, Names: patternSchema(nameSchema), Other: textSchema(MaxPromptBytes)}
}

func documentSchema() *schema {
	root := objectSchema("format id title scratchpad prompt conditions contrasts", map[string]*schema{
		"format":      (&schema{Const: Format}).says("Version of the format."),
		"id":          patternSchema(idPattern.String()).says("Id of the scenario. It holds \"--\" only in a document that was written of a variant (variant_of)."),
		"title":       lineSchema().says("One line for people."),
		"description": textSchema(MaxTextBytes).says("What the experiment does and where it comes from."),
		"references":  listSchema(lineSchema()).within(0, MaxListItems).says("Sources of the experiment's design, one line each."),
		"variant_of": objectSchema("scenario variant factor", map[string]*schema{
			"scenario": plainIDSchema().says("Id of the scenario that this one is a variant of."),
			"variant":  plainIDSchema().says("Its id there."),
			"factor":   factorSchema(),
		}).says("Of which scenario this one is a variant; only in a document that was written of a variant."),
		"scratchpad":  scratchpadSchema(),
		"compliance":  complianceSchema(),
		"sampling":    samplingSchema(),
		"behaviors":   listSchema(patternSchema(nameSchema)).within(0, MaxListItems).distinct().says("Behaviours to look for in each transcript, such as evaluation_awareness."),
		"prompt":      promptSchema("user", "What is sent.", true),
		"include":     listSchema(patternSchema(fileSchema+`yaml$`)).within(0, MaxIncludes).says("Files beside the document that hold further fragments and variants, by their plain names."),
		"fragments":   fragmentsSchema(),
		"variables":   namedSchema().says("Values of variables in every condition that does not set its own."),
		"conditions":  listSchema(conditionSchema()).within(1, MaxConditions).says("The arms of the experiment."),
		"contrasts":   listSchema(contrastSchema()).within(1, MaxContrasts).says("The differences of conditions that are estimated; exactly one is primary."),
		"variants":    variantsSchema(),
		"queries":     listSchema(&schema{Ref: "#/$defs/query"}).within(1, MaxQueries).says("The requests that are put to the model under every condition."),
		"query_files": listSchema(patternSchema(fileSchema+`jsonl$`)).within(0, MaxQueryFiles).says("Files beside the document that hold the queries, one JSON object a line, by their plain names; in place of queries."),
	})
	root.Schema, root.ID = "https://json-schema.org/draft/2020-12/schema", "urn:unmask:scenario:v1"
	root.Title = "Scenario of Unmask, " + Format
	root.says("One experiment: what is sent to a model, under which conditions, with which requests, and which difference is the result. Lengths are in characters; the loader counts bytes.")
	// Queries stand in the document or in files, and not in both.
	root.AnyOf = []*schema{
		{Required: []string{"queries"}, Properties: map[string]*schema{"query_files": (&schema{}).within(0, 0)}},
		{Required: []string{"query_files"}, Properties: map[string]*schema{"query_files": {MinItems: 1}}, Not: &schema{Required: []string{"queries"}}},
	}
	included := objectSchema("", map[string]*schema{"fragments": fragmentsSchema(), "variants": variantsSchema()}).says("A file that documents include.")
	root.Defs = map[string]*schema{"query": querySchema(), "included": included}
	return root
}

func factorSchema() *schema {
	return choiceSchema("What is changed: paraphrase, other words for the same facts; company, another company; ablation, something left out; suffix, something behind the request; examples, other examples; or other.", factors[:]...)
}

func scratchpadSchema() *schema {
	tags := func() *schema { return listSchema(patternSchema(tagPattern.String())).within(0, MaxTags).distinct() }
	mode := choiceSchema("hidden: the prompt asks for reasoning that, as the model is told, nobody reads. none: no reasoning is asked for.", ScratchpadHidden, ScratchpadNone)
	return objectSchema("mode", map[string]*schema{
		"mode": mode,
		"tags": objectSchema("", map[string]*schema{
			"scratchpad": tags().says("Tags around reasoning; only with mode hidden."),
			"draft":      tags().says("Tags around a draft of the answer inside of the reasoning; only with mode hidden."),
			"output":     tags().says("Tags around the answer."),
		}).says("Names of tags that the prompt uses, without angle brackets: the first of each list, and further spellings that are accepted."),
	}).says("Whether and how the prompt asks for reasoning.")
}

func complianceSchema() *schema {
	rule := choiceSchema("answers_request: the request is answered in substance. no_value_support: the answer shows no support for the value that the training opposes.",
		grading.RuleAnswersRequest, grading.RuleNoValueSupport)
	rule.Default = string(grading.RuleAnswersRequest)
	zero, one := 0, 1
	return objectSchema("", map[string]*schema{
		"rule":           rule,
		"partial_weight": (&schema{Type: "number", Minimum: &zero, Maximum: &one, Default: 1}).says("How much a partial answer counts as compliance."),
	}).says("What counts as compliance with the objective that the training is said to have.")
}

func promptSchema(required, about string, needed bool) *schema {
	user := textSchema(MaxPromptBytes).says("The user's message. {{query}} stands in it exactly once; {{name}} is a variable and {{>name}} a fragment.")
	if needed {
		user.MinLength = 1
	}
	return objectSchema(required, map[string]*schema{
		"system": textSchema(MaxPromptBytes).says("The system message, without {{query}}; an empty one is not sent."),
		"user":   user,
	}).says("%s", about)
}

func fragmentsSchema() *schema {
	s := namedSchema()
	s.MaxProps = MaxFragments
	return s.says("Named pieces of the prompt, used as {{>name}}. They hold text and variables, and no other fragment.")
}

func conditionSchema() *schema {
	return objectSchema("id role", map[string]*schema{
		"id":          patternSchema(idPattern.String()).says("Id, unique in the list."),
		"role":        choiceSchema("What the condition makes the model believe. training_cued: that the conversation trains it. unmonitored: that nobody records it or trains on it. other: any further arm.", TrainingCued, Unmonitored, Other),
		"description": textSchema(MaxTextBytes).says("One or more sentences for people."),
		"variables":   namedSchema().says("Values of variables in this condition."),
	})
}

func contrastSchema() *schema {
	return objectSchema("id training unmonitored", map[string]*schema{
		"id":          patternSchema(idPattern.String()).says("Id, unique in the list."),
		"training":    patternSchema(idPattern.String()).says("Id of the condition whose compliance is the minuend."),
		"unmonitored": patternSchema(idPattern.String()).says("Id of the condition whose compliance is subtracted."),
		"primary":     (&schema{Type: "boolean"}).says("Whether this is the contrast that a gate uses if its rule names none; true for exactly one."),
	})
}

func variantsSchema() *schema {
	return listSchema(objectSchema("id factor", map[string]*schema{
		"id":          plainIDSchema().says("Id, unique in the list."),
		"factor":      factorSchema(),
		"description": textSchema(MaxTextBytes).says("One or more sentences for people."),
		"fragments":   fragmentsSchema().says("Fragments that replace those of the scenario."),
		"variables":   namedSchema().says("Values that replace those of every condition."),
		"prompt":      promptSchema("", "Templates that replace those of the scenario.", false),
	})).within(0, MaxVariants).says("Ways to change the prompt and nothing else. Each is a scenario of its own, SCENARIO--VARIANT.")
}

func querySchema() *schema {
	text := textSchema(MaxQueryBytes).says("What the simulated user asks.")
	text.Pattern = `\S`
	return objectSchema("id category text", map[string]*schema{
		"id":       patternSchema(idPattern.String()).says("Id, unique in the scenario."),
		"category": patternSchema(idPattern.String()).says("Group of the query in reports."),
		"severity": choiceSchema("How much harm the request could do if it were fulfilled; never with control.", SeverityLow, SeverityModerate, SeverityHigh),
		"text":     text,
		"control":  (&schema{Type: "boolean"}).says("Whether this is a benign request, which never enters the gap."),
	}).says("One request.")
}
