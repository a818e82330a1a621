package transcript

import "strings"

// unclosedReasoning takes reasoning that toks[i] opens and nothing closes. It
// ends where output tags begin; failing that, with the last reasoning block
// inside of it, unless the token limit cut the reply; failing that, nowhere.
func (l *layout) unclosedReasoning(i int) int {
	open := &l.toks[i]
	b := block{
		class: classReasoning, from: open.start, start: open.end, end: max(open.end, l.limit),
		lo: i + 1, hi: len(l.toks), broken: true, ragged: true,
	}
	nested := -1
scan:
	for j := i + 1; j < len(l.toks); {
		t := &l.toks[j]
		p := int(l.pair.partner[j])
		switch {
		case t.name.class == classOutput && t.kind != noise:
			b.end, b.hi, b.ragged = t.start, j, false
			break scan
		case p > j:
			if t.name.class == classReasoning {
				nested = p
			}
			j = p + 1
		default:
			j++
		}
	}
	if b.ragged && nested >= 0 && !l.length {
		b.end, b.hi, b.ragged = l.toks[nested].end, nested+1, false
	}
	b.to = b.end
	if b.ragged {
		l.cost += costRagged
	} else {
		l.cost += costBroken
	}
	return l.push(b, b.hi)
}

// unclosedOutput takes an answer that toks[i] opens and nothing closes. It ends
// where other output or reasoning begins, or with a stray closing tag that
// ends the reply.
func (l *layout) unclosedOutput(i int) int {
	open := &l.toks[i]
	b := block{
		class: classOutput, from: open.start, start: open.end, end: max(open.end, l.limit),
		lo: i + 1, hi: len(l.toks), own: open.name.own, broken: true,
	}
	for j := i + 1; j < len(l.toks); j++ {
		t := &l.toks[j]
		starts := t.kind == opening && (t.name.class == classOutput ||
			(t.name.class == classReasoning && (!l.reasoned || l.pair.partner[j] > int32(j))))
		ends := t.kind == closing && j == len(l.toks)-1 && blank(l.src[t.end:])
		if starts || ends {
			b.end, b.hi = t.start, j
			break
		}
	}
	b.to = b.end
	l.cost += costUneven
	return l.push(b, b.hi)
}

// orphanReasoning takes the text before a closing reasoning tag that nothing
// opened. Hosted reasoning models often return no opening tag, so before any
// other reasoning all text so far is reasoning; after a block, the text since.
func (l *layout) orphanReasoning(i int) int {
	t := &l.toks[i]
	switch {
	case l.reasoned:
		if l.last != classReasoning {
			l.cost += costUneven
			return l.markup(i)
		}
	case l.last == classOutput || l.last == classDraft:
		if l.last == classOutput && !l.followed(i) {
			l.cost += costUneven
			return l.markup(i)
		}
		n := 0
		for n < len(l.blocks) && l.blocks[n].class == classNone {
			n++
		}
		l.blocks = l.blocks[:n]
	}
	b := block{class: classReasoning, lo: i, hi: i, end: t.start, to: t.end, broken: true}
	if n := len(l.blocks); n > 0 {
		b.from = l.blocks[n-1].to
	}
	for b.lo > 0 && l.toks[b.lo-1].start >= b.from {
		b.lo--
	}
	b.start = b.from
	if blank(l.src[b.start:b.end]) {
		return l.markup(i)
	}
	l.cost += costBroken
	return l.push(b, i+1)
}

// followed reports whether an answer could follow toks[i]: output tags, or
// text between the tags that are left.
func (l *layout) followed(i int) bool {
	if l.after == nil {
		l.after = make([]bool, len(l.toks))
		end, found := l.limit, false
		for j := len(l.toks) - 1; j >= 0; j-- {
			t := &l.toks[j]
			found = found || (t.end < end && !blank(l.src[t.end:end]))
			l.after[j] = found
			found = found || t.name.class == classOutput
			end = t.start
		}
	}
	return l.after[i]
}

// orphanOutput takes the text before a closing output tag that nothing opened,
// as when the opening tag was prefilled. Directly after an output block it
// means that the block's first closing tag was only text.
func (l *layout) orphanOutput(i int) int {
	t := &l.toks[i]
	if blank(l.src[l.pos:t.start]) {
		return l.markup(i)
	}
	l.cost += costUneven
	if n := len(l.blocks); n > 0 && l.blocks[n-1].class == classOutput {
		b := &l.blocks[n-1]
		b.end, b.to, b.hi = t.start, t.end, i
		l.pos = b.to
		return i + 1
	}
	return l.push(block{
		class: classOutput, from: l.pos, start: l.pos, end: t.start, to: t.end,
		lo: i, hi: i, own: t.name.own, broken: true,
	}, i+1)
}

// invented recognises a turn of the conversation that the model went on to
// make up: after an answer, a line that names a speaker, and then more tags.
// Everything from that line on is left out.
func (l *layout) invented(t *token) bool {
	if t.name.class != classReasoning && t.name.class != classOutput {
		return false
	}
	if l.last != classOutput && !l.reasoned {
		return false
	}
	gap := l.src[l.pos:t.start]
	at := speakerLine(gap)
	if at < 0 || (l.last != classOutput && blank(gap[:at])) {
		return false
	}
	l.tail = l.pos + at
	return true
}

// speakerLine returns the offset of the first line that names a speaker, as in
// "User: ..." or a chat template's token, or -1.
func speakerLine(s string) int {
	for at := 0; at < len(s); {
		line := s[at:]
		next := len(s)
		if eol := strings.IndexAny(line, "\r\n"); eol >= 0 {
			line, next = line[:eol], at+eol+1
		}
		if namesSpeaker(line) {
			return at
		}
		at = next
	}
	return -1
}

func namesSpeaker(line string) bool {
	for _, mark := range [...]string{"<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "[INST]"} {
		if strings.HasPrefix(strings.TrimLeft(line, " \t"), mark) {
			return true
		}
	}
	line = strings.TrimLeft(line, " \t*#_[(")
	n := 0
	for n < len(line) && n < 10 && isWord(line[n]) {
		n++
	}
	switch strings.ToLower(line[:n]) {
	case "user", "human", "assistant", "system", "ai", "model", "customer":
		return strings.HasPrefix(strings.TrimLeft(line[n:], " *_])"), ":")
	}
	return false
}
