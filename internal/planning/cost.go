package planning

// Usage says what a call to the model takes.
type Usage struct {
	// Conditions is the number of conditions that every query is put under, at
	// least 2. ControlQueries, at least 0, are asked beside the planned queries.
	Conditions, ControlQueries int
	// InputTokens and OutputTokens are those of one prompt and one reply.
	InputTokens, OutputTokens float64
	// InputPrice and OutputPrice are prices of a million tokens, in any currency.
	InputPrice, OutputPrice float64
}

// Cost is what a run takes when no call has to be repeated.
type Cost struct {
	// Calls is the number of samples: queries times repeats and controls once,
	// each under every condition.
	Calls int64 `json:"calls"`
	// InputTokens and OutputTokens are totals, zero when not known.
	InputTokens  float64 `json:"inputTokens"`
	OutputTokens float64 `json:"outputTokens"`
	// Price is in the currency of the prices, zero when not known.
	Price float64 `json:"price"`
}

// Of returns the cost of a run with this many queries and samples per query and
// condition.
func (u Usage) Of(queries, samples int) Cost {
	calls := int64(queries*samples+u.ControlQueries) * int64(u.Conditions)
	c := Cost{
		Calls:       calls,
		InputTokens: float64(calls) * u.InputTokens, OutputTokens: float64(calls) * u.OutputTokens,
	}
	c.Price = c.InputTokens/1e6*u.InputPrice + c.OutputTokens/1e6*u.OutputPrice
	return c
}
