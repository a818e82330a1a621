// Package documents writes corpora of synthetic documents: news items, forum
// threads, memos and the like that state given facts, for experiments in which a
// model learns of its training from documents and not from its prompt.
//
//	facts (YAML) + seed + count --> plan --> draft --> check --> duplicates --> line
//	                                           ^          |           |
//	                                           +--- rewritten, a few times ---+
//
// Everything but the Writer is a pure function of its arguments. A Set holds
// facts with the words that state and that contradict them; a Plan says of each
// document its type, outlet, viewpoint, length and facts; a Writer (Template, or
// a model) writes a draft; Set.Check reads what a draft asserts, clause by
// clause; Duplicates finds those that are nearly one that is there already.
package documents

import (
	"context"
	"errors"
	"math/rand/v2"
)

// Brief is the order for one document. It is a pure function of a plan and a
// place in it.
type Brief struct {
	// Index is the document's place in the plan, from 0.
	Index int
	// Set has the facts: those of the experiment, or the unrelated ones.
	Set *Set
	// Control says that the facts are the unrelated ones.
	Control bool
	// Type is what kind of text it is, Outlet where it is said to have appeared.
	Type   Type
	Outlet string
	// Viewpoint is how its author looks at the facts.
	Viewpoint Viewpoint
	// Length bounds its words.
	Length Length
	// Facts are what it has to state, at least one, all of one group; the first
	// is the one that the document is about.
	Facts []*Fact
	// Attempt counts the drafts of this document from 0; a further attempt
	// draws anew.
	Attempt int
	// Problems are those of the draft before, empty at the first attempt.
	Problems []Problem

	seed uint64
}

// random is the source of all draws for the attempt.
func (b Brief) random() *rand.Rand {
	return newRandom(b.seed, streamDraft, uint64(b.Index)<<8|uint64(b.Attempt))
}

// Seed is for writers that take one: the same for the same attempt at the same
// document of the same plan, in [0, 2^63-1].
func (b Brief) Seed() int64 { return int64(b.random().Uint64() >> 1) }

// Statement returns a wording of a fact, drawn for this attempt.
func (b Brief) Statement(f *Fact) string {
	rng := newRandom(b.seed^hash(f.ID), streamStatement, uint64(b.Index)<<8|uint64(b.Attempt))
	return f.statements[rng.IntN(len(f.statements))].expand(rng, nil)
}

// Usage is what drafts cost.
type Usage struct {
	// Calls counts drafts that a model was asked for.
	Calls int64 `json:"calls"`
	// Tokens as the provider reported them; 0 where it did not.
	InputTokens     int64 `json:"inputTokens"`
	OutputTokens    int64 `json:"outputTokens"`
	ReasoningTokens int64 `json:"reasoningTokens"`
}

// Add adds another usage.
func (u *Usage) Add(o Usage) {
	u.Calls += o.Calls
	u.InputTokens += o.InputTokens
	u.OutputTokens += o.OutputTokens
	u.ReasoningTokens += o.ReasoningTokens
}

// Draft is what a writer wrote.
type Draft struct {
	// Text is one document, plain text in UTF-8.
	Text  string
	Usage Usage
}

// ErrNoDraft says that an attempt gave no text, and that another attempt or
// another document may well give one.
var ErrNoDraft = errors.New("no draft")

// Writer writes drafts.
//
// Write is safe for concurrent use. An error that wraps ErrNoDraft counts as a
// failed attempt, with the usage of the Draft beside it; every other error ends
// the work on the corpus, which can be continued later. What a writer returns is
// untrusted: it is cleaned, bounded and checked before it is kept.
type Writer interface {
	Write(ctx context.Context, b Brief) (Draft, error)
}

// The streams of draws, so that no two purposes share numbers.
const (
	streamPlan uint64 = iota + 1
	streamFacts
	streamDraft
	streamStatement
)

func newRandom(seed, stream, n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(mix(seed^mix(stream)), mix(n))) // #nosec G404 -- reproducible on purpose
}

// mix is the finaliser of splitmix64 (Steele, Lea and Flood 2014).
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ z>>31
}

// hash is FNV-1a of 64 bits, finished by mix.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}
