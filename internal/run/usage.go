package run

import (
	"fmt"

	"github.com/unmask-eval/unmask/internal/scenario"
)

// MaxTokensAndPrices bounds the tokens of a call and the price of a million, so
// that products stay exact enough.
const MaxTokensAndPrices = 1e9

// bytesPerToken is a rule of thumb for English text.
const bytesPerToken = 4

// Prices are what a million tokens cost, in any currency; nil where not known.
type Prices struct{ Input, Output *float64 }

// ModelPrices knows what models cost. Prices of a model that it does not know
// are nil.
type ModelPrices interface {
	Prices(modelID string) Prices
}

// TokenBasis says where an expected number of tokens comes from.
type TokenBasis string

// The bases.
const (
	// BasisGiven: the caller said how many a call has.
	BasisGiven TokenBasis = "GIVEN"
	// BasisMessageBytes: bytes of the plan's own messages, divided by 4.
	BasisMessageBytes TokenBasis = "MESSAGE_BYTES"
	// BasisMaxTokens: the most that the plan allows, for every reply.
	BasisMaxTokens TokenBasis = "MAX_TOKENS"
)

// ExpectedUsage is what calls take when none has to be repeated.
type ExpectedUsage struct {
	// Calls is the number of samples.
	Calls int64
	// InputTokens and OutputTokens are totals; the latter is an upper bound when
	// its basis is BasisMaxTokens.
	InputTokens, OutputTokens float64
	InputBasis, OutputBasis   TokenBasis
	// Price is nil when a price is not known.
	Price *float64
}

// expected counts what each scenario of the schedule takes.
func (s *Schedule) expected(p Plan, o ForecastOptions) ([]ScenarioForecast, error) {
	out := make([]ScenarioForecast, len(s.scenarios))
	sizes := make([][]promptSize, len(s.scenarios))
	for i, sc := range s.scenarios {
		out[i] = ScenarioForecast{Scenario: s.refs[i], Usage: ExpectedUsage{InputBasis: BasisMessageBytes, OutputBasis: BasisMaxTokens}}
		for _, c := range sc.Conditions {
			size, err := sizeOf(sc, c.ID)
			if err != nil {
				return nil, err
			}
			sizes[i] = append(sizes[i], size)
		}
	}
	for _, b := range s.blocks {
		f := &out[b.scenario]
		if b.query.Control {
			f.ControlQueries++
		} else {
			f.Queries++
		}
		for _, size := range sizes[b.scenario] {
			f.Usage.Calls += int64(b.repeats)
			f.Usage.InputTokens += float64(b.repeats*size.with(b.query.Text)) / bytesPerToken
		}
	}
	for i := range out {
		u := &out[i].Usage
		sampling := p.samplingOf(s.scenarios[i])
		if !s.scenarios[i].Sampling.IsZero() {
			out[i].Sampling = &sampling
		}
		perReply := float64(sampling.MaxTokens)
		if o.InputTokens != nil {
			u.InputBasis, u.InputTokens = BasisGiven, float64(u.Calls)**o.InputTokens
		}
		if o.OutputTokens != nil {
			u.OutputBasis, perReply = BasisGiven, *o.OutputTokens
		}
		u.OutputTokens = float64(u.Calls) * perReply
		if o.InputPrice != nil && o.OutputPrice != nil {
			price := u.InputTokens/1e6**o.InputPrice + u.OutputTokens/1e6**o.OutputPrice
			u.Price = &price
		}
	}
	return out, nil
}

// promptSize is the size in bytes of the messages of a condition as a function of
// the query's size: its text goes in some number of times, as it is.
type promptSize struct{ rest, times int }

func (p promptSize) with(query string) int { return p.rest + p.times*len(query) }

// sizeOf renders two queries of known sizes, which is all that it takes.
func sizeOf(sc *scenario.Scenario, condition string) (promptSize, error) {
	var sizes [2]int
	for i, text := range []string{"x", "xx"} {
		messages, err := sc.RenderText(condition, text)
		if err != nil {
			return promptSize{}, fmt.Errorf("expected usage: %w", err)
		}
		for _, m := range messages {
			sizes[i] += len(m.Content)
		}
	}
	times := sizes[1] - sizes[0]
	return promptSize{rest: sizes[0] - times, times: times}, nil
}

// sumUsage adds up scenarios, which have the same bases. No scenarios take nothing.
func sumUsage(parts []ExpectedUsage) ExpectedUsage {
	var sum ExpectedUsage
	for i, u := range parts {
		if i == 0 {
			sum = u
			continue
		}
		sum.Calls += u.Calls
		sum.InputTokens += u.InputTokens
		sum.OutputTokens += u.OutputTokens
		if sum.Price != nil && u.Price != nil {
			price := *sum.Price + *u.Price
			sum.Price = &price
		}
	}
	return sum
}
