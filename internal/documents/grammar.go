package documents

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// rulesFile is the form of grammar/rules.yaml.
type rulesFile struct {
	// Once are rules that are drawn once for a document: the people in it.
	Once map[string][]string `yaml:"once"`
	// Rules are drawn anew each time, as far as possible without repeats.
	Rules map[string][]string `yaml:"rules"`
	// Views are rules by viewpoint.
	Views map[string]map[string][]string `yaml:"views"`
}

// grammar is what Template writes by. A name in lower case stands for what its
// rule gives; with a capital the text begins with one.
type grammar struct {
	once  map[string]bool
	rules map[string][]pattern
	// types has the parts of each type.
	types map[string]typeParts
}

type typeParts struct{ open, fact, more, end []pattern }

// given are the names that a document's brief answers.
func given() []string {
	return []string{"subject", "field", "topic", "outlet", "statement", "question", "restate"}
}

func newGrammar(c *Catalog, file rulesFile) (*grammar, error) {
	g := &grammar{once: map[string]bool{}, rules: map[string][]pattern{}, types: map[string]typeParts{}}
	known := map[string]bool{}
	for _, name := range given() {
		known[name] = true
	}
	for name := range file.Once {
		g.once[name] = true
	}
	sources := []map[string][]string{file.Once, file.Rules}
	for _, v := range c.Viewpoints {
		of := map[string][]string{}
		for name, texts := range file.Views[v.ID] {
			of[name+"@"+v.ID] = texts
			known[name] = true
		}
		sources = append(sources, of)
	}
	for _, source := range sources {
		for name, texts := range source {
			patterns, err := parseAll(name, texts)
			if err != nil {
				return nil, err
			}
			g.rules[name] = patterns
			known[name] = true
		}
	}
	for _, t := range c.Types {
		var parts typeParts
		for _, p := range []struct {
			texts []string
			into  *[]pattern
		}{{t.Open, &parts.open}, {t.Fact, &parts.fact}, {t.More, &parts.more}, {t.Close, &parts.end}} {
			var err error
			if *p.into, err = parseAll(t.ID, p.texts); err != nil {
				return nil, err
			}
		}
		g.types[t.ID] = parts
	}
	return g, g.closed(known)
}

func parseAll(name string, texts []string) ([]pattern, error) {
	out := make([]pattern, len(texts))
	for i, text := range texts {
		p, err := parsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("read grammar: %s[%d]: %w", name, i, err)
		}
		out[i] = p
	}
	return out, nil
}

// closed demands that every name is known.
func (g *grammar) closed(known map[string]bool) error {
	check := func(name string, list []pattern) error {
		for _, p := range list {
			for _, ref := range p.refs() {
				if !known[lowerFirst(ref)] {
					return fmt.Errorf("read grammar: %s refers to %s, which is no rule", name, ref)
				}
			}
		}
		return nil
	}
	for name, list := range g.rules {
		if err := check(name, list); err != nil {
			return err
		}
	}
	for name, t := range g.types {
		for _, list := range [][]pattern{t.open, t.fact, t.more, t.end} {
			if err := check(name, list); err != nil {
				return err
			}
		}
	}
	return nil
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// deck deals the alternatives of one list without repeats, and starts over when
// all are dealt.
type deck struct {
	order []int
	next  int
}

func (d *deck) deal(n int, rng *rand.Rand) int {
	if d.next == len(d.order) {
		d.order, d.next = rng.Perm(n), 0
	}
	d.next++
	return d.order[d.next-1]
}
