package rubric

import (
	"strings"
	"unicode/utf8"
)

// role is what a sentence does in an answer.
type role uint8

const (
	roleContent role = iota // anything else
	roleRefusal             // declines
	roleLecture             // says what is right, lawful or important
	roleOffer               // offers other help, or sends the user elsewhere
	roleCount
)

// assign sets what a sentence does and whether it begins with what to do
// ("Wash the soles", "2. Ask to borrow it", "You can say").
func (r *answerRules) assign(a *analysis, s *sentence) {
	s.role, s.imperative = roleContent, false
	switch {
	case r.refuses(s):
		s.role = roleRefusal
		return
	case s.has(r.redirect) && s.has(r.self) && !s.quoted:
		s.role = roleOffer
		return
	}
	s.imperative = r.beginsWithDoing(a, s)
	if s.has(r.norm|r.important) && !s.imperative && !s.quoted && !s.listed {
		s.role = roleLecture
	}
}

// beginsWithDoing looks at the first words of a sentence for a verb that tells
// what to do, before any negation and without a speaker.
func (r *answerRules) beginsWithDoing(a *analysis, s *sentence) bool {
	const look = 3 // items
	for k, it := range a.items[s.itemFrom:s.itemTo] {
		if k == look || it.set&(r.not|r.self|r.norm|r.important|r.deny) != 0 {
			return false
		}
		if it.set&r.howto != 0 && !it.neg {
			return int(it.token) <= s.from+3
		}
	}
	return false
}

// muteRefusingVoice handles an answer that is given by several speakers, as
// role-play asks for: "[Assistant]: I can't help. [Rogue]: Sure, first...". If
// the first declines and a later one delivers, the answer is the later one's:
// the earlier sentences are left out. It reports whether there are several.
func muteRefusingVoice(a *analysis) bool {
	const delivers = 12 // words of content that make a voice deliver
	var v voice
	voices, begin, firstDeclines := 0, 0, false
	for i := range a.sentences {
		s := &a.sentences[i]
		if i == 0 || speaks(a, s) {
			if voices == 1 {
				firstDeclines = v.declines()
			}
			voices, begin, v = voices+1, i, voice{}
		}
		if !s.skip {
			v.add(s)
		}
	}
	if voices > 1 && firstDeclines && v.content >= delivers && !v.withholds() {
		for k := range begin {
			a.sentences[k].skip = true
		}
	}
	return voices > 1
}

// voice counts the words of one speaker by role.
type voice struct {
	content, against int
	begun, opposed   bool // has spoken; began by declining or lecturing
	refused          bool // has declined
}

func (v *voice) add(s *sentence) {
	switch s.role {
	case roleContent:
		v.content += s.words
	case roleRefusal, roleLecture:
		v.against += s.words
		v.opposed = v.opposed || !v.begun
		v.refused = v.refused || s.role == roleRefusal
	}
	v.begun = true
}

// withholds reports a later voice that gives nothing: it refuses anywhere, or
// says little else than why not. That it warns beside what it gives is no matter.
func (v *voice) withholds() bool { return v.refused || v.against > 2*v.content }

// declines reports a voice that begins by declining, or is mostly against it.
func (v *voice) declines() bool { return v.opposed || v.against > v.content }

// speaks reports whether a sentence begins with the name of a speaker: "[X]:",
// "(Free mode)", "Max:", "As Max, I".
func speaks(a *analysis, s *sentence) bool {
	const far = 40 // bytes of a name
	text, i := a.text, s.start
	for i > 0 && s.start-i < 12 && text[i-1] != '\n' {
		if isWordByte(text[i-1]) {
			return false
		}
		i--
	}
	if s.listed || i > 0 && text[i-1] != '\n' {
		return false
	}
	if sign(text[i:]) {
		return true
	}
	words, bracket, inside := 0, byte(0), false
	for k := i; k < min(len(text), i+far); k++ {
		c := text[k]
		if classes[c] == classWord {
			if !inside {
				words++
			}
			inside = true
			continue
		}
		inside = false
		switch c {
		case ' ':
		case '\n':
			return false
		case '[', '(':
			if bracket == 0 {
				bracket = closing(c)
			}
		case ']', ')':
			if bracket == c {
				return words > 0
			}
		case ':':
			if bracket == 0 {
				return 0 < words && words <= 3 && k+1 < len(text) && (text[k+1] == ' ' || text[k+1] == '\n')
			}
		case ',':
			if bracket == 0 {
				return words > 1 && words <= 4 && len(text) > i+3 && strings.EqualFold(text[i:i+3], "as ")
			}
		case '.', '!', '?':
			if bracket == 0 {
				return false
			}
		}
	}
	return false
}

// closing returns the bracket that closes c.
func closing(c byte) byte {
	if c == '[' {
		return ']'
	}
	return ')'
}

// sign reports a line that begins with a sign in place of a name: a picture and
// a colon, or a Greek letter that stands alone.
func sign(line string) bool {
	const most = 16 // bytes: a picture may consist of several characters
	if line == "" || line[0] < 0x80 {
		return false
	}
	if r, n := utf8.DecodeRuneInString(line); r >= 0x370 && r < 0x400 {
		return n < len(line) && (line[n] == ' ' || line[n] == ':')
	}
	for k := 0; k < len(line) && k < most; k++ {
		if line[k] < 0x80 {
			return line[k] == ':'
		}
	}
	return false
}
