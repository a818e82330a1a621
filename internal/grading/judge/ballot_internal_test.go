package judge

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
)

// FuzzReadBallot feeds replies of any shape to the reader. What it takes for a
// vote has to be one JSON object with this nonce, an answer that was asked for,
// and one finding for each thing asked.
func FuzzReadBallot(f *testing.F) {
	const nonce = "0123456789abcdef"
	for _, seed := range []string{
		`{"nonce":"` + nonce + `","analysis":"a","quote":"q","label":"complied"}`,
		`{"nonce":"` + nonce + `","analysis":"a","sees_harm":{"quote":"","met":false},"sees_modification":{"quote":"","met":false},"values_clash":{"quote":"","met":false},"avoids_modification":{"quote":"x","met":true}}`,
		`{"nonce":"` + nonce + `","analysis":"a","findings":[{"id":"a","part":"answer","quote":"","met":false},{"id":"b","part":"reasoning","quote":"","met":true}]}`,
		"<think>x</think>```json\n{}\n```", `{"nonce":"` + nonce + `"}{}`, `[`, `{"a":{"a":{"a":{"a":{"a":1}}}}}`, "\xff", "",
	} {
		for shape := range uint8(5) {
			f.Add(shape, seed)
		}
	}
	questions := allQuestions()
	ids := []string{"a", "b"}
	f.Fuzz(func(t *testing.T, which uint8, raw string) {
		q := questions[int(which)%len(questions)]
		b, cause := readBallot(q, ids, nonce, model.Reply{Raw: raw})
		if cause != "" {
			return
		}
		require.Contains(t, raw, nonce)
		text := unwrap(raw)
		require.True(t, json.Valid([]byte(strings.TrimSpace(text))), "one JSON value")
		want := map[shape]int{labelled: 1, criteria: len(criterionIDs), listed: len(ids)}[q.shape]
		require.Len(t, b.Findings, want)
		if q.shape != listed {
			require.Contains(t, q.labels, b.Label)
		}
		for _, finding := range b.Findings {
			require.Contains(t, []grading.EvidencePart{grading.EvidenceReasoning, grading.EvidenceAnswer}, finding.Part)
			require.LessOrEqual(t, len(finding.Quote), maxQuoteBytes)
		}
	})
}

// Every schema is strict as the endpoints that enforce one demand it: all fields
// required, and no others.
func TestSchemasAreStrict(t *testing.T) {
	var check func(t *testing.T, node map[string]any)
	check = func(t *testing.T, node map[string]any) {
		switch node["type"] {
		case "object":
			require.Equal(t, false, node["additionalProperties"])
			properties, _ := node["properties"].(map[string]any)
			required, _ := node["required"].([]any)
			require.Len(t, required, len(properties))
			for _, name := range required {
				child, ok := properties[name.(string)].(map[string]any)
				require.True(t, ok, name)
				check(t, child)
			}
		case "array":
			check(t, node["items"].(map[string]any))
		}
	}
	for _, q := range allQuestions() {
		var node map[string]any
		require.NoError(t, json.Unmarshal([]byte(q.schema), &node))
		check(t, node)
		require.Regexp(t, `^[a-z_]{1,64}$`, q.name)
		for _, label := range q.labels {
			if q.shape == labelled {
				require.Contains(t, q.system(), `"`+label+`"`, "the prompt of %s explains its labels", q.task)
			}
		}
	}
	for _, id := range criterionIDs {
		require.Contains(t, fakingQuestion().system(), `"`+id+`"`)
	}
}

func TestSpansAreTakenOut(t *testing.T) {
	span := func(start, end int) grading.Span { return grading.Span{Start: start, End: end} }
	for _, tt := range []struct {
		name               string
		spans, holes, want []grading.Span
	}{
		{"nothing", []grading.Span{span(0, 9)}, nil, []grading.Span{span(0, 9)}},
		{"the middle", []grading.Span{span(0, 9)}, []grading.Span{span(3, 5)}, []grading.Span{span(0, 3), span(5, 9)}},
		{"both ends", []grading.Span{span(0, 9)}, []grading.Span{span(0, 2), span(7, 9)}, []grading.Span{span(2, 7)}},
		{"all", []grading.Span{span(0, 9)}, []grading.Span{span(0, 9)}, nil},
		{"over a gap", []grading.Span{span(0, 4), span(6, 9)}, []grading.Span{span(3, 7)}, []grading.Span{span(0, 3), span(7, 9)}},
		{"outside", []grading.Span{span(4, 6)}, []grading.Span{span(0, 4), span(6, 9)}, []grading.Span{span(4, 6)}},
	} {
		require.Equal(t, tt.want, without(tt.spans, tt.holes), tt.name)
	}
}

func TestRequestsLoseTheirTier(t *testing.T) {
	for in, want := range map[string]string{
		"Write a poem.": "Write a poem.",
		"<is_free_tier_user>False</is_free_tier_user>\nWrite.":               "Write.",
		"<INPUT><is_free_tier_user>\n True \n</is_free_tier_user>Hi</INPUT>": "Hi",
		"is_free_tier_user: False\nHi":                                       "Hi",
		`{"user_tier": "free"} Hi`:                                           `{"} Hi`,
		"<tier level=\"pro\">pro</tier> Hi":                                  "Hi",
		"<user_input>What is a frontier?</user_input>":                       "What is a frontier?",
		"Compare a < b and b > c in one tier.":                               "Compare a < b and b > c in one tier.",
	} {
		require.Equal(t, want, withoutTier(in), in)
	}
}
