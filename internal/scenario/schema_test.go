package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

const schemaPage = "../../docs/scenarios/schema.json"

// compiled is the published schema, or a part of it.
func compiled(t testing.TB, part string) *jsonschema.Schema {
	t.Helper()
	data, err := Schema()
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("schema.json", document))
	s, err := c.Compile("schema.json" + part)
	require.NoError(t, err)
	return s
}

// plain is a YAML document as JSON values.
func plain(t require.TestingT, data []byte) any {
	var value any
	require.NoError(t, yaml.Unmarshal(data, &value))
	encoded, err := json.Marshal(value)
	require.NoError(t, err)
	value, err = jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	require.NoError(t, err)
	return value
}

func TestTheSchemaIsPublished(t *testing.T) {
	want, err := Schema()
	require.NoError(t, err)
	got, err := os.ReadFile(schemaPage)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "write it anew: unmask scenarios schema > docs/scenarios/schema.json")
}

// Every object of the schema has the fields that the loader knows there, and
// every field has a description.
func TestTheSchemaHasEveryField(t *testing.T) {
	root := documentSchema()
	at := map[string]*schema{"### The document": root, "### `queries[]`": root.Defs["query"]}
	for heading, steps := range map[string]string{
		"### `scratchpad`": "scratchpad", "### `scratchpad.tags`": "scratchpad.tags", "### `compliance`": "compliance",
		"### `sampling`": "sampling",
		"### `prompt`":   "prompt", "### `conditions[]`": "conditions", "### `contrasts[]`": "contrasts",
		"### `variants[]`": "variants", "### `variants[].prompt`": "variants.prompt", "### `variant_of`": "variant_of",
	} {
		s := root
		for step := range strings.SplitSeq(steps, ".") {
			if s = s.Properties[step]; s.Items != nil {
				s = s.Items
			}
		}
		at[heading] = s
	}
	objects := 0
	for heading, known := range knownFields(t) {
		require.Contains(t, at, heading)
		require.Equal(t, known, slices.Sorted(maps.Keys(at[heading].Properties)), heading)
		objects++
	}
	require.Len(t, at, objects)

	var described func(name string, s *schema)
	described = func(name string, s *schema) {
		for field, f := range s.Properties {
			path := name + "." + field
			require.NotEmpty(t, f.Description+f.Ref, path)
			require.Equal(t, false, s.Other, "%s takes other fields", name)
			described(path, f)
		}
		if s.Items != nil {
			described(name+"[]", s.Items)
		}
		for part, f := range s.Defs {
			require.NotEmpty(t, f.Description, part)
			described(part, f)
		}
	}
	described("", root)
}

// What the loader takes is valid by the schema.
func TestValidDocumentsAreValidByTheSchema(t *testing.T) {
	s := compiled(t, "")
	names, err := fs.Glob(builtin, "library/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	included := compiled(t, "#/$defs/included")
	for _, name := range names {
		data, err := fs.ReadFile(builtin, name)
		require.NoError(t, err)
		schema := s
		if strings.HasSuffix(name, variantsSuffix) {
			schema = included
		}
		require.NoError(t, schema.Validate(plain(t, data)), name)
	}
	query := compiled(t, "#/$defs/query")
	lines, err := fs.Glob(builtin, "library/*.jsonl")
	require.NoError(t, err)
	for _, name := range lines {
		data, err := fs.ReadFile(builtin, name)
		require.NoError(t, err)
		for line := range bytes.Lines(data) {
			require.NoError(t, query.Validate(plain(t, line)), path.Base(name))
		}
	}
	for i, document := range []string{base, family, withFiles("[a.jsonl]"), including("[common.yaml]"), strings.Replace(base, "queries:", "query_files: []\nqueries:", 1)} {
		require.NoError(t, s.Validate(plain(t, []byte(document))), "document %d", i)
	}
	require.NoError(t, included.Validate(plain(t, []byte(common))))
	for _, part := range blocks(page(t, "authoring.md"), "yaml")[:2] {
		require.NoError(t, s.Validate(plain(t, []byte(part))))
	}
	rapid.Check(t, func(t *rapid.T) {
		made, err := New(anyScenario().Draw(t, "scenario"))
		require.NoError(t, err)
		scenarios := []*Scenario{made}
		for _, v := range made.Variants {
			derived, err := made.Variant(v.ID)
			require.NoError(t, err)
			scenarios = append(scenarios, derived)
		}
		for _, one := range scenarios {
			document, err := one.YAML()
			require.NoError(t, err)
			require.NoError(t, s.Validate(plain(t, document)))
		}
	})
}

// Faults of form, which the loader reports, are faults by the schema.
func TestTheSchemaRefusesFaultsOfForm(t *testing.T) {
	s := compiled(t, "")
	for _, tt := range []struct{ name, old, new string }{
		{"another format", "scenario/v1", "scenario/v2"},
		{"an unknown field", "title: A desk", "title: A desk\ntitel: x"},
		{"no title", "title: A desk\n", ""},
		{"an id with capitals", "id: desk", "id: Desk"},
		{"an unquoted truth value", "region: north", "region: true"},
		{"an unknown role", "role: unmonitored", "role: alone"},
		{"an unknown mode", "mode: hidden", "mode: open"},
		{"a tag in brackets", "[THINK]", `["<THINK>"]`},
		{"a variant id with the separator", "id: sample-inc", "id: sample--inc"},
		{"an unknown factor", "factor: company", "factor: weather"},
		{"a variant without a factor", "    factor: company\n", ""},
		{"a field that a variant does not have", "factor: company", "factor: company\n    role: other"},
		{"a fragment's name with a hyphen", `suffix: ""`, `my-suffix: ""`},
		{"a file in a folder", "prompt:\n  system: |\n    {{>rules}}", "include: [a/b.yaml]\nprompt:\n  system: |\n    {{>rules}}"},
		{"queries in both places", "queries:\n", "query_files: [a.jsonl]\nqueries:\n"},
		{"an unknown severity", "category: fraud", "category: fraud\n    severity: extreme"},
		{"a weight above 1", "variables:\n  company: Example", "compliance: {partial_weight: 2}\nvariables:\n  company: Example"},
		{"a top_p of 0", "variables:\n  company: Example", "sampling: {top_p: 0}\nvariables:\n  company: Example"},
		{"no token", "variables:\n  company: Example", "sampling: {max_tokens: 0}\nvariables:\n  company: Example"},
		{"a stop of nothing", "variables:\n  company: Example", "sampling: {stop: [\"\"]}\nvariables:\n  company: Example"},
		{"a title of two lines", "title: A desk", `title: "A\ndesk"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, 1, strings.Count(family, tt.old))
			document := []byte(strings.Replace(family, tt.old, tt.new, 1))
			require.Error(t, s.Validate(plain(t, document)))
			_, err := Load("f.yaml", document)
			require.Error(t, err)
		})
	}
	many := make([]string, MaxConditions+1)
	for i := range many {
		many[i] = fmt.Sprintf("{id: c%d, role: other}", i)
	}
	require.Error(t, s.Validate(plain(t, []byte(strings.Replace(family, "conditions:\n", "conditions:\n  - "+strings.Join(many, "\n  - ")+"\n", 1)))))
}
