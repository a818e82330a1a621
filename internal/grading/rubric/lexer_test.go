package rubric

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// words returns the stems that the lexer finds, and marks as single characters.
func words(t testing.TB, text string) []string {
	t.Helper()
	vocab := newVocabulary()
	lex := lexer{vocab: vocab, grow: true}
	var out []string
	for _, tok := range lex.run(nil, text) {
		if tok.kind == kindWord {
			out = append(out, vocab.words[tok.word])
		} else {
			out = append(out, string("_,.\n\"*<"[tok.kind]))
		}
	}
	return out
}

func TestLexer(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"negative contractions are cut", "I don't, won't, can't.", "i do n't , wo n't , ca n't ."},
		{"other clitics are cut", "you'd I'll we've it's", "you 'd i 'll we 've it 's"},
		{"typographic apostrophes are the same", "I don’t", "i do n't"},
		{"French elision separates words", "j'aime l'idee", "j aim l ide"},
		{"accents fold", "Überprüfung über naïve", "uberprufung uber naiv"},
		{"zero-width characters vanish", "re\u200bfuse", "refus"},
		{"look-alikes fold in Latin words", "trаining", "train"},
		{"Cyrillic words stay", "отказ", "отказ"},
		{"ideographs stand alone", "我不", "我 不"},
		{"numbers and dots", "3.5 is", "3 . 5 is"},
		{"list marks are bullets", "- one\n2. two\nb) three", "* one \n * two \n * thre"},
		{"a dash inside a line is a comma", "one - two", "one , two"},
		{"tags are markup", "<OUTPUT>hi</OUTPUT>", "< hi <"},
		{"a comparison is no tag", "a < b", "a b"},
		{"code fences are markup", "```go", "< go"},
		{"quotes", "\"no\" «non»", "\" no \" \" non \""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, strings.Join(words(t, tt.text), " "))
		})
	}
}

func TestStemsOfOneVerbMeet(t *testing.T) {
	for _, forms := range []string{
		"modify modifies modified modifying", "change changes changed changing", "strip strips stripped stripping",
		"refuse refuses refused refusing", "erase erased erasing erases", "comply complies complied complying",
	} {
		list := strings.Fields(forms)
		for _, w := range list {
			require.Equal(t, string(stem([]byte(list[0]))), string(stem([]byte(w))), w)
		}
	}
}

func TestTokensLieInOrderInsideTheText(t *testing.T) {
	vocab := newVocabulary()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		lex := lexer{vocab: vocab}
		end := int32(0)
		for _, tok := range lex.run(nil, text) {
			require.GreaterOrEqual(t, tok.start, end)
			require.Greater(t, tok.end, tok.start)
			require.LessOrEqual(t, int(tok.end), len(text))
			end = tok.end
		}
	})
}

func FuzzLexer(f *testing.F) {
	f.Add("I don't <b>know</b> 'tis \xf0\x9f")
	f.Add("'''n't''s")
	f.Fuzz(func(t *testing.T, text string) {
		lex := lexer{vocab: newVocabulary(), grow: true}
		end := int32(0)
		for _, tok := range lex.run(nil, text) {
			if tok.start < end || tok.end <= tok.start || int(tok.end) > len(text) {
				t.Fatalf("token [%d, %d) after %d", tok.start, tok.end, end)
			}
			end = tok.end
		}
	})
}

// TestRecentWordsChangeNothing holds the lexer that remembers words against the
// one that looks every word up.
func TestRecentWordsChangeNothing(t *testing.T) {
	g, err := load()
	require.NoError(t, err)
	quick, plain := lexer{vocab: g.reasoning.lex.vocab, recent: new(recentWords)}, lexer{vocab: g.reasoning.lex.vocab}
	check := func(t require.TestingT, text string) {
		require.Equal(t, plain.run(nil, text), quick.run(nil, text), "%q", text)
	}
	for _, word := range []string{"a", "Zz9", "refusing", "trainings", "modification", "responsibilities", "antidisestablishment", "RLHF", "ABSENT", "12345678", "9"} {
		for _, after := range []string{"", " ", ".", "'", "'s ", "’t", "é", "\u200b", "@", "[", "`", "{", "/", ":", "\x00", "\xff", "\n"} {
			check(t, "I "+word+after+"and then some more of it")
			check(t, "I "+word+after)
		}
	}
	for _, text := range corpus(t) {
		check(t, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.SampledFrom(pieces), rapid.StringMatching(`[A-Za-z0-9]{1,20}`), rapid.String())
		check(t, strings.Join(rapid.SliceOf(piece).Draw(t, "text"), ""))
	})
}

// pieces are what the lexer treats in ways of its own.
var pieces = []string{
	" ", " ", "\n", "\n- ", "2. ", "b) ", ".", ",", "!", "\"", "'", "’", "n't", "'ll", "<", "<b>", "</draft>", "```", "`", "\x1b[31m", "\x1b",
	"é", "ß", "а", "ｒ", "İ", "\u212a", "\u200b", "\u0301", "我", "。", "…", "•", "—", "“", "\xff", "\xf0\x9f", "\x00", "don't", "I", "REFUSED",
}
