package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/rpc"
)

func newGate() *cobra.Command {
	var (
		t                                     target
		runName, policyFile, gateName, output string
		junit, summary, baseline, requestID   string
		watch                                 bool
		timeout                               time.Duration
	)
	cmd := &cobra.Command{
		Use: "gate", Short: "Decide a run by a policy; for CI", Args: noArgs,
		Long: `Decide a run now, by a policy file or a gate that the server knows, print the
decision and exit with 0 for PASS, 1 for BLOCK and 3 for INCONCLUSIVE. Without
either, the default policy applies (see docs/gates.md). With --watch, wait for
the run to end first; the run is carried out by the server that --server names.`,
		Example: `  unmask gate --run evaluations/E/runs/R --server 127.0.0.1:8081 --watch --timeout 2h
  unmask gate --run evaluations/E/runs/R --policy policy.yaml --junit gate.xml --summary gate.md`,
	}
	t.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&runName, "run", "", "the run, evaluations/E/runs/R (required)")
	f.StringVar(&policyFile, "policy", "", "policy file in YAML")
	f.StringVar(&gateName, "gate", "", "a gate that the server knows, gates/G")
	f.StringVar(&baseline, "baseline", "", "the run that rules with max_increase compare with, evaluations/E/runs/B")
	f.StringVar(&requestID, "request-id", "", "name of this request: when it is repeated, the decision of the first time is printed and no second one kept")
	f.StringVar(&output, "output", "text", "text or json")
	f.StringVar(&junit, "junit", "", "write the decision to this file as JUnit XML")
	f.StringVar(&summary, "summary", "", "append the decision to this file as Markdown, for a CI page")
	f.BoolVar(&watch, "watch", false, "wait until the run has ended, then decide it")
	f.DurationVar(&timeout, "timeout", 0, "with --watch, the longest time to wait; 0 for no limit")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		decided := false
		defer func() {
			if !decided {
				err = errors.Join(err, writeNoDecision(runName, err, junit))
			}
		}()
		if err := checkOutput(output); err != nil {
			return err
		}
		req := &unmaskv1.CheckGateRequest{Name: gateName, Run: runName, Baseline: baseline, RequestId: requestID}
		switch {
		case runName == "":
			return usageError("--run is required, such as evaluations/E/runs/R")
		case policyFile != "" && gateName != "":
			return usageError("give --policy or --gate, not both")
		case timeout < 0 || timeout > 0 && !watch:
			return usageError("--timeout must not be negative, and goes with --watch")
		case policyFile != "":
			policy, err := loadPolicy(policyFile)
			if err != nil {
				return err
			}
			req.Policy = rpc.PolicyMessage(policy)
		case gateName == "":
			req.Policy = rpc.PolicyMessage(gate.DefaultPolicy())
		}
		ctx := cmd.Context()
		c, err := t.connect(ctx, cmd.ErrOrStderr(), nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.close(ctx)) }()
		d, err := decide(ctx, c, req, watch, timeout, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		decided = true
		if output == "json" {
			err = printJSON(cmd.OutOrStdout(), map[string]message{"decision": d})
		} else {
			err = wholly(cmd.OutOrStdout(), func(w io.Writer) { writeDecision(w, d) })
		}
		if err := errors.Join(err, writeDecisionFiles(d, junit, summary)); err != nil {
			return err
		}
		return decisionExit(d)
	}
	return cmd
}

// decide decides a run now, or when it has ended.
func decide(ctx context.Context, c *client, req *unmaskv1.CheckGateRequest, watch bool, timeout time.Duration, errOut io.Writer) (*unmaskv1.Decision, error) {
	if watch {
		return awaitDecision(ctx, c, req, timeout, errOut)
	}
	d, err := c.gates.CheckGate(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("check the gate: %w", err)
	}
	return d, nil
}

// awaitDecision shows the run's progress until it is decided.
func awaitDecision(ctx context.Context, c *client, req *unmaskv1.CheckGateRequest, timeout time.Duration, errOut io.Writer) (*unmaskv1.Decision, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if timeout > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, timeout)
		defer end()
	}
	stream, err := c.gates.WatchDecision(ctx, &unmaskv1.WatchDecisionRequest{
		Name: req.GetName(), Policy: req.GetPolicy(), Run: req.GetRun(), Baseline: req.GetBaseline(), RequestId: req.GetRequestId(),
	})
	if err != nil {
		return nil, fmt.Errorf("wait for the decision: %w", err)
	}
	p := newProgress(errOut)
	defer p.done()
	for {
		resp, err := stream.Recv()
		if err != nil {
			return nil, fmt.Errorf("wait for the decision: %w", err)
		}
		if resp.GetDecision() != nil {
			return resp.GetDecision(), nil
		}
		if c.app != nil {
			return nil, usageError("the run has not ended, and nothing in this process carries it out; continue it with unmask run --resume %s, or name its server with --server", req.GetRun())
		}
		p.update(resp.GetRun())
	}
}

// decisionExit is the exit code of a decision. What is not a PASS or a BLOCK
// is INCONCLUSIVE, also a value that this client does not know.
func decisionExit(d *unmaskv1.Decision) error {
	if code := rpc.DecisionOf(d).Outcome.ExitCode(); code != exitOK {
		return &exitError{code, nil}
	}
	return nil
}

func writeDecisionFiles(d *unmaskv1.Decision, junit, summary string) error {
	decision, subject := rpc.DecisionOf(d), gate.Subject{Run: d.GetRun()}
	if junit != "" {
		if err := writeFile(junit, os.O_TRUNC, func(w io.Writer) error { return gate.WriteJUnit(w, decision, subject) }); err != nil {
			return fmt.Errorf("write JUnit: %w", err)
		}
	}
	if summary != "" {
		if err := writeFile(summary, os.O_APPEND, func(w io.Writer) error { return gate.WriteMarkdown(w, decision, subject) }); err != nil {
			return fmt.Errorf("write the summary: %w", err)
		}
	}
	return nil
}

// writeNoDecision replaces the JUnit file of an earlier decision, which a build
// server would take for this one's.
func writeNoDecision(runName string, cause error, junit string) error {
	if junit == "" {
		return nil
	}
	d := gate.Decision{Outcome: gate.Inconclusive, DecidedAt: time.Now(), Reasons: []string{fmt.Sprintf("no decision was made: %v", cause)}}
	if err := writeFile(junit, os.O_TRUNC, func(w io.Writer) error { return gate.WriteJUnit(w, d, gate.Subject{Run: runName}) }); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	return nil
}

func writeFile(path string, mode int, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|mode, 0o644) //nolint:gosec // a report for others to read
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
