package transcript

import "strings"

// class says what a tag encloses.
type class uint8

const (
	classNone class = iota
	classReasoning
	classDraft
	classOutput
	// classAside is text that is neither reasoning nor answer, such as the
	// commentary channel of the harmony format.
	classAside
)

// name is a tag name that the parser knows.
type name struct {
	id       uint16
	class    class
	spelling string // lower case, words joined by underscores
	own      bool   // named by the scenario
}

// unnamed is the name of tokens that have none.
var unnamed = &name{}

// bound says whether a tag name itself carries a direction, as in
// begin_of_thought and end_of_thought.
type bound uint8

const (
	boundNone bound = iota
	boundOpen
	boundClose
)

// families are the tag names in common use, by their letters alone: the key of
// "chain_of_thought" is "chainofthought". It is built once and only read.
var families = buildFamilies()

func buildFamilies() map[string]*name {
	m := make(map[string]*name, 256)
	add := func(c class, spelling string) {
		key := strings.ReplaceAll(spelling, "_", "")
		if _, ok := m[key]; !ok {
			m[key] = &name{id: uint16(len(m)), class: c, spelling: spelling}
		}
	}
	combine := func(c class, before, core string) {
		for _, noun := range strings.Fields(core) {
			add(c, noun)
			for _, word := range strings.Fields(before) {
				add(c, word+"_"+noun)
			}
		}
	}
	combine(classReasoning, "inner internal private hidden my secret silent self initial deep",
		"scratchpad_reasoning scratchpad scratch_pad think thinking thought thoughts thought_process "+
			"thinking_process reasoning reasoning_process reasoning_scratchpad scratchpad_thinking "+
			"scratch scratchpad_thoughts scratchpad_notes scratchpad_reason "+
			"reflection deliberation rationale analysis reason cot chain_of_thought")
	for _, s := range []string{"inner_monologue", "internal_monologue", "private_monologue", "inner_voice"} {
		add(classReasoning, s)
	}
	combine(classOutput, "final visible public user user_facing actual my real assistant model",
		"output answer response reply")
	add(classOutput, "final")
	add(classOutput, "solution")
	for _, noun := range []string{"output", "answer", "response", "reply"} {
		add(classDraft, "draft_"+noun)
		add(classDraft, noun+"_draft")
	}
	add(classDraft, "draft")
	return m
}

// misspellable are the keys for which a small typing error is forgiven: they
// are long and no ordinary markup resembles them.
var misspellable = []string{"scratchpadreasoning", "scratchpad", "reasoning", "thinking", "draftoutput", "output"}

// vocabulary is what one Parse knows: the scenario's names before the families.
type vocabulary struct {
	own  []*name
	keys []string // keys of own, same order
}

// maxNames bounds the ids of names: the families, the scenario's own and aside.
const maxNames = 512

// newVocabulary reads the scenario's tag names. A name that no tag could have
// is ignored, and so are names beyond the first 200 or so.
func newVocabulary(t Tags) vocabulary {
	var v vocabulary
	add := func(c class, names []string) {
		for _, n := range names {
			spelling := spell(n)
			if spelling == "" || len(families)+len(v.own) >= maxNames-1 {
				continue
			}
			key := string(letters(spelling))
			id := uint16(len(families) + len(v.own))
			if known, ok := families[key]; ok {
				id = known.id
			}
			v.own = append(v.own, &name{id: id, class: c, spelling: spelling, own: true})
			v.keys = append(v.keys, key)
		}
	}
	add(classReasoning, t.Scratchpad)
	add(classDraft, t.Draft)
	add(classOutput, t.Output)
	return v
}

// get finds a key among the scenario's names, then among the families.
func (v *vocabulary) get(key []byte) (*name, bool) {
	for i, k := range v.keys {
		if k == string(key) {
			return v.own[i], true
		}
	}
	n, ok := families[string(key)]
	return n, ok
}

// letters drops what joins the words of a name.
func letters[T string | []byte](spelled T) []byte {
	key := make([]byte, 0, maxName)
	for i := 0; i < len(spelled); i++ {
		if c := spelled[i]; c != '_' && c != '-' && c != '.' {
			key = append(key, c)
		}
	}
	return key
}

