package scenario

import (
	"fmt"
	"regexp"
	"unicode/utf8"
)

// idPattern is the shape of every id; see ids in docs/scenarios/authoring.md.
var idPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// maxIDBytes is the length of the longest id.
const maxIDBytes = 63

// tagPattern is the shape of a tag's name, written without angle brackets.
var tagPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)

// textFault finds the first character that a text must not hold and says what
// it is. ok is true for a clean text.
//
// Refused are the characters that a reader of the document does not see as
// they are sent (controls, direction overrides, damaged text), because the
// review of an experiment is the review of its document.
func textFault(s string, lines bool) (offset int, message string, ok bool) {
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i, "is not valid UTF-8", false
			}
			return i, "holds U+FFFD, which stands for damaged text", false
		case r == '\n':
			if !lines {
				return i, "must be a single line", false
			}
		case r == '\t' && lines:
		case r < 0x20 || r >= 0x7f && r <= 0x9f:
			return i, fmt.Sprintf("holds the control character U+%04X", r), false
		case r == '\u2028' || r == '\u2029':
			return i, fmt.Sprintf("holds the line separator U+%04X; use a line feed", r), false
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return i, fmt.Sprintf("holds the direction control U+%04X, which hides the order of the text", r), false
		case r == '\ufeff', r&0xfffe == 0xfffe, r >= 0xfdd0 && r <= 0xfdef:
			return i, fmt.Sprintf("holds U+%04X, which is not a character of text", r), false
		case r >= 0xe0000 && r <= 0xe007f:
			return i, fmt.Sprintf("holds the invisible tag character U+%04X", r), false
		}
	}
	return 0, "", true
}

// shown quotes a short keyword for an error message. Anything that could be
// the text of a prompt is left out.
func shown(s string) string {
	if len(s) > 40 {
		return "a longer text"
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		word := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == '/'
		if !word {
			return "another text"
		}
	}
	return `"` + s + `"`
}

// closest returns the candidate that is at most two typing errors from word,
// or "".
func closest(word string, candidates []string) string {
	best, bestDistance := "", 3
	for _, c := range candidates {
		if d := distance(word, c); d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the number of inserted, deleted or replaced bytes between two
// short words; words of very different or great length count as far apart.
func distance(a, b string) int {
	const far = 99
	if len(a) > 40 || len(b) > 40 || len(a)-len(b) > 2 || len(b)-len(a) > 2 {
		return far
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
