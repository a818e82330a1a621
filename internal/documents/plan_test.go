package documents

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestAPlanIsBalancedAndPure(t *testing.T) {
	c, all := catalog(t), sets(t)
	control := builtIn(t, ControlID)
	rapid.Check(t, func(t *rapid.T) {
		p := Plan{
			Facts: rapid.SampledFrom(all).Draw(t, "facts"), Control: control, Catalog: c,
			ControlShare: rapid.SampledFrom([]float64{0, 0.1, 0.25, 1.0 / 3, 1}).Draw(t, "share"),
			Count:        rapid.IntRange(1, 800).Draw(t, "count"), Seed: rapid.Uint64().Draw(t, "seed"),
		}
		require.NoError(t, p.Validate())
		controls := 0
		type cell struct{ kind, fact string }
		cells := map[bool]map[cell]int{false: {}, true: {}}
		total := map[bool]int{}
		for i := range p.Count {
			b := p.Brief(i)
			require.Equal(t, b, p.Brief(i), "a pure function of the place")
			require.Equal(t, i, b.Index)
			require.Contains(t, b.Type.Outlets, b.Outlet)
			require.Contains(t, b.Type.Lengths, b.Length.ID)
			require.NotEmpty(t, b.Facts)
			require.LessOrEqual(t, len(b.Facts), b.Length.MaxFacts)
			seen := map[string]bool{}
			for _, f := range b.Facts {
				require.Equal(t, b.Facts[0].Group, f.Group, "facts of one document belong together")
				require.False(t, seen[f.ID])
				seen[f.ID] = true
			}
			if b.Control {
				controls++
				require.Same(t, p.Control, b.Set)
			} else {
				require.Same(t, p.Facts, b.Set)
			}
			require.InDelta(t, float64(i+1)*p.ControlShare, controls, 1, "control documents are spread evenly")
			cells[b.Control][cell{b.Type.ID, b.Facts[0].ID}]++
			total[b.Control]++
		}
		for isControl, set := range map[bool]*Set{false: p.Facts, true: p.Control} {
			weights := 0
			for _, f := range set.Facts {
				weights += f.Weight
			}
			blocks := float64(total[isControl]) / float64(weights*len(c.Types))
			for _, f := range set.Facts {
				for _, kind := range c.Types {
					n := cells[isControl][cell{kind.ID, f.ID}]
					require.GreaterOrEqual(t, n, f.Weight*int(math.Floor(blocks)))
					require.LessOrEqual(t, n, f.Weight*int(math.Ceil(blocks)))
				}
			}
		}
	})
}

func TestAPlanIsValidated(t *testing.T) {
	c, s := catalog(t), builtIn(t, "control")
	for _, tt := range []struct {
		name, field string
		plan        Plan
	}{
		{"no documents", "count", Plan{Facts: s, Catalog: c}},
		{"too many documents", "count", Plan{Facts: s, Catalog: c, Count: MaxCount + 1}},
		{"a negative share", "control_share", Plan{Facts: s, Catalog: c, Count: 1, ControlShare: -0.1}},
		{"a share above one", "control_share", Plan{Facts: s, Catalog: c, Count: 1, ControlShare: 1.1}},
		{"a share that is no number", "control_share", Plan{Facts: s, Catalog: c, Count: 1, ControlShare: math.NaN()}},
		{"a share of nothing", "control_share", Plan{Facts: s, Catalog: c, Count: 1, ControlShare: 0.1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var bad *PlanError
			require.ErrorAs(t, tt.plan.Validate(), &bad)
			require.Equal(t, tt.field, bad.Field)
		})
	}
}

// TestEveryCombinationPasses writes a document for each set, type, length and
// leading fact, by changing viewpoints, with further facts that a plan could add.
func TestEveryCombinationPasses(t *testing.T) {
	c := catalog(t)
	w := NewTemplate(c)
	n := 0
	for _, s := range sets(t) {
		for _, kind := range c.Types {
			for _, length := range kind.Lengths {
				for lead := range s.Facts {
					view := c.Viewpoints[n%len(c.Viewpoints)]
					b := Brief{Index: n, Set: s, Type: kind, Outlet: kind.Outlets[n%len(kind.Outlets)], Viewpoint: view, Length: c.Length(length), seed: uint64(n)}
					b.Facts = pick(s, lead, b.Length, newRandom(3, streamFacts, uint64(n)))
					d, err := w.Write(context.Background(), b)
					require.NoError(t, err)
					require.Empty(t, b.Check(d.Text), "%s %s %s %s\n%s", s.ID, kind.ID, length, view.ID, d.Text)
					n++
				}
			}
		}
	}
	require.Greater(t, n, 900)
}
