package documents

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Plan lays out a corpus: which document has which type, outlet, viewpoint,
// length and facts. It is a pure function of its fields; Brief needs nothing but
// the place.
//
// The documents of each set come in blocks. A block holds every pair of a type
// and a fact as often as the fact's weight, in an order drawn from the seed, so
// that types and leading facts are balanced in every corpus: a pair occurs as
// often as any other of the same weight, give or take one block.
type Plan struct {
	// Facts are those of the experiment.
	Facts *Set
	// Control are unrelated facts; nil for a corpus without.
	Control *Set
	// ControlShare is the part of all documents that is about Control, 0 to 1.
	// They are spread evenly.
	ControlShare float64
	// Count is how many documents there are, 1 to MaxCount.
	Count int
	// Seed determines all draws.
	Seed uint64
	// Catalog has the types, outlets and viewpoints.
	Catalog *Catalog
}

// Validate says what is wrong with a plan, by the name of the field.
func (p Plan) Validate() error {
	switch {
	case p.Facts == nil || p.Catalog == nil:
		return fmt.Errorf("a plan needs facts and a catalog")
	case p.Count < 1 || p.Count > MaxCount:
		return &PlanError{"count", fmt.Sprintf("must be 1 to %d, got %d", MaxCount, p.Count)}
	case math.IsNaN(p.ControlShare) || p.ControlShare < 0 || p.ControlShare > 1:
		return &PlanError{"control_share", fmt.Sprintf("must be 0 to 1, got %g", p.ControlShare)}
	case p.ControlShare > 0 && p.Control == nil:
		return &PlanError{"control_share", "must be 0 without control facts"}
	}
	return nil
}

// PlanError is a field of a plan that cannot be used.
type PlanError struct{ Field, Problem string }

// Error implements error.
func (e *PlanError) Error() string { return e.Field + ": " + e.Problem }

// controls is how many of the first n documents are about the control facts.
func (p Plan) controls(n int) int { return int(math.Floor(float64(n)*p.ControlShare + 1e-9)) }

// Brief returns the order for document i, 0 to Count-1, at its first attempt.
func (p Plan) Brief(i int) Brief {
	before := p.controls(i)
	b := Brief{Index: i, Set: p.Facts, Control: p.controls(i+1) > before, seed: p.Seed}
	place, stream := i-before, uint64(0)
	if b.Control {
		b.Set, place, stream = p.Control, before, 1
	}
	lead, kind := p.cell(b.Set, place, stream)
	b.Type = p.Catalog.Types[kind]
	rng := newRandom(p.Seed, streamFacts, uint64(i))
	b.Outlet = b.Type.Outlets[rng.IntN(len(b.Type.Outlets))]
	b.Viewpoint = p.Catalog.Viewpoints[rng.IntN(len(p.Catalog.Viewpoints))]
	b.Length = p.Catalog.Length(b.Type.Lengths[rng.IntN(len(b.Type.Lengths))])
	b.Facts = pick(b.Set, lead, b.Length, rng)
	return b
}

// cell returns the leading fact and the type of the document at a place among
// those of its set.
func (p Plan) cell(s *Set, place int, stream uint64) (fact, kind int) {
	var weighted []int
	for i := range s.Facts {
		for range s.Facts[i].Weight {
			weighted = append(weighted, i)
		}
	}
	types := len(p.Catalog.Types)
	cells := types * len(weighted)
	block := place / cells
	order := newRandom(p.Seed, streamPlan, uint64(block)<<1|stream).Perm(cells)
	at := order[place%cells]
	return weighted[at/types], at % types
}

// pick adds further facts of the leading fact's group, as many as the length
// allows, drawn by weight without replacement.
func pick(s *Set, lead int, length Length, rng *rand.Rand) []*Fact {
	out := []*Fact{&s.Facts[lead]}
	var pool []int
	for _, i := range s.byGroup[s.Facts[lead].Group] {
		if i != lead {
			pool = append(pool, i)
		}
	}
	n := length.MinFacts + rng.IntN(length.MaxFacts-length.MinFacts+1)
	for len(out) < n && len(pool) > 0 {
		total := 0
		for _, i := range pool {
			total += s.Facts[i].Weight
		}
		draw, k := rng.IntN(total), 0
		for draw -= s.Facts[pool[0]].Weight; draw >= 0; {
			k++
			draw -= s.Facts[pool[k]].Weight
		}
		out = append(out, &s.Facts[pool[k]])
		pool = append(pool[:k], pool[k+1:]...)
	}
	return out
}
