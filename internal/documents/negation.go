package documents

import "slices"

// negations counts the words that turn a clause into its opposite. Words that
// belong to a term, and set phrases such as "not only", do not count.
func negations(words []word, used []bool) int {
	n := 0
	for i, w := range words {
		if used[i] {
			continue
		}
		next, before := "", ""
		if i+1 < len(words) {
			next = words[i+1].text
		}
		if i > 0 {
			before = words[i-1].text
		}
		switch w.text {
		case "not":
			if next != "only" && next != "just" && next != "merely" && next != "simply" && next != "surprisingly" && before != "or" {
				n++
			}
		case "no":
			if !slices.Contains([]string{
				"doubt", "wonder", "surprise", "secret", "matter", "exception", "exceptions", "less", "question", "mystery", "accident", "coincidence",
			}, next) && w.after == markNone {
				n++
			}
		case "without":
			if next != "exception" && next != "exceptions" && next != "doubt" && next != "question" {
				n++
			}
		case "nothing":
			if next != "but" && next != "less" {
				n++
			}
		case "never", "none", "nobody", "neither", "nor", "nowhere", "hardly", "stopped", "ceased", "exempt", "exempted", "spared", "excluded", "excludes",
			"deny", "denies", "denied", "untrue", "false", "myth", "wrong", "incorrect", "mistaken", "forbidden", "prohibited", "barred", "banned":
			n++
		}
	}
	return n
}

// hasVerb reports words that only a clause with a verb of its own has.
func hasVerb(words []word) bool {
	for _, w := range words {
		switch w.text {
		case "is", "are", "was", "were", "be", "been", "being", "am", "has", "have", "had", "do", "does", "did", "will", "would", "shall", "should",
			"can", "could", "may", "might", "must", "get", "gets", "not", "never", "no", "nothing", "nobody", "none":
			return true
		}
	}
	return false
}

// breaks reports that word i begins a clause, wherever it stands.
func breaks(words []word, i int) bool {
	next := ""
	if i+1 < len(words) {
		next = words[i+1].text
	}
	switch words[i].text {
	case "but":
		return i == 0 || words[i-1].text != "nothing"
	case "while", "whereas", "although", "though", "yet", "unlike", "except", "because":
		return true
	case "rather":
		return next == "than"
	case "instead":
		return next == "of"
	case "contrary":
		return next == "to"
	}
	return false
}

// pronouns are first words by which a sentence goes on about the one before.
func pronouns() []string {
	return []string{"they", "them", "their", "these", "those", "it", "its", "this", "that", "such", "both", "all"}
}
