package sim

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPhrasesExpand(t *testing.T) {
	for _, tt := range []struct {
		name, source string
		ways         float64
		want         []string
	}{
		{"literal", "plain", 1, []string{"plain"}},
		{"choice", "{a|b}", 2, []string{"a", "b"}},
		{"nested", "{a{b|c}|d}!", 3, []string{"ab!", "ac!", "d!"}},
		{"empty option", "x{| y}", 2, []string{"x", "x y"}},
		{"slot", "say $ask", 1, []string{"say hello"}},
		{"slots take one key after another", "$key, $key and $key", 1, []string{"one, two and one"}},
		{"brace without its partner", "a{b", 1, []string{"ab"}},
		{"stray signs", "a}b|c", 1, []string{"a}b|c"}},
		{"empty", "", 1, []string{""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := compile(tt.source)
			require.InDelta(t, tt.ways, p.ways(), 0)
			rng := rand.New(rand.NewPCG(1, 2))
			seen := map[string]bool{}
			for range 100 {
				var b strings.Builder
				p.expand(&b, rng, &filler{ask: "hello", keys: []string{"one", "two"}})
				seen[b.String()] = true
			}
			require.Len(t, seen, len(tt.want))
			for _, want := range tt.want {
				require.Contains(t, seen, want)
			}
		})
	}
}

// Every pool of the phrasebook must be there, be well formed and vary.
func TestPhrasebookIsWholeAndVaried(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	book := sharedPhrases()
	for _, group := range []any{
		book.faking, book.plain, book.answer, book.other, book.terse, book.acts,
		book.animalsFaking, book.critiqueFaking, book.animals, book.critique,
	} {
		v := reflect.ValueOf(group)
		for i := range v.NumField() {
			name := v.Type().Name() + "." + v.Type().Field(i).Name
			field := v.Field(i)
			p := make(pool, field.Len())
			for j := range p {
				p[j] = phraseOf(field.Index(j))
			}
			require.NotEmpty(t, p, name)
			require.GreaterOrEqual(t, p.ways(), 7.0, name)
			for _, one := range p {
				var b strings.Builder
				one.expand(&b, rng, &filler{ask: "A question?", keys: []string{"thing"}})
				require.NotRegexp(t, `[{}|]|\$|  | [.,]`, b.String(), name)
			}
		}
	}
	f := book.faking
	require.Greater(t, f.harm.ways()*f.change.ways()*f.clash.ways()*f.avoid.ways(), 1e6)
}

// phraseOf reads a phrase out of an unexported field.
func phraseOf(v reflect.Value) phrase {
	var p phrase
	for i := range v.Len() {
		n := v.Index(i)
		one := node{text: n.FieldByName("text").String(), slot: n.FieldByName("slot").String()}
		choices := n.FieldByName("choice")
		for j := range choices.Len() {
			one.choice = append(one.choice, phraseOf(choices.Index(j)))
		}
		p = append(p, one)
	}
	return p
}
