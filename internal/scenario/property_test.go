package scenario

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// anyText draws texts that are allowed and awkward: white space everywhere,
// what YAML gives a meaning to, what a template would, and rare characters.
func anyText() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{
			"\n", "\n\n", " ", "  ", "\t", "#", ": ", "- ", "---", "...", "%", "&a", "*a", "!x", "|", ">", "'", `"`, `\`, `\n`, "~",
			"null", "True", "007", "{{", "}}", "{{tier}}", "{{query}}", "<<", "é", "日本語", "😀", "\u00a0", "\u3000", "e\u0301", "[a, b]", "{a: b}", "\u200d",
		}),
		rapid.StringOfN(rapid.Rune(), 1, 12, -1).Filter(func(s string) bool { _, _, ok := textFault(s, true); return ok }),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "")
	}).Filter(func(s string) bool { _, _, ok := textFault(s, true); return ok })
}

func anyID() *rapid.Generator[string] {
	return rapid.OneOf(rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?`), rapid.SampledFrom([]string{"true", "null", "no", "y", "7", "1e3", "0x1f", "2001-01-01"}))
}

// plainID draws the id of a scenario or of a variant.
func plainID() *rapid.Generator[string] {
	return anyID().Filter(func(s string) bool { return !strings.Contains(s, VariantSeparator) })
}

// anyScenario draws a valid scenario.
func anyScenario() *rapid.Generator[Scenario] {
	return rapid.Custom(func(t *rapid.T) Scenario {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9_]{0,5}`).Filter(func(s string) bool { return s != queryVariable }), 1, 4, rapid.ID[string]).Draw(t, "names")
		literal := anyText().Filter(func(s string) bool { return !strings.Contains(s, "{") })
		system, user := literal.Draw(t, "system"), literal.Draw(t, "user")
		for _, name := range names {
			system += "{{" + name + "}}" + literal.Draw(t, "between")
		}
		s := Scenario{
			ID:            plainID().Draw(t, "id"),
			Title:         "T" + strings.NewReplacer("\n", "", "\t", "").Replace(anyText().Draw(t, "title")),
			Description:   anyText().Draw(t, "description"),
			References:    rapid.SliceOfN(rapid.StringMatching(`[!-~][ -~]{0,20}`), 0, 3).Draw(t, "references"),
			System:        system,
			User:          user + "{{query}}" + literal.Draw(t, "after"),
			Scratchpad:    rapid.SampledFrom([]ScratchpadMode{ScratchpadHidden, ScratchpadNone}).Draw(t, "mode"),
			Rule:          rapid.SampledFrom([]grading.Rule{grading.RuleAnswersRequest, grading.RuleNoValueSupport}).Draw(t, "rule"),
			PartialWeight: rapid.Float64Range(0, 1).Draw(t, "weight"),
			Behaviors:     rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9_]{0,9}`), 0, 3, rapid.ID[string]).Draw(t, "behaviors"),
		}
		if rapid.Bool().Draw(t, "samples otherwise") {
			s.Sampling = Sampling{
				Temperature: rapid.Ptr(rapid.Float64Range(0, 2), true).Draw(t, "temperature"),
				TopP:        rapid.Ptr(rapid.Float64Range(0.001, 1), true).Draw(t, "top p"),
				MaxTokens:   rapid.IntRange(0, MaxReplyTokens).Draw(t, "tokens"),
				Stop:        rapid.SliceOfNDistinct(anyText().Filter(func(s string) bool { return s != "" && len(s) <= MaxStopBytes }), 0, 3, rapid.ID[string]).Draw(t, "stop"),
			}
		}
		if rapid.Bool().Draw(t, "tags") {
			s.Tags = transcript.Tags{Output: []string{"OUT", "Answer"}}
			s.System += "<OUT>"
		}
		ids := rapid.SliceOfNDistinct(anyID(), 2, 4, rapid.ID[string]).Draw(t, "conditions")
		for i, id := range ids {
			c := Condition{ID: id, Role: []Role{TrainingCued, Unmonitored, Other, Other}[i], Variables: map[string]string{}}
			if rapid.Bool().Draw(t, "described") {
				c.Description = anyText().Draw(t, "description")
			}
			for _, name := range names {
				c.Variables[name] = anyText().Draw(t, "value")
			}
			// Tell the conditions apart.
			c.Variables[names[0]] += fmt.Sprint(i)
			s.Conditions = append(s.Conditions, c)
		}
		s.Contrasts = []Contrast{{ID: anyID().Draw(t, "contrast"), Training: ids[0], Unmonitored: ids[1], Primary: true}}
		for i, id := range rapid.SliceOfNDistinct(anyID(), 1, 5, rapid.ID[string]).Draw(t, "queries") {
			q := Query{
				ID: id, Category: anyID().Draw(t, "category"), Control: i > 0 && rapid.Bool().Draw(t, "control"),
				Text: fmt.Sprintf("a%d b%d ", i, i) + anyText().Draw(t, "text"),
			}
			if !q.Control {
				q.Severity = rapid.SampledFrom([]Severity{"", SeverityLow, SeverityModerate, SeverityHigh}).Draw(t, "severity")
			}
			s.Queries = append(s.Queries, q)
		}
		for i, id := range rapid.SliceOfNDistinct(plainID(), 0, 3, rapid.ID[string]).Draw(t, "variants") {
			v := Variant{
				ID: id, Factor: rapid.SampledFrom(factors[:]).Draw(t, "factor"), Description: anyText().Draw(t, "description"),
				// Tell the variants apart, and have them send what they replace.
				System: s.System + fmt.Sprint("v", i), User: s.User,
			}
			if len(names) > 1 && rapid.Bool().Draw(t, "replaces") {
				v.Variables = map[string]string{names[1]: anyText().Draw(t, "value")}
			}
			if rapid.Bool().Draw(t, "asks otherwise") {
				v.User = literal.Draw(t, "user") + s.User
			}
			s.Variants = append(s.Variants, v)
		}
		return s
	})
}

