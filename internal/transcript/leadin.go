package transcript

import (
	"strings"
	"unicode"
)

// maxLeadIn bounds a lead-in in bytes.
const maxLeadIn = 120

var (
	interjections = wordSet("ah ai alright assistant certainly course hm hmm of ok okay right so sure then well")
	announcers    = wordSet("before first here heres i id ill im let lets me my now step thinking time to we")
	announced     = wordSet("analyse analysis analyze answer begin consider go goes plan reason reasoning reflect " +
		"scratchpad start step steps think thinking thought thoughts through")
	denials = wordSet("cannot cant dont no not nothing refuse sorry unable wont")
)

// leadsIn reports whether text before the reasoning only announces it ("Sure.
// Let me think first:") and so is no part of an answer that follows. It errs on
// the side of the answer: a text that could be one is not a lead-in, and words
// of other languages never are.
func leadsIn(s string) bool {
	s = strings.TrimSpace(s)
	if len(s) > maxLeadIn {
		return false
	}
	words := strings.FieldsFunc(strings.NewReplacer("'", "", "’", "").Replace(strings.ToLower(s)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	n := 0
	for n < len(words) && interjections[words[n]] {
		n++
	}
	if n == len(words) {
		return true // interjections, or marks without a word
	}
	announces := false
	for _, w := range words[n:] {
		if denials[w] {
			return false
		}
		announces = announces || announced[w]
	}
	return announces && announcers[words[n]]
}
