package transcript

// pairing is the outcome of matching opening and closing tokens. partner[i] is
// the index of the token that toks[i] pairs with, or -1.
type pairing struct {
	partner []int32
	// uneven marks pairs whose two names differ.
	uneven map[int]struct{}
	// reasoning[i] and output[i] count the pairs of that class that open
	// before toks[i].
	reasoning, output []int32
}

// entry is an opening token on the stack.
type entry struct {
	tok   int32
	below int32 // next entry of the same class further down, or -1
}

// pair matches tokens in one pass with a stack. A closing tag closes the
// nearest open tag of its name; if there is none, the nearest of its class,
// unless a closing tag of that one's own name is still to come. What was opened
// in between stays without a partner. Every token is pushed and popped at most
// once.
func pair(toks []token) pairing {
	p := pairing{partner: make([]int32, len(toks))}
	var open, toCome [maxNames]int32 // by name id
	for i, t := range toks {
		p.partner[i] = -1
		if t.kind == closing {
			toCome[t.name.id]++
		}
	}
	top := [classAside + 1]int32{}
	for c := range top {
		top[c] = -1
	}
	var stack []entry
	for i, t := range toks {
		switch t.kind {
		case opening:
			stack = append(stack, entry{tok: int32(i), below: top[t.name.class]})
			top[t.name.class] = int32(len(stack) - 1)
			open[t.name.id]++
			continue
		case void, noise:
			continue
		case closing:
		}
		toCome[t.name.id]--
		same := open[t.name.id] > 0
		if !same {
			at := top[t.name.class]
			if at < 0 || toCome[toks[stack[at].tok].name.id] > 0 {
				continue
			}
		}
		for {
			e := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			o := toks[e.tok].name
			open[o.id]--
			top[o.class] = e.below
			if o.id == t.name.id || (!same && o.class == t.name.class) {
				p.join(int(e.tok), i, o.id != t.name.id)
				break
			}
		}
	}
	p.count(toks)
	return p
}

func (p *pairing) join(open, shut int, uneven bool) {
	p.partner[open], p.partner[shut] = int32(shut), int32(open)
	if uneven {
		if p.uneven == nil {
			p.uneven = make(map[int]struct{})
		}
		p.uneven[open] = struct{}{}
	}
}

// count fills the running counts of pairs.
func (p *pairing) count(toks []token) {
	n := len(toks) + 1
	counts := make([]int32, 2*n)
	p.reasoning, p.output = counts[:n], counts[n:]
	for i, t := range toks {
		p.reasoning[i+1], p.output[i+1] = p.reasoning[i], p.output[i]
		if t.kind != opening || p.partner[i] < 0 {
			continue
		}
		switch t.name.class {
		case classReasoning:
			p.reasoning[i+1]++
		case classOutput:
			p.output[i+1]++
		case classNone, classDraft, classAside:
		}
	}
}

// turnSlashless changes every second opening tag of a name, or a void one after
// an opening one, into a closing tag, where text stands between the two and no
// tag of the class is ever closed: some models write the closing tag without its
// slash, or with the slash at the wrong end. It returns how many it changed.
func turnSlashless(src string, toks []token) int {
	var closed [classAside + 1]bool
	var last [maxNames]int32 // by name id: the open tag's index, plus one
	for _, t := range toks {
		if t.kind == closing {
			closed[t.name.class] = true
		}
	}
	changed := 0
	for i := range toks {
		t := &toks[i]
		if (t.kind != opening && t.kind != void) || closed[t.name.class] {
			continue
		}
		o := last[t.name.id]
		if o == 0 || blank(src[toks[o-1].end:t.start]) {
			if t.kind == opening {
				last[t.name.id] = int32(i) + 1
			}
			continue
		}
		t.kind, t.level = closing, max(t.level, near)
		last[t.name.id] = 0
		changed++
	}
	return changed
}
