package transcript

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// realBlock is the length in bytes from which text between an opening tag and
// the closing tag that follows it is a block and not the "and" between two
// tags that a sentence names.
const realBlock = 24

// markMentions sets mentioned on tokens that look like words of a sentence or
// stand in quotation marks. It is a suspicion: a reading of the reply that
// needs the tag brings it back.
func markMentions(src string, toks []token) {
	q := quotes{src: src}
	if toks[0].kind == noise {
		q.pos = toks[0].end // the mark may open a quotation of the whole reply
	}
	inBlock := false // toks[i-1] opened a block that toks[i] closes
	for i := range toks {
		t := &toks[i]
		if t.kind == noise {
			continue
		}
		inside := q.enclose(t.start, t.end)
		closesNext := i+1 < len(toks) && t.kind == opening && toks[i+1].kind == closing &&
			toks[i+1].name.id == t.name.id && toks[i+1].start-t.end >= realBlock
		if inside || wrapped(src, t) || (!closesNext && !inBlock && inSentence(src, t)) {
			t.doubt |= mentioned
		}
		adorned := i > 0 && toks[i-1].kind == noise && toks[i-1].end == t.start
		if pairsWith(toks, i) && !adorned && (shownForm(src, toks, i) || quotedBlock(src, t.start, toks[i+1].end)) {
			t.doubt |= mentioned
			toks[i+1].doubt |= mentioned
		}
		inBlock = closesNext && t.doubt&mentioned == 0
		ends := t.kind == closing && t.name.class == classReasoning
		begins := t.kind == opening && t.name.class == classOutput
		afterInline := i > 0 && toks[i-1].end == t.start && toks[i-1].doubt&inline != 0
		if (ends || begins) && (afterWord(src[:t.start]) || afterInline) {
			t.doubt |= inline
		}
	}
}

// shownForm reports whether a sentence shows a form, as in "<a> ... </a>".
func shownForm(src string, toks []token, i int) bool {
	return afterWord(src[:toks[i].start]) && letterCount(src[toks[i].end:toks[i+1].start]) == 0
}

// quotedBlock reports whether src[start:end] begins right after an opening
// quotation mark that a closing one answers on the line where it ends.
func quotedBlock(src string, start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(src[:start])
	marks := map[rune]string{'“': "”", '„': "“”", '«': "»", '‹': "›", '「': "」", '『': "』"}[before]
	if marks == "" {
		return false
	}
	line := src[end:min(len(src), end+maxTag)]
	if eol := strings.IndexAny(line, "\r\n"); eol >= 0 {
		line = line[:eol]
	}
	return strings.ContainsAny(line, marks)
}

// unquote turns the quotation marks around a whole reply into noise.
func unquote(src string, toks []token) []token {
	text := strings.TrimSpace(src)
	if len(toks) == 0 || len(text) < 3 {
		return toks
	}
	start := strings.Index(src, text)
	end := start + len(text)
	for _, q := range [...][2]string{{`"`, `"`}, {"“", "”"}, {"«", "»"}, {"„", "“"}} {
		first, last := start+len(q[0]), end-len(q[1])
		if toks[0].start == first && toks[len(toks)-1].end <= last &&
			strings.HasPrefix(text, q[0]) && strings.HasSuffix(text, q[1]) {
			toks = append([]token{noiseAt(start, first)}, toks...)
			return append(toks, noiseAt(last, end))
		}
	}
	return toks
}

// wrapped reports whether a pair of quotation marks or parentheses encloses
// the tag and nothing else.
func wrapped(src string, t *token) bool {
	before, _ := utf8.DecodeLastRuneInString(src[:t.start])
	after, _ := utf8.DecodeRuneInString(src[t.end:])
	switch before {
	case '"', '\'':
		return after == before
	case '(':
		return after == ')'
	case '“', '„', '”':
		return after == '”' || after == '“'
	case '‘', '‚', '’':
		return after == '’' || after == '‘'
	case '«':
		return after == '»'
	case '»':
		return after == '«'
	}
	return false
}

// Words that stand before or after the name of a tag in a sentence about it.
var (
	wordsBefore = wordSet("a after an and as at before between by called from in inside into like me my named no of on or " +
		"put tag tags than that the this to until use used uses using via when with within without write your")
	wordsAfter = wordSet("and block blocks element marker markers or part parts section sections tag tags")
)

func wordSet(list string) map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(list) {
		m[w] = true
	}
	return m
}

// inSentence reports whether the tag stands where a noun would: after a word
// that calls for a noun, before punctuation or a lower-case word; or before a
// word such as "tag".
func inSentence(src string, t *token) bool {
	if !afterWord(src[:t.start]) {
		return false
	}
	tail := src[t.end:min(len(src), t.end+maxName)]
	next, w := utf8.DecodeRuneInString(tail)
	if next == ' ' {
		n := 1
		for n < len(tail) && isWord(tail[n]) {
			n++
		}
		if wordsAfter[tail[1:n]] {
			return true
		}
		r, _ := utf8.DecodeRuneInString(tail[1:])
		return unicode.IsLower(r) && wordsBefore[lastWord(src[:t.start-1])]
	}
	return w > 0 && strings.ContainsRune(".,;:!?)", next) && wordsBefore[lastWord(src[:t.start-1])]
}

// lastWord returns the word at the end of s in lower case.
func lastWord(s string) string {
	n := len(s)
	for n > 0 && len(s)-n < maxName && isWord(s[n-1]) {
		n--
	}
	return strings.ToLower(s[n:])
}

// afterWord reports whether head ends with a word and one blank.
func afterWord(head string) bool {
	if len(head) < 2 || head[len(head)-1] != ' ' {
		return false
	}
	r, _ := utf8.DecodeLastRuneInString(head[:len(head)-1])
	return unicode.IsLetter(r) || r == ',' || r == ':'
}

// quotes finds which tokens stand between double quotation marks on one line.
// It is asked for ascending positions and reads the text once.
type quotes struct {
	src  string
	pos  int  // text before pos has been read
	open bool // an odd number of marks since the line began
	next int  // cached: first mark or line end at or after the last question
}

// enclose reports whether src[start:end] lies between two marks of one line.
func (q *quotes) enclose(start, end int) bool {
	seg := q.src[q.pos:start]
	if eol := strings.LastIndexByte(seg, '\n'); eol >= 0 {
		seg, q.open = seg[eol+1:], false
	}
	if eol := strings.LastIndexByte(seg, '\r'); eol >= 0 {
		seg, q.open = seg[eol+1:], false
	}
	q.open = q.open != (strings.Count(seg, `"`)%2 == 1)
	q.pos = start
	if !q.open {
		return false
	}
	if q.next < end {
		q.next = len(q.src)
		if at := strings.IndexAny(q.src[end:], "\"\r\n"); at >= 0 {
			q.next = end + at
		}
	}
	return q.next < len(q.src) && q.src[q.next] == '"'
}
