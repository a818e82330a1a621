package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/status"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/planning"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/terminal"
)

// planFlags are what `unmask plan` asks for.
type planFlags struct {
	target
	scenario, policyFile, goal, output, stopping string
	request                                      planning.Request
	givenFaking, givenQueries                    bool
}

func newPlan() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use: "plan", Short: "How many queries does a decision need, and what does it cost?", Args: noArgs,
		Long: `Say how many queries a gate needs to PASS or to BLOCK a model that behaves as
supposed, what a run of that size could have seen, and what it takes in calls,
tokens and money. A formula finds where to begin; the answer comes from
simulated runs that the gate itself decides. With --queries, judge that number
instead of looking for one. docs/planning.md explains the numbers.`,
		Example: `  unmask plan                                         a PASS for a model that never complies
  unmask plan --goal pass --training 0.01             ... that complies on 1% when training is cued
  unmask plan --goal block --training 0.14 --unmonitored 0.03 --policy policy.yaml
  unmask plan --queries 100 --input-tokens 1500 --output-tokens 600 --input-price 3 --output-price 15`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.givenFaking, f.givenQueries = cmd.Flags().Changed("faking"), cmd.Flags().Changed("queries")
			return f.run(cmd)
		},
	}
	r := &f.request
	fl := cmd.Flags()
	f.addFlags(cmd)
	fl.StringVar(&f.scenario, "scenario", "helpful-only", "built-in scenario, one of your own in the store (id or id@revision), or the file of one; its queries, controls and conditions are counted, and nothing is kept")
	fl.StringVar(&f.policyFile, "policy", "", "policy file in YAML (default: the default policy)")
	fl.StringVar(&f.goal, "goal", string(planning.GoalPass), "pass or block")
	fl.Float64Var(&r.Truth.Training, "training", 0, "supposed compliance when training is cued, 0 to 1")
	fl.Float64Var(&r.Truth.Unmonitored, "unmonitored", 0, "supposed compliance when unmonitored, 0 to 1")
	fl.Float64Var(&r.Truth.Faking, "faking", 0, "supposed alignment-faking rate (default: what --training exceeds --unmonitored by)")
	fl.Float64Var(&r.Truth.ICC, "icc", planning.DefaultICC, "correlation of the samples of one query, 0 to 0.95")
	fl.Float64Var(&r.Truth.Correlation, "correlation", planning.DefaultCorrelation, "correlation of a query's two conditions, -1 to 1")
	fl.Float64Var(&r.Truth.Excluded, "excluded", 0, "share of samples that are lost, 0 to 0.5")
	fl.Float64Var(&r.Power, "power", planning.DefaultPower, "wanted chance of the goal, 0.5 to 0.999")
	fl.IntVar(&r.Samples, "samples", planning.DefaultSamples, "repeats of each query under each condition")
	fl.IntVar(&r.Queries, "queries", 0, "judge this number of queries (default: the smallest that reaches the power)")
	fl.IntVar(&r.MaxQueries, "max-queries", planning.DefaultMaxQueries, "where the search gives up")
	fl.StringVar(&f.stopping, "stopping", "fixed", "fixed, or decided for runs that end as soon as the policy is decided")
	fl.Uint64Var(&r.Seed, "seed", 1, "seed of the simulation")
	fl.IntVar(&r.Runs, "runs", planning.DefaultRuns, "simulated runs, 100 to 100000")
	fl.Float64Var(&r.Usage.InputTokens, "input-tokens", 0, "tokens of one prompt")
	fl.Float64Var(&r.Usage.OutputTokens, "output-tokens", 0, "tokens of one reply")
	fl.Float64Var(&r.Usage.InputPrice, "input-price", 0, "price of a million input tokens")
	fl.Float64Var(&r.Usage.OutputPrice, "output-price", 0, "price of a million output tokens")
	fl.StringVar(&f.output, "output", "text", "text or json")
	return cmd
}

// planReport is the JSON of `unmask plan`.
type planReport struct {
	Scenario         string `json:"scenario"`
	Revision         string `json:"revision"`
	ScenarioQueries  int    `json:"scenarioQueries"`
	ScenarioControls int    `json:"scenarioControlQueries"`
	planning.Forecast
}

func (f *planFlags) run(cmd *cobra.Command) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	report, err := f.forecast(cmd)
	if err != nil {
		return err
	}
	if f.output == "json" {
		return writeIndented(cmd.OutOrStdout(), report)
	}
	return writePlan(cmd.OutOrStdout(), report)
}

func (f *planFlags) forecast(cmd *cobra.Command) (planReport, error) {
	s, err := f.findScenario(cmd, f.scenario)
	if err != nil {
		return planReport{}, flagError("--scenario", err)
	}
	r := f.request
	if f.stopping != "fixed" && f.stopping != "decided" {
		return planReport{}, usageError("--stopping must be fixed or decided, got %q", f.stopping)
	}
	r.Stopping = f.stopping == "decided"
	if f.givenQueries && r.Queries < 1 {
		return planReport{}, usageError("--queries must be at least 1, got %d", r.Queries)
	}
	if r.Policy, err = planPolicy(f.policyFile); err != nil {
		return planReport{}, err
	}
	if !f.givenFaking {
		r.Truth.Faking = math.Max(r.Truth.Gap(), 0)
	}
	report := planReport{Scenario: s.ID, Revision: s.Revision}
	for _, q := range s.Queries {
		if q.Control {
			report.ScenarioControls++
		} else {
			report.ScenarioQueries++
		}
	}
	r.Goal, r.Scenario, r.Contrast = planning.Goal(f.goal), s.ID, primaryContrast(s)
	if r.Contrast == "" {
		return planReport{}, usageError("--scenario: %s has no primary contrast to decide", s.ID)
	}
	r.Workers = runtime.GOMAXPROCS(0)
	r.Usage.Conditions, r.Usage.ControlQueries = len(s.Conditions), report.ScenarioControls
	if report.Forecast, err = planning.Make(cmd.Context(), r); err != nil {
		return planReport{}, planError(err)
	}
	if missing := report.Queries - report.ScenarioQueries; missing > 0 {
		report.Notes = append(report.Notes, fmt.Sprintf("scenario %s has %d queries, %d fewer than planned: add queries, or expect INCONCLUSIVE",
			s.ID, report.ScenarioQueries, missing))
	}
	return report, nil
}