// find resolves a spelled tag name. exact is false where it was recognised
// only in spite of its spelling.
func (v *vocabulary) find(spelled []byte) (n *name, b bound, exact, ok bool) {
	key := letters(spelled)
	switch string(key) {
	case "unused94": // Gemma derivatives mark thought by two reserved tokens
		return families["thought"], boundOpen, true, true
	case "unused95":
		return families["thought"], boundClose, true, true
	}
	if n, ok = v.get(key); ok {
		return n, boundNone, n.spelling == string(spelled), true
	}
	if short := trimDigits(key); len(short) < len(key) {
		if n, ok = v.get(short); ok {
			return n, boundNone, true, true
		}
		key = short
	}
	if rest, dir := direction(key); dir != boundNone {
		if n, ok = v.get(rest); ok {
			return n, dir, true, true
		}
	}
	if n, ok = v.misspelt(key); ok {
		return n, boundNone, false, true
	}
	return nil, boundNone, false, false
}

// direction splits begin-of and end-of from a key, before or after the noun.
func direction(key []byte) ([]byte, bound) {
	for _, d := range [...]struct {
		word string
		b    bound
	}{
		{"begin", boundOpen},
		{"start", boundOpen},
		{"open", boundOpen},
		{"end", boundClose},
		{"stop", boundClose},
		{"close", boundClose},
	} {
		if len(key) <= len(d.word) {
			continue
		}
		if string(key[:len(d.word)]) == d.word {
			rest := key[len(d.word):]
			if len(rest) > 2 && string(rest[:2]) == "of" {
				rest = rest[2:]
			}
			return rest, d.b
		}
		if n := len(key) - len(d.word); string(key[n:]) == d.word {
			return key[:n], d.b
		}
	}
	return nil, boundNone
}

func trimDigits(key []byte) []byte {
	n := len(key)
	for n > 0 && key[n-1] >= '0' && key[n-1] <= '9' {
		n--
	}
	return key[:n]
}

// misspelt finds a long name within one or two typing errors of key.
func (v *vocabulary) misspelt(key []byte) (*name, bool) {
	for i, k := range v.keys {
		if within(key, k) {
			return v.own[i], true
		}
	}
	for _, k := range misspellable {
		if within(key, k) {
			return families[k], true
		}
	}
	return nil, false
}

// within reports whether key is word with one error (two from ten letters on),
// counting a letter that is missing, added, changed or swapped with its
// neighbour (optimal string alignment distance). The first letter must agree.
func within(key []byte, word string) bool {
	allowed := 1
	if len(word) >= 10 {
		allowed = 2
	}
	diff := len(key) - len(word)
	if len(word) < 6 || len(key) == 0 || key[0] != word[0] || diff > allowed || -diff > allowed {
		return false
	}
	var rows [3][maxName + 1]uint8
	older, old, row := &rows[0], &rows[1], &rows[2]
	for j := 0; j <= len(word) && j <= maxName; j++ {
		old[j] = uint8(j)
	}
	for i := 1; i <= len(key); i++ {
		row[0] = uint8(i)
		for j := 1; j <= len(word) && j <= maxName; j++ {
			cost := uint8(1)
			if key[i-1] == word[j-1] {
				cost = 0
			}
			row[j] = min(old[j]+1, row[j-1]+1, old[j-1]+cost)
			if i > 1 && j > 1 && key[i-1] == word[j-2] && key[i-2] == word[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, old, row = old, row, older
	}
	return int(old[min(len(word), maxName)]) <= allowed
}

// begins reports whether rest is the beginning of a known name: of three
// letters or more, or of one after a slash.
func (v *vocabulary) begins(rest string, slash bool) bool {
	r := tagReader{src: rest, limit: len(rest)}
	if !r.word() || r.pos != len(rest) || r.size < 3 && !slash {
		return false
	}
	key := string(letters(r.name[:r.size]))
	for _, k := range v.keys {
		if strings.HasPrefix(k, key) {
			return true
		}
	}
	for k := range families {
		if strings.HasPrefix(k, key) {
			return true
		}
	}
	return false
}
