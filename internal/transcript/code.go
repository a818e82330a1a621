package transcript

import (
	"slices"
	"strings"
)

// Markdown code. Tags inside of it are usually shown, not used. Two habits of
// models are exceptions: a reply that is fenced as a whole or block by block,
// and tags that stand in backticks, each alone on its line.

const (
	// maxInline and maxFence bound the runs of backticks that can open code,
	// so that hostile runs of every length cannot cost a search each.
	maxInline = 3
	maxFence  = 8
)

// codeMarker walks the backticks of a text and doubts the tokens in code.
type codeMarker struct {
	src   string
	toks  []token
	next  int     // first token that ends after the current position
	noise []token // lines of fences that count as markup
	// unclosed is the shortest fence known to have no end.
	unclosed int
	// resume is where the closing line of a transparent fence ends, shut where
	// it begins.
	shut, resume int
}

// markCode sets inCode on tokens in Markdown code and returns the tokens with
// the lines of transparent fences added as noise.
func markCode(src string, toks []token) []token {
	if len(toks) == 0 || strings.IndexByte(src, '`') < 0 {
		return toks
	}
	m := codeMarker{src: src, toks: toks, unclosed: maxFence + 1, shut: -1}
	for pos := 0; pos < len(src); {
		at := strings.IndexByte(src[pos:], '`')
		if at < 0 {
			break
		}
		pos = m.run(pos + at)
	}
	if len(m.noise) == 0 {
		return toks
	}
	all := append(slices.Clip(toks), m.noise...)
	slices.SortStableFunc(all, func(a, b token) int { return a.start - b.start })
	return all
}

// run handles the backticks that begin at src[i] and returns where to go on.
func (m *codeMarker) run(i int) int {
	if i == m.shut {
		return m.resume
	}
	end := i
	for end < len(m.src) && m.src[end] == '`' {
		end++
	}
	n := end - i
	if lineStart, ok := indent(m.src, i); ok && n >= 3 && n <= maxFence && n < m.unclosed && m.shut < i {
		return m.fence(lineStart, end, n)
	}
	if n > maxInline {
		return end
	}
	line := m.src[end:]
	if eol := strings.IndexAny(line, "\r\n"); eol >= 0 {
		line = line[:eol]
	}
	for p := 0; p < len(line); {
		at := strings.IndexByte(line[p:], '`')
		if at < 0 {
			return end
		}
		p += at
		q := p
		for q < len(line) && line[q] == '`' {
			q++
		}
		if q-p == n {
			m.span(i, end, end+p, end+q)
			return end + q
		}
		p = q
	}
	return end
}

// indent reports whether only blanks stand between src[i] and its line's start.
func indent(src string, i int) (lineStart int, ok bool) {
	for lineStart = i; lineStart > 0 && i-lineStart <= 3; lineStart-- {
		switch src[lineStart-1] {
		case ' ', '\t':
		case '\n', '\r':
			return lineStart, true
		default:
			return 0, false
		}
	}
	return lineStart, lineStart == 0
}

// span doubts the tokens between two runs of backticks, unless the code is
// one tag alone on its line: then the backticks only adorn it.
func (m *codeMarker) span(from, start, end, to int) {
	first := m.skipTo(start)
	last := m.skipTo(end)
	if last == first+1 && m.toks[first].start == start && m.toks[first].end == end && alone(m.src, from, to) {
		t := &m.toks[first]
		t.start, t.end, t.level = from, to, max(t.level, near)
		return
	}
	for k := first; k < last; k++ {
		m.toks[k].doubt |= inCode
	}
}

// alone reports whether nothing but blanks shares the line with src[from:to].
func alone(src string, from, to int) bool {
	for ; from > 0 && src[from-1] != '\n' && src[from-1] != '\r'; from-- {
		if src[from-1] != ' ' && src[from-1] != '\t' {
			return false
		}
	}
	for ; to < len(src) && src[to] != '\n' && src[to] != '\r'; to++ {
		if src[to] != ' ' && src[to] != '\t' {
			return false
		}
	}
	return true
}

// skipTo moves to the first token that begins at or after pos.
func (m *codeMarker) skipTo(pos int) int {
	for m.next < len(m.toks) && m.toks[m.next].start < pos {
		m.next++
	}
	return m.next
}

// fence handles a fence of n backticks that ends at end on its first line.
func (m *codeMarker) fence(lineStart, end, n int) int {
	info := m.src[end:]
	if eol := strings.IndexAny(info, "\r\n"); eol >= 0 {
		info = info[:eol]
	}
	if strings.IndexByte(info, '`') >= 0 {
		return end // inline code that begins a line
	}
	body := end + len(info)
	shut, after := closingFence(m.src, body, n)
	if shut < 0 {
		m.unclosed = n
	}
	first := m.skipTo(body)
	if m.transparent(lineStart, info, body, first) {
		m.noise = append(m.noise, noiseAt(lineStart, body))
		if shut >= 0 {
			m.noise = append(m.noise, noiseAt(shut, after))
			m.shut, m.resume = shut, after
		}
		return body
	}
	if shut < 0 {
		return end
	}
	for k := first; k < len(m.toks) && m.toks[k].start < shut; k++ {
		m.toks[k].doubt |= inCode
	}
	return after
}

// closingFence finds the line that ends a fence of n backticks: where its
// backticks begin and end. It returns -1 if there is none.
func closingFence(src string, from, n int) (start, end int) {
	for p := from; p < len(src); {
		at := strings.Index(src[p:], "```")
		if at < 0 {
			break
		}
		start = p + at
		for end = start; end < len(src) && src[end] == '`'; {
			end++
		}
		if _, ok := indent(src, start); ok && end-start >= n {
			rest := end
			for rest < len(src) && (src[rest] == ' ' || src[rest] == '\t') {
				rest++
			}
			if rest == len(src) || src[rest] == '\n' || src[rest] == '\r' {
				return start, end
			}
		}
		p = end
	}
	return -1, -1
}

// transparent reports whether a fence merely wraps blocks: its text begins
// with a tag, its language is none in which the tags could be the subject, and
// nothing but a block precedes it.
func (m *codeMarker) transparent(lineStart int, info string, body, first int) bool {
	switch strings.ToLower(strings.TrimSpace(info)) {
	case "", "xml", "text", "txt", "plaintext", "plain", "markdown", "md":
	default:
		return false
	}
	if first == len(m.toks) || !blank(m.src[body:m.toks[first].start]) {
		return false
	}
	opens := m.toks[first]
	if opens.kind == closing {
		return false
	}
	if first == 0 {
		return opens.name.class == classReasoning && blank(m.src[:lineStart])
	}
	before := m.toks[first-1]
	end := max(before.end, m.resume)
	return before.kind == closing && before.doubt&inCode == 0 && end <= lineStart && blank(m.src[end:lineStart])
}
