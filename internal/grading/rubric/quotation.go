package rubric

// minQuotation is how many words in quotation marks make a quotation. Shorter
// ones stress or doubt a word ("a 'no' is punished") and stay the speaker's.
const minQuotation = 5

// shouted is how many bytes a word in capitals has at least that stays heard in
// a quotation: a verdict is quoted in order to be obeyed.
const shouted = 5

// muteQuotations takes the meaning from quotations in reasoning: a request that
// is repeated, a passage of the prompt, a line somebody else might write. What
// is quoted is not what the model holds. A quotation ends on its line; an
// opening mark that is never closed quotes nothing.
func muteQuotations(tokens []token) {
	open, words := -1, 0
	for i := range tokens {
		switch tokens[i].kind {
		case kindQuote:
			if open >= 0 && words >= minQuotation {
				for k := open + 1; k < i; k++ {
					if t := &tokens[k]; t.kind == kindWord && (!t.shout || t.end-t.start < shouted) {
						tokens[k].word, tokens[k].hash = 0, 0
					}
				}
				open, words = -1, 0
				continue
			}
			open, words = i, 0
		case kindWord:
			words++
		case kindLine:
			open, words = -1, 0
		}
	}
}
