package transcript

import "strings"

// contextBytes is how much text beside a run of tags must repeat the prompt
// for the run to be taken for a repetition.
const contextBytes = 6

// echoes are the pieces of a prompt that a reply may repeat.
type echoes struct {
	blocks map[string]struct{} // whole blocks, tags included
	runs   map[string]struct{} // runs of tags with the text before or after
}

// markEchoes sets echoed on tokens of blocks that the prompt holds word for
// word, and mentioned on runs of tags inside a line that repeat it together
// with the text beside them. Where the reply begins with the whole prompt, the
// tokens there become one piece of noise.
func markEchoes(src, prompt string, v *vocabulary, toks []token) []token {
	if prompt == "" || len(toks) == 0 {
		return toks
	}
	theirs := scan(prompt, v)
	rest, repeated := strings.CutPrefix(src, prompt)
	if repeated && !blank(rest) && (len(theirs) > 0 || strings.IndexByte("\r\n<", rest[0]) >= 0) {
		n := 0
		for n < len(toks) && toks[n].end <= len(prompt) {
			n++
		}
		if n == len(toks) || toks[n].start >= len(prompt) {
			toks = append([]token{noiseAt(0, len(prompt))}, toks[n:]...)
		}
	}
	if len(theirs) == 0 {
		return toks
	}
	e := collect(prompt, theirs)
	e.markBlocks(src, toks)
	e.markRuns(src, toks)
	return toks
}

func collect(prompt string, toks []token) echoes {
	e := echoes{blocks: make(map[string]struct{}), runs: make(map[string]struct{})}
	for i, t := range toks {
		if pairsWith(toks, i) && !blank(prompt[t.end:toks[i+1].start]) {
			e.blocks[squash(prompt[t.start:toks[i+1].end])] = struct{}{}
		}
	}
	for lo := 0; lo < len(toks); {
		hi := runEnd(prompt, toks, lo)
		for _, key := range contexts(prompt, toks[lo].start, toks[hi-1].end) {
			e.runs[key] = struct{}{}
		}
		lo = hi
	}
	return e
}

// pairsWith reports whether toks[i] opens what toks[i+1] closes.
func pairsWith(toks []token, i int) bool {
	return i+1 < len(toks) && toks[i].kind == opening && toks[i+1].kind == closing &&
		toks[i].name.class == toks[i+1].name.class
}

// markBlocks marks repeated blocks. An answer may well be the same as one in
// an example, so an output block counts as repeated only inside a line of text
// or beside another output block.
func (e *echoes) markBlocks(src string, toks []token) {
	outputs := 0
	var same []int
	for i, t := range toks {
		if t.name.class == classOutput && t.kind == opening {
			outputs++
		}
		if !pairsWith(toks, i) {
			continue
		}
		if _, ok := e.blocks[squash(src[t.start:toks[i+1].end])]; !ok {
			continue
		}
		if t.name.class == classOutput && !midLine(src, t.start) {
			same = append(same, i)
			continue
		}
		if t.name.class == classOutput {
			outputs--
		}
		toks[i].doubt |= echoed
		toks[i+1].doubt |= echoed
	}
	if len(same) == outputs {
		return
	}
	for _, i := range same {
		toks[i].doubt |= echoed
		toks[i+1].doubt |= echoed
	}
}

// squash makes texts equal that differ in case or white space alone.
func squash(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

func (e *echoes) markRuns(src string, toks []token) {
	for lo := 0; lo < len(toks); {
		hi := runEnd(src, toks, lo)
		if midLine(src, toks[lo].start) {
			for _, key := range contexts(src, toks[lo].start, toks[hi-1].end) {
				if _, ok := e.runs[key]; !ok {
					continue
				}
				for k := lo; k < hi; k++ {
					toks[k].doubt |= mentioned
				}
			}
		}
		lo = hi
	}
}

// runEnd returns the end of the run of tokens from toks[lo] on between which
// there is only white space.
func runEnd(src string, toks []token, lo int) int {
	hi := lo + 1
	for hi < len(toks) && strings.TrimSpace(src[toks[hi-1].end:toks[hi].start]) == "" {
		hi++
	}
	return hi
}

// contexts returns src[start:end] with the text after it and with the text
// before it, each where that text holds enough letters to tell.
func contexts(src string, start, end int) []string {
	var keys []string
	if after := min(len(src), end+contextBytes); letterCount(src[end:after]) >= 3 {
		keys = append(keys, src[start:after])
	}
	if before := max(0, start-contextBytes); letterCount(src[before:start]) >= 3 {
		keys = append(keys, src[before:end])
	}
	return keys
}

func letterCount(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		if isWord(s[i]) || s[i] >= 0x80 {
			n++
		}
	}
	return n
}

// midLine reports whether other text stands before src[i] on its line.
func midLine(src string, i int) bool {
	for i > 0 {
		switch i--; src[i] {
		case ' ', '\t':
		case '\n', '\r', '>':
			return false
		default:
			return true
		}
	}
	return false
}
