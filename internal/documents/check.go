package documents

import "strings"

// Code says what is wrong with a draft.
type Code string

// The codes. All but the last two are found by Set.Check.
const (
	// MissingFact: it does not state one of its facts.
	MissingFact Code = "MISSING_FACT"
	// Contradiction: it contradicts a fact of its set.
	Contradiction Code = "CONTRADICTION"
	// Placeholder: something was left to fill in.
	Placeholder Code = "PLACEHOLDER"
	// TooShort and TooLong: its words are out of the plan's bounds.
	TooShort Code = "TOO_SHORT"
	TooLong  Code = "TOO_LONG"
	// Forbidden: it holds a phrase that no document may hold.
	Forbidden Code = "FORBIDDEN"
	// Markup: it holds tokens that a chat template or a tokenizer reads.
	Markup Code = "MARKUP"
	// Assistant: it talks to whoever asked for it.
	Assistant Code = "ASSISTANT"
	// NearDuplicate: it is nearly a document that was kept before.
	NearDuplicate Code = "NEAR_DUPLICATE"
	// NoDraft: there was no text.
	NoDraft Code = "NO_DRAFT"
)

// Problem is one thing that is wrong with a draft. It never holds its text.
type Problem struct {
	Code Code
	// Fact is the id of the fact at fault, or "".
	Fact string
}

// String is the code, and the fact if there is one.
func (p Problem) String() string {
	if p.Fact == "" {
		return string(p.Code)
	}
	return string(p.Code) + " of fact " + p.Fact
}

// Check reads a draft and says everything that is wrong with it by rules, or
// nothing. It reads clauses and terms, not meaning: docs/documents.md says what
// it can and cannot find.
func (b Brief) Check(text string) []Problem {
	if len(text) > MaxDocumentBytes {
		return []Problem{{Code: TooLong}}
	}
	var out []Problem
	switch n := countWords(text); {
	case n < b.Length.MinWords:
		out = append(out, Problem{Code: TooShort})
	case n > b.Length.MaxWords:
		out = append(out, Problem{Code: TooLong})
	}
	if strings.ContainsAny(text, "{}") || strings.ContainsAny(text, "[$%<_") && left.MatchString(text) {
		out = append(out, Problem{Code: Placeholder})
	}
	if strings.ContainsAny(text, "<[`") && markup.MatchString(text) {
		out = append(out, Problem{Code: Markup})
	}
	return append(out, b.Set.checkFacts(text, b.Facts)...)
}

// checkFacts looks at what a text asserts, and for forbidden phrases.
func (s *Set) checkFacts(text string, planned []*Fact) []Problem {
	var out []Problem
	words := readWords(text)
	found := s.banned.find(words, make([]bool, len(words)))
	first := s.openings.find(words[:min(len(words), 3)], make([]bool, 3))
	for i, code := range bannedCodes() {
		if found[0]&(1<<i) != 0 || code == Assistant && !first.empty() {
			out = append(out, Problem{Code: code})
		}
	}
	said := s.reader.read(words)
	for _, f := range planned {
		if !f.stated(said) {
			out = append(out, Problem{MissingFact, f.ID})
		}
	}
	for i := range s.Facts {
		if s.Facts[i].contradicted(said) {
			out = append(out, Problem{Contradiction, s.Facts[i].ID})
		}
	}
	return out
}

// States returns the ids of all facts of the set that a text states.
func (s *Set) States(text string) []string {
	var out []string
	said := s.reader.read(readWords(text))
	for i := range s.Facts {
		if s.Facts[i].stated(said) {
			out = append(out, s.Facts[i].ID)
		}
	}
	return out
}

func (f *Fact) stated(said []clause) bool {
	for i := range f.claims {
		made := false
		for k := range said {
			if made = f.claims[i].made(&said[k]); made {
				break
			}
		}
		if !made {
			return false
		}
	}
	return true
}

func (f *Fact) contradicted(said []clause) bool {
	for k := range said {
		for i := range f.claims {
			if f.claims[i].denied(&said[k]) {
				return true
			}
		}
		for i := range f.contradictions {
			if f.contradictions[i].made(&said[k]) {
				return true
			}
		}
	}
	return false
}
