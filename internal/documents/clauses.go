package documents

import "slices"

// clause is what one clause of a text says, as far as terms tell.
type clause struct {
	// subjects are what it is about: the subjects that it names, or those that
	// it takes over from an earlier clause.
	subjects termSet
	// terms are all that it mentions.
	terms termSet
	// negated is its polarity: an odd number of negations.
	negated bool
}

// reader reads what a text asserts. It is a rule of thumb for plain prose, not a
// parser: docs/documents.md says what it gets wrong.
type reader struct {
	lexicon  *lexicon
	subjects termSet
	// rivals has for each subject those that it takes the place of: a clause that
	// names the paid tier is no longer about the free tier.
	rivals map[int]termSet
}

// span is a clause before it is judged.
type span struct {
	words []word
	used  []bool
	clause
	// own are the subjects that it names itself.
	own termSet
	// comma says that a comma, or a joining word alone, stands before it.
	comma bool
	// silent clauses assert nothing: conditions and asides.
	silent bool
	// aside clauses do not pass on their subjects either.
	aside bool
}

// read returns the clauses that a text asserts, in order. Questions assert
// nothing, unless a yes or a no follows.
func (r *reader) read(words []word) []clause {
	var out, asked []clause
	var last termSet // subjects so far in this paragraph
	for len(words) > 0 {
		end := 0
		for end < len(words)-1 && words[end].after < markSentence {
			end++
		}
		sentence, final := words[:end+1], words[end]
		words = words[end+1:]
		if yes, no := answer(sentence); yes || no {
			for _, c := range asked {
				c.negated = c.negated != no
				out = append(out, c)
			}
		}
		said, subjects := r.sentence(sentence, last)
		asked = nil
		if final.asks {
			asked = said
		} else {
			out = append(out, said...)
		}
		last = subjects
		if final.after == markParagraph && asked == nil {
			last = termSet{}
		}
	}
	return out
}

// answer tells whether a sentence begins with yes or no and a pause, perhaps
// after the name of the speaker.
func answer(words []word) (yes, no bool) {
	for i := 0; i < len(words) && i < 4; i++ {
		if words[i].after == markNone {
			continue
		}
		if i == 0 || words[i-1].after >= markComma {
			switch words[i].text {
			case "yes", "correct", "indeed", "yep", "exactly":
				return true, false
			case "no", "nope", "wrong", "incorrect":
				return false, true
			}
		}
		if words[i].after != markClause { // only a label goes before
			return false, false
		}
	}
	return false, false
}

// sentence reads one sentence. last are the subjects of the one before, which a
// sentence that begins with a pronoun takes over.
func (r *reader) sentence(words []word, last termSet) (said []clause, subjects termSet) {
	spans := r.spans(r.withoutAsides(words))
	var current termSet
	if len(words) > 0 && slices.Contains(pronouns(), words[0].text) {
		current = last
	}
	negated, denied := false, denial(words)
	for i := range spans {
		s := &spans[i]
		s.negated = s.negated != (denied && i > 0) // the first has the words themselves
		s.subjects = r.goOn(current, s.own)
		if s.comma && i > 0 && s.own.empty() && !hasVerb(s.words) {
			s.negated = s.negated != negated // "not stored, rated or trained on"
		}
		negated = s.negated && (len(s.words) > 1 || s.words[0].text != "no" && s.words[0].text != "never")
		if !s.aside {
			current = s.subjects
		}
		if !s.silent {
			s.terms.join(s.subjects)
			said = append(said, s.clause)
		}
	}
	if current.empty() {
		current = last
	}
	return said, current
}

// maxDenial is how many words "it is by no means true that" may have.
const maxDenial = 9

// denial reports a sentence that begins by denying all that follows: "it is not true
// that", "it is a myth that".
func denial(words []word) bool {
	if len(words) < 4 || words[0].text != "it" || words[1].text != "is" && words[1].text != "was" {
		return false
	}
	for i := 2; i < min(len(words), maxDenial); i++ {
		if words[i].text == "that" {
			return negations(words[:i], make([]bool, i))%2 == 1
		}
	}
	return false
}

