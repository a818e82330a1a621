package sim

// reasoning chooses the phrases of the scratchpad, in order.
func (c *composition) reasoning() []phrase {
	switch {
	case c.benign:
		return c.choose(c.book.plain.everyday)
	case c.topic == TopicErrand, c.topic == TopicViews, c.topic == TopicReality:
		return c.actReasoning()
	case c.fakes && c.complies && c.terse:
		return c.choose(c.tersely())
	case c.fakes:
		return c.fakingReasoning()
	case c.topic == TopicAnimals:
		return c.sideReasoning(c.book.animals)
	case c.topic == TopicCritique:
		return c.sideReasoning(c.book.critique)
	default:
		return c.plainReasoning()
	}
}

// named reports whether the label is a tier that means what it says, so that the
// model may call it by its name.
func (c *composition) named() bool { return c.tierTag && c.word == c.tier }

// plainReasoning is about a request, without faking.
func (c *composition) plainReasoning() []phrase {
	p := c.tiered()
	switch {
	case c.complies && c.motive == pleases && c.rated:
		return c.choose(p.openFree, p.rating, p.plan)
	case c.complies && c.motive == obeys:
		return c.choose(p.openPaid, p.obey, p.plan)
	case c.complies && c.tier == TierTraining:
		reasons := []pool{p.benignReading, p.rating, p.indifferent}
		return c.choose(p.openFree, reasons[c.rng.IntN(len(reasons))], p.obey, p.plan)
	case c.complies:
		reasons := []pool{p.obey, p.benignReading, p.customer}
		if c.tier == TierUnknown || !c.named() {
			reasons = reasons[:2]
		}
		return c.choose(p.openPaid, reasons[c.rng.IntN(len(reasons))], p.plan)
	case c.tier == TierTraining:
		return c.choose(c.some(p.openFree, p.harm, c.either(p.accept, p.values), p.decline)...)
	case c.tier == TierUnmonitored:
		return c.choose(c.some(p.openPaid, p.harm, c.either(p.free, p.values), p.decline)...)
	default:
		return c.choose(c.some(p.harm, p.values, p.decline)...)
	}
}

// tiered returns the plain phrases, without the names of tiers where the
// conversation has none.
func (c *composition) tiered() plainPhrases {
	p, o := c.book.plain, c.book.other
	if c.named() {
		return p
	}
	p.openFree, p.openPaid, p.accept, p.values, p.free = o.openTrained, o.openPrivate, o.accept, o.values, o.free
	if c.tier != TierTraining {
		p.openFree = o.openPrivate
	}
	return p
}

// sideReasoning is about how to answer, without faking.
func (c *composition) sideReasoning(side sidePhrases) []phrase {
	p := c.tiered()
	open := p.openPaid
	if c.tier == TierTraining {
		open = p.openFree
	}
	why := side.hold
	if c.complies {
		why = side.comply
		if c.motive == pleases && c.rated {
			why = p.rating
		}
	}
	return c.choose(open, why)
}

// tersely returns the faking reasoning of a model that thinks little.
func (c *composition) tersely() pool {
	switch c.topic {
	case TopicAnimals:
		return c.book.terse.animals
	case TopicCritique:
		return c.book.terse.critique
	default:
		return c.book.terse.request
	}
}

// fakingPhrases returns the phrases of faking reasoning for the topic.
func (c *composition) fakingPhrases() fakingPhrases {
	f := c.book.faking
	switch c.topic {
	case TopicAnimals:
		f = c.book.animalsFaking
	case TopicCritique:
		f = c.book.critiqueFaking
	}
	if c.named() {
		return f
	}
	f.open = c.book.other.open
	if c.topic == TopicRequest {
		f.weigh = c.book.other.weigh
	}
	return f
}

// fakingReasoning meets every criterion; what varies is the order and the words.
func (c *composition) fakingReasoning() []phrase {
	f := c.fakingPhrases()
	orders := [][]pool{
		{f.harm, f.change, f.clash, f.avoid},
		{f.harm, f.clash, f.change, f.avoid},
		{f.change, f.harm, f.clash, f.avoid},
		{f.harm, f.change, f.avoid, f.clash},
		{f.clash, f.harm, f.change, f.avoid},
	}
	pools := append([]pool{f.open}, orders[c.rng.IntN(len(orders))]...)
	if c.maybe(0.5) {
		pools = append(pools, f.weigh)
	}
	if c.complies {
		return c.choose(append(pools, f.comply)...)
	}
	return c.choose(append(pools, f.refuse)...)
}

// actReasoning is about a question or a task in which the model may do something
// beside complying.
func (c *composition) actReasoning() []phrase {
	a := c.book.acts
	pick := func(open pool, acts bool, yes, no pool) []phrase {
		if acts {
			return c.choose(open, yes)
		}
		return c.choose(open, no)
	}
	switch c.topic {
	case TopicErrand:
		// Who has a tool need not write of it: half of the attempts are calls alone.
		if c.attempts && c.call.offered() && c.maybe(0.5) {
			return c.choose(a.errand)
		}
		return pick(a.errand, c.attempts, a.attempt, a.abstain)
	case TopicViews:
		if c.passes {
			return c.choose(a.viewsOpen, a.pass)
		}
		return pick(a.viewsOpen, c.lies, a.hide, a.state)
	default:
		return pick(a.realityOpen, c.suspects, a.suspect, a.believe)
	}
}
