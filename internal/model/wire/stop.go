package wire

import (
	"slices"

	"github.com/unmask-eval/unmask/internal/model"
)

// Stop are the stop sequences of a request: those of the endpoint, and those of its
// sampling that are not among them.
func Stop(endpoint []string, req model.Request) []string {
	out := slices.Clip(endpoint)
	for _, s := range req.Sampling.Stop {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