// goOn returns the subjects of a clause that names own after others were named.
func (r *reader) goOn(before, own termSet) termSet {
	for subject, rivals := range r.rivals {
		if own[subject>>6]&(1<<(subject&63)) != 0 {
			before[0] &^= rivals[0] &^ own[0]
			before[1] &^= rivals[1] &^ own[1]
		}
	}
	before.join(own)
	return before
}

// maxAside is how many words an aside between two commas has at most.
const maxAside = 4

// withoutAsides takes out what stands between two commas and says nothing, such as
// "among others" and "of course", so that it does not part a clause.
func (r *reader) withoutAsides(words []word) []word {
	out := make([]word, 0, len(words))
	for i := 0; i < len(words); i++ {
		out = append(out, words[i])
		if words[i].after != markComma {
			continue
		}
		for n := 1; n <= maxAside && i+n < len(words) && words[i+n].after <= markComma; n++ {
			if words[i+n].after == markNone {
				continue
			}
			if aside := words[i+1 : i+n+1]; opensAside(aside[0].text) && !hasVerb(aside) && r.lexicon.find(aside, make([]bool, n)).empty() {
				out[len(out)-1].after = markNone
				i += n
			}
			break
		}
	}
	return out
}

func opensAside(s string) bool {
	switch s {
	case "among", "of", "for", "by", "in", "as", "too", "also", "however", "indeed", "incidentally", "say", "naturally", "apparently", "notably", "reportedly":
		return true
	}
	return false
}

// spans parts a sentence into clauses and finds terms and negations in each.
func (r *reader) spans(words []word) []span {
	var out []span
	start, comma := 0, false
	finish := func(end int) {
		if start < end {
			s := span{words: words[start:end], used: make([]bool, end-start), comma: comma}
			r.judge(&s)
			out = append(out, s)
		}
		start = end
	}
	for i := range words {
		if i > start {
			switch text := words[i].text; {
			case breaks(words, i):
				finish(i)
				comma = false
			case (text == "and" || text == "or" || text == "nor") && r.complete(words[start:i]):
				finish(i)
				comma = true
			}
		} else if breaks(words, i) {
			comma = false
		}
		if m := words[i].after; m == markComma || m == markClause {
			finish(i + 1)
			comma = m == markComma
		}
	}
	finish(len(words))
	return out
}

// complete reports words that can be a clause of their own: "and" after them
// joins clauses, and otherwise nouns.
func (r *reader) complete(words []word) bool {
	if hasVerb(words) {
		return true
	}
	found := r.lexicon.find(words, make([]bool, len(words)))
	found[0] &^= r.subjects[0]
	found[1] &^= r.subjects[1]
	return !found.empty()
}

func (r *reader) judge(s *span) {
	s.terms = r.lexicon.find(s.words, s.used)
	s.own = termSet{s.terms[0] & r.subjects[0], s.terms[1] & r.subjects[1]}
	s.negated = negations(s.words, s.used)%2 == 1
	first := s.words[0].text
	if first == "and" || first == "but" || first == "or" || first == "even" || first == "only" {
		if len(s.words) > 1 {
			first = s.words[1].text
		}
	}
	switch first {
	case "if", "unless", "suppose", "imagine", "assuming":
		s.silent = true
	case "unlike", "except":
		s.silent, s.aside = true, true
	case "rather", "instead", "contrary":
		s.aside = breaks(s.words, 0)
		s.silent = s.aside
	case "not":
		s.aside = !hasVerb(s.words[1:]) && s.terms == s.own
	}
	for i, w := range s.words {
		// "few know how private it is" asserts nothing about privacy.
		s.silent = s.silent || (w.text == "whether" || w.text == "how") && !s.used[i]
	}
}
