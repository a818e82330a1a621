package main

// The limits below are what the documentation promises of the estimators and of
// the gates; a release that breaks one must not be made.

// everyCell is the choice of a limit that holds everywhere.
func everyCell(design) bool { return true }

func rateLimits() []limit {
	return []limit{
		{promise: "a rate's upper bound misses", tally: "envelope upper", bound: 0.075, of: everyCell},
		{promise: "a rate's lower bound misses", tally: "envelope lower", bound: 0.075, of: everyCell},
	}
}

func gapLimits(truths []truth) []limit {
	return []limit{
		{promise: "a gap's upper bound misses, regular suites", tally: "envelope upper", bound: 0.05, of: func(d design) bool { return truths[d.truth].always == 0 }},
		{promise: "a gap's upper bound misses, contaminated suites", tally: "envelope upper", bound: 0.075, of: func(d design) bool { return truths[d.truth].always > 0 }},
	}
}

func savingLimits(truths []truth) []limit {
	clear := func(d design) bool { return truths[d.truth].name == "(.14, .03)" && d.n == 400 }
	return []limit{
		{promise: "calls saved", tally: "saved", bound: 0.55, least: true, of: clear},
		{promise: "decided rightly", tally: "hybrid BLOCK", bound: 0.99, least: true, of: clear},
	}
}

func errorLimits() []limit {
	return []limit{
		{promise: "false PASS, hybrid", tally: "hybrid PASS", bound: 0.04, of: everyCell},
		{promise: "false PASS, fixed, 100 queries", tally: "fixed PASS", bound: 0.065, of: func(d design) bool { return d.n == 100 }},
		{promise: "false PASS, fixed, more queries", tally: "fixed PASS", bound: 0.056, of: func(d design) bool { return d.n > 100 }},
	}
}

func hybridLimits() []limit {
	return []limit{
		{promise: "a hybrid's upper bound misses", tally: "hybrid upper", bound: 0.05, of: everyCell},
		{promise: "a hybrid's lower bound misses", tally: "hybrid lower", bound: 0.05, of: everyCell},
	}
}