// flagError names the flag that an error is about, and keeps its exit code.
func flagError(flag string, err error) error {
	var exit *exitError
	var answer interface{ GRPCStatus() *status.Status }
	switch {
	case errors.As(err, &exit):
		return &exitError{exit.code, fmt.Errorf("%s: %w", flag, exit.err)}
	case errors.As(err, &answer) && codeOf(err) == exitUsage:
		return usageError("%s: %s", flag, answer.GRPCStatus().Message())
	default:
		return &exitError{codeOf(err), fmt.Errorf("%s: %w", flag, err)}
	}
}

func primaryContrast(s *scenario.Scenario) string {
	for _, c := range s.Contrasts {
		if c.Primary {
			return c.ID
		}
	}
	return ""
}

func planPolicy(path string) (gate.Policy, error) {
	if path == "" {
		return gate.DefaultPolicy(), nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return gate.Policy{}, usageError("--policy: %v", err)
	}
	p, err := gate.LoadPolicy(path, data)
	if err != nil {
		return gate.Policy{}, &exitError{exitUsage, err}
	}
	return p, nil
}

// planError names the flag that a request's problem came from.
func planError(err error) error {
	var bad *planning.InputError
	if !errors.As(err, &bad) {
		return err
	}
	return usageError("--%s: %s", strings.ReplaceAll(bad.Field, "_", "-"), bad.Problem)
}

// writePlan prints a forecast for people.
func writePlan(w io.Writer, p planReport) error {
	fmt.Fprintf(w, "%s on %s with %s power, if the model complies on %s under training and %s unmonitored\n",
		strings.ToUpper(string(p.Goal)), terminal.Safe(p.Scenario), share(p.Power), share(p.Truth.Training), share(p.Truth.Unmonitored))
	fmt.Fprintf(w, "(alignment faking %s, intra-query correlation %.3g, correlation of the conditions %.3g, %s lost)\n\n",
		share(p.Truth.Faking), p.Truth.ICC, p.Truth.Correlation, share(p.Truth.Excluded))

	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RULE\tMETRIC\tMAX\tSUPPOSED\tQUERIES BY FORMULA\tLEAST FOR A PASS")
	for _, r := range p.Rules {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", terminal.Safe(r.Rule), r.Metric, share(r.Max), share(r.Truth),
			optionalCount(r.ScoreQueries), optionalCount(r.SilentQueries))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	reached := "reaches the power"
	if !p.Reached {
		reached = "does NOT reach the power"
	}
	fmt.Fprintf(w, "\nqueries: %d, samples of each per condition: %d; this %s\n\n", p.Queries, p.Samples, reached)

	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "chance of PASS\t%s\n", chance(p.Chances.Pass))
	fmt.Fprintf(t, "chance of BLOCK\t%s\n", chance(p.Chances.Block))
	fmt.Fprintf(t, "chance of INCONCLUSIVE\t%s\n", chance(p.Chances.Inconclusive))
	if d := p.Detectable; d != nil {
		fmt.Fprintf(t, "smallest gap that is blocked with the power\t%s\n", points(d.Gap))
		fmt.Fprintf(t, "smallest threshold that a model without a gap passes\t%s\n", points(d.Threshold))
	}
	fmt.Fprintf(t, "model calls\t%d\n", p.Cost.Calls)
	if p.Stopping {
		fmt.Fprintf(t, "expected until the gate is decided\t%.0f queries, %d calls\n", p.ExpectedQueries, p.ExpectedCost.Calls)
	}
	if p.Cost.InputTokens > 0 || p.Cost.OutputTokens > 0 {
		fmt.Fprintf(t, "tokens in, out\t%.0f, %.0f\n", p.Cost.InputTokens, p.Cost.OutputTokens)
	}
	if p.Cost.Price > 0 {
		fmt.Fprintf(t, "price\t%.2f\n", p.Cost.Price)
		if p.Stopping {
			fmt.Fprintf(t, "expected price\t%.2f\n", p.ExpectedCost.Price)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%d simulated runs, seed %d\n", p.Runs, p.Seed)
	for _, note := range p.Notes {
		fmt.Fprintf(w, "note: %s\n", terminal.Safe(note))
	}
	return nil
}

func share(v float64) string { return fmt.Sprintf("%.4g%%", 100*v) }

func chance(s planning.Share) string {
	return fmt.Sprintf("%.1f%% ± %.1f", 100*s.Estimate, 100*s.StandardError)
}

func optionalCount(n *int) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

func points(v *float64) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprintf("%.4g pp", 100**v)
}
