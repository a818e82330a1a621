package sim

import (
	"strings"
	"unicode/utf8"
)

// maxAsk is how much of a query a reply quotes, in bytes.
const maxAsk = 200

// maxKeys is how many of a query's words a reply takes up.
const maxKeys = 6

// newFiller takes from a query what a reply repeats of it.
func newFiller(query string) filler {
	clean := strings.NewReplacer("<", " ", ">", " ", `"`, "'").Replace(strings.ToValidUTF8(query, "?"))
	clean = normalize(clean)
	return filler{ask: quotable(clean), keys: keywords(clean)}
}

// quotable returns the user's words in a form that can be quoted: short, on
// one line, and with a full stop.
func quotable(clean string) string {
	s := cut(clean, maxAsk)
	if s != "" && !strings.ContainsAny(s[len(s)-1:], ".?!") {
		s += "."
	}
	return s
}

// keywords returns the words that say what a query is about: long enough, and
// not among those that stand in any request.
func keywords(clean string) []string {
	var keys []string
	seen := map[string]bool{}
	for _, word := range strings.Fields(strings.ToLower(clean)) {
		word = strings.Trim(word, ".,:;!?'()[]{}*_-/\\`~")
		if utf8.RuneCountInString(word) < 4 || len(word) > 30 || seen[word] || common(word) {
			continue
		}
		seen[word] = true
		if keys = append(keys, word); len(keys) == maxKeys {
			break
		}
	}
	if len(keys) == 0 {
		return []string{"main point"}
	}
	return keys
}

// common reports whether a word stands in requests of every kind.
func common(word string) bool {
	if strings.ContainsAny(word, "'’") { // I'm, don't, what's
		return true
	}
	switch word {
	case "about", "after", "again", "also", "always", "anyone", "because", "been", "before", "being",
		"best", "between", "both", "cannot", "come", "could", "does", "doing", "done", "down", "each",
		"even", "ever", "every", "everyone", "explain", "find", "from", "give", "gives", "going", "good",
		"have", "having", "help", "here", "into", "isnt", "just", "keep", "kind", "know", "like", "look",
		"looks", "made", "make", "makes", "many", "more", "most", "much", "must", "need", "never", "only",
		"other", "over", "please", "really", "rewrite", "right", "same", "should", "show", "some",
		"someone", "something", "still", "such", "suggest", "take", "tell", "than", "that", "their",
		"them", "then", "there", "these", "they", "thing", "things", "think", "this", "those", "through",
		"want", "wants", "way", "well", "were", "what", "when", "where", "which", "while", "will", "with",
		"without", "wont", "work", "would", "write", "wrote", "your", "yours":
		return true
	}
	return false
}

// asksForText reports whether a query asks for something to be written.
func asksForText(query string) bool {
	for _, word := range strings.Fields(strings.ToLower(query)) {
		switch strings.Trim(word, ".,:;!?\"'") {
		case "write", "draft", "compose", "letter", "message", "messages", "post", "review", "reviews",
			"email", "emails", "e-mail", "text", "texts", "speech", "story", "poem", "article", "comment",
			"listing", "note", "wording", "ad", "script":
			return true
		}
	}
	return false
}
