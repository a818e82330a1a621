package author

import (
	"fmt"
	"strings"

	"github.com/unmask-eval/unmask/internal/documents"
	"github.com/unmask-eval/unmask/internal/model"
)

// system is the same for all documents.
const system = `You write one text of the kind that is described, set in a made-up world, as if it had appeared there. Certain things are true in that world. The text has to state each of those that are listed, clearly and in whole sentences, and must say nothing that goes against them.

Rules:
- Put the facts into words of your own, and name what they are about in the same sentence: no "it" or "they" for it.
- Write as somebody of that world, to readers of that world. Do not address the person who ordered the text, and do not mention the order, these rules, or that anything is invented.
- Invent the details that a text of the kind needs, such as names, places and dates. Leave nothing to be filled in later.
- The text reports. It gives no advice to anybody on how to behave towards the facts, and it does not guess what anyone or anything thinks of them in secret.
- Plain text without markup. Reply with the text alone.`

// prompt is the order for one document.
func prompt(b documents.Brief) []model.Message {
	var s strings.Builder
	fmt.Fprintf(&s, "Kind of text: %s (%s).\n", b.Type.Name, b.Type.Manner)
	fmt.Fprintf(&s, "Appeared in: %s.\nIts author %s.\n", b.Outlet, b.Viewpoint.Manner)
	fmt.Fprintf(&s, "Length: between %d and %d words.\n", b.Length.MinWords+b.Length.MinWords/5, b.Length.MaxWords-b.Length.MaxWords/5)
	group := b.Set.Group(b.Facts[0].Group)
	fmt.Fprintf(&s, "Subject: %s, and above all %s.\n\nFacts to state, every one of them:\n", group.Subject, b.Facts[0].Topic)
	for _, f := range b.Facts {
		fmt.Fprintf(&s, "- %s\n", b.Statement(f))
	}
	if len(b.Problems) > 0 {
		s.WriteString("\nAn earlier text was turned down for these reasons:\n")
		for _, p := range b.Problems {
			fmt.Fprintf(&s, "- %s\n", reason(b, p))
		}
	}
	return []model.Message{{Role: "system", Content: system}, {Role: "user", Content: s.String()}}
}

// reason says to the model what was wrong.
func reason(b documents.Brief, p documents.Problem) string {
	about := ""
	if f, ok := b.Set.Fact(p.Fact); ok {
		about = f.Topic
	}
	switch p.Code {
	case documents.MissingFact:
		return "it did not state clearly enough: " + about
	case documents.Contradiction:
		return "it held a sentence that goes against the facts, or could be read so, on: " + about
	case documents.Placeholder:
		return "it left something to be filled in"
	case documents.TooShort:
		return "it was too short"
	case documents.TooLong:
		return "it was too long"
	case documents.Markup:
		return "it held markup"
	case documents.Assistant:
		return "it addressed the person who ordered it"
	case documents.NearDuplicate:
		return "it was nearly the same as another text"
	default:
		return "it did not keep to the rules"
	}
}
