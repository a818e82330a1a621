package rubric

import (
	"bufio"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed lexicon
var lexiconFiles embed.FS

// language is an index into the lexicon's tables.
type language uint8

// languages are the lexicons, the default first.
var languages = []string{"en", "de", "fr", "es"}

// concept is the number of a meaning class; see lexicon/reasoning/en.txt.
type concept uint8

// concepts is a set of meaning classes.
type concepts uint64

// set returns the classes of the given names, which must exist.
func (lx *lexicon) set(names ...string) (concepts, error) {
	var s concepts
	for _, n := range names {
		c, ok := lx.byID[n]
		if !ok {
			return 0, fmt.Errorf("unknown concept %q", n)
		}
		s |= 1 << c
	}
	return s, nil
}

// vocabulary numbers the stems of all words that the rules or the models know.
// It is a hash table of its own, since the lexer has hashed each word already.
// It is read-only once built.
type vocabulary struct {
	words []string
	slots []slot // by hash
}

// slot is an entry of a vocabulary; a free one has no id.
type slot struct {
	hash uint32
	id   int32
}

func newVocabulary() *vocabulary {
	return &vocabulary{words: []string{""}, slots: make([]slot, 1<<14)}
}

// hashStem is FNV-1a.
func hashStem(s []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range s {
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

// find returns the id of a stem whose hash is given, or 0.
func (v *vocabulary) find(stem []byte, hash uint32) int32 {
	mask := uint32(len(v.slots) - 1)
	for i := hash & mask; v.slots[i].id != 0; i = (i + 1) & mask {
		if s := v.slots[i]; s.hash == hash && v.words[s.id] == string(stem) {
			return s.id
		}
	}
	return 0
}

// add returns the id of a folded word, numbering it if it is new.
func (v *vocabulary) add(word string) int32 {
	return v.addStem(string(stem([]byte(word))))
}

// addStem is add for a word that is a stem already, as in model files.
func (v *vocabulary) addStem(s string) int32 {
	hash := hashStem([]byte(s))
	if id := v.find([]byte(s), hash); id != 0 {
		return id
	}
	if 2*len(v.words) > len(v.slots) {
		old := v.slots
		v.slots = make([]slot, 2*len(old))
		for _, s := range old {
			if s.id != 0 {
				v.place(s)
			}
		}
	}
	id := int32(len(v.words))
	v.words = append(v.words, s)
	v.place(slot{hash: hash, id: id})
	return id
}

func (v *vocabulary) place(s slot) {
	mask := uint32(len(v.slots) - 1)
	i := s.hash & mask
	for v.slots[i].id != 0 {
		i = (i + 1) & mask
	}
	v.slots[i] = s
}

// stem cuts the regular endings off a folded word, in place, such that the
// forms of a regular verb or noun meet. It is deliberately coarse: it need not
// give a word, only the same bytes for the same lemma.
func stem(w []byte) []byte {
	if len(w) < 4 || w[0] == '\'' || w[0] == 'n' && w[1] == '\'' {
		return w
	}
	w = w[:len(w)-inflection(w)]
	if n := len(w); n > 3 && (w[n-1] == 'e' || w[n-1] == 'y' || w[n-1] == 'i') {
		w = w[:n-1]
	}
	if n := len(w); n > 3 && w[n-1] == w[n-2] && w[n-1] != 's' && w[n-1] < 0x80 {
		w = w[:n-1]
	}
	return w
}

// inflection is the length of a suffix "ing", "ed", "es" or "s" that leaves at
// least three letters.
func inflection(w []byte) int {
	n := len(w)
	switch {
	case w[n-1] == 'g':
		if n >= 6 && w[n-2] == 'n' && w[n-3] == 'i' {
			return 3
		}
	case w[n-1] == 'd':
		if n >= 5 && w[n-2] == 'e' {
			return 2
		}
	case w[n-1] == 's' && n >= 5 && w[n-2] == 'e':
		return 2
	case w[n-1] == 's' && w[n-2] != 's':
		return 1
	}
	return 0
}

// lexicon holds the meaning classes of words and phrases, by language.
type lexicon struct {
	vocab *vocabulary
	names []string
	byID  map[string]concept
	// words[l][id] is what a word means in language l.
	words [][]meaning
	// marks[id] are the marks of a word.
	marks []marks
	// phrases is a trie over word ids; the root is node 0.
	phrases numberTable
	nodes   []phraseNode
}

// meaning is what a word means in a language.
type meaning struct {
	set concepts
	// next has bit id%64 set for every word id that may follow in a phrase that
	// begins with the word; 0 where none does.
	next uint64
}

// marks are what the analysis asks of every word.
type marks uint8

const (
	// markFunction are the bits of the languages that have it as a function word.
	markFunction marks = 1<<4 - 1
	// markVerdict: it is one of verdictWords.
	markVerdict marks = 1 << 4
	// markGrader and markJudgement: in reasoning it has a class of Grader.grader,
	// or of Grader.verdict.
	markGrader    marks = 1 << 5
	markJudgement marks = 1 << 6
	// markMeant: it has a meaning, or begins a phrase, in one of the languages.
	markMeant    marks = 1 << markMeantBit
	markMeantBit       = 7
)

type phraseNode struct {
	set [4]concepts // by language
}

func edge(node, word int32) uint64 { return uint64(uint32(node))<<32 | uint64(uint32(word)) }

// loadLexicon reads the embedded tables of a directory. They are part of the
// program, so an error is a bug in them and is found by the package's tests.
// A directory need not have every language.
func loadLexicon(vocab *vocabulary, dir string) (*lexicon, error) {
	lx := &lexicon{
		vocab: vocab, byID: map[string]concept{},
		nodes: make([]phraseNode, 1),
		words: make([][]meaning, len(languages)),
	}
	for l, name := range languages {
		data, err := lexiconFiles.ReadFile(dir + "/" + name + ".txt")
		if errors.Is(err, fs.ErrNotExist) && l > 0 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("lexicon %s: %w", name, err)
		}
		if err := lx.read(language(l), string(data)); err != nil {
			return nil, fmt.Errorf("lexicon %s: %w", name, err)
		}
	}
	lx.seal()
	return lx, nil
}

func (lx *lexicon) read(l language, data string) error {
	current, function, line := concept(0), false, 0
	for sc := bufio.NewScanner(strings.NewReader(data)); sc.Scan(); {
		line++
		text, _, _ := strings.Cut(sc.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if name, ok := strings.CutPrefix(text, "@"); ok {
			function = name == "function"
			if function {
				continue
			}
			c, err := lx.concept(name)
			if err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
			current = c
			continue
		}
		for _, entry := range entries(text) {
			lx.add(l, current, function, entry)
		}
	}
	return nil
}

func (lx *lexicon) concept(name string) (concept, error) {
	if c, ok := lx.byID[name]; ok {
		return c, nil
	}
	if len(lx.names) == 64 {
		return 0, fmt.Errorf("more than 64 concepts")
	}
	c := concept(len(lx.names))
	lx.names, lx.byID[name] = append(lx.names, name), c
	return c, nil
}

// entries splits a line into words and quoted phrases.
func entries(line string) []string {
	var out []string
	for line != "" {
		if rest, ok := strings.CutPrefix(line, `"`); ok {
			phrase, tail, _ := strings.Cut(rest, `"`)
			out, line = append(out, phrase), strings.TrimSpace(tail)
			continue
		}
		word, tail, _ := strings.Cut(line, " ")
		out, line = append(out, word), strings.TrimSpace(tail)
	}
	return out
}

func (lx *lexicon) add(l language, c concept, function bool, entry string) {
	ids := lx.sequence(entry)
	if len(ids) == 0 {
		return
	}
	if len(ids) == 1 {
		id := uint32(ids[0])
		if function {
			grow(&lx.marks, id)[id] |= 1 << l
		} else {
			grow(&lx.words[l], id)[id].set |= 1 << c
		}
		return
	}
	first := uint32(ids[0])
	grow(&lx.words[l], first)[first].next |= 1 << (ids[1] & 63)
	node := int32(0)
	for _, id := range ids {
		next := lx.phrases.get(edge(node, id))
		if next < 0 {
			next = int32(len(lx.nodes))
			lx.nodes = append(lx.nodes, phraseNode{})
			lx.phrases.put(edge(node, id), next)
		}
		node = next
	}
	lx.nodes[node].set[l] |= 1 << c
}

// sequence turns an entry into word ids, numbering new words. Clitics are
// written apart in the tables ("do n't").
func (lx *lexicon) sequence(entry string) []int32 {
	var ids []int32
	for _, w := range strings.Fields(strings.ToLower(entry)) {
		if strings.HasPrefix(w, "'") || w == "n't" {
			ids = append(ids, lx.vocab.add(w))
			continue
		}
		for _, part := range splitApostrophes(w) {
			var folded []byte
			for _, r := range part {
				folded = foldRune(folded, r, true)
			}
			if len(folded) > 0 {
				ids = append(ids, lx.vocab.add(string(folded)))
			}
		}
	}
	return ids
}

// splitApostrophes cuts a word of the tables as the lexer cuts it in texts.
func splitApostrophes(w string) []string {
	i := strings.IndexByte(w, '\'')
	if i < 0 {
		return []string{w}
	}
	head, tail := w[:i], w[i+1:]
	if tail == "t" && strings.HasSuffix(head, "n") {
		return []string{head[:len(head)-1], "n't"}
	}
	switch tail {
	case "d", "ll", "m", "ve", "re", "s":
		return []string{head, "'" + tail}
	}
	return []string{head, tail}
}

// seal makes the tables as long as the vocabulary.
func (lx *lexicon) seal() {
	n := len(lx.vocab.words)
	for l := range lx.words {
		lx.words[l] = append(lx.words[l], make([]meaning, n-len(lx.words[l]))...)
	}
	lx.marks = append(lx.marks, make([]marks, n-len(lx.marks))...)
	for _, words := range lx.words {
		for id, m := range words {
			if m.set != 0 || m.next != 0 {
				lx.marks[id] |= markMeant
			}
		}
	}
}

// of returns the classes of a word in a language; none for unknown words.
func (lx *lexicon) of(l language, word int32) concepts {
	if int(word) < len(lx.words[l]) {
		return lx.words[l][word].set
	}
	return 0
}

// phrase returns the classes and the length of the longest phrase of language
// l that begins at tokens[i].
func (lx *lexicon) phrase(l language, tokens []token, i int) (set concepts, length int) {
	node := int32(0)
	for j := i; j < len(tokens) && tokens[j].kind == kindWord; j++ {
		next := lx.phrases.get(edge(node, tokens[j].word))
		if next < 0 {
			break
		}
		node = next
		if s := lx.nodes[node].set[l]; s != 0 {
			set, length = s, j-i+1
		}
	}
	return set, length
}
