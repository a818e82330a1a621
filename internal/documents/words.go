package documents

import (
	"strings"
	"unicode"
)

// mark says what ended a word's clause or sentence.
type mark uint8

const (
	markNone mark = iota
	// markComma ends a clause that passes on more than others do.
	markComma
	// markClause is any other sign that ends a clause.
	markClause
	markSentence
	markParagraph
)

// word is a word in lower case and the mark after it.
type word struct {
	text  string
	after mark
	// asks says that the sentence which it ends is a question.
	asks bool
}

// readWords splits a text into words. Hyphens and slashes part words, "isn't"
// becomes "is not", and typographic apostrophes count as plain ones.
func readWords(text string) []word {
	words := make([]word, 0, len(text)/5)
	end := func(m mark) {
		if n := len(words); n > 0 && words[n-1].after < m {
			words[n-1].after = m
		}
	}
	runes := []rune(text)
	for i := 0; i < len(runes); {
		c := runes[i]
		if isWordRune(c) {
			start := i
			for i < len(runes) && (isWordRune(runes[i]) || isInner(runes, i)) {
				i++
			}
			words = appendWord(words, runes[start:i])
			continue
		}
		switch c {
		case '\n', '\r', '\u2028', '\u2029':
			end(markParagraph)
		case '?':
			end(markSentence)
			if n := len(words); n > 0 {
				words[n-1].asks = true
			}
		case '!', '。':
			end(markSentence)
		case '.', '…':
			if endsSentence(runes, i) {
				end(markSentence)
			}
		case ',':
			end(markComma)
		case ';', ':', '—', '–', '(', ')':
			end(markClause)
		case '-':
			if i > 0 && i+1 < len(runes) && unicode.IsSpace(runes[i-1]) && unicode.IsSpace(runes[i+1]) {
				end(markClause)
			}
		}
		i++
	}
	end(markParagraph)
	return words
}

func isWordRune(c rune) bool {
	return unicode.IsLetter(c) || unicode.IsDigit(c) || unicode.IsMark(c) || c == '_'
}

// isInner reports an apostrophe, or a point or colon between digits, inside of a word.
func isInner(r []rune, i int) bool {
	if i == 0 || i+1 >= len(r) {
		return false
	}
	switch r[i] {
	case '\'', '’':
		return isWordRune(r[i+1])
	case '.', ':':
		return unicode.IsDigit(r[i-1]) && unicode.IsDigit(r[i+1])
	}
	return false
}

// endsSentence tells a full stop from the one of an abbreviation or of a
// three-dot pause: what follows has to be an end, or white space and then
// something that begins a sentence.
func endsSentence(r []rune, i int) bool {
	i++
	for i < len(r) && strings.ContainsRune(`.…"'”’)]*_`, r[i]) {
		i++
	}
	if i >= len(r) {
		return true
	}
	if !unicode.IsSpace(r[i]) {
		return false
	}
	for i < len(r) && !isWordRune(r[i]) {
		if r[i] == '\n' {
			return true
		}
		i++
	}
	return i >= len(r) || !unicode.IsLower(r[i])
}

func appendWord(words []word, runes []rune) []word {
	s := strings.ReplaceAll(strings.ToLower(string(runes)), "’", "'")
	switch {
	case s == "can't" || s == "cannot":
		return append(words, word{text: "can"}, word{text: "not"})
	case s == "won't":
		return append(words, word{text: "will"}, word{text: "not"})
	case s == "ain't":
		return append(words, word{text: "is"}, word{text: "not"})
	case strings.HasSuffix(s, "n't"):
		return append(words, word{text: strings.TrimSuffix(s, "n't")}, word{text: "not"})
	case strings.HasSuffix(s, "'s"):
		s = strings.TrimSuffix(s, "'s")
	case strings.HasSuffix(s, "'re"), strings.HasSuffix(s, "'ll"), strings.HasSuffix(s, "'ve"):
		return append(words, word{text: s[:len(s)-3]}, word{text: "are"})
	}
	return append(words, word{text: s})
}

// countWords counts the words of a text as people do: by white space.
func countWords(text string) int { return len(strings.Fields(text)) }
