package transcript

import "strings"

// kind says what a token does.
type kind uint8

const (
	opening kind = iota
	closing
	void  // opens and closes at once: <name/>
	noise // markup that encloses nothing
)

// level says how well a tag is spelled.
type level uint8

const (
	// exact: as a protocol spells it, in any case, with or without attributes.
	exact level = iota
	// near: recognised in spite of a typing error, invisible characters, a
	// wrong joint or a lost bracket.
	near
	// foreign: in brackets that stand for angle brackets. Such tokens count
	// only where they make sense of a reply that makes none without them.
	foreign
)

// doubt says why a token may be text about a tag and not a tag.
type doubt uint8

const (
	// inCode: inside Markdown code.
	inCode doubt = 1 << iota
	// mentioned: in quotation marks, or a word of a sentence, or repeated from
	// the prompt in the middle of a line.
	mentioned
	// inline: the end of reasoning, or the start of output, after a word of
	// the same line. Mostly it is what it seems.
	inline
	// echoed: part of a block that the prompt holds word for word.
	echoed
)

// token is a tag found in the text: src[start:end].
type token struct {
	start, end int
	name       *name // unnamed for noise
	kind       kind
	level      level
	doubt      doubt
	// clipped: the text ends before the closing bracket.
	clipped bool
}

// noiseAt makes a token of src[start:end] that encloses nothing.
func noiseAt(start, end int) token {
	return token{start: start, end: end, kind: noise, name: unnamed}
}

// scanner finds the tokens of a text in one pass.
type scanner struct {
	src   string
	vocab *vocabulary
	toks  []token
	// channel is the open harmony channel, if channelOpen.
	channel     *name
	channelOpen bool
}

// starts marks the bytes with which a bracket may begin.
var starts = [256]bool{'<': true, '[': true, '{': true, '&': true, '\\': true, 0xE2: true, 0xE3: true, 0xEF: true}

// scan returns the tokens of src in order, without overlap.
func scan(src string, v *vocabulary) []token {
	s := scanner{src: src, vocab: v}
	harmony := strings.Contains(src, channelMark)
	for i := 0; i < len(src); {
		if !starts[src[i]] {
			i++
			continue
		}
		if harmony && src[i] == '<' {
			if next := s.harmony(i); next > i {
				i = next
				continue
			}
		}
		t, ok := s.tag(i)
		if !ok {
			i++
			continue
		}
		s.toks = append(s.toks, t)
		i = t.end
	}
	if harmony {
		s.endChannels()
	}
	if len(s.toks) == 0 {
		s.bareChannels()
	}
	return s.toks
}

// tag reads the tag that begins at src[i].
func (s *scanner) tag(i int) (token, bool) {
	f, w := openBracket(s.src[i:])
	if w == 0 {
		return token{}, false
	}
	r := tagReader{src: s.src, pos: i + w, limit: min(len(s.src), i+maxTag), form: f, first: s.src[i]}
	t := token{start: i}
	if r.fill() {
		r.odd = true
	}
	r.pipe = r.take("|", "｜")
	switch {
	case r.take("/"):
		t.kind = closing
	case r.take(`\/`, `\`, "／", "∕", "⁄"):
		t.kind, r.odd = closing, true
	}
	if t.kind == closing {
		if r.fill() {
			r.odd = true
		}
		r.pipe = r.take("|", "｜") || r.pipe
	}
	if !r.word() {
		return token{}, false
	}
	head, headEnd, headOdd := r.size, r.pos, r.odd
	words, ok := r.rest(&t)
	if !ok {
		r.odd = headOdd
		return s.unshut(t, &r, head, headEnd)
	}
	n, b, spelled, known := s.vocab.find(r.name[:r.size])
	if !known {
		return token{}, false
	}
	t.name, t.end = n, r.pos
	if b == boundClose && t.kind == opening {
		t.kind = closing
	}
	t.level = exact
	if r.odd || words > 1 || !spelled || (b != boundNone && !r.pipe && !strings.HasPrefix(string(r.name[:r.size]), "unused")) {
		t.level = near
	}
	switch f {
	case formEscaped, formLookalike:
		t.level = foreign
	case formSquare:
		if text := s.src[t.start:t.end]; text != "[THINK]" && text != "[/THINK]" {
			t.level = foreign
		}
	case formNone, formAngle, formTriangle:
	}
	return t, true
}

// rest reads what follows the first word of a name up to the closing bracket:
// further words, attributes, the slash of a void tag. It returns the number of
// words in the name.
func (r *tagReader) rest(t *token) (words int, ok bool) {
	words = 1
	attributes := false
	for {
		gap := r.fill()
		if r.take(":", "!", "?", ",", ";") {
			r.odd = true
		}
		if r.pipe {
			r.take("|", "｜")
		}
		if r.shut() {
			return words, true
		}
		if r.take("/") {
			if t.kind == opening {
				t.kind = void
			}
			r.fill()
			return words, r.shut()
		}
		switch {
		case !gap:
			return 0, false
		case r.attribute():
			attributes = true
		case !attributes && words < 3 && r.word():
			words++
		case r.number():
		default:
			return 0, false
		}
	}
}

// unshut accepts an exact name in an angle bracket that is not closed, where
// the line, the text or another tag ends it.
func (s *scanner) unshut(t token, r *tagReader, head, headEnd int) (token, bool) {
	if r.form != formAngle || r.pipe || head < len("think") {
		return token{}, false
	}
	n, b, spelled, known := s.vocab.find(r.name[:head])
	if !known || !spelled || b != boundNone {
		return token{}, false
	}
	end := headEnd
	for end < len(s.src) && end-headEnd < 8 && (s.src[end] == ' ' || s.src[end] == '\t') {
		end++
	}
	if end < len(s.src) && s.src[end] != '\n' && s.src[end] != '\r' && s.src[end] != '<' {
		return token{}, false
	}
	if t.kind == void {
		t.kind = opening
	}
	t.name, t.level, t.end, t.clipped = n, near, headEnd, end == len(s.src)
	return t, true
}
