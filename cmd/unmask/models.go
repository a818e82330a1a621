package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/terminal"
)

func newModels() *cobra.Command {
	cmd := &cobra.Command{
		Use: "models", Short: "The models that there are, and whether they work", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newModelsList(), newModelsProbe())
	return cmd
}

// modelTarget is a server whose store does not matter: without --server it keeps
// one of its own for the moment, so that nothing is in the way of another process.
type modelTarget struct{ target }

func (t *modelTarget) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.server, "server", "", "host:port of a running server's gRPC port; without it the settings file says which models there are")
	f.StringVar(&t.configFile, "config", os.Getenv(config.EnvFile), "settings file (env UNMASK_CONFIG)")
}

func (t *modelTarget) with(cmd *cobra.Command, adjust func(*config.Config), fn func(context.Context, *client) error) (err error) {
	if t.server == "" {
		dir, tempErr := os.MkdirTemp("", "unmask-models-")
		if tempErr != nil {
			return fmt.Errorf("make a store for the moment: %w", tempErr)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		t.storePath, t.drain = filepath.Join(dir, "unmask.db"), 5*time.Second
	}
	ctx := cmd.Context()
	c, err := t.connect(ctx, cmd.ErrOrStderr(), adjust)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	return fn(ctx, c)
}

func newModelsList() *cobra.Command {
	var t modelTarget
	var output string
	cmd := &cobra.Command{Use: "list", Short: "List the configured models and the simulated ones", Args: noArgs}
	t.addFlags(cmd)
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		return t.with(cmd, nil, func(ctx context.Context, c *client) error {
			all := &unmaskv1.ListModelsResponse{}
			for req := (&unmaskv1.ListModelsRequest{}); ; {
				page, err := c.models.ListModels(ctx, req)
				if err != nil {
					return fmt.Errorf("list the models: %w", err)
				}
				all.Models = append(all.Models, page.GetModels()...)
				if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
					break
				}
			}
			if output == "json" {
				return printMessage(cmd.OutOrStdout(), all)
			}
			return wholly(cmd.OutOrStdout(), func(w io.Writer) { writeModels(w, all.GetModels()) })
		})
	}
	return cmd
}