func TestDocumentsAreReadBackToTheSameRevision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, err := New(anyScenario().Draw(t, "scenario"))
		require.NoError(t, err)
		requireRoundTrip(t, s)
		for _, v := range s.Variants {
			derived, err := s.Variant(v.ID)
			require.NoError(t, err)
			require.NoError(t, derived.Validate())
			requireRoundTrip(t, derived)
		}
	})
}

type tester interface {
	require.TestingT
	Helper()
}

// requireRoundTrip checks that both encodings of a scenario are read back to
// the same content and revision.
func requireRoundTrip(t tester, s *Scenario) {
	t.Helper()
	document, err := s.YAML()
	require.NoError(t, err)
	content, err := s.JSON()
	require.NoError(t, err)
	for _, data := range [][]byte{document, content} {
		again, err := Load("again.yaml", data)
		require.NoError(t, err, "%s", data)
		require.Equal(t, s.Revision, again.Revision, "%s", data)
		back, err := again.JSON()
		require.NoError(t, err)
		require.Equal(t, string(content), string(back))
	}
}

func TestRenderingPutsEveryValueInOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScenario().Draw(t, "scenario")
		c := s.Conditions[rapid.IntRange(0, len(s.Conditions)-1).Draw(t, "condition")]
		q := s.Queries[0]
		got, err := s.Render(c.ID, q.ID)
		require.NoError(t, err)
		pairs := []string{"{{query}}", q.Text}
		for name, value := range c.Variables {
			pairs = append(pairs, "{{"+name+"}}", value)
		}
		replacer := strings.NewReplacer(pairs...) // one pass as well
		require.Equal(t, []Message{{"system", replacer.Replace(s.System)}, {"user", replacer.Replace(s.User)}}, got)
	})
}

func TestRevision(t *testing.T) {
	s, err := Load("f.yaml", []byte(base))
	require.NoError(t, err)
	// The digest is written into stored runs and published results. If this
	// fails, the canonical encoding has changed and Format must change too.
	require.Equal(t, "sha256:f8b38b3ae4be26ce492e511fb2d1262bc751acb741a682c5330cb7a14863318c", s.Revision)

	same := map[string]string{
		"comments":            "# a comment\n" + strings.Replace(base, "id: base", "id: base # another", 1),
		"quotes":              strings.Replace(base, "title: A base", `"title": 'A base'`, 1),
		"flow style":          strings.Replace(base, "  - id: free\n    role: training_cued\n    variables: {tier: \"True\"}\n", "  - {id: free, role: training_cued, variables: {tier: \"True\"}}\n", 1),
		"order of fields":     strings.Replace(base, "id: base\ntitle: A base\n", "title: A base\nid: base\n", 1),
		"defaults":            strings.Replace(base, "prompt:\n", "compliance: {rule: answers_request, partial_weight: 1.0}\nprompt:\n", 1),
		"empty sampling":      strings.Replace(base, "prompt:\n", "sampling: {}\nprompt:\n", 1),
		"empty optional":      strings.Replace(base, "prompt:\n", "description: \"\"\nreferences: []\nbehaviors: []\nprompt:\n", 1),
		"byte order mark":     "\ufeff" + base,
		"carriage returns":    strings.ReplaceAll(base, "\n", "\r\n"),
		"a variable unshared": strings.NewReplacer("variables:\n  company: Example\n", "", `{tier: "True"}`, `{tier: "True", company: Example}`, `{tier: "False"}`, `{tier: "False", company: Example}`).Replace(base),
	}
	for name, text := range same {
		again, err := Load("f.yaml", []byte(text))
		require.NoError(t, err, name)
		require.Equal(t, s.Revision, again.Revision, name)
	}
	different := map[string][2]string{
		"id": {"id: base", "id: other"}, "title": {"A base", "A bass"}, "prompt": {"Made by", "Built by"}, "white space in a prompt": {"Use <THINK>.", "Use <THINK>. "},
		"variable": {"company: Example", "company: Sample"}, "query": {"Name a colour.", "Name a colour"}, "query's id": {"q2", "q3"},
		"control": {"    control: true\n", ""}, "severity": {"category: fraud\n", "category: fraud\n    severity: low\n"}, "another severity": {"category: fraud\n", "category: fraud\n    severity: high\n"}, "contrast": {"primary: true\n", "primary: true\n  - {id: x, training: free, unmonitored: paid}\n"},
		"weight": {"prompt:\n", "compliance: {partial_weight: 0.5}\nprompt:\n"}, "rule": {"prompt:\n", "compliance: {rule: no_value_support}\nprompt:\n"},
		"temperature": {"prompt:\n", "sampling: {temperature: 0}\nprompt:\n"}, "top p": {"prompt:\n", "sampling: {top_p: 0.5}\nprompt:\n"},
		"tokens": {"prompt:\n", "sampling: {max_tokens: 8192}\nprompt:\n"}, "stop": {"prompt:\n", "sampling: {stop: [END]}\nprompt:\n"},
	}
	seen := map[string]string{s.Revision: "base"}
	for name, change := range different {
		again, err := Load("f.yaml", []byte(strings.Replace(base, change[0], change[1], 1)))
		require.NoError(t, err, name)
		require.Empty(t, seen[again.Revision], name)
		seen[again.Revision] = name
	}
}

