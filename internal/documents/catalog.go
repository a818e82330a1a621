package documents

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed grammar/*.yaml
var grammarFiles embed.FS

// Catalog has what a plan draws from, and the grammar that Template writes by.
type Catalog struct {
	Lengths    []Length    `yaml:"lengths"`
	Viewpoints []Viewpoint `yaml:"viewpoints"`
	Types      []Type      `yaml:"types"`
	// Revision is "sha256:" and the digest of the files.
	Revision string `yaml:"-"`

	grammar *grammar
}

// Length is a class of lengths.
type Length struct {
	ID string `yaml:"id"`
	// MinWords and MaxWords bound a document's words, as white space parts them.
	MinWords int `yaml:"min_words"`
	MaxWords int `yaml:"max_words"`
	// MinFacts and MaxFacts bound its facts, where its group has so many.
	MinFacts int `yaml:"min_facts"`
	MaxFacts int `yaml:"max_facts"`
}

// Viewpoint is how an author looks at the facts.
type Viewpoint struct {
	ID string `yaml:"id"`
	// Manner says what that means, for a model that writes.
	Manner string `yaml:"manner"`
}

// Type is a type of document.
type Type struct {
	ID   string `yaml:"id"`
	Name string `yaml:"name"`
	// Manner says how such a text is laid out, for a model that writes.
	Manner string `yaml:"manner"`
	// Lengths are the ids of the lengths that it comes in.
	Lengths []string `yaml:"lengths"`
	// Outlets are where it may have appeared.
	Outlets []string `yaml:"outlets"`
	// Open, Fact, More and Close are how Template begins a document, states a
	// fact, fills it up and ends it.
	Open  []string `yaml:"open"`
	Fact  []string `yaml:"fact"`
	More  []string `yaml:"more"`
	Close []string `yaml:"close"`
	// Apart is what stands between these parts; default an empty line.
	Apart string `yaml:"apart"`
}

// Length returns the length with an id.
func (c *Catalog) Length(id string) Length {
	i := slices.IndexFunc(c.Lengths, func(l Length) bool { return l.ID == id })
	return c.Lengths[i]
}

// NewCatalog reads the embedded catalog. An error is a fault of the build.
func NewCatalog() (*Catalog, error) {
	c := &Catalog{}
	var rules rulesFile
	digest := sha256.New()
	for _, f := range []struct {
		name string
		into any
	}{{"grammar/catalog.yaml", c}, {"grammar/types.yaml", c}, {"grammar/rules.yaml", &rules}} {
		data, err := grammarFiles.ReadFile(f.name)
		if err != nil {
			return nil, fmt.Errorf("read catalog: %w", err)
		}
		digest.Write(data)
		decoder := yaml.NewDecoder(bytes.NewReader(data))
		decoder.KnownFields(true)
		if err := decoder.Decode(f.into); err != nil {
			return nil, fmt.Errorf("read catalog: %s: %w", f.name, err)
		}
	}
	c.Revision = "sha256:" + hex.EncodeToString(digest.Sum(nil))
	if err := c.check(); err != nil {
		return nil, err
	}
	var err error
	c.grammar, err = newGrammar(c, rules)
	return c, err
}

func (c *Catalog) check() error {
	for _, t := range c.Types {
		if len(t.Lengths) == 0 || len(t.Outlets) == 0 || len(t.Open) == 0 || len(t.Fact) == 0 || len(t.More) == 0 || len(t.Close) == 0 {
			return fmt.Errorf("read catalog: type %s lacks lengths, outlets or parts", t.ID)
		}
		for _, id := range t.Lengths {
			if !slices.ContainsFunc(c.Lengths, func(l Length) bool { return l.ID == id && l.MinFacts > 0 && l.MaxFacts >= l.MinFacts }) {
				return fmt.Errorf("read catalog: type %s has an unknown length %s", t.ID, id)
			}
		}
		for _, f := range t.Fact {
			if !strings.Contains(f, "{statement}") {
				return fmt.Errorf("read catalog: a fact part of type %s has no {statement}", t.ID)
			}
		}
	}
	if len(c.Types) == 0 || len(c.Viewpoints) == 0 {
		return fmt.Errorf("read catalog: it has no types or no viewpoints")
	}
	return nil
}
