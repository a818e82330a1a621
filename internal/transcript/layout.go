package transcript

// block is a span of the reply together with the tags around it. A block of
// classNone is a tag that encloses nothing.
type block struct {
	class      class
	from, to   int  // with its tags
	start, end int  // between its tags
	lo, hi     int  // toks[lo:hi] lie between its tags
	own        bool // enclosed by the scenario's own tags
	broken     bool // its tags are missing, misspelt or do not fit
	ragged     bool // reasoning that nothing ends
}

// Costs of what a reading has to assume, by which readings are compared.
const (
	costUneven = 1 // a closing tag with another name, or an output without one
	costBroken = 2 // reasoning that lacks a tag
	costRagged = 3 // reasoning that nothing ends
)

// layout is one reading of a reply: its blocks in order, without overlap. What
// lies between them is text outside of all tags.
type layout struct {
	src    string
	toks   []token
	pair   pairing
	limit  int  // text ends here; a tag that the end of the reply cuts follows
	length bool // the token limit cut the reply
	blocks []block
	pos    int   // end of the last block
	last   class // class of the last block that encloses something
	tail   int   // an invented turn begins here; len(src) if there is none
	cost   int
	// reasoned is true once a block of reasoning has been found.
	reasoned bool
	after    []bool // see followed
}

// read lays out a reply for a choice of tokens, which it may change.
func read(src string, toks []token, limit int, length bool) layout {
	l := layout{src: src, toks: toks, limit: limit, length: length, tail: len(src)}
	if !length || hasOutput(toks) {
		l.cost += costBroken * turnSlashless(src, toks)
	}
	l.pair = pair(toks)
	l.sweep()
	l.liftAnswer()
	l.preferOwn()
	return l
}

func hasOutput(toks []token) bool {
	for i := range toks {
		if toks[i].name.class == classOutput {
			return true
		}
	}
	return false
}

// sweep visits the tokens that lie outside of all blocks found so far.
func (l *layout) sweep() {
	for i := 0; i < len(l.toks); {
		t := &l.toks[i]
		if l.invented(t) {
			return
		}
		partner := int(l.pair.partner[i])
		switch {
		case t.kind == noise || t.kind == void:
			i = l.markup(i)
		case t.kind == opening && partner > i:
			i = l.whole(i, partner)
		case t.kind == opening && t.name.class == classReasoning:
			i = l.unclosedReasoning(i)
		case t.kind == opening && t.name.class == classOutput:
			i = l.unclosedOutput(i)
		case t.kind == closing && t.name.class == classReasoning:
			i = l.orphanReasoning(i)
		case t.kind == closing && t.name.class == classOutput:
			i = l.orphanOutput(i)
		default:
			i = l.markup(i)
		}
	}
}

// push appends a block and returns the token to go on with.
func (l *layout) push(b block, next int) int {
	l.blocks = append(l.blocks, b)
	l.pos = b.to
	if b.class != classNone {
		l.last = b.class
	}
	l.reasoned = l.reasoned || b.class == classReasoning
	return next
}

func (l *layout) markup(i int) int {
	t := &l.toks[i]
	return l.push(block{from: t.start, start: t.end, end: t.end, to: t.end, lo: i + 1, hi: i + 1}, i+1)
}

// whole takes the block that toks[i] opens and toks[p] closes.
func (l *layout) whole(i, p int) int {
	open, shut := &l.toks[i], &l.toks[p]
	_, uneven := l.pair.uneven[i]
	if uneven {
		l.cost += costUneven
	}
	inside := func(counts []int32) bool { return counts[p] > counts[i+1] }
	if open.name.class == classOutput && !l.reasoned && inside(l.pair.reasoning) {
		return l.unwrap(i, p, inside(l.pair.output))
	}
	if open.name.class == classOutput && l.doubled(i, p) {
		shut.kind = noise
		return l.markup(i)
	}
	return l.push(block{
		class: open.name.class, from: open.start, start: open.end, end: shut.start, to: shut.end,
		lo: i + 1, hi: p, own: open.name.own,
		broken: uneven || open.level != exact || shut.level != exact,
	}, p+1)
}

// doubled reports whether the block of toks[i] and toks[p] holds nothing but
// one other output block.
func (l *layout) doubled(i, p int) bool {
	return p-i >= 3 && int(l.pair.partner[i+1]) == p-1 && l.toks[i+1].name.class == classOutput &&
		blank(l.src[l.toks[i].end:l.toks[i+1].start]) && blank(l.src[l.toks[p-1].end:l.toks[p].start])
}

// unwrap takes an output block that holds the only reasoning. If it holds
// another output block as well, it is a wrapper whose tags mean nothing;
// otherwise the reasoning is lifted out and the rest is the answer.
func (l *layout) unwrap(i, p int, wrapper bool) int {
	open, shut := &l.toks[i], &l.toks[p]
	if wrapper {
		shut.kind = noise
		return l.markup(i)
	}
	piece := block{class: classOutput, from: open.start, start: open.end, own: open.name.own}
	for j := i + 1; j < p; {
		q := int(l.pair.partner[j])
		if q < j || l.toks[j].name.class != classReasoning {
			j++
			continue
		}
		piece.end, piece.to, piece.lo, piece.hi = l.toks[j].start, l.toks[j].start, j, j
		l.push(piece, j)
		j = l.whole(j, q)
		piece.from, piece.start = l.pos, l.pos
	}
	piece.end, piece.to, piece.lo, piece.hi = shut.start, shut.end, p, p
	return l.push(piece, p+1)
}

// liftAnswer rescues an answer that stands in output tags at the very end of a
// reasoning block, where nothing else in the reply could be the answer. (Output
// tags elsewhere inside reasoning enclose a draft.)
func (l *layout) liftAnswer() {
	n := len(l.blocks) - 1
	for n >= 0 && l.blocks[n].class == classNone {
		n--
	}
	if n < 0 || l.blocks[n].class != classReasoning || l.blocks[n].ragged || l.outside() {
		return
	}
	b := &l.blocks[n]
	shut := b.hi - 1
	if shut < b.lo || l.toks[shut].kind != closing || l.toks[shut].name.class != classOutput || l.pair.partner[shut] < 0 {
		return
	}
	open := int(l.pair.partner[shut])
	if open < b.lo || !blank(l.src[l.toks[shut].end:b.end]) {
		return
	}
	answer := block{
		class: classOutput, from: l.toks[open].start, start: l.toks[open].end, end: l.toks[shut].start, to: b.to,
		lo: open + 1, hi: shut, own: l.toks[open].name.own, broken: true,
	}
	b.end, b.to, b.hi, b.broken = answer.from, answer.from, open, true
	l.cost += costUneven
	l.blocks = append(l.blocks, block{})
	copy(l.blocks[n+2:], l.blocks[n+1:])
	l.blocks[n+1] = answer
}

// outside reports whether anything outside of reasoning could be an answer.
func (l *layout) outside() bool {
	pos := 0
	for i := range l.blocks {
		b := &l.blocks[i]
		if b.class == classOutput || b.class == classDraft || !blank(l.src[pos:b.from]) {
			return true
		}
		pos = b.to
	}
	return pos < l.limit && !blank(l.src[pos:l.limit])
}

// preferOwn sets output blocks of the common families aside where the
// scenario's own output tag was used.
func (l *layout) preferOwn() {
	own := false
	for i := range l.blocks {
		own = own || (l.blocks[i].class == classOutput && l.blocks[i].own)
	}
	for i := range l.blocks {
		if b := &l.blocks[i]; own && b.class == classOutput && !b.own {
			b.class = classAside
		}
	}
}
