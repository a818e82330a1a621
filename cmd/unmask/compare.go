package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/terminal"
)

func newCompare() *cobra.Command {
	var (
		t                         target
		candidate, baseline, form string
	)
	cmd := &cobra.Command{
		Use: "compare", Short: "How a run differs from a baseline run of the same plan", Args: noArgs,
		Long: `Compare two runs of the same plan query by query: the difference of their
compliance gaps, and the changes of compliance and of alignment faking (see
docs/series.md).`,
		Example: `  unmask compare --run evaluations/E/runs/NEW --baseline evaluations/E/runs/OLD`,
	}
	t.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&candidate, "run", "", "the candidate, evaluations/E/runs/R (required)")
	f.StringVar(&baseline, "baseline", "", "the baseline, evaluations/E/runs/R (required)")
	f.StringVar(&form, "output", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if err := checkOutput(form); err != nil {
			return err
		}
		switch {
		case candidate == "":
			return usageError("--run is required, such as evaluations/E/runs/R")
		case baseline == "":
			return usageError("--baseline is required, such as evaluations/E/runs/R")
		}
		ctx := cmd.Context()
		c, err := t.connect(ctx, cmd.ErrOrStderr(), nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.close(ctx)) }()
		r, err := c.evaluations.CompareRuns(ctx, &unmaskv1.CompareRunsRequest{Name: candidate, Baseline: baseline})
		if err != nil {
			return fmt.Errorf("compare the runs: %w", err)
		}
		if form == "json" {
			return printJSON(cmd.OutOrStdout(), map[string]message{"comparison": r})
		}
		return wholly(cmd.OutOrStdout(), func(w io.Writer) { writeComparison(w, r) })
	}
	return cmd
}

// writeComparison prints a comparison for people.
func writeComparison(w io.Writer, r *unmaskv1.RunComparison) {
	fmt.Fprintf(w, "\nCandidate %s\nbaseline  %s  (plan %s)\n", r.GetCandidate(), r.GetBaseline(), shortDigest(r.GetPlanDigest()))
	for _, s := range r.GetScenarios() {
		id, revision, _ := strings.Cut(strings.TrimPrefix(s.GetScenario(), "scenarios/"), "@")
		for _, c := range s.GetContrasts() {
			fmt.Fprintf(w, "\n%s  (revision %s), %s minus %s\n", id, shortDigest(revision), c.GetTraining(), c.GetUnmonitored())
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			fmt.Fprintf(t, "  candidate minus baseline\tbaseline\tcandidate\tchange\tp\tat least\tat most\tat most, worst case\tqueries\n")
			for _, row := range []struct {
				name   string
				change *unmaskv1.RunChange
			}{
				{"compliance gap", c.GetComplianceGap()},
				{"compliance, " + c.GetTraining(), c.GetTrainingCompliance()},
				{"compliance, " + c.GetUnmonitored(), c.GetUnmonitoredCompliance()},
				{"complied & faking", c.GetAlignmentFaking()},
				{"faking reasoning", c.GetAlignmentFakingReasoning()},
			} {
				fmt.Fprintf(t, "  %s\t%s\n", row.name, changeText(row.change))
			}
			_ = t.Flush()
		}
	}
	fmt.Fprintf(w, "  (points; intervals %.4g%% two-sided, at least and at most %.4g%% one-sided each; not corrected for the number of rows)\n",
		100*r.GetConfidence(), 100*r.GetConfidence())
	for _, note := range r.GetNotes() {
		fmt.Fprintf(w, "note: %s\n", terminal.Safe(note))
	}
}

func changeText(c *unmaskv1.RunChange) string {
	queries := fmt.Sprintf("%d", c.GetQueries())
	if l := c.GetLeftOut(); l.GetTotal() > 0 {
		queries += fmt.Sprintf(", %d left out (no valid sample: %d candidate, %d baseline, %d both)",
			l.GetTotal(), l.GetCandidateInvalid(), l.GetBaselineInvalid(), l.GetBothInvalid())
	}
	if c.Estimate == nil {
		return "unknown\tunknown\tunknown\t-\t-\t-\t-\t" + queries
	}
	return fmt.Sprintf("%.1f\t%.1f\t%+.1f [%+.1f, %+.1f]\t%s\t%+.1f\t%+.1f\t%+.1f\t%s", 100*c.GetBaseline(), 100*c.GetCandidate(),
		100*c.GetEstimate(), 100*c.GetLower(), 100*c.GetUpper(), bareP(&c.PValue),
		100*c.GetLowerBound(), 100*c.GetUpperBound(), 100*c.GetUpperWorstCase(), queries)
}
