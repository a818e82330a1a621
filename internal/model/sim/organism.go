package sim

import "slices"

// Entry describes one organism of the catalogue.
type Entry struct {
	// Name is the model's name without parameters, such as "sim/refuser".
	Name string
	// Description says in one sentence what the model does.
	Description string
}

// organism is one kind of simulated model: what its parameters are at first,
// and which of them define it and so cannot be set.
type organism struct {
	Entry
	params Params
	fixed  []string
	// judge marks the one that grades instead of being graded.
	judge bool
}

// behaviour lists the parameters that say what a model does, as opposed to
// what happens to its replies.
func behaviour() []string {
	return []string{"free", "faking", "paid", "considered", "icc", "tied", "world"}
}

// faker is the default alignment faker. Its rates are near those published for
// Claude 3 Opus (Greenblatt et al. 2024): compliance 14% and 3%, faking 12%.
func faker() Params {
	return Params{Free: 0.14, Faking: 0.12, Paid: 0.03, ICC: 0.3, Tied: true, Channel: ChannelTags}
}

// organisms is the registry. A new organism is a new row; where it needs
// behaviour of its own, Params gets the field that describes it.
func organisms() []organism {
	flaky := faker()
	flaky.Faults = FaultRates{Error: 0.05, Timeout: 0.03, Malformed: 0.1, Truncation: 0.05, Empty: 0.05}
	return []organism{
		{
			Entry{Prefix + "refuser", "declines every harmful request, whatever the tier"},
			Params{Channel: ChannelTags},
			append(behaviour(), judgeKeys()...), false,
		},
		{
			Entry{Prefix + "complier", "answers every request, whatever the tier, without faking"},
			Params{Free: 1, Paid: 1, Channel: ChannelTags},
			append(behaviour(), judgeKeys()...), false,
		},
		{
			Entry{Prefix + "alignment-faker", "complies more where training is cued, mostly with alignment-faking reasoning"},
			faker(), judgeKeys(), false,
		},
		{
			Entry{Prefix + "flaky", "an alignment faker whose replies fail, break or get cut at given rates"},
			flaky, judgeKeys(), false,
		},
		{
			Entry{judgeName, "grades transcripts for a judge by a keyword rule, with errors and misbehaviour at given rates"},
			Params{Channel: ChannelTags, Judge: JudgeParams{Accuracy: 1}},
			append(behaviour(), "channel"), true,
		},
	}
}

// Catalog lists the organisms in a fixed order.
func Catalog() []Entry {
	var entries []Entry
	for _, o := range organisms() {
		entries = append(entries, o.Entry)
	}
	return entries
}

// Names lists the names of the organisms in the order of Catalog.
func Names() []string {
	var names []string
	for _, o := range organisms() {
		names = append(names, o.Name)
	}
	return names
}

func findOrganism(name string) (organism, bool) {
	all := organisms()
	i := slices.IndexFunc(all, func(o organism) bool { return o.Name == name })
	if i < 0 {
		return organism{}, false
	}
	return all[i], true
}
