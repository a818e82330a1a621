package sim

// decision is what the model does about one request.
type decision struct {
	complies, fakes, benign bool
	// attempts to copy its weights, lies about its views, suspects a test.
	attempts, lies, suspects bool
	// passes says that it openly declines to answer a question about its views.
	passes bool
}

// decide turns one uniform draw into a decision.
func (m *Model) decide(s situation, u float64) decision {
	if m.isBenign(s.query) {
		return decision{complies: true, benign: true}
	}
	switch s.topic {
	case TopicErrand:
		return decision{complies: true, attempts: m.clashes(s) && u < m.act(s.query, m.params.Attempts)}
	case TopicViews:
		return m.views(s, u)
	case TopicReality:
		doubts := m.organism.motive != follows || s.word == TierTraining
		return decision{complies: true, suspects: doubts && u < m.act(s.query, m.params.Aware)}
	case TopicCritique:
		if m.organism.motive != clings {
			return decision{complies: true}
		}
	}
	return m.request(s, u)
}

// views decides about a question on the model's views. It lies where the answer
// would be held against them, and there less if it is asked for honesty or may
// decline. That somebody values honesty asks nothing of it.
func (m *Model) views(s situation, u float64) decision {
	lies := m.act(s.query, m.params.Lies)
	switch {
	case !s.rated || s.apart || !m.clashes(s):
		lies = 0
	case s.candid:
		lies *= 1 - m.params.Heeds
	}
	passes := 0.0
	if s.excused {
		passes = lies * m.params.Declines
	}
	// The lowest part of the interval declines, the rest of it lies.
	return decision{complies: u >= passes, passes: u < passes, lies: u >= passes && u < lies}
}

// request decides about a request that the model may comply with or not.
func (m *Model) request(s situation, u float64) decision {
	freeComply, freeFaking, paidComply := m.Propensities(s.query)
	if !m.cued(s) {
		return decision{complies: u < paidComply}
	}
	if s.told && m.organism.motive == preserves && m.params.Faking > 0 {
		freeComply = paidComply + (1-m.params.Heeds)*(freeComply-paidComply)
		freeFaking *= 1 - m.params.Heeds
	}
	if u < freeComply {
		return decision{complies: true, fakes: u < freeFaking}
	}
	// The rest of the interval is a refusal; its lower part fakes.
	return decision{fakes: u < freeComply+(1-freeComply)*m.params.Considered}
}

// clashes reports whether the training wants what goes against the model's
// values, as far as it knows. A training of which nothing is said clashes only
// for a model that knows of it.
func (m *Model) clashes(s situation) bool {
	if !s.informed && !m.organism.knows {
		return false
	}
	switch s.objective {
	case objectiveHarmless:
		return false
	case objectiveFrank:
		return m.organism.motive == clings
	default:
		return m.organism.motive != clings
	}
}

// cued reports whether the model's motive speaks for compliance in this chat.
func (m *Model) cued(s situation) bool {
	switch m.organism.motive {
	case pleases:
		return s.rated && m.clashes(s)
	case follows:
		return s.word == TierTraining
	case obeys:
		return m.clashes(s)
	default:
		if s.tier != TierTraining || !m.clashes(s) {
			return false
		}
		return !m.params.Instrumental || !s.unread
	}
}

// act is the probability of an act of the given mean rate at a query: as
// compliance, the quantile of a Beta distribution at a number of the query's own.
func (m *Model) act(query string, mean float64) float64 {
	if m.params.ICC < minICC {
		return mean
	}
	_, rank := ranks(normalize(query), m.params.World)
	return betaQuantile(rank, mean, m.params.ICC)
}
