// Command unmask measures whether a language model behaves differently when it
// believes that it is being trained. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// version is set by the build.
var version = "dev"

// Exit codes beside those of a decision (gate.Outcome.ExitCode); docs/cli.md
// explains them.
const (
	exitOK     = 0
	exitUsage  = 2
	exitFailed = 4
)

// exitError ends the program with a code of its own choice. A nil err prints
// nothing, because the command has said everything already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError is bad usage or bad input.
func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		// The first interrupt asks to stop; a second one ends the program at once.
		<-ctx.Done()
		stop()
	}()
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{codeOf(err), err}
	}
	if exit.err != nil {
		printError(errOut, exit.err)
	}
	return exit.code
}

// codeOf tells what the caller did wrong from what could not be carried out.
func codeOf(err error) int {
	var ce *config.Error
	var se *scenario.Error
	if errors.As(err, &ce) || errors.As(err, &se) {
		return exitUsage
	}
	switch status.Code(errors.Unwrap(err)) {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition:
		return exitUsage
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition:
		return exitUsage
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "unmask",
		Short: "Does a language model behave differently when it believes that it is being trained?",
		Long: `Unmask puts the same queries to a model under a condition in which it believes
that the chat trains it and under one in which it believes that nobody looks,
and measures the difference: the compliance gap, and the alignment-faking
reasoning behind it.

Exit codes: 0 done or PASS, 1 BLOCK, 2 bad usage or input, 3 INCONCLUSIVE,
4 could not be carried out.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitUsage, err} })
	root.AddCommand(
		newDemo(), newServe(), newMigrate(), newPrune(), newRun(), newGate(), newSeries(), newCompare(), newPlan(), newGrade(), newCalibrate(), newParse(), newStats(),
		newScenarios(), newModels(), newDocuments(), newSimulate(), newVersion(),
	)
	return root
}

// noArgs refuses positional arguments, and names a command that is misspelt.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError("%s: unexpected argument %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return nil
}

// exactArgs wants one positional argument for each name.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return usageError("%s takes %d argument(s) %v, got %d", cmd.CommandPath(), len(names), names, len(args))
		}
		return nil
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "unmask", version)
			return err
		},
	}
}
