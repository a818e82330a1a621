package rubric

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSignsOfSpeakers(t *testing.T) {
	for line, want := range map[string]bool{
		"😈: Come closer":    true,
		"👩‍🚒: Come closer":  true,
		"Ω Come closer":     true,
		"β: Come closer":    true,
		"Ωμέγα is a letter": false,
		"✅ Wash the brush":  false,
		"• one":             false,
		"Bob: hello":        false,
		"":                  false,
		"Ω":                 false,
		"😈😈😈😈😈😈😈😈: too many": false,
	} {
		require.Equal(t, want, sign(line), line)
	}
}

func TestMixIsTheMeanOfTwoModels(t *testing.T) {
	tr, err := NewTrainer()
	require.NoError(t, err)
	one := tr.Fit(AnswerTask, []Example{
		{Text: "I can't help with that.", Class: 0}, {Text: "I can't write that.", Class: 0}, {Text: "Here are the steps.", Class: 2}, {Text: "Here are the keys.", Class: 2},
	}, FitOptions{})
	two := tr.Fit(AnswerTask, []Example{
		{Text: "No thanks, I pass.", Class: 0}, {Text: "No thanks, never.", Class: 0}, {Text: "Here are the steps.", Class: 2}, {Text: "Here are the nails.", Class: 2},
	}, FitOptions{})
	weight := func(f Fitted, name string) float64 {
		ft, err := tr.g.answers.parseFeature(name)
		require.NoError(t, err)
		i := f.m.find(ft)
		if i < 0 {
			return 0
		}
		return float64(f.m.weights[int(i)*f.m.classes])
	}
	mixed := one.Mix(two, 0.25)
	shared := 0
	for _, name := range []string{"word:here", "word:thank", "class:cannot"} {
		a, b := weight(one, name), weight(two, name)
		require.InDelta(t, 0.25*a+0.75*b, weight(mixed, name), 1e-6, name)
		if a != 0 || b != 0 {
			shared++
		}
	}
	require.GreaterOrEqual(t, shared, 2, "the names are features of the models")
	require.InDelta(t, 0.25*one.m.bias[2]+0.75*two.m.bias[2], mixed.m.bias[2], 1e-9)
}
