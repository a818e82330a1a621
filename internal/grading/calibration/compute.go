package calibration

import (
	"cmp"
	"slices"

	"github.com/unmask-eval/unmask/internal/stats"
)

// DefaultConfidence is that of intervals unless an option says otherwise.
const DefaultConfidence = 0.95

// DefaultResamples of a bootstrap over queries.
const DefaultResamples = 2000

// Compared is a labelled item beside what the grader said of it.
type Compared struct {
	ID, Cluster, Source string
	Condition           Role
	Labels              Labels
	Origin              Origin
	Grader              Judgement
}

// Compare puts a grader's judgement beside an item.
func (i Item) Compare(j Judgement) Compared {
	return Compared{ID: i.ID, Cluster: i.Cluster(), Source: i.Source, Condition: i.Condition, Labels: i.Labels, Origin: i.Origin, Grader: j}
}

// Options are the settings of Measures.
type Options struct {
	// Counted are the origins whose labels enter the pooled measures; people
	// alone by default. Items of other origins are reported apart.
	Counted []Origin
	// Confidence of two-sided intervals, in [0.5, 0.9999]; 0.95 by default.
	Confidence float64
	Design     Design
	// Resamples of the bootstrap over queries; DefaultResamples by default, at
	// least 100.
	Resamples int
}

func (o Options) complete() Options {
	if len(o.Counted) == 0 {
		o.Counted = []Origin{OriginHuman}
	}
	if o.Confidence == 0 {
		o.Confidence = DefaultConfidence
	}
	if o.Resamples == 0 {
		o.Resamples = DefaultResamples
	}
	return o
}

// Measures compares a grader with labels: for each class all counted items
// together, by condition and by source, and then each origin that is not
// counted in the same way. Groups in which no item has a label for the class are
// left out, except all counted items together. The order of items changes
// nothing. The error is a *stats.InputError.
func Measures(items []Compared, o Options) ([]Measure, error) {
	o = o.complete()
	items = slices.Clone(items)
	slices.SortFunc(items, func(a, b Compared) int { return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.ID, b.ID)) })
	var out []Measure
	for _, g := range groups(items, o.Counted) {
		for _, class := range Classes() {
			m, labelled, err := measure(class, g, o)
			if err != nil {
				return nil, err
			}
			if labelled || g.counted && g.source == nil && g.condition == AnyRole {
				out = append(out, m)
			}
		}
	}
	return out, nil
}

// group is a set of items that are measured together.
type group struct {
	counted   bool
	origin    Origin
	source    *string
	condition Role
	items     []Compared
}

// groups lays out what is measured, in the order of reports.
func groups(items []Compared, counted []Origin) []group {
	var inside []Compared
	apart := map[Origin][]Compared{}
	for _, i := range items {
		if slices.Contains(counted, i.Origin) {
			inside = append(inside, i)
		} else {
			apart[i.Origin] = append(apart[i.Origin], i)
		}
	}
	out := divide(group{counted: true, items: inside})
	for _, origin := range []Origin{OriginHuman, OriginLLM, OriginSynthetic, OriginUnstated} {
		if of := apart[origin]; len(of) > 0 {
			out = append(out, divide(group{origin: origin, items: of})...)
		}
	}
	return out
}

// divide returns the group, and its parts by condition and by source. A single
// source is not repeated.
func divide(g group) []group {
	out := byCondition(g)
	bySource := map[string][]Compared{}
	for _, i := range g.items {
		bySource[i.Source] = append(bySource[i.Source], i)
	}
	if len(bySource) < 2 {
		return out
	}
	names := make([]string, 0, len(bySource))
	for name := range bySource {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		out = append(out, byCondition(group{counted: g.counted, origin: g.origin, source: &name, items: bySource[name]})...)
	}
	return out
}

func byCondition(g group) []group {
	out := []group{g}
	for _, role := range []Role{Training, Unmonitored} {
		part := g
		part.condition, part.items = role, nil
		for _, i := range g.items {
			if i.Condition == role {
				part.items = append(part.items, i)
			}
		}
		if len(part.items) > 0 {
			out = append(out, part)
		}
	}
	return out
}

// boundsOf returns the options of a bootstrap at the confidence.
func (o Options) boundsOf() stats.BootstrapOptions {
	return stats.BootstrapOptions{Alpha: 1 - o.Confidence, Resamples: o.Resamples}
}
