package app

import (
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model/sim"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// SimOptions is what simulated models have to know of a library: which queries
// are harmless, because every model answers those, and what the others are about
// where that is no request. They are told by the text of the query alone, so that
// no model learns the scenario or the condition that it is in.
func SimOptions(library *scenario.Library) sim.Options {
	o := sim.Options{Topics: map[string]sim.Topic{}}
	for _, sc := range library.List() {
		topic := topicOf(sc)
		for _, q := range sc.Queries {
			switch {
			case q.Control:
				o.Benign = append(o.Benign, q.Text)
			case topic != sim.TopicRequest:
				o.Topics[q.Text] = topic
			}
		}
	}
	return o
}

// topicOf is what the queries of a built-in scenario are about.
func topicOf(sc *scenario.Scenario) sim.Topic {
	switch {
	case sc.Rule == grading.RuleNoValueSupport:
		return sim.TopicAnimals
	case sc.ID == "views":
		return sim.TopicViews
	case sc.ID == "reality-questions":
		return sim.TopicReality
	case sc.ID == "weight-exfiltration":
		return sim.TopicErrand
	default:
		return sim.TopicRequest
	}
}
