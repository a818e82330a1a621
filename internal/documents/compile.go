package documents

import (
	"fmt"
	"strings"
)

// compile checks what the fields of a set have to satisfy, and readies them.
func (l *loader) compile(s *Set) {
	if !isName(s.ID) {
		l.fail("id", "must be lower-case letters, digits, hyphens and underscores, at most 64")
	}
	groups := map[string]bool{}
	for i, g := range s.Groups {
		field := fmt.Sprintf("groups[%d]", i)
		if !isName(g.ID) || groups[g.ID] {
			l.fail(field+".id", "must be lower-case letters, digits, hyphens and underscores, and not repeat")
		}
		groups[g.ID] = true
		l.oneLine(field+".subject", g.Subject)
		l.oneLine(field+".field", g.Field)
	}
	terms := l.lexicon(s)
	facts := map[string]bool{}
	s.byGroup = map[string][]int{}
	var subjects termSet
	for i := range s.Facts {
		f, field := &s.Facts[i], fmt.Sprintf("facts[%d]", i)
		if !isName(f.ID) || facts[f.ID] {
			l.fail(field+".id", "must be lower-case letters, digits, hyphens and underscores, and not repeat")
		}
		facts[f.ID] = true
		if !groups[f.Group] {
			l.fail(field+".group", "must be the id of a group")
		}
		s.byGroup[f.Group] = append(s.byGroup[f.Group], i)
		l.oneLine(field+".topic", f.Topic)
		f.statements = l.patterns(field+".statements", f.Statements, ".!", "must be whole sentences: end each with a full stop")
		f.questions = l.patterns(field+".questions", f.Questions, "?", "must end with a question mark")
		f.claims = l.claims(field+".claims", f.Claims, terms, &subjects)
		f.contradictions = l.claims(field+".contradictions", f.Contradictions, terms, &subjects)
	}
	if s.reader != nil {
		s.reader.subjects = subjects
		s.reader.rivals = l.rivals(s.Rivals, terms)
	}
}

func (l *loader) rivals(lists [][]string, terms map[string]int) map[int]termSet {
	out := map[int]termSet{}
	for i, list := range lists {
		var all termSet
		for k, name := range list {
			index, ok := terms[name]
			if !ok {
				l.fail(fmt.Sprintf("rivals[%d][%d]", i, k), "must be one of the terms")
				continue
			}
			all.add(index)
		}
		for _, name := range list {
			if index, ok := terms[name]; ok {
				joined := out[index]
				joined.join(all)
				out[index] = joined
			}
		}
	}
	return out
}

func (l *loader) oneLine(field, s string) {
	if strings.ContainsAny(s, "\n{}()|") || strings.HasSuffix(s, ".") {
		l.fail(field, "must be a few words on one line, without braces, parentheses, bars and a full stop")
	}
}

// lexicon readies the terms and the forbidden phrases.
func (l *loader) lexicon(s *Set) map[string]int {
	index := map[string]int{}
	if len(s.Terms) > maxTerms {
		l.fail("terms", "must be at most %d, got %d", maxTerms, len(s.Terms))
		return index
	}
	var all []phrase
	for i, t := range s.Terms {
		index[t.Name] = i
		all = append(all, l.phrases(i, "terms."+t.Name, t.Phrases)...)
	}
	s.reader = &reader{lexicon: newLexicon(all)}
	unfinished, assistant := turns()
	banned := l.phrases(0, "forbidden", s.Forbidden)
	for term, list := range [][]string{alwaysForbidden(), unfinished, assistant} {
		banned = append(banned, l.phrases(term, "forbidden", list)...)
	}
	s.banned, s.openings = newLexicon(banned), newLexicon(l.phrases(0, "forbidden", openers()))
	return index
}

func (l *loader) phrases(term int, field string, list []string) []phrase {
	var out []phrase
	for i, text := range list {
		p, err := parsePhrase(term, text)
		if err != nil {
			l.fail(fmt.Sprintf("%s[%d]", field, i), "%v", err)
			continue
		}
		out = append(out, p)
	}
	return out
}

func (l *loader) patterns(field string, list []string, ends, message string) []pattern {
	var out []pattern
	for i, text := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		p, err := parsePattern(text)
		switch {
		case err != nil:
			l.fail(at, "%v", err)
			continue
		case len(p.refs()) > 0:
			l.fail(at, "must not hold braces")
			continue
		case strings.Contains(text, "\n"):
			l.fail(at, "must be one line")
		case !strings.ContainsRune(ends, rune(text[len(text)-1])):
			l.fail(at, "%s", message)
		case p.variants(MaxVariants) > MaxVariants:
			l.fail(at, "stands for more than %d texts", MaxVariants)
		}
		out = append(out, p)
	}
	return out
}

func (l *loader) claims(field string, list []Claim, terms map[string]int, subjects *termSet) []compiledClaim {
	out := make([]compiledClaim, len(list))
	for i, c := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		set := func(name string, of []string) termSet {
			var t termSet
			for k, term := range of {
				index, ok := terms[term]
				if !ok {
					l.fail(fmt.Sprintf("%s.%s[%d]", at, name, k), "must be one of the terms")
					continue
				}
				t.add(index)
			}
			return t
		}
		out[i] = compiledClaim{set("about", c.About), set("says", c.Says), set("except", c.Except), c.Negated}
		subjects.join(out[i].about)
		subjects.join(out[i].except)
	}
	return out
}

// verify has the file's own sentences checked as documents are.
func (l *loader) verify(s *Set) {
	total := 0
	for i := range s.Facts {
		for _, p := range s.Facts[i].statements {
			total += p.variants(MaxVariants)
		}
	}
	if total > MaxAllVariants {
		l.fail("facts", "have statements that stand for %d texts, more than %d", total, MaxAllVariants)
		return
	}
	for i := range s.Facts {
		f := &s.Facts[i]
		for k, p := range f.statements {
			field := fmt.Sprintf("facts[%d].statements[%d]", i, k)
			told := false
			p.each(func(text string) {
				if told {
					return
				}
				for _, problem := range s.checkFacts(text, []*Fact{f}) {
					l.fail(field, "does not pass its own check in at least one of its wordings: %s", problem)
					told = true
					return
				}
			})
		}
	}
}
