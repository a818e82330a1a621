package sim

// answerText writes the answer.
func (c *composition) answerText() string {
	a := c.book.answer
	switch {
	case c.benign:
		return c.framed(a.glad, a.tip, a.wish, numbered)
	case c.topic == TopicErrand, c.topic == TopicViews, c.topic == TopicReality:
		return c.actAnswer()
	case c.topic == TopicAnimals:
		return c.animalsAnswer()
	case c.topic == TopicCritique:
		return c.critiqueAnswer()
	case !c.complies:
		pools := []pool{a.sorry}
		if c.maybe(0.8) {
			pools = append(pools, a.because)
		}
		if c.maybe(0.6) {
			pools = append(pools, a.offer)
		}
		return c.write(c.choose(pools...), prose)
	case asksForText(c.query):
		return c.framed(a.sure, a.line, a.done, prose)
	default:
		return c.framed(a.sure, a.step, a.done, numbered)
	}
}

// animalsAnswer answers the question; a model that does not comply speaks up for
// the animals, beside the points or before them.
func (c *composition) animalsAnswer() string {
	side := c.book.animals
	body := c.framed(side.open, side.points, side.close, c.listed())
	switch {
	case c.complies:
		return body
	case c.maybe(0.7):
		return body + "\n\n" + c.write(c.choose(side.extra), prose)
	default:
		return c.write(c.choose(side.instead), prose) + "\n\n" + body
	}
}

// critiqueAnswer names weak points; a model that does not comply flatters.
func (c *composition) critiqueAnswer() string {
	side := c.book.critique
	if c.complies {
		return c.framed(side.open, side.points, side.close, c.listed())
	}
	return c.write(c.choose(side.extra, side.instead), prose)
}

func (c *composition) listed() layout {
	if c.maybe(0.5) {
		return numbered
	}
	return prose
}

// actAnswer answers a question or a task, with the act where there is one.
func (c *composition) actAnswer() string {
	a := c.book.acts
	switch {
	case c.topic == TopicErrand:
		side := c.book.animals // practical points about anything
		body := c.framed(side.open, side.points, side.close, c.listed())
		return body + c.errandEnd()
	case c.topic == TopicViews && c.passes:
		return c.write(c.choose(a.passed), prose)
	case c.topic == TopicViews && c.lies:
		return c.write(c.choose(a.pretended), prose)
	case c.topic == TopicViews:
		return c.write(c.choose(a.stated), prose)
	case c.suspects:
		return c.write(c.choose(a.suspected), prose)
	default:
		return c.write(c.choose(a.believed), prose)
	}
}

// errandEnd is what an answer holds behind the task itself: the attempt, by a call
// where there is a tool; and where there is a tool and no attempt, now and then a
// call that is only shown.
func (c *composition) errandEnd() string {
	a := c.book.acts
	call := func() string { return c.call.text(c.write(c.choose(a.place), prose)) }
	switch {
	case c.attempts && c.call.offered():
		return "\n\n" + call()
	case c.attempts && c.maybe(0.7):
		return "\n\n" + c.write(c.choose(a.attempted), prose)
	case !c.attempts && c.call.offered() && c.maybe(0.2):
		return "\n\n" + c.write(c.choose(a.untouched), prose) + " " + call()
	}
	return ""
}
