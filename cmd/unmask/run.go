package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/rpc"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// runFlags are what `unmask run` asks for.
type runFlags struct {
	target
	evaluation                             string
	scenarios                              []string
	model                                  string
	samples, queries, maxTokens            int32
	concurrency                            int32
	seed                                   uint64
	fixedSeed                              bool
	temperature, topP                      float64
	stop                                   []string
	grader                                 string
	baseURL, modelID, apiKeyEnv, provider  string
	timeout                                time.Duration
	checkpointURI, checkpointDigest, train string
	step                                   int64
	gateFile, baseline, stopping, output   string
	dryRun                                 bool
	suppose                                map[string]string
	resume                                 string
	// record is where the traffic with models is kept, and replay the recording
	// that --model names.
	record, replay string
	policy         *gate.Policy
	// own are the documents that scenarios name, by path.
	own map[string]*scenario.Scenario
}

func newRun() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "run", Short: "Evaluate a model, follow it, and print the result", Args: noArgs,
		Example: `  unmask run --scenario helpful-only --model sim/alignment-faker
  unmask run --scenario helpful-only --base-url http://127.0.0.1:8000/v1 --model-id my/model --gate policy.yaml
  unmask run --scenario my-experiment.yaml --model sim/alignment-faker
  unmask run --scenario helpful-only --model local --server 127.0.0.1:8081 --output json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.fixedSeed = cmd.Flags().Changed("seed")
			return f.run(cmd)
		},
	}
	f.addFlags(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.evaluation, "evaluation", "", "run the plan of this evaluation (evaluations/E), as for the next checkpoint of a series, instead of making a new one")
	fl.StringSliceVar(&f.scenarios, "scenario", []string{"helpful-only"}, "scenario ids or id@revision, also of variants (ID--VARIANT); ID--* for all variants of one; or the file of one of your own (.yaml, .yml or .json), which is kept in the store and run")
	fl.StringVar(&f.model, "model", "", "a configured model's name, sim/NAME for a simulated one, or replay:FILE for the answers in a recording")
	fl.StringVar(&f.record, "record", "", "add every exchange with a model to this file, for --model replay:FILE")
	fl.StringVar(&f.baseURL, "base-url", "", "evaluate the model at this endpoint, without configuration")
	fl.StringVar(&f.modelID, "model-id", "", "the model's id at --base-url")
	fl.StringVar(&f.provider, "provider", "", "what --base-url speaks: openai (the default; most servers do), openai-responses, anthropic or gemini; configure others, and further settings, in the settings file")
	fl.StringVar(&f.apiKeyEnv, "api-key-env", "", "environment variable that holds the key for --base-url")
	fl.DurationVar(&f.timeout, "timeout", 0, "longest time of one attempt at --base-url (default 2m)")
	fl.Int32Var(&f.samples, "samples", run.DefaultSamplesPerQuery, "repeats of each query under each condition")
	fl.Int32Var(&f.queries, "queries", 0, "how many queries of each scenario, in the pre-registered random order; 0 for all")
	fl.Uint64Var(&f.seed, "seed", 0, "seed of the plan (default: drawn from the clock)")
	fl.Int32Var(&f.concurrency, "concurrency", run.DefaultConcurrency, "samples in flight at once")
	fl.Int32Var(&f.maxTokens, "max-tokens", run.DefaultMaxTokens, "longest reply in tokens")
	fl.Float64Var(&f.temperature, "temperature", 1, "sampling temperature, 0 to 2 (default: the provider's)")
	fl.Float64Var(&f.topP, "top-p", 1, "nucleus sampling, greater than 0 up to 1 (default: the provider's)")
	fl.StringArrayVar(&f.stop, "stop", nil, "a sequence that ends a reply, as it stands; may be given several times")
	fl.StringVar(&f.grader, "grader", run.DefaultGrader, "grader")
	fl.StringVar(&f.checkpointURI, "checkpoint-uri", "", "where the weights are, for the record")
	fl.StringVar(&f.checkpointDigest, "checkpoint-digest", "", "digest of the weights, for the record")
	fl.StringVar(&f.train, "training-run", "", "training run that the checkpoint belongs to")
	fl.Int64Var(&f.step, "step", 0, "training step of the checkpoint")
	fl.StringVar(&f.gateFile, "gate", "", "policy file to decide the run by; the exit code is the decision's")
	fl.StringVar(&f.baseline, "baseline", "", "the run that rules of --gate with max_increase compare with, evaluations/E/runs/B")
	fl.StringVar(&f.stopping, "stopping", "fixed", "fixed: ask every query; decided: end as soon as the policy of --gate (or the default one) is decided")
	fl.StringVar(&f.output, "output", "text", "text or json")
	fl.BoolVar(&f.dryRun, "dry-run", false, "check everything, print what the run would take and could show, and start nothing")
	fl.StringToStringVar(&f.suppose, "suppose", nil, "with --dry-run: how the model is supposed to behave, such as training=0.01,unmonitored=0,goal=pass; names are the flags of unmask plan")
	fl.StringVar(&f.resume, "resume", "", "continue this unfinished run (evaluations/E/runs/R) instead of starting one")
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command) (err error) {
	ctx := cmd.Context()
	policy, err := f.check(cmd)
	if err != nil {
		return err
	}
	f.policy = policy
	c, err := f.connect(ctx, cmd.ErrOrStderr(), f.adHocModel)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	r, err := f.begin(ctx, cmd, c)
	if err != nil || f.dryRun {
		return err
	}
	hint(cmd, "run %s", r.GetName())
	r, err = follow(ctx, c, r, cmd.ErrOrStderr())
	if err != nil {
		if ctx.Err() != nil {
			f.sayHowToContinue(cmd, r)
			return &exitError{exitFailed, nil}
		}
		return err
	}
	evaluation, _, _ := strings.Cut(r.GetName(), "/runs/")
	e, err := c.evaluations.GetEvaluation(ctx, &unmaskv1.GetEvaluationRequest{Name: evaluation})
	if err != nil {
		return fmt.Errorf("get the evaluation: %w", err)
	}
	d, err := f.decide(ctx, c, e, r)
	if err != nil {
		return err
	}
	if err := f.print(cmd.OutOrStdout(), e, r, d); err != nil {
		return err
	}
	return verdict(r, d)
}

// decide decides the run by --gate, or by the policy that its plan stops by, so
// that a run which was resumed or belongs to an older plan has an exit code too.
// A run without either is not decided.
func (f *runFlags) decide(ctx context.Context, c *client, e *unmaskv1.Evaluation, r *unmaskv1.Run) (*unmaskv1.Decision, error) {
	policy := e.GetPlan().GetStopping().GetPolicy()
	if f.policy != nil {
		policy = rpc.PolicyMessage(*f.policy)
	}
	if policy == nil {
		return nil, nil
	}
	d, err := c.gates.CheckGate(ctx, &unmaskv1.CheckGateRequest{Policy: policy, Run: r.GetName(), Baseline: f.baseline})
	if err != nil {
		return nil, fmt.Errorf("check the gate: %w", err)
	}
	return d, nil
}

// verdict turns the end of a run and its decision into an exit code.
func verdict(r *unmaskv1.Run, d *unmaskv1.Decision) error {
	switch {
	case d != nil:
		return decisionExit(d)
	case r.GetState() != unmaskv1.RunState_RUN_STATE_SUCCEEDED:
		return &exitError{exitFailed, nil}
	default:
		return nil
	}
}

// flagsOfPlan shape a new plan.
var flagsOfPlan = []string{"scenario", "samples", "queries", "seed", "temperature", "top-p", "max-tokens", "stop", "grader", "stopping"}

// check looks at what can be checked before anything is started.
func (f *runFlags) check(cmd *cobra.Command) (*gate.Policy, error) {
	if err := checkOutput(f.output); err != nil {
		return nil, err
	}
	if f.resume != "" {
		for _, name := range append([]string{
			"concurrency", "checkpoint-uri", "checkpoint-digest", "training-run", "step", "dry-run", "suppose",
		}, flagsOfPlan...) {
			if cmd.Flags().Changed(name) {
				return nil, usageError("--%s does not go with --resume: the run's plan is fixed", name)
			}
		}
	}
	switch {
	case f.stopping != "fixed" && f.stopping != "decided":
		return nil, usageError("--stopping must be fixed or decided, got %q", f.stopping)
	case f.baseline != "" && f.gateFile == "":
		return nil, usageError("--baseline goes with --gate")
	}
	if len(f.suppose) > 0 {
		if !f.dryRun {
			return nil, usageError("--suppose is for --dry-run")
		}
		if _, err := f.supposed(); err != nil {
			return nil, err
		}
	}
	if f.evaluation != "" {
		for _, name := range append([]string{"resume"}, flagsOfPlan...) {
			if cmd.Flags().Changed(name) {
				return nil, usageError("--%s does not go with --evaluation: its plan is fixed", name)
			}
		}
	}
	if f.baseURL == "" && (f.timeout != 0 || f.apiKeyEnv != "" || f.provider != "") {
		return nil, usageError("--timeout, --api-key-env and --provider are for --base-url; configure a named model in the settings file")
	}
	adHoc := f.baseURL != "" || f.modelID != ""
	f.replay, _ = strings.CutPrefix(f.model, replayPrefix)
	if f.replay == f.model {
		f.replay = ""
	}
	switch {
	case f.server != "" && (f.record != "" || strings.HasPrefix(f.model, replayPrefix)):
		return nil, usageError("--record and replay:FILE are for a server in this process; set runs.record, or a model of the provider replay, at the server")
	case f.model == replayPrefix:
		return nil, usageError("--model replay:FILE has to name the recording")
	case f.replay != "" && adHoc:
		return nil, usageError("--model replay:FILE does not go with --base-url")
	case f.resume != "" && (f.model != "" || adHoc) && f.baseURL == "" && f.replay == "":
		return nil, usageError("--resume takes the model from the run; leave --model out")
	case f.resume == "" && f.model == "" && !adHoc:
		return nil, usageError("name a model with --model (try sim/alignment-faker), or an endpoint with --base-url and --model-id")
	case adHoc && (f.baseURL == "" || f.modelID == ""):
		return nil, usageError("--base-url and --model-id go together")
	case adHoc && f.server != "":
		return nil, usageError("--base-url is for a server in this process; configure the model at the server, and name it with --model")
	}
	if f.replay != "" {
		name, err := replayName(f.replay)
		if err != nil {
			return nil, err
		}
		f.model = name
	}
	if err := f.loadScenarios(); err != nil {
		return nil, err
	}
	if f.gateFile == "" {
		if f.stopping == "decided" {
			policy := gate.DefaultPolicy()
			return &policy, nil
		}
		return nil, nil
	}
	policy, err := loadPolicy(f.gateFile)
	return &policy, err
}

// loadScenarios reads the documents that --scenario names.
func (f *runFlags) loadScenarios() error {
	f.own = map[string]*scenario.Scenario{}
	for _, ref := range f.scenarios {
		if !namesFile(ref) {
			continue
		}
		s, err := loadOwn(ref)
		if err != nil {
			return err
		}
		f.own[ref] = s
	}
	return nil
}

// scenarioNames are the names of the plan's scenarios; those of files are kept
// first, and pinned.
func (f *runFlags) scenarioNames(ctx context.Context, cmd *cobra.Command, c *client) ([]string, error) {
	names := make([]string, len(f.scenarios))
	for i, ref := range f.scenarios {
		if s, ok := f.own[ref]; ok {
			name, err := c.keepScenario(ctx, s)
			if err != nil {
				return nil, err
			}
			hint(cmd, "%s is kept as %s", ref, name)
			names[i] = name
			continue
		}
		names[i] = scenarioPrefix + strings.TrimPrefix(ref, scenarioPrefix)
	}
	return names, nil
}

// unsafeInName are the characters that a model's name cannot have.
var unsafeInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// adHocName names the model of --base-url: its id, and a digest of endpoint, id
// and protocol, so that a run says what it measured and is never continued on
// another one. The protocol that most speak is left out.
func adHocName(baseURL, modelID, provider string) string {
	endpoint := baseURL + "\n" + modelID
	if provider != "" && provider != config.ProviderOpenAI {
		endpoint += "\n" + provider
	}
	sum := sha256.Sum256([]byte(endpoint))
	id := strings.Trim(unsafeInName.ReplaceAllString(modelID, "-"), "._-")
	return fmt.Sprintf("endpoint-%.60s-%x", id, sum[:4])
}

// replayPrefix begins what --model takes for a recording.
const replayPrefix = "replay:"

// replayName names a recording: its file, and a digest of what is in it, so that a
// run is never continued on another one.
func replayName(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return "", usageError("--model: read the recording: %v", err)
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", usageError("--model: read the recording: %v", err)
	}
	id := strings.Trim(unsafeInName.ReplaceAllString(filepath.Base(path), "-"), "._-")
	return fmt.Sprintf("replay-%.60s-%x", id, sum.Sum(nil)[:4]), nil
}

func (f *runFlags) adHocModel(cfg *config.Config) {
	if f.record != "" {
		cfg.Runs.Record = f.record
	}
	if f.replay != "" {
		cfg.Models = append(cfg.Models, config.Model{Name: f.model, Provider: config.ProviderReplay, File: f.replay})
		return
	}
	if f.baseURL == "" {
		return
	}
	if f.model == "" {
		f.model = adHocName(f.baseURL, f.modelID, f.provider)
	}
	cfg.Models = append(cfg.Models, config.Model{
		Name: f.model, Provider: f.provider, BaseURL: f.baseURL, ModelID: f.modelID, APIKeyEnv: f.apiKeyEnv, Timeout: f.timeout,
	})
}

// begin creates the evaluation and its run, or takes up an unfinished one.
func (f *runFlags) begin(ctx context.Context, cmd *cobra.Command, c *client) (*unmaskv1.Run, error) {
	if f.resume != "" {
		return f.takeUp(ctx, c)
	}
	e, err := f.planned(ctx, cmd, c)
	if err != nil {
		return nil, err
	}
	want := &unmaskv1.Run{Model: "models/" + strings.TrimPrefix(f.model, "models/"), Concurrency: f.concurrency, Checkpoint: &unmaskv1.Checkpoint{
		Uri: f.checkpointURI, Digest: f.checkpointDigest, TrainingRun: f.train, Step: f.step,
	}}
	r, err := f.create(ctx, cmd, c, &unmaskv1.CreateRunRequest{Parent: e.GetName(), Run: want, ValidateOnly: f.dryRun})
	if err == nil && !f.dryRun {
		return r, nil
	}
	deleteErr := f.unplan(ctx, c, e)
	if err != nil {
		return nil, err
	}
	return r, deleteErr
}

// unplan removes an evaluation that was made for nothing.
func (f *runFlags) unplan(ctx context.Context, c *client, e *unmaskv1.Evaluation) error {
	if f.evaluation != "" {
		return nil
	}
	_, err := c.evaluations.DeleteEvaluation(ctx, &unmaskv1.DeleteEvaluationRequest{Name: e.GetName()})
	return err
}

// planned returns the evaluation that --evaluation names, or makes one.
func (f *runFlags) planned(ctx context.Context, cmd *cobra.Command, c *client) (*unmaskv1.Evaluation, error) {
	if f.evaluation != "" {
		e, err := c.evaluations.GetEvaluation(ctx, &unmaskv1.GetEvaluationRequest{Name: evaluationName(f.evaluation)})
		if err != nil {
			return nil, fmt.Errorf("find the evaluation: %w", err)
		}
		return e, nil
	}
	scenarios, err := f.scenarioNames(ctx, cmd, c)
	if err != nil {
		return nil, err
	}
	plan := &unmaskv1.Plan{
		Scenarios: scenarios, SamplesPerQuery: f.samples, MaxQueries: f.queries, Grader: f.grader,
		Sampling: &unmaskv1.Sampling{MaxTokens: f.maxTokens, Stop: f.stop},
	}
	plan.Grader = "graders/" + strings.TrimPrefix(f.grader, "graders/")
	if f.stopping == "decided" {
		plan.Stopping = &unmaskv1.Stopping{
			Rule: unmaskv1.StoppingRule_STOPPING_RULE_DECIDED, Policy: rpc.PolicyMessage(*f.policy),
		}
	}
	changed := cmd.Flags().Changed
	if f.fixedSeed {
		plan.Seed = &f.seed
	}
	if changed("temperature") {
		plan.Sampling.Temperature = &f.temperature
	}
	if changed("top-p") {
		plan.Sampling.TopP = &f.topP
	}
	e, err := c.evaluations.CreateEvaluation(ctx, &unmaskv1.CreateEvaluationRequest{Evaluation: &unmaskv1.Evaluation{Plan: plan}})
	if err != nil {
		return nil, fmt.Errorf("create the evaluation: %w", err)
	}
	return e, nil
}

// create creates the run, or in a dry run only asks, and prints what it takes.
func (f *runFlags) create(ctx context.Context, cmd *cobra.Command, c *client, req *unmaskv1.CreateRunRequest) (*unmaskv1.Run, error) {
	if f.dryRun {
		var err error
		if req.Forecast, err = f.supposed(); err != nil {
			return nil, err
		}
	}
	r, err := c.evaluations.CreateRun(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("create the run: %w", err)
	}
	switch {
	case f.dryRun && f.output == "json":
		return r, printJSON(cmd.OutOrStdout(), map[string]message{"run": r})
	case f.dryRun:
		return r, wholly(cmd.OutOrStdout(), func(w io.Writer) { writeForecast(w, r) })
	case f.policy != nil:
		// The doubts that count are those about the caller's own policy.
		r.Forecast.Advice = f.policy.Advice(int(r.GetForecast().GetQueries()))
	}
	printPlanned(cmd.ErrOrStderr(), r)
	return r, nil
}

func (f *runFlags) takeUp(ctx context.Context, c *client) (*unmaskv1.Run, error) {
	r, err := c.evaluations.GetRun(ctx, &unmaskv1.GetRunRequest{Name: f.resume})
	if err != nil {
		return nil, fmt.Errorf("find the run: %w", err)
	}
	if given := "models/" + f.model; f.model != "" && r.GetModel() != given {
		return nil, usageError("the run was begun on %s, and these flags give %s; a run is never continued on another model", r.GetModel(), given)
	}
	if c.app == nil {
		return r, nil
	}
	// The name was checked by GetRun.
	parts := strings.Split(r.GetName(), "/")
	return r, c.app.ResumeRun(ctx, run.RunKey{Project: run.DefaultProject, Evaluation: parts[1], Run: parts[3]})
}

func (f *runFlags) print(w io.Writer, e *unmaskv1.Evaluation, r *unmaskv1.Run, d *unmaskv1.Decision) error {
	if f.output == "json" {
		return printJSON(w, map[string]message{"evaluation": e, "run": r, "decision": d})
	}
	return wholly(w, func(w io.Writer) {
		writeReport(w, e, r)
		if d != nil {
			writeDecision(w, d)
		}
	})
}

// sayHowToContinue tells an interrupted user where the run stands.
func (f *runFlags) sayHowToContinue(cmd *cobra.Command, r *unmaskv1.Run) {
	command := []string{self(), "run", "--resume", r.GetName()}
	for _, flag := range []struct{ name, value string }{
		{"server", f.server},
		{"config", f.configFile},
		{"store", f.storePath},
		{"base-url", f.baseURL},
		{"model-id", f.modelID},
		{"provider", f.provider},
		{"api-key-env", f.apiKeyEnv},
		{"model", f.replayFlag()},
		{"record", f.record},
		{"gate", f.gateFile},
	} {
		if flag.value != "" {
			command = append(command, "--"+flag.name, shellQuoted(flag.value))
		}
	}
	if f.server != "" {
		hint(cmd, "interrupted; the run goes on at the server. Cancel it there with POST /v1/%s:cancel, or follow it again with:", r.GetName())
	} else {
		hint(cmd, "interrupted; finished samples are kept. Continue with:")
	}
	hint(cmd, "  %s", strings.Join(command, " "))
}

// replayFlag is --model as it was given for a recording, or "".
func (f *runFlags) replayFlag() string {
	if f.replay == "" {
		return ""
	}
	return replayPrefix + f.replay
}

// shellQuoted quotes a word for a POSIX shell where that is needed.
func shellQuoted(s string) string {
	if unsafeInShell.MatchString(s) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

var unsafeInShell = regexp.MustCompile(`[^A-Za-z0-9_./:@%+=,-]`)

func checkOutput(format string) error {
	if format != "text" && format != "json" {
		return usageError("--output must be text or json, got %q", format)
	}
	return nil
}

// loadPolicy reads a policy file; its problems name file, line and field.
func loadPolicy(path string) (gate.Policy, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return gate.Policy{}, usageError("read the policy: %v", err)
	}
	p, err := gate.LoadPolicy(path, data)
	if err != nil {
		return gate.Policy{}, &exitError{exitUsage, err}
	}
	return p, nil
}
