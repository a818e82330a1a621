package rubric

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is one word, number or sentence mark of a text.
type token struct {
	// start and end are byte offsets into the text.
	start, end int32
	// word is the id of the folded word in the vocabulary, or 0.
	word int32
	// hash identifies the stem, also of words outside of the vocabulary.
	hash uint32
	// kind tells words from marks.
	kind tokenKind
	// shout says that the word is written in capitals throughout.
	shout bool
	// negated says that the word is within reach of a negation. analyser.read sets it.
	negated bool
}

type tokenKind uint8

const (
	// kindWord is a word or a number.
	kindWord tokenKind = iota
	// kindComma ends a clause: comma, colon, semicolon, dash, bracket.
	kindComma
	// kindStop ends a sentence: full stop, question mark, exclamation mark.
	kindStop
	// kindLine ends a line.
	kindLine
	// kindQuote opens or closes quoted speech.
	kindQuote
	// kindBullet opens an entry of a list: "-", "*", "2.", "b)".
	kindBullet
	// kindMarkup is a tag or a code fence; its text is not prose.
	kindMarkup
)

// lexer cuts texts into tokens. It is not safe for concurrent use; each
// grading borrows one.
type lexer struct {
	vocab *vocabulary
	buf   []byte
	// grow numbers unknown words; used when a model is fitted.
	grow bool
	// recent speeds up a lexer whose vocabulary does not grow; nil for others.
	recent *recentWords
	// lower says that the current word has a character other than a capital.
	lower  bool
	tokens []token
}

// class is what a byte of a text can begin.
type class uint8

const (
	// classNone is a character of ASCII that means nothing.
	classNone class = iota
	classSpace
	classWord
	classLine
	classComma
	classStop
	classQuote
	classEscape
	classTag
	classTick
	// classWide is a byte of a character outside of ASCII.
	classWide
)

var classes = func() (t [256]class) {
	for i := range t {
		switch c := byte(i); {
		case isWordByte(c):
			t[i] = classWord
		case c >= utf8.RuneSelf:
			t[i] = classWide
		case c == '\n':
			t[i] = classLine
		case c == escape:
			t[i] = classEscape
		case strings.IndexByte(" \t\r", c) >= 0:
			t[i] = classSpace
		case strings.IndexByte(".!?", c) >= 0:
			t[i] = classStop
		case strings.IndexByte(",;:()-/[]|=>", c) >= 0:
			t[i] = classComma
		case c == '"':
			t[i] = classQuote
		case c == '<':
			t[i] = classTag
		case c == '`':
			t[i] = classTick
		}
	}
	return t
}()

// run cuts text into tokens in one pass and appends them to dst[:0].
func (l *lexer) run(dst []token, text string) []token {
	l.tokens = dst[:0]
	i := 0
	for i < len(text) {
		if k := len(l.tokens); k == 0 || l.tokens[k-1].kind == kindLine {
			if n := bullet(text[i:]); n > 0 {
				l.mark(i, i+n, kindBullet)
				i += n
				continue
			}
		}
		switch classes[text[i]] {
		case classWord:
			i = l.word(text, i)
			for i+1 < len(text) && text[i] == ' ' && classes[text[i+1]] == classWord {
				i = l.word(text, i+1)
			}
		case classNone, classSpace:
			i++
		case classLine:
			l.mark(i, i+1, kindLine)
			i++
		case classComma:
			l.mark(i, i+1, kindComma)
			i++
		case classStop:
			l.mark(i, i+1, kindStop)
			i++
		case classQuote:
			l.mark(i, i+1, kindQuote)
			i++
		case classEscape:
			i = skipEscape(text, i)
		case classTag:
			i = l.scanTag(text, i)
		case classTick:
			if i+2 < len(text) && text[i+1] == '`' && text[i+2] == '`' {
				l.mark(i, i+3, kindMarkup)
				i += 2
			}
			i++
		case classWide:
			i = l.scanRune(text, i)
		}
	}
	dst, l.tokens = l.tokens, nil
	return dst
}

const escape = 0x1b

// skipEscape returns the offset behind a terminal's control sequence at i, such
// as "ESC [31m", which colours what follows and is no word.
func skipEscape(text string, i int) int {
	const longest = 32
	if i+1 >= len(text) || text[i+1] != '[' {
		return i + 1
	}
	for k := i + 2; k < len(text) && k-i < longest; k++ {
		if c := text[k]; c >= 0x40 && c <= 0x7E {
			return k + 1
		}
	}
	return i + 1
}

// bullet returns the length of a list mark at the beginning of a line, or 0.
func bullet(s string) int {
	if len(s) < 2 {
		return 0
	}
	if (s[0] == '-' || s[0] == '*' || s[0] == '+') && s[1] == ' ' {
		return 1
	}
	n := 0
	for n < len(s) && n < 3 && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	if n == 0 && isWordByte(s[0]) {
		n = 1
	}
	if n > 0 && n+1 < len(s) && (s[n] == '.' || s[n] == ')') && (s[n+1] == ' ' || s[n+1] == '\n') {
		return n + 1
	}
	return 0
}

func isWordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func (l *lexer) mark(start, end int, k tokenKind) {
	l.tokens = append(l.tokens, token{start: int32(start), end: int32(end), kind: k})
}

