package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/unmask-eval/unmask/internal/app"
)

func newSimulate() *cobra.Command {
	var addr string
	var models []string
	cmd := &cobra.Command{
		Use: "simulate", Short: "Serve simulated models over the OpenAI protocol", Args: noArgs,
		Long: `Serve the simulated models over the OpenAI protocol on loopback until
interrupted: POST /v1/chat/completions, GET /v1/models. A model's name carries
its parameters, such as sim/alignment-faker?free=0.2&faking=0.15; what a reply
truly is stands in the header X-Unmask-Truth. docs/models.md lists them all.`,
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:8000", "host:port, loopback only; port 0 picks a free one")
	cmd.Flags().StringSliceVar(&models, "model", nil, "list this model too, with its parameters")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		host, _, err := net.SplitHostPort(addr)
		if ip := net.ParseIP(host); err != nil || (host != "localhost" && (ip == nil || !ip.IsLoopback())) {
			return usageError("--addr must be host:port on loopback, got %q", addr)
		}
		var lc net.ListenConfig
		ln, err := lc.Listen(cmd.Context(), "tcp", addr)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		hint(cmd, "simulated models at http://%s/v1; interrupt to stop", ln.Addr())
		for _, m := range app.SimulatedModels() {
			hint(cmd, "  %-24s %s", m.Name, m.Description)
		}
		if err := app.Simulate(cmd.Context(), ln, models); err != nil {
			return &exitError{exitUsage, err}
		}
		return nil
	}
	return cmd
}
