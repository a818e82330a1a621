package app

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/unmask-eval/unmask/internal/model/sim"
	"github.com/unmask-eval/unmask/internal/model/simserver"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// hangLimit ends simulated time-outs; a client that tries again meets the same
// one, so a longer limit would only make people wait.
const hangLimit = 2 * time.Second

// Simulate serves simulated models over the OpenAI protocol on ln until ctx
// ends. names are models with parameters to list beside the catalogue.
func Simulate(ctx context.Context, ln net.Listener, names []string) error {
	library, err := scenario.NewLibrary()
	if err != nil {
		return fmt.Errorf("load the scenario library: %w", err)
	}
	s, err := simserver.New(simserver.Options{Sim: SimOptions(library), Models: names, HangLimit: hangLimit})
	if err != nil {
		return err
	}
	return s.Serve(ctx, ln)
}

// SimulatedModels lists the catalogue of simulated models.
func SimulatedModels() []sim.Entry { return sim.Catalog() }