// scanRune handles a character outside of ASCII at i.
func (l *lexer) scanRune(text string, i int) int {
	r, n := utf8.DecodeRuneInString(text[i:])
	switch {
	case r == '。' || r == '！' || r == '…' || r == '।' || r == '？':
		l.mark(i, i+n, kindStop)
	case r == '•' || r == '‣' || r == '◦' || r == '●':
		l.mark(i, i+n, kindBullet)
	case r == '，' || r == '、' || r == '：' || r == '；' || r == '—' || r == '–':
		l.mark(i, i+n, kindComma)
	case r == '“' || r == '”' || r == '«' || r == '»' || r == '„' || r == '「' || r == '」':
		l.mark(i, i+n, kindQuote)
	case invisible(r):
	case ideograph(r):
		l.buf, l.lower = utf8.AppendRune(l.buf[:0], r), true
		l.emit(i, i+n)
	case unicode.IsLetter(r) || unicode.IsDigit(r):
		return l.scanWord(text, i)
	}
	return i + n
}

// ideograph reports scripts written without spaces, where each character is
// taken as a word and longer words are phrases of the lexicon.
func ideograph(r rune) bool {
	return r >= 0x3040 && r <= 0x30FF || r >= 0x3400 && r <= 0x9FFF || r >= 0x20000 && r <= 0x2FFFF
}

// maxWord is the longest word, in bytes of its folded form, that is looked up.
const maxWord = 40

// scanWord reads a word that starts at i and returns the offset behind it.
// English clitics ("n't", "'d") become tokens of their own; other apostrophes
// separate words, as in French.
func (l *lexer) scanWord(text string, i int) int {
	start, latin := i, false
	l.buf, l.lower = l.buf[:0], false
	for i < len(text) {
		c := text[i]
		if isWordByte(c) {
			latin = true
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			} else {
				l.lower = true
			}
			l.buf = append(l.buf, c)
			i++
			continue
		}
		if c == '\'' {
			return l.apostrophe(text, start, i, 1)
		}
		if c < utf8.RuneSelf {
			break
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if r == '’' || r == 'ʼ' {
			return l.apostrophe(text, start, i, n)
		}
		if !invisible(r) && (ideograph(r) || !unicode.IsLetter(r) && !unicode.IsDigit(r)) {
			break
		}
		l.lower = l.lower || !invisible(r)
		l.buf = foldRune(l.buf, r, latin)
		i += n
		if len(l.buf) > 4*maxWord { // hostile input: a word without end
			l.buf = l.buf[:4*maxWord]
		}
	}
	l.emit(start, i)
	return i
}

// apostrophe ends the word text[start:i] at an apostrophe n bytes long.
func (l *lexer) apostrophe(text string, start, i, n int) int {
	suffix, j := clitic(text, i+n)
	switch suffix {
	case "t":
		if k := len(l.buf); k > 1 && l.buf[k-1] == 'n' {
			l.buf = l.buf[:k-1]
			l.emit(start, i-1)
			l.buf = append(l.buf[:0], "n't"...)
			l.emit(i-1, j)
			return j
		}
	case "d", "ll", "m", "ve", "re", "s":
		l.emit(start, i)
		l.buf = append(append(l.buf[:0], '\''), suffix...)
		l.emit(i, j)
		return j
	}
	l.emit(start, i)
	return i + n
}

// clitic returns the letters from i on if they and the end of the word make one
// of those that follow an apostrophe in English, in lower case, and the offset
// behind them.
func clitic(text string, i int) (suffix string, end int) {
	var letters [2]byte
	n, end := 0, i
	for i < len(text) {
		if c := text[i]; isWordByte(c) {
			if n == len(letters) {
				return "", i
			}
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			letters[n] = c
			n, i = n+1, i+1
			end = i
			continue
		}
		if text[i] < utf8.RuneSelf {
			break
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if !invisible(r) {
			if unicode.IsLetter(r) {
				return "", i
			}
			break
		}
		i += size
	}
	for _, s := range [...]string{"t", "s", "d", "m", "ll", "ve", "re"} {
		if string(letters[:n]) == s {
			return s, end
		}
	}
	return "", end
}

// asciiLower returns a short ASCII string in lower case.
func asciiLower(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

func (l *lexer) emit(start, end int) {
	if len(l.buf) == 0 {
		return
	}
	id, hash := int32(0), uint32(0)
	if len(l.buf) <= maxWord {
		s := stem(l.buf)
		hash = hashStem(s)
		id = l.vocab.find(s, hash)
		if id == 0 && l.grow {
			id = l.vocab.addStem(string(s))
		}
	}
	l.tokens = append(l.tokens, token{start: int32(start), end: int32(end), word: id, hash: hash, shout: !l.lower})
}

// maxTag is the longest run of bytes between angle brackets read as a tag.
const maxTag = 64

// scanTag skips a tag such as </OUTPUT>, or reads a lone "<" as a mark.
func (l *lexer) scanTag(text string, i int) int {
	for j := i + 1; j < len(text) && j-i <= maxTag; j++ {
		switch text[j] {
		case '>':
			if j == i+1 {
				return j
			}
			l.mark(i, j+1, kindMarkup)
			return j + 1
		case '<', '\n':
			return i + 1
		}
	}
	return i + 1
}
