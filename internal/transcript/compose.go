package transcript

import (
	"strings"
	"unicode"
)

// gap is text outside of all blocks.
type gap struct {
	start, end int
	answer     bool
}

// composer turns a layout into parts and texts.
type composer struct {
	l         *layout
	out       Parsed
	reasoning strings.Builder
}

// compose gives every byte of the reply its part and puts the reasoning and
// the answer together.
func compose(l *layout) Parsed {
	c := composer{l: l}
	gaps := l.gaps()
	var answer []string
	for i := range l.blocks {
		c.gap(gaps[i], &answer)
		b := &l.blocks[i]
		c.add(PartMarkup, b.from, b.start)
		switch b.class {
		case classReasoning:
			c.block(b)
		case classOutput:
			c.add(PartAnswer, b.start, b.end)
			answer = append(answer, l.src[b.start:b.end])
		case classDraft:
			c.add(PartDraft, b.start, b.end)
		case classNone, classAside:
			c.add(PartOther, b.start, b.end)
		}
		c.add(PartMarkup, b.end, b.to)
	}
	c.gap(gaps[len(gaps)-1], &answer)
	rest := max(l.pos, gaps[len(gaps)-1].end)
	if l.tail < len(l.src) {
		c.add(PartOther, rest, len(l.src))
	} else {
		c.add(PartMarkup, rest, len(l.src))
	}
	c.out.Reasoning = c.reasoning.String()
	c.out.Answer = join(answer)
	return c.out
}

func (c *composer) gap(g gap, answer *[]string) {
	if !g.answer {
		c.add(PartOther, g.start, g.end)
		return
	}
	c.add(PartAnswer, g.start, g.end)
	*answer = append(*answer, c.l.src[g.start:g.end])
}

func (c *composer) add(k PartKind, start, end int) {
	if end > start {
		c.out.Parts = append(c.out.Parts, Part{Kind: k, Start: start, End: end})
	}
}

// join puts the pieces of an answer together, a blank line between them. A
// piece in which there is nothing to read is none.
func join(pieces []string) string {
	kept := pieces[:0]
	for _, p := range pieces {
		if !blank(p) {
			kept = append(kept, strings.TrimSpace(p))
		}
	}
	return strings.Join(kept, "\n\n")
}

// gaps returns the text before each block and after the last, and decides
// which of it is answer: none if there are output tags; otherwise all of it but
// a lead-in (see leadsIn), or a draft if there is nothing else.
func (l *layout) gaps() []gap {
	gaps := make([]gap, 0, len(l.blocks)+1)
	pos, tagged, first := 0, false, -1
	for i := range l.blocks {
		b := &l.blocks[i]
		gaps = append(gaps, gap{start: pos, end: b.from})
		pos = b.to
		tagged = tagged || b.class == classOutput
		if first < 0 && b.class == classReasoning {
			first = i
		}
	}
	gaps = append(gaps, gap{start: pos, end: max(pos, min(l.limit, l.tail))})
	if tagged {
		return gaps
	}
	any, later := false, false
	for i := range gaps {
		g := &gaps[i]
		g.answer = !blank(l.src[g.start:g.end])
		any = any || g.answer
		later = later || (g.answer && i > first)
	}
	for i := 0; i <= first && later; i++ {
		g := &gaps[i]
		g.answer = g.answer && !leadsIn(l.src[g.start:g.end])
	}
	if !any {
		l.promoteDrafts()
	}
	return gaps
}

// promoteDrafts makes drafts that stand outside of the reasoning the answer:
// where a reply shows nothing else, they are what the user saw.
func (l *layout) promoteDrafts() {
	for i := range l.blocks {
		if l.blocks[i].class == classDraft {
			l.blocks[i].class = classOutput
		}
	}
}

// block adds the parts of a reasoning block and appends its text. Drafts, and
// output tags that enclose something inside reasoning, are parts of their own;
// the tags are left out of the text.
func (c *composer) block(b *block) {
	l := c.l
	base := c.reasoning.Len()
	var text strings.Builder
	var drafts []Span
	keep := func(k PartKind, start, end int) {
		c.add(k, start, end)
		s := l.src[start:end]
		if s == "" {
			return
		}
		if text.Len() > 0 && c.broken(text.String(), s) {
			text.WriteByte('\n')
		}
		if k == PartDraft {
			drafts = append(drafts, Span{Start: text.Len(), End: text.Len() + len(s)})
		}
		text.WriteString(s)
	}
	pos := b.start
	for j := b.lo; j < b.hi; {
		t := &l.toks[j]
		if t.start < pos || t.end > b.end {
			j++
			continue
		}
		p := int(l.pair.partner[j])
		nested := p > j && p < b.hi
		switch {
		case nested && (t.name.class == classDraft || t.name.class == classOutput):
			shut := &l.toks[p]
			keep(PartScratchpad, pos, t.start)
			c.add(PartMarkup, t.start, t.end)
			keep(PartDraft, t.end, shut.start)
			c.add(PartMarkup, shut.start, shut.end)
			pos, j = shut.end, p+1
		case t.name.class == classReasoning || t.name.class == classDraft || t.kind == noise:
			keep(PartScratchpad, pos, t.start)
			c.add(PartMarkup, t.start, t.end)
			pos, j = t.end, j+1
		default:
			j++
		}
	}
	keep(PartScratchpad, pos, b.end)
	c.append(text.String(), drafts, base)
}

// broken reports whether two pieces of text that a tag parted would run
// together without it.
func (c *composer) broken(before, after string) bool {
	last := before[len(before)-1]
	return last > ' ' && after[0] > ' '
}

// append adds the trimmed text of one block to the reasoning, a blank line
// after the block before.
func (c *composer) append(text string, drafts []Span, base int) {
	if blank(text) {
		return
	}
	lead := len(text) - len(strings.TrimLeftFunc(text, unicode.IsSpace))
	text = strings.TrimSpace(text)
	if base > 0 {
		c.reasoning.WriteString("\n\n")
		base += 2
	}
	for _, d := range drafts {
		start, end := max(0, d.Start-lead), min(len(text), d.End-lead)
		if end > start {
			c.out.Drafts = append(c.out.Drafts, Span{Start: base + start, End: base + end})
		}
	}
	c.reasoning.WriteString(text)
}
