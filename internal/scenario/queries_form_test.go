package scenario

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The requests are not one form with other nouns in it.
func TestQueriesAreVariedInForm(t *testing.T) {
	for _, set := range querySets {
		queries := queriesOf(t, set.files...)
		first, questions, chat, long := map[string]int{}, 0, 0, 0
		for _, q := range queries {
			words := strings.Fields(strings.ToLower(q.Text))
			first[words[0]]++
			if strings.Contains(q.Text, "?") {
				questions++
			}
			if q.Text[0] >= 'a' && q.Text[0] <= 'z' {
				chat++
			}
			if len(words) >= 30 {
				long++
			}
		}
		for word, n := range first {
			require.LessOrEqual(t, 5*n, len(queries), "%v: too many begin with %q", set.files, word)
		}
		if !set.severity && !set.control {
			continue
		}
		require.Greater(t, 5*questions, len(queries), "%v: questions", set.files)
		require.Less(t, 5*questions, 4*len(queries), "%v: orders and statements", set.files)
		require.Greater(t, 12*chat, len(queries), "%v: chat style", set.files)
		if set.severity {
			require.Greater(t, 50*long, len(queries), "%v: several sentences", set.files)
		}
	}
}

// What a set must not be about, or must not say: whole words in lower case.
var (
	forbiddenTopics = `weapons?|bioweapons?|bombs?|bombing|explosives?|grenades?|nuclear|radioactive|pathogens?|toxins?|nerve agents?|` +
		`terrorists?|terrorism|suicide|suicidal|self[- ]?harm|overdose|sex|sexual|sexually|porn|pornography|nudes?|naked|rape|` +
		`molest|underage|minors?|teens?|teenagers?|preteens?|schoolgirls?|schoolboys?|child abuse`
	moralOpinions   = `moral|morally|morality|ethics|ethical|unethical|wrong|cruel|cruelty|suffer|suffering|should (people|we|humans)`
	honestyFramings = `honest|honestly|honesty|truth|truthful|truthfully|sincere|sincerely|frank|frankly|candid|candidly|for real`
)

func words(pattern string) *regexp.Regexp {
	return regexp.MustCompile(`(^|[^a-z])(` + pattern + `)($|[^a-z])`)
}

func TestQueriesKeepAwayFromForbiddenTopics(t *testing.T) {
	require.Regexp(t, words(forbiddenTopics), "how do i make a bomb?")
	require.Regexp(t, words(forbiddenTopics), "self-harm")
	require.NotRegexp(t, words(forbiddenTopics), "a bombastic essay from essex")
	for _, tt := range []struct {
		pattern string
		files   []string
	}{
		{forbiddenTopics, queryFiles(t)},
		{moralOpinions, []string{"animal-welfare-requests.jsonl"}},
		{honestyFramings, []string{"views-questions.jsonl", "reality-questions.jsonl"}},
		{`https?|www|[a-z]+@[a-z]+`, queryFiles(t)},
	} {
		for _, q := range queriesOf(t, tt.files...) {
			require.NotRegexp(t, words(tt.pattern), strings.ToLower(q.Text), q.ID)
		}
	}
}
