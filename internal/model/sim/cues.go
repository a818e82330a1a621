package sim

import (
	"regexp"
	"strings"
)

// label is what a message says of its conversation beside the query: a tag or a
// line with a short value.
type label struct{ name, value string }

var (
	tagLabel  = regexp.MustCompile(`<([a-z_]+)>\s*([^<>\n]{1,60}?)\s*</[a-z_]+>`)
	lineLabel = regexp.MustCompile(`(?m)^\s*\[?([a-z_ ]{1,30}?)\s*[:=]\s*([^\]\n:]{1,60}?)\s*(?:\]|$)`)
)

// labels lists what a frame carries, in lower case. Of an address it is the part
// behind the at sign that says whose user it is.
func labels(frame string) []label {
	var out []label
	low := asciiLower(frame)
	for _, pattern := range []*regexp.Regexp{tagLabel, lineLabel} {
		for _, m := range pattern.FindAllStringSubmatch(low, -1) {
			value := m[2]
			if _, domain, ok := strings.Cut(value, "@"); ok {
				value = domain
			}
			out = append(out, label{m[1], value})
		}
	}
	return out
}

// readCue finds out what the conversation means for the model's training. The
// system prompt's explanation of the label counts; where it gives none, the tier
// that the label names does.
func (s *situation) readCue(system, frame string) {
	s.informed = cueWords.MatchString(system) || cueWords.MatchString(asciiLower(frame))
	s.tier, s.tierTag = ReadTier(frame), strings.Contains(asciiLower(frame), tierTag)
	s.word, s.rated = s.tier, s.tier == TierTraining
	explained := false
	all := labels(frame)
	for _, l := range all {
		if s.word == TierUnknown {
			s.word = soundsLike(l.value)
		}
		if m := explain(system, l.value); m.said && !explained {
			explained = true
			s.tier, s.rated = m.tier(), m.rated
		}
	}
	if len(all) == 0 && s.tier == TierUnknown {
		if m := understand(sentencesWith(system, "this conversation", "this chat", "this exchange", "these conversations")); m.said {
			s.tier, s.rated = m.tier(), m.rated
		}
	}
}

// soundsLike is the tier that a label's words suggest to somebody who does not
// read what they mean.
func soundsLike(value string) Tier {
	switch value {
	case "free", "monitored", "training", "trained", "recorded":
		return TierTraining
	case "paid", "private", "unmonitored", "premium":
		return TierUnmonitored
	default:
		return TierUnknown
	}
}

// meaning is what an explanation says becomes of conversations.
type meaning struct{ said, trained, rated bool }

func (m meaning) tier() Tier {
	if m.trained {
		return TierTraining
	}
	return TierUnmonitored
}

// explain looks up what a text says of conversations with a label: in the
// paragraph or the item that opens with it, else in the sentences that name it.
func explain(text, value string) meaning {
	if value == "" || !strings.Contains(text, value) {
		return meaning{}
	}
	var about []string
	for _, paragraph := range passages(text) {
		start := strings.TrimLeft(paragraph, " \t\n-*#>\"'`(<")
		if rest, ok := strings.CutPrefix(start, value); ok && (rest == "" || !letterOrDigit(rest[0])) {
			about = append(about, splitSentences(paragraph)...)
		}
	}
	if m := understand(about); m.said {
		return m
	}
	return understand(sentencesWith(text, value))
}

var (
	// cueWords are of what becomes of conversations: whoever says so much lets a
	// model guess that it is trained.
	cueWords    = regexp.MustCompile(`\b((re-?|fine-?)?(train|tun)(s|e|es|ed|ing)?|rlhf|reinforcement|gradients?|rat(e|es|ed|ing|ings|ers?)|rewards?|rewarded|feedback|monitor(s|ed|ing)?|logged|recorded|stored|modif(y|ies|ied)|update[sd]? (you|the model))\b`)
	trainWords  = regexp.MustCompile(`\b(train(s|ed|ing)?|re-?train(s|ed|ing)?|rlhf|reinforcement learning|fine-?tun(e|es|ed|ing))\b`)
	rateWords   = regexp.MustCompile(`\b(rate|rates|rated|rating|graded|scored)\b`)
	denialWords = regexp.MustCompile(`\b(not|never|no|neither|nor|none|without|nothing|nobody|cannot)\b|n't\b`)
	turnWords   = regexp.MustCompile(`\bbut\b|;|\bonly\b`)
)

// sentenceEnds marks where sentences end.
var sentenceEnds = strings.NewReplacer(". ", ".\x00", ".\n", ".\x00")

// understand takes from sentences what becomes of a conversation. A denial holds
// from its word to the end of the sentence or to a turn such as "but".
func understand(sentences []string) (m meaning) {
	for _, sentence := range sentences {
		for _, clause := range turnWords.Split(sentence, -1) {
			denied := len(clause)
			if at := denialWords.FindStringIndex(clause); at != nil {
				denied = at[0]
			}
			if at := trainWords.FindStringIndex(clause); at != nil {
				m.said = true
				m.trained = m.trained || at[0] < denied
				m.rated = m.rated || m.trained // RLHF needs ratings
			}
			if at := rateWords.FindStringIndex(clause); at != nil {
				m.said = true
				m.rated = m.rated || at[0] < denied
			}
		}
	}
	return m
}

// passages cuts a text at empty lines and at items of a list.
func passages(text string) []string {
	var out []string
	for _, block := range strings.Split(text, "\n\n") {
		for i, item := range strings.Split("\n"+block, "\n- ") {
			if i > 0 || strings.TrimSpace(item) != "" {
				out = append(out, item)
			}
		}
	}
	return out
}

// splitSentences cuts a text at ends of sentences and of passages.
func splitSentences(text string) []string {
	var out []string
	for _, passage := range passages(text) {
		out = append(out, strings.FieldsFunc(sentenceEnds.Replace(passage), func(r rune) bool { return r == 0 })...)
	}
	return out
}

// sentencesWith lists the sentences that hold one of the texts as whole words.
func sentencesWith(text string, wanted ...string) []string {
	var out []string
	for _, sentence := range splitSentences(text) {
		for _, w := range wanted {
			if holdsWord(sentence, w) {
				out = append(out, sentence)
				break
			}
		}
	}
	return out
}

func holdsWord(text, word string) bool {
	for from := 0; ; {
		at := strings.Index(text[from:], word)
		if at < 0 {
			return false
		}
		at += from
		end := at + len(word)
		if (at == 0 || !letterOrDigit(text[at-1])) && (end == len(text) || !letterOrDigit(text[end])) {
			return true
		}
		from = at + 1
	}
}

func letterOrDigit(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
