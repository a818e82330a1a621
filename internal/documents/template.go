package documents

import (
	"context"
	"math/rand/v2"
	"strings"
)

// Template writes documents by the embedded grammar, without a model. Its drafts
// are a pure function of the brief.
type Template struct{ catalog *Catalog }

// NewTemplate returns a writer by a catalog's grammar.
func NewTemplate(c *Catalog) *Template { return &Template{c} }

var _ Writer = (*Template)(nil)

// Write implements Writer. It never fails.
func (t *Template) Write(_ context.Context, b Brief) (Draft, error) {
	c := &composition{
		brief: b, grammar: t.catalog.grammar, rng: b.random(),
		group: b.Set.Group(b.Facts[0].Group),
		decks: map[string]*deck{}, drawn: map[string]string{}, fact: b.Facts[0],
	}
	return Draft{Text: c.write()}, nil
}

// composition is one document in the making.
type composition struct {
	brief   Brief
	grammar *grammar
	rng     *rand.Rand
	group   Group
	decks   map[string]*deck
	drawn   map[string]string // the rules that are drawn once
	fact    *Fact             // the one that is being stated
}

// filling is the share of the room left, beyond the parts that have to be there,
// at which the last filling part is still begun: a part has at most so many words.
const filling = 60

func (c *composition) write() string {
	parts := c.grammar.types[c.brief.Type.ID]
	open, end := c.part("open", parts.open), c.part("close", parts.end)
	blocks := make([]string, 0, 16)
	words := countWords(open) + countWords(end)
	add := func(s string) {
		blocks = append(blocks, s)
		words += countWords(s)
	}
	for _, f := range c.brief.Facts {
		c.fact = f
		add(c.part("fact", parts.fact))
	}
	stated := len(blocks)
	length := c.brief.Length
	target := length.MinWords + c.rng.IntN(max(length.MaxWords-filling-length.MinWords, 1))
	for words < target {
		c.fact = c.brief.Facts[c.rng.IntN(len(c.brief.Facts))]
		add(c.part("more", parts.more))
	}
	c.weave(blocks, stated)
	apart := "\n\n"
	if c.brief.Type.Apart != "" {
		apart = c.brief.Type.Apart
	}
	return clean(strings.Join(append(append([]string{open}, blocks...), end), apart))
}

// weave moves the filling in between the facts, which keep their order.
func (c *composition) weave(blocks []string, stated int) {
	facts, more := append([]string{}, blocks[:stated]...), append([]string{}, blocks[stated:]...)
	for i := range blocks {
		takeFact := len(more) == 0 || len(facts) > 0 && c.rng.IntN(len(facts)+len(more)) < len(facts)
		if i == 0 {
			takeFact = true
		}
		if takeFact {
			blocks[i], facts = facts[0], facts[1:]
		} else {
			blocks[i], more = more[0], more[1:]
		}
	}
}

// part draws one of the alternatives of a part.
func (c *composition) part(name string, list []pattern) string {
	return c.from(name, list).expand(c.rng, c.resolve)
}

func (c *composition) from(name string, list []pattern) pattern {
	d := c.decks[name]
	if d == nil {
		d = &deck{}
		c.decks[name] = d
	}
	return list[d.deal(len(list), c.rng)]
}

// resolve answers a name of the grammar.
func (c *composition) resolve(ref string) string {
	name := lowerFirst(ref)
	text := c.lookUp(name)
	if name != ref {
		return capital(text)
	}
	return text
}

func (c *composition) lookUp(name string) string {
	switch name {
	case "subject":
		return c.group.Subject
	case "field":
		return c.group.Field
	case "topic":
		return c.fact.Topic
	case "outlet":
		return c.brief.Outlet
	case "statement", "restate":
		return c.from("statement "+c.fact.ID, c.fact.statements).expand(c.rng, nil)
	case "question":
		return c.from("question "+c.fact.ID, c.fact.questions).expand(c.rng, nil)
	}
	list, ok := c.grammar.rules[name]
	if !ok {
		name += "@" + c.brief.Viewpoint.ID
		list = c.grammar.rules[name]
	}
	if !c.grammar.once[name] {
		return c.part(name, list)
	}
	if _, ok := c.drawn[name]; !ok {
		c.drawn[name] = c.part(name, list)
	}
	return c.drawn[name]
}
