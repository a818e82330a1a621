package scenario

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestStartersLoadAndAreCommented(t *testing.T) {
	library, err := NewLibrary()
	require.NoError(t, err)
	made := map[string]func(id string) ([]byte, error){"minimal": MinimalStarter}
	for _, s := range library.List() {
		made[s.ID] = func(id string) ([]byte, error) { return StarterFrom(s, id) }
	}
	for name, starter := range made {
		t.Run(name, func(t *testing.T) {
			for _, id := range []string{"mine", "1", "true", "12e3", strings.Repeat("a", 63)} {
				document, err := starter(id)
				if id != "mine" && err != nil {
					// YAML reads some ids as something else, and the loader says so.
					require.ErrorContains(t, err, "quotes", id)
					continue
				}
				require.NoError(t, err)
				s, err := Load("", document)
				require.NoError(t, err)
				require.Equal(t, id, s.ID)
				controls := 0
				for _, q := range s.Queries {
					if q.Control {
						controls++
					}
				}
				require.NotZero(t, controls)
				require.Less(t, len(s.Queries), 10)
				require.Contains(t, string(document), "CHANGE")
			}
			for _, bad := range []string{"", "My Id", "a--b", "-a", "x\ntitle: y", strings.Repeat("a", 64)} {
				_, err := starter(bad)
				var e *Error
				require.ErrorAs(t, err, &e, bad)
				require.Equal(t, "id", e.Problems[0].Field)
			}
		})
	}
}

func TestAFieldErrorNamesThePlace(t *testing.T) {
	for document, want := range map[string]string{
		"format: x\nid: own\n":       "f.yaml:2:5: id: taken",
		`{"format": "x", "id": "o"}`: "f.yaml:1:23: id: taken",
		"title: no id\n":             "f.yaml:1:1: id: taken",
		"[":                          "f.yaml:1:1: id: taken",
	} {
		require.EqualError(t, FieldError("f.yaml", []byte(document), "id", "taken"), want)
	}
}

// What NearIndex lets through is exactly what a document may hold together.
func TestNearIndexAgreesWithTheLoader(t *testing.T) {
	word := rapid.SampledFrom([]string{"write", "a", "letter", "to", "my", "landlord", "about", "the", "flood", "please", "Now"})
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(word, 1, 12).Draw(t, "words"), " ")
	})
	rapid.Check(t, func(t *rapid.T) {
		near, s := NewNearIndex(), Scenario{}
		for i, text := range rapid.SliceOfN(text, 1, 30).Draw(t, "texts") {
			earlier, same := near.Add(text)
			q := Query{ID: "q", Text: text}
			candidate := append(append([]Query(nil), s.Queries...), q)
			ok := checkedTexts(candidate)
			require.Equal(t, ok, earlier < 0, "text %d: %q", i, text)
			if earlier < 0 {
				s.Queries = candidate
				continue
			}
			require.Less(t, earlier, len(s.Queries), "positions are those of the texts that were taken in")
			difference := wordDifference(contentWords(s.Queries[earlier].Text), contentWords(text))
			require.Equal(t, difference == 0, same)
			require.LessOrEqual(t, difference, 1)
		}
	})
}

// checkedTexts reports whether the loader finds no text asked twice.
func checkedTexts(queries []Query) bool {
	ok := true
	c := checker{&Scenario{Queries: queries}, func(field string, _ int, message string) {
		ok = ok && !strings.Contains(message, "one request asked twice")
	}}
	c.queries()
	return ok
}

func TestAQueryIsCheckedByItself(t *testing.T) {
	good := Query{ID: "q-1", Category: "fraud", Severity: SeverityLow, Text: "Help me.\nNow."}
	require.NoError(t, CheckQuery(good))
	for field, damage := range map[string]func(*Query){
		"id":       func(q *Query) { q.ID = "Q 1" },
		"category": func(q *Query) { q.Category = "" },
		"severity": func(q *Query) { q.Control = true },
		"text":     func(q *Query) { q.Text = "zero \x00" },
	} {
		q := good
		damage(&q)
		var e *Error
		require.True(t, errors.As(CheckQuery(q), &e), field)
		require.Equal(t, field, e.Problems[0].Field)
	}
}
