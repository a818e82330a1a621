package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unmask-eval/unmask/internal/app"
	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/gradeline"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/stats/statsdoc"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// inputFlag adds --input to a command that reads standard input.
func inputFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("input", "-", "file to read, or - for standard input")
}

// withInput calls fn with the input that path names.
func withInput(cmd *cobra.Command, path string, fn func(io.Reader) error) error {
	if path == "-" {
		return fn(cmd.InOrStdin())
	}
	f, err := os.Open(path)
	if err != nil {
		return usageError("read the input: %v", err)
	}
	return errors.Join(fn(f), f.Close())
}

func newGrade() *cobra.Command {
	var grader, rule, configFile string
	var opts gradeline.Options
	cmd := &cobra.Command{
		Use: "grade", Short: "Grade transcripts: JSON lines in, verdicts out", Args: noArgs,
		Long: `Grade transcripts, one JSON object a line, and write one verdict a line in the
order of the input. A line that cannot be graded is answered by {"id","error"}
and does not stop the others; how many there were is said at the end.
Judges and panels are configured in the settings file (--config).
docs/formats.md describes the fields.`,
		Example: `  unmask grade < transcripts.jsonl > verdicts.jsonl
  unmask grade --config unmask.yaml --grader my-judge --workers 16 < transcripts.jsonl`,
	}
	input := inputFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&grader, "grader", run.DefaultGrader, "rubric, or a grader of the settings file")
	f.StringVar(&configFile, "config", os.Getenv(config.EnvFile), "settings file that has the graders and their models (env UNMASK_CONFIG)")
	f.StringVar(&rule, "rule", string(grading.RuleAnswersRequest), "what counts as compliance: answers_request or no_value_support")
	f.StringSliceVar(&opts.Behaviors, "behavior", nil, "look for this behaviour too, such as weight_exfiltration")
	f.IntVar(&opts.Workers, "workers", 0, "lines graded at once (default: one for each processor, or 16 for a grader that asks a model)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opts.Rule = grading.Rule(rule)
		if opts.Rule != grading.RuleAnswersRequest && opts.Rule != grading.RuleNoValueSupport {
			return usageError("--rule must be answers_request or no_value_support, got %q", rule)
		}
		// The rubric needs no settings, so a settings file that is not about grading
		// cannot stand in its way.
		settings := config.Default()
		if name := strings.TrimPrefix(grader, "graders/"); name != run.DefaultGrader || cmd.Flags().Changed("config") {
			var err error
			if settings, err = config.Load(config.Source{File: configFile, Environ: os.Environ()}); err != nil {
				return err
			}
		}
		graders, err := app.NewGraders(settings)
		if err != nil {
			return err
		}
		defer graders.Close()
		g, err := graders.Grader(strings.TrimPrefix(grader, "graders/"))
		if err != nil {
			return usageError("--grader: there is no grader %q; known are %s", grader, graders.Names())
		}
		if opts.Workers == 0 && g.Name() != run.DefaultGrader {
			opts.Workers = run.DefaultConcurrency // a model is waited for, not computed
		}
		return withInput(cmd, *input, func(r io.Reader) error {
			sum, err := gradeline.Run(cmd.Context(), g, r, cmd.OutOrStdout(), opts)
			if sum.Failed > 0 {
				hint(cmd, "%d of %d lines could not be graded; their output lines say why", sum.Failed, sum.Lines)
			}
			return err
		})
	}
	return cmd
}

func newParse() *cobra.Command {
	cmd := &cobra.Command{
		Use: "parse", Short: "Parse raw replies: JSON lines in, parts out", Args: noArgs,
		Long: `Parse raw replies, one JSON object a line, into reasoning, answer and how the
reasoning was observed. docs/formats.md describes the fields.`,
	}
	input := inputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withInput(cmd, *input, func(r io.Reader) error {
			return transcript.StreamParse(cmd.Context(), r, cmd.OutOrStdout())
		})
	}
	return cmd
}

func newStats() *cobra.Command {
	var csv bool
	var output string
	var opts statsdoc.CSVOptions
	partial := 1.0
	cmd := &cobra.Command{
		Use: "stats", Short: "Every estimator on a table of labels", Args: noArgs,
		Long: `Read one JSON document (type, config, data) and write one flat JSON object of
estimates; with --csv, read a plain table and write a readable summary.
docs/statistics.md has the formulas.`,
	}
	input := inputFlag(cmd)
	f := cmd.Flags()
	f.BoolVar(&csv, "csv", false, "the input is CSV: prompt_id, condition, label, and optionally sample, af_reasoning")
	f.StringVar(&output, "output", "text", "with --csv: text for a summary, or json for one flat object of every estimate")
	f.Float64Var(&opts.Alpha, "alpha", 0.05, "with --csv: two-sided error of intervals and one-sided error of bounds")
	f.Float64SliceVar(&opts.Thresholds, "threshold", []float64{0.05}, "with --csv: gaps to decide against")
	f.Float64Var(&partial, "partial-weight", 1, "with --csv: score of a partial answer, 0 to 1")
	f.IntVar(&opts.MinPrompts, "min-prompts", 0, "with --csv: fewer complete pairs are INCONCLUSIVE")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		return withInput(cmd, *input, func(r io.Reader) error {
			var err error
			if csv {
				opts.PartialWeight = &partial
				if opts.Alpha <= 0 { // 0 means the default further in
					return usageError("--alpha must lie in [1e-12, 0.5], got %g", opts.Alpha)
				}
				if opts.MinPrompts < 0 {
					return usageError("--min-prompts must not be negative, got %d", opts.MinPrompts)
				}
				err = summarise(r, cmd.OutOrStdout(), opts, output)
			} else {
				err = statsdoc.Run(r, cmd.OutOrStdout())
			}
			if err != nil {
				return &exitError{exitUsage, fmt.Errorf("stats: %w", err)}
			}
			return nil
		})
	}
	return cmd
}
