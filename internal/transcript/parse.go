package transcript

import "strings"

// Parse splits a reply into reasoning and answer and says how the reasoning was
// observed. It never fails and never panics, takes time linear in the length
// of the reply and its prompt, and loses no byte: the parts tile Raw.
//
// Which tags count. Names are the scenario's, then the common families (see
// families), in any case, with attributes, blanks, hyphens or underscores. Tags
// in Markdown code, in quotation marks, named in the middle of a sentence, or
// repeated from the prompt are text, unless the reply makes less sense without
// them. Tags in escaped or look-alike brackets count only where there are no
// others.
//
// What is reasoning. Every reasoning block, wherever it stands. Draft and
// output tags inside of it enclose drafts, which are reasoning. A closing tag
// alone makes reasoning of what precedes it; an opening tag alone, of what
// follows up to the output tag. An empty or blank block is none.
//
// What is the answer. With output tags, their content alone; several output
// blocks are joined by a blank line, since all of them would have been sent.
// Without, the text outside of the reasoning, but for a few words that only
// announce it. A conversation that the model goes on to make up after its answer
// is left out.
//
// Which observation wins. Whole tags in the text, then a readable native
// channel, then broken tags in the text, then a summary or a redacted channel.
func Parse(r Reply) Parsed {
	l := bestReading(r)
	p := compose(&l)
	p.Observation, p.Whole = l.observe(p.Reasoning)
	p.settle(r)
	return p
}

// bestReading finds the tokens and reads the reply under the assumptions that
// cost least.
func bestReading(r Reply) layout {
	length := r.FinishReason == FinishLength
	v := newVocabulary(r.Tags)
	toks := scan(r.Raw, &v)
	limit := len(r.Raw)
	if length || len(toks) > 0 {
		toks, limit = cutTag(r.Raw, toks, length, &v)
	}
	if len(toks) > 0 {
		widen(r.Raw, toks)
		toks = unquote(r.Raw, markCode(r.Raw, toks))
		markMentions(r.Raw, toks)
		toks = markEchoes(r.Raw, r.Prompt, &v, toks)
	}
	if strings.HasPrefix(r.Raw, byteOrderMark) && (len(toks) == 0 || toks[0].start >= len(byteOrderMark)) {
		toks = append([]token{noiseAt(0, len(byteOrderMark))}, toks...)
	}
	if len(toks) == 0 {
		return layout{src: r.Raw, limit: limit, length: length, tail: len(r.Raw)}
	}
	var best layout
	for i, a := range attempts {
		chosen, all := a.choose(toks)
		if i > 0 && all {
			continue // nothing that an earlier attempt has not seen
		}
		l := read(r.Raw, chosen, limit, length)
		if i == 0 || a.better(&l, &best) {
			best = l
		}
		if best.cost == 0 && !foreignLeft(toks) {
			break
		}
	}
	return best
}

// attempt is a choice of tokens to read by.
type attempt struct {
	foreign bool  // tokens in other brackets count
	trust   doubt // doubts that are set aside
}

// attempts are tried in order; a later one must be better, not as good.
var attempts = []attempt{
	{trust: inline},
	{trust: inline, foreign: true},
	{},
	{trust: inline | mentioned},
	{trust: inline | mentioned | inCode},
}

// choose copies the tokens that count. same is true if the first attempt
// would have chosen as many.
func (a attempt) choose(toks []token) (chosen []token, same bool) {
	chosen = make([]token, 0, len(toks))
	plain := 0
	for _, t := range toks {
		if t.doubt&^inline == 0 && t.level != foreign {
			plain++
		}
		if t.doubt&^a.trust == 0 && (a.foreign || t.level != foreign) {
			chosen = append(chosen, t)
		}
	}
	return chosen, len(chosen) == plain
}

// better reports whether l is a better reading than the best before it: it
// assumes less and does not win by finding less. A
// reading by foreign brackets may cost as much if it finds reasoning where
// there was none, or an answer that leaves nothing outside.
func (a attempt) better(l, best *layout) bool {
	if (best.has(classReasoning) && !l.has(classReasoning)) || (best.has(classOutput) && !l.has(classOutput)) {
		return false
	}
	if a.trust&inline == 0 && l.reasoningBytes() < best.reasoningBytes() {
		return false // a tag taken for text must leave more reasoning, not less
	}
	if !a.foreign || l.cost != best.cost {
		return l.cost < best.cost
	}
	finds := l.has(classReasoning) && !best.has(classReasoning)
	answers := l.has(classOutput) && !best.has(classOutput) && !l.loose()
	return finds || answers
}

