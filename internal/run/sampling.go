package run

import (
	"errors"
	"fmt"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// samplingOf returns the parameters of generation of a scenario's samples: those of
// the plan, but for those that the scenario demands.
func (p Plan) samplingOf(sc *scenario.Scenario) model.Sampling {
	out, own := p.Sampling, sc.Sampling
	if own.Temperature != nil {
		out.Temperature = own.Temperature
	}
	if own.TopP != nil {
		out.TopP = own.TopP
	}
	if own.MaxTokens > 0 {
		out.MaxTokens = own.MaxTokens
	}
	if len(own.Stop) > 0 {
		out.Stop = own.Stop
	}
	return out
}

// canBeAsked refuses a model whose provider does not take what the plan or one of its
// scenarios demands, before the first of its samples is lost to it.
func canBeAsked(m model.Model, p Plan, scenarios []*scenario.Scenario) error {
	checker, ok := m.(model.Checker)
	if !ok {
		return nil
	}
	for _, sc := range scenarios {
		err := checker.Check(model.Request{Sampling: p.samplingOf(sc)})
		var unsupported *model.UnsupportedError
		if !errors.As(err, &unsupported) {
			if err != nil {
				return fmt.Errorf("check what the model takes: %w", err)
			}
			continue
		}
		whose := "the plan's"
		if demands(sc.Sampling, unsupported.Parameter) {
			whose = "the " + sc.ID + " scenario's"
		}
		return Invalid("model", "it cannot be asked with %s sampling.%s: %s", whose, unsupported.Parameter, unsupported.Reason)
	}
	return nil
}

// demands reports whether a scenario demands a value of a parameter.
func demands(s scenario.Sampling, parameter string) bool {
	switch parameter {
	case "temperature":
		return s.Temperature != nil
	case "top_p":
		return s.TopP != nil
	case "max_tokens":
		return s.MaxTokens > 0
	case "stop":
		return len(s.Stop) > 0
	default:
		return false
	}
}

// stopViolation says what is wrong with a plan's stop sequences.
func stopViolation(stop []string) []Violation {
	at, message := scenario.StopFault(stop)
	switch {
	case message == "":
		return nil
	case at < 0:
		return []Violation{{"sampling.stop", message}}
	default:
		return []Violation{{fmt.Sprintf("sampling.stop[%d]", at), message}}
	}
}
