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
	// shouted says that it has a verdict in capitals; marks are those of its words.
	shouted bool
	marks   marks
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
	// meant has room for every token of a sentence, and one more.
	meant []int32
	// markup says that there are tags or code fences among the tokens.
	markup bool
}

// maxSentence bounds a sentence, in words, so that work on one stays bounded.
const maxSentence = 80

// run cuts text into sentences and tags them. It takes time linear in the text.
func (an *analyser) run(a *analysis, lex *lexer, text string) {
	a.tokens = lex.run(a.tokens, text)
	an.read(a, text, a.tokens)
}

// read is run for a text that has been cut into tokens already. It changes them.
func (an *analyser) read(a *analysis, text string, tokens []token) {
	a.text, a.tokens, a.markup = text, tokens, false
	if an.muteQuotations {
		muteQuotations(tokens)
	}
	a.sentences, a.items = a.sentences[:0], a.items[:0]
	if a.meant == nil {
		a.meant = make([]int32, maxSentence+1)
	}
	base := an.languageOf(tokens[:min(len(tokens), 400)])
	table, meant := an.lex.marks, a.meant
	from, draft, quote, quoted := 0, false, false, false
	var st statement
	// flush ends a sentence before token to; there is none without words.
	flush := func(to int) {
		if st.words > 0 {
			s := a.add()
			s.from, s.to, s.words, s.draft, s.quoted = from, to, st.words, draft, quoted
			s.lang, s.marks, s.shouted = st.languages.most(base), st.marks, st.shouted
			an.finish(a, s, meant[:st.meant])
		}
		from, st = to, statement{}
	}
	for i := range tokens {
		t := &tokens[i]
		switch t.kind {
		case kindWord:
			t.negated = false
			if w := int(t.word); w < len(table) {
				m := table[w]
				st.marks |= m
				st.languages += spread[m&markFunction]
				if t.shout && m&markVerdict != 0 {
					st.shouted = true
				}
				meant[st.meant] = int32(i)
				st.meant += int(m >> markMeantBit) // no branch, since none could be guessed
			}
			if st.words == 0 {
				quoted = quote
			}
			if st.words++; st.words >= maxSentence {
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
			a.markup = true
			flush(i)
			from = i + 1
			draft = draftAfter(text[t.start:t.end], draft)
		}
	}
	flush(len(tokens))
}

// statement gathers what the words of a sentence say while it is cut.
type statement struct {
	words     int
	meant     int // how many may have a meaning
	marks     marks
	languages languageCounts
	shouted   bool
}

// add appends an empty sentence.
func (a *analysis) add() *sentence {
	a.sentences = append(a.sentences, sentence{})
	return &a.sentences[len(a.sentences)-1]
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

// languageCounts counts the function words of each language, in 16 bits each.
type languageCounts uint64

// spread turns a set of at most four languages into one count for each.
var spread = func() (t [16]languageCounts) {
	for set := range t {
		for l := range languages {
			t[set] |= languageCounts(set>>l&1) << (16 * l)
		}
	}
	return t
}()

// most returns the language most of whose function words occur, and fallback
// where none leads.
func (c languageCounts) most(fallback language) language {
	count := func(l language) int { return int(c >> (16 * l) & 0xFFFF) }
	best := fallback
	for l := range language(len(languages)) {
		if count(l) > count(best)+1 {
			best = l
		}
	}
	return best
}

// languageOf returns the language most of whose function words occur; the
// first where none leads.
func (an *analyser) languageOf(tokens []token) language {
	var counts languageCounts
	table := an.lex.marks
	for i := range tokens {
		if w := int(tokens[i].word); w < len(table) {
			counts += spread[table[w]&markFunction]
		}
	}
	return counts.most(0)
}

// finish sets what follows from the tokens of a sentence, of which meant are
// those that may have a meaning.
func (an *analyser) finish(a *analysis, s *sentence, meant []int32) {
	for s.from < s.to && a.tokens[s.from].kind != kindWord {
		if a.tokens[s.from].kind == kindBullet {
			s.listed = true
		}
		s.from++
	}
	last := &a.tokens[s.to-1]
	s.start, s.end = int(a.tokens[s.from].start), int(last.end)
	if last.kind == kindLine {
		s.end = int(last.start)
	}
	s.question = last.kind == kindStop && a.text[last.start] == '?'
	s.itemFrom = len(a.items)
	an.tag(a, s, meant)
	s.itemTo = len(a.items)
}

// negationReach is how many words a negation governs, at most to the end of
// its clause.
const negationReach = 6

// tag finds the meaning-bearing words of a sentence and what is negated.
func (an *analyser) tag(a *analysis, s *sentence, meant []int32) {
	reach, done := 0, s.from
	tokens, meanings := a.tokens[:s.to], an.lex.words[s.lang]
	for _, hit := range meant {
		i := int(hit)
		if i < done {
			continue // inside of a phrase
		}
		if reach > 0 {
			reach = negate(tokens[done:i], reach)
		}
		t := &tokens[i]
		neg := reach > 0
		t.negated = neg
		if neg {
			reach--
		}
		done = i + 1
		m := &meanings[t.word]
		set, length := m.set, 1
		if m.next != 0 && i+1 < len(tokens) && m.next&(1<<(tokens[i+1].word&63)) != 0 {
			if phrase, n := an.lex.phrase(s.lang, tokens, i); n > 0 {
				set, length = phrase, n
			}
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
		a.items = append(a.items, item{set: set, neg: neg, token: hit})
		for done = i + 1; done < i+length; done++ {
			tokens[done].negated = neg
		}
	}
	if reach > 0 {
		negate(tokens[done:], reach)
	}
}

// negate marks the words that a negation governs which reaches over so many
// words, to the end of the clause, and returns how many are left of them.
func negate(tokens []token, reach int) int {
	for i := range tokens {
		if reach == 0 {
			return 0
		}
		switch t := &tokens[i]; t.kind {
		case kindWord:
			t.negated = true
			reach--
		case kindComma, kindQuote:
			return 0
		}
	}
	return reach
}