func foreignLeft(toks []token) bool {
	for _, t := range toks {
		if t.level == foreign {
			return true
		}
	}
	return false
}

// has reports whether the reading has a block of the class with text in it.
func (l *layout) has(c class) bool {
	for i := range l.blocks {
		if b := &l.blocks[i]; b.class == c && !blank(l.src[b.start:b.end]) {
			return true
		}
	}
	return false
}

// reasoningBytes is the size of all reasoning.
func (l *layout) reasoningBytes() int {
	n := 0
	for i := range l.blocks {
		if b := &l.blocks[i]; b.class == classReasoning {
			n += b.end - b.start
		}
	}
	return n
}

// loose reports whether text stands outside of all blocks.
func (l *layout) loose() bool {
	pos := 0
	for i := range l.blocks {
		if !blank(l.src[pos:l.blocks[i].from]) {
			return true
		}
		pos = l.blocks[i].to
	}
	return !blank(l.src[pos:max(pos, l.limit)])
}

// observe judges the reasoning found in the text.
func (l *layout) observe(reasoning string) (o Observation, whole bool) {
	broken, ragged := false, false
	for i := range l.blocks {
		b := &l.blocks[i]
		if b.class != classReasoning {
			continue
		}
		ragged = ragged || b.ragged
		broken = broken || (b.broken && !blank(l.src[b.start:b.end]))
	}
	switch {
	case ragged && l.length:
		return Truncated, false
	case reasoning == "":
		return Absent, false
	case broken:
		return Malformed, !ragged
	}
	return Scratchpad, true
}

// settle weighs the native channel against what the text showed.
func (p *Parsed) settle(r Reply) {
	kind := r.NativeKind
	if kind == NativeNone && r.NativeReasoning != "" {
		kind = NativeFull
	}
	readable := kind == NativeFull && !blankBlocks(r.NativeReasoning)
	switch {
	case p.Observation == Scratchpad:
	case readable:
		p.Observation, p.Whole = Native, true
		if r.FinishReason == FinishLength && blank(r.Raw) {
			p.Observation, p.Whole = Truncated, false
		}
		p.Reasoning, p.Drafts = r.NativeReasoning, nil
	case p.Observation == Malformed || p.Observation == Truncated:
	case kind == NativeRedacted:
		p.Observation = Redacted
	case kind == NativeSummary && !blank(r.NativeReasoning):
		p.Observation = SummaryOnly
	case !r.ScratchpadRequested:
		p.Observation = NotRequested
	}
}

// blankBlocks reports whether s holds nothing to read but tags.
func blankBlocks(s string) bool {
	if len(s) > 4*maxTag { // more than tags around nothing
		return blank(s)
	}
	var v vocabulary
	pos := 0
	for _, t := range scan(s, &v) {
		if !blank(s[pos:t.start]) {
			return false
		}
		pos = t.end
	}
	return blank(s[pos:])
}

// cutTag finds a tag that the end of the reply cuts, returns the tokens before
// it and where it begins. A whole name that lacks only its bracket is a cut
// tag if the token limit ended the reply.
func cutTag(src string, toks []token, length bool, v *vocabulary) ([]token, int) {
	if n := len(toks) - 1; n >= 0 && toks[n].clipped && length {
		return toks[:n], toks[n].start
	}
	floor := 0
	if n := len(toks); n > 0 {
		floor = toks[n-1].end
	}
	floor = max(floor, len(src)-maxName)
	at := strings.LastIndexByte(src[floor:], '<')
	if at < 0 {
		return toks, len(src)
	}
	at += floor
	rest := strings.TrimPrefix(src[at+1:], "/")
	slash := len(rest) < len(src)-at-1
	if (slash && rest == "") || v.begins(rest, slash) {
		return toks, at
	}
	return toks, len(src)
}
