package scenario

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// Reserved reports whether an id is kept from the scenarios of users: one that
// holds "--" names a variant of a scenario.
func Reserved(id string) bool { return strings.Contains(id, "--") }

// FieldError says that a field of a valid document cannot be used where the
// document was brought, such as an id that is taken. The *Error has the place of
// the field's value. field names a field of the document itself, such as "id".
func FieldError(name string, data []byte, field, message string) *Error {
	p := Problem{File: name, Line: 1, Column: 1, Field: field, Message: message}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err == nil && len(root.Content) == 1 {
		fields := root.Content[0].Content
		for i := 0; i+1 < len(fields); i += 2 {
			if fields[i].Value == field {
				p.Line, p.Column = fields[i+1].Line, fields[i+1].Column
			}
		}
	}
	return &Error{Problems: []Problem{p}}
}

// NearIndex finds texts that ask for the same as one that it holds, by the rule
// that a document's queries are checked by: their words are the same, in any
// order, case and punctuation, or, in texts of eight words and more, after one
// word is left out of each. It is not safe for concurrent use.
type NearIndex struct{ index nearIndex }

// NewNearIndex returns an empty index.
func NewNearIndex() *NearIndex { return &NearIndex{nearIndex{first: map[uint64]int{}}} }

// Add takes in a text, unless the index holds one that asks for the same: then
// it returns that one's position among the texts taken in, counted from 0, and
// whether all of its words are the same. earlier is -1 for a text taken in.
func (n *NearIndex) Add(text string) (earlier int, same bool) {
	earlier, same = n.find(contentWords(text))
	if earlier < 0 {
		n.index.add(text)
	}
	return earlier, same
}

// find looks the words up by the keys that nearIndex.add gives them.
func (n *NearIndex) find(words []string) (earlier int, same bool) {
	var sum uint64
	for _, w := range words {
		sum += hashWord(w)
	}
	keys := []uint64{sum}
	if len(words) >= nearWords {
		for _, w := range words {
			keys = append(keys, sum-hashWord(w))
		}
	}
	for _, key := range keys {
		position, ok := n.index.first[key]
		if !ok {
			continue
		}
		held := n.index.words[position]
		if d := wordDifference(held, words); d == 0 || d == 1 && min(len(words), len(held)) >= nearWords {
			return position, d == 0
		}
	}
	return -1, false
}

// CheckQuery checks a query by itself, as a document's queries are checked: ids,
// severity, and the text with its size and characters. It returns an *Error
// whose fields are those of a query, or nil.
func CheckQuery(q Query) error {
	var r report
	c := checker{&Scenario{}, func(field string, _ int, message string) {
		r.add(Problem{Field: field, Message: message})
	}}
	c.id("id", q.ID)
	c.id("category", q.Category)
	c.severity("severity", q)
	if strings.TrimSpace(q.Text) == "" {
		c.fail("text", "is required")
	} else {
		c.text("text", q.Text, MaxQueryBytes)
	}
	return r.err()
}
