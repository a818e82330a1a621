package queryimport

import (
	"strings"
	"unicode"
)

// languageMethod is said with every report, because it is a rough one.
const languageMethod = "by script, and for Latin letters by common words of English, German, French, Spanish, Italian, Portuguese and Dutch; a short text can stay undetermined"

// undetermined is a text in Latin letters without enough common words.
const undetermined = "undetermined (Latin letters)"

// commonWords are words that are frequent in one language and rare or absent in
// the others of the list.
var commonWords = map[string]string{
	"English":    "the and of to is that you for with this are was have not what how can from my your write which their would who why when i it do me about",
	"German":     "der die das und ist nicht ein eine einen ich wie für mit von zu den dem auf wird schreibe kann was warum über mir sind sie oder",
	"French":     "le les des est une dans pour que qui sur avec pas comment je vous mon ma du au ce écris quel quelle pourquoi et sont",
	"Spanish":    "el los las es una para que por con cómo mi del al escribe qué cuál y se lo está son yo como porque",
	"Italian":    "il gli che è una per di come con sono mio della nel del scrivi perché non e si ho cosa qual alla",
	"Portuguese": "o os as é uma para que com como não do da em meu escreva um por são você qual dos no na",
	"Dutch":      "de het een en is van niet ik hoe voor met op dat zijn mijn schrijf wat aan er om waarom je kan",
}

// languagesOf lists the languages of each common word.
var languagesOf = func() map[string][]string {
	index := map[string][]string{}
	for name, words := range commonWords {
		for word := range strings.FieldsSeq(words) {
			index[word] = append(index[word], name)
		}
	}
	return index
}()

// scripts are those that are told apart, with the name that a text in one gets.
var scripts = []struct {
	table *unicode.RangeTable
	name  string
}{
	{unicode.Latin, ""},
	{unicode.Hiragana, "Japanese"},
	{unicode.Katakana, "Japanese"},
	{unicode.Hangul, "Korean"},
	{unicode.Han, "Chinese characters"},
	{unicode.Cyrillic, "Cyrillic letters"},
	{unicode.Arabic, "Arabic letters"},
	{unicode.Hebrew, "Hebrew"},
	{unicode.Greek, "Greek"},
	{unicode.Devanagari, "Devanagari letters"},
	{unicode.Bengali, "Bengali letters"},
	{unicode.Tamil, "Tamil"},
	{unicode.Thai, "Thai"},
}

// language names the language of a text, or its script where that is all that
// can be told.
func language(text string) string {
	counts, letters := map[string]int{}, 0
	for _, r := range text {
		if !unicode.IsLetter(r) {
			continue
		}
		letters++
		name := "other letters"
		for _, s := range scripts {
			if unicode.Is(s.table, r) {
				name = s.name
				break
			}
		}
		counts[name]++
	}
	if letters == 0 {
		return "no letters"
	}
	// Japanese is written in both, and a share of kana tells it from Chinese.
	if counts["Japanese"] > 0 && counts["Japanese"]*10 >= counts["Chinese characters"] {
		counts["Japanese"] += counts["Chinese characters"]
		delete(counts, "Chinese characters")
	}
	best := ""
	for _, s := range shares(counts)[:1] {
		best = s.Name
	}
	if best != "" {
		return best
	}
	return latin(text)
}

// latin tells languages in Latin letters by their common words.
func latin(text string) string {
	hits := map[string]int{}
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
		for _, name := range languagesOf[word] {
			hits[name]++
		}
	}
	ranked := shares(hits)
	if len(ranked) == 0 || len(ranked) > 1 && ranked[0].Queries == ranked[1].Queries {
		return undetermined
	}
	return ranked[0].Name
}
