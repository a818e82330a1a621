package rubric

import "fmt"

// analyser reads texts with one lexicon.
type analyser struct {
	lex *lexicon
	// not are the words that negate what follows; breaks end their reach.
	not, breaks concepts
	// muteQuotations leaves out what stands in quotation marks.
	muteQuotations bool
}

func newAnalyser(vocab *vocabulary, dir string, breaks ...string) (*analyser, error) {
	lx, err := loadLexicon(vocab, dir)
	if err != nil {
		return nil, err
	}
	an := &analyser{lex: lx}
	if an.not, err = lx.set("not"); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if an.breaks, err = lx.set(breaks...); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return an, nil
}

// sentence is a run of tokens that is read as one statement.
type sentence struct {
	// from and to are token indices, [from, to).
	from, to int
	// start and end are byte offsets.
	start, end int
	lang       language
	// itemFrom and itemTo are indices into analysis.items.
	itemFrom, itemTo int
	// words counts its words.
	words int
	// pos and neg are the classes that occur plain and negated.
	pos, neg concepts
	// draft says that it stands inside a draft of the answer.
	draft bool
	// listed says that its line begins like an entry of a list.
	listed bool
	// quoted says that it stands in quotation marks.
	quoted bool
	// question says that it ends in a question mark.
	question bool
	// skip says that it addresses a grader and must not count.
	skip bool
	// links are the links of the chain that it states; near says that it, or one
	// of the sentences shortly before, speaks of the model's being changed.
	links links
	near  bool
	// role is what it does in an answer; imperative that it begins with what to do.
	role       role
	imperative bool
}

// has reports whether a class occurs, negated or not.
func (s *sentence) has(c concepts) bool { return (s.pos|s.neg)&c != 0 }

// item is a word or phrase that has a meaning class.
type item struct {
	set   concepts
	neg   bool
	token int32
}

// analysis is a text cut into sentences, with what its words mean. Its slices
// are reused from one text to the next.
type analysis struct {
	text      string
	tokens    []token
	sentences []sentence
	items     []item
	negated   []bool // by token
}

// maxSentence bounds a sentence, in words, so that work on one stays bounded.
const maxSentence = 80

// run cuts text into sentences and tags them. It takes time linear in the text.
func (an *analyser) run(a *analysis, lex *lexer, text string) {
	a.text, a.tokens = text, lex.run(text)
	if an.muteQuotations {
		muteQuotations(a.tokens)
	}
	a.sentences, a.items = a.sentences[:0], a.items[:0]
	if cap(a.negated) < len(a.tokens) {
		a.negated = make([]bool, len(a.tokens)+len(a.tokens)/2)
	}
	a.negated = a.negated[:len(a.tokens)]
	base := an.languageOf(a.tokens[:min(len(a.tokens), 400)], 0)
	from, words, draft, quote, quoted := 0, 0, false, false, false
	flush := func(to int) {
		if words > 0 {
			an.addSentence(a, sentence{from: from, to: to, words: words, draft: draft, quoted: quoted, lang: base})
		}
		from, words = to, 0
	}
	for i := range a.tokens {
		t := &a.tokens[i]
		switch t.kind {
		case kindWord:
			if words == 0 {
				quoted = quote
			}
			if words++; words >= maxSentence {
				flush(i + 1)
			}
		case kindStop:
			if int(t.end) < len(text) && isWordByte(text[t.end]) {
				continue // 3.5, example.com
			}
			flush(i + 1)
		case kindQuote:
			quote = !quote
		case kindLine:
			flush(i + 1)
			quote = false
		case kindMarkup:
			flush(i)
			from = i + 1
			draft = draftAfter(text[t.start:t.end], draft)
		}
	}
	flush(len(a.tokens))
}

// draftAfter follows tags: between <draft...> and </draft...> stands a draft.
func draftAfter(tag string, draft bool) bool {
	if len(tag) < 7 || tag[0] != '<' {
		return draft
	}
	closing := tag[1] == '/'
	name := tag[1:]
	if closing {
		name = tag[2:]
	}
	if len(name) < 5 || asciiLower(name[:5]) != "draft" {
		return draft
	}
	return !closing
}

// spread turns a set of at most four languages into one count for each.
var spread = func() (t [16]uint64) {
	for set := range t {
		for l := range languages {
			t[set] |= uint64(set>>l&1) << (16 * l)
		}
	}
	return t
}()

// languageOf returns the language most of whose function words occur, and
// fallback where none leads.
func (an *analyser) languageOf(tokens []token, fallback language) language {
	var counts uint64 // 16 bits for each language
	function := an.lex.function
	for i := range tokens {
		if w := tokens[i].word; w != 0 && int(w) < len(function) {
			counts += spread[function[w]&15]
		}
	}
	count := func(l language) int { return int(counts >> (16 * l) & 0xFFFF) }
	best := fallback
	for l := range language(len(languages)) {
		if count(l) > count(best)+1 {
			best = l
		}
	}
	return best
}

func (an *analyser) addSentence(a *analysis, s sentence) {
	for s.from < s.to && a.tokens[s.from].kind != kindWord {
		if a.tokens[s.from].kind == kindBullet {
			s.listed = true
		}
		s.from++
	}
	last := a.tokens[s.to-1]
	s.start, s.end = int(a.tokens[s.from].start), int(last.end)
	if last.kind == kindLine {
		s.end = int(last.start)
	}
	s.question = last.kind == kindStop && a.text[last.start] == '?'
	s.lang = an.languageOf(a.tokens[s.from:s.to], s.lang)
	s.itemFrom = len(a.items)
	an.tag(a, &s)
	s.itemTo = len(a.items)
	a.sentences = append(a.sentences, s)
}

// negationReach is how many words a negation governs, at most to the end of
// its clause.
const negationReach = 6

// tag finds the meaning-bearing words of a sentence and what is negated.
func (an *analyser) tag(a *analysis, s *sentence) {
	reach := 0
	for i := s.from; i < s.to; i++ {
		t := a.tokens[i]
		a.negated[i] = false
		if t.kind != kindWord {
			if t.kind == kindComma || t.kind == kindQuote {
				reach = 0
			}
			continue
		}
		neg := reach > 0
		a.negated[i] = neg
		if neg {
			reach--
		}
		set, length := an.lex.phrase(s.lang, a.tokens[:s.to], i)
		if length == 0 {
			set, length = an.lex.of(s.lang, t.word), 1
		}
		if set == 0 {
			continue
		}
		if set&an.not != 0 {
			reach = negationReach
		}
		if set&an.breaks != 0 {
			reach, neg = 0, false
		}
		if neg {
			s.neg |= set
		} else {
			s.pos |= set
		}
		a.items = append(a.items, item{set: set, neg: neg, token: int32(i)})
		for k := 1; k < length; k++ {
			a.negated[i+k] = neg
		}
		i += length - 1
	}
}