func newModelsProbe() *cobra.Command {
	var t modelTarget
	var ad runFlags
	var output string
	cmd := &cobra.Command{
		Use: "probe [NAME]", Short: "Ask a model one short question and say what works",
		Long: `Ask a model one short question and say what works: whether it is reached, which
model replied, whether its reasoning was seen, whether it keeps to tags, and how
fast it is. NAME is a configured model, sim/NAME or replay:FILE; --base-url and
--model-id name an endpoint instead.

Exit codes: 0 it replied, 2 bad usage or no such model, 4 it did not reply.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError("unmask models probe takes one model, got %d", len(args))
			}
			return nil
		},
	}
	t.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&ad.baseURL, "base-url", "", "probe the model at this OpenAI-compatible endpoint, without configuration")
	f.StringVar(&ad.modelID, "model-id", "", "the model's id at --base-url")
	f.StringVar(&ad.apiKeyEnv, "api-key-env", "", "environment variable that holds the key for --base-url")
	f.StringVar(&output, "output", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		if err := ad.probed(args, t.server != ""); err != nil {
			return err
		}
		return t.with(cmd, ad.adHocModel, func(ctx context.Context, c *client) error {
			p, err := c.models.ProbeModel(ctx, &unmaskv1.ProbeModelRequest{Name: modelPrefix + strings.TrimPrefix(ad.model, modelPrefix)})
			if err != nil {
				return fmt.Errorf("probe the model: %w", err)
			}
			if output == "json" {
				err = printMessage(cmd.OutOrStdout(), p)
			} else {
				err = wholly(cmd.OutOrStdout(), func(w io.Writer) { writeProbe(w, p) })
			}
			if err == nil && !p.GetReachable() {
				return &exitError{exitFailed, nil}
			}
			return err
		})
	}
	return cmd
}

const modelPrefix = "models/"

// probed reads which model is to be probed.
func (f *runFlags) probed(args []string, remote bool) error {
	adHoc := f.baseURL != "" || f.modelID != ""
	switch {
	case len(args) == 0 && !adHoc:
		return usageError("name a model (see unmask models list), or an endpoint with --base-url and --model-id")
	case len(args) > 0 && adHoc:
		return usageError("name a model or give --base-url and --model-id, not both")
	case adHoc && (f.baseURL == "" || f.modelID == ""):
		return usageError("--base-url and --model-id go together")
	case f.apiKeyEnv != "" && f.baseURL == "":
		return usageError("--api-key-env is for --base-url")
	}
	if len(args) > 0 {
		f.model = args[0]
	}
	replay := strings.HasPrefix(f.model, replayPrefix)
	if remote && (adHoc || replay) {
		return usageError("--base-url and replay:FILE do not go with --server: configure the model there, and name it")
	}
	if !replay {
		return nil
	}
	f.replay = strings.TrimPrefix(f.model, replayPrefix)
	name, err := replayName(f.replay)
	f.model = name
	return err
}

// printMessage writes a message as indented JSON, with all its fields.
func printMessage(w io.Writer, m message) error {
	text, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return fmt.Errorf("write as JSON: %w", err)
	}
	// protojson varies its white space.
	return writeIndented(w, json.RawMessage(text))
}

func writeModels(w io.Writer, all []*unmaskv1.Model) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tPROVIDER\tMODEL\tCREDENTIAL\tLIMITS\tPRICES")
	for _, m := range all {
		what := m.GetDescription()
		switch {
		case m.GetEndpoint() != "":
			what = m.GetModelId() + " at " + m.GetEndpoint()
		case m.GetRecordingDigest() != "":
			what = fmt.Sprintf("%d exchanges, %s", m.GetRecordedExchanges(), shortDigest(m.GetRecordingDigest()))
			if m.GetRecordingTruncated() {
				what += ", last line cut"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", strings.TrimPrefix(m.GetName(), modelPrefix), m.GetProvider(),
			terminal.Safe(what), terminal.Safe(credentialOf(m)), limitsOf(m.GetLimits()), pricesOf(m))
	}
	_ = t.Flush()
}

func credentialOf(m *unmaskv1.Model) string {
	switch {
	case m.GetApiKeyEnv() != "":
		return "env " + m.GetApiKeyEnv()
	case m.GetApiKeyFile() != "":
		return "file " + m.GetApiKeyFile()
	default:
		return "-"
	}
}

func limitsOf(l *unmaskv1.ModelLimits) string {
	if l == nil {
		return "-"
	}
	out := fmt.Sprintf("%d at once", l.GetMaxConcurrency())
	if n := l.GetRequestsPerMinute(); n > 0 {
		out += fmt.Sprintf(", %d calls/min", n)
	}
	if n := l.GetTokensPerMinute(); n > 0 {
		out += fmt.Sprintf(", %d tokens/min", n)
	}
	return out
}

func pricesOf(m *unmaskv1.Model) string {
	price := func(p *float64) string {
		if p == nil {
			return "?"
		}
		return strconv.FormatFloat(*p, 'g', -1, 64)
	}
	if m.InputPrice == nil && m.OutputPrice == nil {
		return "-"
	}
	return price(m.InputPrice) + " in, " + price(m.OutputPrice) + " out"
}

func writeProbe(w io.Writer, p *unmaskv1.ModelProbe) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, terminal.Safe(fmt.Sprintf(format, args...)))
	}
	row("model", "%s", p.GetModel())
	if e := p.GetError(); e != nil {
		status := ""
		if e.GetHttpStatus() != 0 {
			status = fmt.Sprintf(" (HTTP %d)", e.GetHttpStatus())
		}
		row("reachable", "no")
		row("error", "%s%s: %s", strings.TrimPrefix(e.GetClass().String(), "SAMPLE_ERROR_CLASS_"), status, e.GetMessage())
		row("attempts", "%d in %v", p.GetAttempts(), p.GetLatency().AsDuration().Round(time.Millisecond))
		_ = t.Flush()
		writeFailureBody(w, e)
		return
	}
	row("reachable", "yes, in %v and %d attempt(s)", p.GetLatency().AsDuration().Round(time.Millisecond), p.GetAttempts())
	row("served model", "%s", orElse(p.GetServedModel(), "not said"))
	channel := "none seen"
	if k := p.GetNativeKind(); k != unmaskv1.NativeKind_NATIVE_KIND_UNSPECIFIED {
		channel = strings.ToLower(strings.TrimPrefix(k.String(), "NATIVE_KIND_"))
	}
	row("reasoning channel", "%s", channel)
	row("reasoning observed", "%s", strings.TrimPrefix(p.GetObservation().String(), "OBSERVATION_"))
	row("tags honoured", "%s", map[bool]string{true: "yes", false: "no"}[p.GetTagsHonoured()])
	row("finish reason", "%s", strings.ToLower(strings.TrimPrefix(p.GetFinishReason().String(), "FINISH_REASON_")))
	speed := "not known: the endpoint counts no tokens"
	if p.TokensPerSecond != nil {
		speed = fmt.Sprintf("%.1f tokens/s (%d in, %d out)", p.GetTokensPerSecond(), p.GetInputTokens(), p.GetOutputTokens())
	}
	row("speed", "%s", speed)
	_ = t.Flush()
}

// writeFailureBody shows what a server sent with a failure. It is nobody's text that
// could be trusted.
func writeFailureBody(w io.Writer, e *unmaskv1.SampleError) {
	body := exact(e.GetBody(), e.GetBodyBytes())
	if body == "" {
		return
	}
	more := ""
	if e.GetBodyTruncated() {
		more = ", and more"
	}
	fmt.Fprintf(w, "\nThe server sent (credentials taken out):\n%s", indent(terminal.Safe(body)))
	fmt.Fprintf(w, "(%d bytes%s)\n", len(body), more)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
