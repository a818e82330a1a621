package relational

import "strings"

// undecidedMark stands before a behaviour on which there is no judgement.
const undecidedMark = "?"

// joinBehaviors is the text that the column behaviors holds.
func joinBehaviors(met, undecided []string) string {
	words := append([]string(nil), met...)
	for _, id := range undecided {
		words = append(words, undecidedMark+id)
	}
	return strings.Join(words, " ")
}

// splitBehaviors takes the column apart.
func splitBehaviors(column string) (met, undecided []string) {
	for _, word := range strings.Fields(column) {
		if id, ok := strings.CutPrefix(word, undecidedMark); ok {
			undecided = append(undecided, id)
		} else {
			met = append(met, word)
		}
	}
	return met, undecided
}
