package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmask-eval/unmask/internal/app"
	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/run"
)

// pruneReport is what prune prints as JSON.
type pruneReport struct {
	DryRun bool `json:"dryRun"`
	// Before is the end of the time that was looked at: runs that ended before it.
	Before time.Time `json:"before"`
	run.Pruned
}

func newPrune() *cobra.Command {
	var (
		file, output       string
		olderThan          time.Duration
		texts, runs, dryly bool
	)
	cmd := &cobra.Command{
		Use: "prune --older-than DURATION --texts|--runs", Short: "Remove the texts of old runs, or old runs", Args: noArgs,
		Long: `Remove what runs have left that ended longer ago than --older-than (such as 720h).

--texts removes prompts, replies and their parse; results, verdicts with the passages
that they quote, and all that lists and gates need stay. Such a run cannot be graded or
calibrated on again, and asking for a transcript's text says so. --runs removes runs with
all that hangs on them. Decisions, with their evidence, stay in any case, and a run in
progress is never touched. There is no way back: --dry-run counts first.

The freed space is used again; a SQLite file does not get smaller by itself.`,
		Example: `  unmask prune --older-than 720h --texts --dry-run
  unmask prune --older-than 8760h --runs --output json`,
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", os.Getenv(config.EnvFile), "settings file in YAML (env UNMASK_CONFIG)")
	addDatabase(f)
	f.DurationVar(&olderThan, "older-than", 0, "age, since its end, of a run that is old; required")
	f.BoolVar(&texts, "texts", false, "remove the texts of old runs")
	f.BoolVar(&runs, "runs", false, "remove old runs")
	f.BoolVar(&dryly, "dry-run", false, "count and remove nothing")
	f.StringVar(&output, "output", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case texts == runs:
			return usageError("give one of --texts and --runs")
		case !f.Changed("older-than") || olderThan <= 0:
			return usageError("--older-than must be a positive duration such as 720h")
		}
		if err := checkOutput(output); err != nil {
			return err
		}
		cfg, err := config.Load(config.Source{File: file, Environ: os.Environ(), Flags: changedSettings(f)})
		if err != nil {
			return err
		}
		in := run.Prune{DryRun: dryly}
		before := time.Now().Add(-olderThan)
		if texts {
			in.TextsBefore = before
		} else {
			in.RunsBefore = before
		}
		removed, err := prune(cmd.Context(), cfg, cmd.ErrOrStderr(), in)
		// What was removed before an error is removed.
		return errors.Join(err, printPruned(cmd.OutOrStdout(), pruneReport{dryly, before.UTC().Truncate(time.Second), removed}, output))
	}
	return cmd
}

func prune(ctx context.Context, cfg config.Config, errOut io.Writer, in run.Prune) (removed run.Pruned, err error) {
	cfg.Log.Level = "error"
	log, err := app.NewLogger(errOut, cfg.Log)
	if err != nil {
		return run.Pruned{}, err
	}
	a, err := app.New(ctx, cfg, log)
	if err != nil {
		return run.Pruned{}, err
	}
	defer func() { err = errors.Join(err, a.Close(context.WithoutCancel(ctx))) }()
	return a.Prune(ctx, in)
}

func printPruned(w io.Writer, r pruneReport, output string) error {
	if output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	done := "removed"
	if r.DryRun {
		done = "would be removed"
	}
	_, err := fmt.Fprintf(w, "ended before %s: %d whole runs and the texts of %d others %s, %d transcripts and %d bytes of text\n",
		r.Before.Format(time.RFC3339), r.Runs, r.TextsOfRuns, done, r.Transcripts, r.Bytes)
	return err
}