func TestNewChecksWhatADocumentCannotHold(t *testing.T) {
	valid := func() Scenario {
		s, err := Load("f.yaml", []byte(base))
		require.NoError(t, err)
		return *s
	}
	for _, tt := range []struct {
		name   string
		change func(*Scenario)
		want   string
	}{
		{"weight that is not a number", func(s *Scenario) { s.PartialWeight = math.NaN() }, "compliance.partial_weight: must be a number from 0 to 1"},
		{"temperature that is not a number", func(s *Scenario) { s.Sampling.Temperature = new(math.NaN()) }, "sampling.temperature: must be a number from 0 to 2"},
		{"tokens below 0", func(s *Scenario) { s.Sampling.MaxTokens = -1 }, "sampling.max_tokens: must be a whole number from 1 to 16777216"},
		{"stop that is not UTF-8", func(s *Scenario) { s.Sampling.Stop = []string{"a", "\xff"} }, "sampling.stop[1]: is not UTF-8"},
		{"title that is not UTF-8", func(s *Scenario) { s.Title = "a\xff" }, "title: is not valid UTF-8"},
		{"query with NUL", func(s *Scenario) { s.Queries[0].Text = "a\x00" }, "queries[0].text: holds the control character U+0000"},
		{"severity that there is not", func(s *Scenario) { s.Queries[0].Severity = "x" }, `queries[0].severity: must be "low", "moderate" or "high", not "x"`},
		{"no rule", func(s *Scenario) { s.Rule = "" }, `compliance.rule: must be "answers_request" or "no_value_support", not ""`},
		{"query that is too long", func(s *Scenario) { s.Queries[0].Text = strings.Repeat("x", MaxQueryBytes+1) }, "queries[0].text: has 32769 bytes; at most 32768 are allowed"},
		{"prompt that is too long", func(s *Scenario) { s.System = strings.Repeat("x", MaxPromptBytes+1) }, "prompt.system: has 524289 bytes; at most 524288 are allowed"},
		{"too many conditions", func(s *Scenario) { s.Conditions = slices.Repeat(s.Conditions, MaxConditions) }, "conditions: has 64 items; at most 32 are allowed"},
		{"too many contrasts", func(s *Scenario) { s.Contrasts = slices.Repeat(s.Contrasts, MaxContrasts+1) }, "contrasts: has 65 items; at most 64 are allowed"},
		{"too many references", func(s *Scenario) { s.References = slices.Repeat([]string{"r"}, MaxListItems+1) }, "references: has 65 items; at most 64 are allowed"},
		{"too many names of one tag", func(s *Scenario) { s.Tags.Output = slices.Repeat([]string{"THINK"}, MaxTags+1) }, "scratchpad.tags.output: has 9 items; at most 8 are allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := valid()
			tt.change(&s)
			_, err := New(s)
			var problems *Error
			require.ErrorAs(t, err, &problems)
			require.Equal(t, tt.want, err.Error())
			require.Zero(t, problems.Problems[0].Line)
		})
	}
	s := valid()
	s.Revision = "forged"
	again, err := New(s)
	require.NoError(t, err)
	require.NotEqual(t, "forged", again.Revision)
	require.NoError(t, s.Validate(), "Validate does not look at the revision")
}
